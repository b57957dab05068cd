//! What has to be sent to know whether a claim holds, and who else must not get through.

use std::collections::BTreeSet;

use fabric::engine::Sender;
use model::claim::{Claim, Ends, Expected, Sources};
use model::selector::End;
use model::{ProbePacket, Selector, TrafficMatch};

use super::probing::{Pair, Prober, packets};
use super::witness::Witnesses;
use crate::exit::Result;

/// One packet of a claim.
pub struct Try {
    /// From whom to whom.
    pub pair: Pair,
    /// What.
    pub packet: ProbePacket,
    /// The claim's own result is wanted; else only that it does not get through.
    pub is_named: bool,
}

/// What to send for a claim, or why no packets can decide it.
pub type Plan = std::result::Result<Vec<Try>, String>;

/// Plans a claim; `all` are those of the file.
pub fn plan(claim: &Claim, all: &[Claim], witnesses: &Witnesses, prober: &Prober) -> Result<Plan> {
    if claim.through.is_some() {
        return Ok(Err("`through` is not built yet".to_owned()));
    }
    let destinations = ends_of(&claim.destinations, prober)?;
    let packets = match claim.expected {
        // A service answers at one port and not at the next: no port stands for another.
        Expected::Open | Expected::Refused => packets(&claim.traffic.0),
        _ => Ok(witnesses.packets(&claim.traffic.0)),
    };
    let mut tries = Vec::new();
    let mut add = |pair: Pair, is_named: bool, wanted: &dyn Fn(&ProbePacket) -> bool| {
        match (&packets, pair.to) {
            // Without an address there is nothing to send, whatever the ports.
            (_, None) => tries.push(Try { pair, packet: ProbePacket::ECHO, is_named }),
            (Ok(packets), Some(_)) => {
                let wanted = packets.iter().filter(|packet| wanted(packet));
                tries.extend(wanted.map(|packet| Try { pair: pair.clone(), packet: *packet, is_named }));
            }
            (Err(why), Some(_)) => return Some(why.clone()),
        }
        None
    };
    if let Sources::Each(sources) | Sources::Only(sources) = &claim.sources {
        for (selector, ends) in selected(sources, prober)? {
            for pair in prober.pairs(&selector, &ends, &destinations)? {
                if let Some(why) = add(pair, true, &|_| true) {
                    return Ok(Err(why));
                }
            }
        }
    }
    if matches!(claim.sources, Sources::Only(_) | Sources::NothingElse) {
        let let_in = LetIn::by(claim, all, prober)?;
        for place in prober.places() {
            for pair in prober.pairs(&place.selector, std::slice::from_ref(&place.end), &destinations)? {
                // How one place outside reaches another is not the lab's affair.
                if !pair.is_ipv4() || prober.is_outside(&pair) {
                    continue;
                }
                let named = pair.clone();
                let why = add(pair, false, &|packet| {
                    !let_in.iter().any(|known| known.has(&named, packet))
                });
                if let Some(why) = why {
                    return Ok(Err(why));
                }
            }
        }
    }
    Ok(Ok(tries))
}

/// Whom a claim lets in, where, and with what.
struct LetIn {
    senders: BTreeSet<Sender>,
    destinations: Vec<End>,
    /// `None`: whatever it sends.
    traffic: Option<Vec<TrafficMatch>>,
}

impl LetIn {
    /// For `only`: its own sources. For `nothing else`: those of all other claims that let somebody in.
    fn by(claim: &Claim, all: &[Claim], prober: &Prober) -> Result<Vec<LetIn>> {
        let mut known = Vec::new();
        match &claim.sources {
            Sources::Only(sources) => {
                let destinations = ends_of(&claim.destinations, prober)?;
                known.push(LetIn { senders: senders(sources, prober)?, destinations, traffic: None });
            }
            Sources::NothingElse => {
                for other in all {
                    let (Sources::Each(sources) | Sources::Only(sources)) = &other.sources else { continue };
                    if !matches!(other.expected, Expected::Allowed | Expected::Open | Expected::Refused) {
                        continue;
                    }
                    let destinations = ends_of(&other.destinations, prober)?;
                    known.push(LetIn { senders: senders(sources, prober)?, destinations, traffic: Some(other.traffic.0.clone()) });
                }
            }
            Sources::Each(_) => {}
        }
        Ok(known)
    }

    fn has(&self, pair: &Pair, packet: &ProbePacket) -> bool {
        let is_meant = |traffic: &TrafficMatch| match (*traffic, *packet) {
            (TrafficMatch::All, _) => true,
            (TrafficMatch::Tcp(range), ProbePacket::Tcp(port)) | (TrafficMatch::Udp(range), ProbePacket::Udp(port)) => range.contains(port),
            (TrafficMatch::Icmp(icmp), ProbePacket::Icmp { icmp_type, code }) => icmp.matches(icmp_type, code),
            (TrafficMatch::Icmpv6(icmp), ProbePacket::Icmpv6 { icmp_type, code }) => icmp.matches(icmp_type, code),
            (TrafficMatch::Other(number), ProbePacket::Other(other)) => number == other,
            _ => false,
        };
        self.senders.contains(&pair.sender)
            && self.destinations.contains(&pair.end)
            && self.traffic.as_ref().is_none_or(|traffic| traffic.iter().any(is_meant))
    }
}

fn senders(ends: &Ends, prober: &Prober) -> Result<BTreeSet<Sender>> {
    let mut senders = BTreeSet::new();
    for end in ends_of(ends, prober)? {
        senders.extend(prober.senders(&end)?);
    }
    Ok(senders)
}

fn ends_of(ends: &Ends, prober: &Prober) -> Result<Vec<End>> {
    Ok(selected(ends, prober)?.into_iter().flat_map(|(_, ends)| ends).collect())
}

/// The ends of a claim by selector, those left out gone.
fn selected(ends: &Ends, prober: &Prober) -> Result<Vec<(Selector, Vec<End>)>> {
    let mut except = Vec::new();
    for selector in &ends.except {
        except.extend(prober.ends(selector)?);
    }
    let own = |selector: &Selector| {
        let of = prober.ends(selector)?.into_iter().filter(|end| !except.contains(end)).collect();
        Ok((selector.clone(), of))
    };
    ends.of.iter().map(own).collect()
}
