//! Bare devices beside a lab: a veth pair, a bridge with two ports, routers in a row, without any policy. They stand in namespaces of the
//! same holder, so that everything around them is alike.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use ipnet::{IpNet, Ipv4Net};
use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, LinkKind, LinkSpec, Target};
use netlink::rtnl::route::{self, Route};
use netlink::{Batch, Protocol, Socket};
use sandbox::{Client, NetnsSpec, SocketSpec};

use crate::cli::Result;

/// Two namespaces that reach each other.
pub struct Ends {
    /// Namespaces.
    pub namespaces: [String; 2],
    /// Their addresses.
    pub addresses: [Ipv4Addr; 2],
}

/// Index of every device made here: indices are counted by namespace.
const DEVICE: u32 = 10;

/// A veth pair between two namespaces.
pub fn veth(client: &Client) -> Result<Ends> {
    let ends = ends(client, "veth", 1)?;
    let [a, b] = &ends.namespaces;
    let far = client.netns_fd(b)?;
    let mut batch = Batch::new();
    link::create(&mut batch, &device("eth0"), &LinkKind::Veth(LinkSpec { namespace: Some(far.as_fd()), ..device("eth0") }));
    socket(client, a)?.execute(&batch)?;
    configure(client, &ends)?;
    Ok(ends)
}

/// Two namespaces on a bridge.
pub fn bridge(client: &Client) -> Result<Ends> {
    let ends = ends(client, "bridge", 2)?;
    let middle = "bare/bridge";
    client.create_netns(NetnsSpec::lab(middle))?;
    let mut batch = Batch::new();
    let spec = LinkSpec { index: Some(DEVICE), up: Some(true), mtu: Some(9_001), ..LinkSpec::named("br0") };
    link::create(&mut batch, &spec, &LinkKind::Bridge);
    let far = client.netns_fds(&ends.namespaces)?;
    for (number, far) in (1..).zip(&far) {
        let port =
            LinkSpec { index: Some(DEVICE + number), master: Some(DEVICE), up: Some(true), ..device(&format!("p{number}")) };
        link::create(&mut batch, &port, &LinkKind::Veth(LinkSpec { namespace: Some(far.as_fd()), ..device("eth0") }));
    }
    socket(client, middle)?.execute(&batch)?;
    configure(client, &ends)?;
    Ok(ends)
}

/// Two namespaces with so many routers between them, each a cable away from the next, and no rule anywhere.
pub fn routed(client: &Client, routers: u8) -> Result<Ends> {
    let names: Vec<String> = (0..routers + 2).map(|number| format!("bare/routed/{number}")).collect();
    client.create_netnses(&names.iter().map(NetnsSpec::lab).collect::<Vec<_>>())?;
    // The cable between two neighbours has a /24 of its own: .1 is the nearer end, .2 the farther one.
    let address = |cable: u8, last: u8| Ipv4Addr::new(192, 168, 10 + cable, last);
    let (left, right) = (DEVICE, DEVICE + 1);
    for (number, pair) in (0..).zip(names.windows(2)) {
        let far = client.netns_fd(&pair[1])?;
        let mut batch = Batch::new();
        let end = |name, index| LinkSpec { index: Some(index), ..device(name) };
        let peer = LinkSpec { namespace: Some(far.as_fd()), ..end("left", left) };
        link::create(&mut batch, &end("right", right), &LinkKind::Veth(peer));
        socket(client, &pair[0])?.execute(&batch)?;
        for (namespace, index, own) in [(&pair[0], right, address(number, 1)), (&pair[1], left, address(number, 2))] {
            let mut batch = Batch::new();
            address::add(&mut batch, &Address::new(index, IpNet::V4(Ipv4Net::new(own, 24)?)));
            link::set_up(&mut batch, Target::Index(index), true);
            socket(client, namespace)?.execute(&batch)?;
        }
    }
    for (number, name) in (0..).zip(&names) {
        client.write_sysctls(name, &[("net/ipv4/ip_forward", "1")])?;
        let mut batch = Batch::new();
        let mut to = |cable: u8, gateway: Ipv4Addr, index| -> Result {
            let block = IpNet::V4(Ipv4Net::new(address(cable, 0), 24)?);
            route::add(&mut batch, &Route::new(route::MAIN, block).device(index).via(gateway.into()));
            Ok(())
        };
        for cable in 0..=routers {
            if cable > number {
                to(cable, address(number, 2), right)?;
            } else if cable + 1 < number {
                to(cable, address(number - 1, 1), left)?;
            }
        }
        socket(client, name)?.execute(&batch)?;
    }
    let namespaces = [names[0].clone(), names[usize::from(routers) + 1].clone()];
    Ok(Ends { namespaces, addresses: [address(0, 1), address(routers, 2)] })
}

fn ends(client: &Client, name: &str, third: u8) -> Result<Ends> {
    let namespaces = ["a", "b"].map(|end| format!("bare/{name}/{end}"));
    client.create_netnses(&namespaces.clone().map(NetnsSpec::lab))?;
    Ok(Ends { namespaces, addresses: [1, 2].map(|last| Ipv4Addr::new(192, 168, third, last)) })
}

/// As long as a lab's, so that nothing but the way differs.
fn device(name: &str) -> LinkSpec<'static> {
    LinkSpec { index: Some(DEVICE), mtu: Some(9_001), ..LinkSpec::named(name) }
}

fn configure(client: &Client, ends: &Ends) -> Result {
    for (namespace, own) in ends.namespaces.iter().zip(ends.addresses) {
        let mut batch = Batch::new();
        address::add(&mut batch, &Address::new(DEVICE, IpNet::V4(Ipv4Net::new(own, 24)?)));
        link::set_up(&mut batch, Target::Index(DEVICE), true);
        socket(client, namespace)?.execute(&batch)?;
    }
    Ok(())
}

fn socket(client: &Client, namespace: &str) -> Result<Socket> {
    let spec = SocketSpec::netlink(namespace, libc::NETLINK_ROUTE);
    let socket = Socket::from_fd(client.open_socket(spec)?)?;
    debug_assert_eq!(socket.protocol(), Protocol::Route);
    Ok(socket)
}
