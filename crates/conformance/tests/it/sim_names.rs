//! Names in the simulator: what instances get from the resolver of their VPC, by which name server and search domain, over UDP and
//! TCP, and why there is no answer where there is none.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::Fabric;
use lab::load;
use model::{Context, Model, Region, Timestamp};
use sim::app::{AppId, ConnectSpec, DatagramSpec, End, LookupSpec, Outcome};
use sim::host::Host;
use sim::{Bounds, NodeId, Reason, Span, Verb, World};
use wire::dns::{Kind, Query, Response};

use crate::any_frames::One;

const LAB: &str = "
region: us-east-1
outside:
  office: 203.0.113.7
vpcs:
  shop:
    cidr: 10.0.0.0/16
    ipv6: true
    subnets:
      front: { az: a, cidr: 10.0.1.0/24, ipv6: true, route: igw }
  mute:
    cidr: 10.1.0.0/16
    dns_support: false
    dns_hostnames: false
    subnets:
      quiet: { az: a, cidr: 10.1.1.0/24 }
  own:
    cidr: 10.2.0.0/16
    dhcp: { domain_name: ec2.internal corp.test, domain_name_servers: [8.8.8.8, AmazonProvidedDNS] }
    subnets:
      ward: { az: a, cidr: 10.2.1.0/24, route: igw }
security_groups:
  web: { vpc: shop, rules: [tcp/80 from anywhere] }
  shut: { vpc: mute, rules: [] }
  ill: { vpc: own, rules: [] }
instances:
  web-1: { subnet: front, sg: web, private_ip: 10.0.1.10, public_ip: true, ipv6: true }
  web-2: { subnet: front, sg: web, private_ip: 10.0.1.11 }
  mouse: { subnet: quiet, sg: shut, private_ip: 10.1.1.10 }
  nurse: { subnet: ward, sg: ill, private_ip: 10.2.1.10 }
  ghost: { subnet: ward, sg: ill, private_ip: 10.2.1.11, public_ip: true }
";

struct Lab {
    world: World,
}

impl Lab {
    fn new() -> Self {
        let mut model = Model::new("000000000000", Region("us-east-1".to_owned()), Context::seeded(1, Timestamp::default()));
        let lab = load("lab.yaml", &One(LAB)).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        lab.apply(&mut model).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let fabric = Arc::new(Fabric::compile(&model));
        let mut world = World::new(Arc::new(model), fabric, 1, Bounds::default()).expect("a world");
        world.serve_listeners();
        Self { world }
    }

    fn node(&self, name: &str) -> NodeId {
        self.world.cloud.simulator.find(name).unwrap_or_else(|| panic!("{name} is there"))
    }

