//! `why -o aws`: the answer in the shape of DescribeNetworkInsightsAnalyses (RA-4, RA-5), with AWS's explanation codes.

use fabric::fabric::InterfaceKind;
use fabric::walker::{Hop, Verdict, Way};
use fabric::{Component, Direction, Fabric, Header, Reason, Rule, Stage};
use model::traffic::protocol;
use model::{Model, PortRange, TrafficMatch};
use proof::why::{Asker, Question, vpc_of};
use serde_json::{Map, Value, json};

use crate::command::gaps::Gaps;
use crate::exit::{Failure, Result};

/// One analysis.
pub fn analysis(asker: &Asker<'_>, question: &Question, gaps: &Gaps) -> Result<Value> {
    let answer = asker.answer(question).map_err(|e| Failure::usage(e.to_string()))?;
    let real = asker.cloud();
    let world = answer.world(real.model, real.fabric);
    let shape = Shape { model: world.model, fabric: world.fabric, ephemeral: asker.ephemeral() };
    let explanation = &answer.explanation;
    let found = explanation.verdict == Verdict::Allowed;
    // The same question has the same id.
    let seed = format!("{:?} {:?} {}", question.from, question.to, question.packet);
    let mut analysis = json!({
        "NetworkInsightsAnalysisId": format!("nia-{}", id(&seed, "analysis")),
        "NetworkInsightsAnalysisArn": shape.arn("network-insights-analysis", &format!("nia-{}", id(&seed, "analysis"))),
        "NetworkInsightsPathId": format!("nip-{}", id(&seed, "path")),
        "StartDate": real.model.context.now.iso8601(),
        "Status": "succeeded",
        "NetworkPathFound": found,
        "ForwardPathComponents": shape.path(&explanation.request, Clients::Send),
    });
    if let Some(reply) = explanation.reply.as_ref().filter(|_| explanation.request.is_open()) {
        analysis["ReturnPathComponents"] = shape.path(reply, Clients::Receive);
    }
    if !found {
        let request = explanation.request.blockers.iter().map(|reason| shape.explanation(&explanation.request, reason));
        let reply = explanation.reply.iter();
        let reply = reply.flat_map(|way| way.blockers.iter().map(|reason| shape.explanation(way, reason)));
        analysis["Explanations"] = request.chain(reply).collect();
        let hints = explanation.blockers().filter_map(|reason| shape.hint(reason));
        analysis["AlternatePathHints"] = hints.collect();
    }
    // Where AWS says that it could not see everything.
    if !gaps.is_empty() {
        analysis["WarningMessage"] = gaps.lines().join("\n").into();
    }
    Ok(analysis)
}

/// 17 hexadecimal digits (FNV-1a).
fn id(seed: &str, what: &str) -> String {
    let hash = |start: u64| {
        let bytes = seed.bytes().chain(what.bytes());
        bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    format!("0{:016x}", hash(0xcbf2_9ce4_8422_2325))
}

struct Shape<'a> {
    model: &'a Model,
    fabric: &'a Fabric,
    ephemeral: PortRange,
}

/// At which end of a way the client is: its port is any of a range.
#[derive(Clone, Copy)]
enum Clients {
    Send,
    Receive,
}

