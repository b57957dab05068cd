//! Settings of instances and subnets that few calls change, spot requests, transit gateways.

use serde_json::{Value, json};

use crate::client::*;

/// A running instance; its id and its subnet's.
fn running(client: &mut Client, more: Value) -> (String, String) {
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let image = client.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let mut launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "InstanceType": "t3.xlarge"});
    launch.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = client.id("RunInstances", launch, "/Instances/0/InstanceId");
    client.wait(10);
    (id, subnet)
}

fn shown(client: &mut Client, id: &str) -> Value {
    client.call("DescribeInstances", json!({"InstanceIds": [id]}))["Reservations"][0]["Instances"][0].clone()
}

#[test]
fn settings_of_a_launch_are_shown_and_changed() {
    let mut client = Client::new();
    let (id, _) = running(&mut client, json!({
        "EbsOptimized": true, "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 2}, "Placement": {"Tenancy": "dedicated"},
        "MaintenanceOptions": {"AutoRecovery": "disabled"},
        "CapacityReservationSpecification": {"CapacityReservationPreference": "none"},
    }));
    let is = |client: &mut Client, path: &str| shown(client, &id).pointer(path).cloned().unwrap_or_default();
    for (path, expected) in [
        ("/EbsOptimized", json!(true)),
        ("/CpuOptions", json!({"CoreCount": 1, "ThreadsPerCore": 2})),
        ("/Placement/Tenancy", json!("dedicated")),
        ("/Placement/AvailabilityZoneId", json!("apne2-az1")),
        ("/MaintenanceOptions/AutoRecovery", json!("disabled")),
        ("/CapacityReservationSpecification/CapacityReservationPreference", json!("none")),
    ] {
        assert_eq!(is(&mut client, path), expected, "{path}");
    }
    let recover = client.call("ModifyInstanceMaintenanceOptions", json!({"InstanceId": id, "AutoRecovery": "default"}));
    assert_eq!((&recover["AutoRecovery"], &recover["RebootMigration"]), (&json!("default"), &json!("default")));
    let cpu = json!({"InstanceId": id, "CoreCount": 2, "ThreadsPerCore": 1});
    let reserved = json!({"InstanceId": id, "CapacityReservationSpecification": {"CapacityReservationPreference": "open"}});
    for (operation, arguments) in [("ModifyInstanceCpuOptions", &cpu), ("ModifyInstanceCapacityReservationAttributes", &reserved)] {
        assert_eq!(client.refused(operation, arguments.clone()), "IncorrectInstanceState", "INST-7");
    }
    client.call("StopInstances", json!({"InstanceIds": [id]}));
    client.wait(10);
    client.call("ModifyInstanceCpuOptions", cpu);
    client.call("ModifyInstanceCapacityReservationAttributes", reserved);
    client.call("ModifyInstancePlacement", json!({"InstanceId": id, "Tenancy": "default"}));
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "EbsOptimized": {"Value": false}}));
    assert_eq!(is(&mut client, "/CpuOptions"), json!({"CoreCount": 2, "ThreadsPerCore": 1}));
    assert_eq!((is(&mut client, "/Placement/Tenancy"), is(&mut client, "/EbsOptimized")), (json!("default"), json!(false)));
    assert_eq!(client.refused("ModifyInstanceCpuOptions", json!({"InstanceId": id, "CoreCount": 9, "ThreadsPerCore": 2})), "InvalidParameterValue");
    let group = json!({"InstanceId": id, "GroupName": "cluster"});
    assert_eq!(client.refused("ModifyInstancePlacement", group), "InvalidPlacementGroup.Unknown");
}

#[test]
fn what_is_not_modelled_is_refused_and_not_swallowed() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let image = client.id("DescribeImages", json!({}), "/Images/0/ImageId");
    for (more, code) in [
        (json!({"HibernationOptions": {"Configured": true}}), "UnsupportedOperation"),
        (json!({"EnclaveOptions": {"Enabled": true}}), "UnsupportedOperation"),
        (json!({"Placement": {"GroupName": "cluster"}}), "InvalidPlacementGroup.Unknown"),
        (json!({"Placement": {"Tenancy": "host"}}), "UnsupportedOperation"),
        (json!({"Placement": {"AvailabilityZoneId": "apne2-az2"}}), "InvalidParameterValue"),
        (json!({"CpuOptions": {"CoreCount": 99, "ThreadsPerCore": 2}}), "InvalidParameterValue"),
        (json!({"KernelId": "aki-1"}), "UnsupportedOperation"),
        (json!({"InstanceMarketOptions": {"MarketType": "capacity-block"}}), "UnsupportedOperation"),
    ] {
        let mut launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
        launch.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(client.refused("RunInstances", launch), code, "{more}");
    }
    let accepted = json!({"HibernationOptions": {"Configured": false}, "EnclaveOptions": {"Enabled": false}, "Placement": {"AvailabilityZoneId": "apne2-az1"}});
    let mut launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    launch.as_object_mut().unwrap().extend(accepted.as_object().unwrap().clone());
    client.call("RunInstances", launch);
}

