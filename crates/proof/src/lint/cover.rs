//! What many filters cover together, asked often, while filters come and go: by block of addresses, protocol and ports.
//!
//! Start at [`Cover`]. A question looks at the blocks around the one asked for, each with its ranges in the order of where
//! they begin, and goes into the halves of the block only while both hold filters of their own: so a list of rules costs
//! about its length, not its square.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use model::TrafficMatch;
use model::traffic::IcmpMatch;

/// Numbers of one protocol in a row: ports; type and code of ICMP; protocols that have no ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
    Other,
}

const LANES: usize = 5;
/// Ranges that one cover looks at in all. Only filters made to be slow need more; what is asked then counts as not covered.
const STEPS: u64 = 40_000_000;

/// The ranges of a filter; `None`: what no range says (a code of any type).
fn ranges(traffic: TrafficMatch) -> Option<Vec<(Lane, u16, u16)>> {
    let icmp = |lane, wanted: IcmpMatch| match (wanted.icmp_type, wanted.code) {
        (None, None) => Some(vec![(lane, 0, u16::MAX)]),
        (None, Some(_)) => None,
        (Some(kind), None) => Some(vec![(lane, u16::from(kind) << 8, u16::from(kind) << 8 | 0xff)]),
        (Some(kind), Some(code)) => {
            let number = u16::from(kind) << 8 | u16::from(code);
            Some(vec![(lane, number, number)])
        }
    };
    match traffic {
        TrafficMatch::All => {
            let all = [Lane::Tcp, Lane::Udp, Lane::Icmp, Lane::Icmpv6, Lane::Other];
            Some(all.into_iter().map(|lane| (lane, 0, u16::MAX)).collect())
        }
        TrafficMatch::Tcp(ports) => Some(vec![(Lane::Tcp, ports.from, ports.to)]),
        TrafficMatch::Udp(ports) => Some(vec![(Lane::Udp, ports.from, ports.to)]),
        TrafficMatch::Icmp(wanted) => icmp(Lane::Icmp, wanted),
        TrafficMatch::Icmpv6(wanted) => icmp(Lane::Icmpv6, wanted),
        TrafficMatch::Other(number) => Some(vec![(Lane::Other, u16::from(number), u16::from(number))]),
    }
}

/// How much a filter matches of its protocol; filters of all protocols last.
pub(super) fn width(traffic: TrafficMatch) -> u32 {
    let ranges = ranges(traffic).unwrap_or_default();
    ranges.iter().map(|(_, from, to)| u32::from(to - from) + 1).sum()
}

/// Ranges by where they begin, with the furthest end of any first few of them.
#[derive(Debug, Default)]
struct Ranges {
    starts: Vec<u16>,
    /// A tree of maxima; `-1` where a filter is not in.
    ends: Vec<i32>,
}

impl Ranges {
    fn set(&mut self, slot: usize, end: i32) {
        let mut at = slot + self.starts.len();
        self.ends[at] = end;
        while at > 1 {
            at /= 2;
            self.ends[at] = self.ends[2 * at].max(self.ends[2 * at + 1]);
        }
    }

