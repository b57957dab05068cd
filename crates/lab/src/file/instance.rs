//! Instances and their interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Containers, ListenPhrase, document};
use crate::code::Code;
use crate::decode::{Decode, Decoder, OneOrMany, Pairs, Word};
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::Located;
use crate::yaml::{Node, Value};

document! {
    /// An instance, or several like it.
    Instance: "a mapping such as `{ subnet: public-a, sg: web }`" {
        /// Another instance to copy: its keys, all of them, where this one has none; mappings key by key, lists and
        /// single values whole.
        like: Option<Located<String>>,
        /// How many: `count: 3` makes web-1, web-2 and web-3 of web.
        count: Option<Located<u32>>,
        /// Subnet of the first interface.
        subnet: Option<Located<String>>,
        /// Security group, or a list of them. Default: the VPC's default group.
        sg: OneOrMany<Located<String>>,
        /// true (any address, lost on stop), eip (an Elastic IP address), or the address to have. Default: what the
        /// subnet's `public_ips` says.
        public_ip: Option<Located<PublicIp>>,
        /// Private address. Default: chosen.
        private_ip: Option<Located<Ipv4Addr>>,
        /// IPv6 addresses: true (one, chosen), false, how many, or the addresses to have; `::10` is counted from the start of
        /// the subnet's block. Default: what the subnet's `assign_ipv6` says.
        ipv6: Option<Located<Ipv6Addresses>>,
        /// Instance type; limits interfaces and addresses. Default: t3.micro.
        r#type: Option<Located<String>>,
        /// Key pair by name.
        key: Option<Located<String>>,
        /// Built-in listeners that answer with the instance's name: tcp/80, udp/53.
        listen: OneOrMany<ListenPhrase>,
        /// Command lines that are kept running.
        run: OneOrMany<Located<String>>,
        /// A script for the first boot: text, or `file: PATH`.
        user_data: Option<UserData>,
        /// Whether packets that are not for or from its own addresses are dropped. Default: true, but false with
        /// `forward` or `masquerade`.
        source_dest_check: Option<Located<bool>>,
        /// Whether the system forwards packets. Default: false.
        forward: Option<Located<bool>>,
        /// Whether it hides what it forwards behind its own address. Default: false.
        masquerade: Option<Located<bool>>,
        /// All interfaces, for instances with several or with more addresses.
        interfaces: Vec<Interface>,
        /// Role whose rights it has, by an instance profile of the same name.
        role: Option<Located<String>>,
        /// Instance profile, where it is called otherwise than its role.
        profile: Option<Located<String>>,
        /// Metadata service.
        metadata: Option<Metadata>,
        /// Whether it is stopped. Default: false.
        stopped: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
        /// Containers that run in it, by name.
        containers: Containers,
    }
}

document! {
    /// One interface of an instance.
    Interface: "a mapping such as `{ subnet: public-a }`" {
        /// Name. Default: the instance's name and the device index.
        name: Option<Located<String>>,
        /// Subnet.
        subnet: Option<Located<String>>,
        /// Security group, or a list of them.
        sg: OneOrMany<Located<String>>,
        /// Private address. Default: chosen.
        private_ip: Option<Located<Ipv4Addr>>,
        /// More private addresses: a list, or how many.
        secondary_ips: Option<SecondaryAddresses>,
        /// IPv6 addresses: true, false, how many, or the addresses to have. Default: what the subnet's `assign_ipv6` says.
        ipv6: Option<Located<Ipv6Addresses>>,
        /// true (first interface only), eip, or the address to have.
        public_ip: Option<Located<PublicIp>>,
        /// Elastic IP addresses of secondary addresses: private address to `eip` or the address to have.
        public_ips: Pairs<Located<ElasticIp>>,
        /// Whether packets that are not for or from its own addresses are dropped. Default: true.
        source_dest_check: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// How the metadata service answers.
    Metadata: "a mapping such as `tokens: required`" {
        /// required (IMDSv2 only) or optional. Default: optional.
        tokens: Option<Located<String>>,
        /// How many hops the answer to a token request travels, 1 to 64. Default: 1.
        hop_limit: Option<Located<u8>>,
        /// Whether the service answers at all. Default: true.
        enabled: Option<Located<bool>>,
        /// Whether it shows tags. Default: false.
        tags: Option<Located<bool>>,
    }
}

/// The public address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicIp {
    /// None, whatever the subnet says.
    No,
    /// An auto-assigned one (PIP-1).
    Auto,
    /// An Elastic IP address (EIP-2).
    Elastic(ElasticIp),
}

/// An Elastic IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElasticIp {
    /// Any.
    Any,
    /// This one.
    Address(Ipv4Addr),
}

impl Word for PublicIp {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "true, false, eip or an address")?;
        match text {
            "eip" => Some(Self::Elastic(ElasticIp::Any)),
            _ => match text.parse() {
                Ok(address) => Some(Self::Elastic(ElasticIp::Address(address))),
                Err(_) if text.contains('.') => Ipv4Addr::read(node, decoder).map(|a| Self::Elastic(ElasticIp::Address(a))),
                Err(_) if nearest(text, ["eip"]).is_some() => {
                    decoder.problem(Diagnostic::new(Code::NotAChoice, node.span, format!("`{text}` is not a public address")).label("not understood").hint("true, false, eip, or an address"));
                    None
                }
                Err(_) => bool::read(node, decoder).map(|yes| if yes { Self::Auto } else { Self::No }),
            },
        }
    }
}

impl Word for ElasticIp {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.text() {
            Some("eip") => Some(Self::Any),
            _ => Ipv4Addr::read(node, decoder).map(Self::Address),
        }
    }
}

/// Secondary private addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecondaryAddresses {
    /// So many, chosen.
    Count(Located<u32>),
    /// These.
    List(Vec<Located<Ipv4Addr>>),
}

impl Decode for SecondaryAddresses {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => Decode::decode(node, decoder).map(Self::Count),
            _ => OneOrMany::decode(node, decoder).map(|list| Self::List(list.0)),
        }
    }
}

/// IPv6 addresses of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ipv6Addresses {
    /// So many, chosen; 0: none, whatever the subnet says.
    Count(u32),
    /// These.
    List(Vec<Located<Ipv6Addr>>),
}

impl Word for Ipv6Addresses {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Sequence(_) => Vec::decode(node, decoder).map(Self::List),
            Value::Scalar { text, .. } if text.contains([':', '.']) => {
                Ipv6Addr::read(node, decoder).map(|address| Self::List(vec![Located::new(address, node.span)]))
            }
            Value::Scalar { text, .. } if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => u32::read(node, decoder).map(Self::Count),
            _ => bool::read(node, decoder).map(|yes| Self::Count(u32::from(yes))),
        }
    }
}

/// User data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserData {
    /// As written.
    Inline(Located<String>),
    /// The content of a file, its path counted from the lab file.
    File(Located<String>),
}

document! {
    /// User data from a file.
    UserDataFile: "a text, or `file: PATH`" {
        /// Path, counted from the lab file.
        file: Option<Located<String>>,
    }
}

impl Decode for UserData {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Mapping(_) => match UserDataFile::decode(node, decoder)?.file {
                Some(path) => Some(Self::File(path)),
                None => decoder.wrong_kind(node, "a text, or `file: PATH`", None),
            },
            _ => Decode::decode(node, decoder).map(Self::Inline),
        }
    }
}
