//! Security groups (SG-4 … SG-9, SG-13 … SG-15, SG-25 … SG-28) and network ACLs (ACL-1, ACL-2, ACL-4, ACL-11 … ACL-13),
//! rule by rule.

use model::operation::*;
use model::*;

use crate::cloud::*;

fn group(model: &mut Model, vpc: &VpcId, name: &str) -> SecurityGroupId {
    create_security_group(model, named(vpc, name)).unwrap()
}

fn named(vpc: &VpcId, name: &str) -> CreateSecurityGroup {
    CreateSecurityGroup {
        group_name: name.to_owned(),
        description: "for a test".to_owned(),
        vpc_id: Some(vpc.clone()),
        ..CreateSecurityGroup::default()
    }
}

fn tcp(port: u16) -> TrafficMatch {
    TrafficMatch::Tcp(PortRange::one(port))
}

fn from(block: &str) -> Peer {
    match block.parse().unwrap() {
        ipnet::IpNet::V4(block) => Peer::Ipv4(block),
        ipnet::IpNet::V6(block) => Peer::Ipv6(block),
    }
}

fn rules(group: &SecurityGroupId, rules: &[(TrafficMatch, Peer)]) -> AuthorizeSecurityGroup {
    let rules = rules.iter().map(|(traffic, peer)| RuleSpecification::new(*traffic, peer.clone())).collect();
    AuthorizeSecurityGroup { group_id: group.clone(), rules }
}

fn admit(model: &mut Model, group: &SecurityGroupId, traffic: TrafficMatch, peer: Peer) -> SecurityGroupRuleId {
    authorize_security_group_ingress(model, rules(group, &[(traffic, peer)])).unwrap().remove(0)
}

#[test]
fn a_new_group_lets_nothing_in_and_everything_out() {
    let mut model = empty();
    let vpc_4 = vpc(&mut model, "10.0.0.0/16");
    let ipv6 = CreateVpc { cidr_block: net("10.1.0.0/16"), amazon_provided_ipv6_cidr_block: true, ..CreateVpc::default() };
    let vpc_46 = create_vpc(&mut model, ipv6).unwrap();
    for (vpc, peers) in [(vpc_4, vec!["0.0.0.0/0"]), (vpc_46, vec!["0.0.0.0/0", "::/0"])] {
        let id = group(&mut model, &vpc, "web");
        let group = &model.security_groups[&id];
        assert!(group.ingress.is_empty(), "SG-4");
        let out: Vec<_> = group.egress.iter().map(|rule| (rule.traffic, rule.peer.clone())).collect();
        assert_eq!(out, peers.into_iter().map(|p| (TrafficMatch::All, from(p))).collect::<Vec<_>>(), "SG-4");
    }
}

#[test]
fn names_and_descriptions_keep_to_the_rules() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let other = vpc(&mut model, "10.1.0.0/16");
    group(&mut model, &id, "web");
    let long = "x".repeat(256);
    for (name, code) in [
        ("web", "InvalidGroup.Duplicate"),
        ("web  ", "InvalidGroup.Duplicate"),
        ("default", "InvalidParameterValue"),
        ("sg-foo", "InvalidParameterValue"),
        ("naïve", "InvalidParameterValue"),
        (&long, "InvalidParameterValue"),
        ("", "MissingParameter"),
    ] {
        assert_eq!(refused(&mut model, |m| create_security_group(m, named(&id, name))), code, "SG-25 {name}");
    }
    group(&mut model, &other, "web");
    let legal = group(&mut model, &id, "a ._-:/()#,@[]+=&;{}!$*  ");
    assert_eq!(model.security_groups[&legal].group_name, "a ._-:/()#,@[]+=&;{}!$*", "SG-25: trailing spaces go");
    let silent = CreateSecurityGroup { description: String::new(), ..named(&id, "silent") };
    assert_eq!(refused(&mut model, |m| create_security_group(m, silent)), "MissingParameter");
    let nowhere = CreateSecurityGroup { vpc_id: None, ..named(&id, "lost") };
    assert_eq!(refused(&mut model, |m| create_security_group(m, nowhere)), "VPCIdNotSpecified");
    model.quotas.security_groups_per_region = model.security_groups.len();
    assert_eq!(refused(&mut model, |m| create_security_group(m, named(&id, "more"))), "SecurityGroupLimitExceeded");
}

