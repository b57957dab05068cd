//! Disks, images and launch templates of AWS's API at a running lab: what is written on them is there.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::home::Home;

/// How long what was answered may take to be so.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subnet; its id.
fn subnet(cloud: &Cloud) -> String {
    let vpc = cloud.id("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}), "/Vpc/VpcId");
    cloud.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}), "/Subnet/SubnetId")
}

/// An instance; its id.
fn launch(cloud: &Cloud, name: &str, more: Value) -> String {
    let tags = json!([{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]);
    let mut arguments = json!({"MinCount": 1, "MaxCount": 1, "TagSpecifications": tags});
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cloud.id("RunInstances", arguments, "/Instances/0/InstanceId")
}

fn image(cloud: &Cloud) -> String {
    cloud.id("DescribeImages", json!({}), "/Images/0/ImageId")
}

fn sh(home: &Home, instance: &str, line: &str) -> String {
    home.yes(&["exec", instance, "--", "sh", "-c", line])
}

#[test]
fn a_volume_goes_with_what_is_on_it_from_instance_to_instance_and_into_snapshots() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let (subnet, image) = (subnet(&cloud), image(&cloud));
    let one = launch(&cloud, "one", json!({"ImageId": image, "SubnetId": subnet}));
    let two = launch(&cloud, "two", json!({"ImageId": image, "SubnetId": subnet}));
    let zone = cloud.id("DescribeSubnets", json!({}), "/Subnets/0/AvailabilityZone");
    let data = cloud.id("CreateVolume", json!({"AvailabilityZone": zone, "Size": 10}), "/VolumeId");
    let attach = |volume: &str, instance: &str| json!({"VolumeId": volume, "InstanceId": instance, "Device": "/dev/sdf"});
    cloud.call("AttachVolume", attach(&data, &one)).unwrap();
    assert_eq!(sh(&home, "one", "echo first > /mnt/sdf/file && cat /mnt/sdf/file"), "first\n");
    let snapshot = cloud.id("CreateSnapshot", json!({"VolumeId": data}), "/SnapshotId");
    assert_eq!(sh(&home, "one", "echo second > /mnt/sdf/file; cat /mnt/sdf/file"), "second\n", "the snapshot is of before");
    cloud.call("DetachVolume", json!({"VolumeId": data})).unwrap();
    assert_eq!(sh(&home, "one", "ls -A /mnt/sdf"), "", "it is out");
    cloud.call("AttachVolume", attach(&data, &two)).unwrap();
    assert_eq!(sh(&home, "two", "cat /mnt/sdf/file"), "second\n");
    let again = cloud.id("CreateVolume", json!({"AvailabilityZone": zone, "SnapshotId": snapshot}), "/VolumeId");
    cloud.call("AttachVolume", attach(&again, &one)).unwrap();
    assert_eq!(sh(&home, "one", "cat /mnt/sdf/file"), "first\n");
    // A stop takes nothing away.
    cloud.call("StopInstances", json!({"InstanceIds": [one]})).unwrap();
    cloud.call("StartInstances", json!({"InstanceIds": [one]})).unwrap();
    assert_eq!(sh(&home, "one", "cat /mnt/sdf/file"), "first\n");
    let listed = home.yes(&["ls", "ebs", "-o", "json"]);
    assert!(listed.contains(&data) && listed.contains(&snapshot) && listed.contains("\"in-use\""), "{listed}");
    assert_eq!(cloud.call("DeleteVolume", json!({"VolumeId": data})), Err("VolumeInUse".to_owned()));
    cloud.call("TerminateInstances", json!({"InstanceIds": [two]})).unwrap();
    cloud.call("DeleteVolume", json!({"VolumeId": data})).unwrap();
    home.yes(&["ls", "ebs"]);
    let folder = home.path("home/labs/cloud/ebs");
    let deadline = Instant::now() + PATIENCE;
    while folder.join(&data).exists() {
        assert!(Instant::now() < deadline, "what was on a deleted volume stays");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(folder.join(&again).exists());
}

#[test]
fn an_image_of_an_instance_has_its_files_and_consoles_tell_what_ran() {
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let (subnet, image) = (subnet(&cloud), image(&cloud));
    let script = "IyEvYmluL3NoCmVjaG8gaGVsbG8gZnJvbSB1c2VyIGRhdGEK";
    let one = launch(&cloud, "one", json!({"ImageId": image, "SubnetId": subnet, "UserData": script}));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let console = cloud.call("GetConsoleOutput", json!({"InstanceId": one})).unwrap();
        // "hello from user data" in base64.
        if console["Output"].as_str().is_some_and(|output| output.contains("aGVsbG8gZnJvbSB1c2VyIGRhdGEK")) {
            break;
        }
        assert!(Instant::now() < deadline, "{console}");
        std::thread::sleep(Duration::from_millis(100));
    }
    sh(&home, "one", "echo golden > /srv/file && mkdir /opt/app && echo own > /opt/app/file && touch /run/mark");
    let golden = cloud.id("CreateImage", json!({"InstanceId": one, "Name": "golden"}), "/ImageId");
    let amis = home.yes(&["ls", "amis", "--filter", "owner=self"]);
    assert!(amis.contains("golden") && amis.contains("available"), "{amis}");
    assert_eq!(sh(&home, "one", "ls /run/mark 2> /dev/null; true"), "", "it was rebooted");
    sh(&home, "one", "echo later > /srv/file && touch /run/mark");
    cloud.call("RebootInstances", json!({"InstanceIds": [one]})).unwrap();
    assert_eq!(sh(&home, "one", "ls /run/mark 2> /dev/null; cat /srv/file"), "later\n", "a reboot ends what ran and keeps the disk");
    launch(&cloud, "copy", json!({"ImageId": golden, "SubnetId": subnet}));
    assert_eq!(sh(&home, "copy", "cat /srv/file /opt/app/file"), "golden\nown\n");
    assert_eq!(sh(&home, "one", "cat /srv/file"), "later\n", "the image is of before");
    cloud.call("DeregisterImage", json!({"ImageId": golden, "DeleteAssociatedSnapshots": true})).unwrap();
    assert_eq!(sh(&home, "copy", "cat /srv/file"), "golden\n");
}

