//! Transit gateways as they are written: what is attached to them, their peerings and route tables (TGW-1 … TGW-3).

use super::document;
use super::lan::Devices;
use crate::code::Code;
use crate::decode::{Decoder, Named, OneOrMany, Pairs, Word};
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::Located;
use crate::yaml::Node;

document! {
    /// A transit gateway, a router between VPCs: the list of the VPCs that are attached, or a mapping.
    TransitGateway: "a list of VPCs, or a mapping with `attachments`", short attachments {
        /// VPCs that are attached: a list of their names, or names with the subnets of each attachment.
        attachments: Devices<TransitAttachment>,
        /// Transit gateways that it is peered with: a list of their names, or a mapping. Written at one of the two.
        peerings: Devices<TransitPeering>,
        /// Its route tables by name; `default` is the one that it comes with.
        route_tables: Named<TransitRouteTable>,
        /// Whether every route table of an attached VPC gets routes to what the table of its attachment knows. Default: false.
        routes: Option<Located<bool>>,
        /// Whether it comes with a table `default`, for whatever no other table is said to serve. Default: true.
        default_route_table: Option<Located<bool>>,
        /// Its number in BGP: 64512 to 65534, or 4200000000 to 4294967294. Default: 64512.
        asn: Option<Located<u64>>,
        /// Free text.
        description: Option<Located<String>>,
        /// Whether AWS would let rules name groups of other VPCs across it; here they cannot. Default: false.
        security_group_referencing: Option<Located<bool>>,
        /// Whether public DNS names resolve to private addresses across it. Default: true.
        dns_support: Option<Located<bool>>,
        /// Whether equal ways over VPNs share traffic. Default: true.
        vpn_ecmp: Option<Located<bool>>,
        /// Whether attachments of other accounts need nobody's consent. Default: false.
        auto_accept: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// The attachment of a VPC: its subnets, or a mapping.
    TransitAttachment: "a list of subnets, or a mapping with `subnets`", short subnets {
        /// A subnet of the VPC in each zone that may use the gateway. Default: the first of each zone.
        subnets: OneOrMany<Located<String>>,
        /// What `security_group_referencing` of the gateway needs here, too. Default: true.
        security_group_referencing: Option<Located<bool>>,
        /// Whether IPv6 passes it, where the VPC has IPv6. Default: true; AWS's own default is false.
        ipv6_support: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// The attachment of another transit gateway.
    TransitPeering: "a mapping such as `{ tags: { … } }`" {
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A route table of a transit gateway. Attachments are named by their VPC, or as `tgw NAME` where a transit gateway is peered.
    TransitRouteTable: "a mapping such as `propagations: [core]`" {
        /// Attachments whose packets are routed by it. Default: none; of `default`, those that no other table names.
        associations: Option<OneOrMany<Located<AttachmentWord>>>,
        /// Attached VPCs whose blocks it knows. Default: none; of `default`, all.
        propagations: Option<OneOrMany<Located<AttachmentWord>>>,
        /// Destination (a block, or `anywhere`) to target: an attached VPC by name, tgw NAME, or blackhole. `anywhere` is 0.0.0.0/0
        /// and, where an attached VPC has IPv6, ::/0.
        routes: Pairs<Located<TransitRoute>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

/// What is attached to a transit gateway, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentWord {
    /// `vpc NAME`.
    Vpc(String),
    /// `tgw NAME`: a transit gateway that is peered.
    Gateway(String),
    /// `NAME` of one or the other.
    Named(String),
}

/// The target of a static route of a transit gateway's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitRoute {
    /// An attachment.
    To(AttachmentWord),
    /// `blackhole`: what it takes is dropped.
    Blackhole,
}

impl AttachmentWord {
    fn parse(text: &str, node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let hint = match words.as_slice() {
            [kind @ ("vpc" | "tgw")] => format!("write `{kind} NAME`"),
            [name] => return Some(Self::Named((*name).to_owned())),
            ["vpc", name] => return Some(Self::Vpc((*name).to_owned())),
            ["tgw", name] => return Some(Self::Gateway((*name).to_owned())),
            ["peering", name] => format!("a transit gateway that is peered is `tgw {name}`"),
            [kind, name] if let Some(near) = nearest(kind, ["vpc", "tgw"]) => format!("did you mean `{near} {name}`?"),
            _ => "the name of an attached VPC, or `tgw NAME` of one that is peered".to_owned(),
        };
        let problem = Diagnostic::new(Code::BadRouteTarget, node.span, format!("`{text}` is no attachment"));
        decoder.problem(problem.label("not an attachment").hint(hint));
        None
    }
}

impl Word for AttachmentWord {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.text(node)?;
        Self::parse(&text, node, decoder)
    }
}

impl Word for TransitRoute {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.text(node)?;
        match text.as_str() {
            "blackhole" => Some(Self::Blackhole),
            "igw" | "eigw" | "vpn" | "local" | "none" => {
                let problem = Diagnostic::new(Code::BadRouteTarget, node.span, format!("`{text}` is no target of a transit gateway's route"));
                decoder.problem(problem.label("not a target").hint("it leads to attachments: the name of a VPC, `tgw NAME`, or `blackhole`"));
                None
            }
            text => AttachmentWord::parse(text, node, decoder).map(Self::To),
        }
    }
}
