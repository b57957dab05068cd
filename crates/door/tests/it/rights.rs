//! Who may make which call of EC2, on what (IAM-15, IAM-18, IAM-19, EC2A-1 … EC2A-7), through the wire.

use door::{Cloud, Knock};
use door::authorise::{Request, questions};
use door::lint::{Check, Finding, lint};
use door::rights::Scene;
use iam::claim::Who;
use model::{Context, Model, Region, Timestamp};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, Client, OTHER, REGION, World, arn, unauthorized};

fn allow(action: Value, resource: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn allow_if(action: &str, resource: &str, condition: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition})
}

/// A network with one of each: the resources that a call is asked for, without region and account.
fn asked(network: &Model, operation: &str, parameters: Value) -> Vec<String> {
    let request = Request { operation, region: REGION, account: ACCOUNT, parameters: &parameters, network: Some(network) };
    let known = Knock::default().facts(REGION, Timestamp(0));
    let name = |question: door::authorise::Question| match question.action == format!("ec2:{operation}") {
        true => question.resource.replace(&arn(""), ""),
        false => format!("{} {}", question.action, question.resource.replace(&arn(""), "")),
    };
    questions(&request, &known).into_iter().map(name).collect()
}

#[test]
fn every_call_is_asked_for_what_it_touches() {
    let mut network = Model::new(ACCOUNT, Region(REGION.to_owned()), Context::seeded(1, Timestamp(0)));
    let mut made = |operation: &str, parameters: Value, path: &str| {
        let answer = ec2::call(&mut network, operation, &parameters).unwrap();
        answer.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} in {answer}")).to_owned()
    };
    let vpc = made("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    let subnet = made("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId");
    let table = made("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId");
    let association = made("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": subnet}), "/AssociationId");
    let group = made("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "g", "Description": "g"}), "/GroupId");
    let allocation = made("AllocateAddress", json!({}), "/AllocationId");
    let public = network.addresses.values().next().unwrap().public_ip.to_string();
    let mut made = |operation: &str, parameters: Value, path: &str| {
        let answer = ec2::call(&mut network, operation, &parameters).unwrap();
        answer.pointer(path).and_then(Value::as_str).unwrap().to_owned()
    };
    let igw = made("CreateInternetGateway", json!({}), "/InternetGateway/InternetGatewayId");
    let key = made("CreateKeyPair", json!({"KeyName": "k"}), "/KeyPairId");
    let default = network.security_groups.values().find(|group| group.is_default()).unwrap().id.to_string();
    let of = |kind: &str, id: &str| format!("{kind}/{id}");
    let tags = |kind: &str| json!([{"ResourceType": kind, "Tags": [{"Key": "a", "Value": "b"}]}]);
    let image = format!("arn:aws:ec2:{REGION}::image/ami-1");
    let rule = json!([{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": default}]}]);
    for (operation, parameters, expected) in [
        ("DescribeVpcs", json!({"VpcIds": [vpc]}), vec!["*".to_owned()]),
        ("GetManagedPrefixListEntries", json!({"PrefixListId": "pl-1"}), vec!["*".to_owned()]),
        ("CreateVpc", json!({"CidrBlock": "10.1.0.0/16"}), vec![of("vpc", "*")]),
        ("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.2.0/24"}), vec![of("subnet", "*"), of("vpc", &vpc)]),
        ("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "h"}), vec![of("security-group", "*"), of("vpc", &vpc)]),
        ("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": rule}), vec![of("security-group", &group)]),
        ("RevokeSecurityGroupEgress", json!({"GroupId": group, "SecurityGroupRuleIds": ["sgr-1"]}), vec![of("security-group", &group)]),
        ("CreateRoute", json!({"RouteTableId": table, "GatewayId": igw}), vec![of("route-table", &table)]),
        ("AttachInternetGateway", json!({"InternetGatewayId": igw, "VpcId": vpc}), vec![of("internet-gateway", &igw), of("vpc", &vpc)]),
        ("DisassociateRouteTable", json!({"AssociationId": association}), vec![of("route-table", &table)]),
        ("ReleaseAddress", json!({"PublicIp": public}), vec![of("elastic-ip", &allocation)]),
        ("DeleteKeyPair", json!({"KeyPairId": key}), vec![of("key-pair", "k")]),
        ("DeleteKeyPair", json!({"KeyName": "k"}), vec![of("key-pair", "k")]),
        ("ImportKeyPair", json!({"KeyName": "n"}), vec![of("key-pair", "n")]),
        ("TerminateInstances", json!({"InstanceIds": ["i-1", "i-2", "i-1"]}), vec![of("instance", "i-1"), of("instance", "i-2")]),
        ("CreateTags", json!({"Resources": [vpc, subnet], "Tags": []}), vec![of("vpc", &vpc), of("subnet", &subnet)]),
        ("CreateNatGateway", json!({"SubnetId": subnet, "AllocationId": allocation}), vec![of("natgateway", "*"), of("subnet", &subnet), of("elastic-ip", &allocation)]),
        ("CreateVpcPeeringConnection", json!({"VpcId": vpc, "PeerVpcId": "vpc-2"}), vec![of("vpc-peering-connection", "*"), of("vpc", &vpc)]),
        (
            "CreateFlowLogs",
            json!({"ResourceType": "Subnet", "ResourceIds": [subnet], "TrafficType": "ALL"}),
            vec![of("vpc-flow-log", "*"), of("subnet", &subnet)],
        ),
        ("DeleteFlowLogs", json!({"FlowLogIds": ["fl-1"]}), vec![of("vpc-flow-log", "fl-1")]),
        ("CreateVpc", json!({"TagSpecifications": tags("vpc")}), vec![of("vpc", "*"), "ec2:CreateTags vpc/*".to_owned()]),
        (
            "RunInstances",
            json!({"ImageId": "ami-1", "SubnetId": subnet, "KeyName": "k", "TagSpecifications": tags("volume")}),
            vec![
                of("instance", "*"), image.clone(), of("subnet", &subnet), of("network-interface", "*"),
                of("security-group", &default), of("key-pair", "k"), of("volume", "*"), "ec2:CreateTags volume/*".to_owned(),
            ],
        ),
        (
            "RunInstances",
            json!({"ImageId": "ami-1", "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}, {"SubnetId": subnet, "Groups": [group]}]}),
            vec![
                of("instance", "*"), image, of("network-interface", "eni-1"), of("subnet", &subnet), of("network-interface", "*"),
                of("security-group", &group), of("volume", "*"),
            ],
        ),
    ] {
        let mut found = asked(&network, operation, parameters);
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{operation}");
    }
}

#[test]
fn a_refusal_says_who_what_and_why_and_can_be_decoded() {
    let mut world = World::new();
    let dev = world.user("dev", json!([allow(json!("sts:DecodeAuthorizationMessage"), json!("*"))]));
    let (code, message, status) = world.tell(&dev, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})).unwrap_err();
    assert_eq!((code.as_str(), status), ("UnauthorizedOperation", 403));
    let (sentence, encoded) = message.split_once(" Encoded authorization failure message: ").unwrap();
    assert_eq!(
        sentence,
        format!(
            "You are not authorized to perform this operation. User: arn:aws:iam::{ACCOUNT}:user/dev is not authorized to \
             perform: ec2:CreateVpc on resource: {} because no identity-based policy allows the ec2:CreateVpc action.",
            arn("vpc/*")
        )
    );
    let decoded = world.call(&dev, "sts:DecodeAuthorizationMessage", json!({"EncodedMessage": encoded})).unwrap();
    let decoded: Value = serde_json::from_str(decoded["DecodedMessage"].as_str().unwrap()).unwrap();
    assert_eq!((&decoded["explicitDeny"], &decoded["context"]["action"]), (&json!(false), &json!("ec2:CreateVpc")));
    let conditions = decoded["context"]["conditions"]["items"].to_string();
    for key in ["aws:sourceip", "aws:useragent", "aws:requestedregion", "ec2:region", "aws:username", "aws:currenttime", "aws:securetransport"] {
        assert!(conditions.contains(key), "{key} in {conditions}");
    }
}

