//! Collision domains and broadcast domains, counted from what a lan is.
//!
//! Where a bit can meet another one is a collision domain: everything that hubs and repeaters join is one, and so is each
//! cable that joins two other ports. Where a broadcast reaches is a broadcast domain: hubs, repeaters, bridges and switches
//! pass it on, routers and hosts do not.

use std::collections::{BTreeMap, BTreeSet};

use model::lan::{Device, End, Lan};
use serde::Serialize;

/// The domains of a lan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Domains {
    /// Devices of every kind.
    pub nodes: usize,
    /// Links, those to VPCs included.
    pub links: usize,
    /// Collision domains, by the first link of each.
    pub collision: Vec<Domain>,
    /// Broadcast domains, by the first link of each.
    pub broadcast: Vec<Domain>,
}

/// A domain: the links in it, and what is at their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// Indices of links, in order.
    pub links: Vec<usize>,
    /// Ends as `device:interface`, or `vpc:NAME`, sorted.
    pub ends: BTreeSet<String>,
}

/// Counts the domains of a lan. Links that are down belong to what they would join.
pub fn count(lan: &Lan) -> Domains {
    let repeats = |device: &Device| matches!(device, Device::Hub(_) | Device::Repeater(_));
    let bridges = |device: &Device| matches!(device, Device::Switch(_) | Device::Bridge(_)) || repeats(device);
    let (nodes, links) = (lan.devices.len(), lan.links.len());
    Domains { nodes, links, collision: joined(lan, repeats), broadcast: joined(lan, bridges) }
}

/// Groups of links that devices of a kind join.
fn joined(lan: &Lan, joins: impl Fn(&Device) -> bool) -> Vec<Domain> {
    // Every link begins as its own group; a device that joins makes one of all the groups at it.
    let mut group: Vec<usize> = (0..lan.links.len()).collect();
    for (name, _) in lan.devices.iter().filter(|(_, device)| joins(device)) {
        let ends = |index: &usize| [&lan.links[*index].a, &lan.links[*index].b].iter().any(|end| end.device() == Some(name));
        let at: Vec<usize> = (0..lan.links.len()).filter(ends).collect();
        let Some(into) = at.iter().map(|index| group[*index]).min() else { continue };
        let old: BTreeSet<usize> = at.iter().map(|index| group[*index]).collect();
        group.iter_mut().filter(|of| old.contains(of)).for_each(|of| *of = into);
    }
    let mut domains: BTreeMap<usize, Domain> = BTreeMap::new();
    for (index, of) in group.into_iter().enumerate() {
        let domain = domains.entry(of).or_default();
        domain.links.push(index);
        let link = &lan.links[index];
        domain.ends.extend([&link.a, &link.b].into_iter().map(text));
    }
    domains.into_values().collect()
}

fn text(end: &End) -> String {
    match end {
        End::Device { device, interface } => format!("{device}:{interface}"),
        End::Vpc(name) => format!("vpc:{name}"),
    }
}
