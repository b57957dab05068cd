//! Snapshots of volumes: making, copying, sharing and showing them.

use model::operation::{self, CreateSnapshot, CreateSnapshots};
use model::{ApiError, EbsSnapshot, Model, SnapshotId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, invalid, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{done, present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CopySnapshot", copy_snapshot),
    ("CreateSnapshot", create_snapshot),
    ("CreateSnapshots", create_snapshots),
    ("DeleteSnapshot", delete_snapshot),
    ("DescribeSnapshotAttribute", describe_snapshot_attribute),
    ("DescribeSnapshots", describe_snapshots),
    ("ModifySnapshotAttribute", modify_snapshot_attribute),
    ("ResetSnapshotAttribute", reset_snapshot_attribute),
];

fn create_snapshot(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["OutpostArn"])?;
        check_location(a)?;
        Ok(CreateSnapshot {
            volume_id: a.required_id("VolumeId")?,
            description: a.text("Description")?.unwrap_or_default().to_owned(),
            tags: a.tags("snapshot")?,
            origin: Default::default(),
        })
    })?;
    let id = operation::create_snapshot(model, request)?;
    Ok(shape(model, model.ebs_snapshot(&id)?))
}

/// Snapshots lie in the region: there are no local zones.
fn check_location(a: &Arguments<'_>) -> Result<(), ApiError> {
    match a.text("Location")? {
        None | Some("regional") => Ok(()),
        Some(other) => Err(a.invalid("Location", &other.into(), "Snapshots of local zones are not supported.")),
    }
}

fn create_snapshots(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["OutpostArn"])?;
        check_location(a)?;
        let of = a.within("InstanceSpecification", |i| {
            Ok((i.required_id("InstanceId")?, i.boolean("ExcludeBootVolume")?.unwrap_or(false), i.ids("ExcludeDataVolumeIds")?))
        })?;
        let (instance_id, exclude_boot_volume, exclude) = a.required("InstanceSpecification", of)?;
        Ok(CreateSnapshots {
            instance_id,
            exclude_boot_volume,
            exclude,
            copy_tags: a.text("CopyTagsFromSource")? == Some("volume"),
            description: a.text("Description")?.unwrap_or_default().to_owned(),
            tags: a.tags("snapshot")?,
        })
    })?;
    let ids = operation::create_snapshots(model, &request)?;
    let made = ids.iter().filter_map(|id| model.ebs_snapshots.get(id));
    Ok(json!({"Snapshots": made.map(|snapshot| shape(model, snapshot)).collect::<Value>()}))
}

fn copy_snapshot(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let here = model.region.0.clone();
    let (source, description, encrypted, tags) = read(arguments, |a| {
        a.refuse(&["DestinationOutpostArn", "CompletionDurationMinutes", "DestinationAvailabilityZone"])?;
        a.ignore(&["PresignedUrl", "KmsKeyId"]);
        for name in ["SourceRegion", "DestinationRegion"] {
            if let Some(region) = a.text(name)?.filter(|region| *region != here) {
                return Err(a.invalid(name, &region.into(), "Snapshots are copied within the region."));
            }
        }
        let description = a.text("Description")?.map(str::to_owned);
        Ok((a.required_id("SourceSnapshotId")?, description, a.boolean("Encrypted")?.unwrap_or(false), a.tags("snapshot")?))
    })?;
    let id = operation::copy_snapshot(model, &source, description, encrypted, tags)?;
    Ok(json!({"SnapshotId": text(&id), "Tags": crate::shape::tags(&model.ebs_snapshot(&id)?.tags)}))
}

fn delete_snapshot(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("SnapshotId"))?;
    operation::delete_snapshot(model, &id)?;
    Ok(done())
}

fn shape(model: &Model, snapshot: &EbsSnapshot) -> Value {
    let status = snapshot.status(model.context.now);
    present(json!({
        "Tags": tags(&snapshot.tags),
        "StorageTier": "standard",
        "TransferType": "standard",
        "CompletionTime": (status == "completed").then(|| time(snapshot.completed_at)),
        "FullSnapshotSizeInBytes": u64::from(snapshot.size_gib) << 30,
        "SnapshotId": text(&snapshot.id),
        "VolumeId": text(&snapshot.volume_id),
        "State": status,
        "StartTime": time(snapshot.start_time),
        "Progress": if status == "completed" { "100%" } else { "0%" },
        "OwnerId": model.account_id,
        "Description": snapshot.description,
        "VolumeSize": snapshot.size_gib,
        "Encrypted": snapshot.encrypted,
        "KmsKeyId": snapshot.kms_key_id,
    }))
}