#[test]
fn rights_are_asked_before_anything_is_looked_up_and_dry_runs_tell_both() {
    let mut world = World::new();
    let dev = world.user("dev", json!([allow(json!("ec2:CreateVpc"), json!("*"))]));
    let gone = json!({"VpcId": "vpc-0123456789abcdef0"});
    assert_eq!(world.call(&dev, "DeleteVpc", gone.clone()), Err(unauthorized()));
    assert_eq!(world.call(&dev, "DeleteVpc", json!({"VpcId": gone["VpcId"], "DryRun": true})), Err(unauthorized()));
    let dry = json!({"CidrBlock": "10.0.0.0/16", "DryRun": true});
    assert_eq!(world.call(&dev, "CreateVpc", dry), Err(("DryRunOperation".to_owned(), 412)));
    world.give("dev", json!([allow(json!("ec2:*"), json!("*"))]));
    assert_eq!(world.call(&dev, "DeleteVpc", gone), Err(("InvalidVpcID.NotFound".to_owned(), 400)));
    assert_eq!(world.call(&dev, "DescribeVpcs", json!({})).unwrap()["Vpcs"], json!([]), "a dry run makes nothing");
}

#[test]
fn every_resource_of_a_call_must_be_allowed() {
    let mut world = World::new();
    let (mine, theirs) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let resources = json!([arn("subnet/*"), arn(&format!("vpc/{mine}"))]);
    let dev = world.user("dev", json!([allow(json!("ec2:CreateSubnet"), resources)]));
    assert!(world.call(&dev, "CreateSubnet", json!({"VpcId": mine, "CidrBlock": "10.0.1.0/24"})).is_ok());
    assert_eq!(world.call(&dev, "CreateSubnet", json!({"VpcId": theirs, "CidrBlock": "10.1.1.0/24"})), Err(unauthorized()));
}

