//! Connections and sockets of a real kernel: listed, aged, marked, deleted.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use netlink::conntrack::{self, Change, Layer4, Tuple, tcp_state};
use netlink::nft::build::{ct_state_is, verdict};
use netlink::nft::{Chain, Expr, Family, Hook, NatKind, Reg, Table, TableFlags, Transaction, Verdict, ct_state, priority};
use netlink::rtnl::Family as Addresses;
use netlink::sock_diag::{self, State, Transport};
use netlink::{Batch, Protocol, Socket};

use crate::common::{PATIENCE, Router, delivered, in_own_namespaces, ip};

/// Conntrack is on where a rule asks for it; the source of what goes to the server is translated.
fn translate(router: &mut Router) {
    let table = Table::new(Family::Ip, "nat");
    let mut change = Transaction::new();
    change.add_table(&table, TableFlags::default());
    change.add_chain(&table, &Chain::base("forward", Hook::Forward, priority::FILTER));
    change.append(&table, "forward", &[ct_state_is(ct_state::INVALID), verdict(Verdict::Drop)].concat());
    change.add_chain(&table, &Chain::base("srcnat", Hook::Postrouting, priority::SRCNAT).nat());
    let address = Expr::Immediate { register: Reg(0), value: vec![10, 0, 2, 1] };
    let nat = Expr::Nat { kind: NatKind::Source, family: Family::Ip, address: Some((Reg(0), None)), port: None, flags: 0 };
    change.append(&table, "srcnat", &[netlink::nft::build::oif_name("v200"), vec![address, nat]].concat());
    change.commit(&mut router.nft).expect("nat");
}

#[test]
fn an_entry_is_read_marked_aged_and_deleted() {
    in_own_namespaces("conntrack::an_entry_is_read_marked_aged_and_deleted", || {
        let mut router = Router::new();
        translate(&mut router);
        let client = router.client.udp("10.0.1.2:4000");
        let server = router.server.udp("10.0.2.2:5005");
        assert_eq!(delivered(&client, "10.0.2.2:5005", &server, b"x").to_string(), "10.0.2.1:4000");
        let mut ct = Socket::open(Protocol::Netfilter).expect("socket");
        let tuple = Tuple::ports(17, (ip("10.0.1.2"), 4000), (ip("10.0.2.2"), 5005));
        let found = conntrack::get(&mut ct, &tuple, 0).expect("tracked");
        assert_eq!(found.original, tuple);
        assert_eq!(found.reply, Tuple::ports(17, (ip("10.0.2.2"), 5005), (ip("10.0.2.1"), 4000)));
        assert_ne!(found.status & conntrack::status::SRC_NAT, 0);
        assert_eq!(conntrack::dump(&mut ct).expect("dump").iter().map(|c| c.original).collect::<Vec<_>>(), [tuple]);
        let usage = conntrack::usage(&mut ct).expect("usage");
        assert_eq!(usage.entries, 1);
        assert!(usage.maximum > 1);

        let mut batch = Batch::new();
        let wanted = Change { timeout: Some(Duration::from_secs(5000)), mark: Some((0xff, 0x0f)) };
        conntrack::change(&mut batch, &tuple, 0, &wanted);
        ct.execute(&batch).expect("change");
        let changed = conntrack::get(&mut ct, &tuple, 0).expect("tracked");
        assert_eq!(changed.mark, 0x0f, "only the bits of the mask");
        assert!((4990..=5000).contains(&changed.timeout.as_secs()), "{:?}", changed.timeout);

        let mut batch = Batch::new();
        conntrack::change(&mut batch, &tuple, 0, &Change { timeout: Some(Duration::ZERO), mark: None });
        ct.execute(&batch).expect("age");
        assert!(conntrack::get(&mut ct, &tuple, 0).is_err(), "it has expired");

        delivered(&client, "10.0.2.2:5005", &server, b"x");
        let mut batch = Batch::new();
        conntrack::delete(&mut batch, &tuple, 0);
        conntrack::delete(&mut batch, &tuple, 0);
        let refusals = ct.execute_all(&batch).expect("sent");
        assert_eq!(refusals.iter().map(|r| (r.index, r.errno)).collect::<Vec<_>>(), [(Some(1), libc::ENOENT)]);
    });
}

