//! The programs that a lan's file asks for: a DHCP client for interfaces without an address of their own, and what a host
//! serves.

use std::collections::BTreeMap;

use model::guest::Listener;
use model::lan::{self, Application, DhcpService, Device, Interface, Lan, Service};

use crate::app::dhcp_client::Client;
use crate::app::dhcp_server::{self, Pool};
use crate::app::flow::Echo;
use crate::app::{dns, ftp, http, https, smtp, snmp, telnet, tftp};
use crate::host::{Backend, BalancerSpec, Host, Protocol};

/// Installs them; they begin when the simulation does.
pub(super) fn install(host: &mut Host, name: &str, interfaces: &BTreeMap<String, Interface>, serve: &[Service]) {
    let leased = interfaces.values().enumerate().filter(|(_, interface)| interface.dhcp).map(|(at, _)| at as u16);
    let leased: Vec<u16> = leased.collect();
    if !leased.is_empty() {
        host.install(Client::new(&leased, Some(name)));
    }
    let pools: Vec<Pool> = serve.iter().filter_map(|service| pool(service, interfaces)).collect();
    if !pools.is_empty() {
        host.install(dhcp_server::Server::new(pools));
    }
    // Two lists of names at one host are one list, as there is one port.
    let names: Vec<_> = serve.iter().filter_map(|service| if let Service::Dns(names) = service { Some(names) } else { None }).collect();
    if !names.is_empty() {
        let all = names.into_iter().flatten().map(|(name, addresses)| (name.as_str(), &addresses[..]));
        host.install(dns::Server::new(dns::Zone::new(all)));
    }
    for service in serve {
        if let Service::Application { protocol, port } = service {
            application(host, name, *protocol, *port);
        }
    }
}

/// What a DHCP server lends at the interface in whose block it lies.
fn pool(service: &Service, interfaces: &BTreeMap<String, Interface>) -> Option<Pool> {
    let Service::Dhcp(DhcpService { first, last, gateway, dns, lease_seconds }) = service else { return None };
    let holds = |interface: &Interface| interface.addresses.iter().any(|block| block.contains(&std::net::IpAddr::V4(*first)));
    let interface = interfaces.values().position(holds)? as u16;
    let (gateway, name_servers, lease_seconds) = (*gateway, dns.clone(), *lease_seconds);
    Some(Pool { interface, first: *first, last: *last, gateway, name_servers, lease_seconds })
}

fn application(host: &mut Host, name: &str, protocol: Application, port: u16) {
    let page = format!("{name}\n");
    match protocol {
        Application::Echo => host.install(Echo::new(port)),
        Application::Http => host.install(http::Server::new(port, page.as_bytes())),
        Application::Https => host.install(https::Server::new(port, name, page.as_bytes())),
        Application::Smtp => host.install(smtp::Server::new(port, name)),
        Application::Ftp => host.install(ftp::Server::new(port, name, files(name))),
        Application::Tftp => host.install(tftp::Server::new(port, files(name))),
        Application::Snmp => host.install(snmp::Agent::new(port, name)),
        Application::Telnet => host.install(telnet::Server::new(port, name)),
    };
}

/// What file servers have: one short file and one of a few blocks.
fn files(name: &str) -> BTreeMap<String, Vec<u8>> {
    let line = format!("{name}\n");
    let long = line.repeat(2_000 / line.len() + 1);
    BTreeMap::from([("readme.txt".to_owned(), line.into_bytes()), ("long.txt".to_owned(), long.into_bytes())])
}

/// What a balancer spreads over which hosts of its lan: their first address of the virtual address's family.
pub(super) fn balancer(lan: &Lan, balancer: &lan::Balancer) -> BalancerSpec {
    let port = |listener: &Listener| match *listener {
        Listener::Tcp(port) => (Protocol::TCP, port),
        Listener::Udp(port) => (Protocol::UDP, port),
    };
    let backend = |name: &String| {
        let interfaces = lan.devices.get(name).and_then(Device::interfaces).into_iter().flatten();
        let mut addresses = interfaces.flat_map(|(_, interface)| &interface.addresses).map(|block| block.addr());
        let address = addresses.find(|address| address.is_ipv4() == balancer.virtual_address.is_ipv4());
        Backend { name: name.clone(), address }
    };
    BalancerSpec {
        virtual_address: balancer.virtual_address,
        ports: balancer.ports.iter().map(port).collect(),
        backends: balancer.to.iter().map(backend).collect(),
    }
}
