//! Lans of a lab for pictures of all of it: devices with their addresses, links with what is special about them.

use std::collections::BTreeMap;

use model::lan::{BitsPerSecond, Device, End, Framing};
use model::Model;

/// A lan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lan {
    /// What the lab calls it.
    pub name: String,
    /// Its devices, by name.
    pub devices: Vec<LanDevice>,
    /// Its links, in their order.
    pub links: Vec<LanLink>,
}

/// A device of a lan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanDevice {
    /// What the lab calls it.
    pub name: String,
    /// `hub`, `switch`, `host` …
    pub kind: &'static str,
    /// Addresses with their prefix lengths; `dhcp` where it asks for one.
    pub addresses: Vec<String>,
    /// What is at the other ends of its links, each once: devices, and `vpc:NAME`.
    pub neighbours: Vec<String>,
}

/// A link of a lan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanLink {
    /// One end.
    pub a: LanEnd,
    /// The other.
    pub b: LanEnd,
    /// Rate and framing, and `down` where it is.
    pub about: String,
}

/// Where a link ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanEnd {
    /// A device.
    Device(String),
    /// A VPC, by name.
    Vpc(String),
}

pub(super) fn of(model: &Model) -> Vec<Lan> {
    model.lans.iter().map(|(name, lan)| one(name, lan)).collect()
}

fn one(name: &str, lan: &model::Lan) -> Lan {
    let mut neighbours: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for link in &lan.links {
        for (own, other) in [(&link.a, &link.b), (&link.b, &link.a)] {
            let Some(own) = own.device() else { continue };
            let other = match other {
                End::Device { device, .. } => device.clone(),
                vpc => vpc.to_string(),
            };
            let known = neighbours.entry(own).or_default();
            if !known.contains(&other) {
                known.push(other);
            }
        }
    }
    let device = |(name, device): (&String, &Device)| {
        let interfaces = device.interfaces().into_iter().flatten();
        let addresses = interfaces.flat_map(|(_, interface)| {
            interface.addresses.iter().map(ToString::to_string).chain(interface.dhcp.then(|| "dhcp".to_owned()))
        });
        LanDevice {
            name: name.clone(),
            kind: device.kind(),
            addresses: addresses.collect(),
            neighbours: neighbours.get(name.as_str()).cloned().unwrap_or_default(),
        }
    };
    let end = |end: &End| match end {
        End::Device { device, .. } => LanEnd::Device(device.clone()),
        End::Vpc(name) => LanEnd::Vpc(name.clone()),
    };
    let link = |link: &model::lan::Link| {
        let framing = (link.framing != Framing::Ethernet).then(|| link.framing.to_string());
        let words = [Some(BitsPerSecond(link.rate_bits_per_second).to_string()), framing, (!link.up).then(|| "down".to_owned())];
        LanLink { a: end(&link.a), b: end(&link.b), about: words.into_iter().flatten().collect::<Vec<_>>().join(" ") }
    };
    Lan { name: name.to_owned(), devices: lan.devices.iter().map(device).collect(), links: lan.links.iter().map(link).collect() }
}
