//! What routers and NAT gateways remember of probes is deleted: the next one of the same ports is a new flow, judged by the
//! rules of its time, and a matrix leaves no table full.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fabric::gateway::TransitEnd;
use model::traffic::protocol;
use netlink::conntrack::{self, Layer4, Tuple};
use netlink::{Batch, Protocol};

use super::engine::Engine;
use super::error::{Error, Result};
use super::packet::echo_type;
use super::volley::{Flight, Shot};
use crate::naming;

impl Engine {
    /// Deletes the flows of probes wherever they may be known.
    pub(crate) fn forget(&mut self, shots: &[Shot], flights: &[Flight]) -> Result<()> {
        let mut known: BTreeMap<String, BTreeSet<Tuple>> = BTreeMap::new();
        for (shot, flight) in shots.iter().zip(flights) {
            self.collect(shot, flight, &mut known);
        }
        known.retain(|namespace, _| self.lab().plan().namespaces.contains_key(namespace));
        for (namespace, tuples) in known {
            let mut batch = Batch::new();
            tuples.iter().for_each(|tuple| conntrack::delete(&mut batch, tuple, 0));
            let socket = self.netlink(&namespace, Protocol::Netfilter)?;
            // Most drops left nothing behind: that an entry does not exist is no failure.
            socket.execute_all(&batch).map_err(Error::netlink(&namespace))?;
        }
        Ok(())
    }

    /// Guests that translate what they pass on, or send.
    fn hiding_guests(&self) -> impl Iterator<Item = String> {
        let hiding = self.fabric().instances.values().filter(|instance| instance.guest.masquerade);
        hiding.map(|instance| naming::instance_namespace(&instance.id))
    }

    fn collect(&self, shot: &Shot, flight: &Flight, known: &mut BTreeMap<String, BTreeSet<Tuple>>) {
        let fabric = self.fabric();
        let (number, source_port, port) = shot.numbers();
        let tuple = |source: IpAddr, source_port: u16, destination: IpAddr| match number {
            protocol::ICMP | protocol::ICMPV6 => {
                let layer4 = Layer4::Icmp { id: flight.identifier, kind: echo_type(destination.is_ipv6(), false), code: icmp_code(shot) };
                Tuple { source, destination, protocol: number, layer4 }
            }
            _ => Tuple::ports(number, (source, source_port), (destination, port)),
        };
        let (sender, receiver) = (&shot.ends.sender, shot.ends.receiver.as_ref());
        // As it left, and as it reached a receiver whose address was translated.
        let mut tuples = BTreeSet::from([tuple(shot.ends.source, source_port, shot.ends.to)]);
        tuples.extend(receiver.map(|place| tuple(shot.ends.source, source_port, place.address)));
        let mut nats = BTreeSet::new();
        if let Some(seen) = flight.request.as_ref().filter(|seen| seen.source != shot.ends.source) {
            let seen_port = seen.ports().map_or(0, |(source, _)| source);
            tuples.insert(tuple(seen.source, seen_port, seen.destination));
            // Between a NAT gateway and the internet gateway it has the NAT gateway's private address.
            let mapping = match seen.source {
                IpAddr::V4(source) => fabric.public_addresses.get(&source),
                IpAddr::V6(_) => None,
            };
            let private = mapping.map_or(seen.source, |mapping| mapping.private.into());
            tuples.insert(tuple(private, seen_port, shot.ends.to));
            nats.extend(fabric.nat_gateways.values().map(|nat| naming::nat_gateway_namespace(&nat.id)));
        }
        if shot.ends.to.is_ipv6() {
            let gateways = fabric.egress_only_internet_gateways.values();
            nats.extend(gateways.map(|gateway| naming::egress_only_namespace(&gateway.id)));
        }
        let vpcs = [sender.interface, receiver.and_then(|place| place.interface)].into_iter().flatten();
        let routers = vpcs.map(|index| naming::router_namespace(&fabric.vpcs[fabric.interfaces[index].vpc].id));
        let between = fabric.transit_gateways.values().flat_map(|gateway| &gateway.attachments).filter_map(|attachment| match attachment.to {
            TransitEnd::Vpc { vpc, .. } => Some(naming::router_namespace(&fabric.vpcs[vpc].id)),
            TransitEnd::Peering { .. } => None,
        });
        let routers = routers.chain(between);
        for namespace in routers.chain(nats).chain(self.hiding_guests()) {
            known.entry(namespace).or_default().extend(tuples.iter().copied());
        }
    }
}

fn icmp_code(shot: &Shot) -> u8 {
    match shot.traffic {
        fabric::engine::Traffic::Icmp { code, .. } => code,
        _ => 0,
    }
}
