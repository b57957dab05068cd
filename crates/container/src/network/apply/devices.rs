//! Bridges, cables, addresses and default routes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use ipnet::{IpNet, Ipv4Net};
use netlink::rtnl::Family;
use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, Ipv4Conf, Link, LinkKind, LinkSpec, Target};
use netlink::rtnl::route::{self, Route};
use netlink::{Batch, Protocol, Socket};

use super::Namespaces;
use crate::network::error::{Error, Result};
use crate::network::plan::{Bridge, Cable, DEVICE_GROUP, Plan};

/// What was done to devices.
pub struct Devices {
    /// How many changes.
    pub changes: usize,
    /// Subnets of containers before and after.
    pub subnets: BTreeSet<Ipv4Net>,
    /// Whether a container or a network that was there is there no more.
    pub has_lost: bool,
    /// Addresses that containers were given just now: what is known of them is of others.
    pub new_addresses: BTreeSet<Ipv4Addr>,
}

/// Makes devices as planned.
pub fn apply(namespaces: &mut impl Namespaces, key: &str, plan: &Plan) -> Result<Devices> {
    let mut done = Devices {
        changes: 0,
        subnets: plan.bridges.values().map(|b| b.address.trunc()).collect(),
        has_lost: false,
        new_addresses: BTreeSet::new(),
    };
    let found = look(namespaces.socket(key, Protocol::Route)?).map_err(Error::kernel(key))?;
    for link in found.values() {
        let is_planned =
            plan.bridges.contains_key(&link.name) || plan.cables.contains_key(&link.name);
        if is_planned && link.group != DEVICE_GROUP {
            return Err(Error::Plan(format!(
                "device {} of the instance is in the way: containers did not make it; remove it (ip link del {})",
                link.name, link.name
            )));
        }
    }
    let socket = namespaces.socket(key, Protocol::Route)?;
    let held = address::dump(socket, Some(Family::V4), None).map_err(Error::kernel(key))?;
    // What is left of networks that go is forgotten, too.
    for link in found.values().filter(|link| link.group == DEVICE_GROUP) {
        let here = held.iter().filter(|held| held.device == link.index);
        done.subnets
            .extend(here.filter_map(|held| match held.address {
                IpNet::V4(address) => Some(address.trunc()),
                IpNet::V6(_) => None,
            }));
    }
    let mut links = remove(namespaces, key, plan, found, &mut done)?;
    bridges(namespaces, key, plan, &mut links, &held, &mut done)?;
    cables(namespaces, key, plan, &mut links, &mut done)?;
    Ok(done)
}

/// Looks at devices that were made just now; a look at each costs less than one at all.
fn look_at<'a>(
    socket: &mut Socket,
    names: impl Iterator<Item = &'a String>,
    links: &mut BTreeMap<String, Link>,
) -> std::result::Result<(), netlink::Error> {
    for name in names {
        links.insert(name.clone(), link::get(socket, Target::Name(name))?);
    }
    Ok(())
}

fn look(socket: &mut Socket) -> std::result::Result<BTreeMap<String, Link>, netlink::Error> {
    let links = link::dump(socket)?;
    Ok(links
        .into_iter()
        .map(|link| (link.name.clone(), link))
        .collect())
}

/// Removes what is ours and not planned, or not so; returns what stays.
fn remove(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    found: BTreeMap<String, Link>,
    done: &mut Devices,
) -> Result<BTreeMap<String, Link>> {
    let (mut stays, mut batch) = (BTreeMap::new(), Batch::new());
    let mut gone = 0;
    for (name, link) in found {
        if link.group != DEVICE_GROUP {
            continue;
        }
        let is_right = match (plan.bridges.get(&name), plan.cables.get(&name)) {
            (Some(_), _) => link.kind.as_deref() == Some("bridge"),
            (_, Some(cable)) => {
                link.kind.as_deref() == Some("veth")
                    && is_settled_or_whole(namespaces, key, cable, &link)?
            }
            (None, None) => false,
        };
        if is_right {
            stays.insert(name, link);
        } else {
            link::delete(&mut batch, Target::Index(link.index));
            gone += 1;
        }
    }
    let planned = |(instance, name): &(String, String)| {
        instance != key || plan.cables.contains_key(name) && stays.contains_key(name)
    };
    let settled = &mut namespaces.settled().cables;
    let before = settled.len();
    settled.retain(|place, _| planned(place));
    // A container's end may have gone with its namespace, and with it this one.
    done.has_lost = settled.len() < before || gone > 0;
    let socket = namespaces.socket(key, Protocol::Route)?;
    if stays.is_empty() && gone > 1 {
        // Each device by itself would take as long as all together.
        batch = Batch::new();
        link::delete(&mut batch, Target::Group(DEVICE_GROUP));
    }
    if !batch.is_empty() {
        // One may have gone with its container meanwhile.
        let refused = socket.execute_all(&batch).map_err(Error::kernel(key))?;
        if let Some(refusal) = refused.into_iter().find(|r| r.errno != libc::ENODEV) {
            return Err(Error::kernel(key)(netlink::Error::Refused(refusal)));
        }
        done.changes += gone;
    }
    Ok(stays)
}

