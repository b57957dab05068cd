//! Changes carried out: netlink batches and nf_tables transactions, one namespace at a time.
//!
//! Whoever holds the namespaces supplies sockets into them ([`Host`]); nothing here enters one.

mod arrival;
mod reconcile;

pub use reconcile::reconcile;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use netlink::nft::{self, Transaction};
use netlink::rtnl::link::{Ipv4Conf, LinkKind, LinkSpec, Target};
use netlink::rtnl::{Family, address, link, neighbour, qdisc, route, rule};
use netlink::{Batch, Protocol, Socket, conntrack};

use crate::diff::{Changes, NamespaceChanges, TableChanges};
use crate::plan::{LinkEnd, Route, RouteTo, Veth, device_index};
use crate::runtime::error::{Error, Result};

/// A way into the namespaces of a lab.
pub trait Host {
    /// A descriptor of each namespace, in this order.
    fn descriptors(&mut self, keys: &[String]) -> Result<Vec<OwnedFd>>;
    /// Opens what is missing of these sockets; one request is cheaper than many.
    fn open(&mut self, wanted: &[(String, Protocol)]) -> Result<()>;
    /// The socket into one namespace, opened on first use.
    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket>;
    /// Nothing more is wanted of this namespace for now: its sockets may be closed.
    fn done(&mut self, _key: &str) {}
}

/// Namespaces that are worked on at a time: each costs descriptors while it is, and there may be few.
const CHUNK: usize = 128;

/// Carries out everything but the making and removing of namespaces and their settings: the new ones are there.
pub fn apply(host: &mut impl Host, changes: &Changes) -> Result<()> {
    delete_links(host, &changes.gone_links)?;
    for links in changes.new_links.chunks(CHUNK) {
        create_links(host, links)?;
    }
    let mut ends: BTreeMap<&String, Vec<&LinkEnd>> = changes.inside.keys().map(|key| (key, Vec::new())).collect();
    for end in changes.new_links.iter().chain(&changes.changed_links).flat_map(|link| [&link.near, &link.far]) {
        ends.entry(&end.namespace).or_default().push(end);
    }
    let nothing = NamespaceChanges::default();
    let mut work: Vec<_> = ends
        .into_iter()
        .map(|(key, ends)| (key, ends, changes.inside.get(key).unwrap_or(&nothing)))
        .collect();
    // Where most cables end first: of each cable the end that is up first is waited for.
    work.sort_by_key(|(_, ends, _)| Reverse(ends.len()));
    for chunk in work.chunks(CHUNK) {
        let wanted: Vec<_> = chunk
            .iter()
            .flat_map(|(key, _, inside)| {
                let filter = (!inside.tables.is_empty()).then(|| ((*key).clone(), Protocol::Netfilter));
                std::iter::once(((*key).clone(), Protocol::Route)).chain(filter)
            })
            .collect();
        host.open(&wanted)?;
        for (key, ends, inside) in chunk {
            change(host, key, ends, inside)?;
            arrival::wait(host, key, &inside.addresses.new)?;
            host.done(key);
        }
    }
    let order: Vec<&str> = work.iter().map(|(key, ..)| key.as_str()).collect();
    arrival::wait_for_carriers(host, &order, changes.new_links.iter().chain(&changes.changed_links))?;
    for (key, addresses) in changes.orphaned() {
        if !changes.new_namespaces.iter().any(|(new, _)| *new == key) {
            forget(host, &key, &addresses)?;
        }
    }
    Ok(())
}

/// How much of what one transaction may carry is used: the kernel counts more than our bytes.
const SHARE_OF_CAPACITY: usize = 2;

/// Makes links. They stay down until the filters are there.
fn create_links(host: &mut impl Host, links: &[Veth]) -> Result<()> {
    let mut by_near: BTreeMap<&str, Vec<&Veth>> = BTreeMap::new();
    for link in links {
        by_near.entry(&link.near.namespace).or_default().push(link);
    }
    let mut fars: Vec<String> = links.iter().map(|link| link.far.namespace.clone()).collect();
    fars.sort();
    fars.dedup();
    let descriptors: BTreeMap<String, OwnedFd> = fars.iter().cloned().zip(host.descriptors(&fars)?).collect();
    for (key, links) in by_near {
        let mut batch = Batch::new();
        for veth in links {
            let namespace = descriptors.get(&veth.far.namespace).map(AsFd::as_fd);
            let far = LinkSpec { namespace, ..spec(&veth.far) };
            link::create(&mut batch, &spec(&veth.near), &LinkKind::Veth(far));
        }
        execute(host, key, &batch)?;
    }
    Ok(())
}

