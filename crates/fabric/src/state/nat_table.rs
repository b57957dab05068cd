//! The table of a NAT gateway: translations behind each of its addresses (NAT-5, NAT-11). Which address a new flow takes,
//! [`crate::stage::nat_gateway`] says.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use model::Timestamp;

use super::translation::{Terms, Translations};
use crate::packet::{FlowKey, Header};

/// Many behind a few addresses.
#[derive(Debug, Clone, Default)]
pub struct NatTable {
    behind: BTreeMap<Ipv4Addr, Translations>,
}

impl NatTable {
    /// Address and port outside of a flow that is known and not idle for too long; used now. Of addresses that the gateway has no
    /// more nothing is known.
    pub fn known(&mut self, own: &[Ipv4Addr], header: &Header, terms: Terms) -> Option<(Ipv4Addr, u16)> {
        own.iter().find_map(|address| Some((*address, self.behind.get_mut(address)?.known(header, terms)?)))
    }

    /// Address and port outside of the flow that an ICMP error from inside is about.
    pub fn outside_of_error(&mut self, own: &[Ipv4Addr], header: &Header, terms: Terms) -> Option<(Ipv4Addr, u16)> {
        own.iter().find_map(|address| Some((*address, self.behind.get_mut(address)?.port_of_error(header, terms)?)))
    }

    /// How many translations behind an address to the destination of a new flow are in use.
    pub fn in_use(&mut self, address: Ipv4Addr, header: &Header, terms: Terms) -> usize {
        self.behind.get_mut(&address).map_or(0, |translations| translations.in_use(header, terms))
    }

    /// Gives a new flow a port at an address.
    pub fn add(&mut self, address: Ipv4Addr, header: &Header, terms: Terms) -> Option<u16> {
        self.behind.entry(address).or_default().add(header, terms)
    }

    /// Whom a packet from outside to one of the addresses is for: address and port (ICMP: identifier) inside.
    pub fn inside_of(&mut self, header: &Header, terms: Terms) -> Option<(IpAddr, u16)> {
        let IpAddr::V4(address) = header.destination else { return None };
        self.behind.get_mut(&address)?.inside_of(header, terms)
    }

    /// Every flow from inside with its address and port outside and when it was last used, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&FlowKey, (Ipv4Addr, u16), Timestamp)> {
        self.behind.iter().flat_map(|(address, translations)| translations.iter().map(|(flow, port, last)| (flow, (*address, port), last)))
    }

    /// A probe begins.
    pub fn begin(&mut self) {
        self.behind.values_mut().for_each(Translations::begin);
    }

    /// A probe ended and closed its TCP connections.
    pub fn close(&mut self) {
        self.behind.values_mut().for_each(Translations::close);
    }
}
