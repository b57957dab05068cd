//! One question to the walker, over every port that the client may send from; past a public address that is missing too.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fabric::engine::{EngineError, PacketProbe, Sender};
use fabric::packet::{Segment, Transport, icmp};
use fabric::walker::{Explanation, Hop, Verdict, Way};
use fabric::{
    Component, Direction, EndError, ExplanationCode, Fabric, Header, Reason, Stage, explain,
};
use model::selector::End;
use model::{Model, PortRange, ProbePacket};

use super::edit::Edit;
use super::words::Cloud;
use super::{Question, leg, ranges_text};
use crate::reach::traffic;

/// What decided, whatever the place.
pub type Decided = (Stage, Option<ExplanationCode>, Option<fabric::Rule>);

/// What the walker says.
pub struct Answer {
    /// The address that was asked; `None`: the receiver has none that this sender could ask.
    pub address: Option<IpAddr>,
    /// At the worst of all client ports.
    pub explanation: Explanation,
    /// The cloud that was asked, where it is not the real one: with the public address that is missing.
    as_if: Option<Box<(Model, Fabric)>>,
    /// First client port of each part that is treated alike, and the verdict there.
    parts: Vec<(u16, Verdict)>,
}

impl Answer {
    /// The cloud whose indices the explanation has.
    pub fn world<'c>(&'c self, model: &'c Model, fabric: &'c Fabric) -> Cloud<'c> {
        match &self.as_if {
            Some(other) => Cloud {
                model: &other.0,
                fabric: &other.1,
            },
            None => Cloud { model, fabric },
        }
    }

    /// Every blocker with the header as it was there and the way it lies on.
    pub(super) fn blocking(&self) -> Vec<(&Reason, Option<&Header>, leg::Direction)> {
        let ways = [
            (Some(&self.explanation.request), leg::Direction::Request),
            (self.explanation.reply.as_ref(), leg::Direction::Reply),
        ];
        let mut all = Vec::new();
        for (way, direction) in ways {
            let Some(way) = way else { continue };
            for reason in &way.blockers {
                let hop = way
                    .hops
                    .iter()
                    .find(|hop| hop.blocks && hop.reason == *reason);
                all.push((reason, hop.map(|hop| &hop.header), direction));
            }
        }
        all
    }

    /// Client ports that are worse off than others, as text; `None` where all are alike.
    pub(super) fn lost(&self, direction: leg::Direction, ephemeral: PortRange) -> Option<String> {
        let worst = self.explanation.verdict;
        let concerns = match direction {
            leg::Direction::Request => worst == Verdict::Denied,
            leg::Direction::Reply => worst == Verdict::OneWay,
        };
        if !concerns || self.parts.iter().all(|(_, verdict)| *verdict == worst) {
            return None;
        }
        let ends = self.parts.iter().skip(1).map(|(next, _)| next - 1);
        let mut ranges: Vec<PortRange> = Vec::new();
        for ((from, verdict), to) in self.parts.iter().zip(ends.chain([ephemeral.to])) {
            if *verdict != worst {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.to.checked_add(1) == Some(*from) => last.to = to,
                _ => ranges.push(PortRange { from: *from, to }),
            }
        }
        Some(ranges_text(&ranges))
    }

    /// The verdict and what blocks, whoever it blocks: equal for pairs that are alike.
    pub fn signature(&self) -> (Verdict, Vec<Decided>) {
        let key = |reason: &Reason| (reason.stage, reason.code, reason.rule.clone());
        let decided = self.explanation.blockers().map(key).collect();
        (self.explanation.verdict, decided)
    }

    /// Whether two answers have the same verdict for the same reasons.
    pub fn is_like(&self, other: &Self) -> bool {
        let key = |reason: &Reason| (reason.at, reason.code, reason.rule.clone());
        let keys = |answer: &Self| answer.explanation.blockers().map(key).collect::<Vec<_>>();
        self.explanation.verdict == other.explanation.verdict && keys(self) == keys(other)
    }
}

