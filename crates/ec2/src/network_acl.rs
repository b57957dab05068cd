//! Network ACLs (ACL-1 … ACL-14).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::network_acl::NetworkAclEntry;
use model::operation::{self, Direction, PutNetworkAclEntry};
use model::traffic::protocol::{ICMP, ICMPV6, TCP, UDP};
use model::{ApiError, IcmpMatch, Model, NetworkAcl, NetworkAclId, TrafficMatch};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, missing, read};
use crate::filter::{Describe, Known};
use crate::identifier::form;
use crate::shape::{done, tags, text};
use crate::traffic;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateNetworkAcl", create_network_acl),
    ("CreateNetworkAclEntry", create_network_acl_entry),
    ("DeleteNetworkAcl", delete_network_acl),
    ("DeleteNetworkAclEntry", delete_network_acl_entry),
    ("DescribeNetworkAcls", describe_network_acls),
    ("ReplaceNetworkAclAssociation", replace_network_acl_association),
    ("ReplaceNetworkAclEntry", replace_network_acl_entry),
];

fn create_network_acl(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        Ok(operation::CreateNetworkAcl {
            vpc_id: a.required_id("VpcId")?,
            tags: a.tags("network-acl")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_network_acl(model, request)?;
    Ok(json!({"NetworkAcl": shape(model, model.network_acl(&id)?)}))
}

fn delete_network_acl(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("NetworkAclId"))?;
    operation::delete_network_acl(model, &id)?;
    Ok(done())
}

fn direction(a: &Arguments<'_>) -> Result<Direction, ApiError> {
    match a.required("Egress", a.boolean("Egress")?)? {
        true => Ok(Direction::Egress),
        false => Ok(Direction::Ingress),
    }
}

fn entry(arguments: &Value) -> Result<PutNetworkAclEntry, ApiError> {
    read(arguments, |a| {
        let allow = match a.required_text("RuleAction")? {
            "allow" => true,
            "deny" => false,
            other => return Err(a.invalid("RuleAction", &other.into(), "Either allow or deny was expected.")),
        };
        let blocks = [a.ipv4_net("CidrBlock")?.map(IpNet::V4), a.ipv6_net("Ipv6CidrBlock")?.map(IpNet::V6)];
        let number: i64 = a.required("RuleNumber", a.integer("RuleNumber")?)?;
        Ok(PutNetworkAclEntry {
            network_acl_id: a.required_id("NetworkAclId")?,
            direction: direction(a)?,
            // What is no number of an entry is refused by the operation like 32767.
            rule_number: u16::try_from(number).unwrap_or(u16::MAX),
            traffic: traffic_of(a)?,
            cidr_block: a.exactly_one("CidrBlock or Ipv6CidrBlock", blocks.into_iter().flatten().collect())?,
            allow,
            origin: Default::default(),
        })
    })
}

/// ACL-6: TCP and UDP need a range, ICMP type and code.
fn traffic_of(a: &Arguments<'_>) -> Result<TrafficMatch, ApiError> {
    let number = a.value("Protocol").map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let number = traffic::protocol(&number.ok_or_else(|| missing("Protocol"))?)?;
    let range = a.within("PortRange", |r| {
        traffic::ports(r.required("From", r.integer("From")?)?, r.required("To", r.integer("To")?)?)
    })?;
    let message = a.within("IcmpTypeCode", |r| {
        traffic::icmp(r.required("Type", r.integer("Type")?)?, r.required("Code", r.integer("Code")?)?)
    })?;
    let range = || range.ok_or_else(|| missing("PortRange"));
    let message = || message.ok_or_else(|| missing("IcmpTypeCode"));
    Ok(match number {
        None => TrafficMatch::All,
        Some(TCP) => TrafficMatch::Tcp(range()?),
        Some(UDP) => TrafficMatch::Udp(range()?),
        Some(ICMP) => TrafficMatch::Icmp(message()?),
        Some(ICMPV6) => TrafficMatch::Icmpv6(message()?),
        Some(number) => TrafficMatch::Other(number),
    })
}

fn create_network_acl_entry(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = entry(arguments)?;
    operation::create_network_acl_entry(model, request)?;
    Ok(done())
}

fn replace_network_acl_entry(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = entry(arguments)?;
    operation::replace_network_acl_entry(model, request)?;
    Ok(done())
}

fn delete_network_acl_entry(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, direction, number) = read(arguments, |a| {
        let number: u16 = a.required("RuleNumber", a.integer("RuleNumber")?)?;
        Ok((a.required_id("NetworkAclId")?, direction(a)?, number))
    })?;
    operation::delete_network_acl_entry(model, &id, direction, number)?;
    Ok(done())
}

