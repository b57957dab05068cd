//! Docker's stages by facts alone: one row a cause.

use std::net::IpAddr;

use fabric::dock::way::{self, Asked};
use fabric::dock::{Cause, Container, Dock, Fate, Lead, Life, Listening, Network, Place, fate};
use model::container::PortProtocol::{self, Tcp, Udp};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(name: &str, subnet: &str, is_internal: bool, icc: bool) -> Network {
    let bridge = if name == "bridge" { "docker0".to_owned() } else { format!("br-{name}") };
    Network { name: name.to_owned(), bridge, subnet: Some(subnet.parse().unwrap()), is_internal, icc, masquerade: true }
}

fn listening(at: &str, port: u16) -> Listening {
    Listening { protocol: Tcp, address: address(at), port, program: Some("httpd".to_owned()) }
}

fn lead(protocol: PortProtocol, at: &str, port: u16, container_port: u16) -> Lead {
    Lead { protocol, address: address(at), port, container_port }
}

fn container(name: &str, at: &[(usize, &str)], published: Vec<Lead>, sockets: Vec<Listening>) -> Container {
    Container {
        name: name.to_owned(),
        life: Life::Running(None),
        place: Place::Bridges(at.iter().map(|(network, own)| (*network, Some(address(own)))).collect()),
        published,
        exposed: Some(Vec::new()),
        listening: Some(sockets),
        may_ping: true,
        has_way_out: Some(true),
    }
}

/// site at docker0 and in `back`, db in `back`, two in `quiet`, one in `inner`.
fn dock() -> Dock {
    let any = "0.0.0.0";
    Dock {
        instance: "web-1".to_owned(),
        address: Some(address("10.0.0.4")),
        networks: vec![
            network("bridge", "172.17.0.0/16", false, true),
            network("back", "172.18.0.0/16", false, true),
            network("quiet", "172.19.0.0/16", false, false),
            network("inner", "172.20.0.0/16", true, true),
        ],
        containers: vec![
            container(
                "site",
                &[(0, "172.17.0.2"), (1, "172.18.0.2")],
                vec![lead(Tcp, any, 8080, 80), lead(Tcp, "127.0.0.1", 8081, 80), lead(Udp, any, 8082, 53), lead(Tcp, any, 8083, 81), lead(Tcp, "10.0.0.9", 8084, 80)],
                vec![listening(any, 80), listening("127.0.0.1", 81), listening("172.18.0.2", 82)],
            ),
            container("db", &[(1, "172.18.0.3")], Vec::new(), vec![listening("::", 5432)]),
            container("q1", &[(2, "172.19.0.2")], Vec::new(), Vec::new()),
            container("q2", &[(2, "172.19.0.3")], Vec::new(), vec![listening(any, 80)]),
            container("in", &[(3, "172.20.0.2")], vec![lead(Tcp, any, 8090, 80)], vec![listening(any, 80)]),
        ],
        programs: Some(vec![listening(any, 22)]),
        forward_drops: None,
        is_live: true,
    }
}

fn cause(steps: &[fabric::dock::Step]) -> (Fate, Option<Cause>) {
    (fate(steps), steps.iter().find(|step| step.blocks()).and_then(|step| step.cause))
}

#[test]
fn a_published_port_leads_to_whoever_listens_or_says_why_not() {
    use Fate::{Dropped, Passes, Refused};
    for (protocol, port, expected) in [
        (Tcp, 8080, (Passes, None)),
        (Tcp, 8081, (Refused, Some(Cause::PublishedOnLoopback))),
        (Tcp, 8082, (Refused, Some(Cause::OtherProtocol))),
        (Udp, 8082, (Refused, Some(Cause::NobodyListens))),
        (Tcp, 8083, (Refused, Some(Cause::ListensOnLoopback))),
        (Tcp, 8084, (Refused, Some(Cause::PublishedElsewhere))),
        (Tcp, 8090, (Dropped, Some(Cause::InternalNetwork))),
        (Tcp, 80, (Refused, Some(Cause::NotPublished))),
        (Tcp, 5432, (Refused, Some(Cause::NotPublished))),
        (Tcp, 22, (Passes, None)),
        (Tcp, 9999, (Refused, Some(Cause::NobodyListens))),
    ] {
        let dock = dock();
        let steps = way::enter(&dock, dock.address, protocol, port);
        assert_eq!(cause(&steps), expected, "{protocol:?} {port}: {steps:?}");
        assert!(steps.iter().all(|step| !step.blocks() || !step.text.is_empty()));
    }
}

