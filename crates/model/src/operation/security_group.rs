//! Security groups and their rules (SG-4, SG-5, SG-7 … SG-9, SG-13, SG-14, SG-25 … SG-29).

use std::collections::BTreeSet;

use ipnet::IpNet;


use crate::peering::PeeringStatus;
use crate::*;

/// Which of a group's two rule sets is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

/// One rule as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSpecification {
    /// Protocol and ports.
    pub traffic: TrafficMatch,
    /// Source or destination.
    pub peer: Peer,
    /// Free text, at most 255 characters.
    pub description: String,
    /// Tags of the rule.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl RuleSpecification {
    /// A rule without description, tags or origin.
    pub fn new(traffic: TrafficMatch, peer: Peer) -> Self {
        Self { traffic, peer, description: String::new(), tags: Tags::new(), origin: Origin::default() }
    }
}

/// Parameters of CreateSecurityGroup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateSecurityGroup {
    /// Name (SG-25).
    pub group_name: String,
    /// Description; AWS wants one.
    pub description: String,
    /// The VPC; without it the default VPC.
    pub vpc_id: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Parameters of AuthorizeSecurityGroupIngress and …Egress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizeSecurityGroup {
    /// The group.
    pub group_id: SecurityGroupId,
    /// Rules to add, all or none.
    pub rules: Vec<RuleSpecification>,
}

/// Parameters of RevokeSecurityGroupIngress and …Egress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeSecurityGroup {
    /// The group.
    pub group_id: SecurityGroupId,
    /// Rules to take away, by what they say.
    pub rules: Vec<(TrafficMatch, Peer)>,
    /// Rules to take away, by identifier.
    pub security_group_rule_ids: Vec<SecurityGroupRuleId>,
}

/// Parameters of ModifySecurityGroupRules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModifySecurityGroupRules {
    /// The group.
    pub group_id: SecurityGroupId,
    /// What each rule says from now on; identifiers, tags and origins stay.
    pub security_group_rules: Vec<(SecurityGroupRuleId, RuleSpecification)>,
}

/// Which rule a new description is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DescribedRule {
    /// The rule that says this.
    Says(TrafficMatch, Peer),
    /// The rule with this identifier.
    Id(SecurityGroupRuleId),
}

/// Parameters of UpdateSecurityGroupRuleDescriptionsIngress and …Egress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSecurityGroupRuleDescriptions {
    /// The group.
    pub group_id: SecurityGroupId,
    /// Rules and their new descriptions.
    pub descriptions: Vec<(DescribedRule, String)>,
}

