//! Calls as clients make them, and what they read back: security groups, network ACLs, interfaces, instances, key
//! pairs, images and types.

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha1::Digest;

use crate::client::*;

/// The default VPC; its subnets by zone.
fn with_default_vpc() -> (Client, Vec<String>) {
    let mut client = Client::new();
    client.call("CreateDefaultVpc", json!({}));
    let answer = client.call("DescribeSubnets", json!({}));
    let mut subnets: Vec<_> = answer["Subnets"].as_array().unwrap().iter().collect();
    subnets.sort_by_key(|subnet| subnet["AvailabilityZone"].to_string());
    let ids = subnets.iter().map(|subnet| subnet["SubnetId"].as_str().unwrap().to_owned()).collect();
    (client, ids)
}

fn image(client: &mut Client) -> String {
    client.id("DescribeImages", json!({"Filters": [{"Name": "architecture", "Values": ["x86_64"]}]}), "/Images/0/ImageId")
}

fn launch(client: &mut Client, subnet: &str) -> Value {
    let image = image(client);
    let arguments = json!({"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    client.call("RunInstances", arguments)["Instances"][0].clone()
}

fn instance(client: &mut Client, id: &Value) -> Value {
    client.call("DescribeInstances", json!({"InstanceIds": [id]}))["Reservations"][0]["Instances"][0].clone()
}

#[test]
fn an_auto_assigned_address_over_reboot_stop_and_start_sc_096() {
    let (mut client, subnets) = with_default_vpc();
    let launched = launch(&mut client, &subnets[0]);
    let id = &launched["InstanceId"];
    assert_eq!(launched["State"], json!({"Code": 0, "Name": "pending"}));
    client.wait(300);
    let first = instance(&mut client, id);
    assert_eq!(first["State"]["Name"], "running");
    assert!(first["PublicIpAddress"].is_string() && first["PublicDnsName"].as_str().unwrap().starts_with("ec2-"), "DNS-5");
    client.call("RebootInstances", json!({"InstanceIds": [id]}));
    client.wait(300);
    assert_eq!(instance(&mut client, id)["PublicIpAddress"], first["PublicIpAddress"]);
    let stopping = client.call("StopInstances", json!({"InstanceIds": [id]}));
    assert_eq!(stopping["StoppingInstances"][0]["CurrentState"], json!({"Code": 64, "Name": "stopping"}));
    assert_eq!(stopping["StoppingInstances"][0]["PreviousState"], json!({"Code": 16, "Name": "running"}));
    client.wait(300);
    let stopped = instance(&mut client, id);
    assert_eq!(stopped["State"]["Name"], "stopped");
    assert_eq!(stopped.get("PublicIpAddress"), None);
    assert_eq!(stopped["PublicDnsName"], "");
    assert!(stopped["StateTransitionReason"].as_str().unwrap().starts_with("User initiated (2026-11-25 09:"));
    client.call("StartInstances", json!({"InstanceIds": [id]}));
    client.wait(300);
    let second = instance(&mut client, id);
    assert!(second["PublicIpAddress"].is_string() && second["PublicIpAddress"] != first["PublicIpAddress"]);
    assert_eq!(second["PrivateIpAddress"], first["PrivateIpAddress"]);
}

#[test]
fn an_elastic_ip_over_stop_start_and_terminate_sc_097() {
    let (mut client, subnets) = with_default_vpc();
    let id = launch(&mut client, &subnets[0])["InstanceId"].clone();
    client.wait(300);
    let elastic = client.call("AllocateAddress", json!({"Domain": "vpc"}));
    client.call("AssociateAddress", json!({"AllocationId": elastic["AllocationId"], "InstanceId": id}));
    for verb in ["StopInstances", "StartInstances"] {
        client.call(verb, json!({"InstanceIds": [id]}));
        client.wait(300);
    }
    assert_eq!(instance(&mut client, &id)["PublicIpAddress"], elastic["PublicIp"]);
    client.call("TerminateInstances", json!({"InstanceIds": [id]}));
    client.wait(300);
    let gone = instance(&mut client, &id);
    assert_eq!(gone["State"]["Name"], "terminated");
    assert_eq!((gone.get("PrivateIpAddress"), &gone["NetworkInterfaces"]), (None, &json!([])));
    let kept = client.call("DescribeAddresses", json!({"PublicIps": [elastic["PublicIp"]]}));
    assert_eq!(kept["Addresses"][0]["AllocationId"], elastic["AllocationId"]);
    assert_eq!(kept["Addresses"][0].get("AssociationId"), None);
}

#[test]
fn an_elastic_ip_displaces_the_auto_assigned_address_sc_099() {
    let (mut client, subnets) = with_default_vpc();
    let id = launch(&mut client, &subnets[0])["InstanceId"].clone();
    client.wait(300);
    let first = instance(&mut client, &id)["PublicIpAddress"].clone();
    let elastic = client.call("AllocateAddress", json!({"Domain": "vpc"}));
    let association = client.call("AssociateAddress", json!({"AllocationId": elastic["AllocationId"], "InstanceId": id}));
    assert_eq!(instance(&mut client, &id)["PublicIpAddress"], elastic["PublicIp"]);
    client.call("DisassociateAddress", json!({"AssociationId": association["AssociationId"]}));
    client.wait(300);
    let third = instance(&mut client, &id)["PublicIpAddress"].clone();
    assert!(third.is_string() && third != first && third != elastic["PublicIp"]);
}

#[test]
fn reserved_addresses_and_the_free_count_sc_118() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.0.0/24");
    let free = |client: &mut Client| {
        client.call("DescribeSubnets", json!({"SubnetIds": [subnet]}))["Subnets"][0]["AvailableIpAddressCount"].clone()
    };
    let image = image(&mut client);
    let at = |address: &str| json!({
        "ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "PrivateIpAddress": address,
    });
    let id = client.id("RunInstances", at("10.0.0.10"), "/Instances/0/InstanceId");
    assert_eq!(free(&mut client), 250);
    for (address, code) in [
        ("10.0.0.3", "InvalidParameterValue"),
        ("10.0.0.255", "InvalidParameterValue"),
        ("10.0.0.10", "InvalidIPAddress.InUse"),
    ] {
        let arguments = json!({"SubnetId": subnet, "PrivateIpAddress": address});
        assert_eq!(client.refused("CreateNetworkInterface", arguments), code, "{address}");
    }
    client.wait(300);
    client.call("StopInstances", json!({"InstanceIds": [id]}));
    client.wait(300);
    assert_eq!(free(&mut client), 250, "SUB-4");
    client.call("TerminateInstances", json!({"InstanceIds": [id]}));
    client.wait(300);
    assert_eq!(free(&mut client), 251);
}

#[test]
fn rule_bookkeeping_sc_132_and_quotas_sc_130() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let arguments = json!({"GroupName": "web", "Description": "web", "VpcId": vpc});
    let group = client.id("CreateSecurityGroup", arguments, "/GroupId");
    let rule = |port: u16, block: &str| json!({"GroupId": group, "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": block}]},
    ]});
    client.call("AuthorizeSecurityGroupIngress", rule(443, "0.0.0.0/0"));
    let code = client.refused("AuthorizeSecurityGroupIngress", rule(443, "0.0.0.0/0"));
    assert_eq!(code, "InvalidPermission.Duplicate");
    let code = client.refused("RevokeSecurityGroupIngress", rule(8443, "0.0.0.0/0"));
    assert_eq!(code, "InvalidPermission.NotFound");
    let code = client.refused("CreateSecurityGroup", json!({"GroupName": "sg-foo", "Description": "x", "VpcId": vpc}));
    assert_eq!(code, "InvalidParameterValue");
    let acls = client.call("DescribeNetworkAcls", json!({"Filters": [{"Name": "default", "Values": ["true"]}]}));
    let entry = json!({
        "NetworkAclId": acls["NetworkAcls"][0]["NetworkAclId"], "RuleNumber": 100, "Protocol": "-1",
        "RuleAction": "allow", "Egress": false, "CidrBlock": "0.0.0.0/0",
    });
    assert_eq!(client.refused("CreateNetworkAclEntry", entry), "NetworkAclEntryAlreadyExists");
    for number in 1..60 {
        client.call("AuthorizeSecurityGroupIngress", rule(443, &format!("10.200.{number}.0/24")));
    }
    let code = client.refused("AuthorizeSecurityGroupIngress", rule(443, "10.200.60.0/24"));
    assert_eq!(code, "RulesPerSecurityGroupLimitExceeded");
    client.call("AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
    ]}));
}

