//! Lans: what is planned of them, and packets through them.

use std::io::{Read, Write};
use std::time::Duration;

use fabric::Fabric;
use linux::diff::Changes;
use linux::plan::lan::{Shaping, notes};
use linux::plan::{Options, Plan, RouteTo};
use model::{Context, Model, Region, Timestamp};
use netlink::rtnl::qdisc::Qdisc;

use crate::support::icmp::Echo;
use crate::support::{self, Lab, in_own_namespaces};

/// Neither netem nor tbf: what a test sees does not depend on the machine's kernel.
const PLAIN: Options = Options { invert: None, flows_per_interface: None, shaping: Shaping { netem: false, tbf: false } };

/// Files of a lab that is one text.
struct One<'a>(&'a str);

impl lab::load::Files for One<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.to_owned()))
    }
}

fn model(text: &str) -> Model {
    let lab = lab::load("lab.yaml", &One(text)).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let mut model = Model::new("123456789012", Region::default(), Context::seeded(7, Timestamp(1_000)));
    lab.apply(&mut model).unwrap_or_else(|e| panic!("{}", e.render(false)));
    model
}

fn plan_with(text: &str, options: Options) -> Plan {
    let model = model(text);
    let fabric = Fabric::compile(&model);
    let mut plan = Plan::new(&fabric, options).expect("plan");
    plan.add_lans(&model.lans, &fabric, options);
    plan
}

fn plan(text: &str) -> Plan {
    plan_with(text, PLAIN)
}

/// The routes of a namespace as ip(8) writes them.
fn routes(plan: &Plan, key: &str) -> Vec<String> {
    let line = |route: &linux::plan::Route| match &route.to {
        RouteTo::Device { device, via, .. } => {
            let via = via.map(|via| format!(" via {via}")).unwrap_or_default();
            format!("{}{via} dev {device}", route.destination)
        }
        RouteTo::Throw => "throw".to_owned(),
    };
    plan.namespaces[key].routes.iter().map(line).collect()
}

const CLASSROOM: &str = include_str!("../../../../docs/classroom.yaml");

#[test]
fn a_switch_remembers_for_as_long_as_its_file_says_and_a_hub_never() {
    let text = "lans:\n  l:\n    hubs: [h]\n    switches: { s: { ageing: 60s, table: 8, spanning_tree: true, priority: 4096, igmp_snooping: false } }\n    links: [h -- s]\n";
    let plan = plan(text);
    let bridge = |key: &str| plan.namespaces[key].bridges["br0"];
    let (hub, switch) = (bridge("hub/h"), bridge("switch/s"));
    assert_eq!((hub.ageing_seconds, hub.spanning_tree, hub.multicast_snooping), (0, None, false));
    assert_eq!((switch.ageing_seconds, switch.spanning_tree, switch.multicast_snooping, switch.most_learned), (60, Some(4096), false, 8));
}

#[test]
fn routers_that_speak_rip_have_the_routes_that_it_ends_with() {
    let plan = plan(CLASSROOM);
    let wanted = [
        "10.0.1.0/24 dev eth0",
        "10.0.2.0/24 dev eth1",
        "10.0.3.0/24 via 10.0.9.2 dev serial0",
        "10.0.9.0/30 dev serial0",
    ];
    assert_eq!(routes(&plan, "router/r-1"), wanted);
    let wanted = ["10.0.1.0/24 via 10.0.9.1 dev serial0", "10.0.2.0/24 via 10.0.9.1 dev serial0", "10.0.3.0/24 dev eth0", "10.0.9.0/30 dev serial0"];
    assert_eq!(routes(&plan, "router/r-2"), wanted);
    assert_eq!(routes(&plan, "host/pc-1"), ["0.0.0.0/0 via 10.0.1.1 dev eth0", "10.0.1.0/24 dev eth0"]);
}

