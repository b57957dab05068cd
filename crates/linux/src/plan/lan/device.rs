//! Hosts, routers and balancers: addresses, routes, and what makes one pass packets on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::lan::{Device, Interface, StaticRoute};
use netlink::nft::{Chain, Expr, Family, Hook, MetaKey, priority};

use super::super::phrase::{all, device_is};
use super::super::{MAIN, Namespace, Plan, RouteTo};
use super::routing::Routes;
use super::wiring::Wiring;
use super::filter;
use crate::naming::device_namespace;

/// Name of the table of rules in a device's namespace.
pub(super) const TABLE: &str = "lan";

/// Adds one that speaks IP.
pub(super) fn plan(wiring: &Wiring, name: &str, device: &Device, learned: &Routes, plan: &mut Plan) {
    let namespace = plan.namespace(&device_namespace(name, device));
    namespace.is_instance = true;
    // It answers for the address of the interface that is asked, and no other.
    namespace.sysctls.insert("net/ipv4/conf/all/arp_ignore".to_owned(), "1".to_owned());
    namespace.sysctls.insert("net/ipv4/conf/all/arp_announce".to_owned(), "2".to_owned());
    // One that takes another's place in its network does not go with it.
    namespace.sysctls.insert("net/ipv4/conf/all/promote_secondaries".to_owned(), "1".to_owned());
    let mut stack = Stack { wiring, name, interfaces: device.interfaces().into_iter().flatten().collect(), namespace };
    stack.connected();
    match device {
        Device::Host(host) => {
            stack.written(&host.routes);
            stack.gateways(&host.gateways);
            stack.lent_gateways();
        }
        Device::Router(router) => {
            stack.forward();
            stack.written(&router.routes);
            for (block, interface) in wiring.told_by_vpcs(name) {
                stack.route(block.into(), RouteTo::device(interface));
            }
            for route in learned.get(name).into_iter().flatten() {
                stack.route(route.destination.into(), RouteTo::via(&route.interface, route.via));
            }
            if let Some(outside) = &router.nat_interface {
                let mut rule = all([device_is(MetaKey::Oif, outside)]);
                rule.push(Expr::Masquerade { port: None, flags: 0 });
                let chain = Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat();
                stack.namespace.table(Family::Ip, TABLE).chain(chain, vec![rule]);
            }
            if !router.filter.is_empty() {
                filter::plan(&router.filter, stack.namespace.table(Family::Inet, TABLE));
            }
        }
        Device::Balancer(balancer) => {
            stack.forward();
            stack.gateways(&balancer.gateways);
            let own = stack.towards(balancer.virtual_address).or_else(|| stack.interfaces.first().map(|(name, _)| name.as_str()));
            if let Some(own) = own.filter(|own| wiring.link(name, own).is_some()) {
                let own = own.to_owned();
                stack.namespace.address(&own, IpNet::from(balancer.virtual_address));
            }
            filter::spread(wiring, balancer, stack.namespace);
        }
        Device::Hub(_) | Device::Repeater(_) | Device::Switch(_) | Device::Bridge(_) => {}
    }
}

/// What one has of IP.
struct Stack<'a> {
    wiring: &'a Wiring,
    name: &'a str,
    interfaces: Vec<(&'a String, &'a Interface)>,
    namespace: &'a mut Namespace,
}

