//! What must be known of an instance before a network is made (routes, the way out), and before a port is published (who
//! listens).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use netlink::rtnl::{Family, link, route};
use netlink::{Protocol, sock_diag};

use super::Namespaces;
use crate::network::definition::DEFAULT_MTU;
use crate::network::error::{Error, Holder, Result};
use crate::network::plan::DEVICE_GROUP;
use crate::network::publish::{Taken, Transport};

/// An instance's namespace as it is, containers' own parts left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Destinations of its routes, the default route too, sorted.
    pub routes: Vec<Ipv4Net>,
    /// Largest packet on its way out, bytes.
    pub uplink_mtu: u32,
}

impl Survey {
    /// Looks.
    pub fn of(namespaces: &mut impl Namespaces, key: &str) -> Result<Survey> {
        let socket = namespaces.socket(key, Protocol::Route)?;
        let links = link::dump_without_statistics(socket).map_err(Error::kernel(key))?;
        let all = route::dump(socket, Family::V4, None).map_err(Error::kernel(key))?;
        let ours: BTreeSet<u32> = links
            .iter()
            .filter(|link| link.group == DEVICE_GROUP)
            .map(|link| link.index)
            .collect();
        let others = all.iter().filter(|route| {
            route.table != route::LOCAL && route.device.is_none_or(|device| !ours.contains(&device))
        });
        let mut routes: Vec<Ipv4Net> = others
            .clone()
            .filter_map(|route| match route.destination {
                IpNet::V4(net) => Some(net),
                IpNet::V6(_) => None,
            })
            .collect();
        routes.sort();
        routes.dedup();
        let uplink = others
            .filter(|route| route.destination.prefix_len() == 0)
            .min_by_key(|route| route.metric.unwrap_or(0))
            .and_then(|route| links.iter().find(|link| Some(link.index) == route.device));
        Ok(Survey {
            routes,
            uplink_mtu: uplink.map_or(DEFAULT_MTU, |link| link.mtu),
        })
    }
}

/// Ports that programs of a namespace listen on. The kernel goes through the whole machine's sockets for this: half a
/// millisecond for each family.
pub fn listeners(namespaces: &mut impl Namespaces, key: &str) -> Result<Vec<Taken>> {
    let diag = namespaces.socket(key, Protocol::SockDiag)?;
    let listeners = sock_diag::listeners(diag).map_err(Error::kernel(key))?;
    let taken = listeners.into_iter().map(|open| Taken {
        address: unmapped(open.local.ip()),
        port: open.local.port(),
        transport: match open.transport {
            sock_diag::Transport::Tcp => Transport::Tcp,
            sock_diag::Transport::Udp => Transport::Udp,
        },
        holder: Holder::Program,
    });
    Ok(taken.collect())
}

/// `::ffff:10.0.0.1` is 10.0.0.1.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