#[test]
fn rules_read_back_grouped_and_one_by_one() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let group = client.id("CreateSecurityGroup", json!({"GroupName": "db", "Description": "d", "VpcId": vpc}), "/GroupId");
    let made = client.call("AuthorizeSecurityGroupIngress", json!({
        "GroupId": group,
        "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306,
             "IpRanges": [{"CidrIp": "10.0.0.0/24", "Description": "app"}, {"CidrIp": "10.0.1.0/24"}],
             "UserIdGroupPairs": [{"GroupId": group}]},
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            {"IpProtocol": "47", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        ],
        "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": [{"Key": "k", "Value": "v"}]}],
    }));
    assert_eq!(made["SecurityGroupRules"].as_array().unwrap().len(), 5);
    let shown = client.call("DescribeSecurityGroups", json!({"GroupIds": [group]}))["SecurityGroups"][0].clone();
    let permissions = shown["IpPermissions"].as_array().unwrap();
    let tcp = permissions.iter().find(|p| p["IpProtocol"] == "tcp").unwrap();
    assert_eq!(tcp["IpRanges"], json!([{"CidrIp": "10.0.0.0/24", "Description": "app"}, {"CidrIp": "10.0.1.0/24"}]));
    assert_eq!(tcp["UserIdGroupPairs"][0]["GroupId"], *group);
    let icmp = permissions.iter().find(|p| p["IpProtocol"] == "icmp").unwrap();
    assert_eq!((&icmp["FromPort"], &icmp["ToPort"]), (&json!(8), &json!(-1)), "SG-9");
    assert!(permissions.iter().any(|p| p["IpProtocol"] == "47" && p.get("FromPort").is_none()), "SG-8");
    assert_eq!(shown["IpPermissionsEgress"][0]["IpProtocol"], "-1", "SG-4");

    let filter = json!({"Filters": [{"Name": "group-id", "Values": [group]}, {"Name": "tag:k", "Values": ["v"]}]});
    let rules = client.call("DescribeSecurityGroupRules", filter);
    let rules = rules["SecurityGroupRules"].as_array().unwrap();
    assert_eq!(rules.len(), 5, "tagged ones; the egress rule is not");
    assert!(rules.iter().all(|rule| rule["IsEgress"] == false && rule["GroupId"] == *group));
    let gre = rules.iter().find(|rule| rule["IpProtocol"] == "47").unwrap();
    let id = &gre["SecurityGroupRuleId"];
    client.call("ModifySecurityGroupRules", json!({"GroupId": group, "SecurityGroupRules": [
        {"SecurityGroupRuleId": id, "SecurityGroupRule": {
            "IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIpv4": "10.0.0.2/32", "Description": "dns",
        }},
    ]}));
    let changed = client.call("DescribeSecurityGroupRules", json!({"SecurityGroupRuleIds": [id]}));
    let changed = &changed["SecurityGroupRules"][0];
    assert_eq!((&changed["FromPort"], &changed["Description"], &changed["Tags"]), (&json!(53), &json!("dns"), &gre["Tags"]));
    client.call("RevokeSecurityGroupIngress", json!({"GroupId": group, "SecurityGroupRuleIds": [id]}));
    let code = client.refused("DescribeSecurityGroupRules", json!({"SecurityGroupRuleIds": [id]}));
    assert_eq!(code, "InvalidSecurityGroupRuleId.NotFound");

    for wrong in [
        json!({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}),
        json!({"IpProtocol": "tcp", "FromPort": 2, "ToPort": 1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}),
        json!({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65_536, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}),
        json!({"IpProtocol": "icmp", "FromPort": -1, "ToPort": 3, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}),
        json!({"IpProtocol": "foo", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}),
        json!({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}),
    ] {
        let arguments = json!({"GroupId": group, "IpPermissions": [wrong]});
        assert_eq!(client.refused("AuthorizeSecurityGroupIngress", arguments), "InvalidParameterValue", "{wrong}");
    }
}