impl Shape<'_> {
    fn arn(&self, kind: &str, id: &str) -> String {
        format!("arn:aws:ec2:{}:{}:{kind}/{id}", self.model.region, self.model.account_id)
    }

    /// `{Id, Arn, Name}`.
    fn component(&self, kind: &str, id: &str, name: &str) -> Value {
        let mut component = json!({"Id": id, "Arn": self.arn(kind, id)});
        if name != id {
            component["Name"] = name.into();
        }
        component
    }

    fn vpc(&self, index: fabric::VpcIndex) -> Value {
        let vpc = &self.fabric.vpcs[index];
        self.component("vpc", vpc.id.as_str(), &vpc.name)
    }

    fn subnet(&self, index: fabric::SubnetIndex) -> Value {
        let subnet = &self.fabric.subnets[index];
        self.component("subnet", subnet.id.as_str(), &subnet.name)
    }

    fn interface(&self, index: fabric::InterfaceIndex) -> Value {
        let interface = &self.fabric.interfaces[index];
        self.component("network-interface", interface.id.as_str(), &interface.name)
    }

    fn group(&self, index: fabric::GroupIndex) -> Value {
        let group = &self.fabric.groups[index];
        self.component("security-group", group.id.as_str(), &group.name)
    }

    fn acl(&self, subnet: fabric::SubnetIndex) -> Value {
        let acl = &self.fabric.acls[self.fabric.subnets[subnet].acl];
        self.component("network-acl", acl.id.as_str(), &acl.name)
    }

    fn table(&self, index: fabric::RouteTableIndex) -> Value {
        let table = &self.fabric.route_tables[index];
        self.component("route-table", table.id.as_str(), &table.name)
    }

    /// A component that stands on a path; none for what AWS shows none of.
    fn at(&self, at: Component, rule: Option<&Rule>) -> Option<Value> {
        let fabric = self.fabric;
        Some(match at {
            Component::SecurityGroups(interface, _) => {
                let decided = match rule {
                    Some(Rule::SecurityGroup { group, .. }) => fabric.groups.find(group, |g| &g.id),
                    _ => None,
                };
                self.group(decided.or(fabric.interfaces[interface].groups.first().copied())?)
            }
            Component::NetworkAcl(subnet, _) => self.acl(subnet),
            Component::RouteTable(table) => self.table(table),
            Component::Interface(i) | Component::SourceDestCheck(i) => self.interface(i),
            Component::Guest(i) => match fabric.interfaces[i].kind {
                InterfaceKind::Instance { instance, .. } => {
                    let instance = &fabric.instances[instance];
                    self.component("instance", instance.id.as_str(), &instance.name)
                }
                _ => self.interface(i),
            },
            Component::InternetGateway(i) => self.gateway("internet-gateway", fabric.internet_gateways[i].id.as_str(), at),
            Component::EgressOnlyInternetGateway(i) => {
                self.gateway("egress-only-internet-gateway", fabric.egress_only_internet_gateways[i].id.as_str(), at)
            }
            Component::VpnGateway(i) => self.gateway("vpn-gateway", fabric.vpn_gateways[i].id.as_str(), at),
            Component::TransitGateway(i) => self.gateway("transit-gateway", fabric.transit_gateways[i].id.as_str(), at),
            Component::NatGateway(i) => self.gateway("natgateway", fabric.nat_gateways[i].id.as_str(), at),
            Component::Peering(i) => self.gateway("vpc-peering-connection", fabric.peerings[i].id.as_str(), at),
            Component::VpcEndpoint(i) => self.gateway("vpc-endpoint", fabric.vpc_endpoints[i].id.as_str(), at),
            Component::Fabric | Component::Internet | Component::Outside(_) | Component::Resolver(_) | Component::Service(_) => return None,
        })
    }

    fn gateway(&self, kind: &str, id: &str, at: Component) -> Value {
        self.component(kind, id, &at.label(self.fabric))
    }

    /// The components of a way up to the first that blocks (RA-5, RA-6).
    fn path(&self, way: &Way, clients: Clients) -> Value {
        let mut rows: Vec<Value> = Vec::new();
        let mut last: Option<Component> = None;
        let guest = |end: Option<Component>| end.filter(|at| matches!(at, Component::Guest(_)));
        if let Some(at) = guest(way.from) {
            rows.extend(self.row(at, None));
            last = Some(at);
        }
        for (position, hop) in way.hops.iter().enumerate() {
            use Stage::{Exempt, Internet, LocalDelivery, SourceDestCheck};
            if hop.blocks {
                break;
            }
            if matches!(hop.reason.stage, Exempt | Internet | LocalDelivery | SourceDestCheck) {
                continue;
            }
            let next = way.hops.get(position + 1).map(|next| &next.header).or(way.arrived.as_ref());
            let out = next.filter(|next| **next != hop.header);
            if last == Some(hop.reason.at) {
                // Both decisions of one gateway are one component.
                if let (Some(row), Some(out)) = (rows.last_mut(), out) {
                    row["OutboundHeader"] = self.header(out, clients);
                }
                continue;
            }
            let mut row = self.row(hop.reason.at, Some(hop));
            if let (Some(row), Some(out)) = (&mut row, out) {
                row["OutboundHeader"] = self.header(out, clients);
            }
            rows.extend(row);
            last = Some(hop.reason.at);
        }
        if way.is_open()
            && let Some(at) = guest(way.to).filter(|at| last != Some(*at))
        {
            rows.extend(self.row(at, None));
        }
        if let Some(first) = rows.first_mut() {
            first["InboundHeader"] = self.header(&way.sent, clients);
        }
        for (number, row) in (1..).zip(&mut rows) {
            row["SequenceNumber"] = number.into();
        }
        rows.into()
    }

    fn row(&self, at: Component, hop: Option<&Hop>) -> Option<Value> {
        let rule = hop.and_then(|hop| hop.reason.rule.as_ref());
        let mut row = json!({"SequenceNumber": 0, "Component": self.at(at, rule)?});
        if let Some((key, value)) = rule.and_then(|rule| self.rule(at, rule)) {
            row[key] = value;
        }
        if let Component::NetworkAcl(subnet, _) = at {
            row["Subnet"] = self.subnet(subnet);
        }
        if let Component::Interface(interface) = at {
            row["Subnet"] = self.subnet(self.fabric.interfaces[interface].subnet);
        }
        if let Some(vpc) = vpc_of(self.fabric, at) {
            row["Vpc"] = self.vpc(vpc);
        }
        Some(row)
    }

    /// Addresses as blocks, ports as ranges, the protocol by number (RA-5).
    fn header(&self, header: &Header, clients: Clients) -> Value {
        let mut value = json!({
            "Protocol": header.protocol().to_string(),
            "SourceAddresses": [block(header.source)],
            "DestinationAddresses": [block(header.destination)],
        });
        if let Some((source, destination)) = header.ports() {
            let (source, destination) = match clients {
                Clients::Send => (self.ephemeral, PortRange::one(destination)),
                Clients::Receive => (PortRange::one(source), self.ephemeral),
            };
            value["SourcePortRanges"] = json!([{"From": source.from, "To": source.to}]);
            value["DestinationPortRanges"] = json!([{"From": destination.from, "To": destination.to}]);
        }
        value
    }

    /// The rule that decided under its key; kept state is no rule (RA-5).
    fn rule(&self, at: Component, rule: &Rule) -> Option<(&'static str, Value)> {
        match (rule, at) {
            (Rule::SecurityGroup { group, rule, .. }, Component::SecurityGroups(_, direction)) => {
                let index = self.fabric.groups.find(group, |g| &g.id)?;
                let rule = self.fabric.groups[index].rules(direction).iter().find(|r| r.id == *rule)?;
                let mut value = json!({"Direction": word(direction), "Protocol": protocol_of(rule.traffic)});
                ports(&mut value, rule.traffic);
                match &rule.peer {
                    fabric::RulePeer::Block(block) => value["Cidr"] = block.to_string().into(),
                    fabric::RulePeer::PrefixList { id, .. } => value["PrefixListId"] = id.as_str().into(),
                    fabric::RulePeer::Group { id, .. } => value["SecurityGroupId"] = id.as_str().into(),
                }
                Some(("SecurityGroupRule", value))
            }
            (Rule::NetworkAclEntry { rule_number, .. }, Component::NetworkAcl(subnet, direction)) => {
                let acl = &self.fabric.acls[self.fabric.subnets[subnet].acl];
                let entry = acl.entries(direction).iter().find(|entry| Some(entry.rule_number) == *rule_number);
                let mut value = json!({
                    "Cidr": entry.map_or_else(|| "0.0.0.0/0".to_owned(), |entry| entry.cidr_block.to_string()),
                    "Egress": direction == Direction::Egress,
                    "Protocol": entry.map_or_else(|| "all".to_owned(), |entry| protocol_of(entry.traffic)),
                    "RuleAction": if entry.is_some_and(|entry| entry.allow) { "allow" } else { "deny" },
                    "RuleNumber": rule_number.unwrap_or(32_767),
                });
                if let Some(entry) = entry {
                    ports(&mut value, entry.traffic);
                }
                Some(("AclRule", value))
            }
            (Rule::Route { route_table, destination, .. }, _) => {
                let table = self.fabric.route_tables.find(route_table, |t| &t.id)?;
                let route = self.fabric.route_tables[table].routes.iter().find(|route| route.destination == *destination)?;
                let origin = match route.created_by {
                    model::route_table::RouteOrigin::CreateRouteTable => "createroutetable",
                    model::route_table::RouteOrigin::CreateRoute => "createroute",
                    model::route_table::RouteOrigin::EnableVgwRoutePropagation => "enablevgwroutepropagation",
                };
                let key = match &route.target {
                    model::RouteTarget::NatGateway(_) => "NatGatewayId",
                    model::RouteTarget::NetworkInterface(_) => "NetworkInterfaceId",
                    model::RouteTarget::VpcPeeringConnection(_) => "VpcPeeringConnectionId",
                    model::RouteTarget::EgressOnlyInternetGateway(_) => "EgressOnlyInternetGatewayId",
                    model::RouteTarget::TransitGateway(_) => "TransitGatewayId",
                    _ => "GatewayId",
                };
                let state = if matches!(route.next_hop, fabric::NextHop::Blackhole(_)) { "blackhole" } else { "active" };
                let mut value = json!({"Origin": origin, "State": state});
                match &route.prefix_list {
                    Some(list) => value["DestinationPrefixListId"] = list.as_str().into(),
                    None => value["DestinationCidr"] = destination.to_string().into(),
                }
                value[key] = route.target.to_string().into();
                Some(("RouteTableRoute", value))
            }
            _ => None,
        }
    }

    /// Why a component blocks (RA-9).
    fn explanation(&self, way: &Way, reason: &Reason) -> Value {
        let hop = way.hops.iter().find(|hop| hop.blocks && hop.reason == *reason);
        let seen = hop.map_or(&way.sent, |hop| &hop.header);
        let mut value = Map::new();
        let mut put = |key: &str, item: Value| {
            value.insert(key.to_owned(), item);
        };
        put("ExplanationCode", reason.code.map_or("NO_PATH", |code| code.as_str()).into());
        if let Some(direction) = reason.direction {
            put("Direction", word(direction).into());
        }
        if let Some(vpc) = vpc_of(self.fabric, reason.at) {
            put("Vpc", self.vpc(vpc));
        }
        match reason.at {
            Component::SecurityGroups(interface, _) => {
                let own = &self.fabric.interfaces[interface];
                put("NetworkInterface", self.interface(interface));
                put("SecurityGroups", own.groups.iter().map(|group| self.group(*group)).collect());
                if let Some(port) = seen.destination_port() {
                    put("PacketField", "destination-port".into());
                    put("Port", port.into());
                }
                put("Protocol", protocol_name(seen.protocol()).into());
            }
            Component::NetworkAcl(subnet, _) => {
                put("Acl", self.acl(subnet));
                put("Subnet", self.subnet(subnet));
                if let Some((key, rule)) = reason.rule.as_ref().and_then(|rule| self.rule(reason.at, rule)) {
                    put(key, rule);
                }
            }
            Component::RouteTable(table) => {
                put("RouteTable", self.table(table));
                put("Address", seen.destination.to_string().into());
                if let Some((key, rule)) = reason.rule.as_ref().and_then(|rule| self.rule(reason.at, rule)) {
                    put(key, rule);
                }
            }
            Component::Interface(interface) | Component::SourceDestCheck(interface) | Component::Guest(interface) => {
                put("NetworkInterface", self.interface(interface));
                if reason.stage == Stage::InterfaceState {
                    if let Some(at) = self.at(Component::Guest(interface), None) {
                        put("Component", at);
                    }
                    let instance = self.fabric.interfaces[interface].instance();
                    if let Some(instance) = instance {
                        put("State", self.fabric.instances[instance].state.as_str().into());
                    }
                }
            }
            Component::InternetGateway(_) => {
                put("InternetGateway", self.at(reason.at, None).unwrap_or_default());
                put("Addresses", vec![seen.source.to_string()].into());
            }
            Component::NatGateway(_) => put("NatGateway", self.at(reason.at, None).unwrap_or_default()),
            Component::Peering(_) => put("VpcPeeringConnection", self.at(reason.at, None).unwrap_or_default()),
            Component::TransitGateway(_) => put("TransitGateway", self.at(reason.at, None).unwrap_or_default()),
            Component::Fabric => put("Address", seen.destination.to_string().into()),
            other => {
                if let Some(at) = self.at(other, None) {
                    put("Component", at);
                }
            }
        }
        value.into()
    }

    /// Groups of a blocked interface may be where to look.
    fn hint(&self, reason: &Reason) -> Option<Value> {
        let Component::SecurityGroups(interface, _) = reason.at else { return None };
        let group = self.fabric.interfaces[interface].groups.first()?;
        let group = &self.fabric.groups[*group];
        Some(json!({"ComponentId": group.id, "ComponentArn": self.arn("security-group", group.id.as_str())}))
    }
}

fn block(address: std::net::IpAddr) -> String {
    ipnet::IpNet::from(address).to_string()
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn protocol_of(traffic: TrafficMatch) -> String {
    traffic.protocol().map_or_else(|| "all".to_owned(), protocol_name)
}

fn ports(value: &mut Value, traffic: TrafficMatch) {
    if let TrafficMatch::Tcp(ports) | TrafficMatch::Udp(ports) = traffic {
        value["PortRange"] = json!({"From": ports.from, "To": ports.to});
    }
}

fn protocol_name(number: u8) -> String {
    match number {
        protocol::TCP => "tcp".to_owned(),
        protocol::UDP => "udp".to_owned(),
        protocol::ICMP => "icmp".to_owned(),
        number => number.to_string(),
    }
}