impl Stack<'_> {
    /// Addresses, and the networks that they are in. An interface without a link is not there.
    fn connected(&mut self) {
        for (interface, _) in self.interfaces.clone() {
            if self.wiring.link(self.name, interface).is_none() {
                continue;
            }
            for address in self.wiring.addresses(self.name, interface) {
                self.namespace.address(interface, address);
                if address.addr().is_ipv6() {
                    self.speak_v6();
                }
                if address.prefix_len() < address.max_prefix_len() {
                    // The kernel chooses the source of IPv6 by the destination's scope.
                    let source = Some(address.addr()).filter(IpAddr::is_ipv4);
                    let to = RouteTo::Device { device: interface.clone(), via: None, source, mtu: None };
                    self.route(address.trunc(), to);
                }
            }
        }
    }

    fn speak_v6(&mut self) {
        // Addresses stay with an interface that goes down, as those of IPv4 do.
        for (path, value) in [("all/disable_ipv6", "0"), ("default/disable_ipv6", "0"), ("all/keep_addr_on_down", "1")] {
            self.namespace.sysctls.insert(format!("net/ipv6/conf/{path}"), value.to_owned());
        }
    }

    fn forward(&mut self) {
        self.namespace.forward();
        if self.namespace.addresses.iter().any(|address| address.address.addr().is_ipv6()) {
            self.namespace.sysctls.insert("net/ipv6/conf/all/forwarding".to_owned(), "1".to_owned());
        }
    }

    fn written(&mut self, routes: &[StaticRoute]) {
        for route in routes {
            let towards = || route.via.and_then(|via| self.towards(via)).map(str::to_owned);
            let Some(device) = route.interface.clone().or_else(towards) else { continue };
            self.route(route.destination, RouteTo::Device { device, via: route.via, source: None, mtu: None });
        }
    }

    fn gateways(&mut self, gateways: &[IpAddr]) {
        for gateway in gateways {
            let first = || self.interfaces.first().map(|(name, _)| name.as_str());
            let Some(device) = self.towards(*gateway).or_else(first).map(str::to_owned) else { continue };
            let anywhere = match gateway {
                IpAddr::V4(_) => IpNet::V4(Ipv4Net::default()),
                IpAddr::V6(_) => IpNet::V6(Ipv6Net::default()),
            };
            self.route(anywhere, RouteTo::via(&device, *gateway));
        }
    }

    fn lent_gateways(&mut self) {
        for (interface, _) in self.interfaces.clone() {
            let lease = self.wiring.lease(self.name, interface);
            if let Some(gateway) = lease.and_then(|lease| lease.gateway) {
                self.route(IpNet::V4(Ipv4Net::default()), RouteTo::via(interface, gateway));
            }
        }
    }

    /// The interface in whose network a neighbour is.
    fn towards(&self, neighbour: IpAddr) -> Option<&str> {
        let holds = |name: &str| self.wiring.addresses(self.name, name).iter().any(|block| block.contains(&neighbour));
        self.interfaces.iter().map(|(name, _)| name.as_str()).find(|name| holds(name))
    }

    /// Adds a route, below those to the same destination that are there. The kernel takes none through an interface that is down.
    fn route(&mut self, destination: IpNet, to: RouteTo) {
        let RouteTo::Device { device, .. } = &to else { return };
        if self.wiring.is_up(self.name, device) {
            let same = self.namespace.routes.iter().filter(|route| route.destination == destination).count();
            self.namespace.route(MAIN, destination, u32::try_from(same).unwrap_or(u32::MAX), to);
        }
    }
}

/// Name servers of a host: those written, then those that DHCP would tell it.
pub fn name_servers(lan: &model::lan::Lan, host: &str) -> Vec<IpAddr> {
    let wiring = Wiring::of(lan);
    let written = match lan.devices.get(host) {
        Some(Device::Host(host)) => host.dns.clone(),
        _ => Vec::new(),
    };
    let lent = wiring.interfaces(host).filter_map(|(interface, _)| wiring.lease(host, interface)).flat_map(|lease| lease.dns.clone());
    written.into_iter().chain(lent.map(IpAddr::V4)).collect()
}

/// The addresses that every device of a lan has here, lent ones included, by device.
pub fn addresses(lan: &model::lan::Lan) -> BTreeMap<&str, Vec<IpAddr>> {
    let wiring = Wiring::of(lan);
    let of = |name: &str| -> Vec<IpAddr> {
        let own = wiring.interfaces(name).flat_map(|(interface, _)| wiring.addresses(name, interface));
        own.map(|address| address.addr()).collect()
    };
    lan.devices.keys().map(|name| (name.as_str(), of(name))).collect()
}
