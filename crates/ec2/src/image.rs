//! Machine images: those on offer and the account's own; making, sharing and showing them.

use model::ebs::BlockDevice;
use model::image::{self, Image};
use model::instance_type::Architecture;
use model::operation::{self, NewImage, RegisterImage};
use model::{ApiError, ErrorCode, ImageId, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, invalid, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{done, present, tags, text};
use crate::snapshot::{permission, permissions};
use crate::volume::volume_type;

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CopyImage", copy_image),
    ("CreateImage", create_image),
    ("DeregisterImage", deregister_image),
    ("DescribeImageAttribute", describe_image_attribute),
    ("DescribeImages", describe_images),
    ("ModifyImageAttribute", modify_image_attribute),
    ("RegisterImage", register_image),
    ("ResetImageAttribute", reset_image_attribute),
];

/// Disks as launches and images list them.
pub fn block_devices(a: &Arguments<'_>) -> Result<Vec<BlockDevice>, ApiError> {
    a.each("BlockDeviceMappings", |mapping| {
        // Disks of the host that go with the instance: no type here has any.
        mapping.refuse(&["VirtualName"])?;
        let mut device = mapping
            .within("Ebs", |ebs| {
                ebs.refuse(&["OutpostArn", "AvailabilityZone", "AvailabilityZoneId", "VolumeInitializationRate", "EbsCardIndex"])?;
                Ok(BlockDevice {
                    size_gib: ebs.integer("VolumeSize")?,
                    kind: volume_type(ebs, "VolumeType")?,
                    iops: ebs.integer("Iops")?,
                    throughput: ebs.integer("Throughput")?,
                    snapshot_id: ebs.id("SnapshotId")?,
                    delete_on_termination: ebs.boolean("DeleteOnTermination")?,
                    encrypted: ebs.boolean("Encrypted")?,
                    kms_key_id: ebs.text("KmsKeyId")?.map(str::to_owned),
                    ..BlockDevice::default()
                })
            })?
            .unwrap_or_default();
        // An empty text takes the device away; that it is there is what counts.
        device.no_device = mapping.is_given("NoDevice");
        device.device_name = mapping.required_text("DeviceName")?.to_owned();
        Ok(device)
    })
}

/// Disks of an image in answers.
fn device_shape(device: &BlockDevice) -> Value {
    json!({
        "DeviceName": device.device_name,
        "Ebs": present(json!({
            "DeleteOnTermination": device.delete_on_termination.unwrap_or(false),
            "Iops": device.iops,
            "SnapshotId": device.snapshot_id.as_ref().map(text),
            "VolumeSize": device.size_gib,
            "VolumeType": device.kind.map(|kind| kind.as_str()),
            "KmsKeyId": device.kms_key_id,
            "Throughput": device.throughput,
            "Encrypted": device.encrypted.unwrap_or(false),
        })),
    })
}

fn new_image(a: &Arguments<'_>) -> Result<NewImage, ApiError> {
    let (mut tags, mut snapshot_tags) = (model::Tags::new(), model::Tags::new());
    a.each("TagSpecifications", |specification| {
        let given = specification.tag_list("Tags")?;
        match specification.required_text("ResourceType")? {
            "image" => tags.extend(given),
            "snapshot" => snapshot_tags.extend(given),
            other => {
                let why = format!("'{other}' is not a valid taggable resource type for this operation.");
                return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
            }
        }
        Ok(())
    })?;
    Ok(NewImage {
        name: a.required_text("Name")?.to_owned(),
        description: a.text("Description")?.unwrap_or_default().to_owned(),
        block_devices: Vec::new(),
        tags,
        snapshot_tags,
    })
}

fn create_image(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, new, no_reboot) = read(arguments, |a| {
        if let Some(other) = a.text("SnapshotLocation")?.filter(|location| *location != "regional") {
            return Err(a.invalid("SnapshotLocation", &other.into(), "Snapshots of local zones are not supported."));
        }
        let new = NewImage { block_devices: block_devices(a)?, ..new_image(a)? };
        Ok((a.required_id("InstanceId")?, new, a.boolean("NoReboot")?.unwrap_or(false)))
    })?;
    let id = operation::create_image(model, &id, new, no_reboot)?;
    Ok(json!({"ImageId": text(id)}))
}