/// Brings a link's end up, or down where it is to be so.
fn bring_up(batch: &mut Batch, end: &LinkEnd) {
    let index = end.index();
    if let Some(qdisc) = &end.qdisc {
        qdisc::set(batch, index, qdisc);
    }
    let settings = LinkSpec {
        up: Some(end.is_up),
        master: end.bridge.as_ref().map(|bridge| device_index(bridge)),
        arp: (!end.asks).then_some(false),
        // No link-local address by itself, no duplicate detection, no router solicitations: the plan says what there is.
        ipv6_address_generation: Some(end.link_local),
        ipv4: vec![(Ipv4Conf::ProxyArp, u32::from(end.proxy_arp)), (Ipv4Conf::RpFilter, 0)],
        ..LinkSpec::default()
    };
    link::change(batch, Target::Index(index), &settings);
    if end.proxy_arp {
        // Proxied answers wait a random moment by default, up to 0.8 s.
        neighbour::set_parameters(batch, Family::V4, index, &[neighbour::Parameter::ProxyDelay(0)]);
    }
}

fn spec(end: &LinkEnd) -> LinkSpec<'static> {
    LinkSpec {
        index: Some(end.index()),
        mac: Some(end.mac),
        mtu: Some(end.mtu),
        group: Some(end.group),
        ..LinkSpec::named(end.name.clone())
    }
}

/// Removes links. One that is gone already is no error.
fn delete_links(host: &mut impl Host, links: &[Veth]) -> Result<()> {
    let mut by_near: BTreeMap<&str, Batch> = BTreeMap::new();
    for veth in links {
        link::delete(by_near.entry(&veth.near.namespace).or_default(), Target::Index(veth.near.index()));
    }
    for (key, batch) in by_near {
        host.socket(key, Protocol::Route)?.execute_all(&batch).map_err(Error::netlink(key))?;
    }
    Ok(())
}

/// Changes one namespace: filters first, then what leads packets to them, then what goes.
fn change(host: &mut impl Host, key: &str, ends: &[&LinkEnd], changes: &NamespaceChanges) -> Result<()> {
    if !changes.tables.is_empty() {
        tables(host.socket(key, Protocol::Netfilter)?, &changes.tables).map_err(Error::netlink(key))?;
    }
    let mut batch = Batch::new();
    for (name, settings, is_new) in &changes.bridges {
        let index = device_index(name);
        match is_new {
            true => {
                let spec = LinkSpec {
                    index: Some(index),
                    up: Some(true),
                    ipv6_address_generation: Some(false),
                    ..LinkSpec::named(name.clone())
                };
                link::create(&mut batch, &spec, &LinkKind::BridgeWith(*settings));
            }
            false => link::change_bridge(&mut batch, index, settings),
        }
    }
    for end in ends {
        bring_up(&mut batch, end);
    }
    for new in &changes.addresses.new {
        let mut wanted = address::Address::new(device_index(&new.device), new.address);
        // Whether somebody else has it is not asked: it would not be usable for a second (IPv6).
        let at_once = if new.address.addr().is_ipv6() { address::NO_DUPLICATE_DETECTION } else { 0 };
        wanted.flags = address::NO_PREFIX_ROUTE | at_once;
        address::replace(&mut batch, &wanted);
    }
    for (device, address, mac) in &changes.neighbours.new {
        let device = device_index(device);
        neighbour::replace(&mut batch, &neighbour::Neighbour::permanent(device, *address, *mac));
    }
    for new in &changes.routes.new {
        route::replace(&mut batch, &kernel_route(new));
    }
    for new in &changes.replaced_routes {
        route::replace(&mut batch, &kernel_route(new));
    }
    for new in &changes.rules.new {
        rule::add(&mut batch, &kernel_rule(new));
    }
    execute(host, key, &batch)?;

    let mut batch = Batch::new();
    for gone in &changes.rules.gone {
        rule::delete(&mut batch, &kernel_rule(gone));
    }
    for gone in &changes.routes.gone {
        route::delete(&mut batch, &kernel_route(gone));
    }
    for (device, address, mac) in &changes.neighbours.gone {
        let replaced = changes.neighbours.new.iter().any(|(d, a, _)| d == device && a == address);
        if !replaced {
            let device = device_index(device);
            neighbour::delete(&mut batch, &neighbour::Neighbour::permanent(device, *address, *mac));
        }
    }
    for gone in &changes.addresses.gone {
        address::delete(&mut batch, &address::Address::new(device_index(&gone.device), gone.address));
    }
    // What hung on a device that went has gone with it.
    host.socket(key, Protocol::Route)?.execute_all(&batch).map_err(Error::netlink(key))?;
    Ok(())
}