#[test]
fn attributes_go_back_and_consoles_are_read() {
    let mut client = Client::new();
    let (id, _) = running(&mut client, json!({}));
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "SourceDestCheck": {"Value": false}}));
    client.call("ResetInstanceAttribute", json!({"InstanceId": id, "Attribute": "sourceDestCheck"}));
    assert_eq!(shown(&mut client, &id)["SourceDestCheck"], true);
    assert_eq!(client.refused("ResetInstanceAttribute", json!({"InstanceId": id, "Attribute": "kernel"})), "IncorrectInstanceState");
    assert_eq!(client.refused("ResetInstanceAttribute", json!({"InstanceId": id, "Attribute": "userData"})), "InvalidParameterValue");
    assert_eq!(client.call("GetConsoleOutput", json!({"InstanceId": id}))["InstanceId"], json!(id));
    assert_eq!(client.call("GetPasswordData", json!({"InstanceId": id}))["PasswordData"], "");
    assert_eq!(client.refused("GetConsoleOutput", json!({"InstanceId": "i-0"})), "InvalidInstanceID.NotFound");
    assert_eq!(client.refused("GetInstanceUefiData", json!({"InstanceId": id})), "UnsupportedOperation");
}

#[test]
fn a_spot_instance_came_of_a_request() {
    let mut client = Client::new();
    let tags = json!([{"ResourceType": "spot-instances-request", "Tags": [{"Key": "k", "Value": "v"}]}]);
    let (id, _) = running(&mut client, json!({"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.05"}}, "TagSpecifications": tags}));
    let instance = shown(&mut client, &id);
    assert_eq!(instance["InstanceLifecycle"], "spot");
    let request = instance["SpotInstanceRequestId"].as_str().unwrap().to_owned();
    let by = json!({"Filters": [{"Name": "instance-id", "Values": [id]}, {"Name": "state", "Values": ["active"]}, {"Name": "tag:k", "Values": ["v"]}]});
    let found = client.call("DescribeSpotInstanceRequests", by)["SpotInstanceRequests"][0].clone();
    assert_eq!((&found["SpotInstanceRequestId"], &found["Status"]["Code"], &found["Type"]), (&json!(request), &json!("fulfilled"), &json!("one-time")));
    assert_eq!(client.refused("StopInstances", json!({"InstanceIds": [id]})), "UnsupportedOperation", "of a one-time request");
    client.call("CancelSpotInstanceRequests", json!({"SpotInstanceRequestIds": [request]}));
    assert_eq!(shown(&mut client, &id)["State"]["Name"], "running");
    client.call("TerminateInstances", json!({"InstanceIds": [id]}));
    client.wait(10);
    let state = client.call("DescribeSpotInstanceRequests", json!({"SpotInstanceRequestIds": [request]}));
    assert_eq!(state["SpotInstanceRequests"][0]["State"], "closed");
    assert_eq!(client.refused("CancelSpotInstanceRequests", json!({"SpotInstanceRequestIds": ["sir-0"]})), "InvalidSpotInstanceRequestID.NotFound");
    let persistent = json!({"InstanceMarketOptions": {"SpotOptions": {"InstanceInterruptionBehavior": "stop"}}});
    let image = client.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let mut launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1});
    launch.as_object_mut().unwrap().extend(persistent.as_object().unwrap().clone());
    assert_eq!(client.refused("RunInstances", launch), "InvalidParameterCombination");
}