/// Three routers in a triangle: one step over a slow line, two over fast ones.
fn triangle(protocol: &str, direct: &str) -> String {
    format!(
        "lans:\n  l:\n    routers:\n      a: {{ interfaces: {{ eth0: 10.0.1.1/24, eth1: 10.0.2.1/24, eth2: 10.1.0.1/24 }}, protocols: {protocol} }}\n      b: {{ interfaces: {{ eth0: 10.0.1.2/24, eth1: 10.0.3.1/24, eth2: 10.2.0.1/24 }}, protocols: {protocol} }}\n      c: {{ interfaces: {{ eth0: 10.0.2.2/24, eth1: 10.0.3.2/24 }}, protocols: {protocol} }}\n    hosts: {{ p: {{ address: 10.1.0.9/24, gateway: 10.1.0.1 }}, q: {{ address: 10.2.0.9/24, gateway: 10.2.0.1 }} }}\n    links:\n      - a:eth0 -- b:eth0 {direct}\n      - a:eth1 -- c:eth0\n      - b:eth1 -- c:eth1\n      - p -- a:eth2\n      - q -- b:eth2\n"
    )
}

#[test]
fn rip_counts_steps_and_ospf_what_lines_carry_and_both_go_round_a_line_that_is_down() {
    let (direct, around) = ("10.2.0.0/24 via 10.0.1.2 dev eth0", "10.2.0.0/24 via 10.0.2.2 dev eth1");
    for (protocol, line, wanted) in [
        ("rip", "1M", direct),
        ("ospf", "1M", around),
        ("ospf", "100M", direct),
        ("rip", "down", around),
        ("ospf", "down", around),
    ] {
        let routes = routes(&plan(&triangle(protocol, line)), "router/a");
        assert!(routes.contains(&wanted.to_owned()), "{protocol}, {line}: {routes:?}");
    }
}

#[test]
fn a_host_that_asks_has_the_first_free_address_of_the_pool_and_what_is_told_with_it() {
    let text = "lans:\n  l:\n    switches: [s]\n    hosts:\n      a: 10.0.1.100/24\n      b: dhcp\n      c: dhcp\n      d: { address: 10.0.1.1/24, serve: [dhcp 10.0.1.100-10.0.1.101 gateway 10.0.1.1 dns 10.0.1.2] }\n    links: [\"a, b, c, d -- s\"]\n";
    let plan = plan(text);
    assert_eq!(routes(&plan, "host/b"), ["0.0.0.0/0 via 10.0.1.1 dev eth0", "10.0.1.0/24 dev eth0"]);
    let addresses = |key: &str| plan.namespaces[key].addresses.iter().map(|a| a.address.to_string()).collect::<Vec<_>>();
    assert_eq!(addresses("host/b"), ["10.0.1.101/24"]);
    assert!(addresses("host/c").is_empty(), "the pool is empty");
    let lan = &model(text).lans["l"];
    assert_eq!(linux::plan::lan::name_servers(lan, "b"), ["10.0.1.2".parse::<std::net::IpAddr>().expect("address")]);
}

#[test]
fn a_link_is_slowed_by_what_the_kernel_has() {
    let text = "lans:\n  l:\n    hosts: { a: 10.0.1.1/24, b: 10.0.1.2/24 }\n    links: [a -- b 10M 20ms loss 1% queue 7]\n";
    let of = |netem, tbf| {
        let plan = plan_with(text, Options { shaping: Shaping { netem, tbf }, ..PLAIN });
        plan.links[&("host/a".to_owned(), "eth0".to_owned())].near.qdisc.clone()
    };
    let Some(Qdisc::Netem(netem)) = of(true, true) else { panic!("netem") };
    assert_eq!((netem.rate_bits_per_second, netem.delay_nanoseconds, netem.loss_per_million), (10_000_000, 20_000_000, 10_000));
    assert!(netem.limit_packets >= 7 + 390, "those on the way do not wait: {}", netem.limit_packets);
    assert_eq!(of(false, true), Some(Qdisc::Tbf { rate_bits_per_second: 10_000_000, burst_bytes: 1_518, queue_packets: 7 }));
    assert_eq!(of(false, false), None);
}

