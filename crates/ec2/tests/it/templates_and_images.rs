//! What instances are launched of, as clients use it: launch templates and machine images.

use serde_json::{Value, json};

use crate::client::*;

fn image(client: &mut Client) -> String {
    client.id("DescribeImages", json!({"Filters": [{"Name": "architecture", "Values": ["x86_64"]}]}), "/Images/0/ImageId")
}

fn subnet(client: &mut Client) -> String {
    let vpc = client.vpc("10.0.0.0/16");
    client.subnet(&vpc, "10.0.1.0/24")
}

#[test]
fn a_template_has_versions_and_a_default_one() {
    let mut client = Client::new();
    let image = image(&mut client);
    let tags = json!([{"ResourceType": "launch-template", "Tags": [{"Key": "k", "Value": "v"}]}]);
    let data = json!({"ImageId": image, "InstanceType": "t3.micro"});
    let made = json!({"LaunchTemplateName": "web", "LaunchTemplateData": data, "VersionDescription": "first", "TagSpecifications": tags});
    let id = client.id("CreateLaunchTemplate", made.clone(), "/LaunchTemplate/LaunchTemplateId");
    assert_eq!(client.refused("CreateLaunchTemplate", made), "InvalidLaunchTemplateName.AlreadyExistsException");
    let second = json!({"LaunchTemplateName": "web", "SourceVersion": "1", "LaunchTemplateData": {"InstanceType": "t3.small"}});
    let second = client.call("CreateLaunchTemplateVersion", second)["LaunchTemplateVersion"].clone();
    assert_eq!((&second["VersionNumber"], &second["DefaultVersion"]), (&json!(2), &json!(false)));
    assert_eq!(second["LaunchTemplateData"], json!({"ImageId": image, "InstanceType": "t3.small"}), "of the source, changed");
    let shown = client.call("DescribeLaunchTemplates", json!({"LaunchTemplateNames": ["web"], "Filters": [{"Name": "tag:k", "Values": ["v"]}]}));
    let template = &shown["LaunchTemplates"][0];
    assert_eq!((&template["DefaultVersionNumber"], &template["LatestVersionNumber"]), (&json!(1), &json!(2)));
    let numbers = |client: &mut Client, arguments: Value| -> Vec<u64> {
        let answer = client.call("DescribeLaunchTemplateVersions", arguments);
        answer["LaunchTemplateVersions"].as_array().unwrap().iter().map(|version| version["VersionNumber"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&mut client, json!({"LaunchTemplateId": id})), [2, 1]);
    assert_eq!(numbers(&mut client, json!({"LaunchTemplateId": id, "Versions": ["$Default"]})), [1]);
    assert_eq!(numbers(&mut client, json!({"Versions": ["$Latest"]})), [2]);
    assert_eq!(numbers(&mut client, json!({"LaunchTemplateId": id, "Filters": [{"Name": "instance-type", "Values": ["t3.micro"]}]})), [1]);
    client.call("ModifyLaunchTemplate", json!({"LaunchTemplateId": id, "DefaultVersion": "2"}));
    let gone = client.call("DeleteLaunchTemplateVersions", json!({"LaunchTemplateId": id, "Versions": ["1", "2", "7"]}));
    assert_eq!(gone["SuccessfullyDeletedLaunchTemplateVersions"].as_array().unwrap().len(), 1);
    let codes: Vec<_> = gone["UnsuccessfullyDeletedLaunchTemplateVersions"].as_array().unwrap().iter().map(|item| item["ResponseError"]["Code"].clone()).collect();
    assert_eq!(codes, ["unexpectedError", "launchTemplateVersionDoesNotExist"]);
    let lost = json!({"LaunchTemplateId": id, "Versions": ["1"]});
    assert_eq!(client.refused("DescribeLaunchTemplateVersions", lost), "InvalidLaunchTemplateId.VersionNotFound");
    client.call("DeleteLaunchTemplate", json!({"LaunchTemplateName": "web"}));
    for (arguments, code) in [
        (json!({"LaunchTemplateNames": ["web"]}), "InvalidLaunchTemplateName.NotFoundException"),
        (json!({"LaunchTemplateIds": [id]}), "InvalidLaunchTemplateId.NotFound"),
        (json!({"LaunchTemplateIds": ["x"]}), "InvalidLaunchTemplateId.Malformed"),
    ] {
        assert_eq!(client.refused("DescribeLaunchTemplates", arguments), code);
    }
}

#[test]
fn what_is_wrong_with_a_template_is_said_when_it_is_made() {
    let mut client = Client::new();
    let make = |data: Value| json!({"LaunchTemplateName": "web", "LaunchTemplateData": data});
    for (data, code) in [
        (json!({"UserData": "no base64!"}), "InvalidUserData.Malformed"),
        (json!({"ImageId": "x"}), "InvalidAMIID.Malformed"),
        (json!({"Colour": "red"}), "UnknownParameter"),
    ] {
        assert_eq!(client.refused("CreateLaunchTemplate", make(data.clone())), code, "{data}");
    }
    assert_eq!(client.refused("CreateLaunchTemplate", json!({"LaunchTemplateName": "a b", "LaunchTemplateData": {}})), "InvalidLaunchTemplateName.MalformedException");
    let warned = client.call("CreateLaunchTemplate", make(json!({"InstanceRequirements": {"VCpuCount": {"Min": 1}}})));
    assert_eq!(warned["Warning"]["Errors"][0]["Code"], "UnsupportedOperation");
}

#[test]
fn a_launch_by_a_template_says_what_differs() {
    let mut client = Client::new();
    let (image, subnet) = (image(&mut client), subnet(&mut client));
    let vpc = client.id("DescribeVpcs", json!({}), "/Vpcs/0/VpcId");
    let group = client.id("CreateSecurityGroup", json!({"GroupName": "w", "Description": "w", "VpcId": vpc}), "/GroupId");
    let data = json!({
        "ImageId": image, "InstanceType": "t3.small", "UserData": "IyEvYmluL3NoCg==", "DisableApiTermination": true,
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet, "Groups": [group]}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "VolumeType": "gp3"}}],
        "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}, {"Key": "both", "Value": "template"}]}],
    });
    let id = client.id("CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}), "/LaunchTemplate/LaunchTemplateId");
    let launch = json!({
        "LaunchTemplate": {"LaunchTemplateName": "web"}, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro",
        "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 7}}],
        "MetadataOptions": {"HttpTokens": "optional"}, "DisableApiTermination": false,
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "both", "Value": "launch"}]}],
    });
    let shown = client.call("RunInstances", launch)["Instances"][0].clone();
    for (path, expected) in [
        ("/InstanceType", json!("t3.micro")),
        ("/SubnetId", json!(subnet)),
        ("/SecurityGroups/0/GroupId", json!(group)),
        ("/MetadataOptions/HttpTokens", json!("optional")),
        ("/MetadataOptions/InstanceMetadataTags", json!("enabled")),
        ("/BlockDeviceMappings/0/DeviceName", json!("/dev/sdf")),
    ] {
        assert_eq!(shown.pointer(path), Some(&expected), "{path}");
    }
    let tags: Vec<_> = shown["Tags"].as_array().unwrap().iter().map(|tag| format!("{}={}", tag["Key"].as_str().unwrap(), tag["Value"].as_str().unwrap())).collect();
    assert_eq!(tags, [format!("aws:ec2launchtemplate:id={id}"), "aws:ec2launchtemplate:version=1".into(), "both=launch".into(), "from=template".into()]);
    let size = client.call("DescribeVolumes", json!({"Filters": [{"Name": "attachment.device", "Values": ["/dev/sdf"]}]}));
    assert_eq!(size["Volumes"][0]["Size"], 7);
    let instance = shown["InstanceId"].clone();
    client.wait(10);
    let own = json!({"Resources": [instance], "Tags": [{"Key": "aws:ec2launchtemplate:id"}]});
    assert_eq!(client.refused("DeleteTags", own), "InvalidParameterValue");
    let data = client.call("GetLaunchTemplateData", json!({"InstanceId": instance}))["LaunchTemplateData"].clone();
    client.call("CreateLaunchTemplate", json!({"LaunchTemplateName": "again", "LaunchTemplateData": data}));
    client.call("RunInstances", json!({"LaunchTemplate": {"LaunchTemplateName": "again", "Version": "$Latest"}, "MinCount": 1, "MaxCount": 1}));
    for (template, code) in [
        (json!({"LaunchTemplateName": "nobody"}), "InvalidLaunchTemplateName.NotFoundException"),
        (json!({"LaunchTemplateId": id, "Version": "9"}), "InvalidLaunchTemplateId.VersionNotFound"),
        (json!({"LaunchTemplateId": id, "LaunchTemplateName": "web"}), "InvalidParameterCombination"),
        (json!({"Version": "1"}), "MissingParameter"),
    ] {
        assert_eq!(client.refused("RunInstances", json!({"LaunchTemplate": template, "MinCount": 1, "MaxCount": 1})), code);
    }
}

