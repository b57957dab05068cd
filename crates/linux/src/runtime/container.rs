//! A network namespace behind one more routed hop in a guest: what a container on a routed network is to the fabric
//! (IMDS-5). The guest forwards and hides it behind its own address, as Docker's bridge network does.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use ipnet::{IpNet, Ipv4Net};
use netlink::nft::{self, Expr, Transaction};
use netlink::rtnl::link::{LinkKind, LinkSpec, Target};
use netlink::rtnl::{address, link, route};
use netlink::{Batch, Protocol};
use sandbox::{Client, NetnsSpec};

use super::error::{Error, Result};
use super::place::Place;
use super::sockets::Sockets;

/// The guest's side of the extra hop.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 253);
/// The container's address.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 31, 255, 254);
/// Device in the guest, and its index there and in the container: out of the way of `eth0`, `eth1`, ….
const DEVICE: &str = "container0";
const INDEX: u32 = 9_000;

/// What the keys of their namespaces begin with.
const CONTAINERS: &str = "container/";

/// Whether a place is a container, which speaks IPv4 only.
pub fn is_container(place: &Place) -> bool {
    place.namespace.starts_with(CONTAINERS)
}

/// Where the container of a guest sends and receives.
pub fn place(host: &Place) -> Place {
    Place {
        namespace: format!("{CONTAINERS}{}", host.namespace),
        device: Some("eth0".to_owned()),
        mac: [0x02, 0x76, 0x63, 0, 0, 1],
        address: ADDRESS.into(),
        interface: host.interface,
    }
}

/// Makes the container of a guest.
pub fn create(client: &Client, sockets: &mut Sockets, host: &Place) -> Result<()> {
    let inside = place(host);
    client.create_netns(NetnsSpec::lab(&inside.namespace))?;
    let namespace = client.netns_fd(&inside.namespace)?;
    let network = Ipv4Net::new_assert(GATEWAY, 30);

    let socket = sockets.get(client, &host.namespace, Protocol::Route)?;
    let far = LinkSpec {
        index: Some(INDEX),
        mac: Some(inside.mac),
        namespace: Some(namespace.as_fd()),
        ..LinkSpec::named("eth0")
    };
    let near = LinkSpec { index: Some(INDEX), up: Some(true), ..LinkSpec::named(DEVICE) };
    let mut batch = Batch::new();
    link::create(&mut batch, &near, &LinkKind::Veth(far));
    address::add(&mut batch, &address::Address::new(INDEX, IpNet::V4(network)));
    socket.execute(&batch).map_err(Error::netlink(&host.namespace))?;

    let socket = sockets.get(client, &inside.namespace, Protocol::Route)?;
    let mut batch = Batch::new();
    link::set_up(&mut batch, Target::Index(INDEX), true);
    address::add(&mut batch, &address::Address::new(INDEX, IpNet::V4(Ipv4Net::new_assert(ADDRESS, 30))));
    let anywhere = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
    route::add(&mut batch, &route::Route::new(route::MAIN, anywhere).via(IpAddr::V4(GATEWAY)).device(INDEX));
    socket.execute(&batch).map_err(Error::netlink(&inside.namespace))?;

    client.write_sysctls(&host.namespace, &[("net/ipv4/ip_forward", "1")])?;
    let table = nft::Table::new(nft::Family::Ip, "container");
    let hook = nft::Chain::base("postrouting", nft::Hook::Postrouting, nft::priority::SRCNAT).nat();
    let mut hide = nft::build::in_prefix(nft::build::Load::SourceV4, IpNet::V4(network));
    hide.push(Expr::Masquerade { port: None, flags: 0 });
    let mut transaction = Transaction::new();
    transaction.add_table(&table, nft::TableFlags::default()).add_chain(&table, &hook).append(&table, "postrouting", &hide);
    let socket = sockets.get(client, &host.namespace, Protocol::Netfilter)?;
    transaction.commit(socket).map_err(Error::netlink(&host.namespace))
}
