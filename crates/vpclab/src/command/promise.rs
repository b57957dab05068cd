//! Real packets beside a proof: what breaks a promise, and one pair of each kind, sent; and where they find something
//! else than the proof says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use conformance::EngineName;
use fabric::engine::Sender;
use model::claim::Expected;
use model::selector::End;
use model::{Claim, Model, ProbePacket};
use proof::claim::{Proof, Prover, Sample};

use super::probing::{Pair, Prober, Seen};
use super::target::Target;
use crate::exit::{Failure, Result};

/// Broken pairs of one claim that are tried for real; one pair of each kind is anyway.
const WITNESSES: usize = 256;

/// What was sent for a claim.
#[derive(Debug, Default)]
pub struct Sent {
    /// How many packets.
    pub packets: usize,
    /// Those that found another network than the proof says, a line each.
    pub disagreements: Vec<String>,
    /// Those that found another service than the file says, a line each.
    pub services: Vec<String>,
}

/// Sends for all claims at once; what came of each.
pub fn send(claims: &[Claim], proofs: &[Proof], prover: &Prover, target: &Target, engine: EngineName) -> Result<Vec<Sent>> {
    let mut samples: Vec<Vec<Sample>> = Vec::new();
    for (claim, proof) in claims.iter().zip(proofs) {
        let mut of_claim: Vec<Sample> = proof.broken.iter().take(WITNESSES).filter_map(|broken| prover.witness(broken)).collect();
        of_claim.extend(prover.samples(claim).map_err(|e| Failure::environment(e.to_string()))?);
        // Behind a virtual private gateway are lans, where engines of the cloud have nobody.
        of_claim.retain(|sample| !is_in_a_lan(sample, prover.fabric()));
        samples.push(of_claim);
    }
    // Claims often speak of the same pairs: each packet is sent once.
    let mut numbers: BTreeMap<(Sender, IpAddr, ProbePacket), usize> = BTreeMap::new();
    let mut pairs: Vec<(Pair, ProbePacket)> = Vec::new();
    for sample in samples.iter().flatten() {
        numbers.entry(key(sample)).or_insert_with(|| {
            pairs.push((pair(sample, &target.model), sample.packet));
            pairs.len() - 1
        });
    }
    let tries: Vec<(&Pair, ProbePacket)> = pairs.iter().map(|(pair, packet)| (pair, *packet)).collect();
    let mut real = Prober::start(target, engine)?;
    let found = real.probe_all(&tries)?;
    let said = Prober::start(target, EngineName::Proof)?.probe_apart(&tries)?;
    let mut sent = Vec::new();
    for (claim, samples) in claims.iter().zip(&samples) {
        let mut all: Vec<usize> = samples.iter().filter_map(|sample| numbers.get(&key(sample)).copied()).collect();
        all.sort_unstable();
        all.dedup();
        let line = |number: &usize| {
            let ((pair, packet), fabric) = (&pairs[*number], real.fabric());
            let (said, found) = (said[*number].text(fabric), found[*number].text(fabric));
            format!("{} {packet}: a real packet finds {found}, and the proof says {said}", pair.text())
        };
        let kind = |kind: Difference| {
            let of_kind = all.iter().filter(|number| difference(&said[**number], &found[**number]) == Some(kind));
            of_kind.map(line).collect::<Vec<_>>()
        };
        // The network alone is what most claims speak of.
        let services = if matches!(claim.expected, Expected::Open | Expected::Refused) { kind(Difference::Service) } else { Vec::new() };
        sent.push(Sent { packets: all.len(), disagreements: kind(Difference::Network), services });
    }
    Ok(sent)
}

fn is_in_a_lan(sample: &Sample, fabric: &fabric::Fabric) -> bool {
    let is_lans = |address: IpAddr| fabric.behind_vpn(address).is_some() && !fabric.is_outside_host(address);
    is_lans(sample.address) || matches!(sample.from.who, Sender::Outside(address) if is_lans(address))
}

/// How two engines' stories differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// In what the network does: one of the two is wrong.
    Network,
    /// In whether somebody listens: a service came or went.
    Service,
}

fn difference(said: &Seen, found: &Seen) -> Option<Difference> {
    match (said, found) {
        // Silence of which nobody reports the place is no other story.
        (Seen::Dropped { .. }, Seen::Dropped { at: None, .. }) => None,
        (Seen::Open(_), Seen::Refused) | (Seen::Refused, Seen::Open(_)) => Some(Difference::Service),
        _ => (said != found).then_some(Difference::Network),
    }
}

fn key(sample: &Sample) -> (Sender, IpAddr, ProbePacket) {
    (sample.from.who.clone(), sample.address, sample.packet)
}

fn pair(sample: &Sample, model: &Model) -> Pair {
    let end = match &sample.to.who {
        Sender::Interface(id) | Sender::Container(id) => {
            let instance = model.network_interfaces.get(id).and_then(|eni| eni.instance_id().cloned());
            End::Interface { interface: id.clone(), instance }
        }
        Sender::Outside(address) => End::Address(*address),
    };
    Pair {
        from: sample.from.name.clone(),
        sender: sample.from.who.clone(),
        end,
        to: Some(sample.address),
        to_name: sample.to.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fabric::{Component, InterfaceIndex, Direction};

    #[test]
    fn a_service_that_is_gone_is_no_other_network() {
        let open = Seen::Open("10.0.0.4".parse().unwrap());
        let drop = |at| Seen::Dropped { is_reply: false, at };
        let at = |n| Some(Component::SecurityGroups(InterfaceIndex(n), Direction::Ingress));
        let network = Some(Difference::Network);
        for (said, found, wanted) in [
            (open.clone(), open.clone(), None),
            (open.clone(), Seen::Refused, Some(Difference::Service)),
            (Seen::Refused, open.clone(), Some(Difference::Service)),
            (open.clone(), drop(at(1)), network),
            (drop(at(1)), drop(at(1)), None),
            (drop(at(1)), drop(at(2)), network),
            (drop(at(1)), drop(None), None),
            (drop(at(1)), Seen::Refused, network),
            (open, Seen::Open("10.0.0.5".parse().unwrap()), network),
        ] {
            assert_eq!(difference(&said, &found), wanted, "{said:?} {found:?}");
        }
    }
}
