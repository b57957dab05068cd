//! Settings of instances that few calls change, each with a call of its own; and setting attributes back.

use model::operation::{self, ModifyInstanceAttribute};
use model::{ApiError, ErrorCode, InstanceId, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::shape::{done, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("ModifyInstanceCapacityReservationAttributes", modify_capacity_reservation),
    ("ModifyInstanceCpuOptions", modify_cpu),
    ("ModifyInstanceMaintenanceOptions", modify_maintenance),
    ("ModifyInstancePlacement", modify_placement),
    ("ResetInstanceAttribute", reset_attribute),
];

/// `default` or `disabled`: whether it is disabled.
pub fn is_disabled(a: &Arguments<'_>, name: &'static str) -> Result<Option<bool>, ApiError> {
    match a.text(name)? {
        None => Ok(None),
        Some("default") => Ok(Some(false)),
        Some("disabled") => Ok(Some(true)),
        Some(other) => Err(a.invalid(name, &other.into(), "Either default or disabled was expected.")),
    }
}

fn modify_maintenance(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, recovery, migration): (InstanceId, _, _) = read(arguments, |a| {
        Ok((a.required_id("InstanceId")?, is_disabled(a, "AutoRecovery")?, is_disabled(a, "RebootMigration")?))
    })?;
    operation::modify_instance_options(model, &id, |options| {
        options.auto_recovery_disabled = recovery.unwrap_or(options.auto_recovery_disabled);
        options.reboot_migration_disabled = migration.unwrap_or(options.reboot_migration_disabled);
    })?;
    let options = &model.instance(&id)?.options;
    let word = |is_disabled: bool| if is_disabled { "disabled" } else { "default" };
    Ok(json!({
        "InstanceId": text(&id),
        "AutoRecovery": word(options.auto_recovery_disabled),
        "RebootMigration": word(options.reboot_migration_disabled),
    }))
}

/// `CapacityReservationSpecification`: whether reserved capacity is refused. There is none here that could be targeted.
pub fn refuses_reserved_capacity(c: &Arguments<'_>) -> Result<Option<bool>, ApiError> {
    c.refuse(&["CapacityReservationTarget"])?;
    match c.text("CapacityReservationPreference")? {
        None => Ok(None),
        Some("open") => Ok(Some(false)),
        Some("none") => Ok(Some(true)),
        Some(other) => Err(c.invalid("CapacityReservationPreference", &other.into(), "Either open or none was expected.")),
    }
}

fn modify_capacity_reservation(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, refuses): (InstanceId, _) = read(arguments, |a| {
        let refuses = a.within("CapacityReservationSpecification", |c| refuses_reserved_capacity(c))?;
        Ok((a.required_id("InstanceId")?, a.required("CapacityReservationSpecification", refuses.flatten())?))
    })?;
    check_is_stopped(model, &id)?;
    operation::modify_instance_options(model, &id, |options| options.refuses_reserved_capacity = refuses)?;
    Ok(done())
}

fn check_is_stopped(model: &Model, id: &InstanceId) -> Result<(), ApiError> {
    match model.instance(id)?.state {
        model::InstanceState::Stopped => Ok(()),
        _ => {
            let message = format!("The instance '{id}' is not in the 'stopped' state.");
            Err(ApiError::new(ErrorCode::IncorrectInstanceState, message).with_hint("stop it first"))
        }
    }
}

/// Cores and threads of a launch or a change: both or none.
pub fn cpu(c: &Arguments<'_>) -> Result<Option<(u32, u32)>, ApiError> {
    match (c.integer("CoreCount")?, c.integer("ThreadsPerCore")?) {
        (None, None) => Ok(None),
        (cores, threads) => Ok(Some((c.required("CoreCount", cores)?, c.required("ThreadsPerCore", threads)?))),
    }
}

fn modify_cpu(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, wanted): (InstanceId, _) = read(arguments, |a| {
        a.refuse(&["NestedVirtualization"])?;
        Ok((a.required_id("InstanceId")?, a.required("CoreCount", cpu(a)?)?))
    })?;
    check_is_stopped(model, &id)?;
    operation::check_cpu_options(&model.instance(&id)?.instance_type, wanted)?;
    operation::modify_instance_options(model, &id, |options| options.cpu = Some(wanted))?;
    Ok(json!({"InstanceId": text(&id), "CoreCount": wanted.0, "ThreadsPerCore": wanted.1}))
}

/// Where an instance is to be: a zone, and whether alone. There are no hosts and no placement groups that it could be put into.
///
/// Errors: `InvalidPlacementGroup.Unknown`, `UnsupportedOperation`.
pub fn is_dedicated(p: &Arguments<'_>) -> Result<Option<bool>, ApiError> {
    p.refuse(&["Affinity", "HostId", "HostResourceGroupArn", "PartitionNumber", "SpreadDomain"])?;
    let (tenancy, name, id) = (p.text("Tenancy")?, p.text("GroupName")?, p.text("GroupId")?);
    if let Some(group) = name.or(id) {
        let message = format!("The Placement Group '{group}' is unknown.");
        return Err(ApiError::new(ErrorCode::InvalidPlacementGroupUnknown, message));
    }
    match tenancy {
        None => Ok(None),
        Some("default") => Ok(Some(false)),
        Some("dedicated") => Ok(Some(true)),
        Some("host") => Err(ApiError::new(ErrorCode::UnsupportedOperation, "Dedicated hosts are not supported.")),
        Some(other) => Err(p.invalid("Tenancy", &other.into(), "One of default, dedicated and host was expected.")),
    }
}

fn modify_placement(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, dedicated): (InstanceId, _) = read(arguments, |a| Ok((a.required_id("InstanceId")?, is_dedicated(a)?)))?;
    check_is_stopped(model, &id)?;
    operation::modify_instance_options(model, &id, |options| {
        options.is_dedicated = dedicated.unwrap_or(options.is_dedicated);
    })?;
    Ok(done())
}

/// Only what has a value of its own to go back to.
fn reset_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute): (InstanceId, &str) = read(arguments, |a| Ok((a.required_id("InstanceId")?, a.required_text("Attribute")?)))?;
    match attribute {
        "sourceDestCheck" => {
            let request = ModifyInstanceAttribute { source_dest_check: Some(true), ..ModifyInstanceAttribute::of(id) };
            operation::modify_instance_attribute(model, request)?;
        }
        // An image of today has none of its own.
        "kernel" | "ramdisk" => {
            model.instance(&id)?;
            check_is_stopped(model, &id)?;
        }
        other => return Err(crate::arguments::invalid("attribute", other, "Only kernel, ramdisk and sourceDestCheck can be reset.")),
    }
    Ok(done())
}
