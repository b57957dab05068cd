//! Transit gateways of the file: what is attached to them, their tables, and the routes of VPCs that follow (TGW-1 … TGW-3).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use model::operation::*;
use model::route_table::Associated;
use model::transit_gateway::{AttachedTo, TransitGatewaySettings, VpcAttachmentOptions};
use model::{
    Destination, RouteTarget, SubnetId, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId,
    TransitGatewayRouteTableId, VpcId,
};

use super::{Build, tags};
use crate::code::Code;
use crate::decode::OneOrMany;
use crate::diagnostic::{Diagnostic, known_names};
use crate::file::{AttachmentWord, TransitAttachment, TransitGateway, TransitRoute, TransitRouteTable};
use crate::names::{DEFAULT, own_name};
use crate::source::{Located, Span};

/// Private numbers of BGP, as CreateTransitGateway takes them: 16 bits, and 32 (RFC 6996).
pub(crate) const PRIVATE_ASNS: [std::ops::RangeInclusive<u64>; 2] = [64_512..=65_534, 4_200_000_000..=4_294_967_294];

/// A table of a gateway as the file has it.
struct Table<'l> {
    id: TransitGatewayRouteTableId,
    is_default: bool,
    span: Span,
    written: Option<&'l TransitRouteTable>,
}

fn is_on(flag: &Option<Located<bool>>, otherwise: bool) -> bool {
    flag.as_ref().map_or(otherwise, |flag| flag.value)
}

impl Build<'_, '_> {
    /// Gateways, what is attached to them, and their tables. VPCs and subnets are there.
    pub(super) fn transit_gateways(&mut self) {
        let lab = self.lab;
        let mut made: Vec<(&Located<String>, &TransitGateway, TransitGatewayId)> = Vec::new();
        for (name, written) in lab.file.transit_gateways.iter() {
            if let Some(id) = self.transit_gateway(name, written) {
                made.push((name, written, id));
            }
        }
        if made.is_empty() {
            return;
        }
        self.settle();
        for (_, written, id) in &made {
            for (vpc, attachment) in &written.attachments.0 {
                if self.gives_up() {
                    return;
                }
                self.attach(id, vpc, attachment);
            }
        }
        for (name, written, id) in &made {
            for (other, peering) in &written.peerings.0 {
                self.peer(id, name, other, tags(&format!("{}-{}", name.value, other.value), &peering.tags));
            }
        }
        let tables: Vec<Vec<Table>> = made.iter().map(|(name, written, id)| self.transit_tables(name, written, id)).collect();
        self.settle();
        for ((_, _, id), tables) in made.iter().zip(&tables) {
            self.fill(id, tables);
        }
    }

    fn transit_gateway(&mut self, name: &Located<String>, written: &TransitGateway) -> Option<TransitGatewayId> {
        let usual = TransitGatewaySettings::default();
        if let Some(asn) = written.asn.filter(|asn| !PRIVATE_ASNS.iter().any(|range| range.contains(&asn.value))) {
            let problem = Diagnostic::new(Code::OutOfRange, asn.span, format!("{} is no private number of BGP", asn.value));
            self.problem(problem.label("not private").hint("64512 to 65534, or 4200000000 to 4294967294"));
            return None;
        }
        let request = CreateTransitGateway {
            default_route_table: is_on(&written.default_route_table, true),
            security_group_referencing: is_on(&written.security_group_referencing, false),
            settings: TransitGatewaySettings {
                description: written.description.as_ref().map_or_else(String::new, |text| text.value.clone()),
                amazon_side_asn: written.asn.map_or(usual.amazon_side_asn, |asn| asn.value),
                auto_accepts: is_on(&written.auto_accept, usual.auto_accepts),
                dns_support: is_on(&written.dns_support, usual.dns_support),
                vpn_ecmp_support: is_on(&written.vpn_ecmp, usual.vpn_ecmp_support),
                create_time: usual.create_time,
            },
            tags: tags(&name.value, &written.tags),
            origin: self.origin(name.span),
        };
        let result = create_transit_gateway(self.model, request);
        let id = self.op(name.span, result)?;
        self.names.transit_gateways.add(Some(name.value.clone()), &id);
        Some(id)
    }

