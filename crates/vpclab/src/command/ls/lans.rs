//! Lans as rows: each whole, its devices, its hosts, its links.

use std::collections::BTreeMap;

use model::Model;
use model::lan::{BitsPerSecond, Device, Interface, Lan, Link, Nanoseconds};

use super::joined;

/// A row a lan.
pub fn lans(model: &Model) -> Vec<Vec<String>> {
    let row = |(name, lan): (&String, &Lan)| {
        let hosts = lan.devices.values().filter(|device| matches!(device, Device::Host(_))).count();
        let mut vpcs: Vec<&str> = lan.vpcs().map(|(_, vpc)| vpc).collect();
        vpcs.sort_unstable();
        vpcs.dedup();
        let counts = [lan.devices.len(), hosts, lan.links.len()].map(|count| count.to_string());
        [vec![name.clone()], counts.to_vec(), vec![joined(vpcs.into_iter().map(str::to_owned))]].concat()
    };
    model.lans.iter().map(row).collect()
}

/// A row a device, hubs and switches too.
pub fn devices(model: &Model) -> Vec<Vec<String>> {
    let row = |lan: &str, name: &str, device: &Device, links: usize| {
        vec![name.to_owned(), device.kind().to_owned(), lan.to_owned(), joined(addresses(device)), links.to_string()]
    };
    let mut rows = Vec::new();
    for (lan, own) in &model.lans {
        let mut links: BTreeMap<&str, usize> = BTreeMap::new();
        for end in own.links.iter().flat_map(|link| [&link.a, &link.b]) {
            end.device().iter().for_each(|device| *links.entry(device).or_default() += 1);
        }
        rows.extend(own.devices.iter().map(|(name, device)| row(lan, name, device, links.get(name.as_str()).copied().unwrap_or(0))));
    }
    rows
}

/// A row a host: what it listens on stands as in the file.
pub fn hosts(model: &Model) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (lan, own) in &model.lans {
        for (name, device) in &own.devices {
            let Device::Host(host) = device else { continue };
            let listens = host.listen.iter().map(ToString::to_string).chain(host.serve.iter().map(ToString::to_string));
            let macs = host.interfaces.values().filter_map(|interface| interface.mac).map(|mac| mac.to_string());
            let gateways = host.gateways.iter().map(ToString::to_string);
            rows.push(vec![name.clone(), lan.clone(), joined(addresses(device)), joined(gateways), joined(listens), joined(macs)]);
        }
    }
    rows
}

/// A row a link.
pub fn links(model: &Model) -> Vec<Vec<String>> {
    let row = |lan: &str, own: &Lan, index: usize, link: &Link| {
        let share = |of_million: u32| match of_million {
            0 => "-".to_owned(),
            share => format!("{}%", f64::from(share) / 10_000.0),
        };
        let duplex = if link.half_duplex { ", half duplex" } else { "" };
        vec![
            format!("{} -- {}", link.a, link.b),
            lan.to_owned(),
            if link.up { "up" } else { "down" }.to_owned(),
            format!("{}{duplex}", BitsPerSecond(link.rate_bits_per_second)),
            Nanoseconds(link.delay_nanoseconds).to_string(),
            link.framing.to_string(),
            share(link.loss_per_million),
            link.queue_frames.to_string(),
            link.mtu_bytes.to_string(),
            joined(own.announced(index).iter().map(ToString::to_string)),
        ]
    };
    let of_lan = |(name, lan): (&String, &Lan)| lan.links.iter().enumerate().map(|(index, link)| row(name, lan, index, link)).collect::<Vec<_>>();
    model.lans.iter().flat_map(of_lan).collect()
}

fn addresses(device: &Device) -> impl Iterator<Item = String> {
    let interfaces = device.interfaces().into_iter().flatten();
    interfaces.flat_map(|(_, interface): (_, &Interface)| {
        let dhcp = interface.dhcp.then(|| "dhcp".to_owned());
        interface.addresses.iter().map(ToString::to_string).chain(dhcp)
    })
}