/// Whether the far end of a cable is in its container, under its name.
fn is_settled_or_whole(
    namespaces: &mut impl Namespaces,
    key: &str,
    cable: &Cable,
    near: &Link,
) -> Result<bool> {
    let place = (key.to_owned(), cable.host_device.clone());
    if let Some((index, known)) = namespaces.settled().cables.get(&place)
        && *index == near.index
        && (&known.namespace, &known.interface, known.mac)
            == (&cable.namespace, &cable.interface, cable.mac)
    {
        return Ok(true);
    }
    let socket = namespaces.socket(&cable.namespace, Protocol::Route)?;
    let far = match link::get(socket, Target::Name(&cable.interface)) {
        Ok(far) => far,
        Err(error) if error.errno() == Some(libc::ENODEV) => return Ok(false),
        Err(error) => return Err(Error::kernel(&cable.namespace)(error)),
    };
    Ok(near.peer == Some(far.index)
        && far.peer == Some(near.index)
        && far.mac == Some(cable.mac)
        && far.group == DEVICE_GROUP)
}

fn bridges(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    links: &mut BTreeMap<String, Link>,
    held: &[Address],
    done: &mut Devices,
) -> Result<()> {
    let socket = namespaces.socket(key, Protocol::Route)?;
    let mut batch = Batch::new();
    let mut new = Vec::new();
    for bridge in plan.bridges.values() {
        let spec = LinkSpec {
            mac: Some(bridge.mac),
            mtu: Some(bridge.mtu),
            group: Some(DEVICE_GROUP),
            ..LinkSpec::named(bridge.name.clone())
        };
        let before = batch.len();
        match links.get(&bridge.name) {
            None => {
                let spec = LinkSpec {
                    // Nothing of IPv6, and 127.0.0.1 of the instance may be translated into it.
                    ipv6_address_generation: no_ipv6(bridge.mtu),
                    ipv4: vec![(Ipv4Conf::RouteLocalnet, 1)],
                    up: Some(true),
                    mtu: None,
                    ..spec
                };
                link::create(&mut batch, &spec, &LinkKind::Bridge);
                // An MTU that a bridge is born with changes with its ports; one that it is given stays.
                let mtu = LinkSpec {
                    mtu: Some(bridge.mtu),
                    ..LinkSpec::default()
                };
                link::change(&mut batch, Target::Name(&bridge.name), &mtu);
                new.push(&bridge.name);
            }
            Some(link) => {
                if (link.mac, link.mtu) != (Some(bridge.mac), bridge.mtu) {
                    let spec = LinkSpec { name: None, ..spec };
                    link::change(&mut batch, Target::Index(link.index), &spec);
                }
                if !link.is_up() {
                    link::set_up(&mut batch, Target::Index(link.index), true);
                }
            }
        }
        done.changes += usize::from(batch.len() > before);
    }
    socket.execute(&batch).map_err(Error::kernel(key))?;
    let failed = Error::kernel(key);
    look_at(socket, new.into_iter(), links).map_err(failed)?;
    let mut batch = Batch::new();
    for Bridge { name, address, .. } in plan.bridges.values() {
        if let Some(link) = links.get(name) {
            addresses(&mut batch, held, link.index, *address);
        }
    }
    done.changes += batch.len();
    socket.execute(&batch).map_err(Error::kernel(key))
}

/// No IPv6 address that comes by itself. A device whose packets are too small for IPv6 has none, and refuses to be told so.
fn no_ipv6(mtu: u32) -> Option<bool> {
    const SMALLEST: u32 = 1280;
    (mtu >= SMALLEST).then_some(false)
}

/// Exactly this address on the device.
fn addresses(batch: &mut Batch, held: &[Address], device: u32, wanted: Ipv4Net) {
    let mut is_there = false;
    for address in held.iter().filter(|held| held.device == device) {
        if address.address == IpNet::V4(wanted) {
            is_there = true;
        } else {
            address::delete(batch, address);
        }
    }
    if !is_there {
        address::add(batch, &Address::new(device, IpNet::V4(wanted)));
    }
}