#[test]
fn tcp_state_is_read_and_a_flush_forgets() {
    in_own_namespaces("conntrack::tcp_state_is_read_and_a_flush_forgets", || {
        let mut router = Router::new();
        translate(&mut router);
        let listener = router.server.enter(|| TcpListener::bind("10.0.2.2:80").expect("listen"));
        let mut stream = router.client.enter(|| TcpStream::connect("10.0.2.2:80").expect("connect"));
        let (_accepted, from) = listener.accept().expect("accept");
        assert_eq!(from.ip(), ip("10.0.2.1"));
        stream.write_all(b"12345").expect("write");
        let local = stream.local_addr().expect("local");

        let mut ct = Socket::open(Protocol::Netfilter).expect("socket");
        let tuple = Tuple::ports(6, (local.ip(), local.port()), (ip("10.0.2.2"), 80));
        let found = conntrack::get(&mut ct, &tuple, 0).expect("tracked");
        assert_eq!(found.tcp_state, Some(tcp_state::ESTABLISHED));

        let mut diag = router.server.socket(Protocol::SockDiag);
        let deadline = Instant::now() + PATIENCE;
        let open = loop {
            let open = sock_diag::dump(&mut diag, Transport::Tcp, Addresses::V4).expect("dump");
            if open.iter().any(|socket| socket.receive_queue == 5) || Instant::now() > deadline {
                break open;
            }
        };
        let listening = open.iter().find(|socket| socket.state == State::Listen).expect("listener");
        assert_eq!(listening.local, "10.0.2.2:80".parse().unwrap());
        let connected = open.iter().find(|socket| socket.state == State::Established).expect("connection");
        assert_eq!((connected.remote, connected.receive_queue), (from, 5));
        assert_ne!(connected.inode, 0);
        let udp = router.server.udp("[::]:53");
        let found = sock_diag::listeners(&mut diag).expect("listeners");
        let local: Vec<String> = found.iter().map(|socket| socket.local.to_string()).collect();
        assert_eq!(local, ["10.0.2.2:80", "[::]:53"]);
        drop(udp);

        let mut batch = Batch::new();
        conntrack::flush(&mut batch);
        ct.execute(&batch).expect("flush");
        assert_eq!(conntrack::usage(&mut ct).expect("usage").entries, 0);
    });
}

#[test]
fn an_echo_is_tracked_by_its_identifier() {
    in_own_namespaces("conntrack::an_echo_is_tracked_by_its_identifier", || {
        let mut router = Router::new();
        translate(&mut router);
        let echo = [8, 0, 0xb3, 0xcb, 0x44, 0x33, 0, 1];
        router.client.enter(|| {
            let socket = rustix::net::socket(
                rustix::net::AddressFamily::INET,
                rustix::net::SocketType::RAW,
                Some(rustix::net::ipproto::ICMP),
            )
            .expect("raw socket");
            let to: std::net::SocketAddrV4 = "10.0.2.2:0".parse().unwrap();
            rustix::net::sendto(&socket, &echo, rustix::net::SendFlags::empty(), &to).expect("send");
        });
        let mut ct = Socket::open(Protocol::Netfilter).expect("socket");
        let deadline = Instant::now() + PATIENCE;
        let connections = loop {
            let connections = conntrack::dump(&mut ct).expect("dump");
            if !connections.is_empty() || Instant::now() > deadline {
                break connections;
            }
        };
        let layer4 = Layer4::Icmp { id: 0x4433, kind: 8, code: 0 };
        let tuple = Tuple { source: ip("10.0.1.2"), destination: ip("10.0.2.2"), protocol: 1, layer4 };
        assert_eq!(connections.iter().map(|c| c.original).collect::<Vec<_>>(), [tuple]);
        let mut batch = Batch::new();
        conntrack::delete(&mut batch, &tuple, 0);
        ct.execute(&batch).expect("delete");
    });
}