/// Asks. `reply_ports` stand for all ports that a client may send from; see [`crate::Atoms::reply_ports`].
pub fn ask(
    model: &Model,
    fabric: &Fabric,
    question: &Question,
    reply_ports: &[u16],
) -> Result<Answer, EngineError> {
    let bad = |e: EndError| EngineError::BadProbe(e.to_string());
    let to = match fabric.destinations(&question.from, &question.to) {
        Ok(addresses) => addresses.first().copied(),
        Err(EndError::NoPublicAddress(_)) => None,
        Err(other) => return Err(bad(other)),
    };
    let Some(to) = to else {
        return without_address(model, fabric, question, reply_ports);
    };
    let (explanation, parts) = worst(fabric, question, to, reply_ports)?;
    Ok(Answer {
        address: Some(to),
        explanation,
        as_if: None,
        parts,
    })
}

/// At the first client port that is worst off.
fn worst(
    fabric: &Fabric,
    question: &Question,
    to: IpAddr,
    reply_ports: &[u16],
) -> Result<(Explanation, Vec<(u16, Verdict)>), EngineError> {
    // Only answers to ports depend on the port that they go to.
    let ports = match question.packet.port() {
        Some(_) => reply_ports,
        None => &reply_ports[..1],
    };
    let mut found: Option<Explanation> = None;
    let mut parts = Vec::new();
    for port in ports {
        let probe = PacketProbe::new(question.from.clone(), to, traffic(question.packet, *port));
        let mut explanation = explain(fabric, &probe)?;
        let Explanation { request, reply, .. } = &mut explanation;
        std::iter::once(request).chain(reply).for_each(straighten);
        parts.push((*port, explanation.verdict));
        let is_worse = |best: &Explanation| badness(explanation.verdict) > badness(best.verdict);
        if found.as_ref().is_none_or(is_worse) {
            found = Some(explanation);
        }
    }
    let found = found.ok_or_else(|| EngineError::BadProbe("no port to send from".to_owned()))?;
    Ok((found, parts))
}

/// Whether routes led a packet in a circle.
pub(super) fn is_circle(reason: &Reason) -> bool {
    (reason.stage, reason.at) == (Stage::RouteTable, Component::Fabric)
}

/// Of a way in a circle, the first round.
fn straighten(way: &mut Way) {
    if !way.blockers.last().is_some_and(is_circle) {
        return;
    }
    let mut seen = BTreeSet::new();
    let again = way.hops.iter().position(|hop| {
        let is_route = matches!(hop.reason.at, Component::RouteTable(_));
        is_route && !seen.insert((hop.reason.at, hop.header.source, hop.header.destination))
    });
    way.hops.truncate(again.unwrap_or(way.hops.len()));
    let mut blockers: Vec<Reason> = Vec::new();
    for reason in way.blockers.drain(..) {
        let is_met = way
            .hops
            .iter()
            .any(|hop| hop.blocks && hop.reason == reason);
        if (is_met || is_circle(&reason)) && !blockers.contains(&reason) {
            blockers.push(reason);
        }
    }
    way.blockers = blockers;
}

/// How far from allowed a verdict is.
pub(super) fn badness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Allowed => 0,
        Verdict::OneWay => 1,
        Verdict::Denied => 2,
    }
}