#[test]
fn reserved_addresses_of_a_subnet_are_not_chosen() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let reserve = |cidr: &str, kind: &str| json!({"SubnetId": subnet, "Cidr": cidr, "ReservationType": kind, "Description": "d"});
    let made = client.call("CreateSubnetCidrReservation", reserve("10.0.1.0/28", "explicit"))["SubnetCidrReservation"].clone();
    let id = made["SubnetCidrReservationId"].as_str().unwrap().to_owned();
    for (cidr, code) in [("10.0.2.0/28", "InvalidParameterValue"), ("10.0.1.8/29", "InvalidParameterValue")] {
        assert_eq!(client.refused("CreateSubnetCidrReservation", reserve(cidr, "prefix")), code);
    }
    let address = |client: &mut Client, more: Value| {
        let mut arguments = json!({"SubnetId": subnet});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.id("CreateNetworkInterface", arguments, "/NetworkInterface/PrivateIpAddress")
    };
    assert_eq!(address(&mut client, json!({})), "10.0.1.16");
    assert_eq!(address(&mut client, json!({"PrivateIpAddress": "10.0.1.5"})), "10.0.1.5", "who asks for one by name gets it");
    let known = client.call("GetSubnetCidrReservations", json!({"SubnetId": subnet, "Filters": [{"Name": "reservationType", "Values": ["explicit"]}]}));
    assert_eq!(listed(&known, "SubnetIpv4CidrReservations", "SubnetCidrReservationId"), [id.as_str()]);
    client.call("DeleteSubnetCidrReservation", json!({"SubnetCidrReservationId": id}));
    assert_eq!(address(&mut client, json!({})), "10.0.1.4");
    assert_eq!(client.refused("DeleteSubnetCidrReservation", json!({"SubnetCidrReservationId": id})), "InvalidSubnetCidrReservationID.NotFound");
}

#[test]
fn a_transit_gateway_routes_between_vpcs_by_its_tables() {
    let mut client = Client::new();
    let made = client.call("CreateTransitGateway", json!({"Description": "hub", "Options": {"AmazonSideAsn": 64600}}))["TransitGateway"].clone();
    let gateway = made["TransitGatewayId"].as_str().unwrap().to_owned();
    let table = made["Options"]["AssociationDefaultRouteTableId"].as_str().unwrap().to_owned();
    let vpc = client.vpc("10.1.0.0/16");
    let subnet = client.subnet(&vpc, "10.1.1.0/24");
    let attach = json!({"TransitGatewayId": gateway, "VpcId": vpc, "SubnetIds": [subnet]});
    assert_eq!(client.refused("CreateTransitGatewayVpcAttachment", attach.clone()), "IncorrectState", "it is pending");
    client.wait(60);
    let attachment = client.id("CreateTransitGatewayVpcAttachment", attach.clone(), "/TransitGatewayVpcAttachment/TransitGatewayAttachmentId");
    assert_eq!(client.refused("CreateTransitGatewayVpcAttachment", attach), "DuplicateTransitGatewayAttachment");
    client.wait(60);
    let options = |client: &mut Client, wanted: serde_json::Value| {
        let request = json!({"TransitGatewayAttachmentId": attachment, "Options": wanted});
        client.call("ModifyTransitGatewayVpcAttachment", request)["TransitGatewayVpcAttachment"]["Options"].clone()
    };
    assert_eq!(options(&mut client, json!({}))["Ipv6Support"], "disable");
    assert_eq!(options(&mut client, json!({"Ipv6Support": "enable"}))["Ipv6Support"], "enable");
    let both = options(&mut client, json!({"SecurityGroupReferencingSupport": "disable"}));
    assert_eq!([&both["Ipv6Support"], &both["SecurityGroupReferencingSupport"]], ["enable", "disable"]);
    let of = json!({"TransitGatewayRouteTableId": table});
    let associated = client.call("GetTransitGatewayRouteTableAssociations", of.clone());
    assert_eq!(listed(&associated, "Associations", "ResourceId"), [vpc.as_str()]);
    let announced = client.call("GetTransitGatewayRouteTablePropagations", of.clone());
    assert_eq!(listed(&announced, "TransitGatewayRouteTablePropagations", "TransitGatewayAttachmentId"), [attachment.as_str()]);
    let both = json!({"TransitGatewayRouteTableId": table, "TransitGatewayAttachmentId": attachment});
    assert_eq!(client.refused("EnableTransitGatewayRouteTablePropagation", both.clone()), "TransitGatewayRouteTablePropagation.Duplicate");
    client.call("CreateTransitGatewayRoute", json!({"TransitGatewayRouteTableId": table, "DestinationCidrBlock": "10.9.0.0/16", "Blackhole": true}));
    let search = |name: &str, value: &str| json!({"TransitGatewayRouteTableId": table, "Filters": [{"Name": name, "Values": [value]}]});
    for (name, value, expected) in [
        ("type", "propagated", vec!["10.1.0.0/16"]),
        ("state", "blackhole", vec!["10.9.0.0/16"]),
        ("route-search.longest-prefix-match", "10.1.2.3", vec!["10.1.0.0/16"]),
        ("route-search.subnet-of-match", "10.0.0.0/8", vec!["10.1.0.0/16", "10.9.0.0/16"]),
        ("route-search.exact-match", "10.0.0.0/8", vec![]),
    ] {
        let found = client.call("SearchTransitGatewayRoutes", search(name, value));
        assert_eq!(listed(&found, "Routes", "DestinationCidrBlock"), expected, "{name}");
    }
    client.call("AssociateVpcCidrBlock", json!({"VpcId": vpc, "AmazonProvidedIpv6CidrBlock": true}));
    client.wait(60);
    let propagated = |client: &mut Client| listed(&client.call("SearchTransitGatewayRoutes", search("type", "propagated")), "Routes", "DestinationCidrBlock").len();
    assert_eq!(propagated(&mut client), 2, "both families");
    assert_eq!(options(&mut client, json!({"Ipv6Support": "disable"}))["Ipv6Support"], "disable");
    assert_eq!(propagated(&mut client), 1, "IPv6 does not pass");
    client.call("DisableTransitGatewayRouteTablePropagation", both.clone());
    client.call("DisassociateTransitGatewayRouteTable", both);
    assert_eq!(client.refused("DeleteTransitGateway", json!({"TransitGatewayId": gateway})), "IncorrectState");
    let state = |client: &mut Client, operation: &str, list: &str| client.call(operation, json!({}))[list][0]["State"].clone();
    let gone = client.call("DeleteTransitGatewayVpcAttachment", json!({"TransitGatewayAttachmentId": attachment}));
    assert_eq!(gone["TransitGatewayVpcAttachment"]["State"], "deleting");
    assert_eq!(client.refused("DeleteTransitGateway", json!({"TransitGatewayId": gateway})), "IncorrectState", "it is being detached");
    client.wait(60);
    for (operation, list) in [
        ("DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments"),
        ("DescribeTransitGatewayAttachments", "TransitGatewayAttachments"),
    ] {
        assert_eq!(state(&mut client, operation, list), "deleted");
    }
    assert_eq!(client.call("DeleteTransitGateway", json!({"TransitGatewayId": gateway}))["TransitGateway"]["State"], "deleting");
    client.wait(60);
    assert_eq!(state(&mut client, "DescribeTransitGateways", "TransitGateways"), "deleted");
    assert_eq!(state(&mut client, "DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables"), "deleted", "it went with its gateway");
    client.wait(3_600);
    assert_eq!(client.refused("DescribeTransitGateways", json!({"TransitGatewayIds": [gateway]})), "InvalidTransitGatewayID.NotFound");
}

