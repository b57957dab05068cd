//! Lans. AWS knows none of it, so the codes are the nearest ones of AWS.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use crate::lan::{Fault, Place, Problem};
use crate::*;

/// Gives the lab these lans, all of them: what is not among them is gone. Errors: as [`check_lans`].
pub fn set_lans(model: &mut Model, lans: impl Into<Table<String, Lan>>) -> Result<(), ApiError> {
    let lans = lans.into();
    check_lans(model, &lans)?;
    model.lans = lans;
    model.generation += 1;
    Ok(())
}

/// Whether these may be the lans of a lab. Errors: `InvalidParameterValue` (a name that is none or that another thing has,
/// instances and outside places included; whatever [`Lan::problems`] finds; VPCs as [`lan_between_alike`] finds them),
/// `InvalidVpcID.NotFound` (a link ends at a VPC that is not there).
pub fn check_lans(model: &Model, lans: &Table<String, Lan>) -> Result<(), ApiError> {
    let mut devices: BTreeMap<&str, &str> = BTreeMap::new();
    let lives = |instance: &&Instance| instance.state != InstanceState::Terminated && instance.state != InstanceState::ShuttingDown;
    let instances = model.instances.values().filter(lives).filter_map(|instance| Some((tag::name(&instance.tags)?, &instance.id)));
    let instances: BTreeMap<&str, &InstanceId> = instances.collect();
    for (name, lan) in lans {
        super::check_name(name)?;
        for device in lan.devices.keys() {
            if let Some(other) = devices.insert(device, name) {
                return Err(invalid(format!("lans `{other}` and `{name}` both have a device `{device}`")));
            }
            let instance = instances.get(device.as_str()).map(|id| format!("instance {id}"));
            let outside = model.outside.contains_key(device).then(|| "an outside place".to_owned());
            if let Some(holder) = instance.or(outside) {
                return Err(invalid(format!("`{device}` of lan `{name}` is the name of {holder}")).with_hint(ONE_SET));
            }
        }
        if let Some(problem) = lan.problems().into_iter().next() {
            let known = problem.unknown.filter(|unknown| !unknown.known.is_empty());
            let known = known.map(|unknown| format!("{}s: {}", unknown.what, unknown.known.join(", ")));
            let error = invalid(format!("lan `{name}`: {}", problem.message));
            return Err(problem.hint.or(known).into_iter().fold(error, ApiError::with_hint));
        }
        for (_, vpc) in lan.vpcs() {
            if !model.vpcs.values().any(|known| tag::name(&known.tags) == Some(vpc)) {
                let message = format!("lan `{name}` is linked to the VPC `{vpc}`, which does not exist");
                return Err(ApiError::new(ErrorCode::InvalidVpcIdNotFound, message));
            }
        }
        if let Some(problem) = lan_between_alike(model, lan).into_iter().next() {
            let error = invalid(format!("lan `{name}`: {}", problem.message));
            return Err(problem.hint.into_iter().fold(error, ApiError::with_hint));
        }
    }
    Ok(())
}

/// Two VPCs with addresses in common that devices of a lan which are joined are linked to: a router has one way to an
/// address, so answers to one of the two would go to the other.
pub fn lan_between_alike(model: &Model, lan: &Lan) -> Vec<Problem> {
    let blocks = |link: usize| {
        let name = lan.tunnel(&lan.links[link]).map(|(.., vpc)| vpc)?;
        let vpc = model.vpcs.values().find(|vpc| tag::name(&vpc.tags) == Some(name))?;
        Some((name, vpc.cidr_blocks.iter().map(|own| own.block).collect::<Vec<_>>()))
    };
    let mut problems = Vec::new();
    for (one, other) in lan.tunnel_pairs() {
        let (Some((a, of_a)), Some((b, of_b))) = (blocks(one), blocks(other)) else { continue };
        let overlaps = |block: &Ipv4Net| of_b.iter().any(|known| known.contains(block) || block.contains(known));
        let Some(block) = of_a.into_iter().find(overlaps) else { continue };
        problems.push(Problem {
            fault: Fault::Link,
            place: Place::Link(other),
            message: format!("this links the lan to the VPC `{b}`, and another link to `{a}`: both have addresses of {block}, and a router has one way to an address"),
            hint: Some("give one of the VPCs another block; or a lan of its own; or one of the two links is `down`".to_owned()),
            unknown: None,
            other: Some(Place::Link(one)),
        });
    }
    problems
}

/// Said of every clash of names.
pub(crate) const ONE_SET: &str = "instances, outside places and devices of lans share one set of names";

/// The lan that has a device of this name.
pub(crate) fn lan_of_device<'m>(model: &'m Model, device: &str) -> Option<&'m str> {
    model.lans.iter().find(|(_, lan)| lan.devices.contains_key(device)).map(|(name, _)| name.as_str())
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
