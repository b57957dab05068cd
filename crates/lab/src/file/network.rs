//! VPCs and subnets.

use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{Acl, NatGateway, RouteTable, SecurityGroup, SubnetRoute, document};
use crate::code::Code;
use crate::decode::{Decoder, Named, OneOrMany, Pairs, Word};
use crate::diagnostic::Diagnostic;
use crate::source::Located;
use crate::yaml::Node;

document! {
    /// A VPC.
    Vpc: "a mapping such as `cidr: 10.0.0.0/16`" {
        /// IPv4 block of /16 to /28, or a list of up to five, the primary one first.
        cidr: OneOrMany<Located<Ipv4Net>>,
        /// IPv6: true (a /56 of Amazon's), a block of /44 to /60, or a list of up to five. Default: none.
        ipv6: OneOrMany<Located<VpcIpv6>>,
        /// Subnets by name, carved in file order.
        subnets: Named<Subnet>,
        /// Internet gateway: true, false, or auto (the default: one is made when something needs it).
        igw: Option<Located<InternetGatewayChoice>>,
        /// Egress-only internet gateway, by which IPv6 leads out and not in: true, false, or auto (the default: one is made
        /// when a route leads to it).
        eigw: Option<Located<InternetGatewayChoice>>,
        /// Whether the resolver answers. Default: true.
        dns_support: Option<Located<bool>>,
        /// Whether instances get public DNS names. Default: false.
        dns_hostnames: Option<Located<bool>>,
        /// DHCP options, or `none`.
        dhcp: Option<DhcpChoice>,
        /// NAT gateways by name, for what `nat@SUBNET` does not say.
        nat_gateways: Named<NatGateway>,
        /// Route tables by name, for what `route: igw` does not say.
        route_tables: Named<RouteTable>,
        /// Security groups of this VPC by name.
        security_groups: Named<SecurityGroup>,
        /// Network ACLs of this VPC by name.
        acls: Named<Acl>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A subnet.
    Subnet: "a mapping such as `{ az: a, cidr: /26 }`" {
        /// Zone: a letter, or the whole name. Default: a.
        az: Option<Located<String>>,
        /// `/26` takes the next free block of this size; a full block pins the subnet.
        cidr: Option<Located<SubnetSize>>,
        /// IPv6: true takes the next free /64 of the VPC's, a full block pins it. Default: false.
        ipv6: Option<Located<SubnetIpv6>>,
        /// Where everything else leads: igw (for IPv6, too, where the VPC has it), nat@SUBNET or nat@NAME (IPv4), eigw (IPv6),
        /// `[nat@SUBNET, eigw]`, tgw NAME, none, or the name of a route table. Default: none.
        route: Option<Located<SubnetRoute>>,
        /// Network ACL by name. Default: the VPC's default one.
        acl: Option<Located<String>>,
        /// Whether instances get a public address at launch. Default: false.
        public_ips: Option<Located<bool>>,
        /// Whether instances get an IPv6 address at launch. Default: true where the subnet has IPv6.
        assign_ipv6: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A DHCP option set.
    Dhcp: "a mapping, or `none`" {
        /// Search domain.
        domain_name: Option<Located<String>>,
        /// Resolvers: addresses or AmazonProvidedDNS, at most four.
        domain_name_servers: OneOrMany<Located<String>>,
        /// Time servers, at most four.
        ntp_servers: OneOrMany<Located<Ipv4Addr>>,
        /// NetBIOS name servers, at most four.
        netbios_name_servers: OneOrMany<Located<Ipv4Addr>>,
        /// 1, 2, 4 or 8.
        netbios_node_type: Option<Located<u8>>,
    }
}

/// Whether a VPC has an internet gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InternetGatewayChoice {
    /// If something in the VPC needs it.
    Auto,
    /// Always.
    Yes,
    /// Never: what needs it is an error of AWS.
    No,
}

impl Word for InternetGatewayChoice {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.text() {
            Some("auto") => Some(Self::Auto),
            _ => bool::read(node, decoder).map(|yes| if yes { Self::Yes } else { Self::No }),
        }
    }
}

/// DHCP options of a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DhcpChoice {
    /// The word `none`: no options at all (DHCP-1).
    None,
    /// These.
    Options(Box<Dhcp>),
}

impl crate::decode::Decode for DhcpChoice {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.text() {
            Some("none") => Some(Self::None),
            _ => Dhcp::decode(node, decoder).map(|options| Self::Options(Box::new(options))),
        }
    }
}

/// How large a subnet is, and perhaps where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubnetSize {
    /// The next free block with this prefix length.
    Carved(u8),
    /// This block.
    Pinned(Ipv4Net),
}

impl Word for SubnetSize {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "`/26` or a block")?;
        let Some(length) = text.strip_prefix('/') else {
            if text.parse::<u8>().is_ok() {
                let corrected = decoder.corrected(node.span, &format!("/{text}"));
                decoder.problem(Diagnostic::new(Code::NotABlock, node.span, format!("`{text}` is not a block")).label("a slash is missing").hint(format!("write `{corrected}`")));
                return None;
            }
            return Ipv4Net::read(node, decoder).map(Self::Pinned);
        };
        match length.parse::<u8>() {
            Ok(length @ 16..=28) => Some(Self::Carved(length)),
            _ => {
                decoder.problem(Diagnostic::new(Code::NotABlock, node.span, format!("`{text}` is not a subnet's size")).label("not a size").hint("a subnet is /16 to /28 (SUB-1)"));
                None
            }
        }
    }
}

/// IPv6 of a VPC (VPC-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpcIpv6 {
    /// None.
    No,
    /// A /56 of Amazon's, chosen.
    Amazon,
    /// This block.
    Block(Ipv6Net),
}

impl Word for VpcIpv6 {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match is_block(node) {
            true => Ipv6Net::read(node, decoder).map(Self::Block),
            false => bool::read(node, decoder).map(|yes| if yes { Self::Amazon } else { Self::No }),
        }
    }
}

/// IPv6 of a subnet (VPC-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubnetIpv6 {
    /// None.
    No,
    /// The next free /64.
    Next,
    /// This /64.
    Block(Ipv6Net),
}

impl Word for SubnetIpv6 {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if node.text() == Some("/64") {
            return Some(Self::Next);
        }
        if !is_block(node) {
            return bool::read(node, decoder).map(|yes| if yes { Self::Next } else { Self::No });
        }
        let length = node.text().and_then(|text| text.strip_prefix('/'));
        let block = if length.is_some() { None } else { Some(Ipv6Net::read(node, decoder)?) };
        match block {
            Some(block) if block.prefix_len() == 64 => Some(Self::Block(block)),
            _ => {
                let text = node.text().unwrap_or_default();
                let corrected = block.and_then(|block| Ipv6Net::new(block.network(), 64).ok());
                let corrected = corrected.map_or("ipv6: true".to_owned(), |block| format!("ipv6: {block}"));
                let problem = Diagnostic::new(Code::NotABlock, node.span, format!("`{text}` is no subnet's IPv6 block: it is a /64 (VPC-10)"));
                decoder.problem(problem.label("not a /64").hint(format!("write `{corrected}`")));
                None
            }
        }
    }
}

/// Whether what stands there is meant as a block, right or wrong.
fn is_block(node: &Node) -> bool {
    node.text().is_some_and(|text| text.contains(['/', ':', '.']))
}