fn register_image(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["ImageLocation", "BillingProducts", "TpmSupport", "UefiData", "KernelId", "RamdiskId"])?;
        a.ignore(&["EnaSupport", "SriovNetSupport"]);
        match a.text("VirtualizationType")? {
            None | Some("hvm") => {}
            Some(other) => return Err(a.invalid("VirtualizationType", &other.into(), "Only hvm is supported.")),
        }
        match a.text("BootMode")? {
            None | Some("legacy-bios") => {}
            Some(other) => return Err(a.invalid("BootMode", &other.into(), "Only legacy-bios is supported.")),
        }
        let architecture = match a.text("Architecture")? {
            None | Some("x86_64") => Architecture::X86_64,
            Some("arm64") => Architecture::Arm64,
            Some(other) => return Err(a.invalid("Architecture", &other.into(), "Either x86_64 or arm64 was expected.")),
        };
        Ok(RegisterImage {
            new: NewImage { block_devices: block_devices(a)?, ..new_image(a)? },
            architecture,
            root_device_name: a.text("RootDeviceName")?.unwrap_or("/dev/sda1").to_owned(),
            requires_imds_v2: a.text("ImdsSupport")? == Some("v2.0"),
        })
    })?;
    let id = operation::register_image(model, request)?;
    Ok(json!({"ImageId": text(id)}))
}

fn copy_image(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let here = model.region.0.clone();
    let (source, mut new, with_tags): (ImageId, _, _) = read(arguments, |a| {
        a.refuse(&["DestinationOutpostArn", "SnapshotCopyCompletionDurationMinutes", "Encrypted", "KmsKeyId"])?;
        a.refuse(&["DestinationAvailabilityZone", "DestinationAvailabilityZoneId"])?;
        let region = a.required_text("SourceRegion")?;
        if region != here {
            return Err(a.invalid("SourceRegion", &region.into(), "Images are copied within the region."));
        }
        Ok((a.required_id("SourceImageId")?, new_image(a)?, a.boolean("CopyImageTags")?.unwrap_or(false)))
    })?;
    if with_tags && let Some(original) = model.images.get(&source) {
        let own = std::mem::replace(&mut new.tags, original.tags.clone());
        new.tags.extend(own);
    }
    let id = operation::copy_image(model, &source, new)?;
    Ok(json!({"ImageId": text(id)}))
}

/// Snapshots go with the image where that is asked for, and nothing else has them.
fn deregister_image(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, with_snapshots) =
        read(arguments, |a| Ok((a.required_id("ImageId")?, a.boolean("DeleteAssociatedSnapshots")?.unwrap_or(false))))?;
    let snapshots = operation::deregister_image(model, &id)?;
    let results: Value = snapshots
        .iter()
        .filter(|_| with_snapshots)
        .map(|snapshot| {
            let code = match operation::delete_snapshot(model, snapshot) {
                Ok(()) => "success",
                Err(error) if error.code == ErrorCode::InvalidSnapshotInUse => "skipped",
                Err(_) => "internal-error",
            };
            json!({"SnapshotId": text(snapshot), "ReturnCode": code})
        })
        .collect();
    Ok(json!({"Return": true, "DeleteSnapshotResults": results}))
}

