//! The grammar of deltas: every form of the table, and nothing else.

use serde_json::Value;

use super::words::{Words, block};
use super::*;
use super::transit;
use crate::scenario::fault::Fault;
use crate::scenario::fields::{Fields, list};
use crate::scenario::yaml::{Content, Node};

pub(super) const SWITCH: &[(&str, bool)] = &[("on", true), ("off", false)];
const TRUTH: &[(&str, bool)] = &[("true", true), ("false", false)];
const PEERING_STATES: &[(&str, PeeringState)] = &[
    ("active", PeeringState::Active),
    ("pending-acceptance", PeeringState::PendingAcceptance),
    ("rejected", PeeringState::Rejected),
    ("deleted", PeeringState::Deleted),
    ("expired", PeeringState::Expired),
];

impl Delta {
    /// Reads one element of a `delta` or `do` list. Errors: what is no form of the table.
    pub fn of(node: &Node) -> Result<Self, Fault> {
        match &node.content {
            Content::Scalar(Value::String(text)) => Self::parse(text).map_err(|why| Fault::new(node.line, why)),
            Content::Map(entries) => match entries.as_slice() {
                [(key, body)] => document(&key.text, body, key.line),
                _ => Err(Fault::new(node.line, "a document delta has one key: identity, group or role")),
            },
            _ => Err(Fault::new(node.line, format!("a delta is a text or a document, not {}", node.kind()))),
        }
    }

    /// Reads a delta of words. Errors: a sentence that quotes the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text);
        let delta = match words.next("a delta")? {
            "rt" => route(&mut words)?,
            "edge" => {
                let gateway = words.name("a gateway")?;
                words.literal("=")?;
                Self::Edge { gateway, table: words.name("a route table")? }
            }
            "subnet" => subnet(&mut words)?,
            "main" => {
                let vpc = words.name("a VPC")?;
                words.literal("=")?;
                Self::Main { vpc, table: words.name("a route table")? }
            }
            "eni" => interface(&mut words)?,
            "sg" => group(&mut words)?,
            "acl" => acl(&mut words)?,
            "nat" => nat(&mut words)?,
            "vpc" => vpc(&mut words)?,
            "pcx" => peering(&mut words)?,
            "pl" => {
                let list = words.name("a prefix list")?;
                words.literal("=")?;
                Self::PrefixList { list, entries: words.values("a CIDR block")? }
            }
            "host" => {
                let host = words.name("a host")?;
                words.literal("=")?;
                Self::Host { host, address: words.value("an IP address")? }
            }
            "eigw" => {
                let gateway = words.name("an egress-only internet gateway")?;
                words.literal("=")?;
                Self::EgressOnlyGateway { gateway, vpc: words.name("a VPC")? }
            }
            "vgw" => {
                let gateway = words.name("a virtual private gateway")?;
                words.literal("=")?;
                Self::VpnGateway { gateway, vpc: words.name("a VPC")? }
            }
            "vpce" => endpoint(&mut words)?,
            "tgw" => Self::Transit(transit::gateway(&mut words)?),
            "tgwrt" => Self::Transit(transit::table(&mut words)?),
            "flowlog" => flow_log(&mut words)?,
            other => return Err(format!("`{text}`: unknown delta `{other}`")),
        };
        words.end()?;
        Ok(delta)
    }
}

fn route(words: &mut Words<'_>) -> Result<Delta, String> {
    let table = words.name("a route table")?;
    match words.next("`+`, `-` or `new`")? {
        "+" => {
            let destination = destination(words)?;
            words.literal(">")?;
            let target = words.name("a target")?;
            let propagated = match words.optional() {
                None => false,
                Some("propagated") => true,
                Some(other) => return Err(words.unexpected(other, "`propagated`")),
            };
            Ok(Delta::AddRoute { table, destination, target, propagated })
        }
        "-" => Ok(Delta::RemoveRoute { table, destination: destination(words)? }),
        "new" => Ok(Delta::NewTable { table, vpc: words.name("a VPC")? }),
        other => Err(words.unexpected(other, "`+`, `-` or `new`")),
    }
}

fn destination(words: &mut Words<'_>) -> Result<RouteDestination, String> {
    let word = words.next("a destination")?;
    match word.strip_prefix("pl:") {
        Some(name) if !name.is_empty() => Ok(RouteDestination::PrefixList(name.to_owned())),
        _ => block(word).map(RouteDestination::Cidr).ok_or_else(|| words.unexpected(word, "a CIDR block or `pl:LIST`")),
    }
}

