//! What the AWS command line wrote becomes a model: as it is, with what is missing noted and what cannot be refused.

use std::collections::BTreeSet;

use fabric::Fabric;
use lab::aws::{DumpFile, Import, NoteKind};
use model::route_table::Associated;
use model::{InstanceState, Model, Peer, tag};
use proof::{Options, Reach};

use crate::dumps;

fn read(files: Vec<DumpFile>) -> Import {
    dumps::read(files).unwrap_or_else(|e| panic!("{e}"))
}

/// The dump with one text replaced in one file.
fn edited(file: &str, from: &str, to: &str) -> Vec<DumpFile> {
    let mut files = dumps::files();
    let found = files.iter_mut().find(|f| f.name.ends_with(&format!("/{file}"))).unwrap();
    assert!(found.text.contains(from), "{file} has {from}");
    found.text = found.text.replacen(from, to, 1);
    files
}

fn without(ending: &str) -> Vec<DumpFile> {
    dumps::files().into_iter().filter(|file| !file.name.ends_with(ending)).collect()
}

fn only(name: &str, text: &str) -> Vec<DumpFile> {
    vec![DumpFile { name: name.to_owned(), text: text.to_owned() }]
}

fn instance<'m>(model: &'m Model, name: &str) -> &'m model::Instance {
    model.instances.values().find(|i| tag::name(&i.tags) == Some(name)).unwrap()
}

/// How many pairs of places have anything to say to each other.
fn open_pairs(model: &Model) -> usize {
    let reach = Reach::of(&Fabric::compile(model), Options::default()).unwrap();
    let all: Vec<_> = reach.indices().map(|(index, _)| index).collect();
    all.iter().map(|from| all.iter().filter(|to| !reach.between(*from, **to).both.is_empty()).count()).sum()
}

#[test]
fn the_account_is_read_as_it_is() {
    let import = read(dumps::files());
    let model = &import.model;
    assert_eq!((model.account_id.as_str(), model.region.0.as_str()), ("123456789012", "ap-northeast-2"));
    let counts = (model.vpcs.len(), model.subnets.len(), model.instances.len(), model.addresses.len(), model.nat_gateways.len());
    assert_eq!(counts, (3, 8, 5, 3, 1));
    assert_eq!(instance(model, "web-2").state, InstanceState::Stopped);
    let shop = model.vpcs.values().find(|vpc| tag::name(&vpc.tags) == Some("shop")).unwrap();
    assert!(shop.enable_dns_hostnames, "describe-vpc-attribute is read");
    assert_eq!(shop.tags["team"], "web");
    assert!(shop.id.as_str().starts_with("vpc-") && shop.origin.file.ends_with("vpcs.json") && shop.origin.line > 1);
    let edge = model.network_acls.values().find(|acl| tag::name(&acl.tags) == Some("edge")).unwrap();
    let numbers: Vec<u16> = edge.ingress.iter().map(|entry| entry.rule_number).collect();
    assert_eq!(numbers, [100, 110, 200], "by number, though the account has 200 first; the final * is implied");
    let web = model.security_groups.values().find(|group| group.group_name == "web").unwrap();
    let described = dumps::files().into_iter().find(|f| f.name.ends_with("/security-group-rules.json")).unwrap().text;
    assert!(web.ingress.iter().all(|rule| described.contains(rule.id.as_str())), "rules keep their ids");
    assert_eq!(web.ingress[0].description, "everybody");
    let offices = model.prefix_lists.values().find(|list| list.name == "offices").unwrap();
    assert_eq!((offices.entries.len(), offices.max_entries), (2, 5));
    let nat = model.nat_gateways.values().next().unwrap();
    let interface = &model.network_interfaces[nat.network_interface_id.as_ref().unwrap()];
    assert!(interface.groups.is_empty() && !interface.source_dest_check, "an emulator calls it an ordinary interface");
    let main = |t: &&model::RouteTable| t.associations.iter().any(|a| a.to == Associated::Main);
    assert_eq!(model.route_tables.values().filter(main).count(), 3);
}