#[test]
fn rules_are_added_all_or_none() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let web = group(&mut model, &id, "web");
    admit(&mut model, &web, tcp(443), from("0.0.0.0/0"));
    let ports = TrafficMatch::Tcp(PortRange { from: 2, to: 1 });
    let code = TrafficMatch::Icmp(IcmpMatch { icmp_type: None, code: Some(0) });
    let all = from("0.0.0.0/0");
    let gone: SecurityGroupId = "sg-0".parse().unwrap();
    for (rule, expected) in [
        ((tcp(443), all.clone()), "InvalidPermission.Duplicate"),
        ((tcp(80), all.clone()), "InvalidParameterValue"),
        ((tcp(81), from("10.0.0.1/8")), "InvalidParameterValue"),
        ((ports, all.clone()), "InvalidParameterValue"),
        ((code, all.clone()), "InvalidParameterValue"),
        ((tcp(81), Peer::SecurityGroup(gone.clone())), "InvalidGroup.NotFound"),
        ((tcp(81), Peer::PrefixList("pl-0".parse().unwrap())), "InvalidPrefixListID.NotFound"),
    ] {
        // With tcp/80 before it, so that something would be left behind.
        let request = rules(&web, &[(tcp(80), all.clone()), rule.clone()]);
        assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, request)), expected, "SG-26 {rule:?}");
    }
    assert_eq!(refused(&mut model, |m| authorize_security_group_egress(m, rules(&web, &[]))), "MissingParameter");
    let nobody = rules(&gone, &[(tcp(80), all.clone())]);
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, nobody)), "InvalidGroup.NotFound");
    let mut wordy = rules(&web, &[(tcp(80), all.clone())]);
    wordy.rules[0].description = "ü".to_owned();
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, wordy)), "InvalidParameterValue");
    // The same rule may stand in the other direction, and the same ports with another peer.
    authorize_security_group_egress(&mut model, rules(&web, &[(tcp(443), all)])).unwrap();
    admit(&mut model, &web, tcp(443), from("10.0.0.0/8"));
}

#[test]
fn quotas_count_each_family_and_a_prefix_list_by_what_it_may_hold() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let other = group(&mut model, &id, "other");
    let list = CreateManagedPrefixList {
        prefix_list_name: "offices".to_owned(),
        is_ipv6: false,
        max_entries: 10,
        entries: Vec::new(),
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let list = Peer::PrefixList(create_managed_prefix_list(&mut model, list).unwrap());
    settle(&mut model);
    let limit = "RulesPerSecurityGroupLimitExceeded";
    let blocks = |from_: u8, to: u8| -> Vec<_> {
        (from_..to).map(|i| (tcp(443), from(&format!("10.200.{i}.0/24")))).collect()
    };

    let web = group(&mut model, &id, "web");
    authorize_security_group_ingress(&mut model, rules(&web, &blocks(0, 60))).unwrap();
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, rules(&web, &blocks(60, 61)))), limit);
    admit(&mut model, &web, tcp(443), from("2001:db8::/32"));
    let of_group = rules(&web, &[(tcp(443), Peer::SecurityGroup(other.clone()))]);
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, of_group)), limit, "counts in both");
    // Egress is counted by itself: one rule is there from birth.
    authorize_security_group_egress(&mut model, rules(&web, &blocks(0, 59))).unwrap();

    let lists = group(&mut model, &id, "lists");
    authorize_security_group_ingress(&mut model, rules(&lists, &blocks(0, 51))).unwrap();
    let heavy = || rules(&lists, &[(tcp(443), list.clone())]);
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, heavy())), limit, "SG-15");
    let gone = RevokeSecurityGroup {
        group_id: lists.clone(),
        rules: vec![(tcp(443), from("10.200.0.0/24"))],
        security_group_rule_ids: Vec::new(),
    };
    revoke_security_group_ingress(&mut model, gone).unwrap();
    authorize_security_group_ingress(&mut model, heavy()).unwrap();
}

#[test]
fn a_group_of_another_vpc_needs_an_active_peering_and_goes_stale_without() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let (in_a, in_b) = (group(&mut model, &a, "a"), group(&mut model, &b, "b"));
    let rule = || rules(&in_a, &[(tcp(22), Peer::SecurityGroup(in_b.clone()))]);
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, rule())), "InvalidGroup.NotFound", "SG-13");
    let pcx = peer(&mut model, &a, &b).unwrap();
    settle(&mut model);
    assert_eq!(refused(&mut model, |m| authorize_security_group_ingress(m, rule())), "InvalidGroup.NotFound", "SG-13");
    accept_vpc_peering_connection(&mut model, &pcx).unwrap();
    settle(&mut model);
    authorize_security_group_ingress(&mut model, rule()).unwrap();
    delete_security_group(&mut model, &in_b).unwrap();
    assert_eq!(model.security_groups[&in_a].ingress.len(), 1, "SG-14: the rule stays");
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let (web, db, free) = (group(&mut model, &id, "web"), group(&mut model, &id, "db"), group(&mut model, &id, "free"));
    let own = admit(&mut model, &free, tcp(22), Peer::SecurityGroup(free.clone()));
    assert!(own.as_str().starts_with("sgr-"));
    admit(&mut model, &db, tcp(3306), Peer::SecurityGroup(web.clone()));
    let with_db = CreateNetworkInterface { groups: vec![db.clone()], ..CreateNetworkInterface::in_subnet(home) };
    create_network_interface(&mut model, with_db).unwrap();
    let default = model.security_groups.values().find(|g| g.is_default()).unwrap().id.clone();
    for (group, code) in [(&web, "DependencyViolation"), (&db, "DependencyViolation"), (&default, "CannotDelete")] {
        assert_eq!(refused(&mut model, |m| delete_security_group(m, group)), code, "SG-27, SG-5");
    }
    delete_security_group(&mut model, &free).unwrap();
    assert_eq!(refused(&mut model, |m| delete_security_group(m, &free)), "InvalidGroup.NotFound");
}