#[test]
fn the_older_form_of_rules_is_understood() {
    let (mut client, _) = with_default_vpc();
    client.call("CreateSecurityGroup", json!({"GroupName": "web", "Description": "x"}));
    let arguments = json!({"GroupName": "web", "IpProtocol": "tcp", "FromPort": "80", "ToPort": "80", "CidrIp": "0.0.0.0/0"});
    client.call("AuthorizeSecurityGroupIngress", arguments.clone());
    assert_eq!(client.refused("AuthorizeSecurityGroupIngress", arguments), "InvalidPermission.Duplicate");
    client.call("AuthorizeSecurityGroupIngress", json!({"GroupName": "web", "SourceSecurityGroupName": "default"}));
    client.call("DeleteSecurityGroup", json!({"GroupName": "web"}));
    assert_eq!(client.refused("DeleteSecurityGroup", json!({"GroupName": "web"})), "InvalidGroup.NotFound");
}

#[test]
fn entries_read_back_as_they_were_written_with_the_final_ones() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let acl = client.id("CreateNetworkAcl", json!({"VpcId": vpc}), "/NetworkAcl/NetworkAclId");
    let entry = |number: u32, more: Value| {
        let mut arguments = json!({"NetworkAclId": acl, "RuleNumber": number, "RuleAction": "allow", "Egress": false,
            "CidrBlock": "10.0.0.9/8"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    client.call("CreateNetworkAclEntry", entry(10, json!({"Protocol": "6", "PortRange": {"From": 80, "To": 81}})));
    client.call("CreateNetworkAclEntry", entry(20, json!({"Protocol": "1", "IcmpTypeCode": {"Type": 8, "Code": -1}})));
    let shown = client.call("DescribeNetworkAcls", json!({"NetworkAclIds": [acl]}))["NetworkAcls"][0]["Entries"].clone();
    let ingress: Vec<_> = shown.as_array().unwrap().iter().filter(|e| e["Egress"] == false).collect();
    assert_eq!(ingress[0], &json!({"CidrBlock": "10.0.0.0/8", "Egress": false, "PortRange": {"From": 80, "To": 81},
        "Protocol": "6", "RuleAction": "allow", "RuleNumber": 10}), "ACL-12");
    assert_eq!(ingress[1]["IcmpTypeCode"], json!({"Code": -1, "Type": 8}));
    assert_eq!((&ingress[2]["RuleNumber"], &ingress[2]["RuleAction"]), (&json!(32_767), &json!("deny")), "ACL-1");
    for (what, wrong, code) in [
        ("ACL-6", entry(30, json!({"Protocol": "6"})), "MissingParameter"),
        ("ACL-6", entry(30, json!({"Protocol": "1"})), "MissingParameter"),
        ("ACL-1", entry(32_767, json!({"Protocol": "-1"})), "InvalidParameterValue"),
        ("ACL-1", entry(70_000, json!({"Protocol": "-1"})), "InvalidParameterValue"),
        ("ACL-11", entry(10, json!({"Protocol": "-1"})), "NetworkAclEntryAlreadyExists"),
    ] {
        assert_eq!(client.refused("CreateNetworkAclEntry", wrong), code, "{what}");
    }
    client.call("DeleteNetworkAclEntry", json!({"NetworkAclId": acl, "RuleNumber": 10, "Egress": false}));
    client.call("DeleteNetworkAcl", json!({"NetworkAclId": acl}));
}

#[test]
fn interfaces_read_back_with_their_addresses_and_attachment() {
    let (mut client, subnets) = with_default_vpc();
    let host = launch(&mut client, &subnets[0]);
    client.wait(300);
    let made = client.call("CreateNetworkInterface", json!({
        "SubnetId": subnets[0], "Description": "second",
        "PrivateIpAddresses": [{"PrivateIpAddress": "172.31.0.50"}, {"PrivateIpAddress": "172.31.0.40", "Primary": true}],
        "TagSpecifications": [{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "n"}]}],
    }))["NetworkInterface"].clone();
    let id = made["NetworkInterfaceId"].as_str().unwrap().to_owned();
    assert_eq!((&made["PrivateIpAddress"], &made["Status"]), (&json!("172.31.0.40"), &json!("available")));
    assert_eq!(made["PrivateDnsName"], "ip-172-31-0-40.ap-northeast-2.compute.internal");
    let attach = json!({"NetworkInterfaceId": id, "InstanceId": host["InstanceId"], "DeviceIndex": 1});
    let attachment = client.id("AttachNetworkInterface", attach, "/AttachmentId");
    let by_instance = json!({"Filters": [
        {"Name": "attachment.instance-id", "Values": [host["InstanceId"]]},
        {"Name": "addresses.private-ip-address", "Values": ["172.31.0.50"]},
    ]});
    let shown = client.call("DescribeNetworkInterfaces", by_instance)["NetworkInterfaces"].clone();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!((&shown[0]["Status"], &shown[0]["Attachment"]["DeviceIndex"]), (&json!("in-use"), &json!(1)));
    assert_eq!(shown[0]["Attachment"]["DeleteOnTermination"], false, "ENI-8");
    let both = instance(&mut client, &host["InstanceId"])["NetworkInterfaces"].clone();
    assert_eq!(both.as_array().unwrap().len(), 2);
    let group = &both[0]["Groups"][0]["GroupId"];
    assert_eq!(instance(&mut client, &host["InstanceId"])["SecurityGroups"][0]["GroupId"], *group);

    let modify = |change: Value| {
        let mut arguments = json!({"NetworkInterfaceId": id});
        arguments.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        arguments
    };
    client.call("ModifyNetworkInterfaceAttribute", modify(json!({"SourceDestCheck": {"Value": false}})));
    let delete = json!({"Attachment": {"AttachmentId": attachment, "DeleteOnTermination": true}});
    client.call("ModifyNetworkInterfaceAttribute", modify(delete));
    let check = client.call("DescribeNetworkInterfaceAttribute", modify(json!({"Attribute": "sourceDestCheck"})));
    assert_eq!(check["SourceDestCheck"], json!({"Value": false}), "ENI-5");
    client.call("ResetNetworkInterfaceAttribute", modify(json!({"SourceDestCheck": "true"})));
    let check = client.call("DescribeNetworkInterfaceAttribute", modify(json!({"Attribute": "sourceDestCheck"})));
    assert_eq!(check["SourceDestCheck"], json!({"Value": true}));
    let two = modify(json!({"SourceDestCheck": {"Value": false}, "Description": {"Value": "x"}}));
    assert_eq!(client.refused("ModifyNetworkInterfaceAttribute", two), "InvalidParameterCombination");
    let code = client.refused("ModifyNetworkInterfaceAttribute", modify(json!({})));
    assert_eq!(code, "InvalidParameterCombination");
    client.call("UnassignPrivateIpAddresses", modify(json!({"PrivateIpAddresses": ["172.31.0.50"]})));
    let assigned = client.call("AssignPrivateIpAddresses", modify(json!({"SecondaryPrivateIpAddressCount": 1})));
    assert_eq!(assigned["AssignedPrivateIpAddresses"].as_array().unwrap().len(), 1);
    client.call("DetachNetworkInterface", json!({"AttachmentId": attachment, "Force": true}));
    client.call("DeleteNetworkInterface", json!({"NetworkInterfaceId": id}));
    let code = client.refused("DescribeNetworkInterfaces", json!({"NetworkInterfaceIds": [id]}));
    assert_eq!(code, "InvalidNetworkInterfaceID.NotFound");
}

