//! NAT gateway: whom and what it serves (NAT-8 … NAT-10, NAT-14). Its table of translations is the caller's.

use std::net::{IpAddr, Ipv4Addr};

use model::traffic::protocol::{ICMP, TCP, UDP};

use crate::fabric::Fabric;
use crate::index::NatGatewayIndex;
use crate::packet::Packet;
use crate::reason::{Component, Decision, ExplanationCode, Reason, Stage};

/// Longest packet, bytes (NAT-15).
pub const MTU: u32 = 8_500;
/// Seconds after which an idle translation is gone (NAT-12).
pub const IDLE_SECONDS: u64 = 350;
/// Translations at a time behind one address to one destination address, port and protocol (NAT-11).
pub const CONNECTIONS_PER_DESTINATION: usize = 55_000;
/// Lowest source port that it uses (NAT-5).
pub const LOWEST_PORT: u16 = 1_024;

/// A packet from inside: only of three protocols, not in fragments unless UDP, and only from the gateway's own VPC or by a
/// transit gateway (NAT-10). What comes with an address of the gateway's own was sent by it: its subnet's route leads back, and
/// the packet dies (NAT-17).
pub fn decide(fabric: &Fabric, gateway: NatGatewayIndex, packet: &Packet, by_transit_gateway: bool) -> Decision {
    let nat = &fabric.nat_gateways[gateway];
    let header = &packet.header;
    let reason = |text: String| Reason::new(Stage::NatGateway, Component::NatGateway(gateway), text);
    let vpc = &fabric.vpcs[nat.vpc];
    match header.protocol() {
        _ if nat.interface.is_some_and(|own| fabric.interfaces[own].holds(header.source)) => {
            Decision::Drop(reason("its subnet's route leads back to the gateway itself".to_owned()))
        }
        _ if !by_transit_gateway && !vpc.contains(header.source) => Decision::Drop(
            reason(format!("{} is not in the gateway's VPC", header.source)).code(ExplanationCode::NgwRequiresSourceInVpc),
        ),
        ICMP | TCP if packet.fragmented => Decision::Drop(reason("fragments of TCP and ICMP are not passed on".to_owned())),
        ICMP | TCP | UDP => Decision::Pass(reason(format!("{} goes out through it", header.source))),
        number => Decision::Drop(
            reason(format!("protocol {number} is not TCP, UDP or ICMP")).code(ExplanationCode::ProtocolRestriction),
        ),
    }
}

/// A packet addressed to the gateway itself belongs to a translation or to nobody (NAT-9).
pub fn inbound(gateway: NatGatewayIndex, is_known: bool, source: IpAddr) -> Decision {
    let reason = |text: String| Reason::new(Stage::NatGateway, Component::NatGateway(gateway), text);
    match is_known {
        true => Decision::Pass(reason(format!("{source} answers a translated flow"))),
        false => Decision::Drop(reason(format!("nothing was translated towards {source}: no new flows from there"))),
    }
}

/// The addresses that a gateway hides others behind, its first one ahead.
pub fn addresses(fabric: &Fabric, gateway: NatGatewayIndex) -> Vec<Ipv4Addr> {
    let interface = fabric.nat_gateways[gateway].interface;
    interface.into_iter().flat_map(|own| &fabric.interfaces[own].addresses).map(|address| address.private).collect()
}

/// Which address one more flow gets: the first with room for a translation to its destination (NAT-11). `in_use` says how many an
/// address has there.
pub fn choose(gateway: NatGatewayIndex, addresses: &[Ipv4Addr], mut in_use: impl FnMut(Ipv4Addr) -> usize) -> (Decision, Option<Ipv4Addr>) {
    let reason = |text: String| Reason::new(Stage::NatGateway, Component::NatGateway(gateway), text);
    let mut all = 0;
    for address in addresses {
        let taken = in_use(*address);
        if taken < CONNECTIONS_PER_DESTINATION {
            return (Decision::Pass(reason(format!("{taken} translations to this destination behind {address}"))), Some(*address));
        }
        all += taken;
    }
    (Decision::Drop(reason(format!("no port is left: {all} translations to this destination"))), None)
}
