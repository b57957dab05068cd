//! Where routes lead: route tables, NAT gateways, peering connections, endpoints.

use std::net::Ipv4Addr;

use super::document;
use crate::code::Code;
use crate::decode::{Decoder, OneOrMany, Pairs, Word};
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::Located;
use crate::yaml::{Node, Value};

document! {
    /// A NAT gateway.
    NatGateway: "a mapping such as `{ subnet: public-a }`" {
        /// The subnet it stands in.
        subnet: Option<Located<String>>,
        /// A public address to keep, instead of any.
        eip: Option<Located<Ipv4Addr>>,
        /// Whether it is of the private type, without a public address. Default: false.
        private: Option<Located<bool>>,
        /// Its private address. Default: chosen.
        private_ip: Option<Located<Ipv4Addr>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A route table.
    RouteTable: "a mapping such as `routes: { 0.0.0.0/0: igw }`" {
        /// Destination (a block, `anywhere`, or `pl:NAME`) to target: igw, eigw (IPv6), vpn, nat@SUBNET, nat@NAME, peering NAME,
        /// tgw NAME, endpoint NAME, instance NAME, local, or blackhole. `anywhere` is 0.0.0.0/0 and, where the VPC has IPv6, ::/0, as
        /// far as the target carries them.
        routes: Pairs<Located<RouteWord>>,
        /// `igw`: the table serves traffic that comes in by the internet gateway.
        edge: Option<Located<String>>,
        /// Whether this is the VPC's main table. Default: false.
        main: Option<Located<bool>>,
        /// Whether the table takes routes to the networks of lans that are linked to the VPC. Default: true, but for a table
        /// with `edge`.
        propagation: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A peering connection: a list of its two VPCs, or a mapping.
    Peering: "a list of two VPCs, or a mapping with `vpcs`", short vpcs {
        /// Requester and accepter.
        vpcs: Vec<Located<String>>,
        /// Whether routes to each other are added to every route table of both VPCs. Default: false.
        routes: Option<Located<bool>>,
        /// Whether public DNS names resolve to private addresses across the connection. Default: false.
        dns: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A VPC endpoint.
    Endpoint: "a mapping such as `{ service: s3 }`" {
        /// s3 or dynamodb (gateway endpoints), another service's short name, or a full service name.
        service: Option<Located<String>>,
        /// The VPC. Default: the only one.
        vpc: Option<Located<String>>,
        /// Gateway endpoint: the route tables that get its route, by the names of tables or subnets.
        route_tables: OneOrMany<Located<String>>,
        /// Interface endpoint: the subnets it has interfaces in.
        subnets: OneOrMany<Located<String>>,
        /// Interface endpoint: its security groups.
        sg: OneOrMany<Located<String>>,
        /// Interface endpoint: whether the service's name resolves to it. Default: true.
        private_dns: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

/// The `route:` of a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubnetRoute {
    /// 0.0.0.0/0, and ::/0 where the VPC has IPv6, to the internet gateway.
    InternetGateway,
    /// 0.0.0.0/0 to a NAT gateway: the one of this name, or one in the subnet of this name.
    Nat(String),
    /// ::/0 to the egress-only internet gateway.
    EgressOnly,
    /// Both of these.
    NatAndEgressOnly(String),
    /// 0.0.0.0/0, and ::/0 where the VPC has IPv6, to the transit gateway of this name.
    TransitGateway(String),
    /// Nothing but the local route.
    None,
    /// A table of `route_tables`.
    Table(String),
}

impl SubnetRoute {
    /// The NAT gateway that it leads to, by the name that is written.
    pub fn nat(&self) -> Option<&str> {
        match self {
            Self::Nat(name) | Self::NatAndEgressOnly(name) => Some(name),
            Self::InternetGateway | Self::EgressOnly | Self::TransitGateway(_) | Self::None | Self::Table(_) => None,
        }
    }

    /// Whether it leads to the egress-only internet gateway.
    pub fn is_egress_only(&self) -> bool {
        matches!(self, Self::EgressOnly | Self::NatAndEgressOnly(_))
    }
}

/// `[nat@SUBNET, eigw]`: a way for each family.
fn both_ways(node: &Node, items: &[Node], decoder: &mut Decoder) -> Option<SubnetRoute> {
    let read: Vec<SubnetRoute> = items.iter().map(|item| SubnetRoute::read(item, decoder)).collect::<Option<_>>()?;
    match read.as_slice() {
        [one] => Some(one.clone()),
        [SubnetRoute::Nat(name), SubnetRoute::EgressOnly] | [SubnetRoute::EgressOnly, SubnetRoute::Nat(name)] => {
            Some(SubnetRoute::NatAndEgressOnly(name.clone()))
        }
        _ => {
            let problem = Diagnostic::new(Code::BadRouteTarget, node.span, "a list of routes is a NAT gateway for IPv4 and `eigw` for IPv6");
            decoder.problem(problem.label("not these").hint("`[nat@SUBNET, eigw]`; `igw` alone carries both; for other ways write a table below `route_tables`"));
            None
        }
    }
}

impl Word for SubnetRoute {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Value::Sequence(items) = &node.value {
            return both_ways(node, items, decoder);
        }
        let text = decoder.text(node)?;
        if let Some(word) = in_our_words(&text) {
            let problem = Diagnostic::new(Code::BadRouteTarget, node.span, format!("`{text}` is not a route"));
            decoder.problem(problem.label("in other words").hint(format!("write `{word}`")));
            return None;
        }
        if let ["tgw", name] = text.split_whitespace().collect::<Vec<_>>().as_slice() {
            return Some(Self::TransitGateway((*name).to_owned()));
        }
        match (text.as_str(), text.split_once('@')) {
            ("igw", _) => Some(Self::InternetGateway),
            ("eigw", _) => Some(Self::EgressOnly),
            ("none" | "local", _) => Some(Self::None),
            ("tgw", _) => {
                let problem = Diagnostic::new(Code::BadRouteTarget, node.span, "`tgw` does not say which transit gateway").label("which one?");
                decoder.problem(problem.hint("write `tgw NAME`"));
                None
            }
            ("nat", _) => {
                let corrected = decoder.corrected(node.span, "nat@SUBNET");
                decoder.problem(Diagnostic::new(Code::BadRouteTarget, node.span, "`nat` does not say where the gateway stands").label("which one?")
                    .hint(format!("write `{corrected}` with the name of a public subnet")));
                None
            }
            (_, Some(("nat", name))) if !name.is_empty() => Some(Self::Nat(name.to_owned())),
            (_, Some(_)) => {
                decoder.problem(Diagnostic::new(Code::BadRouteTarget, node.span, format!("`{text}` is not a route")).label("not understood").hint("igw, nat@SUBNET, eigw, tgw NAME, none, or the name of a route table"));
                None
            }
            _ => Some(Self::Table(text)),
        }
    }
}

/// The target of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteWord {
    /// `igw`.
    InternetGateway,
    /// `eigw`.
    EgressOnly,
    /// `vpn`: the virtual private gateway, behind which linked lans are.
    Vpn,
    /// `local`, to restore a local route.
    Local,
    /// `nat@NAME`: a NAT gateway by name, or the one in a subnet.
    Nat(String),
    /// `peering NAME`.
    Peering(String),
    /// `tgw NAME`: a transit gateway that the VPC is attached to.
    TransitGateway(String),
    /// `endpoint NAME`.
    Endpoint(String),
    /// `instance NAME`, `eni NAME`, or a plain name: the interface of an instance.
    Instance(String),
    /// `blackhole`: a target that is gone.
    Blackhole,
}

/// What gateways are called elsewhere, in this file's words.
fn in_our_words(text: &str) -> Option<&'static str> {
    match text.replace('-', "_").as_str() {
        "internet_gateway" => Some("igw"),
        "transit_gateway" => Some("tgw NAME"),
        "egress_only_gateway" | "egress_only_internet_gateway" | "egress_only_igw" | "egress_only" => Some("eigw"),
        _ => None,
    }
}

impl Word for RouteWord {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.text(node)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut wrong = |message: String, hint: String| {
            decoder.problem(Diagnostic::new(Code::BadRouteTarget, node.span, message).label("not a target").hint(hint));
            None
        };
        match words.as_slice() {
            ["igw"] => Some(Self::InternetGateway),
            ["eigw"] => Some(Self::EgressOnly),
            [one] if let Some(word) = in_our_words(one) => wrong(format!("`{text}` is not a target"), format!("write `{word}`; an instance of that name is `instance {one}`")),
            ["vpn"] => Some(Self::Vpn),
            ["local"] => Some(Self::Local),
            ["blackhole"] => Some(Self::Blackhole),
            ["nat"] => wrong("`nat` does not say which gateway".into(), "write `nat@SUBNET`".into()),
            ["none"] => wrong("a route needs a target".into(), "leave the route out, or write `blackhole`".into()),
            ["peering" | "tgw" | "endpoint" | "instance" | "eni"] => wrong(format!("`{text}` does not say which one"), format!("write `{text} NAME`")),
            [one] => match one.split_once('@') {
                Some(("nat", name)) if !name.is_empty() => Some(Self::Nat(name.to_owned())),
                Some(_) => wrong(format!("`{text}` is not a target"), "nat@SUBNET or nat@NAME".into()),
                None => Some(Self::Instance((*one).to_owned())),
            },
            ["peering", name] => Some(Self::Peering((*name).to_owned())),
            ["tgw", name] => Some(Self::TransitGateway((*name).to_owned())),
            ["endpoint", name] => Some(Self::Endpoint((*name).to_owned())),
            ["instance" | "eni", name] => Some(Self::Instance((*name).to_owned())),
            [kind, ..] => match nearest(kind, ["peering", "tgw", "endpoint", "instance", "eni"]) {
                Some(near) => wrong(format!("`{text}` is not a target"), format!("did you mean `{near} {}`?", words[1])),
                None => wrong(format!("`{text}` is not a target"), "igw, eigw, vpn, nat@NAME, peering NAME, tgw NAME, endpoint NAME, instance NAME, local, or blackhole".into()),
            },
            [] => wrong("a route needs a target".into(), "such as `igw`".into()),
        }
    }
}
