//! Transit gateways of a cloud, as the file has them.

use std::collections::BTreeSet;

use model::transit_gateway::{AttachedTo, TransitGatewaySettings};
use model::*;

use super::Writer;
use super::yaml::{key, one_or_many, quoted};
use crate::build::PRIVATE_ASNS;

/// Gateways that a lab may have (QUO-1).
const MOST: usize = 5;

impl Writer<'_> {
    /// Gateways that the file has, by name.
    fn written_gateways(&self) -> Vec<&TransitGateway> {
        let mut all: Vec<&TransitGateway> = self.model.transit_gateways.values().collect();
        all.sort_by_key(|gateway| &self.called.transit_gateways[&gateway.id]);
        all.truncate(MOST);
        all
    }

    /// The gateway that a route of a VPC leads to, if the file has it and its attachment.
    pub(super) fn gateway_of_route(&self, id: &TransitGatewayId, vpc: &VpcId) -> Option<&str> {
        let attachment = self.model.transit_gateway_attachment_of(id, vpc)?;
        self.attached_name(attachment, id)?;
        self.called.transit_gateways.get(id).map(String::as_str)
    }

    /// What a gateway's tables call an attachment; `None`: the file does not have it.
    fn attached_name(&self, attachment: &TransitGatewayAttachment, gateway: &TransitGatewayId) -> Option<String> {
        let model = self.model;
        let is_written = |id: &TransitGatewayId| self.written_gateways().iter().any(|gateway| gateway.id == *id);
        if !is_written(gateway) {
            return None;
        }
        match &attachment.to {
            AttachedTo::Vpc { vpc_id, subnet_ids, .. } => {
                let first = model.transit_gateway_attachment_of(gateway, vpc_id)?;
                let has_subnets = subnet_ids.iter().any(|id| model.subnets.get(id).is_some_and(|subnet| subnet.vpc_id == *vpc_id));
                let name = self.called.vpcs.get(vpc_id)?;
                (first.id == attachment.id && has_subnets).then(|| name.clone())
            }
            AttachedTo::Peering { accepter } => {
                let other = if accepter == gateway { &attachment.transit_gateway_id } else { accepter };
                is_written(other).then(|| self.called.transit_gateways[other].clone())
            }
        }
    }

    /// The same as a word that cannot be mistaken: a VPC and a gateway may have one name.
    fn attached_word(&self, attachment: &TransitGatewayAttachment, gateway: &TransitGatewayId) -> Option<String> {
        let name = self.attached_name(attachment, gateway)?;
        let is_vpc = attachment.vpc_id().is_some();
        let same = self.model.transit_gateway_attachments.values().filter(|other| other.is_of(gateway) && other.id != attachment.id);
        let is_alone = !same.filter_map(|other| self.attached_name(other, gateway)).any(|other| other == name) && name != "blackhole";
        Some(match (is_vpc, is_alone) {
            (true, true) => key(&name),
            (true, false) => format!("vpc {name}"),
            (false, _) => format!("tgw {name}"),
        })
    }

    pub(super) fn transit_gateways(&mut self) {
        let model = self.model;
        let written: Vec<TransitGateway> = self.written_gateways().into_iter().cloned().collect();
        for gateway in model.transit_gateways.keys().filter(|id| !written.iter().any(|gateway| gateway.id == **id)) {
            self.unsaid(format!("{gateway}: more transit gateways than a lab can have ({MOST})"));
        }
        for attachment in model.transit_gateway_attachments.values() {
            if self.attached_name(attachment, &attachment.transit_gateway_id).is_none() {
                self.unsaid(format!("{}: what it attaches to {} is not here", attachment.id, attachment.transit_gateway_id));
            }
        }
        if written.is_empty() {
            return;
        }
        self.line(0, "transit_gateways:");
        for gateway in &written {
            let name = key(&self.called.transit_gateways[&gateway.id]);
            let start = self.out.len();
            self.line(1, format!("{name}:"));
            let empty = self.out.len();
            self.transit_settings(gateway);
            self.attachments(gateway);
            self.transit_tables(gateway);
            if self.out.len() == empty {
                self.out.truncate(start);
                self.line(1, format!("{name}: {{}}"));
            }
        }
    }

    fn transit_settings(&mut self, gateway: &TransitGateway) {
        let (is, usual) = (&gateway.settings, TransitGatewaySettings::default());
        if !is.description.is_empty() {
            self.line(2, format!("description: {}", quoted(&is.description)));
        }
        if !PRIVATE_ASNS.iter().any(|range| range.contains(&is.amazon_side_asn)) {
            self.changed(format!("the ASN {} of {} becomes {}: it is no private one", is.amazon_side_asn, gateway.id, usual.amazon_side_asn));
        } else if is.amazon_side_asn != usual.amazon_side_asn {
            self.line(2, format!("asn: {}", is.amazon_side_asn));
        }
        for (word, is, usual) in [
            ("default_route_table", gateway.default_route_table.is_some(), true),
            ("security_group_referencing", gateway.security_group_referencing, false),
            ("dns_support", is.dns_support, usual.dns_support),
            ("vpn_ecmp", is.vpn_ecmp_support, usual.vpn_ecmp_support),
            ("auto_accept", is.auto_accepts, usual.auto_accepts),
        ] {
            if is != usual {
                self.line(2, format!("{word}: {is}"));
            }
        }
        if let Some(tags) = self.tags(&gateway.tags) {
            self.line(2, tags);
        }
    }

    fn attachments(&mut self, gateway: &TransitGateway) {
        let model = self.model;
        let own = model.transit_gateway_attachments.values().filter(|attachment| attachment.transit_gateway_id == gateway.id);
        let named: Vec<_> = own.filter_map(|attachment| Some((self.attached_name(attachment, &gateway.id)?, attachment))).collect();
        let (mut vpcs, mut peerings) = (Vec::new(), Vec::new());
        for (name, attachment) in named {
            let mut parts = Vec::new();
            if let AttachedTo::Vpc { vpc_id, subnet_ids, options } = &attachment.to {
                let subnets = subnet_ids.iter().filter_map(|id| model.subnets.get(id)).filter(|subnet| subnet.vpc_id == *vpc_id);
                let mut zones = BTreeSet::new();
                let mut words = Vec::new();
                for subnet in subnets {
                    // Zones of two regions may have become one.
                    if zones.insert(self.zone(subnet)) {
                        words.push(key(&self.called.subnets[&subnet.id]));
                    }
                }
                parts.push(format!("subnets: {}", one_or_many(&words)));
                parts.extend((!options.security_group_referencing).then(|| "security_group_referencing: false".to_owned()));
                // Where there is no IPv6, nothing is said of it.
                let has_ipv6 = model.vpcs.get(vpc_id).is_some_and(|vpc| vpc.ipv6_blocks().next().is_some());
                parts.extend((has_ipv6 && !options.ipv6_support).then(|| "ipv6_support: false".to_owned()));
            }
            parts.extend(self.tags(&attachment.tags));
            let line = format!("{}: {{ {} }}", key(&name), parts.join(", ")).replace("{  }", "{}");
            if attachment.vpc_id().is_some() { &mut vpcs } else { &mut peerings }.push(line);
        }
        for (word, mut lines) in [("attachments", vpcs), ("peerings", peerings)] {
            lines.sort();
            if !lines.is_empty() {
                self.line(2, format!("{word}:"));
            }
            lines.into_iter().for_each(|line| self.line(3, line));
        }
    }

    fn transit_tables(&mut self, gateway: &TransitGateway) {
        let model = self.model;
        let mut tables: Vec<&TransitGatewayRouteTable> =
            model.transit_gateway_route_tables.values().filter(|table| table.transit_gateway_id == gateway.id).collect();
        tables.sort_by_key(|table| &self.called.transit_tables[&table.id]);
        let attached: Vec<(&TransitGatewayAttachmentId, String, bool)> = model
            .transit_gateway_attachments
            .values()
            .filter(|attachment| attachment.is_of(&gateway.id))
            .filter_map(|attachment| Some((&attachment.id, self.attached_word(attachment, &gateway.id)?, attachment.vpc_id().is_some())))
            .collect();
        let words = |of: &BTreeSet<TransitGatewayAttachmentId>| -> Vec<String> {
            let mut words: Vec<String> = attached.iter().filter(|(id, ..)| of.contains(*id)).map(|(_, word, _)| word.clone()).collect();
            words.sort();
            words
        };
        // What a table `default` without these words would serve and know.
        let elsewhere: BTreeSet<_> = tables.iter().filter(|table| gateway.default_route_table.as_ref() != Some(&table.id)).flat_map(|table| &table.associations).collect();
        let rest: BTreeSet<_> = attached.iter().map(|(id, ..)| *id).filter(|id| !elsewhere.contains(id)).cloned().collect();
        let vpcs: BTreeSet<_> = attached.iter().filter(|(.., is_vpc)| *is_vpc).map(|(id, ..)| (*id).clone()).collect();
        let mut lines: Vec<(usize, String)> = Vec::new();
        for table in tables {
            let is_default = gateway.default_route_table.as_ref() == Some(&table.id);
            let (serves, knows) = (words(&table.associations), words(&table.propagations));
            let mut parts = Vec::new();
            if if is_default { serves != words(&rest) } else { !serves.is_empty() } {
                parts.push((4, format!("associations: [{}]", serves.join(", "))));
            }
            if if is_default { knows != words(&vpcs) } else { !knows.is_empty() } {
                parts.push((4, format!("propagations: [{}]", knows.join(", "))));
            }
            if !table.routes.is_empty() {
                parts.push((4, "routes:".to_owned()));
            }
            for (block, to) in &table.routes {
                let known = to.as_ref().and_then(|id| attached.iter().find(|(own, ..)| *own == id));
                if let (Some(id), None) = (to, known) {
                    self.unsaid(format!("{}: the route to {block} by {id}: it is a blackhole there", table.id));
                }
                let target = known.map_or("blackhole", |(_, word, _)| word);
                let block = if block.addr().is_ipv6() { quoted(&block.to_string()) } else { block.to_string() };
                parts.push((5, format!("{block}: {target}")));
            }
            parts.extend(self.tags(&table.tags).map(|tags| (4, tags)));
            let name = key(&self.called.transit_tables[&table.id]);
            match parts.is_empty() {
                true if is_default => {}
                true => lines.push((3, format!("{name}: {{}}"))),
                false => {
                    lines.push((3, format!("{name}:")));
                    lines.extend(parts);
                }
            }
        }
        if !lines.is_empty() {
            self.line(2, "route_tables:");
            lines.into_iter().for_each(|(indent, line)| self.line(indent, line));
        }
    }
}
