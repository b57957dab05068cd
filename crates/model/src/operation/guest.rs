//! What a lab adds to the cloud: guests and named places on the internet. AWS knows neither, so the codes are the
//! nearest ones of AWS.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::*;

/// Words that selectors and rules keep for themselves.
pub const RESERVED_NAMES: [&str; 11] =
    ["internet", "anywhere", "any", "all", "tcp", "udp", "icmp", "igw", "nat", "local", "none"];

/// Says what runs inside an instance. Errors: `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (terminated),
/// `InvalidParameterValue` (the same listener twice, or one at a port that a container publishes).
pub fn set_guest(model: &mut Model, instance: &InstanceId, guest: Guest) -> Result<(), ApiError> {
    let state = model.instance(instance)?.state;
    if state == InstanceState::Terminated {
        let message = format!("The instance '{instance}' is terminated.");
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    let mut listeners = guest.listen.clone();
    listeners.sort_unstable();
    if let Some([twice, _]) = listeners.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(invalid(format!("{twice:?} is listened on twice in instance '{instance}'")));
    }
    if let Some(containers) = model.containers.get(instance) {
        super::container::check_ports(&listeners, containers)?;
    }
    model.guests.insert(instance.clone(), guest);
    model.generation += 1;
    Ok(())
}

/// Names a place on the internet, or gives it other addresses. Errors: `InvalidParameterValue` (name reserved, not a
/// word, an instance's, or of a device of a lan; no address; an address that is no host's, or that something else has).
pub fn set_outside_host(model: &mut Model, name: &str, host: OutsideHost) -> Result<(), ApiError> {
    check_name(name)?;
    let has_name = |instance: &&Instance| tag::name(&instance.tags) == Some(name);
    if let Some(instance) = model.instances.values().find(has_name) {
        return Err(invalid(format!("`{name}` is the name of instance {}", instance.id))
            .with_hint(super::lan::ONE_SET));
    }
    if let Some(lan) = super::lan::lan_of_device(model, name) {
        return Err(invalid(format!("`{name}` is the name of a device of lan `{lan}`"))
            .with_hint(super::lan::ONE_SET));
    }
    if host.addresses.is_empty() {
        return Err(invalid(format!("the outside place `{name}` has no address")));
    }
    let others = model.outside.iter().filter(|(other, _)| *other != name);
    let mut own: BTreeMap<IpAddr, &str> =
        others.flat_map(|(other, host)| host.addresses.iter().map(move |a| (*a, other.as_str()))).collect();
    for address in &host.addresses {
        if !OutsideHost::may_have(*address) {
            return Err(invalid(format!("{address} is no host's address (outside place `{name}`)")));
        }
        if let Some(other) = own.insert(*address, name) {
            return Err(invalid(format!("{address} of the outside place `{name}` belongs to `{other}` already")));
        }
        if let IpAddr::V4(address) = address
            && let Some(holder) = holder_of_public_address(model, *address)
        {
            return Err(invalid(format!("{address} of the outside place `{name}` is the public address of {holder}")));
        }
    }
    model.outside.insert(name.to_owned(), host);
    model.generation += 1;
    Ok(())
}

/// Forgets a named place. Errors: `InvalidParameterValue` (nobody has the name).
pub fn remove_outside_host(model: &mut Model, name: &str) -> Result<(), ApiError> {
    match model.outside.remove(name) {
        Some(_) => {
            model.generation += 1;
            Ok(())
        }
        None => Err(invalid(format!("there is no outside place `{name}`"))),
    }
}

/// A name that selectors can tell from everything else they know. Errors: `InvalidParameterValue`.
pub fn check_name(name: &str) -> Result<(), ApiError> {
    if RESERVED_NAMES.contains(&name) {
        return Err(invalid(format!("`{name}` is a reserved word"))
            .with_hint(format!("reserved: {}", RESERVED_NAMES.join(", "))));
    }
    let is_word = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    match is_word && name.len() <= 63 && name.parse::<IpAddr>().is_err() {
        true => Ok(()),
        false => Err(invalid(format!("`{name}` is not a name"))
            .with_hint("up to 63 letters, digits, `-`, `_` and `.`, and not an address")),
    }
}

fn holder_of_public_address(model: &Model, address: std::net::Ipv4Addr) -> Option<String> {
    let elastic = model.addresses.values().find(|a| a.public_ip == address).map(|a| a.allocation_id.to_string());
    let automatic = || model.network_interfaces.values().find(|eni| eni.auto_public_ip == Some(address));
    elastic.or_else(|| automatic().map(|eni| eni.id.to_string()))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
