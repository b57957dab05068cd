//! Where packets start and end on this machine: namespace, device and address of a sender or receiver.

use std::net::{IpAddr, SocketAddr};

use fabric::engine::{EngineError, Sender, Unsupported};
use fabric::{Fabric, InterfaceIndex, InterfaceKind};
use model::NetworkInterfaceId;
use sandbox::SocketSpec;
use sandbox::spec::SocketAddress;

use super::packet_probe::IPPROTO_RAW;

/// A guest's end of an interface, or the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Network namespace.
    pub namespace: String,
    /// Device inside; `None` where any device may carry the packet: on the internet, and in a guest that talks to itself.
    pub device: Option<String>,
    /// The device's hardware address; zeros on the internet.
    pub mac: [u8; 6],
    /// The address that packets have here.
    pub address: IpAddr,
    /// The interface, unless this is the internet.
    pub interface: Option<InterfaceIndex>,
}

/// Key of the namespace of the outside.
pub const INTERNET: &str = "internet";

impl Place {
    /// The guest's end of an interface that belongs to an instance; `None` for gateways and unattached ones.
    pub fn of_interface(fabric: &Fabric, index: InterfaceIndex) -> Option<Place> {
        let interface = &fabric.interfaces[index];
        let InterfaceKind::Instance { instance, device_index } = interface.kind else { return None };
        Some(Place {
            namespace: instance_namespace(&fabric.instances[instance].id),
            device: Some(format!("eth{device_index}")),
            mac: interface.mac.0,
            address: interface.primary_address().into(),
            interface: Some(index),
        })
    }

    /// Whether the guest has other interfaces too: its own routes choose one by the destination alone, and what is to go
    /// through this one must say so.
    pub fn is_one_of_several(&self, fabric: &Fabric) -> bool {
        let kind = self.interface.map(|interface| &fabric.interfaces[interface].kind);
        matches!(kind, Some(InterfaceKind::Instance { instance, .. }) if fabric.instances[*instance].interfaces.len() > 1)
    }

    /// By which device a packet for `to` has to be sent from here, where the address alone does not say it: one that is a link's own
    /// means something on that link alone (RFC 4007, 6), and the kernel refuses it without. Hosts outside are alone on theirs: it
    /// is one that leads to nobody.
    pub fn link_of(&self, to: IpAddr) -> Option<String> {
        let IpAddr::V6(address) = to else { return None };
        match &self.device {
            Some(device) => (address.is_multicast() || address.is_unicast_link_local()).then(|| device.clone()),
            None => address.is_multicast().then(|| crate::plan::NOWHERE.to_owned()),
        }
    }

    /// A socket for whole packets from `source` to `to`.
    pub(crate) fn raw_socket(&self, source: IpAddr, to: IpAddr) -> SocketSpec {
        let mut spec = SocketSpec::raw(&self.namespace, to.is_ipv6(), IPPROTO_RAW);
        spec.device.clone_from(&self.device);
        if let (None, Some(link)) = (&self.device, self.link_of(to)) {
            // That link has no address of its own to send from.
            spec.device = Some(link);
            spec.freebind = true;
            spec.bind = Some(SocketAddress::Inet(SocketAddr::new(source, 0)));
        }
        spec
    }

    /// Whether a packet to this address has arrived here; else it only passes, as at a middlebox that is asked by its
    /// public address through itself.
    pub fn is_end_of(&self, fabric: &Fabric, destination: IpAddr) -> bool {
        match self.interface {
            Some(index) => fabric.interfaces[index].holds(destination),
            None => self.address == destination,
        }
    }

    /// Whether what is sent from here to `to`, which `receiver` has, stays inside the guest: a system talks to itself without
    /// its interfaces.
    pub fn talks_to_itself(&self, receiver: Option<&Place>, to: IpAddr) -> bool {
        let is_own = |receiver: &Place| receiver.namespace == self.namespace && receiver.address == to;
        self.interface.is_some() && receiver.is_some_and(is_own)
    }