#[test]
fn an_image_of_an_instance_is_launched_with_its_disks() {
    let mut client = Client::new();
    let (image, subnet) = (image(&mut client), subnet(&mut client));
    let disks = json!([{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3}}]);
    let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "BlockDeviceMappings": disks});
    let id = client.id("RunInstances", launch, "/Instances/0/InstanceId");
    assert_eq!(client.refused("CreateImage", json!({"InstanceId": id, "Name": "golden"})), "IncorrectState", "it is pending");
    client.wait(10);
    for (name, code) in [("x", "InvalidAMIName.Malformed"), ("no:colon", "InvalidAMIName.Malformed")] {
        assert_eq!(client.refused("CreateImage", json!({"InstanceId": id, "Name": name})), code);
    }
    let tags = json!([{"ResourceType": "image", "Tags": [{"Key": "k", "Value": "v"}]}, {"ResourceType": "snapshot", "Tags": [{"Key": "s", "Value": "t"}]}]);
    let golden = client.id("CreateImage", json!({"InstanceId": id, "Name": "golden", "TagSpecifications": tags}), "/ImageId");
    assert_eq!(client.refused("CreateImage", json!({"InstanceId": id, "Name": "golden"})), "InvalidAMIName.Duplicate");
    let by = |image: &str| json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    assert_eq!(client.refused("RunInstances", by(&golden)), "InvalidAMIID.Unavailable");
    client.wait(10);
    let shown = client.call("DescribeImages", json!({"Owners": ["self"], "Filters": [{"Name": "tag:k", "Values": ["v"]}]}))["Images"][0].clone();
    assert_eq!((&shown["ImageId"], &shown["State"], &shown["Public"]), (&json!(golden), &json!("available"), &json!(false)));
    assert_eq!((&shown["SourceInstanceId"], &shown["SourceImageId"]), (&json!(id), &json!(image)));
    let names: Vec<_> = shown["BlockDeviceMappings"].as_array().unwrap().iter().map(|disk| disk["DeviceName"].as_str().unwrap()).collect();
    assert_eq!(names, ["/dev/sdf", "/dev/xvda"]);
    let snapshot = shown["BlockDeviceMappings"][1]["Ebs"]["SnapshotId"].as_str().unwrap().to_owned();
    assert_eq!(client.refused("DeleteSnapshot", json!({"SnapshotId": snapshot})), "InvalidSnapshot.InUse");
    let clone = client.call("RunInstances", by(&golden))["Instances"][0].clone();
    assert_eq!(clone["BlockDeviceMappings"].as_array().unwrap().len(), 2);
    let volumes = client.call("DescribeVolumes", json!({"Filters": [{"Name": "snapshot-id", "Values": [snapshot]}]}));
    assert_eq!(volumes["Volumes"].as_array().unwrap().len(), 1);
    client.call("ModifyImageAttribute", json!({"ImageId": golden, "LaunchPermission": {"Add": [{"UserId": "444455556666"}]}}));
    let permissions = client.call("DescribeImageAttribute", json!({"ImageId": golden, "Attribute": "launchPermission"}));
    assert_eq!(permissions["LaunchPermissions"], json!([{"UserId": "444455556666"}]));
    assert_eq!(client.refused("ModifyImageAttribute", json!({"ImageId": golden, "LaunchPermission": {"Add": [{"UserId": "x"}]}})), "InvalidAMIAttributeItemValue");
    assert_eq!(client.refused("DeregisterImage", json!({"ImageId": image})), "AuthFailure", "somebody else's");
    let gone = client.call("DeregisterImage", json!({"ImageId": golden, "DeleteAssociatedSnapshots": true}));
    assert_eq!(gone["DeleteSnapshotResults"].as_array().unwrap().len(), 2);
    assert_eq!(client.refused("RunInstances", by(&golden)), "InvalidAMIID.NotFound");
    assert_eq!(client.refused("DescribeImages", json!({"ImageIds": [golden]})), "InvalidAMIID.NotFound");
}