    fn attach(&mut self, gateway: &TransitGatewayId, name: &Located<String>, written: &TransitAttachment) -> Option<()> {
        let vpc = self.vpc_of(Some(name), name.span, "attachment")?;
        let subnet_ids = self.attached_subnets(&vpc, name, written)?;
        let called = format!("{}-{}", self.names.transit_gateways.name(gateway).unwrap_or_default(), name.value);
        let request = CreateTransitGatewayVpcAttachment {
            transit_gateway_id: gateway.clone(),
            vpc_id: vpc,
            subnet_ids,
            options: VpcAttachmentOptions {
                security_group_referencing: is_on(&written.security_group_referencing, true),
                ipv6_support: is_on(&written.ipv6_support, true),
            },
            tags: tags(&called, &written.tags),
            origin: self.origin(name.span),
        };
        let result = create_transit_gateway_vpc_attachment(self.model, request);
        let id = self.op(written.subnets.0.last().map_or(name.span, |subnet| subnet.span), result)?;
        let called = self.model.transit_gateway_attachments.get(&id).and_then(|attachment| self.names.attachment(attachment));
        self.names.transit_attachments.add(called, &id);
        Some(())
    }

    /// The subnets of an attachment; where none are written, the first of the VPC in each zone.
    fn attached_subnets(&mut self, vpc: &VpcId, name: &Located<String>, written: &TransitAttachment) -> Option<Vec<SubnetId>> {
        let lab = self.lab;
        let of_vpc = lab.file.vpcs.get(&name.value)?;
        if written.subnets.0.is_empty() {
            let mut zones = BTreeSet::new();
            let subnets = of_vpc.subnets.names().filter_map(|subnet| self.subnet_in(vpc, subnet));
            let first = |id: &SubnetId| self.model.subnets.get(id).is_some_and(|subnet| zones.insert(subnet.availability_zone.clone()));
            let subnets: Vec<SubnetId> = subnets.filter(first).collect();
            if subnets.is_empty() {
                if self.problems.is_empty() {
                    let problem = Diagnostic::new(Code::MissingKey, name.span, format!("VPC `{}` has no subnet to be attached by", name.value));
                    self.problem(problem.label("no subnet").hint("an attachment is in one subnet of each zone that may use the gateway (TGW-1)"));
                }
                return None;
            }
            return Some(subnets);
        }
        let mut subnets = Vec::new();
        for word in &written.subnets.0 {
            let own = word.value.strip_prefix(&format!("{}/", name.value)).unwrap_or(&word.value);
            match self.subnet_in(vpc, own) {
                Some(id) => subnets.push(id),
                None => {
                    let known = of_vpc.subnets.names().map(str::to_owned).collect();
                    return self.unknown(Code::UnknownSubnet, &format!("subnet of VPC `{}`", name.value), word, known);
                }
            }
        }
        Some(subnets)
    }

    fn peer(&mut self, requester: &TransitGatewayId, name: &Located<String>, other: &Located<String>, tags: model::Tags) -> Option<()> {
        let accepter = self.gateway_called(other)?;
        let result = create_transit_gateway_peering_attachment(self.model, requester, &accepter);
        let id = match result {
            Err(error) if error.code == model::ErrorCode::DuplicateTransitGatewayAttachment => {
                let message = format!("`{}` and `{}` are peered already", name.value, other.value);
                self.problem(Diagnostic::new(Code::Conflict, other.span, message).label("once is enough").hint("a peering is written at one of the two"));
                return None;
            }
            Err(error) if requester == &accepter => {
                let problem = Diagnostic::new(Code::Refused, other.span, error.message.trim_end_matches('.'));
                self.problem(problem.label("the same"));
                return None;
            }
            result => self.op(other.span, result)?,
        };
        let origin = self.origin(other.span);
        let attachment = self.model.transit_gateway_attachments.get_mut(&id)?;
        attachment.origin = origin;
        let called = self.names.attachment(attachment);
        self.names.transit_attachments.add(called, &id);
        let result = create_tags(self.model, CreateTags { resources: vec![id.to_string()], tags });
        self.op(other.span, result)
    }

    fn gateway_called(&mut self, name: &Located<String>) -> Option<TransitGatewayId> {
        let known = self.names.transit_gateways.id(&name.value).cloned();
        known.or_else(|| {
            let known = self.lab.file.transit_gateways.names().map(str::to_owned).collect();
            self.unknown(Code::UnknownTransitGateway, "transit gateway", name, known)
        })
    }