#[test]
fn rules_are_taken_away_changed_and_described_by_what_they_say_or_by_id() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let web = group(&mut model, &id, "web");
    let all = || from("0.0.0.0/0");
    let http = admit(&mut model, &web, tcp(80), all());
    let https = admit(&mut model, &web, tcp(443), all());
    let revoke = |rules: &[(TrafficMatch, Peer)], ids: &[&SecurityGroupRuleId]| RevokeSecurityGroup {
        group_id: web.clone(),
        rules: rules.to_vec(),
        security_group_rule_ids: ids.iter().map(|id| (*id).clone()).collect(),
    };
    let both = revoke(&[(tcp(80), all()), (tcp(8443), all())], &[]);
    assert_eq!(refused(&mut model, |m| revoke_security_group_ingress(m, both)), "InvalidPermission.NotFound", "SG-26");
    let egress = revoke(&[], &[&http]);
    let code = refused(&mut model, |m| revoke_security_group_egress(m, egress));
    assert_eq!(code, "InvalidSecurityGroupRuleId.NotFound", "of the other direction");
    assert_eq!(refused(&mut model, |m| revoke_security_group_ingress(m, revoke(&[], &[]))), "MissingParameter");

    let modify = |rule: &SecurityGroupRuleId, traffic| ModifySecurityGroupRules {
        group_id: web.clone(),
        security_group_rules: vec![(rule.clone(), RuleSpecification::new(traffic, all()))],
    };
    let code = refused(&mut model, |m| modify_security_group_rules(m, modify(&http, tcp(443))));
    assert_eq!(code, "InvalidPermission.Duplicate");
    modify_security_group_rules(&mut model, modify(&http, tcp(8080))).unwrap();
    let rule = &model.security_groups[&web].ingress[0];
    assert_eq!((&rule.id, rule.traffic), (&http, tcp(8080)), "the id stays");

    let describe = |which, text: &str| UpdateSecurityGroupRuleDescriptions {
        group_id: web.clone(),
        descriptions: vec![(which, text.to_owned())],
    };
    let says = |traffic| DescribedRule::Says(traffic, all());
    let update = update_security_group_rule_descriptions;
    for (request, code) in [
        (describe(says(tcp(1)), "x"), "InvalidPermission.NotFound"),
        (describe(DescribedRule::Id("sgr-0".parse().unwrap()), "x"), "InvalidSecurityGroupRuleId.NotFound"),
        (describe(says(tcp(443)), "<b>"), "InvalidParameterValue"),
    ] {
        assert_eq!(refused(&mut model, |m| update(m, Direction::Ingress, request)), code);
    }
    update(&mut model, Direction::Ingress, describe(says(tcp(443)), "web")).unwrap();
    update(&mut model, Direction::Ingress, describe(DescribedRule::Id(http.clone()), "proxy")).unwrap();
    let texts: Vec<_> = model.security_groups[&web].ingress.iter().map(|r| r.description.as_str()).collect();
    assert_eq!(texts, ["proxy", "web"]);

    revoke_security_group_ingress(&mut model, revoke(&[(tcp(443), all())], &[&http])).unwrap();
    assert!(model.security_groups[&web].ingress.is_empty());
    let _ = https;
}

fn entry(acl: &NetworkAclId, number: u16) -> PutNetworkAclEntry {
    PutNetworkAclEntry {
        network_acl_id: acl.clone(),
        direction: Direction::Ingress,
        rule_number: number,
        traffic: tcp(443),
        cidr_block: "10.0.0.7/8".parse().unwrap(),
        allow: true,
        origin: Origin::default(),
    }
}

fn acl(model: &mut Model, vpc: &VpcId) -> NetworkAclId {
    let request = CreateNetworkAcl { vpc_id: vpc.clone(), tags: Tags::new(), origin: Origin::default() };
    create_network_acl(model, request).unwrap()
}

