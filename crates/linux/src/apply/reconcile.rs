//! From whatever the kernel holds to a plan: after a change that was cut short, nobody knows what has been done of it.
//!
//! Links, addresses, routes, rules and neighbours that are right stay; rule sets are exchanged as a whole, in one transaction
//! where it fits. Connections live on: what is known of them stands in conntrack. In an instance's namespace only what the
//! plan speaks of is touched, the rest is the guest's.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use netlink::nft::dump;
use netlink::rtnl::{Family, address, link, neighbour, route, rule};
use netlink::{Batch, Protocol, Socket};

use super::{CHUNK, Host, change, create_links, kernel_route, kernel_rule};
use crate::diff::{Changes, NamespaceChanges, TableChanges};
use crate::naming;
use crate::plan::{LinkEnd, Namespace, Plan, Veth};
use crate::runtime::error::{Error, Result};

/// Makes the namespaces, which are there, hold the plan.
pub fn reconcile(host: &mut impl Host, plan: &Plan) -> Result<()> {
    let missing = links(host, plan)?;
    for links in missing.chunks(CHUNK) {
        create_links(host, links)?;
    }
    let from_nothing = Changes::between(&Plan::default(), plan);
    let nothing = NamespaceChanges::default();
    for (key, namespace) in &plan.namespaces {
        // All of them: bringing up what is up changes nothing.
        let ends: Vec<&LinkEnd> = ends(plan).filter(|end| end.namespace == *key).collect();
        let mut inside = from_nothing.inside.get(key).unwrap_or(&nothing).clone();
        let names: BTreeMap<u32, &str> =
            ends.iter().map(|end| (end.index(), end.name.as_str())).chain([(1, "lo")]).collect();
        let rtnl = host.socket(key, Protocol::Route)?;
        if !inside.bridges.is_empty() {
            let there = link::dump(rtnl).map_err(Error::netlink(key))?;
            for (name, _, is_new) in &mut inside.bridges {
                *is_new = !there.iter().any(|found| found.name == *name && found.kind.as_deref() == Some("bridge"));
            }
        }
        strays(rtnl, naming::is_device(key), namespace, &names, &mut inside).map_err(Error::netlink(key))?;
        let netfilter = host.socket(key, Protocol::Netfilter)?;
        let there = dump::tables(netfilter).map_err(Error::netlink(key))?;
        let ours = there.into_iter().filter(|table| !namespace.is_instance || namespace.tables.contains_key(table));
        let gone = ours.map(|table| (table, TableChanges { is_gone: true, ..TableChanges::default() }));
        inside.tables = gone.chain(std::mem::take(&mut inside.tables)).collect();
        change(host, key, &ends, &inside)?;
        host.done(key);
    }
    Ok(())
}

fn ends(plan: &Plan) -> impl Iterator<Item = &LinkEnd> {
    plan.links.values().flat_map(|link| [&link.near, &link.far])
}

/// Removes links that are wrong and, outside instances, those that nobody planned. Returns the ones to make.
fn links(host: &mut impl Host, plan: &Plan) -> Result<Vec<Veth>> {
    let mut right: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (key, namespace) in &plan.namespaces {
        let wanted: BTreeMap<&str, &LinkEnd> =
            ends(plan).filter(|end| end.namespace == *key).map(|end| (end.name.as_str(), end)).collect();
        let socket = host.socket(key, Protocol::Route)?;
        let mut batch = Batch::new();
        for found in link::dump(socket).map_err(Error::netlink(key))?.into_iter().filter(|link| link.index != 1) {
            match wanted.get(found.name.as_str()) {
                Some(end) if is(end, &found) => drop(right.insert((&end.namespace, &end.name))),
                None if namespace.is_instance && !(naming::is_device(key) && is_planned(&found)) => {}
                _ => link::delete(&mut batch, link::Target::Index(found.index)),
            }
        }
        // The other end of a pair may have taken this one with it.
        socket.execute_all(&batch).map_err(Error::netlink(key))?;
    }
    let is_right = |end: &LinkEnd| right.contains(&(end.namespace.as_str(), end.name.as_str()));
    let missing: Vec<Veth> =
        plan.links.values().filter(|link| !is_right(&link.near) || !is_right(&link.far)).cloned().collect();
    for link in &missing {
        for end in [&link.near, &link.far] {
            let mut batch = Batch::new();
            link::delete(&mut batch, link::Target::Index(end.index()));
            host.socket(&end.namespace, Protocol::Route)?.execute_all(&batch).map_err(Error::netlink(&end.namespace))?;
        }
    }
    Ok(missing)
}

/// Whether a device was made by some plan: others have the small numbers that the kernel gives. Bridges stay.
fn is_planned(found: &link::Link) -> bool {
    let has_our_number = found.index >= 0x1000_0000 || found.name == "eth0" && found.index == 2;
    has_our_number && found.kind.as_deref() == Some("veth")
}

