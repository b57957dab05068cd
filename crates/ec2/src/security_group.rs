//! Security groups and their rules (SG-1 … SG-31).

use model::operation::{
    self, AuthorizeSecurityGroup, DescribedRule, Direction, ModifySecurityGroupRules, RevokeSecurityGroup,
    RuleSpecification, UpdateSecurityGroupRuleDescriptions,
};
use model::{
    ApiError, ErrorCode, Model, Peer, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId, TrafficMatch,
};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, missing, read};
use crate::filter::{Describe, Known};
use crate::identifier::form;
use crate::shape::{done, present, tags, text};
use crate::traffic;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AuthorizeSecurityGroupEgress", |m, a| authorize(m, a, Direction::Egress)),
    ("AuthorizeSecurityGroupIngress", |m, a| authorize(m, a, Direction::Ingress)),
    ("CreateSecurityGroup", create_security_group),
    ("DeleteSecurityGroup", delete_security_group),
    ("DescribeSecurityGroupReferences", describe_security_group_references),
    ("DescribeSecurityGroupRules", describe_security_group_rules),
    ("DescribeSecurityGroups", describe_security_groups),
    ("DescribeStaleSecurityGroups", describe_stale_security_groups),
    ("ModifySecurityGroupRules", modify_security_group_rules),
    ("RevokeSecurityGroupEgress", |m, a| revoke(m, a, Direction::Egress)),
    ("RevokeSecurityGroupIngress", |m, a| revoke(m, a, Direction::Ingress)),
    ("UpdateSecurityGroupRuleDescriptionsEgress", |m, a| describe_rules_anew(m, a, Direction::Egress)),
    ("UpdateSecurityGroupRuleDescriptionsIngress", |m, a| describe_rules_anew(m, a, Direction::Ingress)),
];

fn create_security_group(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let description = a.text("Description")?.or(a.text("GroupDescription")?);
        Ok(operation::CreateSecurityGroup {
            group_name: a.required_text("GroupName")?.to_owned(),
            description: description.unwrap_or_default().to_owned(),
            vpc_id: a.id("VpcId")?,
            tags: a.tags("security-group")?,
            ..operation::CreateSecurityGroup::default()
        })
    })?;
    let id = operation::create_security_group(model, request)?;
    let group = model.security_group(&id)?;
    Ok(json!({"GroupId": text(&id), "Tags": tags(&group.tags), "SecurityGroupArn": arn(model, "security-group", &id)}))
}

fn delete_security_group(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| group_id(model, a))?;
    operation::delete_security_group(model, &id)?;
    Ok(json!({"Return": true, "GroupId": text(id)}))
}

/// `GroupId`, or `GroupName` of a group of the default VPC.
fn group_id(model: &Model, a: &Arguments<'_>) -> Result<SecurityGroupId, ApiError> {
    let (id, name) = (a.id("GroupId")?, a.text("GroupName")?);
    match (id, name) {
        (Some(id), _) => Ok(id),
        (None, Some(name)) => by_name(model, name),
        (None, None) => Err(missing("GroupId")),
    }
}

fn by_name(model: &Model, name: &str) -> Result<SecurityGroupId, ApiError> {
    let in_default_vpc = |g: &&SecurityGroup| model.vpcs.get(&g.vpc_id).is_some_and(|vpc| vpc.is_default);
    let found = model.security_groups.values().filter(in_default_vpc).find(|g| g.group_name == name);
    found.map(|g| g.id.clone()).ok_or_else(|| {
        let message = format!("The security group '{name}' does not exist in default VPC");
        ApiError::new(ErrorCode::InvalidGroupNotFound, message)
    })
}

/// One permission of a call: traffic, and peers each with a description.
type Permission = (TrafficMatch, Vec<(Peer, String)>);

