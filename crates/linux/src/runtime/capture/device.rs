//! Devices of lans as hops: each at all its interfaces or ports, or at one that is named. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::lan::{Device, End, Lan};

use super::hop::{Hop, Kind};
use crate::naming;
use crate::plan::device_index;
use crate::plan::lan::{Lans, addresses};

impl Hop {
    /// Every device of lans, by name.
    pub fn devices(lans: &Lans) -> Vec<Hop> {
        let of_lan = |lan: &Lan| {
            let addresses = addresses(lan);
            lan.devices.iter().map(|(name, device)| hop(lan, name, device, &addresses[name.as_str()])).collect::<Vec<_>>()
        };
        let mut hops: Vec<Hop> = lans.values().flat_map(of_lan).collect();
        hops.sort_by(|a, b| a.name.cmp(&b.name));
        hops
    }

    /// The hop that a word means: a device, or one of its interfaces as `DEVICE:INTERFACE`; a device by an address of its.
    pub fn device(lans: &Lans, word: &str) -> Option<Hop> {
        let (name, interface) = word.split_once(':').map_or((word, None), |(name, interface)| (name, Some(interface)));
        let address: Option<IpAddr> = word.parse().ok();
        let is_meant = |hop: &Hop| hop.name == name;
        let by_address = |lan: &Lan| {
            let wanted = address?;
            addresses(lan).into_iter().find(|(_, own)| own.contains(&wanted)).map(|(name, _)| name.to_owned())
        };
        let all = Hop::devices(lans);
        let found = all.iter().find(|hop| is_meant(hop));
        let Some(interface) = interface.filter(|_| address.is_none()) else {
            let name = lans.values().find_map(by_address);
            return found.or_else(|| all.iter().find(|hop| Some(&hop.name) == name.as_ref())).cloned();
        };
        let (index, hop) = (device_index(interface), found?);
        let other = hop.links.get(&index)?.clone();
        let links = BTreeMap::from([(index, other)]);
        Some(Hop { name: word.to_owned(), device: Some(interface.to_owned()), links, ..hop.clone() })
    }
}

fn hop(lan: &Lan, name: &str, device: &Device, addresses: &[IpAddr]) -> Hop {
    let mut links = BTreeMap::new();
    for link in &lan.links {
        for (own, other) in [(&link.a, &link.b), (&link.b, &link.a)] {
            if let (Some(at), Some(interface)) = (own.device(), own.interface())
                && at == name
            {
                links.insert(device_index(interface), far(other));
            }
        }
    }
    let own: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let description = [vec![device.kind().to_owned()], own].concat().join(", ");
    let namespace = naming::device_namespace(name, device);
    Hop { name: name.to_owned(), description, kind: Kind::Device, namespace, device: None, links }
}

/// The other end of a link, as people call it.
fn far(end: &End) -> String {
    match end {
        End::Device { device, .. } => device.clone(),
        End::Vpc(name) => format!("{name} router"),
    }
}

/// Addresses of devices with the names of who has them; those that two have have none.
pub fn device_names(lans: &Lans) -> BTreeMap<IpAddr, String> {
    let mut names: BTreeMap<IpAddr, Option<String>> = BTreeMap::new();
    for lan in lans.values() {
        for (name, own) in addresses(lan) {
            for address in own {
                names.entry(address).and_modify(|known| *known = known.take().filter(|known| known == name)).or_insert_with(|| Some(name.to_owned()));
            }
        }
    }
    names.into_iter().filter_map(|(address, name)| Some((address, name?))).collect()
}
