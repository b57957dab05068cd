//! Who sends and receives: interfaces of running instances, named places outside, and the addresses that stand for
//! `internet`.

use std::net::{IpAddr, Ipv4Addr};

use fabric::engine::Sender;
use fabric::index::{InterfaceIndex, OutsideIndex, RowIndex};
use fabric::{Fabric, InterfaceKind};
use model::selector::End;
use serde::{Deserialize, Serialize};

/// Somebody at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// An interface of an instance, at its primary private address or, from elsewhere, at its public one.
    Interface(InterfaceIndex),
    /// A named place outside, at one of its IPv4 addresses.
    Outside(OutsideIndex, Ipv4Addr),
    /// A public address that nobody in the model has; see [`Fabric::representatives`].
    Internet(Ipv4Addr),
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
    /// Every place of a cloud: interfaces in the order of the fabric, then outside places, then the internet.
    ///
    /// Interfaces of stopped instances are places too: nobody reaches them, and saying so is the point of asking.
    pub fn all(fabric: &Fabric) -> Vec<Self> {
        let is_instances = |kind: InterfaceKind| matches!(kind, InterfaceKind::Instance { .. });
        let own = fabric
            .interfaces
            .iter()
            .filter(|(_, interface)| is_instances(interface.kind));
        let mut places: Vec<Self> = own.map(|(index, _)| Self::Interface(index)).collect();
        places.extend(Self::hosts(fabric));
        places
    }

    /// The places beyond the gateways, which are the last of all.
    pub(crate) fn hosts(fabric: &Fabric) -> Vec<Self> {
        let mut hosts = Vec::new();
        for (index, host) in fabric.outside.iter() {
            hosts.extend(host.addresses.iter().filter_map(|address| match address {
                IpAddr::V4(address) => Some(Self::Outside(index, *address)),
                IpAddr::V6(_) => None,
            }));
        }
        hosts.extend(fabric.representatives().into_iter().map(Self::Internet));
        hosts
    }

    /// Its name, for people. Of several addresses that stand for `internet` all but the general one are told apart.
    pub fn name(self, fabric: &Fabric) -> String {
        match self {
            Self::Interface(interface) => fabric.interfaces[interface].name.clone(),
            Self::Outside(host, address) if fabric.outside[host].addresses.len() > 1 => {
                format!("{} ({address})", fabric.outside[host].name)
            }
            Self::Outside(host, _) => fabric.outside[host].name.clone(),
            Self::Internet(address) if fabric.representative() == Some(address) => {
                "internet".to_owned()
            }
            Self::Internet(address) => format!("internet ({address})"),
        }
    }

    /// As a sender.
    pub fn sender(self, fabric: &Fabric) -> Sender {
        match self {
            Self::Interface(interface) => {
                Sender::Interface(fabric.interfaces[interface].id.clone())
            }
            Self::Outside(_, address) | Self::Internet(address) => {
                Sender::Outside(IpAddr::V4(address))
            }
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
            Self::Outside(_, address) | Self::Internet(address) => {
                End::Address(IpAddr::V4(address))
            }
        }
    }

    /// Whether it is beyond the gateways.
    pub fn is_outside(self) -> bool {
        !matches!(self, Self::Interface(_))
    }
}
