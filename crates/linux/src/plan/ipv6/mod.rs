//! IPv6 in a VPC: by which addresses namespaces know each other, what makes one speak it, and the guest's side. `router` is the
//! VPC's router, `ingress` what its interfaces may send, `discovery` what of neighbour discovery the fabric answers.
//!
//! Addresses are global and nothing is translated (VPC-10). A VPC without IPv6 blocks has none of this.

pub(super) mod discovery;
pub(super) mod ingress;
pub(super) mod router;

use std::net::{IpAddr, Ipv6Addr};

use fabric::{Fabric, Interface, InterfaceIndex, VpcIndex};
use ipnet::{IpNet, Ipv6Net};

use super::{MAIN, Namespace, ROUTER_MAC, RouteTo, host};

/// The router of a subnet, as its guests know it: the default gateway that it announces.
pub const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// Whoever is at the other end of a link between parts of the fabric.
pub const NEIGHBOUR: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
/// ::/0.
pub const ANYWHERE: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0);
/// What is never forwarded (RFC 4291).
pub const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
/// Groups (RFC 4291).
pub const MULTICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);

/// Whether a VPC carries IPv6.
pub fn speaks(fabric: &Fabric, vpc: VpcIndex) -> bool {
    !fabric.vpcs[vpc].ipv6_blocks.is_empty()
}

/// Whether any VPC does, or a host outside.
pub fn is_spoken(fabric: &Fabric) -> bool {
    let has_address = |host: &fabric::OutsideHost| host.addresses.iter().any(IpAddr::is_ipv6);
    fabric.vpcs.indices().any(|vpc| speaks(fabric, vpc)) || fabric.outside.values().any(has_address)
}

/// Whether an interface is in a subnet that has IPv6.
pub fn has_ipv6(fabric: &Fabric, interface: InterfaceIndex) -> bool {
    !fabric.subnets[fabric.interfaces[interface].subnet].ipv6_blocks.is_empty()
}

/// Turns IPv6 on in a namespace, in which the plan alone says what addresses and routes there are.
pub fn speak(namespace: &mut Namespace) {
    for (path, value) in [
        ("conf/all/disable_ipv6", "0"),
        ("conf/default/disable_ipv6", "0"),
        ("conf/all/accept_ra", "0"),
        ("conf/default/accept_ra", "0"),
        ("conf/all/accept_redirects", "0"),
        ("conf/default/accept_redirects", "0"),
        // An address of a device that goes down stays, as IPv4's do.
        ("conf/all/keep_addr_on_down", "1"),
        // Every packet that deserves an ICMPv6 message gets one; the default is one a second.
        ("icmp/ratelimit", "0"),
    ] {
        namespace.sysctls.insert(format!("net/ipv6/{path}"), value.to_owned());
    }
}

/// Makes a namespace pass packets on.
pub fn forward(namespace: &mut Namespace) {
    namespace.sysctls.insert("net/ipv6/conf/all/forwarding".to_owned(), "1".to_owned());
}

/// The link-local address that a device makes of its hardware address (RFC 4291, appendix A).
pub fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 0x02, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

/// The guest's side: its link-local address, those that it was given, and everything by the router (see `guest`). `number` ranks
/// several interfaces; the kernel takes no metric for its own middle one, so ranks begin at 1.
pub fn configure(fabric: &Fabric, interface: &Interface, device: &str, number: u32, namespace: &mut Namespace) {
    let subnet = &fabric.subnets[interface.subnet];
    if subnet.ipv6_blocks.is_empty() {
        return;
    }
    speak(namespace);
    let metric = number + 1;
    let own = link_local(interface.mac.0);
    namespace.address(device, Ipv6Net::new_assert(own, 64));
    namespace.route(MAIN, Ipv6Net::new_assert(own, 64).trunc(), metric, RouteTo::device(device));
    namespace.neighbour(device, ROUTER, ROUTER_MAC);
    let mut first = None;
    for address in &interface.ipv6 {
        let block = subnet.ipv6_blocks.iter().find(|block| block.contains(address));
        let with_length = block.and_then(|block| Ipv6Net::new(*address, block.prefix_len()).ok());
        namespace.address(device, with_length.map_or(host(*address), IpNet::V6));
        first = first.or(Some(IpAddr::V6(*address)));
    }
    let to = |source| RouteTo::Device { device: device.to_owned(), via: Some(ROUTER.into()), source, mtu: None };
    for block in &subnet.ipv6_blocks {
        namespace.route(MAIN, *block, metric, to(first));
    }
    namespace.route(MAIN, ANYWHERE, metric, to(None));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_is_the_hardware_address_with_one_bit_turned() {
        assert_eq!(link_local([0x02, 0x76, 0x70, 0x63, 0, 1]), "fe80::76:70ff:fe63:1".parse::<Ipv6Addr>().unwrap());
        assert_eq!(link_local([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]), "fe80::3656:78ff:fe9a:bcde".parse::<Ipv6Addr>().unwrap());
    }
}
