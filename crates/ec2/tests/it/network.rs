//! Calls as clients make them, and what they read back: the network families (VPCs, subnets, routes, gateways,
//! addresses, peerings, endpoints, lists, tags, regions).

use serde_json::{Value, json};

use crate::client::*;

#[test]
fn parameters_are_known_present_and_of_their_kind_in_every_operation() {
    let mut client = Client::new();
    for operation in ec2::operations() {
        let code = client.refused(operation, json!({"NoSuchParameter": "x"}));
        let expected = ["UnknownParameter", "MissingParameter", "InvalidParameterCombination", "MissingInput"];
        assert!(expected.contains(&code), "{operation} answered {code} to an unknown parameter");
    }
    for (operation, arguments, code) in [
        ("CreateVpc", json!({}), "MissingParameter"),
        ("CreateVpc", json!({"CidrBlock": ""}), "MissingParameter"),
        ("CreateVpc", json!({"CidrBlock": "10.0.0.0"}), "InvalidParameterValue"),
        ("CreateVpc", json!({"CidrBlock": 7}), "InvalidParameterValue"),
        ("CreateVpc", json!({"CidrBlock": "10.0.0.0/16", "Color": "red"}), "UnknownParameter"),
        ("CreateVpc", json!({"CidrBlock": "10.0.0.0/16", "Ipv4IpamPoolId": "ipam-1"}), "UnsupportedOperation"),
        ("CreateSubnet", json!({"CidrBlock": "10.0.0.0/24"}), "MissingParameter"),
        ("CreateSubnet", json!({"VpcId": "vpc-0", "CidrBlock": "10.0.0.0/24"}), "InvalidVpcID.NotFound"),
        ("DeleteRouteTable", json!({"RouteTableId": "nonsense"}), "InvalidRouteTableId.Malformed"),
        ("DescribeVpcs", json!({"VpcIds": ["vpc-0"]}), "InvalidVpcID.NotFound"),
        ("DescribeVpcs", json!({"Filters": [{"Name": "colour", "Values": ["red"]}]}), "InvalidParameterValue"),
        ("NoSuchAction", json!({}), "InvalidAction"),
    ] {
        assert_eq!(client.refused(operation, arguments.clone()), code, "{operation} {arguments}");
    }
}

