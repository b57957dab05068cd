//! `A B [PROTO/PORT]` of commands that send from one place to one address: who sends, and to which address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fabric::engine::{Answer, Leg, ListenerState, Outcome, PacketProbe, Probe as Sent, Sender, Traffic};
use ipnet::IpNet;
use fabric::{Component, EndError, Entity, Fabric, Family};
use linux::runtime::capture;
use model::selector::{End, NothingSelected};
use model::{Model, Probe, ProbePacket, Selector};

use super::advice;
use super::probing::traffic_of;
use super::running::Running;
use crate::exit::{self, Failure, Result};

/// One sender and one address.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The sender as it was typed.
    pub from: String,
    /// The sender.
    pub sender: Sender,
    /// The receiver as it was typed.
    pub to: String,
    /// The address that the sender asks it at.
    pub address: IpAddr,
    /// What is sent.
    pub packet: ProbePacket,
}

impl Ends {
    /// Of a question that was read. Errors: it means nobody, or several.
    pub fn of(probe: &Probe, running: &Running) -> Result<Ends> {
        Ends::over(probe, running, false)
    }

    /// The same, over IPv6 if that is asked for.
    pub fn over(probe: &Probe, running: &Running, ipv6: bool) -> Result<Ends> {
        let (source, destination) = (one(&probe.source, &running.model)?, one(&probe.destination, &running.model)?);
        if source == destination {
            return Err(Failure::usage("the two ends are one and the same"));
        }
        // An address that was typed says the family.
        let ipv6 = ipv6 || is_ipv6(&destination);
        let fabric = &running.fabric;
        let bad = |e: EndError| match e {
            EndError::NoPublicAddress(name) => {
                // Its public address went when it stopped (PIP-2).
                if let End::Interface { interface, .. } = &destination
                    && let Some(hint) = advice::stopped(fabric, interface)
                {
                    let message = format!("{name} is stopped and has no public address now");
                    return Failure { code: exit::NO, message, hint: Some(hint) };
                }
                let e = EndError::NoPublicAddress(name);
                let hint = "only its own VPC and peered ones reach its private address".to_owned();
                Failure { code: exit::NO, message: format!("{e}: nothing outside can send to it"), hint: Some(hint) }
            }
            _ => Failure::usage(e.to_string()),
        };
        let senders = if ipv6 { fabric.ipv6_senders(&source) } else { fabric.senders(&source) }.map_err(bad)?;
        let nobody = || match ipv6 {
            true => Failure::usage(format!("{} has no IPv6 address", probe.source)),
            false => Failure::usage(format!("nobody sends at `{}`", probe.source)),
        };
        let sender = senders.into_iter().next().ok_or_else(nobody)?;
        if let Sender::Interface(id) = &sender {
            can_send(fabric, id, &probe.source)?;
        }
        // A place with several addresses is asked at one that is not the sender's own.
        let addresses = if ipv6 { fabric.ipv6_destinations(&sender, &destination) } else { fabric.destinations(&sender, &destination) };
        let addresses = addresses.map_err(bad)?;
        // Of both families the one that the sender has.
        let speaks = |address: &&IpAddr| fabric.speaks(&sender, Family::of(**address));
        let other = addresses.iter().filter(speaks).find(|address| sender != Sender::Outside(**address)).or(addresses.first());
        match other {
            Some(address) if !speaks(&address) => {
                let family = if address.is_ipv6() { 6 } else { 4 };
                Err(Failure::usage(format!("{} has no IPv{family} address", probe.source)))
            }
            Some(address) => {
                let (from, to) = (probe.source.to_string(), probe.destination.to_string());
                Ok(Ends { from, sender, to, address: *address, packet: probe.packet })
            }
            None => Err(Failure::usage(format!("nobody has an address at `{}`", probe.destination))),
        }
    }

    /// `NAME (ADDRESS)` of the receiver, the address once where it was typed.
    pub fn receiver(&self) -> String {
        let address = self.address.to_string();
        if self.to == address { address } else { format!("{} ({address})", self.to) }
    }

    /// What is sent, as engines know it.
    pub fn traffic(&self) -> Result<Traffic> {
        traffic_of(self.packet, self.address)
    }

    /// What to type where the network is not to blame.
    fn hint(&self, running: &Running, at: Option<Component>) -> Option<String> {
        let fabric = &running.fabric;
        let receiver = match fabric.find_address(self.address) {
            Some(Entity::Interface(index)) => advice::stopped(fabric, &fabric.interfaces[index].id),
            _ => None,
        };
        receiver.or_else(|| advice::own_system(fabric, at))
    }