#[test]
fn a_transit_gateway_changes_what_is_said_of_it_and_keeps_the_rest() {
    let mut client = Client::new();
    let made = client.call("CreateTransitGateway", json!({"Description": "hub"}))["TransitGateway"].clone();
    let gateway = &made["TransitGatewayId"];
    let table = &made["Options"]["AssociationDefaultRouteTableId"];
    let change = |options: Value| json!({"TransitGatewayId": gateway, "Options": options});
    assert_eq!(client.refused("ModifyTransitGateway", change(json!({"DnsSupport": "disable"}))), "IncorrectState", "it is pending");
    client.wait(60);
    let mut wanted = change(json!({
        "AmazonSideAsn": 64600,
        "DnsSupport": "disable",
        "DefaultRouteTableAssociation": "enable",
        "AssociationDefaultRouteTableId": table,
    }));
    wanted["Description"] = json!("rim");
    let changed = client.call("ModifyTransitGateway", wanted)["TransitGateway"].clone();
    let mut expected = client.call("DescribeTransitGateways", json!({}))["TransitGateways"][0].clone();
    assert_eq!(changed, expected);
    for (name, value) in [("AmazonSideAsn", json!(64600)), ("DnsSupport", json!("disable"))] {
        expected["Options"][name] = made["Options"][name].clone();
        assert_eq!(changed["Options"][name], value);
    }
    assert_eq!(changed["Description"], "rim");
    (expected["Description"], expected["State"]) = (json!("hub"), made["State"].clone());
    assert_eq!(expected, made, "nothing else changed");
    for (options, code) in [
        (json!({"AmazonSideAsn": 1}), "InvalidParameterValue"),
        (json!({"DnsSupport": "maybe"}), "InvalidParameterValue"),
        (json!({"DefaultRouteTablePropagation": "disable"}), "UnsupportedOperation"),
        (json!({"AssociationDefaultRouteTableId": "tgw-rtb-0123456789abcdef0"}), "UnsupportedOperation"),
        (json!({"AddTransitGatewayCidrBlocks": ["10.0.0.0/24"]}), "UnsupportedOperation"),
    ] {
        assert_eq!(client.refused("ModifyTransitGateway", change(options.clone())), code, "{options}");
    }
    let nobody = json!({"TransitGatewayId": "tgw-0123456789abcdef0"});
    assert_eq!(client.refused("ModifyTransitGateway", nobody), "InvalidTransitGatewayID.NotFound");
}

