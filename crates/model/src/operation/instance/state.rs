//! Starting, stopping, rebooting, terminating (INST-2 … INST-5), and what time does to an instance.

use std::collections::BTreeSet;

use super::run::{CHECKING_SECONDS, PENDING_SECONDS};
use crate::operation::ebs::leave_volumes;
use crate::operation::network_interface::{grant_public_address, remove};
use crate::spot::SpotState;
use crate::*;

/// Seconds from StopInstances to `stopped`.
const STOPPING_SECONDS: u64 = 3;
/// Seconds from TerminateInstances to `terminated`.
const SHUTTING_DOWN_SECONDS: u64 = 3;
/// Seconds that a terminated instance stays visible (INST-3).
pub(crate) const VISIBLE_SECONDS: u64 = 3_600;

/// What a call did to the state of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The instance.
    pub instance_id: InstanceId,
    /// State before.
    pub previous: InstanceState,
    /// State after.
    pub current: InstanceState,
}

/// Starts stopped instances, all or none; each gets a new auto-assigned address if it had one (PIP-2). Starting what
/// runs changes nothing.
///
/// Errors: `MissingParameter`, `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (INST-2).
pub fn start_instances(model: &mut Model, ids: &[InstanceId]) -> Result<Vec<StateChange>, ApiError> {
    use InstanceState::*;
    let instances = find_all(model, ids)?;
    if let Some(wrong) = instances.iter().find(|i| !matches!(i.state, Stopped | Pending | Running)) {
        return Err(wrong_state(&wrong.id, "started"));
    }
    let changes = change(model, ids, |instance, now| {
        if instance.state == Stopped {
            (instance.state, instance.settles_at) = (Pending, now.plus(PENDING_SECONDS));
            instance.launch_time = now;
            instance.checks_pass_at = now.plus(PENDING_SECONDS + CHECKING_SECONDS);
            instance.state_transition_reason.clear();
        }
    });
    for change in changes.iter().filter(|change| change.previous == Stopped) {
        for interface in ids_of_interfaces(model, &change.instance_id) {
            grant_public_address(model, &interface);
        }
    }
    Ok(changes)
}

/// Stops running instances, all or none. Stopping what is stopped changes nothing.
///
/// Errors: `MissingParameter`, `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (INST-2),
/// `OperationNotPermitted` (stop protection).
pub fn stop_instances(model: &mut Model, ids: &[InstanceId]) -> Result<Vec<StateChange>, ApiError> {
    use InstanceState::*;
    let instances = find_all(model, ids)?;
    for instance in instances {
        if !matches!(instance.state, Running | Stopping | Stopped) {
            return Err(wrong_state(&instance.id, "stopped"));
        }
        let spot = instance.options.spot_instance_request_id.as_ref().and_then(|id| model.spot_instance_requests.get(id));
        if spot.is_some_and(|request| !request.is_persistent) {
            let message = format!(
                "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
                instance.id
            );
            return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
        }
        if instance.disable_api_stop && instance.state == Running {
            return Err(protected(&instance.id, "stopped", "disableApiStop"));
        }
    }
    Ok(change(model, ids, |instance, now| {
        if instance.state == Running {
            (instance.state, instance.settles_at) = (Stopping, now.plus(STOPPING_SECONDS));
            instance.state_transition_reason = user_initiated(now);
        }
    }))
}

/// Reboots running instances, all or none; they keep every address (PIP-2).
///
/// Errors: `MissingParameter`, `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (INST-2).
pub fn reboot_instances(model: &mut Model, ids: &[InstanceId]) -> Result<(), ApiError> {
    let instances = find_all(model, ids)?;
    let is_up = |i: &&Instance| matches!(i.state, InstanceState::Pending | InstanceState::Running);
    if let Some(wrong) = instances.into_iter().find(|instance| !is_up(instance)) {
        return Err(wrong_state(&wrong.id, "rebooted"));
    }
    change(model, ids, |instance, _| instance.reboots += 1);
    Ok(())
}

/// Terminates instances in any state; repeating it is no error (INST-3).
///
/// Errors: `MissingParameter`, `InvalidInstanceID.NotFound` (one bad id fails the whole call, INST-3),
/// `OperationNotPermitted` (INST-4). The last one is the exception to "an error changes nothing": AWS terminates the
/// instances of zones without a protected one, and so does this.
pub fn terminate_instances(model: &mut Model, ids: &[InstanceId]) -> Result<Vec<StateChange>, ApiError> {
    use InstanceState::*;
    let instances = find_all(model, ids)?;
    let is_protected = |i: &&&Instance| i.disable_api_termination && !matches!(i.state, ShuttingDown | Terminated);
    let protecting = instances.iter().find(is_protected).map(|i| i.id.clone());
    let kept_zones: BTreeSet<_> = instances.iter().filter(is_protected).map(|i| &i.availability_zone).collect();
    let going: Vec<InstanceId> =
        instances.iter().filter(|i| !kept_zones.contains(&i.availability_zone)).map(|i| i.id.clone()).collect();
    let end = |instance: &mut Instance, now: Timestamp| {
        if !matches!(instance.state, ShuttingDown | Terminated) {
            (instance.state, instance.settles_at) = (ShuttingDown, now.plus(SHUTTING_DOWN_SECONDS));
            instance.state_transition_reason = user_initiated(now);
            instance.iam_instance_profile = None;
        }
    };
    match protecting {
        None => Ok(change(model, ids, end)),
        Some(id) => {
            if !going.is_empty() {
                change(model, &going, end);
            }
            Err(protected(&id, "terminated", "disableApiTermination"))
        }
    }
}

