//! Names that the lab does not have and that a sender's name servers may know: the hosts that a lookup needs, and the address of a
//! name where something is to be sent to it.

use std::net::IpAddr;

use fabric::stage::internet::AWS_API;
use model::Selector;
use sim::Span;
use sim::app::{End, LookupSpec};
use sim::host::Host;

use super::ends::{From, Stage};
use super::words::{Goal, resolve};
use super::{ShowArgs, ask, told};
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Makes the hosts of the internet that lookups lead to: the sender's name servers, and AWS's API, which has names there.
pub fn meet(stage: &mut Stage, from: &From) {
    // Lans alone have no internet.
    if stage.fabric.vpcs.is_empty() {
        return;
    }
    let cloud = &mut stage.world.cloud;
    let servers = cloud.simulator.get(from.node).map(|host: &Host| host.name_servers()).unwrap_or_default();
    for address in servers.into_iter().chain([IpAddr::V4(AWS_API)]) {
        if stage.fabric.is_outside_host(address) {
            cloud.host(address);
        }
    }
}

/// The address at which a sender asks somebody: of the lab, or else as its name servers say. Errors: neither knows the name.
pub fn address(stage: &mut Stage, from: &From, to: &Selector, show: &ShowArgs, output: &Output) -> Result<IpAddr> {
    let failure = match stage.to(to, from) {
        Ok(address) => return Ok(address),
        Err(failure) => failure,
    };
    let Ok(Goal::Name(name)) = resolve(stage, from, &to.to_string()) else { return Err(failure) };
    let outcome = ask::run(stage, from, show, output, Span::ZERO, |host, context| host.lookup(context, LookupSpec::new(&name)))?;
    outcome.addresses.first().copied().ok_or_else(|| {
        let why = match outcome.end {
            End::Failed(reason) => reason.sentence().to_owned(),
            _ => told::why(&outcome),
        };
        let message = format!("{}; its name servers were asked: {why}", failure.message);
        Failure { message, ..failure }
    })
}
