//! The forward relay, and what `probe` says of this machine.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use sandbox::capabilities::{Feature, probe};
use sandbox::relay::{self, RelaySpec, RelayTarget};
use sandbox::{Error, NetnsSpec, SelfCommand, SocketSpec};

use crate::common::{self, Lab};

#[test]
fn connections_are_carried_into_the_lab_with_half_close_and_survive_the_caller() {
    let lab = Lab::launch();
    lab.client.create_netns(NetnsSpec::lab("internet")).unwrap();
    let address = "127.0.0.1:80".parse().unwrap();
    let inside = lab
        .client
        .open_socket(SocketSpec::tcp_listener("internet", address))
        .unwrap();
    let inside = TcpListener::from(inside);
    // Answers with what it got, backwards, once it got all: needs the half-close to get through.
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            let (mut stream, _) = inside.accept().unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all.reverse();
            stream.write_all(&all).unwrap();
        }
    });
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = outside.local_addr().unwrap();
    let spec = relay_to(&lab, door, address);
    let mut relay = relay::launch(&SelfCommand::current().unwrap(), outside, &spec).unwrap();
    for size in [1, 100_000, 3_000_000] {
        let sent: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let mut stream = TcpStream::connect(door).unwrap();
        stream
            .set_read_timeout(Some(common::PATIENCE))
            .unwrap();
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back.reverse();
        assert!(back == sent, "{size} bytes, {} back", back.len());
    }
    server.join().unwrap();
    // Nobody listens any more: the caller is told as by a host that refuses, the relay goes on.
    let mut refused = TcpStream::connect(door).unwrap();
    refused
        .set_read_timeout(Some(common::PATIENCE))
        .unwrap();
    assert_eq!(
        refused.read(&mut [0; 1]).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert!(relay.try_wait().unwrap().is_none());
    // It ends with the lab.
    lab.handle.client().unwrap().shutdown().unwrap();
    common::eventually("the relay ends", || relay.try_wait().unwrap().is_some());
}

fn relay_to(lab: &Lab, listen: SocketAddr, address: SocketAddr) -> RelaySpec {
    RelaySpec {
        listen,
        target: RelayTarget {
            holder: lab.handle.socket.clone(),
            key: "internet".into(),
            source: Some("127.0.0.9".parse().unwrap()),
            address,
        },
        labels: BTreeMap::from([("to".into(), "web-1:80".into())]),
    }
}

#[test]
fn connections_come_from_the_address_asked_for() {
    let lab = Lab::launch();
    lab.client.create_netns(NetnsSpec::lab("internet")).unwrap();
    let address = "127.0.0.1:80".parse().unwrap();
    let inside = lab
        .client
        .open_socket(SocketSpec::tcp_listener("internet", address))
        .unwrap();
    let inside = TcpListener::from(inside);
    let target = relay_to(&lab, address, address).target;
    let _client = relay::connect(&lab.client, &target, relay::CONNECT_TIMEOUT).unwrap();
    let (_, peer) = inside.accept().unwrap();
    assert_eq!(Some(peer.ip()), target.source);
    // An address that nobody has there is an error, not another address.
    let foreign = RelayTarget {
        source: Some("192.0.2.1".parse().unwrap()),
        ..target
    };
    let refused = relay::connect(&lab.client, &foreign, relay::CONNECT_TIMEOUT).unwrap_err();
    assert!(matches!(&refused, Error::Refused(fault) if fault.errno == Some(libc::EADDRNOTAVAIL)));
}

#[test]
fn relays_are_found_by_their_process_and_ended_by_it() {
    let lab = Lab::launch();
    lab.client.create_netns(NetnsSpec::lab("internet")).unwrap();
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let door = outside.local_addr().unwrap();
    let spec = relay_to(&lab, door, "127.0.0.1:80".parse().unwrap());
    let mut child = relay::launch(&SelfCommand::current().unwrap(), outside, &spec).unwrap();
    let mine = || {
        relay::running()
            .into_iter()
            .filter(|relay| relay.spec.target.holder == lab.handle.socket)
            .collect::<Vec<_>>()
    };
    common::eventually("the relay shows", || !mine().is_empty());
    let found = mine();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].spec, spec);
    assert_eq!(found[0].process.pid, child.id() as i32);
    // One with the same number that began at another time is somebody else.
    let mut other = found[0].clone();
    other.process.began += 1;
    assert!(!other.end().unwrap());
    assert!(child.try_wait().unwrap().is_none());
    assert!(found[0].end().unwrap());
    child.wait().unwrap();
    assert!(!found[0].end().unwrap());
    assert!(mine().is_empty());
    assert!(TcpStream::connect(door).is_err());
}

#[test]
fn holders_are_found_and_their_instances_are_not_taken_for_them() {
    let lab = Lab::with_instance("one");
    let mine: Vec<_> = sandbox::running::holders()
        .into_iter()
        .filter(|holder| holder.socket == lab.handle.socket)
        .collect();
    assert_eq!(mine.len(), 1, "{mine:?}");
    assert_eq!(mine[0].process.pid, lab.handle.pid);
    assert_eq!(mine[0].lab_name, "test");
    let folder = lab.directory.path();
    assert!(sandbox::running::stale_sockets(folder).is_empty());
    rustix::process::pidfd_send_signal(&lab.handle.pidfd, rustix::process::Signal::KILL).unwrap();
    assert!(common::wait_ended(&lab.handle, common::PATIENCE));
    assert_eq!(
        sandbox::running::stale_sockets(folder),
        std::slice::from_ref(&lab.handle.socket)
    );
}

#[test]
fn the_probe_agrees_with_what_the_other_tests_do() {
    let capabilities = probe(&SelfCommand::current().unwrap()).unwrap();
    let features: Vec<_> = capabilities
        .checks
        .iter()
        .map(|check| check.feature)
        .collect();
    assert_eq!(
        features,
        [
            Feature::Namespaces,
            Feature::Sysctl,
            Feature::Veth,
            Feature::NfTables,
            Feature::Conntrack,
            Feature::Tmpfs,
            Feature::Proc,
            Feature::Overlay,
            Feature::InstanceIds,
            Feature::SystemCallFilter,
            Feature::Cgroup,
        ]
    );
    // The tests beside this one run labs, so what a lab needs is there.
    capabilities.require().unwrap();
    assert!(capabilities.sufficient());
    for check in &capabilities.checks {
        assert_eq!(check.available, check.missing.is_none(), "{check:?}");
        let can_be_fixed = check.feature != Feature::SystemCallFilter;
        assert!(
            check.available || check.fix.is_some() == can_be_fixed,
            "{check:?}"
        );
    }
    // Whoever is root only inside must not be told that root inside is root here.
    let ids = &capabilities.checks[Feature::InstanceIds as usize];
    let told = ids.missing.as_deref().unwrap_or_default();
    let root = rustix::process::geteuid().is_root();
    assert_eq!(
        told.contains("root of this machine"),
        root && !ids.available
    );
    let lab = Lab::launch();
    assert_eq!(
        capabilities.has(Feature::InstanceIds),
        lab.client.stats().unwrap().instance_ids > 1
    );
}