#[test]
fn what_is_the_simulators_is_said() {
    let text = "lans:\n  l:\n    hubs: [h]\n    switches: [s, t]\n    hosts: { a: { address: 10.0.1.1/24, serve: [http, smtp] }, b: 10.0.1.2/24 }\n    links: [a -- h, h -- s loss 1%, s -- t, s -- t, b -- t]\n";
    let said = |netem| notes(&model(text).lans, Shaping { netem, tbf: true });
    let always = [
        "collisions of h are the simulator's alone",
        "s -- t would close a loop and stays down here: broadcast storms are the simulator's",
        "smtp of a: its port answers with the host's name, the protocol is the simulator's",
    ];
    assert_eq!(said(true), always);
    assert!(said(false).contains(&"this kernel has no netem: delay, loss, duplicates and reordering of h -- s are the simulator's".to_owned()));
    assert!(notes(&model::Table::new(), Shaping::default()).is_empty());
}

#[test]
fn a_host_more_at_a_switch_leaves_all_others_as_they_are() {
    let more = CLASSROOM
        .replace("pc-6: {", "pc-7: { address: 10.0.2.17/24, gateway: 10.0.2.1 }\n      pc-6: {")
        .replace("pc-6, r-1:eth1 --", "pc-6, r-1:eth1, pc-7 --");
    let changes = Changes::between(&plan(CLASSROOM), &plan(&more));
    assert_eq!(changes.new_namespaces, [("host/pc-7".to_owned(), true)]);
    let links: Vec<&str> = changes.new_links.iter().map(|link| link.near.namespace.as_str()).collect();
    assert_eq!((links, changes.gone_links.len(), changes.changed_links.len()), (vec!["host/pc-7"], 0, 0));
    assert_eq!(changes.inside.keys().collect::<Vec<_>>(), ["host/pc-7"]);
}

#[test]
fn a_link_that_goes_down_stays_where_it_is_and_its_routes_go() {
    let changes = Changes::between(&plan(&triangle("rip", "")), &plan(&triangle("rip", "down")));
    let down: Vec<bool> = changes.changed_links.iter().map(|link| link.near.is_up).collect();
    assert_eq!((changes.new_links.len(), changes.gone_links.len(), down), (0, 0, vec![false]));
}

fn lab(text: &str) -> Lab {
    Lab::with(&model(text), PLAIN)
}

fn is_open(lab: &mut Lab, from: (&str, &str), to: (&str, &str), port: u16) -> bool {
    lab.tcp(&format!("host/{}", from.0), from.1, to.1, port, &format!("host/{}", to.0)).is_open()
}

#[test]
fn packets_pass_hubs_switches_routers_and_a_serial_line() {
    in_own_namespaces("lans::packets_pass_hubs_switches_routers_and_a_serial_line", || {
        let mut lab = lab(CLASSROOM);
        let (pc_1, pc_2, pc_4) = (("pc-1", "10.0.1.11"), ("pc-2", "10.0.1.12"), ("pc-4", "10.0.2.11"));
        for to in [pc_2, pc_4, ("server", "10.0.3.10")] {
            assert!(is_open(&mut lab, pc_1, to, 80), "pc-1 to {to:?}");
        }
        let seen = lab.tcp("host/server", "10.0.3.10", "10.0.1.11", 80, "host/pc-1");
        assert_eq!(seen.pair(), "10.0.3.10 > 10.0.1.11", "nobody translates");
    });
}

/// Frames of a conversation between two others that reach a host's device.
fn overheard(lab: &mut Lab, between: [(&str, &str); 2], at: &str) -> usize {
    // Whoever must be learned has been.
    assert!(is_open(lab, between[0], between[1], 7_000));
    let socket = lab.namespace(at).enter(|| {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        let all = rustix::net::Protocol::from_raw(std::num::NonZeroU32::new(u32::from(0x0800_u16.to_be())).expect("not zero"));
        socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::NONBLOCK, Some(all)).expect("packet socket")
    });
    assert!(is_open(lab, between[0], between[1], 7_001));
    std::thread::sleep(Duration::from_millis(50));
    let mut frame = [0_u8; 2_048];
    let mut seen = 0;
    while let Ok((length, _)) = rustix::net::recv(&socket, &mut frame, rustix::net::RecvFlags::empty()) {
        let ports = frame.get(34..38).filter(|_| length >= 38).map(|p| [u16::from_be_bytes([p[0], p[1]]), u16::from_be_bytes([p[2], p[3]])]);
        seen += usize::from(ports.is_some_and(|ports| ports.contains(&7_001)));
    }
    seen
}