#[test]
fn a_launch_as_terraform_writes_it_reads_back_whole() {
    let (mut client, subnets) = with_default_vpc();
    let vpc = client.id("DescribeVpcs", json!({}), "/Vpcs/0/VpcId");
    let group = client.id("CreateSecurityGroup", json!({"GroupName": "w", "Description": "w", "VpcId": vpc}), "/GroupId");
    let image = image(&mut client);
    let launched = client.call("RunInstances", json!({
        "ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "ClientToken": "abc",
        "IamInstanceProfile": {"Name": ""}, "Placement": {"AvailabilityZone": "", "GroupName": ""},
        "CreditSpecification": {"CpuCredits": "standard"}, "HibernationOptions": {"Configured": false},
        "Monitoring": {"Enabled": false}, "UserData": "IyEvYmluL3NoCg==", "InstanceInitiatedShutdownBehavior": "terminate",
        "DisableApiTermination": true,
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "InstanceMetadataTags": "enabled"},
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnets[1], "Groups": [group],
            "AssociatePublicIpAddress": false, "DeleteOnTermination": true, "PrivateIpAddress": "172.31.16.9"}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "disk"}]}],
    }));
    assert_eq!(launched["OwnerId"], "111122223333");
    let id = launched["Instances"][0]["InstanceId"].clone();
    client.wait(300);
    let filters = json!({"Filters": [
        {"Name": "tag:Name", "Values": ["we*"]}, {"Name": "instance-state-name", "Values": ["pending", "running"]},
        {"Name": "instance.group-id", "Values": [group]},
    ]});
    let shown = client.call("DescribeInstances", filters)["Reservations"][0]["Instances"][0].clone();
    assert_eq!(shown["InstanceId"], id);
    assert_eq!(shown["SecurityGroups"], json!([{"GroupId": group, "GroupName": "w"}]), "groups of the interface");
    for (path, expected) in [
        ("/PrivateIpAddress", json!("172.31.16.9")),
        ("/Placement/AvailabilityZone", json!("ap-northeast-2b")),
        ("/MetadataOptions/HttpTokens", json!("required")),
        ("/MetadataOptions/InstanceMetadataTags", json!("enabled")),
        ("/Architecture", json!("x86_64")),
        ("/CpuOptions", json!({"CoreCount": 1, "ThreadsPerCore": 2})),
        ("/Tags", json!([{"Key": "Name", "Value": "web"}])),
        ("/Monitoring/State", json!("disabled")),
        ("/NetworkInterfaces/0/Attachment/DeleteOnTermination", json!(true)),
    ] {
        assert_eq!(shown.pointer(path), Some(&expected), "{path}");
    }
    assert_eq!(shown.get("PublicIpAddress"), None, "SUB-6: the launch overrides the subnet");
    for (attribute, path, expected) in [
        ("userData", "/UserData/Value", json!("IyEvYmluL3NoCg==")),
        ("instanceInitiatedShutdownBehavior", "/InstanceInitiatedShutdownBehavior/Value", json!("terminate")),
        ("disableApiTermination", "/DisableApiTermination/Value", json!(true)),
        ("disableApiStop", "/DisableApiStop/Value", json!(false)),
        ("instanceType", "/InstanceType/Value", json!("t3.micro")),
    ] {
        let answer = client.call("DescribeInstanceAttribute", json!({"InstanceId": id, "Attribute": attribute}));
        assert_eq!(answer.pointer(path), Some(&expected), "{attribute}");
    }
    let credits = json!({"InstanceIds": [id]});
    let credits = client.call("DescribeInstanceCreditSpecifications", credits)["InstanceCreditSpecifications"].clone();
    assert_eq!(credits, json!([{"InstanceId": id, "CpuCredits": "standard"}]));
    assert_eq!(client.refused("TerminateInstances", json!({"InstanceIds": [id]})), "OperationNotPermitted", "INST-4");
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "DisableApiTermination": {"Value": false}}));
    client.call("TerminateInstances", json!({"InstanceIds": [id]}));
}

