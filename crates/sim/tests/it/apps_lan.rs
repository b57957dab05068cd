//! What a lab file says of services is what its hosts do: leases, names, balancers and small protocols, from the description
//! on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::guest::Listener;
use model::lan::{self, Application, Balancer, DhcpService, Device, End as LinkEnd, Host, Interface, Lan, Link, Router, Service, Switch};
use sim::app::{End, FtpSpec, GetSpec, LookupSpec, PingSpec, SmtpSpec, SnmpSpec, TelnetSpec, TftpSpec, snmp};
use sim::{Bounds, Simulator, Span};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn interfaces(block: Option<&str>) -> BTreeMap<String, Interface> {
    let addresses = block.map(|block| block.parse().expect("a block")).into_iter().collect();
    BTreeMap::from([("eth0".to_owned(), Interface { addresses, dhcp: block.is_none(), ..Interface::default() })])
}

fn serves(protocol: Application) -> Service {
    Service::Application { protocol, port: protocol.port() }
}

fn cable(a: LinkEnd, b: LinkEnd) -> Link {
    Link {
        a,
        b,
        rate_bits_per_second: lan::LINK_RATE_BITS_PER_SECOND,
        half_duplex: false,
        delay_nanoseconds: lan::LINK_DELAY_NANOSECONDS,
        loss_per_million: 0,
        duplicate_per_million: 0,
        reorder_per_million: 0,
        queue_frames: lan::QUEUE_FRAMES,
        mtu_bytes: lan::LINK_MTU_BYTES,
        cable: None,
        framing: lan::Framing::Ethernet,
        up: true,
        announce: Vec::new(),
        origin: model::Origin::default(),
    }
}

/// A router that lends addresses and knows names, servers behind a balancer, and a host that asks for everything.
fn described() -> Lan {
    let dhcp = DhcpService {
        first: [10, 0, 0, 100].into(),
        last: [10, 0, 0, 110].into(),
        gateway: Some([10, 0, 0, 1].into()),
        dns: vec![[10, 0, 0, 1].into()],
        lease_seconds: 3_600,
    };
    let names = [("www.lab", "10.0.0.80"), ("web-1.lab", "10.0.0.11")];
    let names = names.map(|(name, text)| (name.to_owned(), vec![address(text)]));
    let all = [Application::Smtp, Application::Ftp, Application::Tftp, Application::Snmp, Application::Telnet, Application::Https];
    let web = |block: &str| Host { interfaces: interfaces(Some(block)), serve: vec![serves(Application::Http)], ..Host::default() };
    let services = Host { interfaces: interfaces(Some("10.0.0.20/24")), serve: all.map(serves).to_vec(), ..Host::default() };
    let router = Router {
        interfaces: interfaces(Some("10.0.0.1/24")),
        serve: vec![Service::Dhcp(dhcp), Service::Dns(names.into())],
        ..Router::default()
    };
    let balancer = Balancer {
        interfaces: interfaces(Some("10.0.0.2/24")),
        gateways: vec![],
        virtual_address: address("10.0.0.80"),
        ports: vec![Listener::Tcp(80)],
        to: vec!["web-1".to_owned(), "web-2".to_owned()],
        origin: model::Origin::default(),
    };
    let devices = BTreeMap::from([
        ("balancer".to_owned(), Device::Balancer(balancer)),
        ("pc".to_owned(), Device::Host(Host { interfaces: interfaces(None), ..Host::default() })),
        ("router".to_owned(), Device::Router(router)),
        ("services".to_owned(), Device::Host(services)),
        ("switch".to_owned(), Device::Switch(Switch::default())),
        ("web-1".to_owned(), Device::Host(web("10.0.0.11/24"))),
        ("web-2".to_owned(), Device::Host(web("10.0.0.12/24"))),
    ]);
    let end = |device: &str, interface: String| LinkEnd::Device { device: device.to_owned(), interface };
    let hosts = ["balancer", "pc", "router", "services", "web-1", "web-2"];
    let link = |(port, name): (usize, &&str)| cable(end(name, "eth0".to_owned()), end("switch", format!("port{}", port + 1)));
    let links = hosts.iter().enumerate().map(link).collect();
    Lan { devices, links, origin: model::Origin::default() }
}

fn built() -> Simulator {
    let mut simulator = Simulator::new(1, Bounds::default());
    sim::lan::add(&mut simulator, &described()).expect("a lan");
    simulator.run_until(simulator.now() + Span::seconds(5), 100_000);
    simulator
}

fn run(simulator: &mut Simulator, start: impl FnOnce(&mut sim::host::Host, &mut sim::Context<'_>) -> sim::app::AppId) -> sim::app::Outcome {
    let pc = simulator.find("pc").expect("a host");
    let app = simulator.with(pc, start).expect("a host");
    simulator.run_until(simulator.now() + Span::seconds(20), 100_000);
    simulator.get::<sim::host::Host>(pc).and_then(|host| host.outcome(app)).cloned().expect("it is over")
}

#[test]
fn a_host_without_an_address_gets_one_and_finds_names() {
    let mut simulator = built();
    let pc = simulator.find("pc").expect("a host");
    let host: &sim::host::Host = simulator.get(pc).expect("a host");
    assert_eq!(host.addresses(0), ["10.0.0.100/24".parse().expect("a block")]);
    assert_eq!(host.name_servers(), [address("10.0.0.1")]);
    let found = run(&mut simulator, |host, context| host.lookup(context, LookupSpec::new("www.lab")));
    assert_eq!(found.addresses, [address("10.0.0.80")]);
    let ping = run(&mut simulator, |host, context| host.ping_name(context, "web-1.lab", PingSpec::new(address("0.0.0.0"))));
    assert_eq!(ping.replies.len(), 4);
}

#[test]
fn a_balancer_spreads_over_the_hosts_that_it_names() {
    let mut simulator = built();
    let page = |simulator: &mut Simulator| {
        let outcome = run(simulator, |host, context| host.http_get(context, GetSpec::new(address("10.0.0.80"), 80)));
        String::from_utf8_lossy(&outcome.data).lines().last().unwrap_or_default().to_owned()
    };
    let pages: Vec<String> = (0..3).map(|_| page(&mut simulator)).collect();
    assert_eq!(pages, ["web-1", "web-2", "web-1"]);
    let balancer = simulator.find("balancer").expect("a balancer");
    let tables = simulator.inspect(balancer);
    let connections = tables.iter().find(|table| table.name == "connections").expect("a table");
    assert_eq!(connections.rows.len(), 3);
}

#[test]
fn every_small_protocol_that_is_served_answers() {
    let mut simulator = built();
    let to = address("10.0.0.20");
    let ends = [
        run(&mut simulator, |host, context| host.smtp_send(context, SmtpSpec::new(to, "a", "b", "c"))).end,
        run(&mut simulator, |host, context| host.ftp_get(context, FtpSpec::new(to, "readme.txt"))).end,
        run(&mut simulator, |host, context| host.tftp_get(context, TftpSpec::new(to, "long.txt"))).end,
        run(&mut simulator, |host, context| host.snmp_get(context, SnmpSpec::new(to, &[snmp::NAME]))).end,
        run(&mut simulator, |host, context| host.telnet(context, TelnetSpec::new(to, "kim", "secret"))).end,
        run(&mut simulator, |host, context| host.https_get(context, GetSpec::new(to, 443))).end,
    ];
    assert_eq!(ends, [End::Answered; 6]);
}