#[test]
fn an_interface_without_the_check_is_taken_to_forward() {
    let app = edited("network-interfaces.json", "\"SourceDestCheck\": true", "\"SourceDestCheck\": false");
    let import = read(app);
    let off: Vec<_> = import.model.network_interfaces.values().filter(|eni| !eni.source_dest_check && eni.instance_id().is_some()).collect();
    assert!(off.len() <= 1);
    let all: Vec<DumpFile> = dumps::files().into_iter().map(|f| DumpFile { text: f.text.replace("\"SourceDestCheck\": true", "\"SourceDestCheck\": false"), ..f }).collect();
    let model = read(all).model;
    assert!(model.instances.keys().all(|id| model.guests[id].ip_forward));
}

#[test]
fn two_accounts_in_folders_are_one_cloud_and_groups_resolve_across_their_peering() {
    // The VPC `data` and all that is in it move to the folder of another account, by splitting every list.
    let whole = read(dumps::files()).model;
    let data = whole.vpcs.values().find(|vpc| tag::name(&vpc.tags) == Some("data")).unwrap().id.to_string();
    let mut files = Vec::new();
    for file in dumps::files() {
        let mut json: serde_json::Value = serde_json::from_str(&file.text).unwrap();
        let mut other = json.clone();
        for key in ["Vpcs", "Subnets", "RouteTables", "SecurityGroups", "NetworkAcls", "NetworkInterfaces"] {
            let is_data = |item: &serde_json::Value| item["VpcId"] == data.as_str();
            json.get_mut(key).and_then(|v| v.as_array_mut()).into_iter().for_each(|list| list.retain(|item| !is_data(item)));
            other.get_mut(key).and_then(|v| v.as_array_mut()).into_iter().for_each(|list| list.retain(is_data));
        }
        let base = file.name.rsplit('/').next().unwrap().to_owned();
        files.push(DumpFile { name: format!("d/accounts/123456789012/ap-northeast-2/{base}"), text: json.to_string() });
        // Both sides see the peering and, through it, what they both describe.
        if !base.starts_with("pl-") {
            files.push(DumpFile { name: format!("d/accounts/210987654321/ap-northeast-2/{base}"), text: other.to_string() });
        }
    }
    let import = read(files.clone());
    assert_eq!(open_pairs(&import.model), open_pairs(&whole));
    // Without the other account the peering leads to nothing that is known, and that is said.
    files.retain(|file| !file.name.contains("210987654321"));
    let alone = read(files);
    assert!(alone.is_incomplete());
    assert!(alone.notes.iter().any(|note| note.kind == NoteKind::Missing && note.text.contains(&data)), "{:#?}", alone.notes);
    assert!(open_pairs(&alone.model) < open_pairs(&whole));
}

#[test]
fn interfaces_may_come_with_their_instances() {
    let whole = read(dumps::files()).model;
    let model = read(without("/network-interfaces.json")).model;
    assert_eq!(model.instances.len(), 5);
    assert_eq!(open_pairs(&model), open_pairs(&whole));
}

#[test]
fn a_file_that_is_missing_is_noted_and_never_opens_what_was_closed() {
    let whole = open_pairs(&read(dumps::files()).model);
    for file in ["vpcs", "subnets", "route-tables", "internet-gateways", "nat-gateways", "security-groups", "vpc-peering-connections", "managed-prefix-lists"] {
        let import = read(without(&format!("/{file}.json")));
        assert!(import.is_incomplete(), "{file}");
        assert!(open_pairs(&import.model) < whole || file == "managed-prefix-lists", "{file}");
        assert!(open_pairs(&import.model) <= whole, "{file}");
    }
    let import = read(without("/network-acls.json"));
    assert!(import.notes.iter().any(|note| note.text.contains("network ACL") && note.kind == NoteKind::Missing));
}