fn shape(model: &Model, image: &Image) -> Value {
    let is_own = model.images.contains_key(&image.id);
    let owner: &str = image.owner_alias.as_deref().unwrap_or(&image.owner_id);
    present(json!({
        "Architecture": image.architecture.as_str(),
        "CreationDate": image.creation_date,
        "ImageId": text(&image.id),
        "ImageLocation": format!("{owner}/{}", image.name),
        "ImageType": "machine",
        "Public": image.is_public(),
        "OwnerId": image.owner_id,
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "ProductCodes": [],
        "State": if model.context.now >= image.available_at { "available" } else { "pending" },
        "BlockDeviceMappings": image.block_devices.iter().map(device_shape).collect::<Value>(),
        "Description": image.description,
        "EnaSupport": true,
        "Hypervisor": "xen",
        "ImageOwnerAlias": image.owner_alias,
        "Name": image.name,
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "SriovNetSupport": "simple",
        "VirtualizationType": "hvm",
        "ImdsSupport": image.requires_imds_v2.then_some("v2.0"),
        "DeprecationTime": image.deprecation_time,
        "SourceInstanceId": image.source_instance_id.as_ref().map(text),
        "SourceImageId": image.source_image_id.as_ref().map(text),
        "SourceImageRegion": image.source_image_id.as_ref().map(|_| &model.region.0),
        "DeregistrationProtection": is_own.then_some("disabled"),
        "ImageAllowed": true,
        "Tags": tags(&image.tags),
    }))
}

const DESCRIBE: Describe = Describe {
    ids: "ImageIds",
    id_path: "ImageId",
    answer: "Images",
    filters: &[
        ("architecture", &["Architecture"]),
        ("block-device-mapping.delete-on-termination", &["BlockDeviceMappings.Ebs.DeleteOnTermination"]),
        ("block-device-mapping.device-name", &["BlockDeviceMappings.DeviceName"]),
        ("block-device-mapping.encrypted", &["BlockDeviceMappings.Ebs.Encrypted"]),
        ("block-device-mapping.snapshot-id", &["BlockDeviceMappings.Ebs.SnapshotId"]),
        ("block-device-mapping.volume-size", &["BlockDeviceMappings.Ebs.VolumeSize"]),
        ("block-device-mapping.volume-type", &["BlockDeviceMappings.Ebs.VolumeType"]),
        ("creation-date", &["CreationDate"]),
        ("description", &["Description"]),
        ("ena-support", &["EnaSupport"]),
        ("free-tier-eligible", &["FreeTierEligible"]),
        ("hypervisor", &["Hypervisor"]),
        ("image-allowed", &["ImageAllowed"]),
        ("image-id", &["ImageId"]),
        ("image-type", &["ImageType"]),
        ("is-public", &["Public"]),
        ("kernel-id", &["KernelId"]),
        ("manifest-location", &["ImageLocation"]),
        ("name", &["Name"]),
        ("owner-alias", &["ImageOwnerAlias"]),
        ("owner-id", &["OwnerId"]),
        ("platform", &["Platform"]),
        ("product-code", &["ProductCodes.ProductCodeId"]),
        ("product-code.type", &["ProductCodes.ProductCodeType"]),
        ("ramdisk-id", &["RamdiskId"]),
        ("root-device-name", &["RootDeviceName"]),
        ("root-device-type", &["RootDeviceType"]),
        ("source-image-id", &["SourceImageId"]),
        ("source-image-region", &["SourceImageRegion"]),
        ("source-instance-id", &["SourceInstanceId"]),
        ("sriov-net-support", &["SriovNetSupport"]),
        ("state", &["State"]),
        ("state-reason-code", &["StateReason.Code"]),
        ("state-reason-message", &["StateReason.Message"]),
        ("virtualization-type", &["VirtualizationType"]),
    ],
    form: form::<ImageId>,
    not_found: |id| ApiError::new(ErrorCode::InvalidAmiIdNotFound, format!("The image id '[{id}]' does not exist")),
};

