//! A trace of a packet says by itself whose rule decided, and why.

use std::time::{Duration, Instant};

use container::network::firewall::{FAMILIES, TABLE, policy_of};
use netlink::nft::build::set_meta;
use netlink::nft::{
    Chain, Family, Hook, MetaKey, Table, TableFlags, Transaction, Verdict, comment_text, dump,
    trace,
};
use netlink::{Protocol, Socket};

use super::instance::{INSTANCE, Instance};
use crate::netlink_common::in_own_namespaces;

/// Has every packet of the instance traced.
fn trace_all(nft: &mut Socket) {
    let mut transaction = Transaction::new();
    for (family, hook) in [
        (Family::Ip, Hook::Prerouting),
        (Family::Bridge, Hook::Forward),
    ] {
        let table = Table::new(family, "trace-all");
        transaction.add_table(&table, TableFlags::default());
        transaction.add_chain(&table, &Chain::base("all", hook, -400));
        transaction.append(&table, "all", &set_meta(MetaKey::NfTrace, &[1]));
    }
    transaction.commit(nft).unwrap();
}

/// The policies that the first datagram from `from` to `to` met, in order, and whether the last one dropped it.
fn policies(instance: &Instance, from: &str, to: &str) -> (Vec<String>, bool) {
    let mut nft = instance.space(INSTANCE).socket(Protocol::Netfilter);
    let mut rules = Vec::new();
    for family in FAMILIES {
        let table = Table::new(family, TABLE);
        let found = dump::rules(&mut nft, &table, None).unwrap_or_default();
        rules.extend(found.into_iter().map(|rule| (Some(family), rule)));
    }
    let mut listener = instance.space(INSTANCE).socket(Protocol::Netfilter);
    trace::subscribe(&mut listener).unwrap();
    instance.udp(from, "0.0.0.0:0").send_to(b"x", to).unwrap();
    let mut events: Vec<trace::TraceEvent> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    let decided = |event: &trace::TraceEvent| {
        let is_last = event.chain == "postrouting" || event.table == "trace-all";
        event.verdict == Some(Verdict::Drop) || is_last && event.policy.is_some()
    };
    // Not the question for an address before it, nor the answer that nobody listens.
    let is_datagram = |event: &&trace::TraceEvent| {
        let header = &event.network_header;
        header.first() == Some(&0x45) && header.get(9) == Some(&17)
    };
    let of_datagram = |events: &[trace::TraceEvent]| -> Vec<trace::TraceEvent> {
        let id = events.iter().find(is_datagram).map(|event| event.id);
        events
            .iter()
            .filter(|event| Some(event.id) == id)
            .cloned()
            .collect()
    };
    while !of_datagram(&events).iter().any(decided) && Instant::now() < deadline {
        trace::receive(&mut listener, Duration::from_millis(50), &mut events).unwrap();
    }
    // What follows the decision has been queued with it.
    trace::receive(&mut listener, Duration::from_millis(50), &mut events).unwrap();
    let events = of_datagram(&events);
    let is_dropped = events.iter().any(|e| e.verdict == Some(Verdict::Drop));
    let met = events.iter().filter_map(|event| {
        let (_, rule) = rules
            .iter()
            .find(|(family, rule)| *family == event.family && Some(rule.handle) == event.rule)?;
        let (stage, subject) = policy_of(comment_text(&rule.user_data)?)?;
        (event.table == TABLE).then(|| format!("{stage}/{subject}"))
    });
    (met.collect(), is_dropped)
}

#[test]
fn a_trace_names_the_policy_that_decided() {
    in_own_namespaces("network::traces::a_trace_names_the_policy_that_decided", || {
        let mut instance = Instance::with_docker0();
        instance.network("back", |options| options.bridge = Some("br-back".into()));
        instance.network("vault", |options| {
            options.internal = true;
            options.bridge = Some("br-vault".into());
        });
        instance.network("shut", |options| {
            options.icc = false;
            options.bridge = Some("br-shut".into());
        });
        instance.connect("web", "bridge", &["5353:53/udp"]);
        instance.connect("db", "back", &[]);
        instance.connect("safe", "vault", &[]);
        instance.connect("one", "shut", &[]);
        instance.connect("two", "shut", &[]);
        instance.apply();
        instance.route_from_outside("172.16.0.0/12");
        instance.give_default_route("safe", "172.19.0.1");
        trace_all(&mut instance.space(INSTANCE).socket(Protocol::Netfilter));
        for (from, to, expected, dropped) in [
            (
                "outside",
                "10.0.0.10:5353",
                &[
                    "docker-publish/any",
                    "docker-publish/776562000000/udp/0.0.0.0:5353",
                    "docker-bridge/into",
                    "docker-publish/776562000000/udp/53",
                ][..],
                false,
            ),
            (
                "outside",
                "172.17.0.2:53",
                &["docker-bridge/into", "docker-direct/docker0"],
                true,
            ),
            (
                "db",
                "172.17.0.2:53",
                &["docker-bridge/into", "docker-isolation/docker0"],
                true,
            ),
            (
                "safe",
                "10.0.0.1:53",
                &["docker-bridge/from", "docker-internal/br-vault/egress"],
                true,
            ),
            (
                "two",
                "172.20.0.2:53",
                &["docker-icc/ports", "docker-icc/br-shut"],
                true,
            ),
            ("db", "10.0.0.1:53", &["docker-masquerade/br-back"], false),
        ] {
            let (met, is_dropped) = policies(&instance, from, to);
            assert_eq!(
                (
                    met.iter().map(String::as_str).collect::<Vec<_>>(),
                    is_dropped
                ),
                (expected.to_vec(), dropped),
                "{from} to {to}"
            );
        }
    });
}