#[test]
fn tags_of_resources_and_of_requests_decide() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let is_dev = json!({"StringEquals": {"ec2:ResourceTag/env": "dev"}});
    let dev = world.user("dev", json!([allow_if("ec2:DeleteVpc", "*", is_dev)]));
    assert_eq!(world.call(&dev, "DeleteVpc", json!({"VpcId": vpc})), Err(unauthorized()));
    world.own("CreateTags", json!({"Resources": [vpc], "Tags": [{"Key": "env", "Value": "dev"}]}));
    assert!(world.call(&dev, "DeleteVpc", json!({"VpcId": vpc})).is_ok());

    let tagged = |key: &str| json!([{"ResourceType": "vpc", "Tags": [{"Key": key, "Value": "dev"}]}]);
    let create = |tags: Value| json!({"CidrBlock": "10.2.0.0/16", "TagSpecifications": tags});
    let only_env = json!({"StringEquals": {"aws:RequestTag/env": "dev"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["env"]}});
    let at_creation = json!({"StringEquals": {"ec2:CreateAction": "CreateVpc"}});
    world.give("dev", json!([allow_if("ec2:CreateVpc", "*", only_env.clone())]));
    assert_eq!(world.call(&dev, "CreateVpc", create(tagged("env"))), Err(unauthorized()), "IAM-19: the tags are asked for too");
    world.give("dev", json!([allow_if("ec2:CreateVpc", "*", only_env), allow_if("ec2:CreateTags", "*", at_creation)]));
    assert_eq!(world.call(&dev, "CreateVpc", create(tagged("team"))), Err(unauthorized()));
    let made = world.call(&dev, "CreateVpc", create(tagged("env"))).unwrap();
    let made = &made["Vpc"]["VpcId"];
    let later = json!({"Resources": [made], "Tags": [{"Key": "env", "Value": "prod"}]});
    assert_eq!(world.call(&dev, "CreateTags", later), Err(unauthorized()), "only while something is made");
}

