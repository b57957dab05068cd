//! The guest's side of its interfaces: addresses, routes through the fabric, and what makes it a middlebox.

use fabric::{Fabric, InstanceIndex};
use ipnet::Ipv4Net;
use netlink::nft::build::{Load, is_not};
use netlink::nft::{Chain, Expr, Family, Hook, priority};

use super::phrase::all;
use super::{ANYWHERE, MAIN, Plan, ROUTER_MAC, RouteTo};
use crate::naming::instance_namespace;

/// Adds the network side of an instance, whether it runs or not: a stopped one keeps its interfaces (INST-5).
pub fn plan(fabric: &Fabric, index: InstanceIndex, plan: &mut Plan) {
    let instance = &fabric.instances[index];
    let namespace = plan.namespace(&instance_namespace(&instance.id));
    namespace.is_instance = true;
    let mut own = Vec::new();
    for (number, interface) in (0..).zip(&instance.interfaces) {
        let interface = &fabric.interfaces[*interface];
        let subnet = &fabric.subnets[interface.subnet];
        let fabric::InterfaceKind::Instance { device_index, .. } = interface.kind else { continue };
        let device = format!("eth{device_index}");
        for address in &interface.addresses {
            let with_length = Ipv4Net::new(address.private, subnet.cidr.prefix_len());
            // The subnet's length came out of a block, so it is one.
            namespace.address(&device, with_length.unwrap_or(super::host(address.private)));
            own.push(address.private);
        }
        namespace.neighbours.insert((device.clone(), subnet.router), ROUTER_MAC);
        // Everything goes to the fabric, neighbours in the subnet too: one neighbour entry is enough.
        let to = |source| RouteTo::Device { device: device.clone(), via: Some(subnet.router), source };
        namespace.route(MAIN, subnet.cidr, number, to(Some(interface.primary_address())));
        namespace.route(MAIN, ANYWHERE, number, to(None));
    }
    let guest = &instance.guest;
    if guest.ip_forward || guest.masquerade {
        namespace.forward();
    }
    if guest.masquerade {
        let mut rule = all(own.iter().map(|address| is_not(Load::SourceV4, &address.octets())));
        rule.push(Expr::Masquerade { port: None, flags: 0 });
        let table = namespace.table(Family::Ip, "guest");
        table.chain(Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat(), vec![rule]);
    }
}
