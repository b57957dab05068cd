//! Bridges, cables, addresses and default routes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink::rtnl::Family;
use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, Ipv4Conf, Link, LinkKind, LinkSpec, Target};
use netlink::rtnl::route::{self, Route};
use netlink::{Batch, Protocol, Socket};
use sha2::{Digest as _, Sha256};

use super::{Going, Namespaces};
use crate::network::error::{Error, Result};
use crate::network::plan::{Cable, DEVICE_GROUP, Plan};

/// What was done to devices.
pub struct Devices {
    /// How many changes.
    pub changes: usize,
    /// Subnets of containers before and after.
    pub subnets: BTreeSet<IpNet>,
    /// Addresses that containers were given just now: what is known of them is of others.
    pub new_addresses: BTreeSet<IpAddr>,
}

/// What is there before anything is done.
pub struct Found {
    /// Devices that stay, and others' ones, by name.
    stays: BTreeMap<String, Link>,
    /// Indices of devices that go, and of those that go with their namespace.
    gone: Vec<u32>,
    leaving: Vec<u32>,
    /// Addresses of all devices.
    held: Vec<Address>,
    /// Subnets of our devices.
    subnets: BTreeSet<IpNet>,
    /// What is noted at a cable that is right, by its end in the instance.
    notes: BTreeMap<String, String>,
}

impl Found {
    /// Whether a container or a network goes.
    pub fn loses_some(&self) -> bool {
        !self.gone.is_empty() || !self.leaving.is_empty()
    }
}

/// Looks at the instance's devices, and into containers where it is not noted that all is well.
pub fn look(namespaces: &mut impl Namespaces, key: &str, plan: &Plan) -> Result<Found> {
    let notes = notes(namespaces, plan)?;
    let socket = namespaces.socket(key, Protocol::Route)?;
    let links = link::dump_without_statistics(socket).map_err(Error::kernel(key))?;
    let held = address::dump(socket, None, None).map_err(Error::kernel(key))?;
    let (mut stays, mut gone, mut leaving) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut subnets = BTreeSet::new();
    for link in links {
        let (bridge, cable) = (plan.bridges.get(&link.name), plan.cables.get(&link.name));
        if link.group != DEVICE_GROUP {
            if bridge.is_some() || cable.is_some() {
                return Err(Error::Plan(format!(
                    "device {} of the instance is in the way: containers did not make it; remove it (ip link del {})",
                    link.name, link.name
                )));
            }
            continue;
        }
        // What is left of networks that go is forgotten, too.
        let here = held.iter().filter(|held| held.device == link.index);
        subnets.extend(
            here.map(|held| held.address.trunc())
                .filter(|net| !is_of_link(*net)),
        );
        let is_right = match (bridge, cable) {
            (Some(_), _) => link.kind.as_deref() == Some("bridge"),
            (_, Some(cable)) => {
                link.kind.as_deref() == Some("veth")
                    && (is_noted(&notes, &link) || is_whole(namespaces, cable, &link)?)
            }
            (None, None) => false,
        };
        let is_planned = bridge.is_some() || cable.is_some();
        match namespaces.going(&link.name) {
            _ if is_right => drop(stays.insert(link.name.clone(), link)),
            Going::WithItsNamespace if !is_planned => leaving.push(link.index),
            Going::Already if !is_planned => {}
            _ => gone.push(link.index),
        }
    }
    Ok(Found {
        stays,
        gone,
        leaving,
        held,
        subnets,
        notes,
    })
}

/// What is noted at each cable when the container's end is right: all that it depends on, the namespace's identity too, for
/// a container that is started anew has another one under the same key.
fn notes(namespaces: &mut impl Namespaces, plan: &Plan) -> Result<BTreeMap<String, String>> {
    if plan.cables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let identities = namespaces.identities(&plan.namespaces())?;
    let note = |cable: &Cable| {
        let identity = identities.get(&cable.namespace)?;
        let digest = Sha256::digest(format!("{identity} {cable:?}"));
        let digits: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
        let note = format!(
            "{} {} in {} ({digits})",
            cable.interface, cable.address, cable.namespace
        );
        // The kernel keeps 255 bytes.
        let is_short = note.len() < 256;
        is_short.then(|| (cable.host_device.clone(), note))
    };
    Ok(plan.cables.values().filter_map(note).collect())
}

/// Whether a cable is noted to be right, and its other end is up.
fn is_noted(notes: &BTreeMap<String, String>, near: &Link) -> bool {
    let note = notes.get(&near.name);
    note.is_some() && near.alias.as_ref() == note && near.flags & link::LOWER_UP != 0
}

