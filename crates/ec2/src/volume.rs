//! Volumes of EBS: making, changing, attaching and showing them.

use model::ebs::{EbsVolume, VolumeAttachment, VolumeSpec, VolumeType};
use model::operation::{self, AttachVolume, CreateVolume, DetachVolume, VolumeWish};
use model::{ApiError, ErrorCode, InstanceId, Model, VolumeId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::{Describe, Known};
use crate::identifier::no_volume;
use crate::shape::{done, present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AttachVolume", attach_volume),
    ("CreateVolume", create_volume),
    ("DeleteVolume", delete_volume),
    ("DescribeVolumeAttribute", describe_volume_attribute),
    ("DescribeVolumeStatus", describe_volume_status),
    ("DescribeVolumes", describe_volumes),
    ("DescribeVolumesModifications", describe_volumes_modifications),
    ("DetachVolume", detach_volume),
    ("ModifyVolume", modify_volume),
    ("ModifyVolumeAttribute", modify_volume_attribute),
];

/// A type by name. Errors: `UnknownVolumeType`.
pub fn volume_type(a: &Arguments<'_>, name: &'static str) -> Result<Option<VolumeType>, ApiError> {
    let Some(word) = a.text(name)? else { return Ok(None) };
    let found = VolumeType::named(word).map(Some);
    found.ok_or_else(|| ApiError::new(ErrorCode::UnknownVolumeType, format!("Unsupported volume type '{word}' for volume creation.")))
}

fn wish(a: &Arguments<'_>) -> Result<VolumeWish, ApiError> {
    Ok(VolumeWish {
        size_gib: a.integer("Size")?,
        kind: volume_type(a, "VolumeType")?,
        iops: a.integer("Iops")?,
        throughput: a.integer("Throughput")?,
        multi_attach: a.boolean("MultiAttachEnabled")?,
    })
}

fn create_volume(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["OutpostArn", "VolumeInitializationRate", "Operator"])?;
        let zones = [a.text("AvailabilityZone")?, a.text("AvailabilityZoneId")?].into_iter().flatten().collect();
        Ok(CreateVolume {
            availability_zone: a.exactly_one("AvailabilityZone or AvailabilityZoneId", zones)?.to_owned(),
            wish: wish(a)?,
            snapshot_id: a.id("SnapshotId")?,
            encrypted: a.boolean("Encrypted")?,
            kms_key_id: a.text("KmsKeyId")?.map(str::to_owned),
            tags: a.tags("volume")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_volume(model, request)?;
    Ok(shape(model, model.ebs_volume(&id)?))
}

fn delete_volume(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("VolumeId"))?;
    operation::delete_volume(model, &id)?;
    Ok(done())
}

fn attach_volume(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["EbsCardIndex"])?;
        Ok(AttachVolume {
            volume_id: a.required_id("VolumeId")?,
            instance_id: a.required_id("InstanceId")?,
            device: a.required_text("Device")?.to_owned(),
        })
    })?;
    let (volume, instance) = (request.volume_id.clone(), request.instance_id.clone());
    operation::attach_volume(model, request)?;
    attached(model, &volume, &instance)
}

/// Detaching by force is detaching: nothing of an instance can hold on to a volume here.
fn detach_volume(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.ignore(&["Force"]);
        Ok(DetachVolume {
            volume_id: a.required_id("VolumeId")?,
            instance_id: a.id("InstanceId")?,
            device: a.text("Device")?.map(str::to_owned),
        })
    })?;
    let instance = operation::detach_volume(model, &request)?;
    attached(model, &request.volume_id, &instance)
}

fn attached(model: &Model, volume: &VolumeId, instance: &InstanceId) -> Result<Value, ApiError> {
    let volume = model.ebs_volume(volume)?;
    let found = volume.attachment_to(instance).map(|attachment| attachment_shape(volume, attachment));
    found.ok_or_else(|| ApiError::new(ErrorCode::InternalError, "the attachment is gone"))
}

fn attachment_shape(volume: &EbsVolume, attachment: &VolumeAttachment) -> Value {
    json!({
        "DeleteOnTermination": attachment.delete_on_termination,
        "VolumeId": text(&volume.id),
        "InstanceId": text(&attachment.instance_id),
        "Device": attachment.device,
        "State": attachment.state.as_str(),
        "AttachTime": time(attachment.attach_time),
    })
}

