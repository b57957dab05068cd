//! The guest's side of its interfaces: addresses, routes through the fabric, and what makes it a middlebox. The service
//! behind an interface endpoint is a guest too.

use fabric::gateway::VpcEndpointKind;
use fabric::{Fabric, InstanceIndex, Interface, InterfaceIndex, VpcEndpointIndex};
use ipnet::{IpNet, Ipv4Net};
use netlink::nft::build::{Load, is_not};
use netlink::nft::{Chain, Expr, Family, Hook, priority};

use super::phrase::all;
use super::{ANYWHERE, MAIN, Namespace, Plan, ROUTER_MAC, RouteTo, ipv6};
use crate::naming::{endpoint_namespace, instance_namespace};

/// Adds the network side of an instance, whether it runs or not: a stopped one keeps its interfaces (INST-5).
pub fn plan(fabric: &Fabric, index: InstanceIndex, plan: &mut Plan) {
    let instance = &fabric.instances[index];
    let namespace = plan.namespace(&instance_namespace(&instance.id));
    namespace.is_instance = true;
    let mut own = Vec::new();
    for (number, interface) in (0..).zip(&instance.interfaces) {
        let interface = &fabric.interfaces[*interface];
        let fabric::InterfaceKind::Instance { device_index, .. } = interface.kind else { continue };
        configure(fabric, interface, &format!("eth{device_index}"), number, namespace);
        ipv6::configure(fabric, interface, &format!("eth{device_index}"), number, namespace);
        own.extend(interface.addresses.iter().map(|address| address.private));
    }
    let guest = &instance.guest;
    if guest.ip_forward || guest.masquerade {
        namespace.forward();
        if instance.interfaces.iter().any(|interface| ipv6::has_ipv6(fabric, *interface)) {
            ipv6::forward(namespace);
        }
    }
    if guest.masquerade {
        let mut rule = all(own.iter().map(|address| is_not(Load::SourceV4, &address.octets())));
        rule.push(Expr::Masquerade { port: None, flags: 0 });
        let table = namespace.table(Family::Ip, "guest");
        table.chain(Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat(), vec![rule]);
    }
}

/// Everything goes to the fabric, what is for neighbours in the subnet too: it is no segment, and one neighbour entry a
/// guest keeps the machine's only neighbour table small. `metric` ranks several interfaces (ENI-11).
fn configure(fabric: &Fabric, interface: &Interface, device: &str, metric: u32, namespace: &mut Namespace) {
    let subnet = &fabric.subnets[interface.subnet];
    for address in &interface.addresses {
        let with_length = Ipv4Net::new(address.private, subnet.cidr.prefix_len()).map(IpNet::V4);
        // The subnet's length came out of a block, so it is one.
        namespace.address(device, with_length.unwrap_or(super::host(address.private)));
    }
    namespace.neighbour(&device, subnet.router, ROUTER_MAC);
    let to = |source| RouteTo::Device { device: device.to_owned(), via: Some(subnet.router.into()), source, mtu: None };
    namespace.route(MAIN, subnet.cidr, metric, to(Some(interface.primary_address().into())));
    namespace.route(MAIN, ANYWHERE, metric, to(None));
}

/// Where the far end of an endpoint's interface is.
pub fn endpoint_end(fabric: &Fabric, endpoint: VpcEndpointIndex, interface: InterfaceIndex) -> (String, String) {
    let endpoint = &fabric.vpc_endpoints[endpoint];
    let at = match &endpoint.kind {
        VpcEndpointKind::Interface { interfaces } => interfaces.iter().position(|i| *i == interface).unwrap_or(0),
        VpcEndpointKind::Gateway { .. } => 0,
    };
    (endpoint_namespace(&endpoint.id), format!("eth{at}"))
}

/// Adds the services behind interface endpoints that work (VPCE-5).
pub fn plan_endpoints(fabric: &Fabric, plan: &mut Plan) {
    for (index, endpoint) in fabric.vpc_endpoints.iter() {
        let VpcEndpointKind::Interface { interfaces } = &endpoint.kind else { continue };
        for (metric, number) in (0..).zip(interfaces) {
            let interface = &fabric.interfaces[*number];
            if interface.status.is_running() {
                let (key, device) = endpoint_end(fabric, index, *number);
                configure(fabric, interface, &device, metric, plan.namespace(&key));
            }
        }
    }
}