/// Makes devices as planned.
pub fn apply(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    found: Found,
) -> Result<Devices> {
    let mut done = Devices {
        changes: 0,
        subnets: plan
            .bridges
            .values()
            .flat_map(|bridge| blocks(bridge.address, bridge.address_v6))
            .map(|net| net.trunc())
            .collect(),
        new_addresses: BTreeSet::new(),
    };
    let Found {
        stays: mut links,
        gone,
        leaving,
        held,
        subnets,
        notes,
    } = found;
    done.subnets.extend(subnets);
    done.changes += gone.len() + leaving.len();
    remove(namespaces, key, links.is_empty() && leaving.is_empty(), &gone, &leaving)?;
    bridges(namespaces, key, plan, &mut links, &held, &mut done)?;
    cables(namespaces, key, plan, &mut links, &notes, &mut done)?;
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

/// Removes devices; `all` of ours, if that is so. Those that leave by themselves carry nothing from now on: their far ends answer
/// for addresses that others may have next.
fn remove(namespaces: &mut impl Namespaces, key: &str, all: bool, gone: &[u32], leaving: &[u32]) -> Result<()> {
    let mut batch = Batch::new();
    for index in leaving {
        link::shut_bridge_port(&mut batch, *index);
    }
    if all && gone.len() > 1 {
        // Each device by itself would take as long as all together.
        link::delete(&mut batch, Target::Group(DEVICE_GROUP));
    } else {
        for index in gone {
            link::delete(&mut batch, Target::Index(*index));
        }
    }
    let socket = namespaces.socket(key, Protocol::Route)?;
    // One may have gone with its container meanwhile.
    let refused = socket.execute_all(&batch).map_err(Error::kernel(key))?;
    let is_gone = |errno: i32| [libc::ENODEV, libc::EOPNOTSUPP].contains(&errno);
    match refused.into_iter().find(|refusal| !is_gone(refusal.errno)) {
        Some(refusal) => Err(Error::kernel(key)(netlink::Error::Refused(refusal))),
        None => Ok(()),
    }
}

/// Whether the far end of a cable is in its container, under its name.
fn is_whole(namespaces: &mut impl Namespaces, cable: &Cable, near: &Link) -> Result<bool> {
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
    for bridge in plan.bridges.values().filter(|b| b.address_v6.is_some()) {
        done.changes += allow_v6(namespaces, key, &bridge.name)?;
    }
    let socket = namespaces.socket(key, Protocol::Route)?;
    let mut batch = Batch::new();
    for bridge in plan.bridges.values() {
        if let Some(link) = links.get(&bridge.name) {
            // `fe80::1` as Docker's bridges have it: who sends to a group must have an address of the link.
            let of_link = bridge.address_v6.map(|_| of_link(Ipv6Addr::from(1)));
            let wanted: Vec<IpNet> = blocks(bridge.address, bridge.address_v6)
                .chain(of_link)
                .collect();
            addresses(&mut batch, held, link.index, &wanted);
        }
    }
    done.changes += batch.len();
    socket.execute(&batch).map_err(Error::kernel(key))
}

/// The blocks of both families.
fn blocks(v4: Ipv4Net, v6: Option<Ipv6Net>) -> impl Iterator<Item = IpNet> {
    std::iter::once(v4.into()).chain(v6.map(Into::into))
}

/// `fe80::/64` with this interface identifier.
fn of_link(identifier: Ipv6Addr) -> IpNet {
    let prefix = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    let address = Ipv6Addr::from(u128::from(prefix) | u128::from(identifier));
    Ipv6Net::new_assert(address, 64).into()
}

/// The identifier that follows from an Ethernet address (RFC 4291, modified EUI-64).
fn identifier([a, b, c, d, e, f]: [u8; 6]) -> Ipv6Addr {
    let octets = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
    Ipv6Addr::from(u128::from(u64::from_be_bytes(octets)))
}

fn is_of_link(net: IpNet) -> bool {
    match net {
        IpNet::V4(_) => false,
        IpNet::V6(net) => net.addr().is_unicast_link_local(),
    }
}

/// Lets a device have IPv6: an instance and its containers are made without, as the cloud around them carries none. Says
/// how many changes that took.
fn allow_v6(namespaces: &mut impl Namespaces, key: &str, device: &str) -> Result<usize> {
    let path = format!("net/ipv6/conf/{device}/disable_ipv6");
    match namespaces.read_sysctls(key, &[&path])?.pop().flatten() {
        None => Err(Error::Plan(format!(
            "this machine's kernel has no IPv6, and {device} is to have it"
        ))),
        Some(value) if value.trim() == "0" => Ok(0),
        Some(_) => {
            namespaces.write_sysctl(key, &path, "0")?;
            Ok(1)
        }
    }
}

/// No IPv6 address that comes by itself. A device whose packets are too small for IPv6 has none, and refuses to be told so.
fn no_ipv6(mtu: u32) -> Option<bool> {
    const SMALLEST: u32 = 1280;
    (mtu >= SMALLEST).then_some(false)
}

/// Exactly these addresses on the device.
fn addresses(batch: &mut Batch, held: &[Address], device: u32, wanted: &[IpNet]) {
    let mut missing: Vec<&IpNet> = wanted.iter().collect();
    // Of a family that the network has not, whatever is there is of whoever is inside.
    let has_v6 = wanted.iter().any(|net| matches!(net, IpNet::V6(_)));
    let is_ours =
        |held: &&Address| held.device == device && (has_v6 || matches!(held.address, IpNet::V4(_)));
    for address in held.iter().filter(is_ours) {
        let before = missing.len();
        missing.retain(|wanted| **wanted != address.address);
        if missing.len() == before {
            address::delete(batch, address);
        }
    }
    for address in missing {
        // Nobody else has it: that is this plan's business, and to ask around takes a second.
        let flags = match address {
            IpNet::V4(_) => 0,
            IpNet::V6(_) => address::NO_DUPLICATE_DETECTION,
        };
        let address = Address::new(device, *address);
        address::add(batch, &Address { flags, ..address });
    }
}

fn cables(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    links: &mut BTreeMap<String, Link>,
    notes: &BTreeMap<String, String>,
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
        let new = blocks(cable.address, cable.address_v6);
        done.new_addresses.extend(new.map(|net| net.addr()));
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
    let mut noted = Batch::new();
    for (namespace, cables) in inside {
        let near = |cable: &Cable| links.get(&cable.host_device);
        if cables
            .iter()
            .all(|cable| near(cable).is_some_and(|near| is_noted(notes, near)))
        {
            continue;
        }
        for cable in cables.iter().filter(|cable| cable.address_v6.is_some()) {
            done.changes += allow_v6(namespaces, namespace, &cable.interface)?;
        }
        let socket = namespaces.socket(namespace, Protocol::Route)?;
        done.changes += container(socket, &cables).map_err(Error::kernel(namespace))?;
        for cable in cables {
            if let (Some(near), Some(note)) = (near(cable), notes.get(&cable.host_device)) {
                let spec = LinkSpec {
                    alias: Some(note.clone()),
                    ..LinkSpec::default()
                };
                link::change(&mut noted, Target::Index(near.index), &spec);
            }
        }
        namespaces.forget(namespace);
    }
    let socket = namespaces.socket(key, Protocol::Route)?;
    socket.execute(&noted).map_err(Error::kernel(key))
}

fn bridge_of(links: &BTreeMap<String, Link>, cable: &Cable) -> Result<u32> {
    let bridge = links.get(&cable.bridge).map(|link| link.index);
    bridge.ok_or_else(|| Error::Plan(format!("bridge {} does not exist", cable.bridge)))
}

/// The inside of a container: devices up, addresses, the default route.
fn container(socket: &mut Socket, cables: &[&Cable]) -> std::result::Result<usize, netlink::Error> {
    let links: BTreeMap<String, Link> = link::dump_without_statistics(socket)?
        .into_iter()
        .map(|link| (link.name.clone(), link))
        .collect();
    let held = address::dump(socket, None, None)?;
    let mut batch = Batch::new();
    let (mut exit, mut exit_v6) = (None, None);
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
        let own = cable.address_v6.map(|_| of_link(identifier(cable.mac)));
        let wanted: Vec<IpNet> = blocks(cable.address, cable.address_v6).chain(own).collect();
        addresses(&mut batch, &held, far.index, &wanted);
        if let Some(gateway) = cable.default_via {
            exit = Some((far.index, IpAddr::from(gateway)));
        }
        if let Some(gateway) = cable.default_via_v6 {
            exit_v6 = Some((far.index, IpAddr::from(gateway)));
        }
    }
    default_route(socket, &mut batch, Family::V4, &ours, exit)?;
    // A kernel without IPv6 has no routes of it either.
    if cables.iter().any(|cable| cable.address_v6.is_some()) {
        default_route(socket, &mut batch, Family::V6, &ours, exit_v6)?;
    }
    socket.execute(&batch)?;
    Ok(batch.len())
}

/// The default route of one family: by `exit`, or none of ours.
fn default_route(
    socket: &mut Socket,
    batch: &mut Batch,
    family: Family,
    ours: &BTreeSet<u32>,
    exit: Option<(u32, IpAddr)>,
) -> std::result::Result<(), netlink::Error> {
    let anywhere = match family {
        Family::V4 => IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
        Family::V6 => IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
    };
    let routes = route::dump(socket, family, Some(route::MAIN))?;
    let mut is_there = false;
    for held in routes.iter().filter(|route| route.destination == anywhere) {
        let way = (held.device, held.gateway);
        let wanted = exit.map(|(device, gateway)| (Some(device), Some(gateway)));
        if Some(way) == wanted {
            is_there = true;
        } else if held.device.is_some_and(|device| ours.contains(&device)) {
            route::delete(batch, held);
        }
    }
    if let (Some((device, gateway)), false) = (exit, is_there) {
        let route = Route::new(route::MAIN, anywhere)
            .via(gateway)
            .device(device);
        route::add(batch, &route);
    }
    Ok(())
}