const DESCRIBE: Describe = Describe {
    ids: "SnapshotIds",
    id_path: "SnapshotId",
    answer: "Snapshots",
    filters: &[
        ("description", &["Description"]),
        ("encrypted", &["Encrypted"]),
        ("owner-alias", &["OwnerAlias"]),
        ("owner-id", &["OwnerId"]),
        ("progress", &["Progress"]),
        ("snapshot-id", &["SnapshotId"]),
        ("start-time", &["StartTime"]),
        ("status", &["State"]),
        ("storage-tier", &["StorageTier"]),
        ("transfer-type", &["TransferType"]),
        ("volume-id", &["VolumeId"]),
        ("volume-size", &["VolumeSize"]),
    ],
    form: form::<SnapshotId>,
    not_found: SnapshotId::not_found,
};

/// The account's own; those of images on offer belong to their publishers and are not listed.
fn describe_snapshots(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let account = model.account_id.clone();
    let (mut owners, mut restorable) = (Vec::new(), Vec::new());
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut answer = DESCRIBE.serve_with(arguments, model.ebs_snapshots.values().map(|snapshot| shape(model, snapshot)), |a| {
        owners = owned(a.texts("OwnerIds")?);
        restorable = owned(a.texts("RestorableByUserIds")?);
        a.ids::<SnapshotId>("SnapshotIds").map(drop)
    })?;
    let is_own = |owner: &String| owner == "self" || *owner == account;
    let is_owned = owners.is_empty() || owners.iter().any(is_own);
    if let Some(snapshots) = answer["Snapshots"].as_array_mut() {
        snapshots.retain(|snapshot| {
            let shared = snapshot["SnapshotId"].as_str().and_then(|id| model.ebs_snapshots.get(&id.parse().ok()?));
            let may = |user: &String| is_own(user) || shared.is_some_and(|s| s.create_volume_permissions.contains(user));
            is_owned && (restorable.is_empty() || restorable.iter().any(may))
        });
    }
    Ok(answer)
}

fn describe_snapshot_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute): (SnapshotId, &str) = read(arguments, |a| Ok((a.required_id("SnapshotId")?, a.required_text("Attribute")?)))?;
    let snapshot = model.ebs_snapshot(&id)?;
    match attribute {
        "createVolumePermission" => {
            let permissions = snapshot.create_volume_permissions.iter().map(|who| permission(who));
            Ok(json!({"SnapshotId": text(&id), "CreateVolumePermissions": permissions.collect::<Value>()}))
        }
        "productCodes" => Ok(json!({"SnapshotId": text(&id), "ProductCodes": []})),
        other => Err(invalid("attribute", other, "Unknown snapshot attribute")),
    }
}

/// Who may use something: everybody, or an account.
pub fn permission(who: &str) -> Value {
    if who == "all" { json!({"Group": "all"}) } else { json!({"UserId": who}) }
}

/// Who is let in and who no longer, in both forms: lists to add and to remove, or an operation with users and groups.
pub fn permissions(
    a: &Arguments<'_>,
    attribute: &'static str,
    groups: &'static str,
) -> Result<(Vec<String>, Vec<String>), ApiError> {
    let who = |p: &Arguments<'_>| -> Result<String, ApiError> {
        p.refuse(&["OrganizationArn", "OrganizationalUnitArn"])?;
        let given = [p.text("Group")?, p.text("UserId")?].into_iter().flatten().collect();
        Ok(p.exactly_one("Group or UserId", given)?.to_owned())
    };
    let lists = a.within(attribute, |p| Ok((p.each("Add", who)?, p.each("Remove", who)?)))?;
    let (mut add, mut remove) = lists.unwrap_or_default();
    let named = [a.texts("UserIds")?, a.texts(groups)?].concat().into_iter().map(str::to_owned);
    match a.text("OperationType")? {
        Some("remove") => remove.extend(named),
        None | Some("add") => add.extend(named),
        Some(other) => return Err(a.invalid("OperationType", &other.into(), "Either add or remove was expected.")),
    }
    Ok((add, remove))
}

fn modify_snapshot_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, (add, remove)) = read(arguments, |a| {
        match a.text("Attribute")? {
            None | Some("createVolumePermission") => {}
            Some(other) => return Err(a.invalid("Attribute", &other.into(), "Only createVolumePermission can be changed.")),
        }
        Ok((a.required_id("SnapshotId")?, permissions(a, "CreateVolumePermission", "GroupNames")?))
    })?;
    operation::modify_snapshot_permissions(model, &id, &add, &remove)?;
    Ok(done())
}

fn reset_snapshot_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: SnapshotId = read(arguments, |a| match a.required_text("Attribute")? {
        "createVolumePermission" => a.required_id("SnapshotId"),
        other => Err(a.invalid("Attribute", &other.into(), "Only createVolumePermission can be reset.")),
    })?;
    let all = model.ebs_snapshot(&id)?.create_volume_permissions.clone();
    operation::modify_snapshot_permissions(model, &id, &[], &all)?;
    Ok(done())
}