/// Creates a security group with its open egress (SG-4).
///
/// Errors: `MissingParameter`, `VPCIdNotSpecified` (no default VPC), `InvalidVpcID.NotFound`,
/// `InvalidParameterValue` (name or description, SG-25), `InvalidGroup.Duplicate`, `SecurityGroupLimitExceeded`.
pub fn create_security_group(model: &mut Model, request: CreateSecurityGroup) -> Result<SecurityGroupId, ApiError> {
    let CreateSecurityGroup { group_name, description, vpc_id, tags, origin } = request;
    let group_name = group_name.trim_end_matches(' ').to_owned();
    check_name(&group_name)?;
    super::tag::check(&tags)?;
    if description.is_empty() {
        return Err(missing("GroupDescription"));
    }
    if !is_legal_text(&description) {
        return Err(invalid(format!(
            "Invalid security group description. Valid descriptions are strings less than 256 characters from the \
             following set: {LEGAL_CHARACTERS}"
        )));
    }
    let vpc_id = match vpc_id {
        Some(id) => id,
        None => model.vpcs.values().find(|vpc| vpc.is_default).map(|vpc| vpc.id.clone()).ok_or_else(|| {
            ApiError::new(ErrorCode::VpcIdNotSpecified, "No default VPC for this user")
                .with_hint("name the VPC, or create a default VPC")
        })?,
    };
    let vpc = model.vpc(&vpc_id)?;
    if model.security_groups.values().any(|g| g.vpc_id == vpc_id && g.group_name == group_name) {
        let message = format!("The security group '{group_name}' already exists for VPC '{vpc_id}'");
        return Err(ApiError::new(ErrorCode::InvalidGroupDuplicate, message));
    }
    if model.security_groups.len() >= model.quotas.security_groups_per_region {
        let message = "The maximum number of security groups has been reached.";
        return Err(ApiError::new(ErrorCode::SecurityGroupLimitExceeded, message));
    }
    let has_ipv6 = vpc.ipv6_blocks().next().is_some();
    let id: SecurityGroupId = model.context.next_id();
    let everywhere = [Peer::Ipv4(Default::default())].into_iter().chain(has_ipv6.then(|| Peer::Ipv6(Default::default())));
    let open = |peer| RuleSpecification { origin: origin.clone(), ..RuleSpecification::new(TrafficMatch::All, peer) };
    let egress = everywhere.map(|peer| rule(&mut model.context, open(peer))).collect();
    let ingress = Vec::new();
    let group = SecurityGroup { id: id.clone(), group_name, description, vpc_id, ingress, egress, tags, origin };
    model.security_groups.insert(id.clone(), group);
    model.generation += 1;
    Ok(id)
}

fn rule(context: &mut Context, specification: RuleSpecification) -> SecurityGroupRule {
    let RuleSpecification { traffic, peer, description, tags, origin } = specification;
    SecurityGroupRule { id: context.next_id(), traffic, peer, description, tags, origin }
}

/// Deletes a security group. Rules of peered VPCs that name it become stale (SG-14).
///
/// Errors: `InvalidGroup.NotFound`, `CannotDelete` (the default group, SG-5), `DependencyViolation` (an interface
/// or another group of the VPC uses it, SG-27).
pub fn delete_security_group(model: &mut Model, id: &SecurityGroupId) -> Result<(), ApiError> {
    let group = model.security_group(id)?;
    if group.is_default() {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(ApiError::new(ErrorCode::CannotDelete, message));
    }
    let mut users: Vec<String> = model
        .network_interfaces
        .values()
        .filter(|eni| eni.groups.contains(id))
        .map(|eni| eni.id.to_string())
        .collect();
    let names_it = |g: &SecurityGroup| {
        g.ingress.iter().chain(&g.egress).any(|rule| matches!(&rule.peer, Peer::SecurityGroup(other) if other == id))
    };
    let neighbours = model.security_groups.values().filter(|g| g.id != *id && g.vpc_id == group.vpc_id);
    users.extend(neighbours.filter(|g| names_it(g)).map(|g| g.id.to_string()));
    if !users.is_empty() {
        let message = format!("resource {id} has a dependent object");
        let hint = format!("used by {}", users.join(", "));
        return Err(ApiError::new(ErrorCode::DependencyViolation, message).with_hint(hint));
    }
    model.security_groups.remove(id);
    model.generation += 1;
    Ok(())
}

/// Adds ingress rules, all or none; in force at once (SG-29).
///
/// Errors: `InvalidGroup.NotFound` (the group or a peer), `InvalidPrefixListID.NotFound`,
/// `InvalidPermission.Duplicate` (SG-26), `InvalidParameterValue` (ports, block, description, or the same rule
/// twice in one call), `RulesPerSecurityGroupLimitExceeded` (SG-28), `MissingParameter` (no rule).
pub fn authorize_security_group_ingress(
    model: &mut Model,
    request: AuthorizeSecurityGroup,
) -> Result<Vec<SecurityGroupRuleId>, ApiError> {
    authorize(model, request, Direction::Ingress)
}