#[test]
fn what_is_not_modelled_is_listed() {
    let mut files = dumps::files();
    files.push(DumpFile { name: "d/elb.json".into(), text: r#"{"LoadBalancers": [{"LoadBalancerArn": "arn:x", "VpcId": "vpc-1"}]}"#.into() });
    files.push(DumpFile { name: "d/readme.json".into(), text: r#"{"hello": "world"}"#.into() });
    files.push(DumpFile { name: "d/list.json".into(), text: "[1]".into() });
    files.push(DumpFile { name: "d/page.json".into(), text: r#"{"Vpcs": [], "NextToken": "abc"}"#.into() });
    let notes: Vec<String> = read(files).notes.iter().map(ToString::to_string).collect();
    for wanted in [
        "not modelled: LoadBalancers: arn:x (d/elb.json:1)",
        "not read: no answer of `aws ec2 describe-…` (d/readme.json:1)",
        "not read: the file is a list, no answer of AWS (d/list.json:1)",
        "missing: the answer goes on (NextToken): only its first page is here (d/page.json:1)",
    ] {
        assert!(notes.iter().any(|note| note == wanted), "{wanted}: {notes:#?}");
    }
}

#[test]
fn a_service_s_interface_answers_like_an_instance() {
    let eni = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-0db", "SubnetId": "SUBNET", "VpcId": "VPC", "Description": "RDSNetworkInterface",
        "PrivateIpAddress": "10.20.0.99", "Groups": [{"GroupId": "GROUP"}], "RequesterManaged": true, "Status": "in-use",
        "Attachment": {"AttachmentId": "eni-attach-1", "InstanceOwnerId": "amazon-rds", "DeviceIndex": 1, "Status": "attached"}}]}"#;
    let whole = read(dumps::files()).model;
    let db = whole.interfaces_of(&instance(&whole, "db-1").id)[0].clone();
    let text = eni.replace("SUBNET", db.subnet_id.as_str()).replace("VPC", db.vpc_id.as_str()).replace("GROUP", db.groups[0].as_str());
    let mut files = dumps::files();
    files.push(DumpFile { name: "d/rds.json".into(), text });
    let import = read(files);
    assert!(import.model.instances.values().any(|i| tag::name(&i.tags) == Some("RDSNetworkInterface")));
    assert!(import.notes.iter().any(|note| note.kind == NoteKind::Assumed && note.text.contains("eni-0db")));
    assert!(open_pairs(&import.model) > open_pairs(&whole), "who reaches the database reaches this one");
}

#[test]
fn facts_that_exclude_each_other_are_refused_at_both_places() {
    let whole = read(dumps::files()).model;
    let vpc = whole.vpcs.keys().next().unwrap();
    let same_vpc = format!(r#"{{"Vpcs": [{{"VpcId": "{vpc}", "CidrBlock": "10.99.0.0/16"}}]}}"#);
    let mut twice = dumps::files();
    twice.push(DumpFile { name: "d/again.json".into(), text: same_vpc });
    let cases = [
        (twice, "is described twice, and differently", "d/again.json:1"),
        (edited("network-interfaces.json", "\"PrivateIpAddress\": \"10.10.0.10\"", "\"PrivateIpAddress\": \"10.10.9.10\""), "lies outside", "network-interfaces.json"),
        (edited("subnets.json", "10.10.1.0/24", "10.10.0.0/23"), "overlap in one VPC", "subnets.json"),
        (edited("subnets.json", "10.10.1.0/24", "10.77.1.0/24"), "lies outside the blocks of", "subnets.json"),
        (edited("network-acls.json", "\"RuleNumber\": 110", "\"RuleNumber\": 100"), "two entries 100", "network-acls.json"),
        (edited("addresses.json", "52.79.71.147", "52.79.50.250"), "is described twice", "addresses.json"),
        (edited("vpcs.json", "\"CidrBlock\": \"10.10.0.0/16\",", "\"CidrBlock\": \"10.10.0.0/16\", \"CidrBlock\": \"10.10.0.0/16\","), "is written twice", "vpcs.json"),
    ];
    for (files, message, place) in cases {
        let error = dumps::read(files).expect_err(message).to_string();
        assert!(error.contains(message) && error.contains(place), "{message}:\n{error}");
    }
}

#[test]
fn a_field_that_cannot_be_is_named_with_its_file() {
    let cases: Vec<(Vec<DumpFile>, &[&str])> = vec![
        (edited("vpcs.json", "10.10.0.0/16", "10.10.0.0/99"), &["CidrBlock is not an IPv4 block: `10.10.0.0/99`", "vpcs.json:"]),
        (edited("vpcs.json", "10.10.0.0/16", "10.10.0.1/16"), &["AWS would write `10.10.0.0/16`", "vpcs.json:"]),
        (edited("subnets.json", "\"VpcId\"", "\"Vpc\""), &["has no VpcId", "subnets.json:"]),
        (edited("route-tables.json", "\"Routes\": [", "\"Routes\": [7, "), &["Routes[0] is not an object: `7`", "route-tables.json:"]),
        (edited("security-groups.json", "\"FromPort\": 22", "\"FromPort\": 70000"), &["FromPort is not a whole number from -1 to 65535: `70000`", "security-groups.json:"]),
        (edited("security-groups.json", "\"IpProtocol\": \"tcp\"", "\"IpProtocol\": \"tpc\""), &["IpProtocol is no protocol: `tpc`", "security-groups.json:"]),
        (edited("network-acls.json", "\"RuleAction\": \"deny\"", "\"RuleAction\": \"maybe\""), &["RuleAction is `maybe`", "network-acls.json:"]),
        (edited("network-interfaces.json", "\"NetworkInterfaceId\": \"eni-", "\"NetworkInterfaceId\": \"vol-"), &["NetworkInterfaceId is not an id of this kind", "network-interfaces.json:"]),
        (edited("network-interfaces.json", "\"SourceDestCheck\": true", "\"SourceDestCheck\": \"yes\""), &["SourceDestCheck is not true or false: `yes`", "network-interfaces.json:"]),
        (only("a.json", "{\"Vpcs\": {}}"), &["Vpcs is not a list: an object", "a.json:1:10"]),
        (only("a.json", "{\"Vpcs\": ["), &["the file ends here", "a.json:1:11"]),
        (only("a.json", ""), &["the file ends here", "a.json:1:1"]),
        (only("a.json", "{\"Buckets\": 1}"), &["no file here is the answer of an `aws ec2 describe-…` call"]),
    ];
    for (files, wanted) in cases {
        let error = dumps::read(files).expect_err(wanted[0]).to_string();
        wanted.iter().for_each(|part| assert!(error.contains(part), "{part}:\n{error}"));
    }
}

#[test]
fn a_rule_about_a_group_that_is_not_there_admits_nobody() {
    let app = read(dumps::files()).model;
    let app = app.security_groups.values().find(|group| group.group_name == "app tier").unwrap().id.to_string();
    // Rules refer to the group still; the group itself is gone.
    let files: Vec<DumpFile> = dumps::files()
        .into_iter()
        .map(|file| {
            if !file.name.ends_with("/security-groups.json") {
                return file;
            }
            let mut json: serde_json::Value = serde_json::from_str(&file.text).unwrap();
            json["SecurityGroups"].as_array_mut().unwrap().retain(|group| group["GroupId"] != app.as_str());
            DumpFile { text: json.to_string(), ..file }
        })
        .filter(|file| !file.name.ends_with("/security-group-rules.json"))
        .collect();
    let import = read(files);
    let missing: BTreeSet<&str> = import.notes.iter().filter(|note| note.kind == NoteKind::Missing).map(|note| note.text.as_str()).collect();
    assert!(missing.iter().any(|text| text.starts_with(&app)), "{missing:#?}");
    let db = import.model.security_groups.values().find(|group| group.group_name == "db").unwrap();
    assert!(matches!(&db.ingress[0].peer, Peer::SecurityGroup(id) if id.as_str() == app), "the rule stays as it is, stale (SG-14)");
    let fabric = Fabric::compile(&import.model);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let to = reach.indices().find(|(_, place)| place.name(&fabric) == "db-1").unwrap().0;
    assert!(reach.indices().all(|(from, _)| reach.between(from, to).request.is_empty()));
}

#[test]
fn a_transit_gateway_routes_by_the_table_of_the_attachment() {
    let vpc = |n: u8| format!(r#"{{"VpcId": "vpc-{n}", "CidrBlock": "10.{n}.0.0/16"}}"#);
    let subnet = |n: u8| format!(r#"{{"SubnetId": "subnet-{n}", "VpcId": "vpc-{n}", "CidrBlock": "10.{n}.0.0/24", "AvailabilityZone": "eu-west-1a"}}"#);
    let local = |n: u8| format!(r#"{{"DestinationCidrBlock": "10.{n}.0.0/16", "GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"}}"#);
    let to_tgw = r#"{"DestinationCidrBlock": "10.0.0.0/8", "TransitGatewayId": "tgw-1", "State": "active", "Origin": "CreateRoute"}"#;
    let table = |n: u8| format!(r#"{{"RouteTableId": "rtb-{n}", "VpcId": "vpc-{n}", "Routes": [{}, {to_tgw}], "Associations": [{{"Main": true, "RouteTableAssociationId": "rtbassoc-{n}"}}]}}"#, local(n));
    let anywhere = r#"[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]"#;
    let group = |n: u8| format!(r#"{{"GroupId": "sg-{n}", "GroupName": "open", "VpcId": "vpc-{n}", "IpPermissions": {anywhere}, "IpPermissionsEgress": {anywhere}}}"#);
    let instance = |n: u8| format!(r#"{{"InstanceId": "i-{n}", "State": {{"Name": "running"}}, "NetworkInterfaces": [{{"NetworkInterfaceId": "eni-{n}", "SubnetId": "subnet-{n}", "VpcId": "vpc-{n}",
        "PrivateIpAddress": "10.{n}.0.10", "Groups": [{{"GroupId": "sg-{n}"}}], "Attachment": {{"AttachmentId": "eni-attach-{n}", "DeviceIndex": 0, "Status": "attached"}}}}]}}"#);
    let entry = |egress| format!(r#"{{"CidrBlock": "0.0.0.0/0", "Egress": {egress}, "Protocol": "-1", "RuleAction": "allow", "RuleNumber": 100}}"#);
    let acl = |n: u8| format!(r#"{{"NetworkAclId": "acl-{n}", "VpcId": "vpc-{n}", "IsDefault": true, "Entries": [{}, {}], "Associations": [{{"NetworkAclAssociationId": "aclassoc-{n}", "NetworkAclId": "acl-{n}", "SubnetId": "subnet-{n}"}}]}}"#, entry(false), entry(true));
    let attachment = |n: u8| format!(r#"{{"TransitGatewayAttachmentId": "tgw-attach-{n}", "TransitGatewayId": "tgw-1", "VpcId": "vpc-{n}", "State": "available", "SubnetIds": ["subnet-{n}"]}}"#);
    let general = |n: u8| format!(r#"{{"TransitGatewayAttachmentId": "tgw-attach-{n}", "TransitGatewayId": "tgw-1", "ResourceType": "vpc", "State": "available", "Association": {{"TransitGatewayRouteTableId": "tgw-rtb-1", "State": "associated"}}}}"#);
    let learned = |n: u8| format!(r#"{{"DestinationCidrBlock": "10.{n}.0.0/16", "Type": "propagated", "State": "active", "TransitGatewayAttachments": [{{"TransitGatewayAttachmentId": "tgw-attach-{n}"}}]}}"#);
    let both = |of: &dyn Fn(u8) -> String| format!("[{}, {}]", of(1), of(2));
    let mut files: Vec<DumpFile> = [
        ("Vpcs", both(&vpc)), ("Subnets", both(&subnet)), ("RouteTables", both(&table)), ("SecurityGroups", both(&group)), ("Instances", both(&instance)),
        ("NetworkAcls", both(&acl)), ("TransitGateways", r#"[{"TransitGatewayId": "tgw-1", "State": "available"}]"#.to_owned()),
        ("TransitGatewayVpcAttachments", both(&attachment)), ("TransitGatewayAttachments", both(&general)),
        ("TransitGatewayRouteTables", r#"[{"TransitGatewayRouteTableId": "tgw-rtb-1", "TransitGatewayId": "tgw-1", "State": "available"}]"#.to_owned()),
    ]
    .into_iter()
    .map(|(key, list)| DumpFile { name: format!("d/{key}.json"), text: format!("{{\"{key}\": {list}}}") })
    .collect();
    let silent = read(files.clone());
    assert!(silent.notes.iter().any(|note| note.text.contains("the routes of tgw-rtb-1")), "{:#?}", silent.notes);
    let fabric = |model: &Model| {
        let fabric = Fabric::compile(model);
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let at = |name: &str| reach.indices().find(|(_, place)| place.name(&fabric) == name).unwrap().0;
        !reach.between(at("i-1"), at("i-2")).both.is_empty()
    };
    assert!(!fabric(&silent.model), "what is not known is not open");
    files.push(DumpFile { name: "d/tgw-rtb-1.json".into(), text: format!("{{\"Routes\": [{}, {}]}}", learned(1), learned(2)) });
    let import = read(files.clone());
    assert!(!import.is_incomplete(), "{:#?}", import.notes);
    assert!(fabric(&import.model));
    files.pop();
    let blackhole = learned(2).replace("propagated", "static").replace("active", "blackhole");
    files.push(DumpFile { name: "d/tgw-rtb-1.json".into(), text: format!("{{\"Routes\": [{}, {blackhole}]}}", learned(1)) });
    assert!(!fabric(&read(files).model));
}

#[test]
fn a_rule_told_twice_is_one_rule_on_its_side_and_a_large_group_is_read_in_one_go() {
    let permission = |port: usize| format!(r#"{{"IpProtocol":"tcp","FromPort":{port},"ToPort":{port},"IpRanges":[{{"CidrIp":"10.0.0.0/16"}}]}}"#);
    let ports: Vec<String> = (1..=20_000).chain([80, 443, 80]).map(permission).collect();
    let text = format!(
        r#"{{"Vpcs":[{{"VpcId":"vpc-0000000000000001a","CidrBlock":"10.0.0.0/16"}}],"SecurityGroups":[{{"GroupId":"sg-0000000000000001a",
        "GroupName":"a","Description":"a","VpcId":"vpc-0000000000000001a","IpPermissions":[{}],"IpPermissionsEgress":[{}]}}]}}"#,
        ports.join(","),
        permission(80)
    );
    let import = read(only("all.json", &text));
    let group = import.model.security_groups.values().find(|group| group.id.as_str() == "sg-0000000000000001a").unwrap();
    assert_eq!((group.ingress.len(), group.egress.len()), (20_000, 1), "SG-7: one of each, and sides are apart");
}

#[test]
fn a_dump_beyond_the_bounds_is_refused_with_file_and_field() {
    let refused = |files: Vec<DumpFile>| match dumps::read(files) {
        Ok(import) => panic!("{} rules were read", import.model.security_groups.values().map(|group| group.ingress.len()).sum::<usize>()),
        Err(problems) => problems.render(false),
    };
    let vpc = r#""Vpcs":[{"VpcId":"vpc-0000000000000001a","CidrBlock":"10.0.0.0/8"}]"#;
    // Few rules, each for a thousand blocks.
    let entries: Vec<String> = (0..1_000).map(|n| format!(r#"{{"Cidr":"10.{}.{}.0/24"}}"#, n / 250, n % 250)).collect();
    let list = DumpFile { name: "d/pl-0000000000000001a.json".into(), text: format!(r#"{{"Entries":[{}]}}"#, entries.join(",")) };
    let named = |ports: usize| {
        let rule = |port: usize| format!(r#"{{"IpProtocol":"tcp","FromPort":{port},"ToPort":{port},"PrefixListIds":[{{"PrefixListId":"pl-0000000000000001a"}}]}}"#);
        let rules: Vec<String> = (1..=ports).map(rule).collect();
        let text = format!(
            r#"{{{vpc},"PrefixLists":[{{"PrefixListId":"pl-0000000000000001a","PrefixListName":"many"}}],"SecurityGroups":[{{"GroupId":"sg-0000000000000001a",
            "GroupName":"a","Description":"a","VpcId":"vpc-0000000000000001a","IpPermissions":[{}]}}]}}"#,
            rules.join(",\n")
        );
        vec![list.clone(), DumpFile { name: "d/all.json".into(), text }]
    };
    assert_eq!(read(named(400)).model.security_groups.values().next().unwrap().ingress.len(), 400);
    let text = refused(named(401));
    let wanted = "error: sg-0000000000000001a.IpPermissions: more than 400000 rules and entries in all, each entry of a prefix list counted [VL0605]";
    assert!(text.starts_with(wanted) && text.contains("d/all.json:1:") && text.matches("error").count() == 1, "{text}");
}
