//! Instance profiles of instances (IAM-3): which one, by its resource name. That it exists, and that whoever calls may pass its role, is
//! asked where identities are known.

use crate::instance::InstanceProfileAssociation;
use crate::*;

/// An instance profile as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceProfile {
    /// Its resource name.
    pub arn: String,
    /// Its identifier; empty where nobody knows it yet.
    pub id: String,
}

impl InstanceProfile {
    pub(super) fn associate(self, context: &mut Context) -> InstanceProfileAssociation {
        InstanceProfileAssociation { id: context.next_id(), arn: self.arn, profile_id: self.id, since: context.now }
    }
}

/// Gives an instance a profile. Errors: `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (neither pending nor running nor stopped
/// nor stopping), `IncorrectState` (it has one).
pub fn associate_iam_instance_profile(
    model: &mut Model,
    id: &InstanceId,
    profile: InstanceProfile,
) -> Result<InstanceProfileAssociation, ApiError> {
    let instance = model.instance(id)?;
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        let message = format!("The instance '{id}' is not in the 'running' or 'stopped' states.");
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    if instance.iam_instance_profile.is_some() {
        let message = format!("There is an existing association for instance {id}");
        let error = ApiError::new(ErrorCode::IncorrectState, message);
        return Err(error.with_hint("ReplaceIamInstanceProfileAssociation puts another profile in its place"));
    }
    let association = profile.associate(&mut model.context);
    set(model, id, Some(association.clone()));
    Ok(association)
}

/// Takes a profile from its instance; what it was, and whose. Errors: `InvalidAssociationID.NotFound`.
pub fn disassociate_iam_instance_profile(
    model: &mut Model,
    id: &InstanceProfileAssociationId,
) -> Result<(InstanceId, InstanceProfileAssociation), ApiError> {
    let (instance, association) = association_of(model, id)?;
    set(model, &instance, None);
    Ok((instance, association))
}

/// Puts another profile in the place of one. Errors: `InvalidAssociationID.NotFound`.
pub fn replace_iam_instance_profile_association(
    model: &mut Model,
    id: &InstanceProfileAssociationId,
    profile: InstanceProfile,
) -> Result<(InstanceId, InstanceProfileAssociation), ApiError> {
    let (instance, _) = association_of(model, id)?;
    let association = profile.associate(&mut model.context);
    set(model, &instance, Some(association.clone()));
    Ok((instance, association))
}

/// Says the identifiers of profiles where nobody has said them yet: a lab file knows names alone.
pub fn identify_instance_profiles(model: &mut Model, id_of: impl Fn(&str) -> Option<String>) {
    let unknown = |instance: &Instance| instance.iam_instance_profile.as_ref().is_some_and(|profile| profile.profile_id.is_empty());
    let ids: Vec<InstanceId> = model.instances.values().filter(|instance| unknown(instance)).map(|instance| instance.id.clone()).collect();
    for id in ids {
        let profile = model.instances.get_mut(&id).and_then(|instance| instance.iam_instance_profile.as_mut());
        if let Some(profile) = profile
            && let Some(known) = id_of(&profile.arn)
        {
            profile.profile_id = known;
        }
    }
}

fn association_of(model: &Model, id: &InstanceProfileAssociationId) -> Result<(InstanceId, InstanceProfileAssociation), ApiError> {
    let has = |instance: &&Instance| instance.iam_instance_profile.as_ref().is_some_and(|profile| profile.id == *id);
    let found = model.instances.values().find(has);
    let found = found.and_then(|instance| Some((instance.id.clone(), instance.iam_instance_profile.clone()?)));
    found.ok_or_else(|| ApiError::new(ErrorCode::InvalidAssociationIdNotFound, format!("An invalid association-id of '{id}' was given")))
}

fn set(model: &mut Model, id: &InstanceId, profile: Option<InstanceProfileAssociation>) {
    if let Some(instance) = model.instances.get_mut(id) {
        instance.iam_instance_profile = profile;
        model.generation += 1;
    }
}
