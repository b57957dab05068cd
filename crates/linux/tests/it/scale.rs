//! Big clouds: what one apply costs, and that unprivileged transactions are big enough for it.

use std::time::Instant;

use crate::support::{Lab, World, in_own_namespaces};

/// A VPC with so many instances on subnets of 200.
fn crowd(count: usize) -> World {
    let mut world = World::new();
    world.vpc("a", "10.0.0.0/16");
    world.igw("a", "a");
    world.table("a", "a");
    world.route("a", "0.0.0.0/0", "igw-a");
    world.group("a", "a", &["tcp 80 0.0.0.0/0", "all sg-a"]);
    for subnet in 0..count.div_ceil(200) {
        world.subnet(&format!("s{subnet}"), "a", &format!("10.0.{subnet}.0/24"), "a");
    }
    for number in 0..count {
        let (subnet, host) = (number / 200, number % 200 + 10);
        world.instance(&format!("n{number}"), &format!("s{subnet}"), &format!("10.0.{subnet}.{host}"), "a");
    }
    world
}

#[test]
fn hundreds_of_instances_come_change_and_go() {
    in_own_namespaces("scale::hundreds_of_instances_come_change_and_go", || {
        // VPCLAB_SCALE=1000 for the figures of the design document.
        let count = std::env::var("VPCLAB_SCALE").map_or(300, |text| text.parse().expect("number"));
        let mut world = crowd(count);
        let start = Instant::now();
        let mut lab = Lab::of(&world);
        println!("{count} instances up in {:?}", start.elapsed());
        assert!(lab.tcp("n0", "10.0.0.10", "10.0.1.109", 80, "n299").is_open());
        assert!(lab.tcp("n299", "10.0.1.109", "10.0.0.10", 8080, "n0").is_open());
        let start = Instant::now();
        world.allow_in("a", "udp 53 10.0.0.0/8");
        lab.apply(&world.model);
        println!("one rule in {:?}", start.elapsed());
        assert!(lab.udp("n5", "10.0.0.15", "10.0.1.109", 53, "n299").is_open());
        for number in 1..count {
            let name = format!("n{number}");
            world.model.network_interfaces.remove(&format!("eni-{name}").parse().expect("id"));
            world.model.instances.remove(&format!("i-{name}").parse().expect("id"));
            world.model.guests.remove(&format!("i-{name}").parse().expect("id"));
        }
        let start = Instant::now();
        lab.apply(&world.model);
        println!("all others down in {:?}", start.elapsed());
        world.instance("m", "s1", "10.0.1.10", "a");
        lab.apply(&world.model);
        assert!(lab.tcp("n0", "10.0.0.10", "10.0.1.10", 80, "m").is_open());
    });
}

#[test]
#[ignore = "takes a minute: the kernel walks all counted connections for every new one"]
fn a_nat_gateway_has_room_for_55_000_connections_to_one_destination() {
    in_own_namespaces("scale::a_nat_gateway_has_room_for_55_000_connections_to_one_destination", || {
        // NAT-11, with datagrams: a flow each, and no handshake to wait for.
        let mut lab = Lab::of(&World::t3());
        let server = lab.namespace("internet").enter(|| std::net::UdpSocket::bind(("192.0.2.77", 7)).expect("bind"));
        server.set_nonblocking(true).expect("socket");
        let mut buffer = [0u8; 8];
        let mut opened = 0;
        let start = Instant::now();
        for (name, source) in [("app1", "10.0.10.10"), ("app2", "10.0.10.11")] {
            for ports in (1_025..30_025u16).collect::<Vec<_>>().chunks(500) {
                let clients: Vec<_> = lab.namespace(name).enter(|| {
                    ports.iter().map(|port| std::net::UdpSocket::bind((source, *port)).expect("bind")).collect()
                });
                for client in clients {
                    client.send_to(b"x", ("192.0.2.77", 7)).expect("send");
                    opened += usize::from(server.recv_from(&mut buffer).is_ok());
                }
            }
        }
        println!("{opened} of 58000 connections in {:?}", start.elapsed());
        assert_eq!(opened, 55_000);
        let drops = lab.why();
        assert!(drops.iter().all(|prefix| prefix == "nat-limit"), "{drops:?}");
        // Another port is another destination.
        assert!(lab.udp("app1", "10.0.10.10", "192.0.2.77", 8, "internet").is_open());
    });
}