#[test]
fn what_is_no_id_at_all_is_told_from_an_id_that_nobody_has() {
    let mut client = Client::new();
    for (operation, parameter, prefix, malformed, absent) in [
        ("DescribeVpcs", "VpcIds", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound"),
        ("DescribeSubnets", "SubnetIds", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound"),
        ("DescribeInstances", "InstanceIds", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"),
        ("DescribeInstanceStatus", "InstanceIds", "i", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound"),
        ("DescribeImages", "ImageIds", "ami", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound"),
        ("DescribeSecurityGroups", "GroupIds", "sg", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"),
        ("DescribeSecurityGroupRules", "SecurityGroupRuleIds", "sgr", "InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.NotFound"),
        ("DescribeNetworkAcls", "NetworkAclIds", "acl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound"),
        ("DescribeRouteTables", "RouteTableIds", "rtb", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound"),
        ("DescribeInternetGateways", "InternetGatewayIds", "igw", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound"),
        ("DescribeNatGateways", "NatGatewayIds", "nat", "NatGatewayMalformed", "NatGatewayNotFound"),
        ("DescribeNetworkInterfaces", "NetworkInterfaceIds", "eni", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound"),
        ("DescribeAddresses", "AllocationIds", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.NotFound"),
        ("DescribeVolumes", "VolumeIds", "vol", "InvalidParameterValue", "InvalidVolume.NotFound"),
        ("DescribeVolumeStatus", "VolumeIds", "vol", "InvalidParameterValue", "InvalidVolume.NotFound"),
        ("DescribeVolumesModifications", "VolumeIds", "vol", "InvalidParameterValue", "InvalidVolume.NotFound"),
        ("DescribeSnapshots", "SnapshotIds", "snap", "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound"),
        ("DescribeVpcPeeringConnections", "VpcPeeringConnectionIds", "pcx", "InvalidVpcPeeringConnectionId.Malformed", "InvalidVpcPeeringConnectionID.NotFound"),
        ("DescribeVpcEndpoints", "VpcEndpointIds", "vpce", "InvalidVpcEndpointId.Malformed", "InvalidVpcEndpointId.NotFound"),
        ("DescribeDhcpOptions", "DhcpOptionsIds", "dopt", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound"),
        ("DescribeManagedPrefixLists", "PrefixListIds", "pl", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound"),
        ("DescribeLaunchTemplates", "LaunchTemplateIds", "lt", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound"),
        ("DescribeTransitGateways", "TransitGatewayIds", "tgw", "InvalidTransitGatewayID.Malformed", "InvalidTransitGatewayID.NotFound"),
        ("DescribeTransitGatewayAttachments", "TransitGatewayAttachmentIds", "tgw-attach", "InvalidTransitGatewayAttachmentID.Malformed", "InvalidTransitGatewayAttachmentID.NotFound"),
        ("DescribeFlowLogs", "FlowLogIds", "fl", "InvalidFlowLogId.NotFound", "InvalidFlowLogId.NotFound"),
    ] {
        for (id, code) in [("banana".to_owned(), malformed), (format!("{prefix}-0123456789abcdef0"), absent)] {
            // One that is malformed is said first, wherever it stands.
            let ids = if code == malformed { json!([format!("{prefix}-0123456789abcdef0"), id]) } else { json!([id]) };
            assert_eq!(client.refused(operation, json!({parameter: ids})), code, "{operation} {id}");
        }
    }
    let told = ec2::call(&mut client.model, "DescribeVolumes", &json!({"VolumeIds": ["banana"]})).unwrap_err();
    assert_eq!(told.message, "Value (banana) for parameter volumes is invalid. Expected: 'vol-...'.", "programs look for these words");
    for (operation, arguments, code) in [
        ("ModifyVolume", json!({"VolumeId": "banana", "Size": 9}), "InvalidParameterValue"),
        ("DeleteVolume", json!({"VolumeId": "banana"}), "InvalidParameterValue"),
        ("CreateRoute", json!({"RouteTableId": "rtb-0", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "banana"}), "InvalidGatewayID.NotFound"),
        ("DetachNetworkInterface", json!({"AttachmentId": "banana"}), "InvalidNetworkInterfaceAttachmentId.Malformed"),
        ("ImportKeyPair", json!({"KeyName": "x", "PublicKeyMaterial": "bm8="}), "InvalidKey.Format"),
    ] {
        assert_eq!(client.refused(operation, arguments.clone()), code, "{operation} {arguments}");
    }
}

#[test]
fn a_dry_run_checks_and_changes_nothing() {
    let mut client = Client::new();
    let dry = ec2::call(&mut client.model, "CreateVpc", &json!({"CidrBlock": "10.0.0.0/16", "DryRun": true}));
    let dry = dry.unwrap_err();
    assert_eq!((dry.code.as_str(), dry.code.http_status()), ("DryRunOperation", 412));
    assert!(client.model.vpcs.is_empty());
    assert_eq!(client.refused("CreateVpc", json!({"CidrBlock": "10.0.0.0/8", "DryRun": true})), "InvalidVpc.Range");
    client.call("CreateVpc", json!({"CidrBlock": "10.0.0.0/16", "DryRun": false}));
    assert_eq!(client.model.vpcs.len(), 1);
}

#[test]
fn block_sizes_and_conflicts_sc_128() {
    let mut client = Client::new();
    let a = client.vpc("10.0.0.0/16");
    client.subnet(&a, "10.0.10.0/24");
    for block in ["10.8.0.0/15", "10.8.0.0/29"] {
        assert_eq!(client.refused("CreateVpc", json!({"CidrBlock": block})), "InvalidVpc.Range");
    }
    assert_eq!(client.call("CreateVpc", json!({"CidrBlock": "10.8.0.18/28"}))["Vpc"]["CidrBlock"], "10.8.0.16/28");
    for (block, code) in [("10.0.10.128/25", "InvalidSubnet.Conflict"), ("10.1.0.0/24", "InvalidSubnet.Range")] {
        assert_eq!(client.refused("CreateSubnet", json!({"VpcId": a, "CidrBlock": block})), code);
    }
    let associate = |block: &str| json!({"VpcId": a, "CidrBlock": block});
    assert_eq!(client.refused("AssociateVpcCidrBlock", associate("192.168.0.0/16")), "InvalidVpc.Range");
    let answer = client.call("AssociateVpcCidrBlock", associate("100.64.0.0/16"));
    assert_eq!(answer["CidrBlockAssociation"]["CidrBlockState"]["State"], "associating");
    client.wait(300);
    let shown = client.call("DescribeVpcs", json!({"VpcIds": [a]}));
    assert_eq!(shown["Vpcs"][0]["CidrBlockAssociationSet"][1]["CidrBlockState"]["State"], "associated");
}

#[test]
fn what_terraform_reads_of_a_new_vpc_is_there() {
    let mut client = Client::new();
    let (a, b) = (client.vpc("10.0.0.0/16"), client.vpc("10.1.0.0/16"));
    assert_eq!(client.call("DescribeVpcs", json!({}))["Vpcs"][0]["State"], "pending", "VPC-2");
    client.wait(10);
    let by = |name: &str, value: &str| json!({"Name": name, "Values": [value]});
    for (operation, key, field, filter) in [
        ("DescribeRouteTables", "RouteTables", "RouteTableId", by("association.main", "true")),
        ("DescribeNetworkAcls", "NetworkAcls", "NetworkAclId", by("default", "true")),
        ("DescribeSecurityGroups", "SecurityGroups", "GroupId", by("group-name", "default")),
    ] {
        let answer = client.call(operation, json!({"Filters": [filter, by("vpc-id", &a)]}));
        assert_eq!(listed(&answer, key, field).len(), 1, "{operation}");
        assert_eq!(answer[key][0]["VpcId"], *a);
    }
    for (attribute, field, value) in [
        ("enableDnsSupport", "EnableDnsSupport", true),
        ("enableDnsHostnames", "EnableDnsHostnames", false),
        ("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics", false),
    ] {
        let answer = client.call("DescribeVpcAttribute", json!({"VpcId": a, "Attribute": attribute}));
        assert_eq!(answer[field]["Value"], value, "{attribute}");
    }
    assert_eq!(client.call("DescribeVpcClassicLink", json!({"VpcIds": [b]}))["Vpcs"][0]["ClassicLinkEnabled"], false);
    let both = json!({"VpcId": a, "EnableDnsSupport": {"Value": true}, "EnableDnsHostnames": {"Value": true}});
    assert_eq!(client.refused("ModifyVpcAttribute", both), "InvalidParameterCombination", "VPC-15: each by its own call");
    client.call("ModifyVpcAttribute", json!({"VpcId": a, "EnableDnsHostnames": {"Value": true}}));
    let off = json!({"VpcId": a, "EnableDnsSupport": {"Value": false}});
    assert_eq!(client.refused("ModifyVpcAttribute", off), "InvalidParameterValue", "VPC-15");
}

#[test]
fn routes_inside_the_vpc_sc_070_to_072() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let igw = client.igw(&vpc);
    let home = client.subnet(&vpc, "10.0.20.0/24");
    let eni = client.id("CreateNetworkInterface", json!({"SubnetId": home}), "/NetworkInterface/NetworkInterfaceId");
    let table = client.id("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId");
    let route = |destination: &str, target: &str, id: &str| {
        json!({"RouteTableId": table, "DestinationCidrBlock": destination, target: id})
    };
    let refused = |client: &mut Client, arguments| client.refused("CreateRoute", arguments);
    assert_eq!(refused(&mut client, route("10.0.20.0/24", "GatewayId", &igw)), "InvalidParameterValue", "SC-070");
    assert_eq!(refused(&mut client, route("10.0.20.0/25", "NetworkInterfaceId", &eni)), "InvalidParameterValue", "SC-071");
    client.call("CreateRoute", route("0.0.0.0/0", "GatewayId", &igw));
    assert_eq!(refused(&mut client, route("0.0.0.0/0", "NetworkInterfaceId", &eni)), "RouteAlreadyExists", "SC-072");
    let none = json!({"RouteTableId": table, "DestinationCidrBlock": "1.0.0.0/8"});
    assert_eq!(refused(&mut client, none), "MissingParameter", "RT-16");
    let mut two = route("1.0.0.0/8", "GatewayId", &igw);
    two["NetworkInterfaceId"] = eni.clone().into();
    assert_eq!(refused(&mut client, two), "InvalidParameterCombination", "RT-16");
    client.call("ReplaceRoute", route("0.0.0.0/0", "NetworkInterfaceId", &eni));
    let shown = client.call("DescribeRouteTables", json!({"RouteTableIds": [table]}));
    let routes = &shown["RouteTables"][0]["Routes"];
    let local = json!({"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"});
    assert_eq!(routes[0], local, "RT-1, RT-10");
    let through = json!({"DestinationCidrBlock": "0.0.0.0/0", "NetworkInterfaceId": eni, "Origin": "CreateRoute", "State": "blackhole"});
    assert_eq!(routes[1], through, "RT-9: nobody holds the interface");
    client.call("DeleteRoute", json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}));
    let again = json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"});
    assert_eq!(client.refused("DeleteRoute", again), "InvalidRoute.NotFound", "RT-15");
}

#[test]
fn associations_of_route_tables_as_clients_see_them() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let igw = client.igw(&vpc);
    let home = client.subnet(&vpc, "10.0.20.0/24");
    let table = client.id("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId");
    let by_subnet = json!({"Filters": [{"Name": "association.subnet-id", "Values": [home]}]});
    let shown = client.call("DescribeRouteTables", by_subnet.clone());
    assert_eq!(shown["RouteTables"], json!([]), "RT-12: implicit associations are not listed");
    let association =
        client.id("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": home}), "/AssociationId");
    let shown = client.call("DescribeRouteTables", by_subnet);
    let expected = json!({
        "Main": false, "RouteTableAssociationId": association, "RouteTableId": table, "SubnetId": home,
        "AssociationState": {"State": "associated"},
    });
    assert_eq!(shown["RouteTables"][0]["Associations"], json!([expected]));
    let edge = client.id("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId");
    client.call("AssociateRouteTable", json!({"RouteTableId": edge, "GatewayId": igw}));
    let by_gateway = json!({"Filters": [{"Name": "association.gateway-id", "Values": [igw]}]});
    let shown = client.call("DescribeRouteTables", by_gateway);
    assert_eq!(listed(&shown, "RouteTables", "RouteTableId"), [edge.as_str()], "RT-18");
    assert_eq!(client.refused("AssociateRouteTable", json!({"RouteTableId": table})), "MissingParameter");
    let main = client.call("DescribeRouteTables", json!({"Filters": [{"Name": "association.main", "Values": ["true"]}]}));
    let main = main["RouteTables"][0]["Associations"][0]["RouteTableAssociationId"].clone();
    let answer = client.call("ReplaceRouteTableAssociation", json!({"AssociationId": main, "RouteTableId": table}));
    assert!(answer["NewAssociationId"].as_str().unwrap().starts_with("rtbassoc-"), "RT-11");
}

#[test]
fn one_gateway_a_vpc_and_a_used_one_stays_sc_100_101() {
    let mut client = Client::new();
    let (a, b) = (client.vpc("10.0.0.0/16"), client.vpc("10.1.0.0/16"));
    let igw = client.igw(&a);
    let (home, dark) = (client.subnet(&a, "10.0.0.0/24"), client.subnet(&b, "10.1.0.0/24"));
    let eni = |client: &mut Client, subnet: &str| {
        client.id("CreateNetworkInterface", json!({"SubnetId": subnet}), "/NetworkInterface/NetworkInterfaceId")
    };
    let (here, there) = (eni(&mut client, &home), eni(&mut client, &dark));
    let allocated = client.call("AllocateAddress", json!({"Domain": "vpc"}));
    let allocation = allocated["AllocationId"].as_str().unwrap().to_owned();
    let associate = |eni: &str| json!({"AllocationId": allocation, "NetworkInterfaceId": eni});
    assert_eq!(client.refused("AssociateAddress", associate(&there)), "Gateway.NotAttached", "SC-100, EIP-5");
    let association = client.id("AssociateAddress", associate(&here), "/AssociationId");
    let second = client.id("CreateInternetGateway", json!({}), "/InternetGateway/InternetGatewayId");
    let attach = json!({"InternetGatewayId": second, "VpcId": a});
    assert_eq!(client.refused("AttachInternetGateway", attach), "InvalidParameterValue", "SC-101, IGW-1");
    let detach = json!({"InternetGatewayId": igw, "VpcId": a});
    assert_eq!(client.refused("DetachInternetGateway", detach.clone()), "DependencyViolation", "SC-101, IGW-9");
    assert_eq!(client.refused("DeleteInternetGateway", json!({"InternetGatewayId": igw})), "DependencyViolation", "IGW-10");
    let shown = client.call("DescribeInternetGateways", json!({"Filters": [{"Name": "attachment.vpc-id", "Values": [a]}]}));
    assert_eq!(shown["InternetGateways"][0]["Attachments"], json!([{"State": "available", "VpcId": a}]));

    let by_association = json!({"Filters": [{"Name": "association-id", "Values": [association]}]});
    let shown = client.call("DescribeAddresses", by_association);
    assert_eq!(shown["Addresses"][0]["PublicIp"], allocated["PublicIp"]);
    assert_eq!(shown["Addresses"][0]["PrivateIpAddress"], "10.0.0.4");
    let release = json!({"AllocationId": allocation});
    assert_eq!(client.refused("ReleaseAddress", release.clone()), "InvalidIPAddress.InUse", "SC-131, EIP-7");
    client.call("DisassociateAddress", json!({"AssociationId": association}));
    client.call("ReleaseAddress", release);
    assert_eq!(client.refused("DescribeAddresses", json!({"PublicIps": [allocated["PublicIp"]]})), "InvalidAddress.NotFound");
    client.call("DetachInternetGateway", detach);
}

#[test]
fn a_detached_vpn_gateway_says_so_until_it_is_attached_again() {
    let mut client = Client::new();
    let (a, b) = (client.vpc("10.0.0.0/16"), client.vpc("10.1.0.0/16"));
    let gateway = client.id("CreateVpnGateway", json!({"Type": "ipsec.1"}), "/VpnGateway/VpnGatewayId");
    let attachments = |client: &mut Client| client.call("DescribeVpnGateways", json!({}))["VpnGateways"][0]["VpcAttachments"].clone();
    assert_eq!(attachments(&mut client), json!([]));
    client.call("AttachVpnGateway", json!({"VpcId": a, "VpnGatewayId": gateway}));
    assert_eq!(attachments(&mut client), json!([{"State": "attached", "VpcId": a}]));
    client.call("DetachVpnGateway", json!({"VpcId": a, "VpnGatewayId": gateway}));
    assert_eq!(attachments(&mut client), json!([{"State": "detached", "VpcId": a}]));
    client.call("AttachVpnGateway", json!({"VpcId": b, "VpnGatewayId": gateway}));
    assert_eq!(attachments(&mut client), json!([{"State": "attached", "VpcId": b}]));
}

#[test]
fn nat_gateway_failures_show_later_sc_105() {
    let mut client = Client::new();
    let (a, b) = (client.vpc("10.0.0.0/16"), client.vpc("10.1.0.0/16"));
    client.igw(&a);
    let (home, dark) = (client.subnet(&a, "10.0.0.0/24"), client.subnet(&b, "10.1.0.0/24"));
    let eip = |client: &mut Client| client.id("AllocateAddress", json!({"Domain": "vpc"}), "/AllocationId");
    let (used, free) = (eip(&mut client), eip(&mut client));
    let create = |client: &mut Client, arguments: Value| {
        let answer = client.call("CreateNatGateway", arguments);
        assert_eq!(answer["NatGateway"]["State"], "pending", "NAT-1");
        answer["NatGateway"]["NatGatewayId"].as_str().unwrap().to_owned()
    };
    let good = create(&mut client, json!({"SubnetId": home, "AllocationId": used}));
    let n1 = create(&mut client, json!({"SubnetId": dark, "ConnectivityType": "public", "AllocationId": free}));
    let n2 = create(&mut client, json!({"SubnetId": home, "ConnectivityType": "public", "AllocationId": used}));
    let n3 = create(&mut client, json!({"SubnetId": dark, "ConnectivityType": "private"}));
    client.wait(300);
    for (id, state, code) in [
        (&n1, "failed", json!("Gateway.NotAttached")),
        (&n2, "failed", json!("Resource.AlreadyAssociated")),
        (&n3, "available", Value::Null),
        (&good, "available", Value::Null),
    ] {
        let shown = client.call("DescribeNatGateways", json!({"NatGatewayIds": [id]}));
        assert_eq!((&shown["NatGateways"][0]["State"], &shown["NatGateways"][0]["FailureCode"]), (&json!(state), &code));
    }
    let failed = client.call("DescribeNatGateways", json!({"Filter": [{"Name": "state", "Values": ["failed"]}]}));
    assert_eq!(failed["NatGateways"].as_array().unwrap().len(), 2, "this call says Filter, not Filters");
    let table = client.id("CreateRouteTable", json!({"VpcId": a}), "/RouteTable/RouteTableId");
    client.call("CreateRoute", json!({"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": good}));
    client.call("DeleteNatGateway", json!({"NatGatewayId": good}));
    let shown = client.call("DescribeRouteTables", json!({"RouteTableIds": [table]}));
    assert_eq!(shown["RouteTables"][0]["Routes"][1]["State"], "blackhole", "SC-064, RT-9");
    let shown = client.call("DescribeAddresses", json!({"AllocationIds": [used]}));
    assert_eq!(shown["Addresses"][0].get("AssociationId"), None, "SC-064, NAT-18");
    client.wait(60);
    let shown = client.call("DescribeNatGateways", json!({"NatGatewayIds": [good]}));
    assert_eq!(shown["NatGateways"][0]["State"], "deleted", "clients wait for this word");
    client.call("DeleteSubnet", json!({"SubnetId": home}));
}

#[test]
fn peering_of_overlapping_vpcs_fails_sc_093_and_blocks_respect_routes_sc_129() {
    let mut client = Client::new();
    let (a, b, z) = (client.vpc("10.0.0.0/16"), client.vpc("10.1.0.0/16"), client.vpc("10.0.128.0/17"));
    let pointer = "/VpcPeeringConnection/VpcPeeringConnectionId";
    let peer = |client: &mut Client, x: &str, y: &str| {
        client.id("CreateVpcPeeringConnection", json!({"VpcId": x, "PeerVpcId": y}), pointer)
    };
    let bad = peer(&mut client, &a, &z);
    client.wait(300);
    let shown = client.call("DescribeVpcPeeringConnections", json!({"VpcPeeringConnectionIds": [bad]}));
    assert_eq!(shown["VpcPeeringConnections"][0]["Status"]["Code"], "failed", "SC-093, PCX-2");
    let good = peer(&mut client, &a, &b);
    client.wait(10);
    client.call("AcceptVpcPeeringConnection", json!({"VpcPeeringConnectionId": good}));
    client.wait(10);
    let active = json!({"Filters": [{"Name": "status-code", "Values": ["active"]}]});
    let shown = client.call("DescribeVpcPeeringConnections", active);
    assert_eq!(listed(&shown, "VpcPeeringConnections", "VpcPeeringConnectionId"), [good.as_str()]);
    let table = client.call("DescribeRouteTables", json!({"Filters": [{"Name": "vpc-id", "Values": [a]}]}));
    let table = table["RouteTables"][0]["RouteTableId"].clone();
    let route = json!({"RouteTableId": table, "DestinationCidrBlock": "10.9.0.0/24", "VpcPeeringConnectionId": good});
    client.call("CreateRoute", route);
    let add = |block: &str| json!({"VpcId": a, "CidrBlock": block});
    assert_eq!(client.refused("AssociateVpcCidrBlock", add("10.9.0.0/24")), "InvalidParameterValue", "SC-129, VPC-5");
    client.call("AssociateVpcCidrBlock", add("10.9.0.0/25"));
    assert_eq!(client.refused("AcceptVpcPeeringConnection", json!({"VpcPeeringConnectionId": bad})), "InvalidStateTransition");
}

#[test]
fn default_quotas_sc_130() {
    let mut client = Client::new();
    for i in 1..=5 {
        client.vpc(&format!("10.{i}.0.0/16"));
        client.call("AllocateAddress", json!({"Domain": "vpc"}));
    }
    assert_eq!(client.refused("CreateVpc", json!({"CidrBlock": "10.6.0.0/16"})), "VpcLimitExceeded");
    assert_eq!(client.refused("AllocateAddress", json!({"Domain": "vpc"})), "AddressLimitExceeded");
}

#[test]
fn the_default_vpc_and_zones_of_seoul() {
    let mut client = Client::new();
    let zones = client.call("DescribeAvailabilityZones", json!({}));
    assert_eq!(listed(&zones, "AvailabilityZones", "ZoneId"), ["apne2-az1", "apne2-az2", "apne2-az3", "apne2-az4"], "GEO-3");
    let one = client.call("DescribeAvailabilityZones", json!({"ZoneNames": ["ap-northeast-2c"]}));
    assert_eq!(listed(&one, "AvailabilityZones", "ZoneId"), ["apne2-az3"]);
    assert_eq!(client.refused("DescribeAvailabilityZones", json!({"ZoneNames": ["us-east-1a"]})), "InvalidParameterValue");
    let regions = client.call("DescribeRegions", json!({}));
    let regions = listed(&regions, "Regions", "RegionName");
    assert!(regions.contains(&"ap-northeast-2") && !regions.contains(&"ap-east-1"), "regions to opt in are left out");
    let vpc = client.call("CreateDefaultVpc", json!({}));
    assert_eq!((&vpc["Vpc"]["CidrBlock"], &vpc["Vpc"]["IsDefault"]), (&json!("172.31.0.0/16"), &json!(true)), "VPC-11");
    assert_eq!(client.refused("CreateDefaultVpc", json!({})), "DefaultVpcAlreadyExists");
    let subnets = client.call("DescribeSubnets", json!({"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}));
    assert_eq!(subnets["Subnets"].as_array().unwrap().len(), 4);
    assert!(subnets["Subnets"].as_array().unwrap().iter().all(|s| s["AvailableIpAddressCount"] == 4091), "SUB-4");
}

#[test]
fn tags_are_set_at_birth_changed_and_found() {
    let mut client = Client::new();
    let specification = |kind: &str| json!([{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "shop"}]}]);
    let create = json!({"CidrBlock": "10.0.0.0/16", "TagSpecifications": specification("vpc")});
    let vpc = client.id("CreateVpc", create, "/Vpc/VpcId");
    let wrong = json!({"CidrBlock": "10.1.0.0/16", "TagSpecifications": specification("subnet")});
    assert_eq!(client.refused("CreateVpc", wrong), "InvalidParameterValue");
    let options = json!({
        "DhcpConfigurations": [{"Key": "domain-name-servers", "Values": ["10.0.0.5", "AmazonProvidedDNS"]}],
        "TagSpecifications": specification("dhcp-options"),
    });
    let set = client.call("CreateDhcpOptions", options);
    assert_eq!(set["DhcpOptions"]["Tags"], json!([{"Key": "Name", "Value": "shop"}]), "some emulators drop these");
    let servers = json!([{"Value": "10.0.0.5"}, {"Value": "AmazonProvidedDNS"}]);
    assert_eq!(set["DhcpOptions"]["DhcpConfigurations"], json!([{"Key": "domain-name-servers", "Values": servers}]));
    client.call("CreateTags", json!({"Resources": [vpc], "Tags": [{"Key": "env", "Value": "lab"}]}));
    for filters in [
        json!([{"Name": "tag:Name", "Values": ["sh*"]}, {"Name": "tag:env", "Values": ["lab", "prod"]}]),
        json!([{"Name": "tag-key", "Values": ["env"]}]),
    ] {
        let shown = client.call("DescribeVpcs", json!({"Filters": filters}));
        assert_eq!(listed(&shown, "Vpcs", "VpcId"), [vpc.as_str()]);
    }
    let shown = client.call("DescribeTags", json!({"Filters": [{"Name": "resource-id", "Values": [vpc]}]}));
    let first = json!({"Key": "Name", "ResourceId": vpc, "ResourceType": "vpc", "Value": "shop"});
    assert_eq!((shown["Tags"].as_array().unwrap().len(), &shown["Tags"][0]), (2, &first));
    client.call("DeleteTags", json!({"Resources": [vpc], "Tags": [{"Key": "env"}]}));
    let shown = client.call("DescribeVpcs", json!({"VpcIds": [vpc]}));
    assert_eq!(shown["Vpcs"][0]["Tags"], json!([{"Key": "Name", "Value": "shop"}]));
}

#[test]
fn endpoints_and_prefix_lists_as_clients_see_them() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let table = client.id("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId");
    let service = "com.amazonaws.ap-northeast-2.s3";
    let create = json!({"VpcId": vpc, "ServiceName": service, "RouteTableIds": [table]});
    let id = client.id("CreateVpcEndpoint", create, "/VpcEndpoint/VpcEndpointId");
    client.wait(300);
    let shown = client.call("DescribeVpcEndpoints", json!({"VpcEndpointIds": [id]}));
    let endpoint = &shown["VpcEndpoints"][0];
    assert_eq!((&endpoint["State"], &endpoint["VpcEndpointType"]), (&json!("available"), &json!("Gateway")), "VPCE-6");
    let list = client.call("DescribePrefixLists", json!({"Filters": [{"Name": "prefix-list-name", "Values": [service]}]}));
    let list = list["PrefixLists"][0]["PrefixListId"].clone();
    let shown = client.call("DescribeRouteTables", json!({"RouteTableIds": [table]}));
    let expected = json!({"DestinationPrefixListId": list, "GatewayId": id, "Origin": "CreateRoute", "State": "active"});
    assert_eq!(shown["RouteTables"][0]["Routes"][1], expected, "VPCE-1");
    let by_call = json!({"RouteTableId": table, "DestinationPrefixListId": list});
    assert_eq!(client.refused("DeleteRoute", by_call), "InvalidParameterValue", "RT-16");
    let answer = client.call("DeleteVpcEndpoints", json!({"VpcEndpointIds": [id, "vpce-0"]}));
    assert_eq!(answer["Unsuccessful"][0]["Error"]["Code"], "InvalidVpcEndpointId.NotFound");
    assert_eq!(answer["Unsuccessful"].as_array().unwrap().len(), 1);

    let create = json!({"PrefixListName": "office", "AddressFamily": "IPv4", "MaxEntries": 3, "Entries": [{"Cidr": "203.0.113.0/24"}]});
    let office = client.id("CreateManagedPrefixList", create, "/PrefixList/PrefixListId");
    let change = json!({"PrefixListId": office, "CurrentVersion": 1, "AddEntries": [{"Cidr": "198.51.100.0/24", "Description": "b"}]});
    let answer = client.call("ModifyManagedPrefixList", change);
    assert_eq!((&answer["PrefixList"]["Version"], &answer["PrefixList"]["State"]), (&json!(2), &json!("modify-complete")), "RT-21");
    let shown = client.call("GetManagedPrefixListEntries", json!({"PrefixListId": office}));
    assert_eq!(shown["Entries"], json!([{"Cidr": "198.51.100.0/24", "Description": "b"}, {"Cidr": "203.0.113.0/24"}]));
    let old = json!({"PrefixListId": office, "TargetVersion": 1});
    assert_eq!(client.refused("GetManagedPrefixListEntries", old), "UnsupportedOperation");
}

#[test]
fn deleting_things_in_use_sc_131() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let home = client.subnet(&vpc, "10.0.10.0/24");
    let table = client.id("CreateRouteTable", json!({"VpcId": vpc}), "/RouteTable/RouteTableId");
    client.call("AssociateRouteTable", json!({"RouteTableId": table, "SubnetId": home}));
    client.call("CreateNetworkInterface", json!({"SubnetId": home}));
    for (operation, arguments) in [
        ("DeleteSubnet", json!({"SubnetId": home})),
        ("DeleteRouteTable", json!({"RouteTableId": table})),
        ("DeleteVpc", json!({"VpcId": vpc})),
    ] {
        assert_eq!(client.refused(operation, arguments), "DependencyViolation", "{operation}");
    }
}

/// Ids of the right form that nobody has.
#[test]
fn of_several_faults_those_of_parameters_are_named_before_what_is_not_there() {
    let mut client = Client::new();
    let (vpc, subnet, group, acl) = ("vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "sg-0123456789abcdef0", "acl-0123456789abcdef0");
    let aws = json!([{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "aws:mine", "Value": ""}]}]);
    let upside_down = json!([{"IpProtocol": "tcp", "FromPort": 9, "ToPort": 8, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]);
    let log = |more: Value| {
        let mut log = json!({"ResourceType": "VPC", "ResourceIds": [vpc], "TrafficType": "ALL", "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::bucket"});
        log.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        log
    };
    let entry = |number: u32| json!({"NetworkAclId": acl, "RuleNumber": number, "Protocol": "-1", "RuleAction": "allow", "Egress": false, "CidrBlock": "0.0.0.0/0"});
    for (operation, arguments, code) in [
        ("CreateFlowLogs", log(json!({"MaxAggregationInterval": 61})), "InvalidParameter"),
        ("CreateFlowLogs", log(json!({"MaxAggregationInterval": 61, "ResourceIds": ["vpc-?"]})), "InvalidParameter"),
        ("CreateFlowLogs", log(json!({"LogDestination": "arn:aws:s3:::X"})), "InvalidParameterValue"),
        ("CreateFlowLogs", log(json!({"TagSpecifications": aws})), "InvalidParameterValue"),
        ("CreateFlowLogs", log(json!({})), "InvalidVpcID.NotFound"),
        ("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/8"}), "InvalidSubnet.Range"),
        ("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "mars-1a"}), "InvalidParameterValue"),
        ("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/24"}), "InvalidVpcID.NotFound"),
        ("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "sg-x", "Description": "d"}), "InvalidParameterValue"),
        ("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "x", "Description": "d\u{0}"}), "InvalidParameterValue"),
        ("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "x", "Description": "d"}), "InvalidVpcID.NotFound"),
        ("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": upside_down}), "InvalidParameterValue"),
        ("AuthorizeSecurityGroupIngress", json!({"GroupId": group}), "MissingParameter"),
        ("CreateNetworkAclEntry", entry(40_000), "InvalidParameterValue"),
        ("CreateNetworkAclEntry", entry(100), "InvalidNetworkAclID.NotFound"),
        ("CreateNatGateway", json!({"SubnetId": subnet}), "MissingParameter"),
        ("CreateNatGateway", json!({"SubnetId": subnet, "ConnectivityType": "private", "AllocationId": "eipalloc-0123456789abcdef0"}), "InvalidParameterCombination"),
        ("CreateNatGateway", json!({"SubnetId": subnet, "ConnectivityType": "private"}), "InvalidSubnetID.NotFound"),
        ("CreateTransitGatewayVpcAttachment", json!({"TransitGatewayId": "tgw-0123456789abcdef0", "VpcId": vpc, "SubnetIds": []}), "MissingParameter"),
        ("AttachVolume", json!({"VolumeId": "vol-0123456789abcdef0", "InstanceId": "i-0123456789abcdef0", "Device": "C:"}), "InvalidParameterValue"),
        ("AttachVolume", json!({"VolumeId": "vol-0123456789abcdef0", "InstanceId": "i-0123456789abcdef0", "Device": "/dev/sdf"}), "InvalidVolume.NotFound"),
        ("CreateImage", json!({"InstanceId": "i-0123456789abcdef0", "Name": "?"}), "InvalidAMIName.Malformed"),
        ("CreateImage", json!({"InstanceId": "i-0123456789abcdef0", "Name": "good"}), "InvalidInstanceID.NotFound"),
    ] {
        assert_eq!(client.refused(operation, arguments.clone()), code, "{operation} {arguments}");
    }
}
