//! Transit gateways: how they, what is attached to them and their tables are looked at, taken away and made.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use model::operation::*;
use model::transit_gateway::AttachedTo;
use model::*;

use super::transition::{Step, Transition};
use super::view::{Kind, Reader, Thing, View, on};
use crate::names::own_name;

/// Static routes of a table: where to, `None` = blackhole.
type Routes = BTreeMap<IpNet, Option<TransitGatewayAttachmentId>>;

impl Reader<'_> {
    pub(super) fn transit(&self, view: &mut View) {
        for (name, id) in self.names.transit_gateways.iter() {
            let Some(gateway) = self.model.transit_gateways.get(id) else { continue };
            let settings = &gateway.settings;
            let mut thing = Thing::default()
                .fixed("default route table", on(gateway.default_route_table.is_some()))
                .open("ASN", settings.amazon_side_asn)
                .open("security group referencing", on(gateway.security_group_referencing))
                .open("DNS support", on(settings.dns_support))
                .open("ECMP of VPNs", on(settings.vpn_ecmp_support))
                .open("auto accept", on(settings.auto_accepts));
            if !settings.description.is_empty() {
                thing = thing.open("description", &settings.description);
            }
            view.add(Kind::TransitGateway, name, thing.tags(&gateway.tags).at(&gateway.origin));
        }
        for (name, id) in self.names.transit_attachments.iter() {
            let Some(attachment) = self.model.transit_gateway_attachments.get(id) else { continue };
            let mut thing = Thing::default().lives_in(Kind::TransitGateway, self.gateway(&attachment.transit_gateway_id));
            thing = match &attachment.to {
                AttachedTo::Vpc { vpc_id, subnet_ids, options } => {
                    let subnets: BTreeSet<&str> = subnet_ids.iter().map(|id| self.subnet(id)).collect();
                    thing.stands_on.extend(subnets.iter().map(|name| (Kind::Subnet, (*name).to_owned())));
                    let words: Vec<&str> = subnets.into_iter().map(own_name).collect();
                    thing
                        .listed(words.iter().map(|name| format!("subnet {name}")))
                        .open("security group referencing", on(options.security_group_referencing))
                        .open("IPv6 support", on(options.ipv6_support))
                        .lives_in(Kind::Vpc, self.vpc(vpc_id))
                        .summary(words.join(", "))
                }
                AttachedTo::Peering { accepter } => thing.lives_in(Kind::TransitGateway, self.gateway(accepter)),
            };
            view.add(Kind::TransitAttachment, name, thing.tags(&attachment.tags).at(&attachment.origin));
        }
        for (name, id) in self.names.transit_tables.iter() {
            let Some(table) = self.model.transit_gateway_route_tables.get(id) else { continue };
            let attached = |id: &TransitGatewayAttachmentId| self.attached(&table.transit_gateway_id, id);
            let mut thing = Thing::default()
                .lives_in(Kind::TransitGateway, self.gateway(&table.transit_gateway_id))
                .listed(table.associations.iter().map(|id| format!("association {}", attached(id))))
                .listed(table.propagations.iter().map(|id| format!("propagation {}", attached(id))));
            for (block, to) in &table.routes {
                let to = to.as_ref().filter(|to| self.model.transit_gateway_attachments.contains_key(*to));
                thing = thing.open(format!("route {block}"), to.map_or_else(|| "blackhole".to_owned(), attached));
            }
            view.add(Kind::TransitTable, name, thing.tags(&table.tags).at(&table.origin));
        }
    }

    fn gateway<'a>(&'a self, id: &'a TransitGatewayId) -> &'a str {
        self.names.transit_gateways.name(id).unwrap_or(id.as_str())
    }

    /// An attachment as a table of this gateway names it.
    fn attached(&self, gateway: &TransitGatewayId, id: &TransitGatewayAttachmentId) -> String {
        match self.model.transit_gateway_attachments.get(id).map(|attachment| (attachment, &attachment.to)) {
            Some((_, AttachedTo::Vpc { vpc_id, .. })) => self.vpc(vpc_id).to_owned(),
            Some((_, AttachedTo::Peering { accepter })) if accepter != gateway => format!("tgw {}", self.gateway(accepter)),
            Some((attachment, AttachedTo::Peering { .. })) => format!("tgw {}", self.gateway(&attachment.transit_gateway_id)),
            None => id.to_string(),
        }
    }
}