/// The receiver has no public address. What the packet would meet if it had one is asked of a cloud in which it has.
fn without_address(
    model: &Model,
    fabric: &Fabric,
    question: &Question,
    reply_ports: &[u16],
) -> Result<Answer, EngineError> {
    let End::Interface { interface, .. } = &question.to else {
        return Err(EngineError::BadProbe("nobody has the address".to_owned()));
    };
    let not_found = || EngineError::NotFound(interface.to_string());
    let index = fabric.interface_by_id(interface).ok_or_else(not_found)?;
    let own = &fabric.interfaces[index];
    let at = match fabric.vpcs[own.vpc].internet_gateway {
        Some(gateway) => Component::InternetGateway(gateway),
        None => Component::Interface(index),
    };
    let reason = Reason::new(
        Stage::InternetGateway,
        at,
        format!("{} has no public address", own.name),
    );
    let reason = reason
        .direction(Direction::Ingress)
        .code(ExplanationCode::IgwPrivateIpAssociationForIngress);
    let mut other = model.clone();
    let given = Edit::PublicAddress {
        interface: interface.clone(),
    };
    if given.apply(&mut other).is_ok() {
        let compiled = Fabric::compile(&other);
        let address = compiled.destinations(&question.from, &question.to);
        if let Some(to) = address.ok().and_then(|all| all.first().copied()) {
            let (mut explanation, parts) = worst(&compiled, question, to, reply_ports)?;
            let header = explanation.request.sent.clone();
            // Where the gateway would translate, there is nothing to translate to.
            let hops = &mut explanation.request.hops;
            let place = hops.iter().position(|hop| hop.reason.at == at).unwrap_or(0);
            let hop = Hop {
                reason: reason.clone(),
                blocks: true,
                header,
            };
            match hops
                .get(place)
                .is_some_and(|hop| hop.reason.at == at && !hop.blocks)
            {
                true => {
                    hops[place] = Hop {
                        header: hops[place].header.clone(),
                        ..hop
                    }
                }
                false => hops.insert(place, hop),
            }
            let before = hops[..place].iter().filter(|hop| hop.blocks).count();
            explanation.request.blockers.insert(before, reason);
            explanation.verdict = Verdict::Denied;
            return Ok(Answer {
                address: None,
                explanation,
                as_if: Some(Box::new((other, compiled))),
                parts: parts
                    .into_iter()
                    .map(|(port, _)| (port, Verdict::Denied))
                    .collect(),
            });
        }
    }
    let header = Header {
        source: source(fabric, &question.from),
        destination: IpAddr::V4(own.primary_address()),
        transport: transport(question.packet, reply_ports[0]),
    };
    let from = match &question.from {
        Sender::Interface(id) | Sender::Container(id) => {
            fabric.interface_by_id(id).map(Component::Guest)
        }
        Sender::Outside(_) => None,
    };
    let request = Way {
        from,
        to: None,
        sent: header.clone(),
        arrived: None,
        hops: vec![Hop {
            reason: reason.clone(),
            blocks: true,
            header,
        }],
        blockers: vec![reason],
        via: Vec::new(),
    };
    let explanation = Explanation {
        verdict: Verdict::Denied,
        request,
        reply: None,
    };
    Ok(Answer {
        address: None,
        explanation,
        as_if: None,
        parts: Vec::new(),
    })
}

fn source(fabric: &Fabric, from: &Sender) -> IpAddr {
    match from {
        Sender::Outside(address) => *address,
        Sender::Interface(id) | Sender::Container(id) => {
            let index = fabric.interface_by_id(id);
            let own = index.map(|index| fabric.interfaces[index].primary_address());
            IpAddr::V4(own.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED))
        }
    }
}

fn transport(packet: ProbePacket, source_port: u16) -> Transport {
    match packet {
        ProbePacket::Tcp(destination_port) => Transport::Tcp {
            source_port,
            destination_port,
            segment: Segment::Syn,
        },
        ProbePacket::Udp(destination_port) => Transport::Udp {
            source_port,
            destination_port,
        },
        ProbePacket::Icmp { icmp_type, code } | ProbePacket::Icmpv6 { icmp_type, code } => {
            Transport::Icmp {
                icmp_type,
                code,
                identifier: u16::from(icmp::ECHO_REQUEST),
            }
        }
        ProbePacket::Other(protocol) => Transport::Other { protocol },
    }
}
