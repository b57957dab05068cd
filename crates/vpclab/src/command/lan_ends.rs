//! Ends of questions and claims that are in a lan: what the stages of a cloud cannot say of them, the simulator shows.

use std::net::{IpAddr, Ipv4Addr};

use conformance::EngineName;
use fabric::Fabric;
use ipnet::IpNet;
use model::cidr::RFC_1918;
use model::claim::{Claim, Ends, Sources};
use model::lan::{Device, Lan};
use model::selector::End;
use model::{Model, Probe, Selector};

use super::running::Running;
use super::target::Target;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Says that an answer about all pairs leaves lans out, where there are any: the stages of a cloud end at its gateways.
pub fn note_left_out(model: &Model, output: &Output) {
    if !model.lans.is_empty() {
        output.note("hosts of lans are not in this answer: vpclab sim check A B PROTO/PORT, or claims under `expect:` and vpclab test");
    }
}

/// Somebody in a lan, or an address there that nobody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanEnd<'m> {
    /// The device, or the address.
    pub device: String,
    /// `host`, `router` …
    pub kind: &'static str,
    /// The lan.
    pub lan: &'m str,
}

impl std::fmt::Display for LanEnd<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is a {} of lan {}", self.device, self.kind, self.lan)
    }
}

/// The device of a lan that a selector names, by its name or by an address that is written for it.
pub fn lan_end<'m>(model: &'m Model, selector: &Selector) -> Option<LanEnd<'m>> {
    let devices = model.lans.iter().flat_map(|(lan, of)| of.devices.iter().map(move |(name, device)| (lan, name, device)));
    let mut hosts = devices.filter(|(.., device)| device.interfaces().is_some());
    let found = match selector {
        Selector::Named(wanted) => hosts.find(|(_, name, _)| *name == wanted),
        Selector::Address(address) => hosts.find(|(.., device)| addresses(device).any(|own| own == *address)),
        Selector::Block(block) if block.prefix_len() == block.max_prefix_len() => {
            hosts.find(|(.., device)| addresses(device).any(|own| own == block.addr()))
        }
        _ => None,
    };
    let found = found.map(|(lan, device, what)| LanEnd { device: device.clone(), kind: what.kind(), lan });
    found.or_else(|| free_address(model, selector).map(|(address, lan)| LanEnd { device: address.to_string(), kind: FREE_ADDRESS, lan }))
}

/// The kind of an end that is an address which no device of a lan has.
const FREE_ADDRESS: &str = "free address";

/// Whether an end is an address that nobody has, not even for a time.
fn is_vacant(model: &Model, end: &LanEnd<'_>) -> bool {
    let address = end.device.parse::<Ipv4Addr>().ok().filter(|_| end.kind == FREE_ADDRESS);
    let held = model.lans.get(end.lan).map(Lan::ipv4_held).unwrap_or_default();
    address.is_some_and(|address| !held.iter().any(|(first, last)| (*first..=*last).contains(&address)))
}

/// An address that nobody has and that is a lan's: of a network that a device is in, or of a private one that is announced to a VPC.
pub fn free_address<'m>(model: &'m Model, selector: &Selector) -> Option<(IpAddr, &'m str)> {
    let address = match selector {
        Selector::Address(address) => *address,
        Selector::Block(block) if block.prefix_len() == block.max_prefix_len() => block.addr(),
        _ => return None,
    };
    let is_elsewhere = || match address {
        IpAddr::V4(own) => model.vpcs.values().any(|vpc| vpc.cidr_blocks.iter().any(|block| block.block.contains(&own))),
        IpAddr::V6(_) => false,
    };
    let lan = model.lans.iter().find(|(_, lan)| is_network_of(lan, IpNet::from(address)) || announces(lan, address)).map(|(name, _)| name.as_str());
    let lan = lan.filter(|_| !is_elsewhere() && !model.outside.values().any(|place| place.addresses.contains(&address)))?;
    Some((address, lan))
}

/// Whether a block lies in a network that a device of a lan is in.
fn is_network_of(lan: &Lan, block: IpNet) -> bool {
    let interfaces = lan.devices.values().filter_map(Device::interfaces).flat_map(|interfaces| interfaces.values());
    interfaces.flat_map(|interface| &interface.addresses).any(|network| network.contains(&block))
}

