//! The places of two clouds by the names that they share. For the internet these are addresses: enough of them that
//! every block that either cloud names is met from its inside and from its outside.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use fabric::{Fabric, Family};
use fabric::engine::EngineError;
use ipnet::IpNet;
use model::selector::End;

use crate::atom::Atoms;
use crate::place::{Place, PlaceIndex};
use crate::reach::{Between, Options, Reach, walk};
use crate::who::natural;

/// What both clouds call a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// The internet where nothing speaks of it in particular, of either family; another address of it.
    Internet(Family, Option<IpAddr>),
    /// A place outside.
    Outside(String),
    /// An interface. Several of one name are told apart by address.
    Inside(Vec<(String, u64)>, String),
}

impl Name {
    pub fn is_outside(&self) -> bool {
        !matches!(self, Self::Inside(..))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet(Family::V4, None) => f.write_str("internet"),
            Self::Internet(Family::V6, None) => f.write_str("internet (IPv6)"),
            Self::Internet(_, Some(address)) => write!(f, "internet ({address})"),
            Self::Outside(name) | Self::Inside(_, name) => f.write_str(name),
        }
    }
}

/// Places that a cloud does not tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Like(usize),
    Alone(Place),
}

/// One cloud.
pub(super) struct Side<'a> {
    /// With a host at every address of the internet that is asked.
    fabric: Fabric,
    reach: &'a Reach,
    atoms: Atoms,
    places: BTreeMap<Name, (Place, Option<PlaceIndex>)>,
    asked: RefCell<BTreeMap<(Place, Place), Between>>,
}

impl<'a> Side<'a> {
    /// Two clouds that are asked from the same addresses.
    pub fn pair(
        before: (&Fabric, &'a Reach),
        after: (&Fabric, &'a Reach),
        options: Options,
    ) -> [Self; 2] {
        let blocks: Vec<IpNet> = [before.0.public_blocks(), after.0.public_blocks()].concat();
        let both = [
            before.0.with_hosts_in(&blocks),
            after.0.with_hosts_in(&blocks),
        ];
        let general = both.each_ref().map(Fabric::general_hosts);
        let mut addresses: BTreeSet<IpAddr> = both.iter().flat_map(Fabric::internet_hosts).collect();
        let is_general = |address: &IpAddr, family: usize| general[0][family] == Some(*address) && general[1][family] == Some(*address);
        addresses.retain(|address| !is_general(address, 0) && !is_general(address, 1));
        // What one cloud keeps for itself stands for the internet in the other only.
        let singles = addresses.iter().chain(general.iter().flatten().flatten());
        let singles: Vec<IpNet> = singles.map(|address| IpNet::from(*address)).collect();
        let [one, other] = both;
        [(one, before.1, general[0]), (other, after.1, general[1])].map(
            |(fabric, reach, general)| {
                let blocks: Vec<IpNet> = blocks.iter().chain(&singles).copied().collect();
                Self::of(
                    fabric.with_hosts_in(&blocks),
                    reach,
                    general,
                    &addresses,
                    options,
                )
            },
        )
    }

    fn of(
        fabric: Fabric,
        reach: &'a Reach,
        general: [Option<IpAddr>; 2],
        addresses: &BTreeSet<IpAddr>,
        options: Options,
    ) -> Self {
        let known: BTreeMap<Place, PlaceIndex> = reach
            .indices()
            .map(|(index, place)| (place, index))
            .collect();
        let mut places = BTreeMap::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let inside = || {
            known
                .iter()
                .filter(|(place, _)| !matches!(place, Place::Internet(_)))
        };
        for (place, _) in inside() {
            *names.entry(place.name(&fabric)).or_default() += 1;
        }
        for (place, index) in inside() {
            let name = place.name(&fabric);
            let name = match place {
                Place::Interface(interface) | Place::Ipv6(interface) => {
                    let text = match names[&name] {
                        1 => name,
                        _ => format!("{name} ({})", address_of(&fabric, *place)),
                    };
                    let name = Name::Inside(natural(&text), text);
                    match places.contains_key(&name) {
                        false => name,
                        // Two VPCs may have the same addresses; two interfaces have different ids.
                        true => {
                            let text = format!("{name} {}", fabric.interfaces[*interface].id);
                            Name::Inside(natural(&text), text)
                        }
                    }
                }
                _ => Name::Outside(name),
            };
            places.insert(name, (*place, Some(*index)));
        }
        let mut internet = |address: IpAddr, is_general: bool| {
            let place = Place::Internet(address);
            // Of IPv6 nobody asks where nobody inside has it.
            let is_asked = address.is_ipv4() || fabric.ipv6_representative().is_some();
            if is_asked && fabric.find_address(address).is_none() {
                let name = Name::Internet(place.family(), (!is_general).then_some(address));
                places.insert(name, (place, known.get(&place).copied()));
            }
        };
        addresses.iter().for_each(|address| internet(*address, false));
        general.into_iter().flatten().for_each(|address| internet(address, true));
        Self {
            atoms: Atoms::of(&fabric, options.ephemeral),
            fabric,
            reach,
            places,
            asked: RefCell::default(),
        }
    }

    pub fn has(&self, name: &Name) -> bool {
        self.places.contains_key(name)
    }

    /// What tells a place apart from others: its class in this cloud, or itself. `None`: it is not there.
    pub fn class(&self, name: &Name) -> Option<Class> {
        let (place, index) = self.places.get(name)?;
        Some(match (index, place) {
            (Some(index), Place::Interface(_) | Place::Ipv6(_)) => Class::Like(self.reach.class_of(*index)),
            _ => Class::Alone(*place),
        })
    }

    /// What one can say to another; `None`: one of them is not there.
    pub fn between(&self, from: &Name, to: &Name) -> Result<Option<Between>, EngineError> {
        let (Some(from), Some(to)) = (self.places.get(from), self.places.get(to)) else {
            return Ok(None);
        };
        if let ((_, Some(from)), (_, Some(to))) = (from, to) {
            return Ok(Some(self.reach.between(*from, *to)));
        }
        let key = (from.0, to.0);
        if let Some(known) = self.asked.borrow().get(&key) {
            return Ok(Some(known.clone()));
        }
        let between = walk(&self.fabric, &self.atoms, from.0, to.0)?;
        self.asked.borrow_mut().insert(key, between.clone());
        Ok(Some(between))
    }
}

fn address_of(fabric: &Fabric, place: Place) -> String {
    match place.end(fabric) {
        End::Address(address) => address.to_string(),
        _ => place.interface().map_or_else(String::new, |own| fabric.interfaces[own].primary_address().to_string()),
    }
}

/// Every name of either, those outside first.
pub(super) fn names(one: &Side, other: &Side) -> Vec<Name> {
    let all: BTreeSet<&Name> = one.places.keys().chain(other.places.keys()).collect();
    all.into_iter().cloned().collect()
}