#[test]
fn an_image_is_registered_of_a_snapshot_and_copied() {
    let mut client = Client::new();
    let volume = client.id("CreateVolume", json!({"AvailabilityZone": "ap-northeast-2a", "Size": 9}), "/VolumeId");
    client.wait(5);
    let snapshot = client.id("CreateSnapshot", json!({"VolumeId": volume}), "/SnapshotId");
    client.wait(10);
    let register = |root: &str| json!({
        "Name": "own image", "Architecture": "x86_64", "RootDeviceName": root, "ImdsSupport": "v2.0",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}],
    });
    assert_eq!(client.refused("RegisterImage", register("/dev/sda1")), "InvalidBlockDeviceMapping");
    let own = client.id("RegisterImage", register("/dev/xvda"), "/ImageId");
    client.wait(10);
    let copy = client.id("CopyImage", json!({"Name": "copy", "SourceImageId": own, "SourceRegion": "ap-northeast-2"}), "/ImageId");
    let shown = client.call("DescribeImages", json!({"ImageIds": [copy]}))["Images"][0].clone();
    assert_eq!((&shown["SourceImageId"], &shown["ImdsSupport"]), (&json!(own), &json!("v2.0")));
    assert_eq!(shown["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"], 9);
    let elsewhere = json!({"Name": "copy 2", "SourceImageId": own, "SourceRegion": "us-east-1"});
    assert_eq!(client.refused("CopyImage", elsewhere), "InvalidParameterValue");
}

#[test]
fn images_are_found_by_owner_and_by_who_may_launch_them() {
    let mut client = Client::new();
    let count = |client: &mut Client, arguments: Value| client.call("DescribeImages", arguments)["Images"].as_array().unwrap().len();
    for (arguments, expected) in [
        (json!({"Owners": ["amazon"]}), 4),
        (json!({"Owners": ["self"]}), 0),
        (json!({"Owners": ["099720109477"]}), 2),
        (json!({"ExecutableUsers": ["all"]}), 8),
        (json!({"ExecutableUsers": ["self"]}), 0),
        (json!({"Filters": [{"Name": "block-device-mapping.volume-type", "Values": ["gp2"]}]}), 2),
        (json!({"Filters": [{"Name": "platform", "Values": ["windows"]}]}), 0),
    ] {
        assert_eq!(count(&mut client, arguments.clone()), expected, "{arguments}");
    }
}