fn permissions(model: &Model, a: &Arguments<'_>) -> Result<Vec<Permission>, ApiError> {
    let mut all = a.each("IpPermissions", |p| permission(model, p))?;
    // The older form has one permission in parameters of its own.
    let (cidr, group) = (a.ip_net("CidrIp")?, a.text("SourceSecurityGroupName")?);
    a.ignore(&["SourceSecurityGroupOwnerId"]);
    let (protocol, from, to) = (a.text("IpProtocol")?, a.integer("FromPort")?, a.integer("ToPort")?);
    let mut peers: Vec<(Peer, String)> = cidr.into_iter().map(|net| (peer_of(net), String::new())).collect();
    if let Some(name) = group {
        peers.push((Peer::SecurityGroup(by_name(model, name)?), String::new()));
    }
    if !peers.is_empty() {
        all.push((traffic::of_rule(protocol.unwrap_or("-1"), from, to)?, peers));
    }
    Ok(all)
}

fn peer_of(net: ipnet::IpNet) -> Peer {
    match net {
        ipnet::IpNet::V4(net) => Peer::Ipv4(net),
        ipnet::IpNet::V6(net) => Peer::Ipv6(net),
    }
}

fn permission(model: &Model, p: &Arguments<'_>) -> Result<Permission, ApiError> {
    let traffic = traffic::of_rule(p.required_text("IpProtocol")?, p.integer("FromPort")?, p.integer("ToPort")?)?;
    let description = |a: &Arguments<'_>| Ok::<_, ApiError>(a.text("Description")?.unwrap_or_default().to_owned());
    let mut peers = p.each("IpRanges", |r| {
        Ok((Peer::Ipv4(r.required("CidrIp", r.ipv4_net("CidrIp")?)?), description(r)?))
    })?;
    peers.extend(p.each("Ipv6Ranges", |r| {
        Ok((Peer::Ipv6(r.required("CidrIpv6", r.ipv6_net("CidrIpv6")?)?), description(r)?))
    })?);
    peers.extend(p.each("PrefixListIds", |r| Ok((Peer::PrefixList(r.required_id("PrefixListId")?), description(r)?)))?);
    peers.extend(p.each("UserIdGroupPairs", |r| {
        r.ignore(&["UserId", "VpcId", "VpcPeeringConnectionId", "PeeringStatus"]);
        Ok((Peer::SecurityGroup(group_id(model, r)?), description(r)?))
    })?);
    Ok((traffic, peers))
}

fn authorize(model: &mut Model, arguments: &Value, direction: Direction) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let (group_id, tags) = (group_id(model, a)?, a.tags("security-group-rule")?);
        let rule = |traffic: TrafficMatch, (peer, description): (Peer, String)| RuleSpecification {
            description,
            tags: tags.clone(),
            ..RuleSpecification::new(traffic, peer)
        };
        let rules = permissions(model, a)?.into_iter();
        let rules = rules.flat_map(|(traffic, peers)| peers.into_iter().map(move |peer| (traffic, peer)));
        Ok(AuthorizeSecurityGroup { group_id, rules: rules.map(|(traffic, peer)| rule(traffic, peer)).collect() })
    })?;
    let id = request.group_id.clone();
    let made = match direction {
        Direction::Ingress => operation::authorize_security_group_ingress(model, request)?,
        Direction::Egress => operation::authorize_security_group_egress(model, request)?,
    };
    let group = model.security_group(&id)?;
    let rules = rules_of(group, direction).iter().filter(|rule| made.contains(&rule.id));
    Ok(json!({"Return": true, "SecurityGroupRules": rules.map(|r| rule_shape(model, group, r, direction)).collect::<Value>()}))
}

fn revoke(model: &mut Model, arguments: &Value, direction: Direction) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let rules = permissions(model, a)?.into_iter();
        let pairs = rules.flat_map(|(traffic, peers)| peers.into_iter().map(move |(peer, _)| (traffic, peer)));
        Ok(RevokeSecurityGroup {
            group_id: group_id(model, a)?,
            rules: pairs.collect(),
            security_group_rule_ids: a.ids("SecurityGroupRuleIds")?,
        })
    })?;
    match direction {
        Direction::Ingress => operation::revoke_security_group_ingress(model, request)?,
        Direction::Egress => operation::revoke_security_group_egress(model, request)?,
    }
    Ok(done())
}

