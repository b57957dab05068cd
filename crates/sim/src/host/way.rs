//! The way out to a destination, and the last one remembered: who sends much sends most of it to one address. Only for
//! IPv4, and only where nothing but the routes decides.

use std::net::{IpAddr, Ipv4Addr};

use super::Host;
use super::output::{LOOPBACK, Outgoing, Path, SendError};

/// How packets get to a destination, as long as routes and addresses stay as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastWay {
    destination: Ipv4Addr,
    next_hop: Ipv4Addr,
    source: Ipv4Addr,
    interface: u16,
    /// What [`super::Routes::changes`] said.
    changes: u32,
}

impl Host {
    /// Where a packet goes next, and the address that it comes from. Errors: no route, no address.
    pub(crate) fn way(&mut self, packet: &Outgoing) -> Result<(Path, IpAddr), SendError> {
        let is_plain = packet.interface.is_none() && self.bound.is_none();
        if let Some(last) = &self.last_way
            && is_plain
            && IpAddr::V4(last.destination) == packet.destination
            && last.changes == self.routes.changes()
        {
            let path = Path { interface: last.interface, next_hop: last.next_hop.into() };
            return Ok((path, packet.source.unwrap_or(last.source.into())));
        }
        let (path, own) = self.search_way(packet)?;
        let source = match packet.source {
            Some(source) => source,
            None => own.ok_or(SendError::NoAddress)?,
        };
        if let (true, IpAddr::V4(destination), IpAddr::V4(next_hop), Some(IpAddr::V4(source))) =
            (is_plain && path.interface != LOOPBACK, packet.destination, path.next_hop, own)
        {
            let (interface, changes) = (path.interface, self.routes.changes());
            self.last_way = Some(LastWay { destination, next_hop, source, interface, changes });
        }
        Ok((path, source))
    }

    /// The way, and the address that the host speaks as on it, if it has one.
    fn search_way(&self, packet: &Outgoing) -> Result<(Path, Option<IpAddr>), SendError> {
        let destination = packet.destination;
        if self.is_itself(destination) {
            return Ok((Path { interface: LOOPBACK, next_hop: destination }, Some(destination)));
        }
        let interface = packet.interface.or_else(|| self.bound(packet.source));
        let path = self.path(destination, interface).ok_or(SendError::NoRoute)?;
        Ok((path, self.speaks_as(path, destination)))
    }
}
