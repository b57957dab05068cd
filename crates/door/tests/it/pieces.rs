//! Instances that were written before are shown as if they were written anew, whatever changes in between.

use door::{Cloud, Pieces};
use model::Model;
use query::{Call, answer, shapes};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, REGION, World};

fn network(world: &World) -> Model {
    world.regions.find(ACCOUNT, REGION).unwrap().clone()
}

fn call<'c>(operation: &str, parameters: &'c Value) -> Call<'c> {
    let service = shapes::service("ec2").unwrap();
    let operation = service.operation(operation).unwrap();
    Call { service, operation, region: REGION, account: ACCOUNT, access_key_id: None, parameters }
}

/// Everything, with the help of what was written before.
fn with(pieces: &Pieces, network: &Model) -> String {
    let nothing = json!({});
    let call = call("DescribeInstances", &nothing);
    let (value, texts) = pieces.answer(&call, network).unwrap().unwrap();
    answer::write_with(call.service, call.operation, &value, "r", &texts).unwrap()
}

/// Everything, written anew.
fn anew(network: &Model) -> String {
    let nothing = json!({});
    let call = call("DescribeInstances", &nothing);
    let value = ec2::call(&mut network.clone(), "DescribeInstances", &nothing).unwrap();
    answer::write(call.service, call.operation, &value, "r").unwrap()
}

#[test]
fn every_change_is_shown_at_once() {
    let mut world = World::new();
    let (vpc, image) = (world.vpc("10.0.0.0/16"), world.image());
    let subnet = world.subnet(&vpc, "10.0.1.0/24");
    let group = world.own("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "web"}))["GroupId"].clone();
    let gateway = world.own("CreateInternetGateway", json!({}))["InternetGateway"]["InternetGatewayId"].clone();
    world.own("AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc}));
    let launch = |world: &mut World, count: usize| {
        let launch = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": count, "MaxCount": count, "SubnetId": subnet});
        let launched = world.own("RunInstances", launch);
        launched["Instances"].as_array().unwrap().iter().map(|i| i["InstanceId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (first, second) = (launch(&mut world, 3), launch(&mut world, 2));
    let elastic = world.own("AllocateAddress", json!({"Domain": "vpc"}))["AllocationId"].clone();
    let interface = world.own("CreateNetworkInterface", json!({"SubnetId": subnet}))["NetworkInterface"]["NetworkInterfaceId"].clone();
    let zone = world.own("DescribeSubnets", json!({"SubnetIds": [subnet]}))["Subnets"][0]["AvailabilityZone"].clone();
    let volume = world.own("CreateVolume", json!({"AvailabilityZone": zone, "Size": 1}))["VolumeId"].clone();
    let changes = [
        ("CreateTags", json!({"Resources": [first[1]], "Tags": [{"Key": "Name", "Value": "<one>"}]})),
        ("CreateTags", json!({"Resources": [first[1]], "Tags": [{"Key": "Name", "Value": "two"}]})),
        ("DeleteTags", json!({"Resources": [first[1]], "Tags": [{"Key": "Name"}]})),
        ("AssociateAddress", json!({"AllocationId": elastic, "InstanceId": first[0]})),
        ("ModifyVpcAttribute", json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}})),
        ("ModifyInstanceAttribute", json!({"InstanceId": second[0], "Groups": [group]})),
        ("AttachNetworkInterface", json!({"InstanceId": second[1], "NetworkInterfaceId": interface, "DeviceIndex": 1})),
        ("ModifyNetworkInterfaceAttribute", json!({"NetworkInterfaceId": interface, "Description": {"Value": "second"}})),
        ("AssignPrivateIpAddresses", json!({"NetworkInterfaceId": interface, "SecondaryPrivateIpAddressCount": 1})),
        ("AttachVolume", json!({"InstanceId": first[2], "VolumeId": volume, "Device": "/dev/sdf"})),
        ("ModifyInstanceMetadataOptions", json!({"InstanceId": first[0], "HttpPutResponseHopLimit": 5})),
        ("MonitorInstances", json!({"InstanceIds": [first[0]]})),
        ("StopInstances", json!({"InstanceIds": [second[0]]})),
        ("StartInstances", json!({"InstanceIds": [second[0]]})),
        ("DetachVolume", json!({"VolumeId": volume, "InstanceId": first[2]})),
        ("TerminateInstances", json!({"InstanceIds": [first[2]]})),
    ];
    let pieces = Pieces::default();
    let mut before = with(&pieces, &network(&world));
    assert_eq!(before, anew(&network(&world)));
    for (operation, arguments) in changes {
        world.own(operation, arguments);
        for later in [0, 5, 120] {
            world.now = world.now.plus(later);
            world.own("DescribeVpcs", json!({}));
            let mut network = network(&world);
            network.advance_to(world.now);
            let shown = with(&pieces, &network);
            assert_eq!(shown, anew(&network), "{operation}, {later} s later");
            assert_eq!(shown, with(&pieces, &network), "{operation}, told again");
            if later == 0 {
                assert_ne!(shown, before, "{operation} is seen");
            }
            before = shown;
        }
    }
    launch(&mut world, 1);
    world.now = world.now.plus(7_200);
    let mut network = network(&world);
    network.advance_to(world.now);
    assert_eq!(with(&pieces, &network), anew(&network), "one is gone, one is new");
}

#[test]
fn two_networks_are_told_apart_and_an_older_one_is_shown_as_it_was() {
    let mut world = World::new();
    let (vpc, image) = (world.vpc("10.0.0.0/16"), world.image());
    let subnet = world.subnet(&vpc, "10.0.1.0/24");
    let launch = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": 40, "MaxCount": 40, "SubnetId": subnet});
    let instance = world.own("RunInstances", launch)["Instances"][7]["InstanceId"].clone();
    let pieces = Pieces::default();
    let older = network(&world);
    world.own("CreateTags", json!({"Resources": [instance], "Tags": [{"Key": "a", "Value": "b"}]}));
    let newer = network(&world);
    for network in [&older, &newer, &older, &newer, &newer, &older] {
        assert_eq!(with(&pieces, network), anew(network));
    }
    assert_ne!(anew(&older), anew(&newer));
}

#[test]
fn only_what_shows_all_instances_is_put_together_so() {
    let mut world = World::new();
    world.vpc("10.0.0.0/16");
    let (network, pieces) = (network(&world), Pieces::default());
    let is_put_together = |operation: &str, parameters: Value| pieces.answer(&call(operation, &parameters), &network).is_some();
    assert!(is_put_together("DescribeInstances", json!({})));
    assert!(!is_put_together("DescribeInstances", json!({"InstanceIds": []})));
    assert!(!is_put_together("DescribeInstances", json!({"Filters": [{"Name": "tag-key", "Values": ["a"]}]})));
    assert!(!is_put_together("DescribeVpcs", json!({})));
}