    /// The furthest end of those that begin at or before a number.
    fn reach(&self, number: u16) -> i32 {
        let count = self.starts.len();
        let (mut low, mut high) = (count, count + self.starts.partition_point(|start| *start <= number));
        let mut furthest = -1;
        while low < high {
            if low % 2 == 1 {
                furthest = furthest.max(self.ends[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                furthest = furthest.max(self.ends[high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        furthest
    }
}

type Lanes = [Ranges; LANES];

/// Whom a filter is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whom {
    /// Addresses.
    Block(IpNet),
    /// Members of a group or entries of a list, by its id: what they are changes.
    Named(String),
}

/// Filters, each in or not.
pub(super) struct Cover {
    known: BTreeMap<Whom, Lanes>,
    /// Prefix lengths that there are, of IPv4 and IPv6.
    lengths: [BTreeSet<u8>; 2],
    /// Where each filter's ranges are.
    slots: Vec<Vec<(Whom, Lane, usize, i32)>>,
    left: Cell<u64>,
}

impl Cover {
    /// Of some filters, none of which is in yet.
    pub(super) fn new(filters: &[(Vec<Whom>, TrafficMatch)]) -> Cover {
        /// First and last port, and whose filter it is.
        type Named = Vec<(u16, u16, usize)>;
        let mut starts: BTreeMap<(&Whom, Lane), Named> = BTreeMap::new();
        let mut lengths = [BTreeSet::new(), BTreeSet::new()];
        for (filter, (whom, traffic)) in filters.iter().enumerate() {
            for (lane, from, to) in ranges(*traffic).unwrap_or_default() {
                whom.iter().for_each(|whom| starts.entry((whom, lane)).or_default().push((from, to, filter)));
            }
            for whom in whom {
                if let Whom::Block(block) = whom {
                    lengths[family(block)].insert(block.prefix_len());
                }
            }
        }
        let mut known: BTreeMap<Whom, Lanes> = BTreeMap::new();
        let mut slots = vec![Vec::new(); filters.len()];
        for ((whom, lane), mut all) in starts {
            all.sort_unstable();
            for (slot, (_, to, filter)) in all.iter().enumerate() {
                slots[*filter].push((whom.clone(), lane, slot, i32::from(*to)));
            }
            let of_lane = Ranges { ends: vec![-1; 2 * all.len()], starts: all.into_iter().map(|(from, ..)| from).collect() };
            known.entry(whom.clone()).or_default()[lane as usize] = of_lane;
        }
        Cover { known, lengths, slots, left: Cell::new(STEPS) }
    }

    /// Takes a filter in.
    pub(super) fn put(&mut self, filter: usize) {
        self.set(filter, true);
    }

    /// Takes a filter out.
    pub(super) fn take(&mut self, filter: usize) {
        self.set(filter, false);
    }

    fn set(&mut self, filter: usize, is_in: bool) {
        for (whom, lane, slot, end) in &self.slots[filter] {
            if let Some(lanes) = self.known.get_mut(whom) {
                lanes[*lane as usize].set(*slot, if is_in { *end } else { -1 });
            }
        }
    }

    /// Whether the filters that are in match all of some traffic with a block.
    pub(super) fn covers_block(&self, block: IpNet, traffic: TrafficMatch) -> bool {
        let around = self.lengths[family(&block)].range(..=block.prefix_len());
        let around = around.filter_map(|length| IpNet::new(block.network(), *length).ok());
        let mut path: Vec<&Lanes> = around.filter_map(|block| self.known.get(&Whom::Block(block.trunc()))).collect();
        let Some(ranges) = ranges(traffic) else { return false };
        ranges.into_iter().all(|(lane, from, to)| self.covers(block, &mut path, lane, from, to))
    }

    /// Whether they match all of some traffic with what a name stands for: by that name, or, where `by_all` says, by rules
    /// for every address of IPv4.
    pub(super) fn covers_named(&self, name: &str, by_all: bool, traffic: TrafficMatch) -> bool {
        let all = by_all.then(|| Whom::Block(IpNet::V4(ipnet::Ipv4Net::default())));
        let path: Vec<&Lanes> = all.iter().chain(&[Whom::Named(name.to_owned())]).filter_map(|whom| self.known.get(whom)).collect();
        ranges(traffic).is_some_and(|ranges| ranges.into_iter().all(|(lane, from, to)| self.gap(&path, lane, from, to).is_none()))
    }

    /// `path` holds the filters of the blocks around, this one included.
    fn covers<'c>(&'c self, block: IpNet, path: &mut Vec<&'c Lanes>, lane: Lane, from: u16, to: u16) -> bool {
        let Some(from) = self.gap(path, lane, from, to) else { return true };
        let halves: Vec<IpNet> = match block {
            IpNet::V4(block) => block.subnets(block.prefix_len() + 1).map(|halves| halves.map(IpNet::V4).collect()).unwrap_or_default(),
            IpNet::V6(block) => block.subnets(block.prefix_len() + 1).map(|halves| halves.map(IpNet::V6).collect()).unwrap_or_default(),
        };
        let holds = |half: &IpNet| {
            let last = IpNet::new(half.broadcast(), half.max_prefix_len()).unwrap_or(*half);
            self.known.range(Whom::Block(*half)..=Whom::Block(last)).next().is_some()
        };
        if halves.is_empty() || !halves.iter().all(holds) {
            return false;
        }
        halves.into_iter().all(|half| {
            let own = self.known.get(&Whom::Block(half));
            path.extend(own);
            let covered = self.covers(half, path, lane, from, to);
            if own.is_some() {
                path.pop();
            }
            covered
        })
    }

    /// The first number of a range that no filter of the path matches.
    fn gap(&self, path: &[&Lanes], lane: Lane, from: u16, to: u16) -> Option<u16> {
        let mut next = from;
        loop {
            let Some(left) = self.left.get().checked_sub(path.len() as u64 + 1) else { return Some(next) };
            self.left.set(left);
            let furthest = path.iter().map(|lanes| lanes[lane as usize].reach(next)).max().unwrap_or(-1);
            if furthest >= i32::from(to) {
                return None;
            }
            match u16::try_from(furthest) {
                // Below `to`, so there is a next one.
                Ok(furthest) if furthest >= next => next = furthest + 1,
                _ => return Some(next),
            }
        }
    }
}

fn family(block: &IpNet) -> usize {
    usize::from(matches!(block, IpNet::V6(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::PortRange;
    use std::net::{IpAddr, Ipv4Addr};

    fn below(random: &mut u64, bound: u32) -> u32 {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*random >> 33) as u32) % bound
    }

    #[test]
    fn what_covers_a_filter_is_what_covers_each_of_its_addresses_and_ports() {
        let mut random = 7;
        let mut covered = 0;
        for _ in 0..3_000 {
            // Blocks of the last three bits of an address, ports of 0 to 7: few enough to ask all.
            let filters: Vec<(Vec<Whom>, TrafficMatch)> = (0..below(&mut random, 9) + 2)
                .map(|_| {
                    let length = 29 + below(&mut random, 4) as u8;
                    let address = Ipv4Addr::from(0x0a00_0000 | below(&mut random, 8));
                    let block = IpNet::new(IpAddr::V4(address), length).unwrap().trunc();
                    let (a, b) = (below(&mut random, 8) as u16, below(&mut random, 8) as u16);
                    let ports = PortRange { from: a.min(b), to: a.max(b) };
                    let traffic = match below(&mut random, 8) {
                        0 => TrafficMatch::All,
                        1 => TrafficMatch::Udp(ports),
                        _ => TrafficMatch::Tcp(ports),
                    };
                    (vec![Whom::Block(block)], traffic)
                })
                .collect();
            let mut cover = Cover::new(&filters);
            let is_in: Vec<bool> = (1..filters.len()).map(|_| below(&mut random, 4) > 0).collect();
            (1..filters.len()).for_each(|filter| cover.put(filter));
            (1..filters.len()).filter(|filter| !is_in[filter - 1]).for_each(|filter| cover.take(filter));
            let (whom, traffic) = &filters[0];
            let [Whom::Block(asked)] = whom.as_slice() else { unreachable!() };
            let matches = |filter: &(Vec<Whom>, TrafficMatch), address: Ipv4Addr, lane: Lane, number: u16| {
                let [Whom::Block(block)] = filter.0.as_slice() else { unreachable!() };
                let in_range = |(l, from, to): &(Lane, u16, u16)| *l == lane && (*from..=*to).contains(&number);
                block.contains(&IpAddr::V4(address)) && ranges(filter.1).unwrap().iter().any(in_range)
            };
            let IpNet::V4(hosts) = asked else { unreachable!() };
            // Beyond port 8 all numbers fare like 8: only filters for everything match them.
            let wanted = (u32::from(hosts.network())..=u32::from(hosts.broadcast())).map(Ipv4Addr::from).all(|address| {
                [Lane::Tcp, Lane::Udp, Lane::Icmp].into_iter().flat_map(|lane| (0..=8).map(move |number| (lane, number))).all(|(lane, number)| {
                    let others = filters.iter().skip(1).zip(&is_in).filter(|(_, is_in)| **is_in);
                    !matches(&filters[0], address, lane, number) || others.into_iter().any(|(filter, _)| matches(filter, address, lane, number))
                })
            });
            assert_eq!(cover.covers_block(*asked, *traffic), wanted, "{filters:?} {is_in:?}");
            covered += usize::from(wanted);
        }
        assert!((300..2_700).contains(&covered), "{covered}");
    }
}
