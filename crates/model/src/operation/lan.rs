//! Lans. AWS knows none of it, so the codes are the nearest ones of AWS.

use std::collections::BTreeMap;

use crate::*;

/// Gives the lab these lans, all of them: what is not among them is gone.
///
/// Errors: `InvalidParameterValue` (a name that is none or that another thing has, instances and outside places included;
/// whatever [`Lan::problems`] finds), `InvalidVpcID.NotFound` (a link ends at a VPC that is not there).
pub fn set_lans(model: &mut Model, lans: BTreeMap<String, Lan>) -> Result<(), ApiError> {
    let mut devices: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, lan) in &lans {
        super::check_name(name)?;
        for device in lan.devices.keys() {
            if let Some(other) = devices.insert(device, name) {
                return Err(invalid(format!("lans `{other}` and `{name}` both have a device `{device}`")));
            }
            if let Some(holder) = holder_of_name(model, device) {
                return Err(invalid(format!("`{device}` of lan `{name}` is the name of {holder}")).with_hint(ONE_SET));
            }
        }
        if let Some(problem) = lan.problems().into_iter().next() {
            let error = invalid(format!("lan `{name}`: {}", problem.message));
            return Err(problem.hint.into_iter().fold(error, ApiError::with_hint));
        }
        for (_, vpc) in lan.vpcs() {
            if !model.vpcs.values().any(|known| tag::name(&known.tags) == Some(vpc)) {
                let message = format!("lan `{name}` is linked to the VPC `{vpc}`, which does not exist");
                return Err(ApiError::new(ErrorCode::InvalidVpcIdNotFound, message));
            }
        }
    }
    model.lans = lans;
    model.generation += 1;
    Ok(())
}

/// Said of every clash of names.
const ONE_SET: &str = "instances, outside places and devices of lans share one set of names";

/// The lan that has a device of this name.
pub(crate) fn lan_of_device<'m>(model: &'m Model, device: &str) -> Option<&'m str> {
    model.lans.iter().find(|(_, lan)| lan.devices.contains_key(device)).map(|(name, _)| name.as_str())
}

fn holder_of_name(model: &Model, name: &str) -> Option<String> {
    if model.outside.contains_key(name) {
        return Some("an outside place".to_owned());
    }
    let lives = |instance: &&Instance| instance.state != InstanceState::Terminated && instance.state != InstanceState::ShuttingDown;
    let mut instances = model.instances.values().filter(lives);
    instances.find(|instance| tag::name(&instance.tags) == Some(name)).map(|instance| format!("instance {}", instance.id))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
