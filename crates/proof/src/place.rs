//! Who sends and receives: interfaces of running instances, named places outside, and the addresses that stand for
//! `internet`. Whoever has IPv4 and IPv6 addresses is two places: the families never mix (RT-3).

use std::net::IpAddr;

use fabric::engine::Sender;
use fabric::index::{InterfaceIndex, OutsideIndex, RowIndex};
use fabric::{Fabric, Family, InterfaceKind};
use model::selector::End;
use serde::{Deserialize, Serialize};

/// Somebody at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// An interface of an instance, at its primary private address or, from elsewhere, at its public one.
    Interface(InterfaceIndex),
    /// A named place outside, at one of its addresses.
    Outside(OutsideIndex, IpAddr),
    /// A public address that nobody in the model has; see [`Fabric::representatives`] and
    /// [`Fabric::ipv6_representatives`].
    Internet(IpAddr),
    /// An interface of an instance, at its first IPv6 address.
    Ipv6(InterfaceIndex),
}

/// A place by its position in [`crate::Reach::places`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlaceIndex(pub u32);

impl RowIndex for PlaceIndex {
    fn from_usize(row: usize) -> Self {
        // More than 2^32 places do not fit in memory.
        Self(row as u32)
    }
    fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl Place {
    /// Every place of a cloud: interfaces in the order of the fabric, then outside places, then the internet; then the
    /// interfaces that have IPv6 addresses.
    ///
    /// Interfaces of stopped instances are places too: nobody reaches them, and saying so is the point of asking.
    pub fn all(fabric: &Fabric) -> Vec<Self> {
        let is_instances = |kind: InterfaceKind| matches!(kind, InterfaceKind::Instance { .. });
        let own = fabric
            .interfaces
            .iter()
            .filter(|(_, interface)| is_instances(interface.kind));
        let mut places: Vec<Self> = own.map(|(index, _)| Self::Interface(index)).collect();
        let has_ipv6 = |place: &Self| matches!(place, Self::Interface(index) if !fabric.interfaces[*index].ipv6.is_empty());
        let ipv6: Vec<InterfaceIndex> = places.iter().filter(|place| has_ipv6(place)).filter_map(|place| place.interface()).collect();
        places.extend(Self::hosts(fabric));
        places.extend(ipv6.into_iter().map(Self::Ipv6));
        places
    }

    /// The places beyond the gateways. Those of IPv6 are asked where somebody inside has it.
    pub(crate) fn hosts(fabric: &Fabric) -> Vec<Self> {
        let mut hosts = Vec::new();
        let has_ipv6 = fabric.ipv6_representative().is_some();
        for (index, host) in fabric.outside.iter() {
            let is_asked = |address: &&IpAddr| address.is_ipv4() || has_ipv6;
            hosts.extend(host.addresses.iter().filter(is_asked).map(|address| Self::Outside(index, *address)));
        }
        hosts.extend(fabric.internet_hosts().into_iter().map(Self::Internet));
        hosts
    }

    /// Its name, for people. Of several addresses that stand for `internet` all but the general one are told apart.
    pub fn name(self, fabric: &Fabric) -> String {
        match self {
            Self::Interface(interface) => fabric.interfaces[interface].name.clone(),
            Self::Ipv6(interface) => format!("{} (IPv6)", fabric.interfaces[interface].name),
            Self::Outside(host, address) if fabric.outside[host].addresses.len() > 1 => {
                format!("{} ({address})", fabric.outside[host].name)
            }
            Self::Outside(host, _) => fabric.outside[host].name.clone(),
            Self::Internet(IpAddr::V4(address)) if fabric.representative() == Some(address) => {
                "internet".to_owned()
            }
            Self::Internet(IpAddr::V6(address)) if fabric.ipv6_representative() == Some(address) => {
                "internet (IPv6)".to_owned()
            }
            Self::Internet(address) => format!("internet ({address})"),
        }
    }

    /// As a sender.
    pub fn sender(self, fabric: &Fabric) -> Sender {
        match self {
            Self::Interface(interface) | Self::Ipv6(interface) => {
                Sender::Interface(fabric.interfaces[interface].id.clone())
            }
            Self::Outside(_, address) | Self::Internet(address) => Sender::Outside(address),
        }
    }

    /// As a receiver.
    pub fn end(self, fabric: &Fabric) -> End {
        match self {
            Self::Interface(interface) => {
                let interface = &fabric.interfaces[interface];
                let instance = interface
                    .instance()
                    .map(|instance| fabric.instances[instance].id.clone());
                End::Interface {
                    interface: interface.id.clone(),
                    instance,
                }
            }
            Self::Outside(_, address) | Self::Internet(address) => End::Address(address),
            // Only interfaces with such an address are places of this kind.
            Self::Ipv6(interface) => {
                let own = fabric.interfaces[interface].ipv6.first();
                End::Address(own.copied().unwrap_or(std::net::Ipv6Addr::UNSPECIFIED).into())
            }
        }
    }

    /// Which addresses it is asked at, and sends from.
    pub fn family(self) -> Family {
        match self {
            Self::Interface(_) | Self::Outside(_, IpAddr::V4(_)) | Self::Internet(IpAddr::V4(_)) => Family::V4,
            Self::Ipv6(_) | Self::Outside(_, IpAddr::V6(_)) | Self::Internet(IpAddr::V6(_)) => Family::V6,
        }
    }

    /// The interface that it is.
    pub fn interface(self) -> Option<InterfaceIndex> {
        match self {
            Self::Interface(interface) | Self::Ipv6(interface) => Some(interface),
            Self::Outside(..) | Self::Internet(_) => None,
        }
    }

    /// Whether it is beyond the gateways.
    pub fn is_outside(self) -> bool {
        self.interface().is_none()
    }
}