/// Adds egress rules. Errors: as [`authorize_security_group_ingress`].
pub fn authorize_security_group_egress(
    model: &mut Model,
    request: AuthorizeSecurityGroup,
) -> Result<Vec<SecurityGroupRuleId>, ApiError> {
    authorize(model, request, Direction::Egress)
}

fn authorize(
    model: &mut Model,
    request: AuthorizeSecurityGroup,
    direction: Direction,
) -> Result<Vec<SecurityGroupRuleId>, ApiError> {
    let AuthorizeSecurityGroup { group_id, rules } = request;
    if rules.is_empty() {
        return Err(missing("IpPermissions"));
    }
    rules.iter().try_for_each(check_form)?;
    let group = model.security_group(&group_id)?;
    let present: BTreeSet<_> = rules_of(group, direction).iter().map(|rule| (rule.traffic, &rule.peer)).collect();
    let mut asked = BTreeSet::new();
    for rule in &rules {
        check_rule(model, group, rule)?;
        if present.contains(&(rule.traffic, &rule.peer)) {
            let message = format!("the specified rule \"{}\" already exists", in_words(rule.traffic, &rule.peer));
            return Err(ApiError::new(ErrorCode::InvalidPermissionDuplicate, message));
        }
        if !asked.insert((rule.traffic, &rule.peer)) {
            return Err(invalid("The same permission must not appear multiple times"));
        }
    }
    check_weight(model, present.iter().map(|(_, peer)| *peer).chain(rules.iter().map(|rule| &rule.peer)))?;
    let rules: Vec<_> = rules.into_iter().map(|specification| rule(&mut model.context, specification)).collect();
    let ids = rules.iter().map(|rule| rule.id.clone()).collect();
    if let Some(group) = model.security_groups.get_mut(&group_id) {
        rules_of_mut(group, direction).extend(rules);
    }
    model.generation += 1;
    Ok(ids)
}

/// Takes ingress rules away, all or none.
///
/// Errors: `InvalidGroup.NotFound`, `InvalidPermission.NotFound` (SG-26), `InvalidSecurityGroupRuleId.NotFound`,
/// `MissingParameter` (no rule).
pub fn revoke_security_group_ingress(model: &mut Model, request: RevokeSecurityGroup) -> Result<(), ApiError> {
    revoke(model, request, Direction::Ingress)
}

/// Takes egress rules away. Errors: as [`revoke_security_group_ingress`].
pub fn revoke_security_group_egress(model: &mut Model, request: RevokeSecurityGroup) -> Result<(), ApiError> {
    revoke(model, request, Direction::Egress)
}

fn revoke(model: &mut Model, request: RevokeSecurityGroup, direction: Direction) -> Result<(), ApiError> {
    let RevokeSecurityGroup { group_id, rules, security_group_rule_ids } = request;
    if rules.is_empty() && security_group_rule_ids.is_empty() {
        return Err(missing("IpPermissions"));
    }
    let group = model.security_group(&group_id)?;
    let mut gone = BTreeSet::new();
    for (traffic, peer) in &rules {
        gone.insert(find_rule(group, direction, *traffic, peer)?.id.clone());
    }
    for id in security_group_rule_ids {
        if !rules_of(group, direction).iter().any(|rule| rule.id == id) {
            return Err(rule_not_found(&id));
        }
        gone.insert(id);
    }
    if let Some(group) = model.security_groups.get_mut(&group_id) {
        rules_of_mut(group, direction).retain(|rule| !gone.contains(&rule.id));
    }
    model.generation += 1;
    Ok(())
}