fn modify_security_group_rules(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let security_group_rules = a.each("SecurityGroupRules", |item| {
            let id: SecurityGroupRuleId = item.required_id("SecurityGroupRuleId")?;
            let rule = item.within("SecurityGroupRule", |r| {
                let (from, to) = (r.integer("FromPort")?, r.integer("ToPort")?);
                let traffic = traffic::of_rule(r.required_text("IpProtocol")?, from, to)?;
                let given = [
                    r.ipv4_net("CidrIpv4")?.map(Peer::Ipv4),
                    r.ipv6_net("CidrIpv6")?.map(Peer::Ipv6),
                    r.id("PrefixListId")?.map(Peer::PrefixList),
                    r.id("ReferencedGroupId")?.map(Peer::SecurityGroup),
                ];
                let names = "CidrIpv4, CidrIpv6, PrefixListId or ReferencedGroupId";
                let peer = r.exactly_one(names, given.into_iter().flatten().collect())?;
                let description = r.text("Description")?.unwrap_or_default().to_owned();
                Ok(RuleSpecification { description, ..RuleSpecification::new(traffic, peer) })
            })?;
            Ok((id, item.required("SecurityGroupRule", rule)?))
        })?;
        Ok(ModifySecurityGroupRules { group_id: group_id(model, a)?, security_group_rules })
    })?;
    operation::modify_security_group_rules(model, request)?;
    Ok(done())
}

fn describe_rules_anew(model: &mut Model, arguments: &Value, direction: Direction) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let permissions = permissions(model, a)?.into_iter();
        let mut descriptions: Vec<(DescribedRule, String)> = permissions
            .flat_map(|(traffic, peers)| {
                peers.into_iter().map(move |(peer, description)| (DescribedRule::Says(traffic, peer), description))
            })
            .collect();
        descriptions.extend(a.each("SecurityGroupRuleDescriptions", |item| {
            let description = item.text("Description")?.unwrap_or_default().to_owned();
            Ok((DescribedRule::Id(item.required_id("SecurityGroupRuleId")?), description))
        })?);
        Ok(UpdateSecurityGroupRuleDescriptions { group_id: group_id(model, a)?, descriptions })
    })?;
    operation::update_security_group_rule_descriptions(model, direction, request)?;
    Ok(done())
}

fn rules_of(group: &SecurityGroup, direction: Direction) -> &[SecurityGroupRule] {
    match direction {
        Direction::Ingress => &group.ingress,
        Direction::Egress => &group.egress,
    }
}

fn arn(model: &Model, kind: &str, id: impl std::fmt::Display) -> String {
    format!("arn:aws:ec2:{}:{}:{kind}/{id}", model.region, model.account_id)
}

fn rule_shape(model: &Model, group: &SecurityGroup, rule: &SecurityGroupRule, direction: Direction) -> Value {
    let (protocol, from, to) = traffic::as_rule(rule.traffic);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("SecurityGroupRuleId", text(&rule.id));
    put("GroupId", text(&group.id));
    put("GroupOwnerId", model.account_id.clone().into());
    put("IsEgress", (direction == Direction::Egress).into());
    put("IpProtocol", protocol.into());
    // A rule without ports shows -1 here, unlike in IpPermissions.
    put("FromPort", from.unwrap_or(-1).into());
    put("ToPort", to.unwrap_or(-1).into());
    match &rule.peer {
        Peer::Ipv4(net) => put("CidrIpv4", text(net)),
        Peer::Ipv6(net) => put("CidrIpv6", text(net)),
        Peer::PrefixList(id) => put("PrefixListId", text(id)),
        Peer::SecurityGroup(id) => {
            put("ReferencedGroupInfo", json!({"GroupId": text(id), "UserId": model.account_id}));
        }
    }
    if !rule.description.is_empty() {
        put("Description", rule.description.clone().into());
    }
    put("Tags", tags(&rule.tags));
    put("SecurityGroupRuleArn", arn(model, "security-group-rule", &rule.id).into());
    Value::Object(fields)
}

/// Rules of one direction as permissions: one for each traffic, with all its peers.
fn permissions_shape(model: &Model, rules: &[SecurityGroupRule]) -> Value {
    let mut order: Vec<TrafficMatch> = Vec::new();
    for rule in rules {
        if !order.contains(&rule.traffic) {
            order.push(rule.traffic);
        }
    }
    order.into_iter().map(|traffic| permission_shape(model, traffic, rules)).collect()
}

