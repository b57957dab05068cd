//! Which probes a cloud gets: of everything that can be sent, those that spread over verdicts and stages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use fabric::{Fabric, Family};
use fabric::engine::{ListenerState, PacketProbe, Probe, Request, Sender, Traffic};
use fabric::fabric::{Interface, InterfaceKind};
use fabric::packet::icmp::{ECHO_REQUEST, V6_ECHO_REQUEST};
use model::random::SplitMix64;

use super::tally::{Tally, Verdict, decided};
use super::{Cloud, FuzzError};
use crate::engine::EngineName;

/// Addresses that nobody has, inside VPCs and outside; broadcast and multicast, which go nowhere (L2-4); a host outside
/// that no lab names; a router and a resolver (PIPE-2).
const OTHERS: [&str; 18] = [
    "10.1.1.200", "10.2.1.200", "10.3.1.200", "10.9.9.9", "198.18.7.7", "192.0.2.50", "8.8.8.8", "10.1.0.255", "255.255.255.255", "224.0.0.1",
    "10.1.0.1", "10.1.0.2", "2001:db8:a:2::200", "2001:db8:b:2::200", "2001:db8:9999::1", "ff02::1", "2001:db8:a:1::1", "fd00:ec2::253",
];

/// An end of a probe by name, which outlives a cloud that loses parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The n-th address of the interface of this name, its public one or the private.
    Interface(String, usize, bool),
    /// The n-th IPv6 address of the interface of this name.
    Ipv6(String, usize),
    /// Any other address.
    Address(IpAddr),
}

/// A probe with its ends by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Who sends.
    pub from: End,
    /// To whom.
    pub to: End,
    /// What.
    pub traffic: Traffic,
    /// What the receiver does with it.
    pub listener: ListenerState,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name, 0, false) => f.write_str(name),
            Self::Interface(name, number, is_public) => {
                write!(f, "{name} (its {} address {})", if *is_public { "public" } else { "private" }, number + 1)
            }
            Self::Ipv6(name, number) => write!(f, "{name} (its IPv6 address {})", number + 1),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, traffic, listener } = self;
        write!(f, "{from} -> {to}, {traffic:?}, {listener:?}")
    }
}

fn guests(fabric: &Fabric) -> impl Iterator<Item = &Interface> {
    fabric.interfaces.values().filter(|i| matches!(i.kind, InterfaceKind::Instance { .. }))
}

impl Named {
    /// The request on this fabric; `None`: an end is not there.
    pub fn request(&self, fabric: &Fabric) -> Option<Request> {
        let interface = |name: &str| guests(fabric).find(|i| i.name == name);
        let from = match &self.from {
            End::Interface(name, ..) | End::Ipv6(name, _) => Sender::Interface(interface(name)?.id.clone()),
            End::Address(address) => Sender::Outside(fabric.outside.values().any(|h| h.addresses.contains(address)).then_some(*address)?),
        };
        let to = match &self.to {
            End::Interface(name, number, is_public) => {
                let held = interface(name)?.addresses.get(*number)?;
                IpAddr::V4(if *is_public { held.public? } else { held.private })
            }
            End::Ipv6(name, number) => IpAddr::V6(*interface(name)?.ipv6.get(*number)?),
            End::Address(address) => *address,
        };
        // Whoever has no address of the family sends nothing there.
        fabric.speaks(&from, Family::of(to)).then_some(())?;
        Some(Probe::Packet(PacketProbe { listener: self.listener, ..PacketProbe::new(from, to, self.traffic) }).into())
    }
}