/// Changes what rules say, all or none.
///
/// Errors: `InvalidGroup.NotFound`, `InvalidSecurityGroupRuleId.NotFound`, and those of
/// [`authorize_security_group_ingress`] for the rules as they would become.
pub fn modify_security_group_rules(model: &mut Model, request: ModifySecurityGroupRules) -> Result<(), ApiError> {
    let ModifySecurityGroupRules { group_id, security_group_rules } = request;
    if security_group_rules.is_empty() {
        return Err(missing("SecurityGroupRules"));
    }
    security_group_rules.iter().try_for_each(|(_, rule)| check_form(rule))?;
    let group = model.security_group(&group_id)?;
    let mut changed = group.clone();
    for (id, specification) in security_group_rules {
        check_rule(model, group, &specification)?;
        let rule = changed.ingress.iter_mut().chain(&mut changed.egress).find(|rule| rule.id == id);
        let rule = rule.ok_or_else(|| rule_not_found(&id))?;
        rule.traffic = specification.traffic;
        rule.peer = specification.peer;
        rule.description = specification.description;
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        let mut said = BTreeSet::new();
        for rule in rules_of(&changed, direction) {
            if !said.insert((rule.traffic, &rule.peer)) {
                let message = format!("the specified rule \"{}\" already exists", in_words(rule.traffic, &rule.peer));
                return Err(ApiError::new(ErrorCode::InvalidPermissionDuplicate, message));
            }
        }
        check_weight(model, rules_of(&changed, direction).iter().map(|rule| &rule.peer))?;
    }
    model.security_groups.insert(group_id, changed);
    model.generation += 1;
    Ok(())
}

/// Sets descriptions of rules, all or none; an empty one takes the description away.
///
/// Errors: `InvalidGroup.NotFound`, `InvalidPermission.NotFound`, `InvalidSecurityGroupRuleId.NotFound`,
/// `InvalidParameterValue` (description), `MissingParameter` (no rule).
pub fn update_security_group_rule_descriptions(
    model: &mut Model,
    direction: Direction,
    request: UpdateSecurityGroupRuleDescriptions,
) -> Result<(), ApiError> {
    let UpdateSecurityGroupRuleDescriptions { group_id, descriptions } = request;
    if descriptions.is_empty() {
        return Err(missing("IpPermissions"));
    }
    descriptions.iter().try_for_each(|(_, description)| check_rule_description(description))?;
    let group = model.security_group(&group_id)?;
    let mut changes = Vec::with_capacity(descriptions.len());
    for (which, description) in descriptions {
        let id = match which {
            DescribedRule::Says(traffic, peer) => find_rule(group, direction, traffic, &peer)?.id.clone(),
            DescribedRule::Id(id) if rules_of(group, direction).iter().any(|rule| rule.id == id) => id,
            DescribedRule::Id(id) => return Err(rule_not_found(&id)),
        };
        changes.push((id, description));
    }
    if let Some(group) = model.security_groups.get_mut(&group_id) {
        for (id, description) in changes {
            if let Some(rule) = rules_of_mut(group, direction).iter_mut().find(|rule| rule.id == id) {
                rule.description = description;
            }
        }
    }
    model.generation += 1;
    Ok(())
}

/// The groups an interface in `vpc` gets: those asked for, else the VPC's default one (SG-5).
///
/// Errors: `InvalidGroup.NotFound` (not there, or of another VPC, INST-9),
/// `SecurityGroupsPerInterfaceLimitExceeded` (SG-28).
pub(crate) fn groups_for_interface(
    model: &Model,
    vpc_id: &VpcId,
    asked: &[SecurityGroupId],
) -> Result<Vec<SecurityGroupId>, ApiError> {
    if asked.is_empty() {
        let default = model.security_groups.values().find(|g| g.vpc_id == *vpc_id && g.is_default());
        return Ok(default.map(|group| group.id.clone()).into_iter().collect());
    }
    let mut groups: Vec<SecurityGroupId> = Vec::with_capacity(asked.len());
    for id in asked {
        if model.security_group(id)?.vpc_id != *vpc_id {
            let message = format!("The security group '{id}' does not exist in VPC '{vpc_id}'");
            return Err(ApiError::new(ErrorCode::InvalidGroupNotFound, message));
        }
        if !groups.contains(id) {
            groups.push(id.clone());
        }
    }
    if groups.len() > model.quotas.security_groups_per_interface {
        let message = "The maximum number of security groups per interface has been reached.";
        return Err(ApiError::new(ErrorCode::SecurityGroupsPerInterfaceLimitExceeded, message));
    }
    Ok(groups)
}