#[test]
fn what_a_launch_may_not_say() {
    let (mut client, subnets) = with_default_vpc();
    let image = image(&mut client);
    let with = |more: Value| {
        let mut arguments = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnets[0]});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    for (more, code) in [
        (json!({"ImageId": "foo"}), "InvalidAMIID.Malformed"),
        (json!({"ImageId": "ami-0123456789abcdef0"}), "InvalidAMIID.NotFound"),
        (json!({"ImageId": null}), "MissingParameter"),
        (json!({"MinCount": null}), "MissingParameter"),
        (json!({"InstanceType": "t3.huge"}), "InvalidParameterValue"),
        (json!({"UserData": "not base64!"}), "InvalidUserData.Malformed"),
        (json!({"MetadataOptions": {"HttpTokens": "sometimes"}}), "InvalidParameterValue"),
        (json!({"MetadataOptions": {"HttpPutResponseHopLimit": 65}}), "InvalidParameterValue"),
        (json!({"InstanceType": "m5.large", "CreditSpecification": {"CpuCredits": "unlimited"}}), "InvalidParameterValue"),
        (json!({"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnets[0]}]}), "InvalidParameterCombination"),
        (json!({"TagSpecifications": [{"ResourceType": "vpc", "Tags": []}]}), "InvalidParameterValue"),
        (json!({"SubnetId": "subnet-0"}), "InvalidSubnetID.NotFound"),
        (json!({"KeyName": "nobody's"}), "InvalidKeyPair.NotFound"),
        (json!({"LaunchTemplate": {"LaunchTemplateName": "x"}}), "InvalidLaunchTemplateName.NotFoundException"),
    ] {
        assert_eq!(client.refused("RunInstances", with(more.clone())), code, "{more}");
    }
    for (verb, key) in [("StartInstances", "i-0123456789abcdef0"), ("DescribeInstances", "i-0123456789abcdef0")] {
        assert_eq!(client.refused(verb, json!({"InstanceIds": [key]})), "InvalidInstanceID.NotFound");
        assert_eq!(client.refused(verb, json!({"InstanceIds": ["foo"]})), "InvalidInstanceID.Malformed");
    }
}

#[test]
fn attributes_in_both_forms_and_only_while_stopped() {
    let (mut client, subnets) = with_default_vpc();
    let id = launch(&mut client, &subnets[0])["InstanceId"].clone();
    client.wait(300);
    let status = client.call("DescribeInstanceStatus", json!({"InstanceIds": [id]}));
    assert_eq!(status["InstanceStatuses"][0]["InstanceStatus"]["Status"], "ok");
    let bigger = json!({"InstanceId": id, "InstanceType": {"Value": "t3.small"}});
    assert_eq!(client.refused("ModifyInstanceAttribute", bigger.clone()), "IncorrectInstanceState", "INST-7");
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "Attribute": "disableApiStop", "Value": "true"}));
    assert_eq!(client.refused("StopInstances", json!({"InstanceIds": [id]})), "OperationNotPermitted");
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "DisableApiStop": {"Value": "false"}}));
    client.call("StopInstances", json!({"InstanceIds": [id]}));
    client.wait(300);
    let status = client.call("DescribeInstanceStatus", json!({"InstanceIds": [id]}));
    assert_eq!(status["InstanceStatuses"], json!([]), "running ones unless all are asked for");
    client.call("ModifyInstanceAttribute", bigger);
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "UserData": {"Value": "aGk="}}));
    client.call("ModifyInstanceAttribute", json!({"InstanceId": id, "SourceDestCheck": {"Value": false}}));
    let shown = instance(&mut client, &id);
    assert_eq!((&shown["InstanceType"], &shown["SourceDestCheck"]), (&json!("t3.small"), &json!(false)));
    let options = json!({"InstanceId": id, "HttpTokens": "optional", "HttpEndpoint": "disabled"});
    let options = client.call("ModifyInstanceMetadataOptions", options)["InstanceMetadataOptions"].clone();
    assert_eq!((&options["HttpTokens"], &options["HttpEndpoint"]), (&json!("optional"), &json!("disabled")));
}

