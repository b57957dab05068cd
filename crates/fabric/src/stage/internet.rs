//! Beyond the gateways: whether a host has the address, and what the internet routes at all.

use std::net::{IpAddr, Ipv4Addr};

use crate::fabric::Fabric;
use crate::reason::{Component, Decision, Reason, Stage};

/// The public DNS, a host of every internet: what answers names outside of VPCs (DNS-5), and what people ping first.
pub const PUBLIC_DNS: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

/// Where the API of AWS is for those inside: one of Amazon's public addresses, a host of every internet as the public DNS is.
pub const AWS_API: Ipv4Addr = Ipv4Addr::new(52, 94, 0, 80);

/// Passes to a named place, to the public DNS, to AWS's API and to the addresses that stand for `internet`; nobody else lives outside.
pub fn decide(fabric: &Fabric, destination: IpAddr) -> Decision {
    let reason = |at, text: &str| Reason::new(Stage::Internet, at, format!("{destination} {text}"));
    match fabric.outside_host(destination) {
        Some(host) => Decision::Pass(reason(Component::Outside(host), "is a host outside")),
        None if fabric.is_outside_host(destination) => Decision::Pass(reason(Component::Internet, "is a host of the internet")),
        None => Decision::Drop(reason(Component::Internet, "is no host's address")),
    }
}

/// Private addresses, and public ones that nobody uses.
pub fn unrouted(destination: IpAddr) -> Reason {
    Reason::new(Stage::Internet, Component::Internet, format!("the internet has no route to {destination}"))
}