fn subnet(words: &mut Words<'_>) -> Result<Delta, String> {
    let subnet = words.name("a subnet")?;
    match words.next("`=`, `rt` or `cidr6`")? {
        "=" => {
            let (vpc, cidr) = (words.name("a VPC")?, words.value("an IPv4 block")?);
            let zone = words.next("a zone letter")?;
            if zone.len() != 1 || !zone.starts_with(|c: char| c.is_ascii_lowercase()) {
                return Err(words.unexpected(zone, "a zone letter"));
            }
            Ok(Delta::Subnet { subnet, vpc, cidr, zone: zone.to_owned(), table: table(words)? })
        }
        "rt" => {
            words.literal("=")?;
            Ok(Delta::SubnetTable { subnet, table: table(words)? })
        }
        "cidr6" => {
            words.literal("=")?;
            Ok(Delta::SubnetIpv6 { subnet, cidr: words.value("an IPv6 block")? })
        }
        other => Err(words.unexpected(other, "`=`, `rt` or `cidr6`")),
    }
}

fn table(words: &mut Words<'_>) -> Result<SubnetTable, String> {
    let name = words.name("a route table or `main`")?;
    Ok(if name == "main" { SubnetTable::Main } else { SubnetTable::Named(name) })
}

fn interface(words: &mut Words<'_>) -> Result<Delta, String> {
    const EXPECTED: &str = "what to do with the interface";
    let eni = words.name("an interface")?;
    match words.next(EXPECTED)? {
        "=" => {
            let (subnet, addresses) = (words.name("a subnet")?, words.values("an IPv4 address")?);
            Ok(Delta::Interface { eni, subnet, addresses, groups: words.names("a security group")? })
        }
        "sg" => {
            words.literal("=")?;
            Ok(Delta::InterfaceGroups { eni, groups: words.names("a security group")? })
        }
        "eip" => match words.next("`=` or `none`")? {
            "=" => Ok(Delta::ElasticIp { eni, private: None, public: words.value("an IPv4 address")? }),
            "none" => Ok(Delta::NoElasticIp { eni }),
            other => Err(words.unexpected(other, "`=` or `none`")),
        },
        "ip" => {
            words.literal("+")?;
            Ok(Delta::SecondaryAddress { eni, address: words.value("an IPv4 address")? })
        }
        "ip6" => {
            words.literal("+")?;
            Ok(Delta::Ipv6Address { eni, address: words.value("an IPv6 address")? })
        }
        "check" => Ok(Delta::SourceDestCheck { eni, on: words.one_of(SWITCH)? }),
        "forward" => Ok(Delta::Forward { eni }),
        "masquerade" => Ok(Delta::Masquerade { eni }),
        "stopped" => Ok(Delta::Stopped { eni }),
        "container" => Ok(Delta::Container { eni }),
        "http_tokens" => {
            Ok(Delta::HttpTokens { eni, required: words.one_of(&[("required", true), ("optional", false)])? })
        }
        "hop_limit" => match words.value("a hop limit of 1 to 64")? {
            hops @ 1..=64 => Ok(Delta::HopLimit { eni, hops }),
            hops => Err(words.unexpected(&hops.to_string(), "a hop limit of 1 to 64")),
        },
        other => match other.strip_prefix("eip[").and_then(|rest| rest.strip_suffix(']')) {
            Some(private) => {
                let private = private.parse().map_err(|_| words.unexpected(private, "an IPv4 address"))?;
                words.literal("=")?;
                Ok(Delta::ElasticIp { eni, private: Some(private), public: words.value("an IPv4 address")? })
            }
            None => Err(words.unexpected(other, EXPECTED)),
        },
    }
}

fn group(words: &mut Words<'_>) -> Result<Delta, String> {
    let group = words.name("a security group")?;
    let direction = match words.next("`new`, `in` or `out`")? {
        "new" => return Ok(Delta::NewGroup { group, vpc: words.name("a VPC")? }),
        "in" => RuleDirection::In,
        "out" => RuleDirection::Out,
        other => return Err(words.unexpected(other, "`new`, `in` or `out`")),
    };
    match words.next("`+`, `-` or `clear`")? {
        "+" => Ok(Delta::AddRule { group, direction, rule: rule(words)? }),
        "-" => Ok(Delta::RemoveRule { group, direction, rule: rule(words)? }),
        "clear" => Ok(Delta::ClearRules { group, direction }),
        other => Err(words.unexpected(other, "`+`, `-` or `clear`")),
    }
}