fn cables(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    links: &mut BTreeMap<String, Link>,
    done: &mut Devices,
) -> Result<()> {
    let mut missing = Vec::new();
    let mut batch = Batch::new();
    for cable in plan.cables.values() {
        let Some(near) = links.get(&cable.host_device) else {
            missing.push(cable);
            continue;
        };
        let bridge = bridge_of(links, cable)?;
        let before = batch.len();
        if (near.master, near.mtu) != (Some(bridge), cable.mtu) {
            let spec = LinkSpec {
                master: Some(bridge),
                mtu: Some(cable.mtu),
                ..LinkSpec::default()
            };
            link::change(&mut batch, Target::Index(near.index), &spec);
        }
        if !near.is_up() {
            link::set_up(&mut batch, Target::Index(near.index), true);
        }
        done.changes += usize::from(batch.len() > before);
    }
    for cable in &missing {
        done.new_addresses.insert(cable.address.addr());
        let descriptor = namespaces.descriptor(&cable.namespace)?;
        let near = LinkSpec {
            mtu: Some(cable.mtu),
            group: Some(DEVICE_GROUP),
            master: Some(bridge_of(links, cable)?),
            ipv6_address_generation: no_ipv6(cable.mtu),
            up: Some(true),
            ..LinkSpec::named(cable.host_device.clone())
        };
        let far = LinkSpec {
            mac: Some(cable.mac),
            mtu: Some(cable.mtu),
            group: Some(DEVICE_GROUP),
            namespace: Some(descriptor.as_fd()),
            ..LinkSpec::named(cable.interface.clone())
        };
        let mut batch = Batch::new();
        link::create(&mut batch, &near, &LinkKind::Veth(far));
        let socket = namespaces.socket(key, Protocol::Route)?;
        socket.execute(&batch).map_err(Error::kernel(key))?;
        done.changes += 1;
    }
    let socket = namespaces.socket(key, Protocol::Route)?;
    socket.execute(&batch).map_err(Error::kernel(key))?;
    let new = missing.iter().map(|cable| &cable.host_device);
    look_at(socket, new, links).map_err(Error::kernel(key))?;
    // A container's cables together: its default route may move from one to another.
    let mut inside: BTreeMap<&str, Vec<&Cable>> = BTreeMap::new();
    for cable in plan.cables.values() {
        inside.entry(&cable.namespace).or_default().push(cable);
    }
    for (namespace, cables) in inside {
        let known = |cable: &Cable, settled: &super::Settled| {
            let place = (key.to_owned(), cable.host_device.clone());
            let index = links.get(&cable.host_device).map(|link| link.index);
            settled
                .cables
                .get(&place)
                .map(|(index, cable)| (Some(*index), cable))
                == Some((index, cable))
        };
        if cables
            .iter()
            .all(|cable| known(cable, namespaces.settled()))
        {
            continue;
        }
        let socket = namespaces.socket(namespace, Protocol::Route)?;
        done.changes += container(socket, &cables).map_err(Error::kernel(namespace))?;
        for cable in cables {
            if let Some(link) = links.get(&cable.host_device) {
                let place = (key.to_owned(), cable.host_device.clone());
                let known = (link.index, cable.clone());
                namespaces.settled().cables.insert(place, known);
            }
        }
        namespaces.forget(namespace);
    }
    Ok(())
}

fn bridge_of(links: &BTreeMap<String, Link>, cable: &Cable) -> Result<u32> {
    let bridge = links.get(&cable.bridge).map(|link| link.index);
    bridge.ok_or_else(|| Error::Plan(format!("bridge {} does not exist", cable.bridge)))
}

/// The inside of a container: devices up, addresses, the default route.
fn container(socket: &mut Socket, cables: &[&Cable]) -> std::result::Result<usize, netlink::Error> {
    let links = look(socket)?;
    let held = address::dump(socket, Some(Family::V4), None)?;
    let mut batch = Batch::new();
    let mut exit = None;
    let mut ours = BTreeSet::new();
    if links.get("lo").is_some_and(|lo| !lo.is_up()) {
        link::set_up(&mut batch, Target::Name("lo"), true);
    }
    for cable in cables {
        // Whoever is inside may have taken it away; the next look makes it anew.
        let Some(far) = links.get(&cable.interface) else {
            continue;
        };
        ours.insert(far.index);
        if far.mtu != cable.mtu {
            let spec = LinkSpec {
                mtu: Some(cable.mtu),
                ..LinkSpec::default()
            };
            link::change(&mut batch, Target::Index(far.index), &spec);
        }
        if !far.is_up() {
            let settings = LinkSpec {
                ipv6_address_generation: no_ipv6(cable.mtu),
                up: Some(true),
                ..LinkSpec::default()
            };
            link::change(&mut batch, Target::Index(far.index), &settings);
        }
        addresses(&mut batch, &held, far.index, cable.address);
        if let Some(gateway) = cable.default_via {
            exit = Some((far.index, gateway));
        }
    }
    let anywhere = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
    let routes = route::dump(socket, Family::V4, Some(route::MAIN))?;
    let mut is_there = false;
    for held in routes.iter().filter(|route| route.destination == anywhere) {
        let way = (held.device, held.gateway);
        let wanted = exit.map(|(device, gateway)| (Some(device), Some(IpAddr::V4(gateway))));
        if Some(way) == wanted {
            is_there = true;
        } else if held.device.is_some_and(|device| ours.contains(&device)) {
            route::delete(&mut batch, held);
        }
    }
    if let (Some((device, gateway)), false) = (exit, is_there) {
        let route = Route::new(route::MAIN, anywhere)
            .via(IpAddr::V4(gateway))
            .device(device);
        route::add(&mut batch, &route);
    }
    socket.execute(&batch)?;
    Ok(batch.len())
}