#[test]
fn key_pairs_are_made_imported_and_shown_without_their_private_half() {
    let mut client = Client::new();
    let made = client.call("CreateKeyPair", json!({"KeyName": "mine", "KeyType": "ed25519"}));
    let material = made["KeyMaterial"].as_str().unwrap();
    assert!(material.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    let private = ssh_key::PrivateKey::from_openssh(material).unwrap();
    let describe = json!({"KeyNames": ["mine"], "IncludePublicKey": true});
    let shown = client.call("DescribeKeyPairs", describe)["KeyPairs"][0].clone();
    assert_eq!(shown["PublicKey"], private.public_key().to_openssh().unwrap(), "the halves belong together");
    assert_eq!(shown["KeyFingerprint"], made["KeyFingerprint"]);
    assert!(!serde_json::to_string(&client.model).unwrap().contains("PRIVATE"));
    // RSA is what AWS makes of a call without a type.
    let other = client.call("CreateKeyPair", json!({"KeyName": "other"}));
    let private = rsa::RsaPrivateKey::from_pkcs1_pem(other["KeyMaterial"].as_str().unwrap()).unwrap();
    assert_eq!(private.n().bits(), 2_048);
    let digest = sha1::Sha1::digest(private.to_pkcs8_der().unwrap().as_bytes());
    let printed = digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    assert_eq!(other["KeyFingerprint"], printed, "as `openssl pkcs8 -in KEY -nocrypt -topk8 -outform DER | openssl sha1 -c` prints it");
    let shown = client.call("DescribeKeyPairs", json!({"KeyNames": ["other"], "IncludePublicKey": true}))["KeyPairs"][0].clone();
    assert_eq!((&shown["KeyType"], &shown["KeyFingerprint"]), (&json!("rsa"), &json!(printed)));
    let public = ssh_key::PublicKey::from_openssh(shown["PublicKey"].as_str().unwrap()).unwrap();
    let number = public.key_data().rsa().unwrap().n.as_positive_bytes().unwrap().to_vec();
    assert_eq!((number, public.comment()), (private.n().to_bytes_be(), "other"), "the halves belong together");

    // Fingerprints as `openssl rsa -pubout -outform DER | openssl md5 -c` and `ssh-keygen -l` print them.
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDf+mUkG+VIwet+YrVCB70fBZzyKJDCz+T+Q7WrdU91fpMw0elpGFtLlYenzoOQutTo5eO\
               hUme+xQ9nDh+jJTSNyiqCz+Am1hgmJC2LrXDfad3pmvxezNdm5oEChuDiLcwGc8o9aElU90n/KTy94t2IHqG3qE61v0Wqj13qh6Jsow6DUbiYw\
               U1a0BxSf5GoAl0bz9cBhR3zbydippvaZcc1tj2Q0/QgAW+oKBInG25gXDWHqOAS/Es7hOdVs7DXMtg0QSA/H4MWsft7EimNtgaN9bNfimdx1W/\
               Arqf2E8sWMiDZxh7Me73Zq0JPDCFL3VGeuND8jzImMNrJr+flu+GL t";
    let ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVS5YtHPvRNJJl72xq2EjL0Z59r4/AjHrZxOCt0MGHM t";
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(ed25519);
    for (name, key, fingerprint) in [
        ("rsa", rsa, "d7:d3:06:5a:af:3a:ed:f0:ba:07:13:18:69:aa:25:d5"),
        ("ed25519", &encoded, "ciGqDYPz31qSIBScYPphJ8S/9HBO4vUvySFZ99/BXLw="),
    ] {
        let imported = client.call("ImportKeyPair", json!({"KeyName": name, "PublicKeyMaterial": key}));
        assert_eq!(imported["KeyFingerprint"], fingerprint, "{name}");
    }
    let types = client.call("DescribeKeyPairs", json!({"Filters": [{"Name": "key-name", "Values": ["rsa", "ed*"]}]}));
    assert_eq!(listed(&types, "KeyPairs", "KeyType"), ["ed25519", "rsa"]);
    assert_eq!(types["KeyPairs"][0].get("PublicKey"), None);
    let short = rsa::RsaPrivateKey::new(&mut ssh_key::rand_core::OsRng, 512).unwrap();
    let number = |number: &rsa::BigUint| ssh_key::Mpint::from_positive_bytes(&number.to_bytes_be()).unwrap();
    let short = ssh_key::public::RsaPublicKey { e: number(short.e()), n: number(short.n()) };
    let short = ssh_key::PublicKey::from(ssh_key::public::KeyData::Rsa(short)).to_openssh().unwrap();
    for (verb, arguments, code) in [
        ("ImportKeyPair", json!({"KeyName": "x", "PublicKeyMaterial": "bm8="}), "InvalidKey.Format"),
        ("ImportKeyPair", json!({"KeyName": "rsa", "PublicKeyMaterial": ed25519}), "InvalidKeyPair.Duplicate"),
        ("CreateKeyPair", json!({"KeyName": "mine"}), "InvalidKeyPair.Duplicate"),
        ("CreateKeyPair", json!({"KeyName": "x", "KeyType": "dsa"}), "InvalidParameterValue"),
        ("ImportKeyPair", json!({"KeyName": "x", "PublicKeyMaterial": short}), "InvalidKey.Format"),
        ("DescribeKeyPairs", json!({"KeyNames": ["x"]}), "InvalidKeyPair.NotFound"),
        ("DescribeKeyPairs", json!({"KeyPairIds": ["key-0"]}), "InvalidKeyPair.NotFound"),
        ("DeleteKeyPair", json!({"KeyPairId": "key-0"}), "InvalidKeyPair.NotFound"),
    ] {
        assert_eq!(client.refused(verb, arguments), code, "{verb}");
    }
    client.call("DeleteKeyPair", json!({"KeyName": "x"}));
    let gone = client.call("DeleteKeyPair", json!({"KeyName": "mine"}));
    assert_eq!(gone["KeyPairId"], made["KeyPairId"]);
}

#[test]
fn images_and_types_are_found_as_clients_look_for_them() {
    let mut client = Client::new();
    let found = client.call("DescribeImages", json!({"Owners": ["amazon"], "Filters": [
        {"Name": "name", "Values": ["al2023-ami-*-x86_64"]}, {"Name": "virtualization-type", "Values": ["hvm"]},
        {"Name": "root-device-type", "Values": ["ebs"]},
    ]}));
    assert_eq!(found["Images"].as_array().unwrap().len(), 1);
    assert_eq!(found["Images"][0]["ImdsSupport"], "v2.0", "IMDS-7");
    let debian = client.call("DescribeImages", json!({"Owners": ["136693071363"]}));
    assert_eq!(debian["Images"].as_array().unwrap().len(), 2);
    let types = client.call("DescribeInstanceTypes", json!({"InstanceTypes": ["t3.micro"]}));
    assert_eq!(types["InstanceTypes"][0]["NetworkInfo"]["MaximumNetworkInterfaces"], 2, "ENI-4");
    assert_eq!(client.refused("DescribeInstanceTypes", json!({"InstanceTypes": ["x1.tiny"]})), "InvalidInstanceType");
    let offerings = json!({"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": ["t3.micro"]}]});
    let offerings = client.call("DescribeInstanceTypeOfferings", offerings);
    let zones = ["a", "b", "c", "d"].map(|zone| format!("ap-northeast-2{zone}"));
    assert_eq!(listed(&offerings, "InstanceTypeOfferings", "Location"), zones);
}