/// boto3 as people write it, with its waiters and pages.
const SCRIPT: &str = r#"
import boto3
ec2 = boto3.client("ec2")
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]
image = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]
template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={
    "ImageId": image["ImageId"], "InstanceType": "t3.micro", "MetadataOptions": {"HttpTokens": "required"},
    "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": subnet["SubnetId"]}],
    "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "VolumeType": "gp3", "DeleteOnTermination": True}}],
    "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "team", "Value": "web"}]}]})["LaunchTemplate"]
ec2.create_launch_template_version(LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"})
run = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"}, MinCount=2, MaxCount=2)
ids = [i["InstanceId"] for i in run["Instances"]]
ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
ec2.get_waiter("instance_status_ok").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
assert {i["InstanceType"] for i in run["Instances"]} == {"t3.small"}
pages = ec2.get_paginator("describe_volumes").paginate(Filters=[{"Name": "tag:team", "Values": ["web"]}], PaginationConfig={"PageSize": 5})
assert sum(len(p["Volumes"]) for p in pages) == 4
volume = ec2.create_volume(AvailabilityZone=subnet["AvailabilityZone"], Size=8, VolumeType="gp3")["VolumeId"]
ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
ec2.attach_volume(VolumeId=volume, InstanceId=ids[0], Device="/dev/sdg")
ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
ec2.modify_volume(VolumeId=volume, Size=20)
assert ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"] == "completed"
snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
own = ec2.create_image(InstanceId=ids[0], Name="golden", NoReboot=True)["ImageId"]
ec2.get_waiter("image_available").wait(ImageIds=[own], WaiterConfig={"Delay": 1})
gateway = ec2.create_transit_gateway(Description="hub")["TransitGateway"]["TransitGatewayId"]
ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=vpc, SubnetIds=[subnet["SubnetId"]])
assert ec2.describe_transit_gateway_vpc_attachments(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["TransitGatewayVpcAttachments"][0]["State"] == "available"
assert ec2.get_password_data(InstanceId=ids[0])["PasswordData"] == ""
try:
    ec2.attach_volume(VolumeId=volume, InstanceId=ids[1], Device="/dev/sdg")
    raise SystemExit("two instances have one volume")
except ec2.exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "VolumeInUse", error
ec2.terminate_instances(InstanceIds=ids)
ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
ec2.delete_volume(VolumeId=volume)
ec2.get_waiter("volume_deleted").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
assert ec2.describe_volumes()["Volumes"] == []
print("done")
"#;

#[test]
fn boto3_works_with_disks_templates_and_images() {
    let has_boto3 = Command::new("python3").args(["-c", "import boto3"]).output().is_ok_and(|output| output.status.success());
    if !has_boto3 {
        eprintln!("without boto3: not tried");
        return;
    }
    let home = Home::new();
    let cloud = Cloud::serve(&home, &[]);
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).current_dir(home.path(""));
    python.env("AWS_ENDPOINT_URL", format!("http://{}", cloud.address)).env("AWS_DEFAULT_REGION", &cloud.region);
    python.env("AWS_ACCESS_KEY_ID", &cloud.key).env("AWS_SECRET_ACCESS_KEY", &cloud.secret);
    python.env("no_proxy", "127.0.0.1").env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
    let output = python.output().unwrap();
    let (told, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("done"), "{told}{why}");
}
