//! Transit gateways, what is attached to them, and their route tables (TGW-1 … TGW-3).
//!
//! Routes, associations and propagations of a table come from calls that do not say which table they are about: the
//! file's name may (`tgw-rtb-….json`), or the id stands beside them, as tools that collect dumps write it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use model::transit_gateway::{AttachedTo, TransitGateway, TransitGatewayAttachment, TransitGatewayRouteTable, TransitGatewaySettings};
use model::transit_gateway::VpcAttachmentOptions;
use model::*;

use super::Dump;
use super::field::{Item, Reader};
use super::json::cut;
use super::note::NoteKind;

/// States in which a thing carries packets.
fn is_there(item: &Item<'_>, reader: &mut Reader<'_>) -> bool {
    !matches!(item.text(reader, "State"), Some("deleting" | "deleted" | "failed" | "failing" | "rejected" | "rejecting" | "pendingAcceptance" | "initiatingRequest"))
}

impl Dump<'_, '_> {
    pub(super) fn transit_gateways(&mut self) {
        for mut item in self.calls.take("TransitGateways") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<TransitGatewayId>(reader, "TransitGatewayId") else { continue };
            item.path = id.to_string();
            if !is_there(&item, reader) {
                continue;
            }
            let options = item.object(reader, "Options");
            let description = item.text(reader, "Description").unwrap_or_default().to_owned();
            let mut settings = TransitGatewaySettings { description, ..Default::default() };
            if let Some(options) = &options {
                let mut is_on = |key: &str, usual: bool| options.text(reader, key).map_or(usual, |word| word == "enable");
                settings.auto_accepts = is_on("AutoAcceptSharedAttachments", settings.auto_accepts);
                settings.dns_support = is_on("DnsSupport", settings.dns_support);
                settings.vpn_ecmp_support = is_on("VpnEcmpSupport", settings.vpn_ecmp_support);
                let asn = options.number(reader, "AmazonSideAsn", 1, i64::from(u32::MAX));
                asn.and_then(|asn| u64::try_from(asn).ok()).iter().for_each(|asn| settings.amazon_side_asn = *asn);
            }
            let gateway = TransitGateway {
                id: id.clone(),
                default_route_table: options.as_ref().and_then(|o| o.id(reader, "AssociationDefaultRouteTableId")),
                security_group_referencing: options.is_some_and(|o| o.text(reader, "SecurityGroupReferencingSupport") == Some("enable")),
                settings,
                state: Default::default(),
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            self.model.transit_gateways.insert(id, gateway);
        }
        for (key, call) in [("TransitGatewayVpcAttachments", "vpc-attachments"), ("TransitGatewayRouteTables", "route-tables")] {
            if !self.calls.has(key) {
                for id in self.model.transit_gateways.keys().cloned().collect::<Vec<_>>() {
                    let place = self.place_of(&id);
                    self.reader.note(NoteKind::Missing, place, format!("the {call} of {id} (describe-transit-gateway-{call})"));
                }
            }
        }
        self.attachments();
        self.transit_tables();
        self.learned();
    }

