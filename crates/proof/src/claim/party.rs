//! Whom a claim means: interfaces, named places outside, and addresses of the internet; enough of these that every
//! block that a rule or a claim names is met from its inside and from its outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fabric::engine::PacketProbe;
use fabric::engine::{EngineError, Sender};
use fabric::walker::Verdict;
use fabric::{Called, EndError, Entity, Explanation, Fabric, Family, InterfaceKind, explain};
use ipnet::IpNet;
use model::claim::{Ends, Sources};
use model::selector::End;
use model::{Claim, PortRange, ProbePacket, Selector, TrafficMatch};

use super::{Prover, Undecided};
use crate::place::{Place, PlaceIndex};
use crate::reach::{Between, Reach, traffic};
use crate::traffic::TrafficSet;
use crate::who::natural;

/// Somebody that a claim speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Name, for people.
    pub name: String,
    /// Who that is.
    pub who: Sender,
    /// The address that the claim wrote; `None`: the one that its sender would use.
    pub(super) written: Option<IpAddr>,
    /// What the proof of all pairs calls it, when asked at its usual address.
    pub(super) place: Option<PlaceIndex>,
    /// It is the IPv6 side of somebody of whom no address was named: what gets through there is exposed, and what is
    /// promised to get through need not do so there.
    pub(super) is_beside: bool,
}

/// Everybody, and the addresses that stand for `internet` where these claims are asked.
pub(super) struct World {
    pub everybody: Vec<Party>,
    internet: Vec<Party>,
    called: Called,
    pub places: BTreeMap<(Sender, Family), PlaceIndex>,
}

impl World {
    pub fn of(fabric: &Fabric, reach: &Reach) -> Self {
        let places: BTreeMap<(Sender, Family), PlaceIndex> = reach
            .indices()
            .map(|(index, place)| ((place.sender(fabric), place.family()), index))
            .collect();
        let called = Called::of(fabric);
        let party = |place: Place| {
            let who = place.sender(fabric);
            let written = match place.end(fabric) {
                End::Address(address) => Some(address),
                _ => None,
            };
            let is_beside = place.family() == Family::V6;
            let name = match place {
                Place::Interface(index) => called.name(fabric, index).to_owned(),
                Place::Ipv6(index) => over_ipv6(called.name(fabric, index)),
                other => other.name(fabric),
            };
            Party { name, written, place: places.get(&(who.clone(), place.family())).copied(), who, is_beside }
        };
        let mut everybody: Vec<Party> = reach
            .places()
            .iter()
            .filter(|place| !matches!(place, Place::Internet(_)))
            .map(|place| party(*place))
            .collect();
        // Instances first, then the places outside.
        everybody.sort_by_cached_key(|party| (party.is_outside(), natural(&party.name)));
        let (general, mut addresses) = (fabric.general_hosts(), fabric.internet_hosts());
        addresses.sort_by_key(|address| (address.is_ipv6(), !general.contains(&Some(*address)), *address));
        let internet: Vec<Party> = addresses.into_iter().map(|address| party(Place::Internet(address))).collect();
        everybody.extend(internet.iter().cloned());
        Self {
            everybody,
            internet,
            called,
            places,
        }
    }
}

/// What somebody with addresses of both families is called at the one of IPv6.
fn over_ipv6(name: &str) -> String {
    format!("{name} (IPv6)")
}

impl Party {
    /// What the proof of all pairs calls it, at its usual address.
    pub fn place(&self) -> Option<PlaceIndex> {
        self.place
    }

    /// Which addresses it is asked at.
    pub fn family(&self) -> Family {
        match (&self.written, &self.who) {
            (Some(IpAddr::V6(_)), _) | (None, Sender::Outside(IpAddr::V6(_))) => Family::V6,
            _ => Family::V4,
        }
    }

    /// Whether it is beyond the gateways.
    pub fn is_outside(&self) -> bool {
        matches!(self.who, Sender::Outside(_))
    }
}

/// Hosts outside have one address each: their own.
fn written(who: &Sender) -> Option<IpAddr> {
    match who {
        Sender::Outside(address) => Some(*address),
        _ => None,
    }
}

/// Blocks that claims tell apart from the rest of the internet.
pub(super) fn blocks(claims: &[Claim]) -> Vec<IpNet> {
    let of_ends = |ends: &Ends| {
        ends.of
            .iter()
            .chain(&ends.except)
            .cloned()
            .collect::<Vec<_>>()
    };
    let selectors = claims.iter().flat_map(|claim| {
        let sources = match &claim.sources {
            Sources::Each(ends) | Sources::Only(ends) => of_ends(ends),
            Sources::NothingElse => Vec::new(),
        };
        sources.into_iter().chain(of_ends(&claim.destinations))
    });
    let block = |selector: Selector| match selector {
        Selector::Block(block) => Some(block),
        Selector::Address(address) => Some(IpNet::from(address)),
        _ => None,
    };
    selectors.filter_map(block).collect()
}

