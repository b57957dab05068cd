//! Disks of instances as clients use them: volumes, attachments, snapshots.

use serde_json::{Value, json};

use crate::client::*;

/// A running instance in the region's first zone; its id.
fn running(client: &mut Client, more: Value) -> String {
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let image = client.id("DescribeImages", json!({"Filters": [{"Name": "name", "Values": ["debian-12-amd64*"]}]}), "/Images/0/ImageId");
    let mut launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    launch.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let id = client.id("RunInstances", launch, "/Instances/0/InstanceId");
    client.wait(10);
    id
}

fn disks(client: &mut Client, instance: &str) -> Value {
    client.call("DescribeInstances", json!({"InstanceIds": [instance]}))["Reservations"][0]["Instances"][0]["BlockDeviceMappings"].clone()
}

fn volume(client: &mut Client, id: &str) -> Value {
    client.call("DescribeVolumes", json!({"VolumeIds": [id]}))["Volumes"][0].clone()
}

#[test]
fn an_instance_boots_from_a_volume_of_its_image_which_goes_with_it() {
    let mut client = Client::new();
    let tags = json!([{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "disk"}]}]);
    let id = running(&mut client, json!({"TagSpecifications": tags}));
    let shown = disks(&mut client, &id);
    assert_eq!(shown[0]["DeviceName"], "/dev/xvda");
    let root = shown[0]["Ebs"]["VolumeId"].as_str().unwrap().to_owned();
    let found = volume(&mut client, &root);
    for (path, expected) in [
        ("/State", json!("in-use")),
        ("/Size", json!(8)),
        ("/VolumeType", json!("gp3")),
        ("/Iops", json!(3000)),
        ("/AvailabilityZone", json!("ap-northeast-2a")),
        ("/Attachments/0/InstanceId", json!(id)),
        ("/Attachments/0/DeleteOnTermination", json!(true)),
        ("/Attachments/0/State", json!("attached")),
        ("/Tags/0/Value", json!("disk")),
    ] {
        assert_eq!(found.pointer(path), Some(&expected), "{path}");
    }
    assert_eq!(client.refused("DetachVolume", json!({"VolumeId": root})), "OperationNotPermitted");
    assert_eq!(client.refused("DeleteVolume", json!({"VolumeId": root})), "VolumeInUse");
    client.call("StopInstances", json!({"InstanceIds": [id]}));
    client.wait(10);
    assert_eq!(disks(&mut client, &id), shown, "a stopped instance keeps its disk");
    client.call("TerminateInstances", json!({"InstanceIds": [id]}));
    client.wait(10);
    assert_eq!(client.refused("DescribeVolumes", json!({"VolumeIds": [root]})), "InvalidVolume.NotFound");
    assert_eq!(disks(&mut client, &id), json!([]));
}

#[test]
fn a_launch_changes_the_disks_of_its_image_and_adds_others() {
    let mut client = Client::new();
    let wanted = json!([
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20, "VolumeType": "gp2", "DeleteOnTermination": false}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5, "VolumeType": "io1", "Iops": 100, "DeleteOnTermination": true}},
        {"DeviceName": "/dev/sdg", "NoDevice": ""},
    ]);
    let id = running(&mut client, json!({"BlockDeviceMappings": wanted}));
    let names: Vec<_> = disks(&mut client, &id).as_array().unwrap().iter().map(|disk| disk["DeviceName"].clone()).collect();
    assert_eq!(names, ["/dev/sdf", "/dev/xvda"]);
    let by = |device: &str| json!({"Filters": [{"Name": "attachment.device", "Values": [device]}, {"Name": "attachment.instance-id", "Values": [id]}]});
    let root = client.call("DescribeVolumes", by("/dev/xvda"))["Volumes"][0].clone();
    assert_eq!((&root["Size"], &root["VolumeType"], &root["Iops"]), (&json!(20), &json!("gp2"), &json!(100)));
    let keep = json!({"InstanceId": id, "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": false}}]});
    client.call("ModifyInstanceAttribute", keep);
    client.call("TerminateInstances", json!({"InstanceIds": [id]}));
    client.wait(10);
    let left = client.call("DescribeVolumes", json!({"Filters": [{"Name": "status", "Values": ["available"]}]}));
    assert_eq!(left["Volumes"].as_array().unwrap().len(), 2, "neither goes with the instance: {left}");
}