#[test]
fn credits_are_a_matter_of_burstable_types() {
    let (mut client, subnets) = with_default_vpc();
    let burstable = launch(&mut client, &subnets[0])["InstanceId"].clone();
    let image = image(&mut client);
    let arguments = json!({"ImageId": image, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1, "SubnetId": subnets[0]});
    let steady = client.id("RunInstances", arguments, "/Instances/0/InstanceId");
    let all = client.call("DescribeInstanceCreditSpecifications", json!({}))["InstanceCreditSpecifications"].clone();
    assert_eq!(all, json!([{"InstanceId": burstable, "CpuCredits": "unlimited"}]));
    let code = client.refused("DescribeInstanceCreditSpecifications", json!({"InstanceIds": [steady]}));
    assert_eq!(code, "UnsupportedOperation");
    let changed = client.call("ModifyInstanceCreditSpecification", json!({"InstanceCreditSpecifications": [
        {"InstanceId": burstable, "CpuCredits": "standard"}, {"InstanceId": steady, "CpuCredits": "standard"},
    ]}));
    assert_eq!(changed["SuccessfulInstanceCreditSpecifications"], json!([{"InstanceId": burstable}]));
    let failed = &changed["UnsuccessfulInstanceCreditSpecifications"][0];
    assert_eq!((&failed["InstanceId"], &failed["Error"]["Code"]), (&json!(steady), &json!("InvalidParameterValue")));
}