#[test]
fn a_hub_sends_to_everybody_and_a_switch_to_whom_it_concerns() {
    in_own_namespaces("lans::a_hub_sends_to_everybody_and_a_switch_to_whom_it_concerns", || {
        let mut lab = lab(CLASSROOM);
        let hub = overheard(&mut lab, [("pc-1", "10.0.1.11"), ("pc-2", "10.0.1.12")], "host/pc-3");
        let switch = overheard(&mut lab, [("pc-4", "10.0.2.11"), ("pc-5", "10.0.2.12")], "host/pc-6");
        assert!(hub > 5 && switch == 0, "pc-3 at the hub saw {hub} frames, pc-6 at the switch {switch}");
    });
}

const CAMPUS: &str = "
lans:
  campus:
    routers:
      r-1:
        interfaces: { eth0: 10.0.1.1/24, eth1: 203.0.113.2/30, serial0: [] }
        routes: [10.0.2.0/24 dev serial0, default via 203.0.113.1]
        nat: eth1
        filter: [allow tcp/80 to 10.0.1.10, allow tcp from 10.0.2.0/24 in serial0, deny all in eth1]
      r-2: { interfaces: { eth0: 10.0.2.1/24, serial0: [] }, routes: [default dev serial0] }
    hosts:
      web: { address: 10.0.1.10/24, gateway: 10.0.1.1 }
      pc: { address: 10.0.2.10/24, gateway: 10.0.2.1 }
      isp: { address: 203.0.113.1/30, gateway: 203.0.113.2 }
    links: [web -- r-1:eth0, pc -- r-2:eth0, r-1:serial0 -- r-2:serial0 ppp, r-1:eth1 -- isp]
";

#[test]
fn a_router_filters_what_it_forwards_and_hides_addresses_and_a_line_needs_none() {
    in_own_namespaces("lans::a_router_filters_what_it_forwards_and_hides_addresses_and_a_line_needs_none", || {
        let mut lab = lab(CAMPUS);
        let (web, pc, isp) = (("web", "10.0.1.10"), ("pc", "10.0.2.10"), ("isp", "203.0.113.1"));
        assert!(is_open(&mut lab, pc, web, 22), "over a line without addresses");
        assert_eq!(lab.tcp("host/pc", pc.1, isp.1, 22, "host/isp").pair(), "203.0.113.2 > 203.0.113.1", "hidden behind eth1");
        assert!(is_open(&mut lab, isp, web, 80), "allowed from outside");
        assert!(!is_open(&mut lab, isp, web, 81), "nothing else is");
        assert!(!is_open(&mut lab, isp, pc, 80), "nor to another");
    });
}