fn announces(lan: &Lan, address: IpAddr) -> bool {
    let IpAddr::V4(own) = address else { return false };
    let told = || lan.tunnels().flat_map(|(link, _)| lan.announced(link)).any(|network| network.contains(&own));
    RFC_1918.iter().any(|block| block.contains(&own)) && told()
}

/// The addresses that are written for a device.
pub fn addresses(device: &Device) -> impl Iterator<Item = IpAddr> {
    device.interfaces().into_iter().flatten().flat_map(|(_, interface)| &interface.addresses).map(|own| own.addr())
}

/// The first end of a question that is in a lan.
pub fn of_probe<'m>(model: &'m Model, probe: &Probe) -> Option<LanEnd<'m>> {
    lan_end(model, &probe.source).or_else(|| lan_end(model, &probe.destination))
}

/// Whether a claim speaks of somebody in a lan by name or address.
pub fn is_of_lan(model: &Model, claim: &Claim) -> bool {
    let sources = match &claim.sources {
        Sources::Each(ends) | Sources::Only(ends) => Some(ends),
        Sources::NothingElse => None,
    };
    let is_lans = |selector: &Selector| match selector {
        Selector::Block(block) => lan_end(model, selector).is_some() || model.lans.values().any(|lan| is_network_of(lan, *block)),
        _ => lan_end(model, selector).is_some(),
    };
    let selectors = |ends: &Ends| ends.of.iter().chain(&ends.except).any(is_lans);
    sources.is_some_and(selectors) || selectors(&claim.destinations)
}

/// Who answers a command that sends one packet after another.
pub enum Asked {
    /// The lab that is up.
    Running(Running),
    /// The simulator: an end is in a lan.
    Simulated(Target),
}

/// The lab that is up, unless an end is in a lan and nobody there could send or answer. A file whose lab is not up does for the simulator.
pub fn running_or_simulated(probe: &Probe, global: &Global, output: &Output) -> Result<Asked> {
    let target = match Running::open(global) {
        Ok(running) if of_probe(&running.model, probe).is_none() => return Ok(Asked::Running(running)),
        Ok(running) if super::devices::way(probe, &running)?.is_some() => return Ok(Asked::Running(running)),
        Ok(running) => Target::of(running),
        Err(failure) => match Target::find(global, output) {
            Ok(target) if of_probe(&target.model, probe).is_some() => target,
            _ => return Err(failure),
        },
    };
    if let Some(end) = of_probe(&target.model, probe) {
        simulated(&end, output);
    }
    Ok(Asked::Simulated(target))
}

/// Says who answers.
pub fn simulated(end: &LanEnd, output: &Output) {
    output.note(format!("{end}: the answer is the simulator's"));
}

/// What an engine that sends through the cloud alone says of somebody in a lan.
pub fn not_of(engine: EngineName, end: &LanEnd, words: &[String]) -> Failure {
    let message = format!("{end}, and the {} engine knows of lans only what lies behind a virtual private gateway", engine.as_str());
    Failure::usage(message).hint(format!("vpclab sim check {}", words.join(" ")))
}

/// Why the stages of a cloud decide nothing about a question: an end is in a lan that no virtual private gateway knows of, or
/// both are in lans.
pub fn out_of_sight(model: &Model, probe: &Probe, words: &[String]) -> Option<Failure> {
    let ends = [&probe.source, &probe.destination].map(|selector| Some((lan_end(model, selector)?, selector.ends(model).ok())));
    if let [Some((from, _)), None] = &ends
        && is_vacant(model, from)
    {
        return Some(Failure::usage(format!("{from}: nobody sends from it")).hint("vpclab ls devices, or a host with that address in the file"));
    }
    let fabric = ends.iter().any(Option::is_some).then(|| Fabric::compile(model))?;
    let is_behind = |ends: &Option<Vec<End>>| match ends.as_deref() {
        Some([End::Address(address)]) => fabric.behind_vpn(*address).is_some(),
        _ => false,
    };
    let message = match &ends {
        [Some((from, _)), Some((to, _))] => format!("{from}, {to}: no stage of a cloud is between them"),
        [Some((end, meant)), None] | [None, Some((end, meant))] if !is_behind(meant) => {
            format!("{end}, and no virtual private gateway knows of it")
        }
        _ => return None,
    };
    Some(Failure::usage(message).hint(format!("vpclab sim check {}", words.join(" "))))
}