fn numbers(model: &Model, acl: &NetworkAclId) -> Vec<u16> {
    model.network_acls[acl].ingress.iter().map(|entry| entry.rule_number).collect()
}

#[test]
fn entries_stand_by_number_and_are_replaced_not_edited() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let list = acl(&mut model, &id);
    assert!(model.network_acls[&list].ingress.is_empty() && model.network_acls[&list].egress.is_empty(), "ACL-2");
    for number in [300, 1, 32_766, 100] {
        create_network_acl_entry(&mut model, entry(&list, number)).unwrap();
    }
    assert_eq!(numbers(&model, &list), [1, 100, 300, 32_766], "ACL-1");
    assert_eq!(model.network_acls[&list].ingress[0].cidr_block, "10.0.0.0/8".parse().unwrap(), "ACL-12");
    for (number, code) in
        [(0, "InvalidParameterValue"), (32_767, "InvalidParameterValue"), (100, "NetworkAclEntryAlreadyExists")]
    {
        assert_eq!(refused(&mut model, |m| create_network_acl_entry(m, entry(&list, number))), code, "ACL-1, ACL-11");
    }
    // The same number in the other direction is another entry.
    create_network_acl_entry(&mut model, PutNetworkAclEntry { direction: Direction::Egress, ..entry(&list, 100) }).unwrap();
    let code = refused(&mut model, |m| replace_network_acl_entry(m, entry(&list, 7)));
    assert_eq!(code, "InvalidNetworkAclEntry.NotFound");
    replace_network_acl_entry(&mut model, PutNetworkAclEntry { allow: false, ..entry(&list, 100) }).unwrap();
    let kept: Vec<_> = model.network_acls[&list].ingress.iter().map(|e| e.allow).collect();
    assert_eq!(kept, [true, false, true, true], "ACL-11");
    delete_network_acl_entry(&mut model, &list, Direction::Ingress, 100).unwrap();
    assert_eq!(numbers(&model, &list), [1, 300, 32_766]);
    for (number, code) in [(100, "InvalidNetworkAclEntry.NotFound"), (32_767, "InvalidParameterValue")] {
        assert_eq!(refused(&mut model, |m| delete_network_acl_entry(m, &list, Direction::Ingress, number)), code);
    }
}

#[test]
fn lists_and_entries_have_quotas() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let list = acl(&mut model, &id);
    for number in 1..=20 {
        create_network_acl_entry(&mut model, entry(&list, number)).unwrap();
    }
    let code = refused(&mut model, |m| create_network_acl_entry(m, entry(&list, 21)));
    assert_eq!(code, "NetworkAclEntryLimitExceeded", "ACL-13");
    replace_network_acl_entry(&mut model, entry(&list, 20)).unwrap();
    create_network_acl_entry(&mut model, PutNetworkAclEntry { direction: Direction::Egress, ..entry(&list, 21) }).unwrap();
    model.quotas.network_acls_per_vpc = 2;
    let more = CreateNetworkAcl { vpc_id: id, tags: Tags::new(), origin: Origin::default() };
    assert_eq!(refused(&mut model, |m| create_network_acl(m, more)), "NetworkAclLimitExceeded", "ACL-13");
}

#[test]
fn every_subnet_stands_in_exactly_one_list() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let home = subnet(&mut model, &a, "10.0.0.0/24");
    let default = model.network_acl_of(&home).unwrap().clone();
    assert!(default.is_default, "ACL-4");
    let (custom, foreign) = (acl(&mut model, &a), acl(&mut model, &b));
    let before = default.associations[0].id.clone();
    let replace = |acl: &NetworkAclId| {
        let (before, acl) = (before.clone(), acl.clone());
        move |m: &mut Model| replace_network_acl_association(m, &before, &acl)
    };
    assert_eq!(refused(&mut model, replace(&foreign)), "InvalidParameterValue", "another VPC");
    assert_eq!(refused(&mut model, replace(&"acl-0".parse().unwrap())), "InvalidNetworkAclID.NotFound");
    let after = replace(&custom)(&mut model).unwrap();
    assert_ne!(after, before);
    assert_eq!(model.network_acl_of(&home).unwrap().id, custom);
    assert!(model.network_acls[&default.id].associations.is_empty());
    assert_eq!(refused(&mut model, replace(&custom)), "InvalidAssociationID.NotFound", "the old association is gone");

    assert_eq!(refused(&mut model, |m| delete_network_acl(m, &custom)), "DependencyViolation", "ACL-4");
    assert_eq!(refused(&mut model, |m| delete_network_acl(m, &default.id)), "InvalidParameterValue", "ACL-4");
    replace_network_acl_association(&mut model, &after, &default.id).unwrap();
    delete_network_acl(&mut model, &custom).unwrap();
    assert_eq!(model.network_acl_of(&home).unwrap().id, default.id);
}