#[test]
fn what_a_container_does_decides_before_its_sockets_are_looked_at() {
    for (life, expected) in [
        (Life::Running(Some("unhealthy")), (Fate::Passes, None)),
        (Life::Paused, (Fate::Silent, Some(Cause::Paused))),
        (Life::Restarting(1), (Fate::Refused, Some(Cause::Restarting))),
        (Life::Exited(3, false), (Fate::Refused, Some(Cause::Exited))),
        (Life::Exited(137, true), (Fate::Refused, Some(Cause::OutOfMemory))),
        (Life::Created(String::new()), (Fate::Refused, Some(Cause::NotStarted))),
        (Life::Created("port 8080 of the instance is in use".into()), (Fate::Refused, Some(Cause::PortTaken))),
    ] {
        let mut dock = dock();
        dock.containers[0].life = life.clone();
        let steps = way::enter(&dock, dock.address, Tcp, 8080);
        assert_eq!(cause(&steps), expected, "{life:?}");
    }
    // One of two that ask for a port has it: the one that runs.
    let mut dock = dock();
    let mut other = dock.containers[0].clone();
    (other.name, other.life) = ("old".to_owned(), Life::Exited(0, false));
    dock.containers.insert(0, other);
    assert_eq!(cause(&way::enter(&dock, dock.address, Tcp, 8080)), (Fate::Passes, None));
}

#[test]
fn containers_reach_each_other_by_a_network_that_both_are_in() {
    let dock = dock();
    let one = |name: &str| dock.container(name).unwrap();
    for (from, to, port, expected) in [
        ("site", "db", 5432, (Fate::Passes, None)),
        ("db", "site", 80, (Fate::Passes, None)),
        ("db", "site", 82, (Fate::Passes, None)),
        ("db", "q2", 80, (Fate::Dropped, Some(Cause::DifferentNetworks))),
        ("q1", "q2", 80, (Fate::Dropped, Some(Cause::IccOff))),
        ("site", "db", 5433, (Fate::Refused, Some(Cause::NobodyListens))),
    ] {
        let steps = way::between(&dock, one(from), one(to), Asked::Port(Tcp, port));
        assert_eq!(cause(&steps), expected, "{from} -> {to} {port}: {steps:?}");
    }
    assert!(way::names(&dock, one("site"), one("db")).is_none(), "names are answered in networks that somebody made");
}

#[test]
fn what_leaves_a_container_leaves_as_its_instance_or_not_at_all() {
    let mut dock = dock();
    let leave = |dock: &Dock, name: &str, to: &str, asked| cause(&way::leave(dock, dock.container(name).unwrap(), Some(address(to)), asked));
    let port = Asked::Port(Tcp, 443);
    assert_eq!(leave(&dock, "site", "10.0.1.7", port), (Fate::Passes, None));
    let steps = way::leave(&dock, dock.container("site").unwrap(), None, port);
    assert_eq!(steps.last().unwrap().from.as_deref(), Some("10.0.0.4"), "the VPC sees the instance");
    assert_eq!(leave(&dock, "in", "10.0.1.7", port), (Fate::Dropped, Some(Cause::InternalNetwork)));
    assert_eq!(leave(&dock, "site", "172.18.9.9", port), (Fate::Dropped, Some(Cause::ShadowedBySubnet)));
    dock.containers[0].may_ping = false;
    assert_eq!(leave(&dock, "site", "10.0.1.7", Asked::Echo), (Fate::Refused, Some(Cause::MissingCapability)));
    dock.containers[0].has_way_out = Some(false);
    assert_eq!(leave(&dock, "site", "10.0.1.7", port), (Fate::Dropped, Some(Cause::NoDefaultRoute)));
    dock.forward_drops = Some("ip filter/FORWARD".to_owned());
    assert_eq!(leave(&dock, "db", "10.0.1.7", port), (Fate::Dropped, Some(Cause::ForwardDropped)));
    dock.containers[1].place = Place::None;
    assert_eq!(leave(&dock, "db", "10.0.1.7", port), (Fate::Dropped, Some(Cause::NoNetwork)));
    dock.containers[1].place = Place::Host;
    assert_eq!(leave(&dock, "db", "10.0.1.7", port), (Fate::Passes, None));
}