fn replace_network_acl_association(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (association, acl) =
        read(arguments, |a| Ok((a.required_id("AssociationId")?, a.required_id("NetworkAclId")?)))?;
    let id = operation::replace_network_acl_association(model, &association, &acl)?;
    Ok(json!({"NewAssociationId": text(id)}))
}

fn shape(model: &Model, acl: &NetworkAcl) -> Value {
    let ipv6 = model.vpcs.get(&acl.vpc_id).is_some_and(|vpc| vpc.ipv6_blocks().next().is_some());
    let of = |entries: &[NetworkAclEntry], egress: bool| {
        let mut shown: Vec<Value> = entries.iter().map(|entry| entry_shape(entry, egress)).collect();
        shown.extend(final_entries(ipv6, egress));
        shown
    };
    let entries: Vec<Value> = of(&acl.egress, true).into_iter().chain(of(&acl.ingress, false)).collect();
    json!({
        "Associations": acl.associations.iter().map(|association| json!({
            "NetworkAclAssociationId": text(&association.id),
            "NetworkAclId": text(&acl.id),
            "SubnetId": text(&association.subnet_id),
        })).collect::<Value>(),
        "Entries": entries,
        "IsDefault": acl.is_default,
        "NetworkAclId": text(&acl.id),
        "Tags": tags(&acl.tags),
        "VpcId": text(&acl.vpc_id),
        "OwnerId": model.account_id,
    })
}

fn entry_shape(entry: &NetworkAclEntry, egress: bool) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    let icmp = |m: IcmpMatch| json!({"Code": m.code.map_or(-1, i64::from), "Type": m.icmp_type.map_or(-1, i64::from)});
    match entry.cidr_block {
        IpNet::V4(net) => put("CidrBlock", text(net)),
        IpNet::V6(net) => put("Ipv6CidrBlock", text(net)),
    }
    put("Egress", egress.into());
    match entry.traffic {
        TrafficMatch::Icmp(m) | TrafficMatch::Icmpv6(m) => put("IcmpTypeCode", icmp(m)),
        TrafficMatch::Tcp(range) | TrafficMatch::Udp(range) => put("PortRange", json!({"From": range.from, "To": range.to})),
        TrafficMatch::All | TrafficMatch::Other(_) => {}
    }
    put("Protocol", entry.traffic.protocol().map_or("-1".to_owned(), |number| number.to_string()).into());
    put("RuleAction", if entry.allow { "allow" } else { "deny" }.into());
    put("RuleNumber", entry.rule_number.into());
    Value::Object(fields)
}

/// The `*` entries (ACL-1).
fn final_entries(ipv6: bool, egress: bool) -> Vec<Value> {
    let deny = |key: &str, block: String, number: u32| {
        json!({key: block, "Egress": egress, "Protocol": "-1", "RuleAction": "deny", "RuleNumber": number})
    };
    let mut all = vec![deny("CidrBlock", Ipv4Net::default().to_string(), 32_767)];
    if ipv6 {
        all.push(deny("Ipv6CidrBlock", Ipv6Net::default().to_string(), 32_768));
    }
    all
}

const DESCRIBE: Describe = Describe {
    ids: "NetworkAclIds",
    id_path: "NetworkAclId",
    answer: "NetworkAcls",
    filters: &[
        ("association.association-id", &["Associations.NetworkAclAssociationId"]),
        ("association.network-acl-id", &["Associations.NetworkAclId"]),
        ("association.subnet-id", &["Associations.SubnetId"]),
        ("default", &["IsDefault"]),
        ("entry.cidr", &["Entries.CidrBlock"]),
        ("entry.egress", &["Entries.Egress"]),
        ("entry.icmp.code", &["Entries.IcmpTypeCode.Code"]),
        ("entry.icmp.type", &["Entries.IcmpTypeCode.Type"]),
        ("entry.ipv6-cidr", &["Entries.Ipv6CidrBlock"]),
        ("entry.port-range.from", &["Entries.PortRange.From"]),
        ("entry.port-range.to", &["Entries.PortRange.To"]),
        ("entry.protocol", &["Entries.Protocol"]),
        ("entry.rule-action", &["Entries.RuleAction"]),
        ("entry.rule-number", &["Entries.RuleNumber"]),
        ("network-acl-id", &["NetworkAclId"]),
        ("owner-id", &["OwnerId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<NetworkAclId>,
    not_found: NetworkAclId::not_found,
};

fn known(acl: &NetworkAcl) -> Known<'_, 2> {
    Known { texts: [("NetworkAclId", acl.id.as_str()), ("VpcId", acl.vpc_id.as_str())], tags: &acl.tags }
}

fn describe_network_acls(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve_rows(arguments, model.network_acls.values(), known, |acl| shape(model, acl))
}