/// What time has done to one instance by now. Says whether the model changed; the caller raises the generation.
///
/// `stopping` ends without the auto-assigned addresses (PIP-2), `shutting-down` without interfaces that go with the
/// instance and without associations (ENI-8, EIP-8); a terminated instance is forgotten after an hour (INST-3).
pub(crate) fn settle_instance(model: &mut Model, id: &InstanceId) -> bool {
    use InstanceState::*;
    let now = model.context.now;
    let mut changed = false;
    while let Some(instance) = model.instances.get_mut(id).filter(|instance| instance.settles_at <= now) {
        match instance.state {
            Running | Stopped => break,
            Pending => instance.state = Running,
            Stopping => {
                instance.state = Stopped;
                for interface in ids_of_interfaces(model, id) {
                    release_public_address(model, &interface);
                }
            }
            ShuttingDown => {
                instance.state = Terminated;
                instance.settles_at = instance.settles_at.plus(VISIBLE_SECONDS);
                for interface in ids_of_interfaces(model, id) {
                    leave(model, &interface);
                }
                leave_volumes(model, id);
                for (_, request) in model.spot_instance_requests.iter_mut_where(|_, request| request.instance_id == *id) {
                    request.state = SpotState::Closed;
                }
                model.guests.remove(id);
                model.containers.remove(id);
            }
            Terminated => drop(model.instances.remove(id)),
        }
        changed = true;
    }
    changed
}

/// An interface leaves an instance that ended: it goes too, or stays without attachment (ENI-8).
fn leave(model: &mut Model, id: &NetworkInterfaceId) {
    let Some(interface) = model.network_interfaces.get_mut(id) else { return };
    if interface.attachment.take().is_some_and(|attachment| attachment.delete_on_termination) {
        remove(model, id);
    } else {
        release_public_address(model, id);
        crate::operation::address::unmap_interface(model, id, None);
    }
}

fn release_public_address(model: &mut Model, id: &NetworkInterfaceId) {
    if let Some(interface) = model.network_interfaces.get_mut(id) {
        (interface.auto_public_ip, interface.auto_public_ip_due) = (None, None);
    }
}

fn ids_of_interfaces(model: &Model, id: &InstanceId) -> Vec<NetworkInterfaceId> {
    model.interfaces_of(id).into_iter().map(|interface| interface.id.clone()).collect()
}

/// All instances named. Errors: `MissingParameter`, `InvalidInstanceID.NotFound` with every id that is not there.
fn find_all<'m>(model: &'m Model, ids: &[InstanceId]) -> Result<Vec<&'m Instance>, ApiError> {
    if ids.is_empty() {
        let message = "The request must contain the parameter InstanceId";
        return Err(ApiError::new(ErrorCode::MissingParameter, message));
    }
    let absent: Vec<_> = ids.iter().filter(|id| !model.instances.contains_key(id)).map(InstanceId::as_str).collect();
    match absent[..] {
        [] => Ok(ids.iter().filter_map(|id| model.instances.get(id)).collect()),
        [one] => Err(InstanceId::not_found(one)),
        _ => Err(ApiError::new(
            ErrorCode::InvalidInstanceIdNotFound,
            format!("The instance IDs '{}' do not exist", absent.join(", ")),
        )),
    }
}

/// Applies a change to checked instances and says what became of each.
fn change(
    model: &mut Model,
    ids: &[InstanceId],
    apply: impl Fn(&mut Instance, Timestamp),
) -> Vec<StateChange> {
    let now = model.context.now;
    let mut changes = Vec::with_capacity(ids.len());
    let mut seen = BTreeSet::new();
    for id in ids.iter().filter(|id| seen.insert(*id)) {
        if let Some(instance) = model.instances.get_mut(id) {
            let previous = instance.state;
            apply(instance, now);
            changes.push(StateChange { instance_id: id.clone(), previous, current: instance.state });
        }
    }
    model.generation += 1;
    changes
}

fn user_initiated(now: Timestamp) -> String {
    format!("User initiated ({} GMT)", now.iso8601().replace('T', " ").trim_end_matches('Z'))
}

fn wrong_state(id: &InstanceId, verb: &str) -> ApiError {
    let message = format!("The instance '{id}' is not in a state from which it can be {verb}.");
    ApiError::new(ErrorCode::IncorrectInstanceState, message)
}

fn protected(id: &InstanceId, verb: &str, attribute: &str) -> ApiError {
    let message = format!(
        "The instance '{id}' may not be {verb}. Modify its '{attribute}' instance attribute and try again."
    );
    ApiError::new(ErrorCode::OperationNotPermitted, message)
}