/// The rules of one direction.
pub(crate) fn rules_of(group: &SecurityGroup, direction: Direction) -> &Vec<SecurityGroupRule> {
    match direction {
        Direction::Ingress => &group.ingress,
        Direction::Egress => &group.egress,
    }
}

fn rules_of_mut(group: &mut SecurityGroup, direction: Direction) -> &mut Vec<SecurityGroupRule> {
    match direction {
        Direction::Ingress => &mut group.ingress,
        Direction::Egress => &mut group.egress,
    }
}

fn find_rule<'g>(
    group: &'g SecurityGroup,
    direction: Direction,
    traffic: TrafficMatch,
    peer: &Peer,
) -> Result<&'g SecurityGroupRule, ApiError> {
    rules_of(group, direction).iter().find(|rule| rule.traffic == traffic && rule.peer == *peer).ok_or_else(|| {
        let message = "The specified rule does not exist in this security group.";
        ApiError::new(ErrorCode::InvalidPermissionNotFound, message)
            .with_hint(format!("no rule says \"{}\"", in_words(traffic, peer)))
    })
}

fn rule_not_found(id: &SecurityGroupRuleId) -> ApiError {
    let message = format!("The security group rule ID '{id}' does not exist");
    ApiError::new(ErrorCode::InvalidSecurityGroupRuleIdNotFound, message)
}

/// What can be wrong with a rule by itself, whatever there is.
fn check_form(rule: &RuleSpecification) -> Result<(), ApiError> {
    check_traffic(rule.traffic)?;
    super::tag::check(&rule.tags)?;
    check_rule_description(&rule.description)?;
    match &rule.peer {
        Peer::Ipv4(net) => check_canonical(IpNet::V4(*net)),
        Peer::Ipv6(net) => check_canonical(IpNet::V6(*net)),
        Peer::PrefixList(_) | Peer::SecurityGroup(_) => Ok(()),
    }
}

/// What can be wrong with what a rule names.
fn check_rule(model: &Model, group: &SecurityGroup, rule: &RuleSpecification) -> Result<(), ApiError> {
    match &rule.peer {
        Peer::Ipv4(_) | Peer::Ipv6(_) => Ok(()),
        Peer::PrefixList(id) => model.prefix_list(id).map(drop),
        Peer::SecurityGroup(id) => {
            let peer = model.security_group(id)?;
            // SG-13: across VPCs only along an active peering connection.
            let reaches = |pcx: &VpcPeeringConnection| {
                pcx.status == PeeringStatus::Active && pcx.peer_of(&group.vpc_id) == Some(&peer.vpc_id)
            };
            if peer.vpc_id == group.vpc_id || model.vpc_peering_connections.values().any(reaches) {
                return Ok(());
            }
            let message = "You have specified two resources that belong to different networks.";
            let hint = format!("{id} is in {}, {} in {}; peer the VPCs first", peer.vpc_id, group.id, group.vpc_id);
            Err(ApiError::new(ErrorCode::InvalidGroupNotFound, message).with_hint(hint))
        }
    }
}

/// Refuses what no packet can be: an upside-down range, an ICMP code without a type (SG-9).
pub(crate) fn check_traffic(traffic: TrafficMatch) -> Result<(), ApiError> {
    match traffic {
        TrafficMatch::Tcp(ports) | TrafficMatch::Udp(ports) if ports.from > ports.to => {
            Err(invalid(format!("Invalid TCP/UDP port range ({}:{})", ports.from, ports.to)))
        }
        TrafficMatch::Icmp(IcmpMatch { icmp_type: None, code: Some(code) })
        | TrafficMatch::Icmpv6(IcmpMatch { icmp_type: None, code: Some(code) }) => {
            Err(invalid(format!("ICMP code ({code}) is only valid with an ICMP type")))
        }
        _ => Ok(()),
    }
}

