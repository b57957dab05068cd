//! The way out: that the program is started as meant, that it ends when it must, and, where one is
//! installed, that packets pass and the host's loopback stays out of reach.

use std::io::Read;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use sandbox::uplink::{self, Program, RunningUplink, UplinkSpec};
use sandbox::{ExitStatus, SelfCommand};

use crate::common::{Lab, eventually, output, path};

fn spec(lab: &Lab, program: Program, executable: PathBuf) -> UplinkSpec {
    UplinkSpec {
        holder: lab.handle.socket.clone(),
        key: "one".into(),
        program,
        executable,
    }
}

fn mine(lab: &Lab) -> Vec<RunningUplink> {
    let all = uplink::running();
    all.into_iter()
        .filter(|one| one.spec.holder == lab.handle.socket)
        .collect()
}

fn script(lab: &Lab, text: &str) -> PathBuf {
    let file = path(lab, "program");
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// Plays either program: writes down its arguments, enters the namespaces they name, makes the device.
fn pretender(lab: &Lab) -> PathBuf {
    let folder = lab.directory.path().display();
    script(
        lab,
        &format!(
            "echo $$ >{folder}/pid; echo \"$@\" >{folder}/arguments\n\
             while [ $# -gt 0 ]; do case $1 in\n\
             --userns) U=$2;; --netns) N=$2;; --userns-path=*) U=${{1#*=}};; /proc/*) N=$1;; esac; shift; done\n\
             nsenter --preserve-credentials --user=$U --net=$N sh -c 'ip tuntap add mode tap name uplink0 2>/dev/null || \
             ip link add uplink0 type veth peer name spare' && exec sleep 1000"
        ),
    )
}

#[test]
fn both_programs_are_told_what_they_must_not_do_and_end_with_the_uplink() {
    for program in Program::ALL {
        let lab = Lab::with_instance("one");
        let spec = spec(&lab, program, pretender(&lab));
        uplink::launch(&SelfCommand::current().unwrap(), &spec).unwrap();
        assert!(output(&lab, "one", "cat /proc/net/dev").contains("uplink0:"));
        let told = std::fs::read_to_string(path(&lab, "arguments")).unwrap();
        let wanted: &[&str] = match program {
            Program::Pasta => &[
                "--no-map-gw",
                "-t none -u none -T none -U none",
                "--foreground",
            ],
            Program::Slirp4netns => &["--disable-host-loopback", "--netns-type=path"],
        };
        for words in wanted {
            assert!(told.contains(words), "{words} is missing: {told}");
        }
        let found = mine(&lab);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].spec, spec);
        let pid = std::fs::read_to_string(path(&lab, "pid")).unwrap();
        let is_there = || std::path::Path::new(&format!("/proc/{}", pid.trim())).exists();
        assert!(is_there());
        assert!(found[0].end().unwrap());
        assert!(mine(&lab).is_empty());
        assert!(!is_there(), "the program outlives its uplink");
    }
}

#[test]
fn an_uplink_ends_with_its_lab_and_with_its_program() {
    let lab = Lab::with_instance("one");
    let command = SelfCommand::current().unwrap();
    let spec = spec(&lab, Program::Pasta, pretender(&lab));
    uplink::launch(&command, &spec).unwrap();
    let pid: i32 = std::fs::read_to_string(path(&lab, "pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("the uplink ends with its program", || mine(&lab).is_empty());
    output(&lab, "one", "ip link del uplink0");
    uplink::launch(&command, &spec).unwrap();
    assert_eq!(mine(&lab).len(), 1);
    lab.handle.client().unwrap().shutdown().unwrap();
    eventually("the uplink ends with its lab", || mine(&lab).is_empty());
}

#[test]
fn what_a_program_says_when_it_fails_is_passed_on() {
    let lab = Lab::with_instance("one");
    let spec = spec(
        &lab,
        Program::Pasta,
        script(&lab, "echo 'no way out of here' >&2; exit 1"),
    );
    let error = uplink::launch(&SelfCommand::current().unwrap(), &spec).unwrap_err();
    assert_eq!(
        error.to_string(),
        "starting an uplink: pasta: no way out of here"
    );
    assert!(mine(&lab).is_empty());
}

/// Connects to services of this machine only: one at its address on the network, one at its loopback.
#[test]
fn real_programs_carry_packets_and_reach_no_loopback_of_the_host() {
    let found: Vec<_> = Program::ALL
        .into_iter()
        .filter_map(|one| Some((one, one.find()?)))
        .collect();
    // Where the host has no network, or keeps taps to root, there is no way out to test.
    let tun = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    let (Some(own), Ok(_)) = (own_address(), tun) else {
        return;
    };
    for (program, executable) in found {
        let lab = Lab::with_instance("one");
        uplink::launch(
            &SelfCommand::current().unwrap(),
            &spec(&lab, program, executable),
        )
        .unwrap();
        let (address, gateway) = (uplink::ADDRESS, uplink::GATEWAY);
        output(
            &lab,
            "one",
            &format!(
                "ip addr add {address}/24 dev uplink0 && ip link set uplink0 up && ip route add default via {gateway}"
            ),
        );
        let outside = TcpListener::bind((own, 0)).unwrap();
        let port = outside.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = outside.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let connect = |to: &dyn std::fmt::Display, port: u16, seconds: u8| {
            format!("timeout {seconds} bash -c 'echo through >/dev/tcp/{to}/{port}'")
        };
        let (status, said) = lab.shell("one", &connect(&own, port, 60));
        assert_eq!(status, ExitStatus::Code(0), "{program:?}: {said}");
        assert_eq!(server.join().unwrap(), "through\n", "{program:?}");
        // What listens on loopback only, asked for by every name that the outside may have for it.
        let inside = TcpListener::bind("127.0.0.1:0").unwrap();
        inside.set_nonblocking(true).unwrap();
        let port = inside.local_addr().unwrap().port();
        for name in [IpAddr::from(gateway), own, "169.254.8.3".parse().unwrap()] {
            let (status, _) = lab.shell("one", &connect(&name, port, 2));
            assert_ne!(
                status,
                ExitStatus::Code(0),
                "{program:?} reaches the host's loopback by {name}"
            );
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(
            inside.accept().is_err(),
            "{program:?} reached the host's loopback"
        );
        assert!(mine(&lab)[0].end().unwrap());
    }
}

/// This machine's address on the way to the internet; nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}