fn permission_shape(model: &Model, wanted: TrafficMatch, rules: &[SecurityGroupRule]) -> Value {
    let (protocol, from, to) = traffic::as_rule(wanted);
    let [mut ipv4, mut ipv6, mut lists, mut groups] = [const { Vec::<Value>::new() }; 4];
    for rule in rules.iter().filter(|rule| rule.traffic == wanted) {
        let description = (!rule.description.is_empty()).then_some(&rule.description);
        match &rule.peer {
            Peer::Ipv4(net) => ipv4.push(present(json!({"CidrIp": text(net), "Description": description}))),
            Peer::Ipv6(net) => ipv6.push(present(json!({"CidrIpv6": text(net), "Description": description}))),
            Peer::PrefixList(id) => lists.push(present(json!({"PrefixListId": text(id), "Description": description}))),
            Peer::SecurityGroup(id) => groups.push(present(json!({
                "GroupId": text(id), "UserId": model.account_id, "Description": description,
            }))),
        }
    }
    present(json!({
        "IpProtocol": protocol, "FromPort": from, "ToPort": to,
        "UserIdGroupPairs": groups, "IpRanges": ipv4, "Ipv6Ranges": ipv6, "PrefixListIds": lists,
    }))
}

fn shape(model: &Model, group: &SecurityGroup) -> Value {
    json!({
        "GroupId": text(&group.id),
        "IpPermissionsEgress": permissions_shape(model, &group.egress),
        "Tags": tags(&group.tags),
        "VpcId": text(&group.vpc_id),
        "SecurityGroupArn": arn(model, "security-group", &group.id),
        "OwnerId": model.account_id,
        "GroupName": group.group_name,
        "Description": group.description,
        "IpPermissions": permissions_shape(model, &group.ingress),
    })
}