fn kernel_rule(wanted: &crate::plan::Rule) -> rule::Rule {
    let family = match wanted.family {
        fabric::Family::V4 => Family::V4,
        fabric::Family::V6 => Family::V6,
    };
    let mut made = rule::Rule::new(family, wanted.priority, wanted.table);
    made.mark = wanted.mark.map(|mark| (mark, u32::MAX));
    made
}

fn kernel_route(wanted: &Route) -> route::Route {
    let mut made = route::Route::new(wanted.table, wanted.destination);
    made.metric = (wanted.metric > 0).then_some(wanted.metric);
    match &wanted.to {
        RouteTo::Throw => made.kind(route::RouteKind::Throw),
        RouteTo::Device { device, via, source, mtu } => {
            made = made.device(device_index(device));
            made.gateway = *via;
            made.on_link = via.is_some();
            made.scope = Some(if via.is_some() { route::Scope::Universe } else { route::Scope::Link });
            made.preferred_source = *source;
            made.mtu = *mtu;
            made
        }
    }
}

fn execute(host: &mut impl Host, key: &str, batch: &Batch) -> Result<()> {
    host.socket(key, Protocol::Route)?.execute(batch).map_err(Error::netlink(key))
}

/// One transaction when it fits; else what nothing refers to yet goes first and what goes comes last.
fn tables(socket: &mut Socket, changes: &[(nft::Table, TableChanges)]) -> std::result::Result<(), netlink::Error> {
    let capacity = socket.send_capacity()? / SHARE_OF_CAPACITY;
    let mut transaction = Transaction::new();
    let commit_when = |transaction: &mut Transaction, socket: &mut Socket, limit: usize| {
        if transaction.byte_len() > limit {
            transaction.commit(socket)?;
            *transaction = Transaction::new();
        }
        Ok::<(), netlink::Error>(())
    };
    let fits = changes.iter().map(|(_, c)| c.size()).sum::<usize>() < 2_000;
    let limit = if fits { usize::MAX } else { capacity };
    for (table, changes) in changes {
        if changes.is_gone {
            transaction.delete_table(table);
            continue;
        }
        if changes.is_new {
            transaction.add_table(table, nft::TableFlags::default());
        }
        for chain in &changes.gone_chains {
            // One of the same name may follow in this transaction.
            if changes.new_chains.iter().any(|new| new.name == chain.name) {
                transaction.flush_chain(table, &chain.name).delete_chain(table, &chain.name);
            }
        }
        for set in &changes.new_sets {
            transaction.add_set(table, set);
        }
        for chain in &changes.new_chains {
            transaction.add_chain(table, chain);
            commit_when(&mut transaction, socket, limit)?;
        }
        let (verdicts, plain): (Vec<_>, Vec<_>) =
            changes.elements.iter().partition(|(set, ..)| set.data == Some(nft::SetData::Verdict));
        for (set, added, removed) in plain {
            for part in removed.chunks(500) {
                transaction.delete_elements(table, set, part);
            }
            for part in added.chunks(500) {
                transaction.add_elements(table, set, part);
                commit_when(&mut transaction, socket, limit)?;
            }
        }
        for (chain, flush, rules) in &changes.rules {
            if *flush {
                transaction.flush_chain(table, chain);
            }
            for rule in rules {
                transaction.append(table, chain, rule);
            }
            commit_when(&mut transaction, socket, limit)?;
        }
        for (set, added, removed) in verdicts {
            for part in removed.chunks(500) {
                transaction.delete_elements(table, set, part);
            }
            for part in added.chunks(500) {
                transaction.add_elements(table, set, part);
                commit_when(&mut transaction, socket, limit)?;
            }
        }
        for chain in &changes.gone_chains {
            if !changes.new_chains.iter().any(|new| new.name == chain.name) {
                transaction.flush_chain(table, &chain.name);
            }
        }
        for chain in &changes.gone_chains {
            if !changes.new_chains.iter().any(|new| new.name == chain.name) {
                transaction.delete_chain(table, &chain.name);
            }
        }
        for set in &changes.gone_sets {
            transaction.delete_set(table, set);
        }
    }
    if transaction.is_empty() { Ok(()) } else { transaction.commit(socket) }
}

/// Forgets what conntrack knows of addresses that changed hands.
fn forget(host: &mut impl Host, key: &str, addresses: &[IpAddr]) -> Result<()> {
    let socket = host.socket(key, Protocol::Netfilter)?;
    let mut batch = Batch::new();
    for connection in conntrack::dump(socket).map_err(Error::netlink(key))? {
        let tuple = &connection.original;
        let concerned = |address: IpAddr| addresses.contains(&address);
        if concerned(tuple.source) || concerned(tuple.destination) {
            conntrack::delete(&mut batch, tuple, connection.zone);
        }
    }
    socket.execute_all(&batch).map_err(Error::netlink(key))?;
    Ok(())
}