impl Transition<'_> {
    /// Gateways that must go, and what of others must; subnets that go are let go of.
    pub(super) fn remove_transit(&mut self) -> Step {
        // What is being made can neither change nor go.
        let gateways = self.model.transit_gateways.values().map(|row| row.state);
        let attachments = self.model.transit_gateway_attachments.values().map(|row| row.state);
        let tables = self.model.transit_gateway_route_tables.values().map(|row| row.state);
        if gateways.chain(attachments).chain(tables).any(|state| !state.is_available()) {
            self.settle();
        }
        let attachments: Vec<_> = self.names.transit_attachments.iter().map(|(name, id)| (name.to_owned(), id.clone())).collect();
        for (name, id) in attachments {
            if self.goes(Kind::TransitAttachment, &name) {
                let result = delete_transit_gateway_attachment(self.model, &id);
                self.op(&name, result)?;
                continue;
            }
            let Some(TransitGatewayAttachment { to: AttachedTo::Vpc { subnet_ids, .. }, .. }) = self.model.transit_gateway_attachments.get(&id) else {
                continue;
            };
            let goes = |id: &&SubnetId| self.names.subnets.name(id).is_some_and(|name| self.goes(Kind::Subnet, name));
            let gone: Vec<SubnetId> = subnet_ids.iter().filter(goes).cloned().collect();
            if !gone.is_empty() {
                let result = modify_transit_gateway_vpc_attachment(self.model, &id, &[], &gone, None);
                self.op(&name, result)?;
            }
        }
        for name in self.going(Kind::TransitTable) {
            let Some(table) = self.names.transit_tables.id(&name).and_then(|id| self.model.transit_gateway_route_tables.get(id)).cloned() else {
                continue;
            };
            // A default one goes with its gateway.
            if self.model.transit_gateways.values().any(|gateway| gateway.default_route_table.as_ref() == Some(&table.id)) {
                continue;
            }
            for attachment in &table.associations {
                let result = disassociate_transit_gateway_route_table(self.model, &table.id, attachment);
                self.op(&name, result)?;
            }
            let result = delete_transit_gateway_route_table(self.model, &table.id);
            self.op(&name, result)?;
        }
        let gateways = self.going(Kind::TransitGateway);
        if !gateways.is_empty() {
            self.settle();
        }
        for name in gateways {
            let Some(id) = self.names.transit_gateways.id(&name).cloned() else { continue };
            let result = delete_transit_gateway(self.model, &id);
            self.op(&name, result)?;
        }
        Ok(())
    }

    pub(super) fn make_transit(&mut self) -> Step {
        let target = self.target;
        if target.model.transit_gateways.is_empty() {
            return Ok(());
        }
        for (name, id) in target.names.transit_gateways.iter() {
            if let Some(wanted) = target.model.transit_gateways.get(id) {
                self.transit_gateway(name, wanted)?;
            }
        }
        self.settle();
        for (name, id) in target.names.transit_attachments.iter() {
            if let Some(wanted) = target.model.transit_gateway_attachments.get(id) {
                self.transit_attachment(name, wanted)?;
            }
        }
        for (name, id) in target.names.transit_tables.iter() {
            if let Some(wanted) = target.model.transit_gateway_route_tables.get(id) {
                self.transit_table(name, wanted)?;
            }
        }
        self.settle();
        self.transit_tables()
    }

    fn transit_gateway(&mut self, name: &str, wanted: &TransitGateway) -> Step {
        let known = self.names.transit_gateways.id(name).and_then(|id| self.model.transit_gateways.get(id)).cloned();
        let Some(known) = known else {
            let request = CreateTransitGateway {
                default_route_table: wanted.default_route_table.is_some(),
                security_group_referencing: wanted.security_group_referencing,
                settings: wanted.settings.clone(),
                tags: wanted.tags.clone(),
                origin: wanted.origin.clone(),
            };
            let result = create_transit_gateway(self.model, request);
            let id = self.op(name, result)?;
            self.names.transit_gateways.add(Some(name.to_owned()), &id);
            let table = self.model.transit_gateways.get(&id).and_then(|gateway| gateway.default_route_table.clone());
            let there = wanted.default_route_table.as_ref().and_then(|id| self.target.names.transit_tables.name(id));
            if let (Some(table), Some(there)) = (table, there) {
                self.names.transit_tables.add(Some(there.to_owned()), &table);
            }
            return Ok(());
        };
        let settings = transit_gateway::TransitGatewaySettings { create_time: known.settings.create_time, ..wanted.settings.clone() };
        let is_same = known.settings == settings && known.security_group_referencing == wanted.security_group_referencing;
        if !is_same {
            let result = modify_transit_gateway(self.model, &known.id, wanted.security_group_referencing, settings);
            self.op(name, result)?;
        }
        self.set_tags(known.id.to_string(), &known.tags, &wanted.tags)
    }

    fn transit_attachment(&mut self, name: &str, wanted: &TransitGatewayAttachment) -> Step {
        let known = self.names.transit_attachments.id(name).and_then(|id| self.model.transit_gateway_attachments.get(id)).cloned();
        let gateway = self.own(|names| &names.transit_gateways, &wanted.transit_gateway_id)?;
        let id = match (&wanted.to, known) {
            (AttachedTo::Vpc { subnet_ids, options, .. }, Some(known)) => {
                let wanted_subnets: Vec<SubnetId> = subnet_ids.iter().map(|id| self.own_subnet(id)).collect::<Step<_>>()?;
                if let AttachedTo::Vpc { subnet_ids, options: is, .. } = &known.to {
                    let gained: Vec<_> = wanted_subnets.iter().filter(|id| !subnet_ids.contains(id)).cloned().collect();
                    let lost: Vec<_> = subnet_ids.iter().filter(|id| !wanted_subnets.contains(id)).cloned().collect();
                    let options = Some(*options).filter(|wanted| wanted != is);
                    if !gained.is_empty() || !lost.is_empty() || options.is_some() {
                        let result = modify_transit_gateway_vpc_attachment(self.model, &known.id, &gained, &lost, options);
                        self.op(name, result)?;
                    }
                }
                return self.set_tags(known.id.to_string(), &known.tags, &wanted.tags);
            }
            (AttachedTo::Peering { .. }, Some(known)) => return self.set_tags(known.id.to_string(), &known.tags, &wanted.tags),
            (AttachedTo::Vpc { vpc_id, subnet_ids, options }, None) => {
                let request = CreateTransitGatewayVpcAttachment {
                    transit_gateway_id: gateway,
                    vpc_id: self.own_vpc(vpc_id)?,
                    subnet_ids: subnet_ids.iter().map(|id| self.own_subnet(id)).collect::<Step<_>>()?,
                    options: *options,
                    tags: wanted.tags.clone(),
                    origin: wanted.origin.clone(),
                };
                let result = create_transit_gateway_vpc_attachment(self.model, request);
                self.op(name, result)?
            }
            (AttachedTo::Peering { accepter }, None) => {
                let accepter = self.own(|names| &names.transit_gateways, accepter)?;
                let result = create_transit_gateway_peering_attachment(self.model, &gateway, &accepter);
                let id = self.op(name, result)?;
                self.set_tags(id.to_string(), &Tags::new(), &wanted.tags)?;
                id
            }
        };
        self.names.transit_attachments.add(Some(name.to_owned()), &id);
        Ok(())
    }

    fn transit_table(&mut self, name: &str, wanted: &TransitGatewayRouteTable) -> Step {
        let known = self.names.transit_tables.id(name).and_then(|id| self.model.transit_gateway_route_tables.get(id));
        if let Some((id, tags)) = known.map(|table| (table.id.to_string(), table.tags.clone())) {
            return self.set_tags(id, &tags, &wanted.tags);
        }
        let gateway = self.own(|names| &names.transit_gateways, &wanted.transit_gateway_id)?;
        let result = create_transit_gateway_route_table(self.model, &gateway, wanted.tags.clone(), wanted.origin.clone());
        let id = self.op(name, result)?;
        self.names.transit_tables.add(Some(name.to_owned()), &id);
        Ok(())
    }

    /// What tables serve and know. All let go before any takes: an attachment has one table (TGW-2).
    fn transit_tables(&mut self) -> Step {
        let mut todo = Vec::new();
        for (name, id) in self.target.names.transit_tables.iter() {
            let Some(wanted) = self.target.model.transit_gateway_route_tables.get(id) else { continue };
            let own = self.own(|names| &names.transit_tables, id)?;
            let here = |there: &TransitGatewayAttachmentId| self.own(|names| &names.transit_attachments, there);
            let associations: BTreeSet<_> = wanted.associations.iter().map(here).collect::<Step<_>>()?;
            let propagations: BTreeSet<_> = wanted.propagations.iter().map(here).collect::<Step<_>>()?;
            let route = |(block, to): (&IpNet, &Option<_>)| Ok((*block, to.as_ref().map(here).transpose()?));
            let routes: Routes = wanted.routes.iter().map(route).collect::<Step<_>>()?;
            todo.push((name.to_owned(), own, associations, propagations, routes));
        }
        for (name, id, associations, propagations, routes) in &todo {
            let Some(is) = self.model.transit_gateway_route_tables.get(id).cloned() else { continue };
            for gone in is.associations.difference(associations) {
                let result = disassociate_transit_gateway_route_table(self.model, id, gone);
                self.op(name, result)?;
            }
            for gone in is.propagations.difference(propagations) {
                let result = set_transit_gateway_route_table_propagation(self.model, id, gone, false);
                self.op(name, result)?;
            }
            for block in is.routes.iter().filter(|(block, to)| routes.get(*block) != Some(*to)).map(|(block, _)| *block) {
                let result = delete_transit_gateway_route(self.model, id, block);
                self.op(name, result)?;
            }
        }
        for (name, id, associations, propagations, routes) in &todo {
            let Some(is) = self.model.transit_gateway_route_tables.get(id).cloned() else { continue };
            for new in associations.difference(&is.associations) {
                let result = associate_transit_gateway_route_table(self.model, id, new);
                self.op(name, result)?;
            }
            for new in propagations.difference(&is.propagations) {
                let result = set_transit_gateway_route_table_propagation(self.model, id, new, true);
                self.op(name, result)?;
            }
            for (block, to) in routes.iter().filter(|(block, _)| !is.routes.contains_key(*block)) {
                let result = create_transit_gateway_route(self.model, id, *block, to.as_ref());
                self.op(name, result)?;
            }
        }
        Ok(())
    }
}
