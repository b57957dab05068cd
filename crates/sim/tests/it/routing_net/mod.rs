//! Networks of routers for the tests of routing protocols.

use std::net::IpAddr;

use sim::app::{End, PingSpec};
use sim::host::Origin;
use sim::routing::{Rip, RipSpec};
use sim::{LinkId, NodeId};

use crate::hosts_net::{Net, address};

/// Three routers, each joined with the two others and with a host of its own.
pub struct Triangle {
    pub net: Net,
    /// r1, r2, r3; the host of rN is 10.0.N.2.
    pub routers: [NodeId; 3],
    pub hosts: [NodeId; 3],
    /// r1 - r2, r2 - r3, r1 - r3, then the hosts' own.
    pub links: [LinkId; 6],
}

pub fn install_rip(net: &mut Net, router: NodeId) {
    net.at(router, |host, context| host.run(context, Rip::new(RipSpec::default())));
}

pub fn triangle(speak: impl Fn(&mut Net, NodeId)) -> Triangle {
    let mut net = Net::new();
    let r1 = net.router("r1", &["10.0.1.1/24", "10.12.0.1/24", "10.13.0.1/24"], Vec::new());
    let r2 = net.router("r2", &["10.0.2.1/24", "10.12.0.2/24", "10.23.0.2/24"], Vec::new());
    let r3 = net.router("r3", &["10.0.3.1/24", "10.13.0.3/24", "10.23.0.3/24"], Vec::new());
    let routers = [r1, r2, r3];
    let hosts = [1, 2, 3].map(|n| net.host(&format!("h{n}"), &[&[&format!("10.0.{n}.2/24")]], &format!("10.0.{n}.1")));
    let mut links = vec![net.connect((r1, 1), (r2, 1)), net.connect((r2, 2), (r3, 2)), net.connect((r1, 2), (r3, 1))];
    for (router, host) in routers.into_iter().zip(hosts) {
        links.push(net.connect((router, 0), (host, 0)));
    }
    routers.into_iter().for_each(|router| speak(&mut net, router));
    let links = links.try_into().expect("six links");
    Triangle { net, routers, hosts, links }
}

/// The metric of a router's learned route to a network.
pub fn metric(net: &Net, router: NodeId, to: &str) -> Option<u32> {
    let to = to.parse().expect("a net");
    let is_learned = |origin| matches!(origin, Origin::Rip | Origin::Ospf);
    let routes = net.host_ref(router).routes();
    let mut found = routes.iter().filter(|route| route.destination == to && is_learned(route.origin));
    found.next().map(|route| route.metric)
}

/// The next hop of packets to an address, and who says so.
pub fn via(net: &Net, router: NodeId, to: &str) -> Option<(IpAddr, Origin)> {
    let route = net.host_ref(router).routes().find(address(to))?;
    Some((route.via?, route.origin))
}

pub fn reaches(net: &mut Net, host: NodeId, to: &str) -> bool {
    let app = net.at(host, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address(to)) }));
    net.run(5);
    net.outcome(host, app).end == End::Answered
}

/// Seconds that pass until something is so.
pub fn seconds_until(net: &mut Net, most: u64, is_so: impl Fn(&Net) -> bool) -> Option<u64> {
    (1..=most).find(|_| {
        net.run(1);
        is_so(net)
    })
}
