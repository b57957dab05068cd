//! Resets: a refusal is the answer to what was asked, on whatever way it comes back; a reset that nobody asked for is a
//! packet like any other (SG-16).

use crate::support::{self, Lab, World, in_own_namespaces, tcp};

#[test]
fn a_reset_comes_back_through_an_appliance() {
    in_own_namespaces("resets::a_reset_comes_back_through_an_appliance", || {
        const REFUSED: Result<(), std::io::ErrorKind> = Err(std::io::ErrorKind::ConnectionRefused);
        const SILENCE: Result<(), std::io::ErrorKind> = Err(std::io::ErrorKind::TimedOut);
        let heard = |lab: &mut Lab, from: &str, to: &str, port: u16| knock(lab, from, to, port, support::PATIENCE);
        let unheard = |lab: &mut Lab, from: &str, to: &str, port: u16| knock(lab, from, to, port, support::SILENCE);
        let mut world = World::mb();
        world.clear_out("fw");
        // `fw` admits TCP 80 on, and towards `srv` alone: nothing that a reset back to `cli` could pass by.
        world.revoke_in("fw", "all 10.3.0.0/16");
        world.allow_in("fw", "tcp 80 10.3.1.0/24");
        world.allow_out("fw", "tcp 80 10.3.3.0/24");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        // SG-16, in both passes, each time anew.
        for _ in 0..3 {
            assert_eq!(heard(lab, "cli", "10.3.3.10", 80), REFUSED, "drops: {:?}", lab.why());
        }
        assert_eq!(lab.drops(), [""; 0]);
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "10.3.1.10 > 10.3.3.10");
        // Nobody asked for these: neither the first pass nor the second lets them in.
        send_reset(lab, "srv", ("10.3.3.10", 80), ("10.3.1.10", 40_000));
        assert_eq!(wait_for_drops(lab), ["sg-in"]);
        world.allow_in("fw", "all 10.3.0.0/16");
        world.allow_out("fw", "all 0.0.0.0/0");
        lab.apply(&world.model);
        send_reset(lab, "srv", ("10.3.3.10", 80), ("10.3.1.10", 40_000));
        assert_eq!(wait_for_drops(lab), ["sg-in"]);
        // Why that needs care: Linux forgets a flow whose only answer is a reset at once, an open one keeps its entry.
        let states = |lab: &mut Lab| -> Vec<Option<u8>> {
            let socket = lab.netlink("vpc/vpc-m", netlink::Protocol::Netfilter);
            let entries = netlink::conntrack::dump(socket).expect("dump");
            entries.iter().filter(|e| e.original.protocol == 6).map(|e| e.tcp_state).collect()
        };
        let open = states(lab).len();
        assert_eq!(heard(lab, "cli", "10.3.3.10", 80), REFUSED);
        assert_eq!((open, states(lab).len()), (1, 1));
        // Once a reset is through, no other passes in its name: `srv` sends a second one for the same ports.
        let port = refused_from(lab, "cli", "10.3.3.10", 80);
        send_reset(lab, "srv", ("10.3.3.10", 80), ("10.3.1.10", port));
        assert_eq!(wait_for_drops(lab), ["sg-in"]);
        // The other way round: from `srv`, whose answers come from `cli`.
        assert_eq!(heard(lab, "srv", "10.3.1.10", 22), REFUSED, "drops: {:?}", lab.why());
        assert_eq!(unheard(lab, "srv", "10.3.1.10", 23), SILENCE);
        assert_eq!(lab.why(), ["sg-in"]);
        // A new flow meets the new rules.
        world.revoke_in("fw", "all 10.3.0.0/16");
        lab.apply(&world.model);
        assert_eq!(unheard(lab, "srv", "10.3.1.10", 22), SILENCE);
        assert_eq!(lab.why(), ["sg-in"]);
    });
}

/// Connects to a port at which nobody listens.
fn knock(lab: &mut Lab, from: &str, to: &str, port: u16, patience: std::time::Duration) -> Result<(), std::io::ErrorKind> {
    let target = format!("{to}:{port}").parse().expect("address");
    lab.namespace(from)
        .enter(|| std::net::TcpStream::connect_timeout(&target, patience).map(|_| ()))
        .map_err(|error| error.kind())
}

/// Connects to a port at which nobody listens; returns the port from which.
fn refused_from(lab: &Lab, from: &str, to: &str, port: u16) -> u16 {
    use rustix::net::{AddressFamily, SocketType};
    let to = std::net::SocketAddrV4::new(to.parse().expect("address"), port);
    lab.namespace(from).enter(|| {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("socket");
        rustix::net::bind(&socket, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 41_000)).expect("bind");
        assert_eq!(rustix::net::connect(&socket, &to), Err(rustix::io::Errno::CONNREFUSED));
        41_000
    })
}

/// Sends a reset from a raw socket.
fn send_reset(lab: &Lab, from: &str, source: (&str, u16), to: (&str, u16)) {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto};
    let [source_address, to_address] = [source.0, to.0].map(|a| a.parse::<std::net::Ipv4Addr>().expect("address"));
    let mut segment = [source.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x14, 0, 0, 0, 0, 0, 0]);
    let pseudo = [&source_address.octets()[..], &to_address.octets(), &[0, 6, 0, segment.len() as u8], &segment].concat();
    segment[16..18].copy_from_slice(&support::icmp::checksum(&pseudo).to_be_bytes());
    let (inet, raw, flags) = (AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC);
    let socket = lab.namespace(from).enter(|| rustix::net::socket_with(inet, raw, flags, Some(ipproto::TCP)));
    let socket = socket.expect("raw socket");
    rustix::net::bind(&socket, &std::net::SocketAddrV4::new(source_address, 0)).expect("bind");
    rustix::net::sendto(&socket, &segment, SendFlags::empty(), &std::net::SocketAddrV4::new(to_address, 0)).expect("send");
}

/// What was dropped, as soon as something was.
fn wait_for_drops(lab: &mut Lab) -> Vec<String> {
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let drops = lab.why();
        if !drops.is_empty() || std::time::Instant::now() > deadline {
            return drops;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