    fn attachments(&mut self) {
        for mut item in self.calls.take("TransitGatewayVpcAttachments") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<TransitGatewayAttachmentId>(reader, "TransitGatewayAttachmentId") else { continue };
            item.path = id.to_string();
            if !is_there(&item, reader) {
                continue;
            }
            let (gateway, vpc) = (item.required_id(reader, "TransitGatewayId"), item.required_id(reader, "VpcId"));
            let (Some(transit_gateway_id), Some(vpc_id)) = (gateway, vpc) else { continue };
            let options = item.object(reader, "Options");
            let to = AttachedTo::Vpc {
                vpc_id,
                subnet_ids: item.all(reader, "SubnetIds", "the id of a subnet"),
                options: VpcAttachmentOptions {
                    security_group_referencing: options.as_ref().is_some_and(|o| o.text(reader, "SecurityGroupReferencingSupport") == Some("enable")),
                    ipv6_support: options.is_some_and(|o| o.text(reader, "Ipv6Support") == Some("enable")),
                },
            };
            let attachment = TransitGatewayAttachment { id: id.clone(), transit_gateway_id, to, create_time: Default::default(), state: Default::default(), tags: item.tags(reader), origin: item.origin(reader) };
            self.place(&id, &item);
            self.model.transit_gateway_attachments.insert(id, attachment);
        }
        for mut item in self.calls.take("TransitGatewayPeeringAttachments") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<TransitGatewayAttachmentId>(reader, "TransitGatewayAttachmentId") else { continue };
            item.path = id.to_string();
            if !is_there(&item, reader) {
                continue;
            }
            let [requester, accepter] = ["RequesterTgwInfo", "AccepterTgwInfo"]
                .map(|key| item.object(reader, key).and_then(|side| side.required_id::<TransitGatewayId>(reader, "TransitGatewayId")));
            let (Some(transit_gateway_id), Some(accepter)) = (requester, accepter) else { continue };
            let to = AttachedTo::Peering { accepter };
            let attachment = TransitGatewayAttachment { id: id.clone(), transit_gateway_id, to, create_time: Default::default(), state: Default::default(), tags: item.tags(reader), origin: item.origin(reader) };
            self.place(&id, &item);
            self.model.transit_gateway_attachments.insert(id, attachment);
        }
    }

    fn transit_tables(&mut self) {
        for mut item in self.calls.take("TransitGatewayRouteTables") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<TransitGatewayRouteTableId>(reader, "TransitGatewayRouteTableId") else { continue };
            item.path = id.to_string();
            let Some(transit_gateway_id) = item.required_id::<TransitGatewayId>(reader, "TransitGatewayId") else { continue };
            if !is_there(&item, reader) {
                continue;
            }
            let table = TransitGatewayRouteTable {
                id: id.clone(),
                transit_gateway_id,
                associations: BTreeSet::new(),
                propagations: BTreeSet::new(),
                routes: BTreeMap::new(),
                state: Default::default(),
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            self.model.transit_gateway_route_tables.insert(id, table);
        }
        // The general call knows every kind of attachment, and which table each is associated with.
        for mut item in self.calls.take("TransitGatewayAttachments") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<TransitGatewayAttachmentId>(reader, "TransitGatewayAttachmentId") else { continue };
            item.path = id.to_string();
            if !is_there(&item, reader) {
                continue;
            }
            let kind = item.words(reader, "ResourceType");
            if !matches!(kind.as_str(), "vpc" | "peering" | "tgw-peering") {
                reader.note(NoteKind::NotModelled, item.span(), format!("{id}: the attachment of a {} to a transit gateway", cut(&kind)));
            } else if !self.model.transit_gateway_attachments.contains_key(&id) {
                let call = if kind == "vpc" { "vpc-attachments" } else { "peering-attachments" };
                reader.note(NoteKind::Missing, item.span(), format!("the subnets of {id} (describe-transit-gateway-{call}): left out"));
            }
            let Some(association) = item.object(reader, "Association") else { continue };
            let table = association.id::<TransitGatewayRouteTableId>(reader, "TransitGatewayRouteTableId");
            if let Some(table) = table.and_then(|table| self.model.transit_gateway_route_tables.get_mut(&table)) {
                table.associations.insert(id);
            }
        }
        let known: Vec<TransitGatewayAttachmentId> = self.model.transit_gateway_attachments.keys().cloned().collect();
        for table in self.model.transit_gateway_route_tables.values_mut() {
            table.associations.retain(|id| known.contains(id));
        }
    }

    /// What tables know: static routes, and whose blocks are announced.
    fn learned(&mut self) {
        let mut told: BTreeSet<TransitGatewayRouteTableId> = BTreeSet::new();
        for root in self.calls.take("TransitGatewayRoutes") {
            let Some(id) = self.table_of(&root) else { continue };
            told.insert(id.clone());
            for part in root.list(&mut self.reader, "Routes") {
                self.learn(&id, &part);
            }
            for part in root.list(&mut self.reader, "TransitGatewayRouteTablePropagations") {
                if let Some(attachment) = part.required_id::<TransitGatewayAttachmentId>(&mut self.reader, "TransitGatewayAttachmentId")
                    && let Some(table) = self.model.transit_gateway_route_tables.get_mut(&id)
                {
                    table.propagations.insert(attachment);
                }
            }
            for part in root.list(&mut self.reader, "Associations") {
                if let Some(attachment) = part.required_id::<TransitGatewayAttachmentId>(&mut self.reader, "TransitGatewayAttachmentId")
                    && let Some(table) = self.model.transit_gateway_route_tables.get_mut(&id)
                {
                    table.associations.insert(attachment);
                }
            }
        }
        let silent: Vec<TransitGatewayRouteTableId> = self.model.transit_gateway_route_tables.keys().filter(|id| !told.contains(*id)).cloned().collect();
        for id in silent {
            let place = self.place_of(&id);
            self.reader.note(NoteKind::Missing, place, format!("the routes of {id} (search-transit-gateway-routes, in a file called {id}.json): it has none here"));
        }
    }

    /// `search-transit-gateway-routes`: static routes as they are; who is announced follows from propagated ones.
    fn learn(&mut self, id: &TransitGatewayRouteTableId, part: &Item<'_>) {
        let reader = &mut self.reader;
        let Some(block) = part.required::<IpNet>(reader, "DestinationCidrBlock", "a block of addresses") else { return };
        let attachments = part.list(reader, "TransitGatewayAttachments");
        let attachment = attachments.first().and_then(|a| a.required_id::<TransitGatewayAttachmentId>(reader, "TransitGatewayAttachmentId"));
        let is_blackhole = part.text(reader, "State") == Some("blackhole");
        let is_static = part.text(reader, "Type") != Some("propagated");
        if attachments.len() > 1 {
            reader.note(NoteKind::NotModelled, part.span(), format!("{id}: several ways to {block}; the first is taken"));
        }
        let Some(table) = self.model.transit_gateway_route_tables.get_mut(id) else { return };
        match (attachment, is_static) {
            (Some(attachment), false) => drop(table.propagations.insert(attachment)),
            (attachment, true) if is_blackhole || attachment.is_some() => {
                table.routes.insert(block.trunc(), attachment.filter(|_| !is_blackhole));
            }
            _ => {}
        }
    }

    fn table_of(&mut self, root: &Item<'_>) -> Option<TransitGatewayRouteTableId> {
        let written = root.has("TransitGatewayRouteTableId");
        let id = match written {
            true => root.id::<TransitGatewayRouteTableId>(&mut self.reader, "TransitGatewayRouteTableId"),
            false => id_in(&root.path),
        };
        let text = match id {
            Some(id) if self.model.transit_gateway_route_tables.contains_key(&id) => return Some(id),
            Some(id) => format!("{id} has routes and no description"),
            None => "routes of a transit gateway's table that neither the file nor its name tells: call it tgw-rtb-….json".to_owned(),
        };
        self.reader.note(NoteKind::Missing, root.span(), text);
        None
    }
}

/// `tgw-rtb-0123abcd` somewhere in a path.
fn id_in(path: &str) -> Option<TransitGatewayRouteTableId> {
    let rest = &path[path.rfind("tgw-rtb-")? + "tgw-rtb-".len()..];
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    format!("tgw-rtb-{}", &rest[..end]).parse().ok()
}
