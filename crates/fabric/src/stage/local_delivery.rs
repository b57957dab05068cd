//! Local delivery: whether anybody in the VPC holds the address (RT-2). Nobody says so if not (PIPE-10).

use std::net::IpAddr;

use crate::fabric::Fabric;
use crate::index::{InterfaceIndex, VpcIndex};
use crate::reason::{Component, Decision, ExplanationCode, Reason, Stage};

/// The interface that holds an address of a VPC.
pub fn decide(fabric: &Fabric, vpc: VpcIndex, address: IpAddr) -> (Decision, Option<InterfaceIndex>) {
    match fabric.vpcs[vpc].addresses.get(&address) {
        Some(interface) => {
            let at = Component::Interface(*interface);
            let reason = Reason::new(Stage::LocalDelivery, at, format!("it holds {address}"));
            (Decision::Pass(reason), Some(*interface))
        }
        None => {
            let reason = Reason::new(Stage::LocalDelivery, Component::Fabric, format!("nobody holds {address}"));
            (Decision::Drop(reason.code(ExplanationCode::NoPossibleDestination)), None)
        }
    }
}

/// Broadcast and multicast go nowhere (L2-4).
pub fn is_unicast(fabric: &Fabric, sender: InterfaceIndex, destination: IpAddr) -> Decision {
    let subnet = &fabric.subnets[fabric.interfaces[sender].subnet];
    let reason = |text: String| Reason::new(Stage::LocalDelivery, Component::Fabric, text);
    let to_all = match destination {
        IpAddr::V4(a) => a.is_broadcast() || a.is_multicast() || a == subnet.cidr.broadcast(),
        IpAddr::V6(a) => a.is_multicast(),
    };
    match to_all {
        true => Decision::Drop(reason(format!("{destination} is no single host: the fabric carries unicast only"))),
        false => Decision::Pass(reason(format!("{destination} is a single host's"))),
    }
}