#[test]
fn a_balancer_gives_connections_to_its_servers_in_turn() {
    in_own_namespaces("lans::a_balancer_gives_connections_to_its_servers_in_turn", || {
        let lab = lab("
lans:
  farm:
    switches: [s]
    balancers: { lb: { address: 10.0.1.2/24, virtual: 10.0.1.100, ports: [tcp/80], to: [w-1, w-2] } }
    hosts: { w-1: 10.0.1.21/24, w-2: 10.0.1.22/24, pc: 10.0.1.11/24 }
    links: [\"lb, w-1, w-2, pc -- s\"]
");
        let listeners = ["w-1", "w-2"].map(|name| {
            let listener = lab.namespace(&format!("host/{name}")).enter(|| std::net::TcpListener::bind("0.0.0.0:80").expect("listener"));
            listener.set_nonblocking(true).expect("listener");
            listener
        });
        for _ in 0..4 {
            lab.namespace("host/pc").enter(|| std::net::TcpStream::connect("10.0.1.100:80").expect("somebody answers"));
        }
        let came = listeners.map(|listener| {
            let peers: Vec<_> = std::iter::from_fn(|| listener.accept().ok()).map(|(_, peer)| peer.ip().to_string()).collect();
            assert!(peers.iter().all(|peer| peer == "10.0.1.2"), "servers see the balancer: {peers:?}");
            peers.len()
        });
        assert_eq!(came, [2, 2]);
    });
}

#[test]
fn ipv6_passes_a_router() {
    in_own_namespaces("lans::ipv6_passes_a_router", || {
        let lab = lab("
lans:
  l:
    switches: [s]
    routers: { r: { interfaces: { eth0: \"fd00:1::1/64\", eth1: \"fd00:2::1/64\" } } }
    hosts:
      a: { address: \"fd00:1::a/64\", gateway: \"fd00:1::1\" }
      b: { address: \"fd00:2::b/64\", gateway: \"fd00:2::1\" }
    links: [\"a, r:eth0 -- s\", b -- r:eth1]
");
        let listener = lab.namespace("host/b").enter(|| std::net::TcpListener::bind("[::]:80").expect("listener"));
        let target = "[fd00:2::b]:80".parse().expect("address");
        lab.namespace("host/a").enter(|| std::net::TcpStream::connect_timeout(&target, support::PATIENCE).expect("b answers"));
        let (_, peer) = listener.accept().expect("accepted");
        assert_eq!(peer.ip().to_string(), "fd00:1::a");
    });
}

#[test]
fn an_edit_leaves_the_connections_of_others_and_a_link_that_is_down_carries_nothing() {
    in_own_namespaces("lans::an_edit_leaves_the_connections_of_others_and_a_link_that_is_down_carries_nothing", || {
        let mut lab = lab(CLASSROOM);
        let (_, kept) = lab.connect("host/pc-4", "10.0.2.11", 0, "10.0.3.10", 80, "host/server");
        let mut kept = kept.expect("open");
        let more = CLASSROOM
            .replace("pc-6: {", "pc-7: { address: 10.0.2.17/24, gateway: 10.0.2.1 }\n      pc-6: {")
            .replace("pc-6, r-1:eth1 --", "pc-6, r-1:eth1, pc-7 --");
        lab.apply(&model(&more));
        assert!(kept.client_says() && kept.server_says(), "others talk on");
        assert!(is_open(&mut lab, ("pc-7", "10.0.2.17"), ("server", "10.0.3.10"), 81), "the new one talks too");
        let moved = more.replace("10.0.2.17/24", "10.0.2.27/24");
        lab.apply(&model(&moved));
        assert!(is_open(&mut lab, ("pc-7", "10.0.2.27"), ("server", "10.0.3.10"), 82), "at another address");
        lab.apply(&model(&moved.replace("ppp 64k 5ms", "ppp 64k 5ms down")));
        assert!(kept.client_is_cut(), "the line is down");
        lab.apply(&model(CLASSROOM));
        assert!(kept.server_says(), "it is up again");
    });
}

#[test]
fn whatever_the_kernel_holds_it_can_be_set_right() {
    in_own_namespaces("lans::whatever_the_kernel_holds_it_can_be_set_right", || {
        let mut lab = lab(&CAMPUS.replace(", pc -- r-2:eth0", ""));
        lab.believe(&model(CAMPUS));
        lab.reconcile();
        assert!(is_open(&mut lab, ("pc", "10.0.2.10"), ("web", "10.0.1.10"), 80));
        lab.reconcile();
        assert!(is_open(&mut lab, ("pc", "10.0.2.10"), ("web", "10.0.1.10"), 81), "a second time changes nothing");
        lab.believe(&model(&CAMPUS.replace("10.0.2.0/24 dev serial0, ", "")));
        lab.reconcile();
        assert!(!is_open(&mut lab, ("web", "10.0.1.10"), ("pc", "10.0.2.10"), 82), "a route that no plan has is gone");
    });
}

const BRANCH: &str = "
vpcs:
  shop: { cidr: 10.0.0.0/16, subnets: { private: { az: a, cidr: 10.0.1.0/24 } } }
security_groups:
  app: [tcp/80 from 192.168.1.0/24]
instances:
  app-1: { subnet: private, sg: app }
lans:
  branch:
    switches: [sw-1]
    routers:
      r-1: { interfaces: { eth0: 192.168.1.1/24, eth1: 192.168.2.1/30, eth2: 192.168.3.1/30 }, protocols: rip }
      r-2: { interfaces: { eth0: 192.168.3.2/30, eth1: 192.168.4.1/24 }, protocols: rip }
    hosts:
      desk: { address: 192.168.1.10/24, gateway: 192.168.1.1 }
      far: { address: 192.168.4.10/24, gateway: 192.168.4.1 }
    links:
      - desk, r-1:eth0 -- sw-1
      - r-1:eth2 -- r-2:eth0
      - far -- r-2:eth1
      - r-1:eth1 -- vpc:shop 50M
";

#[test]
fn a_lan_and_a_vpc_reach_each_other_as_groups_allow_and_nobody_translates() {
    in_own_namespaces("lans::a_lan_and_a_vpc_reach_each_other_as_groups_allow_and_nobody_translates", || {
        let model = model(BRANCH);
        let instance = model.instances.values().find(|i| model::tag::name(&i.tags) == Some("app-1")).expect("app-1");
        let (app, address) = (format!("instance/{}", instance.id), model.interfaces_of(&instance.id)[0].primary_address().to_string());
        let mut lab = Lab::with(&model, PLAIN);
        assert_eq!(lab.tcp("host/desk", "192.168.1.10", &address, 80, &app).pair(), format!("192.168.1.10 > {address}"));
        assert!(!lab.tcp("host/desk", "192.168.1.10", &address, 81, &app).is_open(), "no rule admits it");
        assert!(!lab.tcp("host/far", "192.168.4.10", &address, 80, &app).is_open(), "nor others of the lan");
        for (host, own) in [("host/desk", "192.168.1.10"), ("host/far", "192.168.4.10")] {
            assert_eq!(lab.tcp(&app, &address, own, 80, host).pair(), format!("{address} > {own}"), "by the table's route, and RIP");
        }
        lab.reconcile();
        assert!(lab.tcp("host/desk", "192.168.1.10", &address, 80, &app).is_open(), "set right, it is the same");
    });
}

#[test]
fn a_tunnel_cuts_what_may_be_cut_drops_the_rest_untold_and_lowers_the_segment_size() {
    in_own_namespaces("lans::a_tunnel_cuts_what_may_be_cut_drops_the_rest_untold_and_lowers_the_segment_size", || {
        let model = model(&BRANCH.replace("[tcp/80 from 192.168.1.0/24]", "[tcp/80 from 192.168.1.0/24, icmp from 192.168.0.0/16]"));
        let instance = model.instances.values().find(|i| model::tag::name(&i.tags) == Some("app-1")).expect("app-1");
        let (app, address) = (format!("instance/{}", instance.id), model.interfaces_of(&instance.id)[0].primary_address().to_string());
        let mut lab = Lab::with(&model, PLAIN);
        // 20 bytes of IPv4 and 8 of ICMP in 1,446 (L2-10).
        for (size, dont_fragment, comes) in [(1_418, true, true), (1_419, true, false), (1_419, false, true), (1_472, false, true)] {
            for (from, own, to) in [("host/desk", "192.168.1.10", address.as_str()), (app.as_str(), address.as_str(), "192.168.1.10")] {
                let answer = lab.echo(from, own, to, Echo { size, dont_fragment, ..Echo::default() });
                assert_eq!(answer.as_ref().map(|answer| answer.kind), comes.then_some(0), "{size} bytes from {from}, not to be cut: {dont_fragment}: {answer:?}");
            }
        }
        // Segments that nobody may cut and nobody hears of: they arrive where both sides were told to send small ones.
        let (_, kept) = lab.connect("host/desk", "192.168.1.10", 40_001, &address, 80, &app);
        let support::Kept { mut client, mut server } = kept.expect("a connection");
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(support::PATIENCE)).expect("a timeout");
            stream.set_nonblocking(false).expect("it waits");
        }
        let (sent, mut came) = (vec![7; 60_000], vec![0; 60_000]);
        client.write_all(&sent).expect("sent");
        server.read_exact(&mut came).expect("all of it came to the VPC");
        server.write_all(&sent).expect("sent");
        client.read_exact(&mut came).expect("all of it came to the lan");
    });
}