fn rule(words: &mut Words<'_>) -> Result<GroupRule, String> {
    let traffic = words.traffic()?;
    let word = words.next("a peer")?;
    let peer = match (word.strip_prefix("pl:"), word.contains('/')) {
        (Some(list), _) if !list.is_empty() => RulePeer::PrefixList(list.to_owned()),
        (_, true) => RulePeer::Cidr(block(word).ok_or_else(|| words.unexpected(word, "a CIDR block"))?),
        // An address without a prefix length is no peer, and no group has such a name.
        (_, false) if word.parse::<IpAddr>().is_ok() => return Err(words.unexpected(word, "a CIDR block")),
        (_, false) => RulePeer::Group(word.to_owned()),
    };
    Ok(GroupRule { traffic, peer })
}

impl GroupRule {
    /// Reads `PROTO PORTS PEER`, the form of rules in topologies.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text);
        let rule = rule(&mut words)?;
        words.end()?;
        Ok(rule)
    }
}

fn acl(words: &mut Words<'_>) -> Result<Delta, String> {
    let acl = words.name("a network ACL")?;
    let direction = match words.next("`=`, `in` or `out`")? {
        "=" => return Ok(Delta::Acl { acl, subnets: words.names("a subnet")? }),
        "in" => RuleDirection::In,
        "out" => RuleDirection::Out,
        other => return Err(words.unexpected(other, "`=`, `in` or `out`")),
    };
    let number = words.value("a rule number")?;
    let allow = match words.next("`allow`, `deny` or `delete`")? {
        "delete" => return Ok(Delta::DeleteAclEntry { acl, direction, number }),
        "allow" => true,
        "deny" => false,
        other => return Err(words.unexpected(other, "`allow`, `deny` or `delete`")),
    };
    let traffic = words.traffic()?;
    Ok(Delta::AclEntry { acl, direction, number, allow, traffic, cidr: words.value("a CIDR block")? })
}

fn nat(words: &mut Words<'_>) -> Result<Delta, String> {
    let nat = words.name("a NAT gateway")?;
    match words.next("`=` or `delete`")? {
        "delete" => Ok(Delta::DeleteNat { nat }),
        "=" => {
            let (subnet, address) = (words.name("a subnet")?, words.value("an IPv4 address")?);
            let public = match words.one_of(&[("public", true), ("private", false)])? {
                true => Some(words.value("an Elastic IP address")?),
                false => None,
            };
            Ok(Delta::Nat { nat, subnet, address, public })
        }
        other => Err(words.unexpected(other, "`=` or `delete`")),
    }
}

fn vpc(words: &mut Words<'_>) -> Result<Delta, String> {
    const EXPECTED: &str = "`=`, `cidr`, `cidr6`, `dns_support` or `dns_hostnames`";
    let vpc = words.name("a VPC")?;
    match words.next(EXPECTED)? {
        "=" => {
            let cidr = words.value("an IPv4 block")?;
            let gateway = words.optional().map(str::to_owned);
            Ok(Delta::Vpc { vpc, cidr, gateway })
        }
        "cidr" => {
            words.literal("+")?;
            Ok(Delta::VpcBlock { vpc, cidr: words.value("an IPv4 block")? })
        }
        "cidr6" => {
            words.literal("+")?;
            Ok(Delta::VpcIpv6 { vpc, cidr: words.value("an IPv6 block")? })
        }
        "dns_support" => Ok(Delta::DnsSupport { vpc, on: words.one_of(TRUTH)? }),
        "dns_hostnames" => Ok(Delta::DnsHostnames { vpc, on: words.one_of(TRUTH)? }),
        other => Err(words.unexpected(other, EXPECTED)),
    }
}

fn peering(words: &mut Words<'_>) -> Result<Delta, String> {
    let pcx = words.name("a peering connection")?;
    match words.next("`=` or `state`")? {
        "=" => {
            let (requester, accepter) = (words.name("a VPC")?, words.name("a VPC")?);
            Ok(Delta::Peering { pcx, requester, accepter, state: words.one_of(PEERING_STATES)? })
        }
        "state" => Ok(Delta::PeeringState { pcx, state: words.one_of(PEERING_STATES)? }),
        other => Err(words.unexpected(other, "`=` or `state`")),
    }
}

