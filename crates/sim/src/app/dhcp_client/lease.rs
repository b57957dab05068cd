//! What a lease changes of its host: an address, a gateway, name servers.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use wire::dhcp::Lease;

use crate::app::Calls;
use crate::host::{Origin, Route};

/// The address with the prefix that the mask stands for; alone if the mask is none.
fn net(lease: &Lease) -> IpNet {
    let net = Ipv4Net::with_netmask(lease.address, lease.subnet_mask);
    IpNet::V4(net.unwrap_or_else(|_| Ipv4Net::new_assert(lease.address, 32)))
}

/// The host uses a lease; `is_new` if it did not have the address before, and tells its neighbours.
pub(super) fn take(calls: &mut Calls<'_, '_>, interface: u16, lease: &Lease, is_new: bool) {
    let Calls { host, context, .. } = calls;
    host.add_address(interface, net(lease));
    if !lease.router.is_unspecified() {
        let destination = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
        let via = Some(IpAddr::V4(lease.router));
        host.learn_route(Route { destination, via, interface, metric: 0, origin: Origin::Dhcp });
    }
    host.set_leased_name_servers(interface, lease.name_servers.iter().copied().map(IpAddr::V4));
    if is_new {
        host.announce(context, interface);
    }
}

/// The host uses it no more.
pub(super) fn give_up(calls: &mut Calls<'_, '_>, interface: u16, lease: Option<&Lease>) {
    let host = calls.host();
    if let Some(lease) = lease {
        host.remove_address(interface, lease.address.into());
    }
    host.forget_routes(Origin::Dhcp, |route| route.interface == interface);
    host.set_leased_name_servers(interface, []);
}