fn check_canonical(net: IpNet) -> Result<(), ApiError> {
    match net == net.trunc() {
        true => Ok(()),
        false => Err(invalid(format!("CIDR block {net} is malformed")).with_hint(format!("write {}", net.trunc()))),
    }
}

fn check_rule_description(description: &str) -> Result<(), ApiError> {
    match is_legal_text(description) {
        true => Ok(()),
        false => Err(invalid(format!(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following \
             set: {LEGAL_CHARACTERS}"
        ))),
    }
}

/// SG-28: the weight of a direction, counted per address family. A group reference counts in both.
fn check_weight<'p>(model: &Model, peers: impl Iterator<Item = &'p Peer>) -> Result<(), ApiError> {
    let (mut ipv4, mut ipv6) = (0, 0);
    for peer in peers {
        match peer {
            Peer::Ipv4(_) => ipv4 += 1,
            Peer::Ipv6(_) => ipv6 += 1,
            Peer::SecurityGroup(_) => (ipv4, ipv6) = (ipv4 + 1, ipv6 + 1),
            // SG-15: whatever is in it now, a list weighs what it may hold.
            Peer::PrefixList(id) => match model.prefix_lists.get(id) {
                Some(list) if list.is_ipv6 => ipv6 += list.max_entries as usize,
                Some(list) => ipv4 += list.max_entries as usize,
                None => {}
            },
        }
    }
    match ipv4.max(ipv6) > model.quotas.rules_per_security_group {
        false => Ok(()),
        true => Err(ApiError::new(
            ErrorCode::RulesPerSecurityGroupLimitExceeded,
            "The maximum number of rules per security group has been reached.",
        )),
    }
}

const LEGAL_CHARACTERS: &str = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";

/// At most 255 of the characters that AWS lets through (SG-25).
fn is_legal_text(text: &str) -> bool {
    text.len() <= 255 && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    match name {
        "" => Err(missing("GroupName")),
        "default" => Err(invalid("Cannot use reserved security group name: default")),
        name if name.starts_with("sg-") => Err(invalid(format!(
            "Invalid value '{name}' for groupName. Group names may not be in the format sg-*"
        ))),
        name if !is_legal_text(name) => Err(invalid(format!(
            "Value ({name}) for parameter GroupName is invalid. Character sets beyond ASCII are not supported. \
             Valid names are up to 255 characters from the following set: {LEGAL_CHARACTERS}"
        ))),
        _ => Ok(()),
    }
}

/// A rule in the words of AWS's messages.
fn in_words(traffic: TrafficMatch, peer: &Peer) -> String {
    let protocol = match traffic {
        TrafficMatch::All => "ALL".to_owned(),
        TrafficMatch::Tcp(ports) => format!("TCP, from port: {}, to port: {}", ports.from, ports.to),
        TrafficMatch::Udp(ports) => format!("UDP, from port: {}, to port: {}", ports.from, ports.to),
        TrafficMatch::Icmp(icmp) => icmp_in_words("ICMP", icmp),
        TrafficMatch::Icmpv6(icmp) => icmp_in_words("ICMPv6", icmp),
        TrafficMatch::Other(number) => number.to_string(),
    };
    format!("peer: {peer}, {protocol}, ALLOW")
}

fn icmp_in_words(name: &str, icmp: IcmpMatch) -> String {
    let number = |part: Option<u8>| part.map_or("-1".to_owned(), |n| n.to_string());
    format!("{name}, type: {}, code: {}", number(icmp.icmp_type), number(icmp.code))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}

fn missing(parameter: &str) -> ApiError {
    ApiError::new(ErrorCode::MissingParameter, format!("The request must contain the parameter {parameter}"))
}