const GROUPS: Describe = Describe {
    ids: "GroupIds",
    id_path: "GroupId",
    answer: "SecurityGroups",
    filters: &[
        ("description", &["Description"]),
        ("egress.ip-permission.cidr", &["IpPermissionsEgress.IpRanges.CidrIp"]),
        ("egress.ip-permission.from-port", &["IpPermissionsEgress.FromPort"]),
        ("egress.ip-permission.group-id", &["IpPermissionsEgress.UserIdGroupPairs.GroupId"]),
        ("egress.ip-permission.group-name", &["IpPermissionsEgress.UserIdGroupPairs.GroupName"]),
        ("egress.ip-permission.ipv6-cidr", &["IpPermissionsEgress.Ipv6Ranges.CidrIpv6"]),
        ("egress.ip-permission.prefix-list-id", &["IpPermissionsEgress.PrefixListIds.PrefixListId"]),
        ("egress.ip-permission.protocol", &["IpPermissionsEgress.IpProtocol"]),
        ("egress.ip-permission.to-port", &["IpPermissionsEgress.ToPort"]),
        ("egress.ip-permission.user-id", &["IpPermissionsEgress.UserIdGroupPairs.UserId"]),
        ("group-id", &["GroupId"]),
        ("group-name", &["GroupName"]),
        ("ip-permission.cidr", &["IpPermissions.IpRanges.CidrIp"]),
        ("ip-permission.from-port", &["IpPermissions.FromPort"]),
        ("ip-permission.group-id", &["IpPermissions.UserIdGroupPairs.GroupId"]),
        ("ip-permission.group-name", &["IpPermissions.UserIdGroupPairs.GroupName"]),
        ("ip-permission.ipv6-cidr", &["IpPermissions.Ipv6Ranges.CidrIpv6"]),
        ("ip-permission.prefix-list-id", &["IpPermissions.PrefixListIds.PrefixListId"]),
        ("ip-permission.protocol", &["IpPermissions.IpProtocol"]),
        ("ip-permission.to-port", &["IpPermissions.ToPort"]),
        ("ip-permission.user-id", &["IpPermissions.UserIdGroupPairs.UserId"]),
        ("owner-id", &["OwnerId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<SecurityGroupId>,
    not_found: SecurityGroupId::not_found,
};

fn known(group: &SecurityGroup) -> Known<'_, 2> {
    Known { texts: [("GroupId", group.id.as_str()), ("VpcId", group.vpc_id.as_str())], tags: &group.tags }
}

fn describe_security_groups(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let mut names: Vec<String> = Vec::new();
    let shown = GROUPS.serve_rows_with(arguments, model.security_groups.values(), known, |g| shape(model, g), |a| {
        names = a.texts("GroupNames")?.into_iter().map(str::to_owned).collect();
        names.iter().try_for_each(|name| by_name(model, name).map(drop))
    })?;
    if names.is_empty() {
        return Ok(shown);
    }
    let wanted = |group: &&Value| names.iter().any(|name| group["GroupName"] == **name);
    let groups = shown["SecurityGroups"].as_array().into_iter().flatten().filter(wanted).cloned();
    Ok(json!({"SecurityGroups": groups.collect::<Value>()}))
}

const RULES: Describe = Describe {
    ids: "SecurityGroupRuleIds",
    id_path: "SecurityGroupRuleId",
    answer: "SecurityGroupRules",
    filters: &[("group-id", &["GroupId"]), ("security-group-rule-id", &["SecurityGroupRuleId"])],
    form: form::<SecurityGroupRuleId>,
    not_found: |id| {
        let message = format!("The security group rule ID '{id}' does not exist");
        ApiError::new(ErrorCode::InvalidSecurityGroupRuleIdNotFound, message)
    },
};

fn describe_security_group_rules(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let model = &*model;
    let rules = model.security_groups.values().flat_map(|group| {
        let of = |direction| rules_of(group, direction).iter().map(move |rule| rule_shape(model, group, rule, direction));
        of(Direction::Ingress).chain(of(Direction::Egress))
    });
    RULES.serve(arguments, rules)
}

/// VPCs whose groups name one of these groups over a peering (SG-13).
fn describe_security_group_references(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids: Vec<SecurityGroupId> = read(arguments, |a| a.ids("GroupId"))?;
    let mut references = Vec::new();
    for id in &ids {
        let own = model.security_group(id)?;
        for peering in model.vpc_peering_connections.values() {
            let Some(other) = peering.peer_of(&own.vpc_id) else { continue };
            let names = |g: &&SecurityGroup| {
                g.vpc_id == *other && g.ingress.iter().chain(&g.egress).any(|r| r.peer == Peer::SecurityGroup(id.clone()))
            };
            if model.security_groups.values().any(|g| names(&g)) {
                references.push(json!({
                    "GroupId": text(id), "ReferencingVpcId": text(other), "VpcPeeringConnectionId": text(&peering.id),
                }));
            }
        }
    }
    Ok(json!({"SecurityGroupReferenceSet": references}))
}

/// Groups with rules that name a group which is gone or out of reach (SG-14).
fn describe_stale_security_groups(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let vpc = read(arguments, |a| {
        a.required_id("VpcId")
    })?;
    model.vpc(&vpc)?;
    let reaches = |other: &model::VpcId| {
        use model::peering::PeeringStatus::Active;
        *other == vpc
            || model.vpc_peering_connections.values().any(|p| p.status == Active && p.peer_of(&vpc) == Some(other))
    };
    let stale = |rule: &SecurityGroupRule| match &rule.peer {
        Peer::SecurityGroup(id) => model.security_groups.get(id).is_none_or(|g| !reaches(&g.vpc_id)),
        _ => false,
    };
    let mut groups = Vec::new();
    for group in model.security_groups.values().filter(|g| g.vpc_id == vpc) {
        let of = |rules: &[SecurityGroupRule]| rules.iter().filter(|r| stale(r)).cloned().collect::<Vec<_>>();
        let (ingress, egress) = (of(&group.ingress), of(&group.egress));
        if !ingress.is_empty() || !egress.is_empty() {
            groups.push(json!({
                "GroupId": text(&group.id), "GroupName": group.group_name, "Description": group.description,
                "VpcId": text(&vpc),
                "StaleIpPermissions": permissions_shape(model, &ingress),
                "StaleIpPermissionsEgress": permissions_shape(model, &egress),
            }));
        }
    }
    Ok(json!({"StaleSecurityGroupSet": groups}))
}