/// May a user with this statement launch such an instance?
fn may_launch(world: &mut World, dev: &Client, launch: &Value) -> bool {
    match world.call(dev, "RunInstances", launch.clone()) {
        Ok(_) => true,
        Err(refused) if refused == unauthorized() => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_launch_is_limited_by_type_zone_vpc_and_subnet() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let (subnet, image) = (world.subnet(&vpc, "10.0.1.0/24"), world.image());
    let dev = world.user("dev", json!([allow(json!("ec2:DescribeTags"), json!("*"))]));
    let launch = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    let zone = world.own("DescribeSubnets", json!({}))["Subnets"][0]["AvailabilityZone"].as_str().unwrap().to_owned();
    let rest = |kinds: &[&str]| -> Value { kinds.iter().map(|kind| format!("arn:aws:ec2:*:*:{kind}/*")).collect() };
    let all = ["image", "subnet", "network-interface", "security-group", "key-pair", "volume", "instance"];
    let but = |kind: &str| rest(&all.into_iter().filter(|other| *other != kind).collect::<Vec<_>>());
    for (kind, key, right, wrong) in [
        ("instance", "ec2:InstanceType", "t3.micro".to_owned(), "m5.large".to_owned()),
        ("instance", "ec2:AvailabilityZone", zone, "ap-northeast-2d".to_owned()),
        ("network-interface", "ec2:Subnet", arn(&format!("subnet/{subnet}")), arn("subnet/subnet-2")),
        ("network-interface", "ec2:Vpc", arn(&format!("vpc/{vpc}")), arn("vpc/vpc-2")),
        ("subnet", "ec2:Vpc", arn(&format!("vpc/{vpc}")), arn("vpc/vpc-2")),
        ("security-group", "ec2:Vpc", arn(&format!("vpc/{vpc}")), arn("vpc/vpc-2")),
        ("volume", "ec2:Region", REGION.to_owned(), "us-east-1".to_owned()),
    ] {
        for (value, is_allowed) in [(right, true), (wrong, false)] {
            let limited = allow_if("ec2:RunInstances", &format!("arn:aws:ec2:*:*:{kind}/*"), json!({"StringEquals": {key: value}}));
            world.give("dev", json!([allow(json!("ec2:RunInstances"), but(kind)), limited]));
            assert_eq!(may_launch(&mut world, &dev, &launch), is_allowed, "{key} {value}");
        }
    }
    // IAM-18: with `*` the condition is asked of resources that lack the key.
    world.give("dev", json!([allow_if("ec2:RunInstances", "*", json!({"StringEquals": {"ec2:InstanceType": "t3.micro"}}))]));
    assert!(!may_launch(&mut world, &dev, &launch));
    world.give("dev", json!([allow_if("ec2:RunInstances", "*", json!({"StringEqualsIfExists": {"ec2:InstanceType": "t3.micro"}}))]));
    assert!(may_launch(&mut world, &dev, &launch));
}

#[test]
fn place_and_time_of_a_request_decide() {
    let mut world = World::new();
    let dev = world.user("dev", json!([allow(json!("ec2:DescribeTags"), json!("*"))]));
    let year = |year: u32| format!("{year}-01-01T00:00:00Z");
    for (operator, key, value, is_allowed) in [
        ("IpAddress", "aws:SourceIp", "127.0.0.0/8".to_owned(), true),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24".to_owned(), false),
        ("DateLessThan", "aws:CurrentTime", year(2030), true),
        ("DateLessThan", "aws:CurrentTime", year(2020), false),
        ("NumericLessThan", "aws:EpochTime", "1".to_owned(), false),
        ("Bool", "aws:SecureTransport", "true".to_owned(), false),
        ("StringLike", "aws:UserAgent", "tests/*".to_owned(), true),
        ("StringEquals", "aws:RequestedRegion", REGION.to_owned(), true),
        ("StringEquals", "aws:RequestedRegion", "us-east-1".to_owned(), false),
        ("StringEquals", "aws:username", "dev".to_owned(), true),
    ] {
        world.give("dev", json!([allow_if("ec2:DescribeVpcs", "*", json!({operator: {key: value}}))]));
        assert_eq!(world.call(&dev, "DescribeVpcs", json!({})).is_ok(), is_allowed, "{operator} {key} {value}");
    }
}

#[test]
fn the_answer_to_somebody_elses_client_token_is_not_for_who_may_not_ask() {
    let mut world = World::new();
    let create = json!({"PrefixListName": "a", "MaxEntries": 1, "AddressFamily": "IPv4", "ClientToken": "t"});
    let made = world.own("CreateManagedPrefixList", create.clone());
    assert_eq!(world.own("CreateManagedPrefixList", create.clone()), made);
    let dev = world.user("dev", json!([allow(json!("ec2:Describe*"), json!("*"))]));
    assert_eq!(world.call(&dev, "CreateManagedPrefixList", create), Err(unauthorized()));
}

#[test]
fn a_question_is_judged_at_its_moment_and_not_when_the_network_last_changed() {
    let mut world = World::new();
    world.vpc("10.0.0.0/16");
    let until = world.now.plus(3_600);
    world.user("dev", json!([allow_if("ec2:DescribeVpcs", "*", json!({"DateLessThan": {"aws:CurrentTime": until.iso8601()}}))]));
    let network = world.regions.find(ACCOUNT, REGION).unwrap();
    for (now, is_allowed) in [(world.now, true), (until.plus(1), false)] {
        let scene = Scene { account: &world.accounts[ACCOUNT], network, now };
        assert!(network.context.now < until, "its clock has not moved");
        let asked = scene.ask(&Who::User("dev".to_owned()), "ec2:DescribeVpcs", &[], &[]).unwrap();
        assert_eq!(asked[0].is_allowed(), is_allowed, "{}", now.iso8601());
    }
}

#[test]
fn a_statement_about_an_id_that_nothing_has_is_found() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    world.user("dev", json!([allow(json!("ec2:DescribeTags"), json!("*"))]));
    let gone = "i-0123456789abcdef0";
    for (resource, is_found) in [
        (arn(&format!("vpc/{vpc}")), false),
        ("arn:aws:ec2:*:*:instance/*".to_owned(), false),
        ("arn:aws:ec2:*:*:instance/i-*".to_owned(), false),
        (format!("arn:aws:ec2:us-east-1:*:instance/{gone}"), false),
        (format!("arn:aws:ec2:*:{OTHER}:instance/{gone}"), false),
        (format!("arn:aws:ec2:*:*:instance/{gone}"), true),
        (arn(&format!("instance/{gone}")), true),
        (arn("volume/vol-0123456789abcdef0"), true),
    ] {
        world.give("dev", json!([{"Effect": "Deny", "Action": "ec2:*", "Resource": [resource]}]));
        let findings = lint(&world.accounts[ACCOUNT], world.regions.find(ACCOUNT, REGION).unwrap(), world.now);
        let told: Vec<&Finding> = findings.iter().filter(|finding| finding.check == Check::NamesNothing).collect();
        assert_eq!(!told.is_empty(), is_found, "{resource}: {findings:?}");
        let id = resource.rsplit('/').next().unwrap();
        assert!(told.iter().all(|finding| finding.text.contains(id)), "{told:?}");
    }
}