/// Everybody to every address that there is, the own ones too, and to some that no instance has.
fn candidates(fabric: &Fabric) -> Vec<Named> {
    let outside: BTreeSet<IpAddr> = fabric.outside.values().flat_map(|host| host.addresses.iter().copied()).collect();
    let held = guests(fabric).flat_map(|i| {
        let ends = |(number, a): (usize, &fabric::fabric::PrivateAddress)| {
            let public = a.public.map(|_| End::Interface(i.name.clone(), number, true));
            [Some(End::Interface(i.name.clone(), number, false)), public]
        };
        let ipv6 = (0..i.ipv6.len()).map(|number| End::Ipv6(i.name.clone(), number));
        i.addresses.iter().enumerate().flat_map(ends).flatten().chain(ipv6).collect::<Vec<_>>()
    });
    let others = OTHERS.iter().filter_map(|address| address.parse().ok());
    let targets: BTreeSet<End> = held.chain(outside.iter().copied().chain(others).map(End::Address)).collect();
    let senders = guests(fabric).map(|i| End::Interface(i.name.clone(), 0, false)).chain(outside.iter().copied().map(End::Address));
    // No probe is mistaken for a part of an earlier one by a guest that remembers what it hid: how long those are
    // remembered (RFC 4787) is not what is compared.
    let mut source_ports = (32_768..=u16::MAX).cycle();
    let mut all = Vec::new();
    for from in senders.collect::<BTreeSet<_>>() {
        for to in targets.iter().filter(|to| can_ask(fabric, &from, to)) {
            let source_port = source_ports.next().unwrap_or(u16::MAX);
            let tcp = |port| Traffic::Tcp { source_port, destination_port: port };
            let udp = |port| Traffic::Udp { source_port, destination_port: port };
            let kinds = [
                (tcp(22), ListenerState::Open),
                (tcp(80), ListenerState::Closed),
                (udp(53), ListenerState::Open),
                (udp(67), ListenerState::Closed),
                (Traffic::Icmp { icmp_type: if is_ipv6(to) { V6_ECHO_REQUEST } else { ECHO_REQUEST }, code: 0 }, ListenerState::Open),
            ];
            let named = |(traffic, listener)| Named { from: from.clone(), to: to.clone(), traffic, listener };
            all.extend(kinds.into_iter().map(named));
        }
    }
    all
}

fn is_ipv6(end: &End) -> bool {
    matches!(end, End::Ipv6(..) | End::Address(IpAddr::V6(_)))
}

/// Whether a sender has an address of the receiver's family; nobody outside is asked by itself.
fn can_ask(fabric: &Fabric, from: &End, to: &End) -> bool {
    match from {
        End::Interface(name, ..) | End::Ipv6(name, _) => {
            !is_ipv6(to) || guests(fabric).any(|interface| interface.name == *name && !interface.ipv6.is_empty())
        }
        End::Address(address) => from != to && address.is_ipv6() == is_ipv6(to),
    }
}

/// Probes of one verdict by the stage that lost them: an order, and the place among the candidates.
type Stages = BTreeMap<Option<fabric::Stage>, Vec<(u64, usize)>>;

/// Up to `count` probes of a cloud, the verdicts in turn and within each the stages in turn, by what the proof engine says.
pub fn choose(cloud: &Cloud, seed: u64, count: usize) -> Result<(Vec<Named>, Tally), FuzzError> {
    let candidates = candidates(&cloud.fabric);
    let requests: Vec<Request> = candidates.iter().filter_map(|named| named.request(&cloud.fabric)).collect();
    let mut proof = EngineName::Proof.start()?;
    let broken = |reason: String| FuzzError::Cloud { seed, reason };
    proof.apply(&cloud.model, &cloud.fabric).map_err(|e| broken(e.to_string()))?;
    if requests.len() != candidates.len() {
        return Err(broken("a candidate names what is not there".to_owned()));
    }
    // Verdict, then stage, then the probes in an order of the seed.
    let mut shelves: BTreeMap<Verdict, Stages> = BTreeMap::new();
    for (index, answer) in proof.probe_all(&requests).iter().enumerate() {
        if let Some((verdict, stage)) = decided(answer) {
            let order = mixed(seed ^ mixed(index as u64));
            shelves.entry(verdict).or_default().entry(stage).or_default().push((order, index));
        }
    }
    shelves.values_mut().flat_map(BTreeMap::values_mut).for_each(|shelf| shelf.sort_unstable());
    let (mut chosen, mut tally) = (Vec::new(), Tally::default());
    let mut rounds: BTreeMap<Verdict, usize> = BTreeMap::new();
    while chosen.len() < count && !shelves.is_empty() {
        for verdict in Verdict::ALL {
            let Some(stages) = shelves.get_mut(&verdict) else { continue };
            let round = rounds.entry(verdict).or_default();
            let Some(stage) = stages.keys().nth(*round % stages.len()).copied() else { continue };
            *round += 1;
            let taken = stages.get_mut(&stage).and_then(Vec::pop);
            stages.retain(|_, shelf| !shelf.is_empty());
            if stages.is_empty() {
                shelves.remove(&verdict);
            }
            if let Some((_, index)) = taken
                && chosen.len() < count
            {
                tally.count(verdict, stage);
                chosen.push(index);
            }
        }
    }
    // In the order of the candidates, so that what is sent does not depend on how it was chosen.
    chosen.sort_unstable();
    Ok((chosen.into_iter().map(|index| candidates[index].clone()).collect(), tally))
}

/// One number of another, as good as random.
fn mixed(of: u64) -> u64 {
    SplitMix64(of).next_u64()
}
