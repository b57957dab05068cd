//! The real internet behind a lab's own: everything that no host of the lab's outside has goes to the device that
//! [`sandbox::uplink`] made, and comes from its address. What a lab cannot reach from its gateways it cannot reach there.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::cidr::{LINK_LOCAL, RFC_1918, RFC_6598};
use netlink::nft::build::{in_prefix, oif_name, verdict, Load};
use netlink::nft::{Chain, Expr, Family, Hook, Table, TableFlags, Transaction, Verdict, priority};
use netlink::rtnl::{address, link, route};
use netlink::{Batch, Protocol, Socket};
use sandbox::uplink::{ADDRESS, DEVICE, GATEWAY, PREFIX};
use sandbox::{Client, SocketSpec};

use super::error::{Error, Result};
use crate::naming::INTERNET;

/// Both halves of all addresses: more specific than the way to where nobody receives, so that it stays as it is, and
/// the kernel removes them with the device.
const HALVES: [Ipv4Net; 2] =
    [Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 1), Ipv4Net::new_assert(Ipv4Addr::new(128, 0, 0, 0), 1)];
const TABLE: &str = "uplink";

/// Leads what nobody in the lab's outside receives through the device, which is there. May be said again.
pub fn open(client: &Client) -> Result<()> {
    let failed = || Error::netlink(INTERNET);
    // Rules first: nothing leaves with the address of a lab, not even for a moment.
    filter(&mut socket(client, Protocol::Netfilter)?).map_err(failed())?;
    let mut rtnl = socket(client, Protocol::Route)?;
    let device = link::get(&mut rtnl, link::Target::Name(DEVICE)).map_err(failed())?.index;
    let mut batch = Batch::new();
    let own = Ipv4Net::new_assert(ADDRESS, PREFIX);
    address::replace(&mut batch, &address::Address::new(device, IpNet::V4(own)));
    link::set_up(&mut batch, link::Target::Index(device), true);
    for half in HALVES {
        let way = route::Route::new(route::MAIN, IpNet::V4(half)).device(device).via(IpAddr::V4(GATEWAY));
        route::replace(&mut batch, &route::Route { preferred_source: Some(IpAddr::V4(ADDRESS)), ..way });
    }
    rtnl.execute(&batch).map_err(failed())
}

/// Takes the rules away; routes and address went with the device.
pub fn close(client: &Client) -> Result<()> {
    let mut change = Transaction::new();
    let table = Table::new(Family::Ip, TABLE);
    // Deleting takes a table that is there.
    change.add_table(&table, TableFlags::default()).delete_table(&table);
    change.commit(&mut socket(client, Protocol::Netfilter)?).map_err(Error::netlink(INTERNET))
}

fn socket(client: &Client, protocol: Protocol) -> Result<Socket> {
    let number = match protocol {
        Protocol::Route => libc::NETLINK_ROUTE,
        Protocol::SockDiag => libc::NETLINK_SOCK_DIAG,
        Protocol::Netfilter => libc::NETLINK_NETFILTER,
    };
    Socket::from_fd(client.open_socket(SocketSpec::netlink(INTERNET, number))?).map_err(Error::netlink(INTERNET))
}

/// Packets get the device's address; private ones of the host's networks, and the metadata service of the cloud that the
/// host may run in, are nobody's here.
fn filter(socket: &mut Socket) -> std::result::Result<(), netlink::Error> {
    let table = Table::new(Family::Ip, TABLE);
    let mut change = Transaction::new();
    change.add_table(&table, TableFlags::default()).delete_table(&table).add_table(&table, TableFlags::default());
    for (name, hook) in [("forward", Hook::Forward), ("output", Hook::Output)] {
        // Before the table that looks for addresses which nobody has.
        change.add_chain(&table, &Chain::base(name, hook, priority::FILTER - 1));
        let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        for block in RFC_1918.into_iter().chain([RFC_6598, LINK_LOCAL, loopback]) {
            let rule = [oif_name(DEVICE), in_prefix(Load::DestinationV4, IpNet::V4(block)), verdict(Verdict::Drop)];
            change.append(&table, name, &rule.concat());
        }
    }
    change.add_chain(&table, &Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat());
    let translate = [oif_name(DEVICE), vec![Expr::Masquerade { port: None, flags: 0 }]];
    change.append(&table, "postrouting", &translate.concat());
    change.commit(socket)
}