    fn run(&mut self, name: &str, start: impl FnOnce(&mut Host, &mut sim::Context<'_>) -> AppId) -> Outcome {
        let node = self.node(name);
        let simulator = self.world.simulator();
        let app = simulator.with(node, start).expect("a host");
        let until = simulator.now() + Span::seconds(30);
        simulator.run_until(until, 100_000);
        simulator.get::<Host>(node).expect("a host").progress(app).clone()
    }

    fn ask(&mut self, name: &str, spec: LookupSpec) -> (End, String) {
        let outcome = self.run(name, |host, context| host.lookup(context, spec));
        (outcome.end, String::from_utf8_lossy(&outcome.data).trim_end().to_owned())
    }

    fn at(server: &str, name: &str) -> LookupSpec {
        LookupSpec { servers: vec![address(server)], ..LookupSpec::new(name) }
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn public_address(lab: &Lab) -> String {
    let fabric = lab.world.cloud.fabric();
    let web = fabric.interfaces.values().find(|own| own.name == "web-1").expect("web-1");
    web.addresses[0].public.expect("a public address").to_string().replace('.', "-")
}

#[test]
fn instances_ask_the_resolver_of_their_vpc_for_every_name_that_it_has() {
    let mut lab = Lab::new();
    let public = public_address(&lab);
    let found = |text: &str| (End::Answered, text.to_owned());
    let none = || (End::Failed(Reason::NoSuchName), String::new());
    let v6 = {
        let fabric = lab.world.cloud.fabric();
        let held = fabric.interfaces.values().find(|own| own.name == "web-1").expect("web-1");
        held.ipv6[0]
    };
    let aaaa = LookupSpec { kinds: vec![Kind::AAAA], ..LookupSpec::new("web-1") };
    let of_public = format!("ec2-{public}.compute-1.amazonaws.com");
    for (spec, expected) in [
        (LookupSpec::new("web-1"), found("web-1.ec2.internal A 10.0.1.10")),
        (LookupSpec::new("WEB-2.ec2.internal"), found("WEB-2.ec2.internal A 10.0.1.11")),
        (aaaa, found(&format!("web-1.ec2.internal AAAA {v6}"))),
        (LookupSpec::new("ip-10-0-9-9.ec2.internal"), found("ip-10-0-9-9.ec2.internal A 10.0.9.9")),
        (LookupSpec::new("ip-10-1-1-10.ec2.internal"), none()),
        (LookupSpec::new(&of_public), found(&format!("{of_public} A 10.0.1.10"))),
        (LookupSpec::new("office"), found("office A 203.0.113.7")),
        (LookupSpec::new("mouse"), none()),
        (LookupSpec::new("web-1."), none()),
        (LookupSpec::new("example.com"), none()),
        (LookupSpec::reverse(address("10.0.1.11")), found("11.1.0.10.in-addr.arpa PTR ip-10-0-1-11.ec2.internal")),
        (LookupSpec::reverse(address("10.0.9.9")), none()),
    ] {
        assert_eq!(lab.ask("web-2", spec.clone()), expected, "{spec:?}");
    }
}

#[test]
fn the_resolver_has_three_addresses_and_the_public_dns_another_view() {
    let mut lab = Lab::new();
    let public = format!("ec2-{}.compute-1.amazonaws.com", public_address(&lab));
    let outside = public_address(&lab).replace('-', ".");
    for (server, inside) in [("10.0.0.2", "10.0.1.10"), ("169.254.169.253", "10.0.1.10"), ("fd00:ec2::253", "10.0.1.10"), ("8.8.8.8", &outside)] {
        if lab.world.cloud.fabric().is_outside_host(address(server)) {
            lab.world.cloud.host(address(server));
        }
        let (end, said) = lab.ask("web-1", Lab::at(server, &public));
        assert_eq!((end, said), (End::Answered, format!("{public} A {inside}")), "{server}");
    }
}

#[test]
fn a_resolver_that_is_off_says_nothing_and_the_trace_says_why() {
    let mut lab = Lab::new();
    let (end, _) = lab.ask("mouse", LookupSpec::new("office"));
    assert_eq!(end, End::Nothing);
    let (simulator, fabric) = (&lab.world.cloud.simulator, lab.world.cloud.fabric());
    let view = sim::view::View::new(simulator).with_fabric(fabric);
    let drops = simulator.trace().events().iter().filter(|event| event.verb == Verb::Drop);
    let said: Vec<String> = drops.map(|event| sim::view::why::sentence(&view, &event)).collect();
    assert!(!said.is_empty() && said.iter().all(|why| why.contains("DNS support is off in this VPC")), "{said:?}");
}

#[test]
fn an_option_set_says_whom_instances_ask_and_what_completes_names() {
    let mut lab = Lab::new();
    let servers = |lab: &Lab, name: &str| lab.world.cloud.simulator.get::<Host>(lab.node(name)).expect("a host").name_servers();
    assert_eq!(servers(&lab, "nurse"), [address("8.8.8.8"), address("10.2.0.2")]);
    assert_eq!(servers(&lab, "web-1"), [address("10.0.0.2")], "AmazonProvidedDNS");
    // Without a public address nobody gets to the first server: the second is asked when it has been waited for.
    let ghost = "ghost.ec2.internal A 10.2.1.11".to_owned();
    assert_eq!(lab.ask("nurse", LookupSpec::new("ghost")), (End::Answered, ghost));
    // The first one answers, and knows no names of the VPC.
    assert_eq!(lab.ask("ghost", LookupSpec::new("nurse")).0, End::Failed(Reason::NoSuchName));
    let asked: Vec<String> = {
        let simulator = &lab.world.cloud.simulator;
        let frames = simulator.trace().events().iter().filter(|event| event.verb == Verb::Receive && simulator.name(event.node) == "8.8.8.8");
        frames.filter_map(|event| Query::parse(simulator.frames().bytes(event.frame).get(42..)?).ok()).map(|query| query.name).collect()
    };
    assert_eq!(asked, ["nurse.ec2.internal", "nurse.corp.test", "nurse"]);
}

#[test]
fn bytes_that_are_no_question_are_answered_as_name_servers_do() {
    let mut lab = Lab::new();
    for (bytes, end, code) in [(&b"vpclab"[..], End::Nothing, None), (b"vpclab probe", End::Answered, Some(1))] {
        let outcome = lab.run("web-1", |host, context| host.datagram(context, DatagramSpec::new(address("10.0.0.2"), 53, bytes)));
        assert_eq!((outcome.end, outcome.data.get(3).map(|flags| flags & 0xf)), (end, code), "{bytes:?}");
    }
}

#[test]
fn questions_come_over_connections_too() {
    let mut lab = Lab::new();
    let question = Query::new(7, "web-1.ec2.internal", Kind::A).emit().expect("a question");
    let message = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
    let node = lab.node("web-2");
    let spec = ConnectSpec { keep_open: true, ..ConnectSpec::new(address("10.0.0.2"), 53) };
    let simulator = lab.world.simulator();
    let app = simulator.with(node, |host: &mut Host, context| host.connect(context, spec)).expect("a host");
    simulator.run_until(simulator.now() + Span::seconds(1), 10_000);
    simulator.with(node, |host: &mut Host, context| host.send_on(context, app, &message));
    simulator.run_until(simulator.now() + Span::seconds(1), 10_000);
    let outcome = simulator.get::<Host>(node).expect("a host").progress(app).clone();
    let (id, answer) = Response::parse(outcome.data.get(2..).unwrap_or_default()).expect("an answer");
    assert_eq!((id, answer.addresses()), (7, vec![address("10.0.1.10")]));
}

#[test]
fn more_than_1024_questions_a_second_from_one_interface_are_not_answered() {
    let mut lab = Lab::new();
    let question = Query::new(7, "office", Kind::A).emit().expect("a question");
    // The router is known from then on, and keeps nobody waiting.
    lab.ask("web-1", LookupSpec::new("office"));
    let node = lab.node("web-1");
    let simulator = lab.world.simulator();
    let next = simulator.now().seconds() + 1;
    simulator.run_until(sim::Time::ZERO + Span::seconds(next), 10_000);
    let apps: Vec<AppId> = (0..1_100)
        .map(|at| {
            if at % 50 == 0 {
                simulator.run_until(simulator.now() + Span::milliseconds(10), 10_000);
            }
            let spec = DatagramSpec { timeout: Span::milliseconds(500), ..DatagramSpec::new(address("10.0.0.2"), 53, &question) };
            simulator.with(node, |host: &mut Host, context| host.datagram(context, spec)).expect("a host")
        })
        .collect();
    simulator.run_until(simulator.now() + Span::seconds(2), 1_000_000);
    let host: &Host = simulator.get(node).expect("a host");
    let answered = apps.iter().filter(|app| host.progress(**app).end == End::Answered).count();
    assert_eq!(answered, 1_024, "DNS-1");
}