impl PeeringState {
    /// Reads the word for a state.
    pub fn parse(text: &str) -> Option<Self> {
        PEERING_STATES.iter().find(|(word, _)| *word == text).map(|(_, state)| *state)
    }
}

fn endpoint(words: &mut Words<'_>) -> Result<Delta, String> {
    let endpoint = words.name("an endpoint")?;
    words.literal("=")?;
    let (vpc, service) = (words.name("a VPC")?, words.name("a service")?);
    let word = words.next("`pl:LIST`")?;
    let list = word.strip_prefix("pl:").ok_or_else(|| words.unexpected(word, "`pl:LIST`"))?.to_owned();
    Ok(Delta::Endpoint { endpoint, vpc, service, list, tables: words.names("a route table")? })
}

/// Field names of FL-2 and FL-10 that may follow `default`.
const FLOW_LOG_FIELDS: &[&str] = &[
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
    "bytes", "start", "end", "action", "log-status", "vpc-id", "subnet-id", "instance-id", "tcp-flags", "type",
    "pkt-srcaddr", "pkt-dstaddr", "region", "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service",
    "pkt-dst-aws-service", "flow-direction", "traffic-path",
];

fn flow_log(words: &mut Words<'_>) -> Result<Delta, String> {
    let log = words.name("a flow log")?;
    words.literal("=")?;
    let eni = words.name("an interface")?;
    let traffic = words.one_of(&[
        ("ALL", FlowLogTraffic::All),
        ("ACCEPT", FlowLogTraffic::Accept),
        ("REJECT", FlowLogTraffic::Reject),
    ])?;
    let mut fields = words.names("`default`")?.into_iter();
    match fields.next() {
        Some(first) if first == "default" => {}
        first => return Err(words.unexpected(&first.unwrap_or_default(), "`default`")),
    }
    let fields: Vec<_> = fields.collect();
    match fields.iter().find(|field| !is_flow_log_field(field)) {
        Some(unknown) => Err(words.unexpected(unknown, "a field of flow logs")),
        None => Ok(Delta::FlowLog { log, eni, traffic, fields }),
    }
}

/// Whether flow logs have a field of this name (FL-2, FL-10).
pub fn is_flow_log_field(name: &str) -> bool {
    FLOW_LOG_FIELDS.contains(&name)
}

/// `identity`, `group` and `role` documents.
fn document(kind: &str, body: &Node, line: u32) -> Result<Delta, Fault> {
    match kind {
        "identity" => {
            let fields = Fields::of(body, "identity")?;
            let name = fields.need_text("user")?;
            let groups = match fields.has("groups") {
                true => Some(fields.texts("groups")?.into_iter().map(|(_, group)| group).collect()),
                false => None,
            };
            let (policies, boundary) = (policies(&fields)?, policy(&fields, "boundary")?);
            fields.finish()?;
            Ok(Delta::User { name, groups, policies, boundary })
        }
        "group" => {
            let fields = Fields::of(body, "group")?;
            let (name, policies) = (fields.need_text("name")?, policies(&fields)?);
            fields.finish()?;
            Ok(Delta::UserGroup { name, policies })
        }
        "role" => {
            let fields = Fields::of(body, "role")?;
            let name = fields.need_text("name")?;
            let (trust, policies, boundary) = (policy(&fields, "trust")?, policies(&fields)?, policy(&fields, "boundary")?);
            fields.finish()?;
            Ok(Delta::Role { name, trust, policies, boundary })
        }
        other => Err(Fault::new(line, format!("unknown document delta `{other}`"))),
    }
}

fn policies(fields: &Fields<'_>) -> Result<Option<Vec<Value>>, Fault> {
    let Some(node) = fields.get("policies") else { return Ok(None) };
    list(node, "policies")?.iter().map(policy_document).collect::<Result<_, _>>().map(Some)
}

fn policy<'n>(fields: &Fields<'n>, key: &'n str) -> Result<Option<Value>, Fault> {
    fields.get(key).map(policy_document).transpose()
}

fn policy_document(node: &Node) -> Result<Value, Fault> {
    match node.map() {
        Some(_) => Ok(node.to_json()),
        None => Err(Fault::new(node.line, format!("a policy is a JSON document, not {}", node.kind()))),
    }
}