#[test]
fn what_aws_has_let_go_is_off_and_stays_so() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    for operation in ["DisableVpcClassicLink", "DisableVpcClassicLinkDnsSupport"] {
        client.call(operation, json!({"VpcId": vpc}));
    }
    assert_eq!(client.refused("EnableVpcClassicLink", json!({"VpcId": vpc})), "UnsupportedOperation");
    assert_eq!(client.refused("EnableVpcClassicLink", json!({"VpcId": "vpc-0"})), "InvalidVpcID.NotFound");
    assert_eq!(client.refused("GetIpamPoolAllocations", json!({"IpamPoolId": "ipam-pool-0"})), "InvalidIpamPoolId.NotFound");
    assert_eq!(client.call("DescribeVpcEndpointServiceConfigurations", json!({}))["ServiceConfigurations"], json!([]));
    let accept = json!({"ServiceId": "vpce-svc-0", "VpcEndpointIds": ["vpce-0"]});
    assert_eq!(client.refused("AcceptVpcEndpointConnections", accept), "InvalidVpcEndpointServiceId.NotFound");
}

#[test]
fn a_nat_gateway_has_further_addresses_up_to_its_limit() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    client.igw(&vpc);
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let eips: Vec<String> = (0..3).map(|_| client.id("AllocateAddress", json!({"Domain": "vpc"}), "/AllocationId")).collect();
    let nat = client.id("CreateNatGateway", json!({"SubnetId": subnet, "AllocationId": eips[0]}), "/NatGateway/NatGatewayId");
    let associate = |eip: &str| json!({"NatGatewayId": nat, "AllocationIds": [eip]});
    assert_eq!(client.refused("AssociateNatGatewayAddress", associate(&eips[1])), "IncorrectState", "it is pending");
    client.wait(60);
    let shown = client.call("AssociateNatGatewayAddress", associate(&eips[1]))["NatGatewayAddresses"].clone();
    assert_eq!((&shown[0]["IsPrimary"], &shown[1]["IsPrimary"], &shown[1]["AllocationId"]), (&json!(true), &json!(false), &json!(eips[1])));
    assert_eq!(client.refused("AssociateNatGatewayAddress", associate(&eips[2])), "AddressLimitExceeded", "QUO-1");
    let by = |association: &Value| json!({"NatGatewayId": nat, "AssociationIds": [association]});
    assert_eq!(client.refused("DisassociateNatGatewayAddress", by(&shown[0]["AssociationId"])), "InvalidParameter", "the first");
    let left = client.call("DisassociateNatGatewayAddress", by(&shown[1]["AssociationId"]));
    assert_eq!(left["NatGatewayAddresses"].as_array().unwrap().len(), 1);
    assert_eq!(client.refused("AssignPrivateNatGatewayAddress", json!({"NatGatewayId": nat, "PrivateIpAddressCount": 1})), "InvalidParameter");
    let private = client.id("CreateNatGateway", json!({"SubnetId": subnet, "ConnectivityType": "private"}), "/NatGateway/NatGatewayId");
    client.wait(60);
    let assigned = client.call("AssignPrivateNatGatewayAddress", json!({"NatGatewayId": private, "PrivateIpAddresses": ["10.0.1.99"]}));
    assert_eq!(assigned["NatGatewayAddresses"][1]["PrivateIp"], "10.0.1.99");
    assert_eq!(client.refused("AssignPrivateNatGatewayAddress", json!({"NatGatewayId": private, "PrivateIpAddressCount": 7})), "AddressLimitExceeded");
    client.call("UnassignPrivateNatGatewayAddress", json!({"NatGatewayId": private, "PrivateIpAddresses": ["10.0.1.99"]}));
    client.call("DeleteNatGateway", json!({"NatGatewayId": private}));
    client.call("DeleteNatGateway", json!({"NatGatewayId": nat}));
}