    /// Sends one packet of the same kind and says which stage drops it, or its answer; `None` when both come through. It is aside:
    /// flow logs do not count it, captures do not show it.
    pub fn loss(&self, running: &Running) -> Result<Option<Loss>> {
        // What listens there listens already: nothing is put in its place.
        let listener = ListenerState::Closed;
        let probe = PacketProbe { listener, is_aside: true, ..PacketProbe::new(self.sender.clone(), self.address, self.traffic()?) };
        let answer = running.probe(&[Sent::Packet(probe).into()])?.into_iter().next();
        match answer {
            Some(Ok(Answer { outcome: Outcome::Dropped(drop), .. })) => Ok(Some(Loss {
                what: if drop.leg == Leg::Return { "reply" } else { "request" },
                at: drop.at.map(|at| at.label(&running.fabric)),
                hint: self.hint(running, drop.at),
                code: drop.code.map(|code| code.as_str()),
            })),
            Some(Ok(_)) => Ok(None),
            Some(Err(why)) => Err(Failure::environment(why)),
            None => Err(Failure::environment("the daemon sent no answer")),
        }
    }
}

/// Where a packet was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// `request` or `reply`.
    pub what: &'static str,
    /// The component that dropped it, where anybody reported it.
    pub at: Option<String>,
    /// AWS's explanation code.
    pub code: Option<&'static str>,
    /// What to type next, where the network is not to blame.
    pub hint: Option<String>,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Loss { what, at, code, hint: _ } = self;
        match at {
            Some(at) => write!(f, "{what} dropped at {at}")?,
            None => write!(f, "{what} lost, and nothing in the lab reported a drop")?,
        }
        code.map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

/// What the words of a command ask; `packet` where they name none.
pub fn question(words: &[String], packet: &str) -> Result<Probe> {
    let mut words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    // `A B:443` says port and protocol; an address of IPv6 has more colons.
    if words.len() == 2 && words[1].matches(':').count() != 1 {
        words.push(packet);
    }
    lab::sentence::parse_probe(&words).map_err(|e| {
        let failure = Failure::usage(e.message);
        match e.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// What a selector does not mean, with what there is; a name that several have brings their ids itself.
pub fn nothing(nothing: &NothingSelected) -> Failure {
    let failure = Failure::usage(nothing.to_string());
    match nothing.several {
        Some(_) => failure,
        None => failure.hint(format!("there are: {}", nothing.known.join(", "))),
    }
}

/// Whether an end is an address, or a block, of IPv6 as such: whoever sends to it sends over IPv6.
pub fn is_ipv6(end: &End) -> bool {
    matches!(end, End::Address(IpAddr::V6(_)) | End::Block(IpNet::V6(_)))
}

/// The one end that a selector means.
fn one(selector: &Selector, model: &Model) -> Result<End> {
    let ends = selector.ends(model).map_err(|e| nothing(&e))?;
    match <[End; 1]>::try_from(ends) {
        Ok([end]) => Ok(end),
        Err(none) if none.is_empty() => Err(Failure::usage(format!("`{selector}` selects nothing"))),
        Err(several) => Err(Failure::usage(format!("`{selector}` means {} interfaces", several.len())).hint("name one of them")),
    }
}

/// Errors: nobody runs at the interface.
fn can_send(fabric: &Fabric, id: &model::NetworkInterfaceId, named: &Selector) -> Result<()> {
    let Some(index) = fabric.interface_by_id(id) else { return Ok(()) };
    let interface = &fabric.interfaces[index];
    match interface.instance() {
        None => Err(Failure::usage(format!("`{named}` is no instance that could send")).hint("name an instance, an outside place or internet")),
        Some(_) if interface.status.is_running() => Ok(()),
        Some(instance) => {
            let state = fabric.instances[instance].state.as_str();
            let failure = Failure { code: exit::NO, message: format!("{named} is {state} and sends nothing"), hint: None };
            Err(failure.hint(format!("vpclab start {named}")))
        }
    }
}

/// Names of addresses for lines that people read.
pub struct Names(BTreeMap<IpAddr, String>);

impl Names {
    /// Of a lab.
    pub fn of(fabric: &Fabric) -> Names {
        Names(capture::names(fabric))
    }

    /// Who has an address.
    pub fn name(&self, address: IpAddr) -> Option<&str> {
        self.0.get(&address.to_canonical()).map(String::as_str)
    }
}

/// Milliseconds with three digits behind the point: finer is noise.
pub fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
