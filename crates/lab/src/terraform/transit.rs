//! Transit gateways of a plan: what is attached to them, their route tables, who is served by which and what each knows.

use std::collections::BTreeMap;

use super::World;
use super::answer::Object;
use super::node::{Got, Node};
use super::reference::default_transit_table;
use crate::aws::NoteKind;
use crate::source::Span;

/// A route table before its answer is written.
struct Table {
    gateway: String,
    tags: BTreeMap<String, String>,
    associations: Vec<String>,
    propagations: Vec<String>,
    routes: Vec<Object>,
    span: Span,
}

impl Table {
    fn of(gateway: &str, tags: BTreeMap<String, String>, span: Span) -> Self {
        Self { gateway: gateway.to_owned(), tags, associations: Vec::new(), propagations: Vec::new(), routes: Vec::new(), span }
    }
}

type Tables = BTreeMap<String, Table>;

impl<'j> World<'_, 'j> {
    pub(super) fn transit_gateways(&mut self) {
        let mut tables = Tables::new();
        for node in self.nodes("aws_ec2_transit_gateway") {
            self.transit_gateway(&node, &mut tables);
        }
        for node in self.nodes("aws_ec2_transit_gateway_route_table") {
            let Some(id) = self.document.id_of(node.resource) else { continue };
            match self.id(&node, "transit_gateway_id", "tgw") {
                Got::Is(gateway) => drop(tables.insert(id, Table::of(&gateway, self.tags(&node, true), node.span))),
                _ => self.gap(&node, "transit_gateway_id", "left out"),
            }
        }
        // What is written of an attachment counts more than what it gets by default.
        let mut served: Vec<(String, String)> = Vec::new();
        for node in self.nodes("aws_ec2_transit_gateway_route_table_association") {
            served.extend(self.pair(&node, "its packets are dropped"));
        }
        for node in self.nodes("aws_ec2_transit_gateway_route_table_propagation") {
            let pair = self.pair(&node, "nothing leads to it");
            if let Some((attachment, table)) = pair {
                tables.get_mut(&table).iter_mut().for_each(|table| table.propagations.push(attachment.clone()));
            }
        }
        for node in self.nodes("aws_ec2_transit_gateway_vpc_attachment") {
            self.transit_attachment(&node, &mut served, &mut tables);
        }
        for node in self.nodes("aws_ec2_transit_gateway_peering_attachment") {
            self.transit_peering(&node);
        }
        for (attachment, table) in served {
            tables.get_mut(&table).iter_mut().for_each(|table| table.associations.push(attachment.clone()));
        }
        for node in self.nodes("aws_ec2_transit_gateway_route") {
            self.transit_route(&node, &mut tables);
        }
        for (id, table) in tables {
            let described = Object::at(table.span).text("TransitGatewayRouteTableId", &id).text("TransitGatewayId", &table.gateway).tags(&table.tags);
            self.answers.push("TransitGatewayRouteTables", described);
            let each = |all: Vec<String>| all.into_iter().map(|attachment| Object::at(table.span).text("TransitGatewayAttachmentId", attachment)).collect::<Vec<_>>();
            let known = Object::at(table.span)
                .text("TransitGatewayRouteTableId", &id)
                .list("Associations", each(table.associations))
                .list("TransitGatewayRouteTablePropagations", each(table.propagations))
                .list("Routes", table.routes);
            self.answers.push("TransitGatewayStaticRoutes", known);
        }
    }

    fn transit_gateway(&mut self, node: &Node<'j>, tables: &mut Tables) {
        let Some(id) = self.document.id_of(node.resource) else { return };
        let word = |world: &mut Self, key: &str, usual: &'static str| match world.text(node, key) {
            Got::Is(word) => word.to_owned(),
            _ => usual.to_owned(),
        };
        let (serves, announces) = (word(self, "default_route_table_association", "enable"), word(self, "default_route_table_propagation", "enable"));
        if serves != announces {
            let text = format!("{}: a default route table for associations alone, or for propagations alone: taken to be for both", node.address);
            self.note(NoteKind::NotModelled, node.span, text);
        }
        let mut options = Object::at(node.span);
        for (key, answer, usual) in [
            ("auto_accept_shared_attachments", "AutoAcceptSharedAttachments", "disable"),
            ("dns_support", "DnsSupport", "enable"),
            ("vpn_ecmp_support", "VpnEcmpSupport", "enable"),
            ("security_group_referencing_support", "SecurityGroupReferencingSupport", "disable"),
        ] {
            options = options.text(answer, word(self, key, usual));
        }
        if let Got::Is(asn) = self.number(node, "amazon_side_asn", 1, i64::from(u32::MAX)) {
            options = options.number("AmazonSideAsn", asn);
        }
        if serves == "enable" || announces == "enable" {
            let table = self.document.attribute_of(node.resource, "association_default_route_table_id", 0).unwrap_or_else(|| default_transit_table(&id));
            options = options.text("AssociationDefaultRouteTableId", &table);
            tables.insert(table, Table::of(&id, BTreeMap::new(), node.span));
        }
        let description = self.text(node, "description").known();
        let tags = self.tags(node, true);
        let gateway = Object::at(node.span).text("TransitGatewayId", id).maybe("Description", description).object("Options", options).tags(&tags);
        self.answers.push("TransitGateways", gateway);
    }

    /// The attachment and the table that a resource joins.
    fn pair(&mut self, node: &Node<'j>, so: &str) -> Option<(String, String)> {
        let attachment = self.id(node, "transit_gateway_attachment_id", "tgw-attach");
        match (attachment, self.id(node, "transit_gateway_route_table_id", "tgw-rtb")) {
            (Got::Is(attachment), Got::Is(table)) => Some((attachment, table)),
            _ => {
                self.gap(node, "transit_gateway_attachment_id or transit_gateway_route_table_id", so);
                None
            }
        }
    }

    fn transit_attachment(&mut self, node: &Node<'j>, served: &mut Vec<(String, String)>, tables: &mut Tables) {
        let Some(id) = self.document.id_of(node.resource) else { return };
        let (gateway, vpc) = (self.id(node, "transit_gateway_id", "tgw"), self.id(node, "vpc_id", "vpc"));
        let (Got::Is(gateway), Got::Is(vpc)) = (gateway, vpc) else {
            self.gap(node, "transit_gateway_id or vpc_id", "left out");
            return;
        };
        let subnets = self.ids(node, "subnet_ids", "subnet");
        if !subnets.is_complete {
            self.gap(node, "subnet_ids", "zones of which nothing is known do not use it");
        }
        if self.text(node, "appliance_mode_support") == Got::Is("enable") {
            let text = format!("{}: appliance mode, by which both ways of a flow keep to one zone", node.address);
            self.note(NoteKind::NotModelled, node.span, text);
        }
        let default = tables.iter().find(|(table, own)| own.gateway == gateway && self.is_default(&gateway, table)).map(|(table, _)| table.clone());
        let takes_part = |world: &mut Self, key: &str| world.bool(node, key) != Got::Is(false);
        let serves = takes_part(self, "transit_gateway_default_route_table_association");
        let announces = takes_part(self, "transit_gateway_default_route_table_propagation");
        if let Some(default) = default {
            if serves && !served.iter().any(|(attachment, _)| *attachment == id) {
                served.push((id.clone(), default.clone()));
            }
            if announces {
                tables.get_mut(&default).iter_mut().for_each(|table| table.propagations.push(id.clone()));
            }
        }
        let mut option = |key: &str, default: &str| match self.text(node, key) {
            Got::Is(word) => word.to_owned(),
            _ => default.to_owned(),
        };
        let referencing = option("security_group_referencing_support", "enable");
        let ipv6 = option("ipv6_support", "disable");
        let attachment = Object::at(node.span)
            .text("TransitGatewayAttachmentId", id)
            .text("TransitGatewayId", gateway)
            .text("VpcId", vpc)
            .words("SubnetIds", subnets.all)
            .object("Options", Object::at(node.span).text("SecurityGroupReferencingSupport", referencing).text("Ipv6Support", ipv6))
            .tags(&self.tags(node, false));
        self.answers.push("TransitGatewayVpcAttachments", attachment);
    }

    /// Whether a table is the one that a gateway comes with.
    fn is_default(&self, gateway: &str, table: &str) -> bool {
        let of_gateway = |index: &usize| self.document.id_of(*index).as_deref() == Some(gateway);
        let made = self.document.of_kind("aws_ec2_transit_gateway").into_iter().find(of_gateway);
        let known = made.and_then(|index| self.document.attribute_of(index, "association_default_route_table_id", 0));
        known.unwrap_or_else(|| default_transit_table(gateway)) == table
    }

    fn transit_peering(&mut self, node: &Node<'j>) {
        let Some(id) = self.document.id_of(node.resource) else { return };
        let (gateway, peer) = (self.id(node, "transit_gateway_id", "tgw"), self.id(node, "peer_transit_gateway_id", "tgw"));
        let (Got::Is(gateway), Got::Is(peer)) = (gateway, peer) else {
            self.gap(node, "transit_gateway_id or peer_transit_gateway_id", "left out");
            return;
        };
        let side = |id: String| Object::at(node.span).text("TransitGatewayId", id);
        let peering = Object::at(node.span).text("TransitGatewayAttachmentId", id).object("RequesterTgwInfo", side(gateway)).object("AccepterTgwInfo", side(peer));
        let tags = self.tags(node, false);
        self.answers.push("TransitGatewayPeeringAttachments", peering.tags(&tags));
    }

    fn transit_route(&mut self, node: &Node<'j>, tables: &mut Tables) {
        let Got::Is(table) = self.id(node, "transit_gateway_route_table_id", "tgw-rtb") else {
            self.gap(node, "transit_gateway_route_table_id", "left out");
            return;
        };
        let Got::Is(block) = self.block(node, "destination_cidr_block") else {
            self.gap(node, "destination_cidr_block", "left out");
            return;
        };
        let route = Object::at(node.span).text("DestinationCidrBlock", block.to_string()).text("Type", "static");
        let is_blackhole = self.bool(node, "blackhole") == Got::Is(true);
        let to = match is_blackhole {
            true => None,
            false => match self.id(node, "transit_gateway_attachment_id", "tgw-attach") {
                Got::Is(id) => Some(id),
                _ => {
                    self.gap(node, "transit_gateway_attachment_id", "the route leads nowhere");
                    None
                }
            },
        };
        let route = match to {
            Some(id) => route.text("State", "active").list("TransitGatewayAttachments", [Object::at(node.span).text("TransitGatewayAttachmentId", id)]),
            None => route.text("State", "blackhole"),
        };
        tables.get_mut(&table).iter_mut().for_each(|table| table.routes.push(route.clone()));
    }
}
