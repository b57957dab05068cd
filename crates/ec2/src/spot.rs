//! Requests for instances at the spot price: made by RunInstances alone.

use model::operation::{self, SpotWish};
use model::{ApiError, ErrorCode, Model, SpotInstanceRequest, SpotInstanceRequestId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CancelSpotInstanceRequests", cancel_spot_instance_requests),
    ("DescribeSpotInstanceRequests", describe_spot_instance_requests),
];

/// `InstanceMarketOptions` of a launch. Errors: `UnsupportedOperation` (another market, an end), `InvalidParameterCombination`.
pub fn wish(m: &Arguments<'_>) -> Result<Option<SpotWish>, ApiError> {
    let options = m.within("SpotOptions", |s| {
        s.refuse(&["BlockDurationMinutes", "ValidUntil"])?;
        let is_persistent = match s.text("SpotInstanceType")? {
            None | Some("one-time") => false,
            Some("persistent") => true,
            Some(other) => return Err(s.invalid("SpotInstanceType", &other.into(), "Either one-time or persistent was expected.")),
        };
        let behavior = s.text("InstanceInterruptionBehavior")?;
        if !is_persistent && behavior.is_some_and(|behavior| behavior != "terminate") {
            let message = "A one-time Spot Instance request can only have the interruption behavior terminate.";
            return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
        }
        let interruption_behavior = behavior.map(str::to_owned);
        Ok(SpotWish { is_persistent, max_price: s.text("MaxPrice")?.map(str::to_owned), interruption_behavior, ..SpotWish::default() })
    })?;
    match m.text("MarketType")? {
        None if options.is_none() => Ok(None),
        None | Some("spot") => Ok(Some(options.unwrap_or_default())),
        Some(other) => {
            let message = format!("The market {other} is not supported.");
            Err(ApiError::new(ErrorCode::UnsupportedOperation, message))
        }
    }
}

fn cancel_spot_instance_requests(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids: Vec<SpotInstanceRequestId> = read(arguments, |a| {
        let ids = a.ids("SpotInstanceRequestIds")?;
        a.required("SpotInstanceRequestIds", Some(ids).filter(|ids| !ids.is_empty()))
    })?;
    operation::cancel_spot_instance_requests(model, &ids)?;
    let shown = ids.iter().filter_map(|id| model.spot_instance_requests.get(id));
    let shown = shown.map(|request| json!({"SpotInstanceRequestId": text(&request.id), "State": request.state.as_str()}));
    Ok(json!({"CancelledSpotInstanceRequests": shown.collect::<Value>()}))
}

fn shape(model: &Model, request: &SpotInstanceRequest) -> Value {
    let instance = model.instances.get(&request.instance_id);
    let (code, message) = match request.state.as_str() {
        "active" => ("fulfilled", "Your spot request is fulfilled."),
        "cancelled" => ("request-canceled-and-instance-running", "Your Spot request is canceled, but your instance is still running."),
        _ => ("instance-terminated-by-user", "Your Spot instance was terminated by you."),
    };
    let primary = model.interfaces_of(&request.instance_id).first().copied();
    let zones = model.region.zones();
    let zone_id = instance.and_then(|instance| zones.into_iter().find(|zone| zone.name == instance.availability_zone)).map(|zone| zone.id);
    let interfaces: Value = model
        .interfaces_of(&request.instance_id)
        .into_iter()
        .map(|eni| {
            json!({
                "DeleteOnTermination": eni.attachment.as_ref().map(|attachment| attachment.delete_on_termination),
                "Description": eni.description,
                "DeviceIndex": eni.attachment.as_ref().map(|attachment| attachment.device_index),
                "Groups": eni.groups.iter().map(text).collect::<Value>(),
                "NetworkInterfaceId": text(&eni.id),
                "PrivateIpAddress": text(eni.primary_address()),
                "SubnetId": text(&eni.subnet_id),
            })
        })
        .collect();
    let disks: Value = model
        .volumes_of(&request.instance_id)
        .into_iter()
        .map(|(volume, attachment)| {
            let disk = json!({
                "DeleteOnTermination": attachment.delete_on_termination,
                "SnapshotId": volume.snapshot_id.as_ref().map(text),
                "VolumeSize": volume.spec.size_gib,
                "VolumeType": volume.spec.kind.as_str(),
            });
            json!({"DeviceName": attachment.device, "Ebs": present(disk)})
        })
        .collect();
    let specification = instance.map(|instance| {
        present(json!({
            "ImageId": text(&instance.image_id),
            "InstanceType": instance.instance_type,
            "KeyName": instance.key_name,
            "Monitoring": {"Enabled": instance.monitoring},
            "Placement": {"AvailabilityZone": instance.availability_zone, "Tenancy": "default"},
            "SubnetId": primary.map(|eni| text(&eni.subnet_id)),
            "NetworkInterfaces": interfaces,
            "BlockDeviceMappings": disks,
            "SecurityGroups": primary.map(|eni| crate::network_interface::groups(model, eni)),
        }))
    });
    present(json!({
        "CreateTime": time(request.create_time),
        "InstanceId": text(&request.instance_id),
        "LaunchSpecification": specification,
        "LaunchedAvailabilityZone": instance.map(|instance| &instance.availability_zone),
        "LaunchedAvailabilityZoneId": zone_id,
        "ProductDescription": "Linux/UNIX",
        "SpotInstanceRequestId": text(&request.id),
        "SpotPrice": request.max_price,
        "State": request.state.as_str(),
        "Status": {"Code": code, "Message": message, "UpdateTime": time(request.create_time)},
        "Tags": tags(&request.tags),
        "Type": if request.is_persistent { "persistent" } else { "one-time" },
        "InstanceInterruptionBehavior": request.interruption_behavior,
    }))
}