#[test]
fn what_a_launch_may_not_say_of_disks() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let image = client.id("DescribeImages", json!({}), "/Images/0/ImageId");
    for (disk, code) in [
        (json!({"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}), "InvalidBlockDeviceMapping"),
        (json!({"DeviceName": "/dev/xvda", "NoDevice": ""}), "InvalidBlockDeviceMapping"),
        (json!({"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 200, "VolumeType": "st1"}}), "InvalidBlockDeviceMapping"),
        (json!({"DeviceName": "/dev/sdf", "Ebs": {}}), "MissingParameter"),
        (json!({"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "VolumeType": "io9"}}), "UnknownVolumeType"),
        (json!({"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "VolumeType": "io2"}}), "InvalidParameterValue"),
        (json!({"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}), "InvalidSnapshot.NotFound"),
        (json!({"DeviceName": "nonsense", "Ebs": {"VolumeSize": 1}}), "InvalidParameterValue"),
        (json!({"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}), "UnsupportedOperation"),
    ] {
        let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "BlockDeviceMappings": [disk]});
        assert_eq!(client.refused("RunInstances", launch), code, "{disk}");
    }
}

#[test]
fn a_volume_goes_from_zone_to_instance_and_back() {
    let mut client = Client::new();
    let id = running(&mut client, json!({}));
    let make = |client: &mut Client, zone: &str| {
        let tags = json!([{"ResourceType": "volume", "Tags": [{"Key": "k", "Value": "v"}]}]);
        client.id("CreateVolume", json!({"AvailabilityZone": zone, "Size": 10, "TagSpecifications": tags}), "/VolumeId")
    };
    let (here, elsewhere) = (make(&mut client, "ap-northeast-2a"), make(&mut client, "ap-northeast-2b"));
    assert_eq!(volume(&mut client, &here)["State"], "creating");
    let attach = |volume: &str, device: &str| json!({"VolumeId": volume, "InstanceId": id, "Device": device});
    assert_eq!(client.refused("AttachVolume", attach(&here, "/dev/sdf")), "IncorrectState");
    client.wait(5);
    assert_eq!(volume(&mut client, &here)["State"], "available");
    assert_eq!(client.refused("AttachVolume", attach(&elsewhere, "/dev/sdf")), "InvalidVolume.ZoneMismatch");
    assert_eq!(client.refused("AttachVolume", attach(&here, "/dev/xvda")), "InvalidParameterValue", "the root volume is there");
    assert_eq!(client.refused("DetachVolume", json!({"VolumeId": here})), "IncorrectState");
    let attached = client.call("AttachVolume", attach(&here, "/dev/sdf"));
    assert_eq!((&attached["State"], &attached["Device"], &attached["DeleteOnTermination"]), (&json!("attaching"), &json!("/dev/sdf"), &json!(false)));
    assert_eq!(client.refused("AttachVolume", attach(&here, "/dev/sdg")), "VolumeInUse");
    client.wait(5);
    let found = volume(&mut client, &here);
    assert_eq!((&found["State"], &found["Attachments"][0]["State"]), (&json!("in-use"), &json!("attached")));
    assert_eq!(disks(&mut client, &id).as_array().unwrap().len(), 2);
    assert_eq!(client.refused("DetachVolume", json!({"VolumeId": here, "Device": "/dev/sdz"})), "InvalidAttachment.NotFound");
    assert_eq!(client.call("DetachVolume", json!({"VolumeId": here}))["State"], "detaching");
    client.wait(5);
    assert_eq!(volume(&mut client, &here)["State"], "available");
    client.call("DeleteVolume", json!({"VolumeId": here}));
    assert_eq!(volume(&mut client, &here)["State"], "deleting");
    client.wait(5);
    assert_eq!(client.refused("DescribeVolumes", json!({"VolumeIds": [here]})), "InvalidVolume.NotFound");
    assert_eq!(client.refused("DescribeVolumes", json!({"VolumeIds": ["banana"]})), "InvalidParameterValue");
}

#[test]
fn several_instances_may_have_a_volume_where_its_type_allows_it() {
    let mut client = Client::new();
    let first = running(&mut client, json!({}));
    let subnet = client.id("DescribeSubnets", json!({}), "/Subnets/0/SubnetId");
    let image = client.id("DescribeImages", json!({}), "/Images/0/ImageId");
    let second = client.id("RunInstances", json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet}), "/Instances/0/InstanceId");
    let zone = "ap-northeast-2a";
    assert_eq!(client.refused("CreateVolume", json!({"AvailabilityZone": zone, "Size": 10, "MultiAttachEnabled": true})), "InvalidParameterCombination");
    let made = json!({"AvailabilityZone": zone, "Size": 10, "VolumeType": "io2", "Iops": 500, "MultiAttachEnabled": true});
    let id = client.id("CreateVolume", made, "/VolumeId");
    client.wait(5);
    for instance in [&first, &second] {
        client.call("AttachVolume", json!({"VolumeId": id, "InstanceId": instance, "Device": "/dev/sdf"}));
    }
    client.wait(5);
    assert_eq!(client.refused("DetachVolume", json!({"VolumeId": id})), "MissingParameter");
    client.call("TerminateInstances", json!({"InstanceIds": [first]}));
    client.wait(10);
    assert_eq!(volume(&mut client, &id)["Attachments"].as_array().unwrap().len(), 1);
}

#[test]
fn a_volume_grows_and_never_shrinks() {
    let mut client = Client::new();
    let id = client.id("CreateVolume", json!({"AvailabilityZone": "ap-northeast-2a", "Size": 10, "VolumeType": "gp3"}), "/VolumeId");
    client.wait(5);
    let grow = |size: u32| json!({"VolumeId": id, "Size": size});
    assert_eq!(client.refused("ModifyVolume", grow(9)), "InvalidParameterValue");
    let changed = client.call("ModifyVolume", json!({"VolumeId": id, "Size": 100, "Iops": 4000}))["VolumeModification"].clone();
    for (name, expected) in [
        ("ModificationState", json!("modifying")),
        ("OriginalSize", json!(10)),
        ("TargetSize", json!(100)),
        ("OriginalIops", json!(3000)),
        ("TargetIops", json!(4000)),
    ] {
        assert_eq!(changed[name], expected, "{name}");
    }
    assert_eq!(client.refused("ModifyVolume", grow(200)), "IncorrectModificationState");
    client.wait(5);
    let state = |client: &mut Client| client.call("DescribeVolumesModifications", json!({"VolumeIds": [id]}))["VolumesModifications"][0]["ModificationState"].clone();
    assert_eq!(state(&mut client), "optimizing");
    client.wait(30);
    assert_eq!(state(&mut client), "completed");
    assert_eq!(volume(&mut client, &id)["Size"], 100);
    client.call("ModifyVolume", json!({"VolumeId": id, "VolumeType": "gp2"}));
    assert_eq!(volume(&mut client, &id)["Iops"], 300, "another type has its own");
    let absent = json!({"VolumeIds": ["vol-0123456789abcdef0"]});
    assert_eq!(client.refused("DescribeVolumesModifications", absent), "InvalidVolume.NotFound");
}

#[test]
fn a_snapshot_outlives_its_volume_and_becomes_others() {
    let mut client = Client::new();
    let zone = "ap-northeast-2a";
    let id = client.id("CreateVolume", json!({"AvailabilityZone": zone, "Size": 10, "Encrypted": true}), "/VolumeId");
    client.wait(5);
    let made = json!({"VolumeId": id, "Description": "first", "TagSpecifications": [{"ResourceType": "snapshot", "Tags": [{"Key": "k", "Value": "v"}]}]});
    let snapshot = client.call("CreateSnapshot", made);
    assert_eq!((&snapshot["State"], &snapshot["Progress"], &snapshot["VolumeSize"]), (&json!("pending"), &json!("0%"), &json!(10)));
    let snapshot = snapshot["SnapshotId"].as_str().unwrap().to_owned();
    assert_eq!(client.refused("CreateVolume", json!({"AvailabilityZone": zone, "SnapshotId": snapshot})), "IncorrectState");
    client.wait(10);
    client.call("DeleteVolume", json!({"VolumeId": id}));
    let filters = json!({"OwnerIds": ["self"], "Filters": [{"Name": "status", "Values": ["completed"]}, {"Name": "tag:k", "Values": ["v"]}]});
    let found = client.call("DescribeSnapshots", filters);
    assert_eq!(listed(&found, "Snapshots", "SnapshotId"), [snapshot.as_str()]);
    assert_eq!(client.call("DescribeSnapshots", json!({"OwnerIds": ["amazon"]}))["Snapshots"], json!([]));
    let from = |size: Value| json!({"AvailabilityZone": zone, "SnapshotId": snapshot, "Size": size});
    assert_eq!(client.refused("CreateVolume", from(json!(9))), "InvalidParameterValue");
    let again = client.call("CreateVolume", from(Value::Null));
    assert_eq!((&again["Size"], &again["SnapshotId"], &again["Encrypted"]), (&json!(10), &json!(snapshot), &json!(true)));
    let copy = client.id("CopySnapshot", json!({"SourceRegion": "ap-northeast-2", "SourceSnapshotId": snapshot}), "/SnapshotId");
    client.call("ModifySnapshotAttribute", json!({"SnapshotId": snapshot, "CreateVolumePermission": {"Add": [{"UserId": "444455556666"}, {"Group": "all"}]}}));
    let attribute = json!({"SnapshotId": snapshot, "Attribute": "createVolumePermission"});
    let shared = client.call("DescribeSnapshotAttribute", attribute.clone())["CreateVolumePermissions"].clone();
    assert_eq!(shared, json!([{"UserId": "444455556666"}, {"Group": "all"}]));
    client.call("ResetSnapshotAttribute", attribute.clone());
    assert_eq!(client.call("DescribeSnapshotAttribute", attribute)["CreateVolumePermissions"], json!([]));
    client.call("DeleteSnapshot", json!({"SnapshotId": copy}));
    assert_eq!(client.refused("DeleteSnapshot", json!({"SnapshotId": copy})), "InvalidSnapshot.NotFound");
    assert_eq!(client.refused("DescribeSnapshots", json!({"SnapshotIds": ["x"]})), "InvalidSnapshotID.Malformed");
}

#[test]
fn snapshots_of_an_instance_are_of_all_its_volumes() {
    let mut client = Client::new();
    let disks = json!([{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}]);
    let id = running(&mut client, json!({"BlockDeviceMappings": disks}));
    let all = client.call("CreateSnapshots", json!({"InstanceSpecification": {"InstanceId": id}}));
    assert_eq!(all["Snapshots"].as_array().unwrap().len(), 2);
    let data = client.call("CreateSnapshots", json!({"InstanceSpecification": {"InstanceId": id, "ExcludeBootVolume": true}}));
    assert_eq!(data["Snapshots"][0]["VolumeSize"], 1);
}