fn shape(model: &Model, volume: &EbsVolume) -> Value {
    let zone = model.region.zones().into_iter().find(|zone| zone.name == volume.availability_zone);
    present(json!({
        "AvailabilityZoneId": zone.map(|zone| zone.id),
        "Iops": volume.spec.iops,
        "Tags": tags(&volume.tags),
        "VolumeType": volume.spec.kind.as_str(),
        "MultiAttachEnabled": volume.spec.multi_attach,
        "Throughput": volume.spec.throughput,
        "VolumeId": text(&volume.id),
        "Size": volume.spec.size_gib,
        "SnapshotId": volume.snapshot_id.as_ref().map_or_else(|| "".into(), text),
        "AvailabilityZone": volume.availability_zone,
        "State": volume.status(),
        "CreateTime": time(volume.create_time),
        "Attachments": volume.attachments.iter().map(|attachment| attachment_shape(volume, attachment)).collect::<Value>(),
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.kms_key_id,
    }))
}

const DESCRIBE: Describe = Describe {
    ids: "VolumeIds",
    id_path: "VolumeId",
    answer: "Volumes",
    filters: &[
        ("attachment.attach-time", &["Attachments.AttachTime"]),
        ("attachment.delete-on-termination", &["Attachments.DeleteOnTermination"]),
        ("attachment.device", &["Attachments.Device"]),
        ("attachment.instance-id", &["Attachments.InstanceId"]),
        ("attachment.status", &["Attachments.State"]),
        ("availability-zone", &["AvailabilityZone"]),
        ("availability-zone-id", &["AvailabilityZoneId"]),
        ("create-time", &["CreateTime"]),
        ("encrypted", &["Encrypted"]),
        ("fast-restored", &["FastRestored"]),
        ("multi-attach-enabled", &["MultiAttachEnabled"]),
        ("operator.managed", &["Operator.Managed"]),
        ("operator.principal", &["Operator.Principal"]),
        ("size", &["Size"]),
        ("snapshot-id", &["SnapshotId"]),
        ("status", &["State"]),
        ("volume-id", &["VolumeId"]),
        ("volume-type", &["VolumeType"]),
    ],
    form: volume_form,
    not_found: VolumeId::not_found,
};

fn known(volume: &EbsVolume) -> Known<'_, 1> {
    Known { texts: [("VolumeId", volume.id.as_str())], tags: &volume.tags }
}

fn describe_volumes(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve_rows_with(arguments, model.ebs_volumes.values(), known, |volume| shape(model, volume), |a| {
        // Nothing is managed by another service.
        a.ignore(&["IncludeManagedResources"]);
        Ok(())
    })
}

/// In the words that AWS has where it is asked for several.
fn volume_form(id: &str) -> Result<(), ApiError> {
    id.trim().parse::<VolumeId>().map(|_| ()).map_err(|_| no_volume(id, "volumes"))
}

fn describe_volume_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute): (VolumeId, &str) = read(arguments, |a| Ok((a.required_id("VolumeId")?, a.required_text("Attribute")?)))?;
    let volume = model.ebs_volume(&id)?;
    match attribute {
        "autoEnableIO" => Ok(json!({"VolumeId": text(id), "AutoEnableIO": {"Value": volume.auto_enable_io}})),
        "productCodes" => Ok(json!({"VolumeId": text(id), "ProductCodes": []})),
        other => Err(crate::arguments::invalid("attribute", other, "Unknown volume attribute")),
    }
}

fn modify_volume_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, on) = read(arguments, |a| {
        Ok((a.required_id("VolumeId")?, a.required("AutoEnableIO", a.attribute_boolean("AutoEnableIO")?)?))
    })?;
    operation::modify_volume_attribute(model, &id, on)?;
    Ok(done())
}

const STATUS: Describe = Describe {
    ids: "VolumeIds",
    id_path: "VolumeId",
    answer: "VolumeStatuses",
    filters: &[
        ("action.code", &["Actions.Code"]),
        ("action.description", &["Actions.Description"]),
        ("action.event-id", &["Actions.EventId"]),
        ("availability-zone", &["AvailabilityZone"]),
        ("event.description", &["Events.Description"]),
        ("event.event-id", &["Events.EventId"]),
        ("event.event-type", &["Events.EventType"]),
        ("event.not-after", &["Events.NotAfter"]),
        ("event.not-before", &["Events.NotBefore"]),
        ("volume-status.details-name", &["VolumeStatus.Details.Name"]),
        ("volume-status.details-status", &["VolumeStatus.Details.Status"]),
        ("volume-status.status", &["VolumeStatus.Status"]),
    ],
    form: volume_form,
    not_found: VolumeId::not_found,
};