fn is(end: &LinkEnd, found: &link::Link) -> bool {
    (end.index(), Some(end.mac), end.mtu, end.group) == (found.index, found.mac, found.mtu, found.group)
}

/// Leaves out of `inside` the rules that are there (they cannot be added twice), and adds what has to go.
fn strays(
    socket: &mut Socket,
    is_device: bool,
    namespace: &Namespace,
    names: &BTreeMap<u32, &str>,
    inside: &mut NamespaceChanges,
) -> std::result::Result<(), netlink::Error> {
    let mut there = rule::dump(socket, Family::V4)?;
    // A kernel without IPv6 has none of its rules, and a plan for it has none either.
    let families: &[Family] = if speaks_v6(namespace) { &[Family::V4, Family::V6] } else { &[Family::V4] };
    if families.contains(&Family::V6) {
        there.extend(rule::dump(socket, Family::V6)?);
    }
    inside.rules.new.retain(|wanted| !there.contains(&kernel_rule(wanted)));
    if namespace.is_instance {
        return if is_device { strays_of_device(socket, namespace, names) } else { Ok(()) };
    }
    let mut batch = Batch::new();
    // Priorities 0, 32766 and 32767 are the kernel's own.
    let own: Vec<_> = namespace.rules.iter().map(kernel_rule).collect();
    for stray in there.iter().filter(|rule| (1..32_766).contains(&rule.priority) && !own.contains(rule)) {
        rule::delete(&mut batch, stray);
    }
    let wanted: BTreeSet<_> = namespace.routes.iter().map(|route| outline(&kernel_route(route))).collect();
    for family in families {
        for stray in route::dump(socket, *family, None)?.iter().filter(|r| is_own(r) && !wanted.contains(&outline(r))) {
            route::delete(&mut batch, stray);
        }
        for found in neighbour::dump(socket, *family, None, false)?.iter().filter(|n| n.state == neighbour::state::PERMANENT) {
            let Some(device) = names.get(&found.device) else { continue };
            // Groups are the kernel's own.
            if !namespace.neighbours.contains_key(&((*device).to_owned(), found.address)) && !found.address.is_multicast() {
                neighbour::delete(&mut batch, found);
            }
        }
        for found in address::dump(socket, Some(*family), None)? {
            let (address, Some(device)) = (found.address, names.get(&found.device)) else { continue };
            let planned = crate::plan::Address { device: (*device).to_owned(), address };
            if !address.addr().is_loopback() && !namespace.addresses.contains(&planned) {
                address::delete(&mut batch, &found);
            }
        }
    }
    socket.execute_all(&batch)?;
    Ok(())
}

/// Removes what an earlier plan of a lan's device left: what its own administrator added says another maker, and addresses of
/// his come with a route.
fn strays_of_device(socket: &mut Socket, namespace: &Namespace, names: &BTreeMap<u32, &str>) -> std::result::Result<(), netlink::Error> {
    let ours = route::Route::new(route::MAIN, IpNet::default()).protocol;
    let wanted: BTreeSet<_> = namespace.routes.iter().map(|route| outline(&kernel_route(route))).collect();
    let mut batch = Batch::new();
    for family in [Family::V4, Family::V6] {
        for found in route::dump(socket, family, None)?.iter().filter(|found| found.protocol == ours && found.table != route::LOCAL) {
            if !wanted.contains(&outline(found)) {
                route::delete(&mut batch, found);
            }
        }
    }
    for found in address::dump(socket, None, None)?.iter().filter(|found| found.flags & address::NO_PREFIX_ROUTE != 0) {
        let Some(device) = names.get(&found.device) else { continue };
        let planned = crate::plan::Address { device: (*device).to_owned(), address: found.address };
        if !namespace.addresses.contains(&planned) {
            address::delete(&mut batch, found);
        }
    }
    socket.execute_all(&batch)?;
    Ok(())
}

fn speaks_v6(namespace: &Namespace) -> bool {
    namespace.sysctls.contains_key("net/ipv6/conf/all/disable_ipv6")
}

/// Whether somebody made a route; those of its own addresses and groups the kernel made.
fn is_own(found: &route::Route) -> bool {
    const BY_KERNEL: u8 = 2;
    found.table != route::LOCAL && !(found.destination.addr().is_ipv6() && found.protocol == BY_KERNEL)
}

/// What makes a route what it is; who made it, and what the kernel fills in, left out.
fn outline(found: &route::Route) -> route::Route {
    /// What the kernel calls no metric of a route of IPv6.
    const NO_METRIC_V6: u32 = 1_024;
    let none = if found.destination.addr().is_ipv6() { NO_METRIC_V6 } else { 0 };
    // Nothing is said of where what goes nowhere goes; IPv6 says the loopback.
    let device = found.device.filter(|_| found.kind == route::RouteKind::Unicast);
    route::Route {
        metric: found.metric.filter(|metric| *metric > 0 && *metric != none),
        device,
        scope: None,
        on_link: false,
        protocol: 0,
        ..found.clone()
    }
}
