//! The forward relay, and what `probe` says of this machine.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use common::Lab;
use sandbox::capabilities::{Feature, probe};
use sandbox::relay::{self, RelayTarget};
use sandbox::{NetnsSpec, SelfCommand, SocketSpec};

sandbox::reexec_in_tests!();

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
    let target = RelayTarget {
        holder: lab.handle.socket.clone(),
        key: "internet".into(),
        address,
    };
    let mut relay = relay::launch(&SelfCommand::current().unwrap(), outside, &target).unwrap();
    for size in [1, 100_000, 3_000_000] {
        let sent: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let mut stream = TcpStream::connect(door).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back.reverse();
        assert!(back == sent, "{size} bytes, {} back", back.len());
    }
    server.join().unwrap();
    // Nobody listens any more: the connection is closed, the relay goes on.
    let mut refused = TcpStream::connect(door).unwrap();
    refused
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert!(matches!(refused.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert!(relay.try_wait().unwrap().is_none());
    // It ends with the lab.
    lab.handle.client().unwrap().shutdown().unwrap();
    common::eventually("the relay ends", || relay.try_wait().unwrap().is_some());
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
            Feature::Cgroup,
        ]
    );
    // The tests beside this one run labs, so what a lab needs is there.
    capabilities.require().unwrap();
    assert!(capabilities.sufficient());
    for check in &capabilities.checks {
        assert_eq!(check.available, check.missing.is_none(), "{check:?}");
        assert!(check.available || check.fix.is_some(), "{check:?}");
    }
    let lab = Lab::launch();
    assert_eq!(
        capabilities.has(Feature::InstanceIds),
        lab.client.stats().unwrap().instance_ids > 1
    );
}