impl Prover<'_> {
    /// Whom a part of a claim means, without those left out.
    ///
    /// Errors: a name that means nothing, or nobody is left.
    pub fn parties(&self, ends: &Ends) -> Result<Vec<Party>, Undecided> {
        let mut except: BTreeSet<Sender> = BTreeSet::new();
        for selector in &ends.except {
            match self.selected(selector) {
                Ok(parties) => except.extend(parties.into_iter().map(|party| party.who)),
                // Leaving out a block in which nobody is changes nothing.
                Err(Undecided::Nobody(_)) if matches!(selector, Selector::Block(_)) => {}
                Err(why) => return Err(why),
            }
        }
        let mut all: Vec<Party> = Vec::new();
        let mut known: BTreeSet<(Sender, Option<IpAddr>)> = BTreeSet::new();
        for selector in &ends.of {
            let selected = self.selected(selector)?;
            let meant = selected
                .into_iter()
                .filter(|party| !except.contains(&party.who));
            all.extend(meant.filter(|party| known.insert((party.who.clone(), party.written))));
        }
        match all.is_empty() {
            true => Err(Undecided::Nobody(ends.to_string())),
            false => Ok(all),
        }
    }

    /// The same as senders. In a block, gateways and endpoints have addresses too, and begin no connection.
    pub(super) fn senders(&self, ends: &Ends) -> Result<Vec<Party>, Undecided> {
        let begins = |party: &Party| match &party.who {
            Sender::Outside(_) => true,
            Sender::Interface(id) | Sender::Container(id) => {
                let index = self.fabric.interface_by_id(id);
                let kind = index.map(|index| self.fabric.interfaces[index].kind);
                party.written.is_none() || matches!(kind, Some(InterfaceKind::Instance { .. }))
            }
        };
        let mut parties = self.parties(ends)?;
        let mut known = BTreeSet::new();
        // Whoever has several addresses in a block sends from one.
        parties.retain(|party| begins(party) && known.insert((party.who.clone(), party.family())));
        Ok(parties)
    }

    fn selected(&self, selector: &Selector) -> Result<Vec<Party>, Undecided> {
        let parties = match selector {
            Selector::Internet => self.world.internet.clone(),
            Selector::Block(block) => self.in_block(*block),
            Selector::Address(address) => vec![self.at(*address)],
            other => {
                let ends = other.ends(self.model).map_err(|error| match error.several {
                    Some(_) => Undecided::Several(error.to_string()),
                    None => Undecided::Unknown { what: kind(other), name: other.to_string(), known: error.known },
                })?;
                let mut parties: Vec<Party> =
                    ends.into_iter().flat_map(|end| self.of_end(end)).collect();
                parties.sort_by_cached_key(|party| natural(&party.name));
                parties
            }
        };
        match parties.is_empty() {
            true => Err(Undecided::Nobody(selector.to_string())),
            false => Ok(parties),
        }
    }

    fn of_end(&self, end: End) -> Vec<Party> {
        match end {
            End::Interface { interface, .. } => {
                let who = Sender::Interface(interface);
                let ipv6 = self.ipv6_of(&who).map(|address| Party { is_beside: true, ..self.party(who.clone(), Some(address)) });
                std::iter::once(self.party(who, None)).chain(ipv6).collect()
            }
            End::Outside(name) => {
                let host = self.fabric.outside.values().find(|host| host.name == name);
                let addresses = host.into_iter().flat_map(|host| &host.addresses);
                let has_ipv6 = self.fabric.ipv6_representative().is_some();
                let hosts = addresses.filter(|address| address.is_ipv4() || has_ipv6);
                hosts
                    .map(|address| Party { is_beside: address.is_ipv6(), ..self.party(Sender::Outside(*address), None) })
                    .collect()
            }
            End::Internet => self.world.internet.clone(),
            End::Address(address) => vec![self.at(address)],
            End::Block(block) => self.in_block(block),
        }
    }

    /// Everybody who has an address in a block, at that address.
    fn in_block(&self, block: IpNet) -> Vec<Party> {
        let interfaces = self.fabric.interfaces.values();
        let private = interfaces.flat_map(|interface| interface.all_addresses());
        let public = self.fabric.public_addresses.keys().copied().map(IpAddr::V4);
        let hosts = self
            .fabric
            .outside
            .values()
            .flat_map(|host| &host.addresses);
        let internet = self.world.internet.iter().filter_map(|party| party.written);
        let all: BTreeSet<IpAddr> = private
            .chain(public)
            .chain(hosts.copied())
            .chain(internet)
            .filter(|address| block.contains(address))
            .collect();
        all.into_iter()
            .map(|address| self.at(address))
            .collect()
    }

    /// The IPv6 address at which an interface is a place.
    fn ipv6_of(&self, who: &Sender) -> Option<IpAddr> {
        let place = self.world.places.get(&(who.clone(), Family::V6))?;
        match self.reach.places()[place.0 as usize].end(&self.fabric) {
            End::Address(address) => Some(address),
            _ => None,
        }
    }

    /// Whoever has an address.
    fn at(&self, address: IpAddr) -> Party {
        let who = match self.fabric.find_address(address) {
            Some(Entity::Interface(index)) => {
                Sender::Interface(self.fabric.interfaces[index].id.clone())
            }
            _ => Sender::Outside(address),
        };
        self.party(who, Some(address))
    }

    fn party(&self, who: Sender, at: Option<IpAddr>) -> Party {
        let name = match &who {
            Sender::Interface(id) | Sender::Container(id) => {
                let index = self.fabric.interface_by_id(id);
                let name = index.map_or_else(
                    || id.to_string(),
                    |i| self.world.called.name(&self.fabric, i).to_owned(),
                );
                if at.is_some_and(|at| at.is_ipv6()) { over_ipv6(&name) } else { name }
            }
            Sender::Outside(address) => match self.fabric.outside_host(*address) {
                Some(host) => Place::Outside(host, *address).name(&self.fabric),
                None => Place::Internet(*address).name(&self.fabric),
            },
        };
        let mut party = Party { name, written: at.or(written(&who)), place: None, who, is_beside: false };
        // At an address of its own choice, a claim may ask an interface elsewhere than its sender would.
        let is_usual = at.is_none() || party.is_outside() || at == self.ipv6_of(&party.who);
        if is_usual {
            party.place = self.world.places.get(&(party.who.clone(), party.family())).copied();
        }
        party
    }

    /// The address at which one asks another; `None`: it has no public one.
    pub(super) fn address(&self, from: &Party, to: &Party) -> Result<Option<IpAddr>, EngineError> {
        let end = match (&to.written, &to.who) {
            (Some(address), _) => return Ok(Some(*address)),
            (None, Sender::Interface(id) | Sender::Container(id)) => End::Interface {
                interface: id.clone(),
                instance: None,
            },
            (None, Sender::Outside(address)) => End::Address(*address),
        };
        match self.fabric.destinations(&from.who, &end) {
            Ok(addresses) => Ok(addresses.first().copied()),
            Err(EndError::NoPublicAddress(_) | EndError::NoIpv6Address(_)) => Ok(None),
            Err(other) => Err(EngineError::BadProbe(other.to_string())),
        }
    }

    /// What one can say to another.
    pub fn between(&self, from: &Party, to: &Party) -> Result<Between, EngineError> {
        let source = self.world.places.get(&(from.who.clone(), to.family()));
        if let (Some(source), Some(to)) = (source, to.place) {
            return Ok(self.reach.between(*source, to));
        }
        let Some(address) = self.address(from, to)? else {
            return Ok(Between::default());
        };
        let key = (from.who.clone(), address);
        if let Some(known) = self.asked.borrow().get(&key) {
            return Ok(known.clone());
        }
        let mut between = Between::default();
        for atom in self.atoms.of_family(to.family()) {
            let verdict = self.worst(&from.who, address, atom.packet)?.verdict;
            if verdict != Verdict::Denied {
                between.request = between.request.union(&atom.traffic);
            }
            if verdict == Verdict::Allowed {
                between.both = between.both.union(&atom.traffic);
            }
        }
        self.asked.borrow_mut().insert(key, between.clone());
        Ok(between)
    }

    /// The way of a packet from the source port from which it fares worst.
    pub(super) fn worst(
        &self,
        from: &Sender,
        to: IpAddr,
        packet: ProbePacket,
    ) -> Result<Explanation, EngineError> {
        let ports = self.atoms.reply_ports();
        // Only answers to ports depend on the port that they go to.
        let ports = if packet.port().is_some() {
            ports
        } else {
            &ports[..1]
        };
        let mut worst: Option<Explanation> = None;
        for port in ports {
            let probe = PacketProbe::new(from.clone(), to, traffic(packet, *port));
            let way = explain(&self.fabric, &probe)?;
            let rank = |way: &Explanation| match way.verdict {
                Verdict::Denied => 2,
                Verdict::OneWay => 1,
                Verdict::Allowed => 0,
            };
            if worst.as_ref().is_none_or(|known| rank(known) < rank(&way)) {
                worst = Some(way);
            }
        }
        worst.ok_or_else(|| EngineError::Failed("no port stands for a client's".to_owned()))
    }

    /// What somebody answers, if it arrives: the hosts of the internet everything, instances what their file says.
    pub fn answers(&self, to: &Party) -> TrafficSet {
        let (Sender::Interface(id) | Sender::Container(id)) = &to.who else {
            return TrafficSet::all();
        };
        let ports = [
            TrafficMatch::Tcp(PortRange::ALL),
            TrafficMatch::Udp(PortRange::ALL),
        ];
        let always = TrafficSet::all().difference(&TrafficSet::of_any(&ports));
        let index = self.fabric.interface_by_id(id);
        let kind = index.map(|index| self.fabric.interfaces[index].kind);
        let Some(InterfaceKind::Instance { instance, .. }) = kind else {
            return always;
        };
        let listens = self.fabric.instances[instance].listens_to();
        listens.fold(always, |all, traffic| all.union(&TrafficSet::of_any(&[traffic])))
    }
}

fn kind(selector: &Selector) -> &'static str {
    match selector {
        Selector::SecurityGroup(_) => "security group",
        Selector::Subnet(_) => "subnet",
        Selector::Vpc(_) => "vpc",
        Selector::Tag { .. } => "tag",
        _ => "instance or place outside",
    }
}