const DESCRIBE: Describe = Describe {
    ids: "SpotInstanceRequestIds",
    id_path: "SpotInstanceRequestId",
    answer: "SpotInstanceRequests",
    filters: &[
        ("availability-zone-group", &["AvailabilityZoneGroup"]),
        ("create-time", &["CreateTime"]),
        ("fault-code", &["Fault.Code"]),
        ("fault-message", &["Fault.Message"]),
        ("instance-id", &["InstanceId"]),
        ("launch-group", &["LaunchGroup"]),
        ("launch.block-device-mapping.delete-on-termination", &["LaunchSpecification.BlockDeviceMappings.Ebs.DeleteOnTermination"]),
        ("launch.block-device-mapping.device-name", &["LaunchSpecification.BlockDeviceMappings.DeviceName"]),
        ("launch.block-device-mapping.snapshot-id", &["LaunchSpecification.BlockDeviceMappings.Ebs.SnapshotId"]),
        ("launch.block-device-mapping.volume-size", &["LaunchSpecification.BlockDeviceMappings.Ebs.VolumeSize"]),
        ("launch.block-device-mapping.volume-type", &["LaunchSpecification.BlockDeviceMappings.Ebs.VolumeType"]),
        ("launch.group-id", &["LaunchSpecification.SecurityGroups.GroupId"]),
        ("launch.group-name", &["LaunchSpecification.SecurityGroups.GroupName"]),
        ("launch.image-id", &["LaunchSpecification.ImageId"]),
        ("launch.instance-type", &["LaunchSpecification.InstanceType"]),
        ("launch.kernel-id", &["LaunchSpecification.KernelId"]),
        ("launch.key-name", &["LaunchSpecification.KeyName"]),
        ("launch.monitoring-enabled", &["LaunchSpecification.Monitoring.Enabled"]),
        ("launch.ramdisk-id", &["LaunchSpecification.RamdiskId"]),
        ("launched-availability-zone", &["LaunchedAvailabilityZone"]),
        ("launched-availability-zone-id", &["LaunchedAvailabilityZoneId"]),
        ("network-interface.addresses.primary", &["LaunchSpecification.NetworkInterfaces.PrivateIpAddresses.Primary"]),
        ("network-interface.delete-on-termination", &["LaunchSpecification.NetworkInterfaces.DeleteOnTermination"]),
        ("network-interface.description", &["LaunchSpecification.NetworkInterfaces.Description"]),
        ("network-interface.device-index", &["LaunchSpecification.NetworkInterfaces.DeviceIndex"]),
        ("network-interface.group-id", &["LaunchSpecification.NetworkInterfaces.Groups"]),
        ("network-interface.network-interface-id", &["LaunchSpecification.NetworkInterfaces.NetworkInterfaceId"]),
        ("network-interface.private-ip-address", &["LaunchSpecification.NetworkInterfaces.PrivateIpAddress"]),
        ("network-interface.subnet-id", &["LaunchSpecification.NetworkInterfaces.SubnetId"]),
        ("product-description", &["ProductDescription"]),
        ("spot-instance-request-id", &["SpotInstanceRequestId"]),
        ("spot-price", &["SpotPrice"]),
        ("state", &["State"]),
        ("status-code", &["Status.Code"]),
        ("status-message", &["Status.Message"]),
        ("type", &["Type"]),
        ("valid-from", &["ValidFrom"]),
        ("valid-until", &["ValidUntil"]),
    ],
    form: form::<SpotInstanceRequestId>,
    not_found: SpotInstanceRequestId::not_found,
};

fn describe_spot_instance_requests(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve(arguments, model.spot_instance_requests.values().map(|request| shape(model, request)))
}