    /// The tables of a gateway: those that are written, and the default one.
    fn transit_tables<'l>(&mut self, name: &Located<String>, written: &'l TransitGateway, gateway: &TransitGatewayId) -> Vec<Table<'l>> {
        let mut tables = Vec::new();
        let default = self.model.transit_gateways.get(gateway).and_then(|gateway| gateway.default_route_table.clone());
        if let Some(id) = &default {
            self.names.transit_tables.add(self.names.below_transit(gateway, Some(DEFAULT)), id);
            let written = written.route_tables.iter().find(|(table, _)| table.value == DEFAULT);
            let span = written.map_or(name.span, |(table, _)| table.span);
            let tags = tags(DEFAULT, written.map_or(&Default::default(), |(_, written)| &written.tags));
            let result = create_tags(self.model, CreateTags { resources: vec![id.to_string()], tags });
            self.op(span, result);
            if let Some(own) = self.model.transit_gateway_route_tables.get_mut(id) {
                own.origin = self.lab.sources.origin(span);
            }
            tables.push(Table { id: id.clone(), is_default: true, span, written: written.map(|(_, written)| written) });
        }
        for (table, written) in written.route_tables.iter() {
            if table.value == DEFAULT {
                if default.is_none() {
                    let problem = Diagnostic::new(Code::Conflict, table.span, format!("`{}` has no default table", name.value));
                    self.problem(problem.label("it has none").hint("remove `default_route_table: false`, or give the table another name"));
                }
                continue;
            }
            let origin = self.origin(table.span);
            let result = create_transit_gateway_route_table(self.model, gateway, tags(&table.value, &written.tags), origin);
            if let Some(id) = self.op(table.span, result) {
                self.names.transit_tables.add(self.names.below_transit(gateway, Some(&table.value)), &id);
                tables.push(Table { id, is_default: false, span: table.span, written: Some(written) });
            }
        }
        tables
    }

    /// What a gateway's tables serve and know.
    fn fill(&mut self, gateway: &TransitGatewayId, tables: &[Table<'_>]) {
        self.associations(gateway, tables);
        for table in tables {
            let Some(written) = table.written else { continue };
            if let Some(words) = &written.propagations {
                self.announce(gateway, &table.id, words);
            }
            for (destination, word) in &written.routes.0 {
                if self.gives_up() {
                    return;
                }
                self.static_route(gateway, &table.id, destination, word);
            }
        }
    }

    /// Which table serves which attachment: what is written, and the default one all others.
    fn associations(&mut self, gateway: &TransitGatewayId, tables: &[Table<'_>]) {
        let mut said: BTreeMap<TransitGatewayAttachmentId, (usize, Span)> = BTreeMap::new();
        for (index, table) in tables.iter().enumerate() {
            for word in table.written.and_then(|written| written.associations.as_ref()).iter().flat_map(|words| &words.0) {
                let Some(id) = self.attachment(gateway, &word.value, word.span) else { continue };
                if let Some((other, first)) = said.insert(id.clone(), (index, word.span)) {
                    let what = self.names.transit_attachments.name(&id).map_or("", own_name).to_owned();
                    let message = match other == index {
                        true => format!("`{what}` is named twice"),
                        false => format!("two tables would serve `{what}`"),
                    };
                    let problem = Diagnostic::new(Code::Conflict, word.span, message).label("again").other(first, "first");
                    self.problem(problem.hint("the packets of an attachment are routed by one table (TGW-2)"));
                }
            }
        }
        let default = tables.iter().position(|table| table.is_default);
        let takes_all = default.filter(|index| tables[*index].written.is_none_or(|written| written.associations.is_none()));
        let all: Vec<TransitGatewayAttachmentId> = self.attachments_of(gateway).map(|attachment| attachment.id.clone()).collect();
        for id in all {
            let wanted = said.get(&id).copied().or(takes_all.map(|index| (index, tables[index].span)));
            let is = tables.iter().position(|table| {
                self.model.transit_gateway_route_tables.get(&table.id).is_some_and(|table| table.associations.contains(&id))
            });
            if is == wanted.map(|(index, _)| index) {
                continue;
            }
            if let Some(index) = is {
                let result = disassociate_transit_gateway_route_table(self.model, &tables[index].id, &id);
                self.op(tables[index].span, result);
            }
            if let Some((index, span)) = wanted {
                let result = associate_transit_gateway_route_table(self.model, &tables[index].id, &id);
                self.op(span, result);
            }
        }
    }

    /// Whose blocks a table knows: these and no others.
    fn announce(&mut self, gateway: &TransitGatewayId, table: &TransitGatewayRouteTableId, words: &OneOrMany<Located<AttachmentWord>>) {
        let mut wanted = BTreeSet::new();
        for word in &words.0 {
            let Some(id) = self.attachment(gateway, &word.value, word.span) else { continue };
            if self.model.transit_gateway_attachments.get(&id).is_some_and(|attachment| attachment.vpc_id().is_none()) {
                let problem = Diagnostic::new(Code::BadRouteTarget, word.span, "a transit gateway that is peered announces nothing (TGW-3)");
                let what = self.names.transit_attachments.name(&id).map_or("", own_name).to_owned();
                let other = self.other_end(gateway, &id).unwrap_or(what);
                self.problem(problem.label("static routes only").hint(format!("below `routes`: `10.0.0.0/8: tgw {other}`")));
                continue;
            }
            let result = set_transit_gateway_route_table_propagation(self.model, table, &id, true);
            if self.op(word.span, result).is_some() {
                wanted.insert(id);
            }
        }
        let known = self.model.transit_gateway_route_tables.get(table).map(|table| table.propagations.clone());
        for id in known.into_iter().flatten().filter(|id| !wanted.contains(id)) {
            let result = set_transit_gateway_route_table_propagation(self.model, table, &id, false);
            self.op(Span::default(), result);
        }
    }

    fn static_route(
        &mut self,
        gateway: &TransitGatewayId,
        table: &TransitGatewayRouteTableId,
        written: &Located<String>,
        word: &Located<TransitRoute>,
    ) -> Option<()> {
        let blocks = match written.value.as_str() {
            "anywhere" => {
                let has_ipv6 = self.attachments_of(gateway).filter_map(TransitGatewayAttachment::vpc_id).any(|vpc| self.has_ipv6(vpc));
                let ipv6 = has_ipv6.then(|| IpNet::V6(Default::default()));
                std::iter::once(IpNet::V4(Default::default())).chain(ipv6).collect()
            }
            text => vec![self.block(text, written.span, "a block, or `anywhere`")?],
        };
        let to = match &word.value {
            TransitRoute::Blackhole => None,
            TransitRoute::To(to) => Some(self.attachment(gateway, to, word.span)?),
        };
        for block in blocks {
            let result = create_transit_gateway_route(self.model, table, block, to.as_ref());
            self.op(written.span, result)?;
        }
        Some(())
    }

    /// What is attached to a gateway: VPCs, and the peerings that either side wrote.
    fn attachments_of<'s>(&'s self, gateway: &'s TransitGatewayId) -> impl Iterator<Item = &'s TransitGatewayAttachment> {
        self.model.transit_gateway_attachments.values().filter(move |attachment| attachment.is_of(gateway))
    }

    /// The gateway at the other end of a peering.
    fn other_end(&self, gateway: &TransitGatewayId, id: &TransitGatewayAttachmentId) -> Option<String> {
        let attachment = self.model.transit_gateway_attachments.get(id)?;
        let AttachedTo::Peering { accepter } = &attachment.to else { return None };
        let other = if accepter == gateway { &attachment.transit_gateway_id } else { accepter };
        self.names.transit_gateways.name(other).map(str::to_owned)
    }

    /// An attachment of a gateway by the name of what is attached.
    fn attachment(&mut self, gateway: &TransitGatewayId, word: &AttachmentWord, span: Span) -> Option<TransitGatewayAttachmentId> {
        let (mut vpcs, mut gateways) = (BTreeMap::new(), BTreeMap::new());
        for attachment in self.attachments_of(gateway) {
            match attachment.vpc_id() {
                Some(vpc) => vpcs.insert(self.names.vpcs.name(vpc).unwrap_or_default().to_owned(), attachment.id.clone()),
                None => gateways.insert(self.other_end(gateway, &attachment.id).unwrap_or_default(), attachment.id.clone()),
            };
        }
        let (name, found) = match word {
            AttachmentWord::Vpc(name) => (name, [vpcs.get(name), None]),
            AttachmentWord::Gateway(name) => (name, [None, gateways.get(name)]),
            AttachmentWord::Named(name) => (name, [vpcs.get(name), gateways.get(name)]),
        };
        match found {
            [Some(_), Some(_)] => {
                let problem = Diagnostic::new(Code::AmbiguousName, span, format!("a VPC and a transit gateway `{name}` are attached"));
                self.problem(problem.label("which one?").hint(format!("write `vpc {name}` or `tgw {name}`")));
                None
            }
            [Some(id), None] | [None, Some(id)] => Some(id.clone()),
            [None, None] => {
                self.nothing_attached(gateway, name, word, span, &vpcs, &gateways);
                None
            }
        }
    }

    fn nothing_attached(
        &mut self,
        gateway: &TransitGatewayId,
        name: &str,
        word: &AttachmentWord,
        span: Span,
        vpcs: &BTreeMap<String, TransitGatewayAttachmentId>,
        gateways: &BTreeMap<String, TransitGatewayAttachmentId>,
    ) {
        // What could not be attached has had its own error.
        if self.gives_up() || !self.problems.is_empty() {
            return;
        }
        let own = self.names.transit_gateways.name(gateway).unwrap_or_default().to_owned();
        let is_vpc = self.names.vpcs.id(name).is_some() && !matches!(word, AttachmentWord::Gateway(_));
        let is_gateway = self.names.transit_gateways.id(name).is_some() && !matches!(word, AttachmentWord::Vpc(_)) && name != own;
        let hint = match (is_vpc, is_gateway) {
            (true, _) => format!("add `{name}` to `attachments` of `{own}`"),
            (_, true) => format!("add `{name}` to `peerings` of `{own}`"),
            _ => known_names(name, "attachment", vpcs.keys().chain(gateways.keys()).map(String::as_str)),
        };
        let problem = Diagnostic::new(Code::UnknownAttachment, span, format!("`{name}` is not attached to transit gateway `{own}`"));
        self.problem(problem.label("not attached").hint(hint));
    }

    /// The gateway that a route of a VPC leads to.
    pub(super) fn attached_gateway(&mut self, vpc: &VpcId, name: &Located<String>) -> Option<TransitGatewayId> {
        let id = self.gateway_called(name)?;
        if self.model.transit_gateway_attachment_of(&id, vpc).is_some() {
            return Some(id);
        }
        if self.problems.is_empty() {
            let own = self.names.vpcs.name(vpc).unwrap_or_default();
            let message = format!("VPC `{own}` is not attached to transit gateway `{}`", name.value);
            let hint = format!("add `{own}` to `attachments` of `{}`", name.value);
            self.problem(Diagnostic::new(Code::UnknownAttachment, name.span, message).label("not attached").hint(hint));
        }
        None
    }

    /// `routes: true`: what the table of an attachment knows, the tables of its VPC lead to the gateway.
    pub(super) fn transit_routes(&mut self) {
        let lab = self.lab;
        for (name, written) in lab.file.transit_gateways.iter() {
            let Some(span) = written.routes.filter(|routes| routes.value).map(|routes| routes.span) else { continue };
            let Some(gateway) = self.names.transit_gateways.id(&name.value).cloned() else { continue };
            let attached: Vec<_> = self.attachments_of(&gateway).filter_map(|own| Some((own.id.clone(), own.vpc_id()?.clone()))).collect();
            for (attachment, vpc) in attached {
                let destinations = self.known_to(&attachment, &vpc);
                let serves_a_gateway = |table: &model::RouteTable| table.associations.iter().any(|a| matches!(a.to, Associated::InternetGateway(_)));
                let tables = self.model.route_tables.values().filter(|table| table.vpc_id == vpc && !serves_a_gateway(table));
                for table in tables.cloned().collect::<Vec<_>>() {
                    for destination in destinations.iter().filter(|block| !table.routes.iter().any(|route| route.destination == **block)) {
                        let request = CreateRoute {
                            route_table_id: table.id.clone(),
                            destination: destination.clone(),
                            target: RouteTarget::TransitGateway(gateway.clone()),
                            origin: self.origin(span),
                        };
                        let result = create_route(self.model, request);
                        if self.op(span, result).is_none() && self.gives_up() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Blocks that the table of an attachment leads to others, as far as they are none of its VPC's own.
    fn known_to(&self, attachment: &TransitGatewayAttachmentId, vpc: &VpcId) -> BTreeSet<Destination> {
        let mut tables = self.model.transit_gateway_route_tables.values();
        let Some(table) = tables.find(|table| table.associations.contains(attachment)) else { return BTreeSet::new() };
        let others = table.propagations.iter().filter(|id| *id != attachment);
        let others = others.filter_map(|id| self.model.vpcs.get(self.model.transit_gateway_attachments.get(id)?.vpc_id()?));
        let told = others.flat_map(|vpc| vpc.ipv4_blocks().map(IpNet::V4).chain(vpc.ipv6_blocks().map(IpNet::V6)));
        let written = table.routes.iter().filter(|(_, to)| to.as_ref().is_some_and(|to| to != attachment)).map(|(block, _)| *block);
        let own: Vec<IpNet> = self.model.vpcs.get(vpc).into_iter().flat_map(|vpc| vpc.ipv4_blocks().map(IpNet::V4).chain(vpc.ipv6_blocks().map(IpNet::V6))).collect();
        let is_other = |block: &IpNet| !own.iter().any(|own| own.contains(block)) && (matches!(block, IpNet::V4(_)) || self.has_ipv6(vpc));
        let all = told.chain(written).filter(is_other);
        all.map(|block| match block {
            IpNet::V4(block) => Destination::Ipv4(block),
            IpNet::V6(block) => Destination::Ipv6(block),
        })
        .collect()
    }
}