fn describe_volume_status(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let status = |volume: &EbsVolume| {
        let performance = if volume.spec.kind.iops_range().is_some() { "normal" } else { "not-applicable" };
        let attachments = volume.attachments.iter().map(|attachment| json!({"IoPerformance": performance, "InstanceId": text(&attachment.instance_id)}));
        json!({
            "Actions": [],
            "AttachmentStatuses": attachments.collect::<Value>(),
            "AvailabilityZone": volume.availability_zone,
            "Events": [],
            "VolumeId": text(&volume.id),
            "VolumeStatus": {
                "Details": [{"Name": "io-enabled", "Status": "passed"}, {"Name": "io-performance", "Status": performance}],
                "Status": "ok",
            },
        })
    };
    STATUS.serve_with(arguments, model.ebs_volumes.values().map(status), |a| {
        a.ignore(&["IncludeManagedResources"]);
        Ok(())
    })
}

fn modify_volume(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, wish) = read(arguments, |a| Ok((a.required_id("VolumeId")?, wish(a)?)))?;
    operation::modify_volume(model, &id, &wish)?;
    Ok(json!({"VolumeModification": modification(model, model.ebs_volume(&id)?)}))
}

/// The last change of a volume, if there was one.
fn modification(model: &Model, volume: &EbsVolume) -> Option<Value> {
    let last = volume.modification.as_ref()?;
    let (state, progress) = last.state(model.context.now);
    let (new, old): (&VolumeSpec, &VolumeSpec) = (&volume.spec, &last.original);
    Some(present(json!({
        "VolumeId": text(&volume.id),
        "ModificationState": state,
        "TargetSize": new.size_gib,
        "TargetIops": new.iops,
        "TargetVolumeType": new.kind.as_str(),
        "TargetThroughput": new.throughput,
        "TargetMultiAttachEnabled": new.multi_attach,
        "OriginalSize": old.size_gib,
        "OriginalIops": old.iops,
        "OriginalVolumeType": old.kind.as_str(),
        "OriginalThroughput": old.throughput,
        "OriginalMultiAttachEnabled": old.multi_attach,
        "Progress": progress,
        "StartTime": time(last.start_time),
        "EndTime": (progress == 100).then(|| time(last.completed_at)),
    })))
}

const MODIFICATIONS: Describe = Describe {
    ids: "VolumeIds",
    id_path: "VolumeId",
    answer: "VolumesModifications",
    filters: &[
        ("modification-state", &["ModificationState"]),
        ("original-iops", &["OriginalIops"]),
        ("original-size", &["OriginalSize"]),
        ("original-volume-type", &["OriginalVolumeType"]),
        ("originalMultiAttachEnabled", &["OriginalMultiAttachEnabled"]),
        ("start-time", &["StartTime"]),
        ("target-iops", &["TargetIops"]),
        ("target-size", &["TargetSize"]),
        ("target-volume-type", &["TargetVolumeType"]),
        ("targetMultiAttachEnabled", &["TargetMultiAttachEnabled"]),
        ("volume-id", &["VolumeId"]),
    ],
    form: volume_form,
    not_found: |id| {
        let message = format!("Modification for volume '{id}' does not exist.");
        ApiError::new(ErrorCode::InvalidVolumeModificationNotFound, message)
    },
};

fn describe_volumes_modifications(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids = named_volumes(arguments)?;
    if let Some(absent) = ids.iter().find(|id| !model.ebs_volumes.contains_key(id)) {
        return Err(VolumeId::not_found(absent.as_str()));
    }
    MODIFICATIONS.serve(arguments, model.ebs_volumes.values().filter_map(|volume| modification(model, volume)))
}

fn named_volumes(arguments: &Value) -> Result<Vec<VolumeId>, ApiError> {
    let ids = arguments["VolumeIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    ids.map(|id| id.trim().parse().map_err(|_| no_volume(id, "volumes"))).collect()
}