fn describe_images(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let account = model.account_id.clone();
    let (mut owners, mut launchers) = (Vec::new(), Vec::new());
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let all: Vec<Image> = image::offered(&model.region).into_iter().chain(model.images.values().cloned()).collect();
    let mut answer = DESCRIBE.serve_with(arguments, all.iter().map(|image| shape(model, image)), |a| {
        // Nothing here is disabled, and what is out of date is shown to its owner in any case.
        a.ignore(&["IncludeDeprecated", "IncludeDisabled"]);
        owners = owned(a.texts("Owners")?);
        launchers = owned(a.texts("ExecutableUsers")?);
        a.ids::<ImageId>("ImageIds").map(drop)
    })?;
    let own = |word: &str, owner: &Value| *owner == *word || (word == "self" && *owner == *account);
    if let Some(images) = answer["Images"].as_array_mut() {
        images.retain(|shown| {
            let image = all.iter().find(|image| shown["ImageId"] == *image.id.as_str());
            let may = |user: &String| match user.as_str() {
                "all" => image.is_some_and(Image::is_public),
                // With `self`: those that others have let this account launch.
                "self" => image.is_some_and(|image| image.owner_id != account && image.launch_permissions.contains(&account)),
                user => image.is_some_and(|image| image.launch_permissions.iter().any(|known| known == user)),
            };
            let is_owned = owners.iter().any(|owner| own(owner, &shown["OwnerId"]) || shown["ImageOwnerAlias"] == **owner);
            (owners.is_empty() || is_owned) && (launchers.is_empty() || launchers.iter().any(may))
        });
    }
    Ok(answer)
}

fn describe_image_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute): (ImageId, &str) = read(arguments, |a| Ok((a.required_id("ImageId")?, a.required_text("Attribute")?)))?;
    let found = model.image(&id).ok_or_else(|| (DESCRIBE.not_found)(id.as_str()))?;
    if !model.images.contains_key(&id) {
        return Err(ApiError::new(ErrorCode::AuthFailure, format!("Not authorized for image:{id}")));
    }
    let (name, value) = match attribute {
        "description" => ("Description", json!({"Value": found.description})),
        "launchPermission" => ("LaunchPermissions", found.launch_permissions.iter().map(|who| permission(who)).collect()),
        "blockDeviceMapping" => ("BlockDeviceMappings", found.block_devices.iter().map(device_shape).collect()),
        "productCodes" => ("ProductCodes", json!([])),
        "bootMode" => ("BootMode", json!({"Value": "legacy-bios"})),
        "imdsSupport" => ("ImdsSupport", if found.requires_imds_v2 { json!({"Value": "v2.0"}) } else { json!({}) }),
        "sriovNetSupport" => ("SriovNetSupport", json!({"Value": "simple"})),
        "deregistrationProtection" => ("DeregistrationProtection", json!({"Value": "disabled"})),
        "kernel" => ("KernelId", json!({})),
        "ramdisk" => ("RamdiskId", json!({})),
        "tpmSupport" => ("TpmSupport", json!({})),
        "uefiData" => ("UefiData", json!({})),
        "lastLaunchedTime" => ("LastLaunchedTime", json!({})),
        other => return Err(invalid("attribute", other, "Unknown image attribute")),
    };
    Ok(json!({"ImageId": text(id), name: value}))
}

fn modify_image_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, description, (add, remove)) = read(arguments, |a| {
        a.refuse(&["ProductCodes", "OrganizationArns", "OrganizationalUnitArns", "ImdsSupport"])?;
        let mut description = a.within("Description", |d| d.text("Value"))?.flatten().map(str::to_owned);
        match (a.text("Attribute")?, a.text("Value")?) {
            (Some("description"), value) => description = value.map(str::to_owned).or(description),
            (None | Some("launchPermission"), _) => {}
            (Some(other), _) => return Err(a.invalid("Attribute", &other.into(), "Either description or launchPermission was expected.")),
        }
        Ok((a.required_id("ImageId")?, description, permissions(a, "LaunchPermission", "UserGroups")?))
    })?;
    operation::modify_image_attribute(model, &id, description, &add, &remove)?;
    Ok(done())
}

fn reset_image_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: ImageId = read(arguments, |a| match a.required_text("Attribute")? {
        "launchPermission" => a.required_id("ImageId"),
        other => Err(a.invalid("Attribute", &other.into(), "Only launchPermission can be reset.")),
    })?;
    let all = model.image(&id).map(|image| image.launch_permissions).unwrap_or_default();
    operation::modify_image_attribute(model, &id, None, &[], &all)?;
    Ok(done())
}