    /// The guest as a whole: packets are seen on whatever device they take, its loopback too.
    pub fn on_any_device(self) -> Place {
        Place { device: None, ..self }
    }

    /// An address on the internet.
    pub fn outside(address: IpAddr) -> Place {
        Place { namespace: INTERNET.to_owned(), device: None, mac: [0; 6], address, interface: None }
    }

    /// Where a probe starts.
    pub fn of_sender(fabric: &Fabric, sender: &Sender) -> Result<Place, EngineError> {
        match sender {
            Sender::Interface(id) => {
                let index = interface_index(fabric, id)?;
                Place::of_interface(fabric, index)
                    .ok_or_else(|| EngineError::BadProbe(format!("{id} belongs to no instance that could send")))
            }
            Sender::Outside(address) => Ok(Place::outside(*address)),
            Sender::Container(id) => {
                let index = interface_index(fabric, id)?;
                let host = Place::of_interface(fabric, index)
                    .ok_or_else(|| EngineError::BadProbe(format!("{id} belongs to no instance")))?;
                Ok(super::container::place(&host))
            }
        }
    }

    /// The same place as it sends to `to`: over IPv6 an interface has another address. Errors: it has none.
    pub fn towards(self, fabric: &Fabric, to: IpAddr) -> Result<Place, EngineError> {
        let Some(index) = self.interface.filter(|_| to.is_ipv6()) else { return Ok(self) };
        if super::container::is_container(&self) {
            return Err(EngineError::Unsupported(Unsupported::Ipv6));
        }
        let interface = &fabric.interfaces[index];
        let first = interface.ipv6.first().ok_or_else(|| EngineError::BadProbe(format!("{} has no IPv6 address", interface.id)))?;
        Ok(Place { address: IpAddr::V6(*first), ..self })
    }

    /// Who would answer at `to`, asked by `sender`; `None` when nobody holds the address.
    ///
    /// This only says where to listen. Whether a packet gets there is for the kernel to show.
    pub fn of_receiver(fabric: &Fabric, sender: &Place, inject_at: Option<fabric::VpcIndex>, to: IpAddr) -> Option<Place> {
        let held_in = |vpc: fabric::VpcIndex| {
            let index = *fabric.vpcs[vpc].addresses.get(&to)?;
            Some(Place { address: to, ..Place::of_interface(fabric, index)? })
        };
        if let Some(vpc) = inject_at.or_else(|| sender.interface.map(|i| fabric.interfaces[i].vpc)) {
            let peers = fabric.peerings.iter().filter(|(_, p)| p.is_active()).filter_map(|(_, p)| p.peer_of(vpc));
            let led_to = sender.interface.and_then(|interface| super::way::by_transit_gateway(fabric, interface, to));
            let joined = fabric.vpcs.indices().filter(|other| !fabric.transit_gateways.is_empty() && fabric.are_joined(vpc, *other));
            if let Some(place) = led_to.into_iter().chain([vpc]).chain(peers).chain(joined).find_map(held_in) {
                return Some(place);
            }
        }
        let public = match to {
            IpAddr::V4(to) => fabric.public_addresses.get(&to).map(|mapping| (mapping.interface, mapping.private.into())),
            // Nothing stands for an address of IPv6: whoever has it is asked, in whichever VPC.
            IpAddr::V6(_) => fabric.vpcs.values().find_map(|vpc| vpc.addresses.get(&to)).map(|index| (*index, to)),
        };
        if let Some((interface, address)) = public {
            return Some(Place { address, ..Place::of_interface(fabric, interface)? });
        }
        fabric.is_outside_host(to).then(|| Place::outside(to))
    }
}

/// Key of an instance's namespace.
pub fn instance_namespace(id: &model::InstanceId) -> String {
    format!("instance/{id}")
}

/// The index of an interface by id.
pub fn interface_index(fabric: &Fabric, id: &NetworkInterfaceId) -> Result<InterfaceIndex, EngineError> {
    let found = fabric.interfaces.iter().find(|(_, interface)| interface.id == *id);
    found.map(|(index, _)| index).ok_or_else(|| EngineError::NotFound(id.to_string()))
}
