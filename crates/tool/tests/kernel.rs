//! The tools as typed, over loopback and through a router, in namespaces that each test makes itself.
#![cfg(target_os = "linux")]

#[path = "../../netlink/tests/common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Namespace, Router, in_own_namespaces};
use netlink::rtnl::link::{self, Target};
use netlink::{Batch, Protocol, Socket};

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tool"));
    command.arg("__tool").args(line.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command line says and its exit code, everything that differs from run to run replaced.
fn said(line: &str) -> String {
    shown(&command(line).output().expect("run"))
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let err: String = err.lines().map(|line| format!("! {line}\n")).collect();
    format!("{}{err}exit {}\n", without_times(&out), output.status.code().expect("no signal"))
}

/// Numbers before or behind `ms` become `T`.
fn without_times(text: &str) -> String {
    let is_time = |c: char| c.is_ascii_digit() || c == '.' || c == '/';
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 0..words.len() {
            let (head, tail) = words[at].split_once('=').map_or(("", words[at].clone()), |(head, tail)| (head, tail.to_owned()));
            let bare = tail.trim_end_matches("ms");
            let is_bare_time = !bare.is_empty() && bare.chars().all(is_time);
            if is_bare_time && (bare.len() < tail.len() || words.get(at + 1).is_some_and(|next| next == "ms")) {
                let equals = if head.is_empty() { "" } else { "=" };
                words[at] = format!("{head}{equals}T{}", &tail[bare.len()..]);
            }
        }
        lines.push(words.join(" ") + "\n");
    }
    lines.concat()
}

fn loopback_up() {
    let mut batch = Batch::new();
    link::set_up(&mut batch, Target::Name("lo"), true);
    Socket::open(Protocol::Route).expect("socket").execute(&batch).expect("loopback up");
}

/// Ends with the test.
struct Running(Child);

impl Running {
    fn start(line: &str) -> Running {
        Running(command(line).stdin(Stdio::piped()).spawn().expect("start"))
    }

    fn type_and_end(&mut self, bytes: &[u8]) {
        self.0.stdin.take().expect("stdin").write_all(bytes).expect("type");
    }

    fn output(mut self) -> (String, Option<i32>) {
        let mut text = String::new();
        self.0.stdout.take().expect("stdout").read_to_string(&mut text).expect("text");
        (text, self.0.wait().expect("end").code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until_listening(port: u16, file: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let wanted = format!(":{port:04X} ");
    while !std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).expect("sockets").contains(&wanted) {
        assert!(Instant::now() < deadline, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn ping_of_loopback() {
    in_own_namespaces("ping_of_loopback", || {
        assert!(said("ping -c 1 127.0.0.1").contains("! ping: connect: Network is unreachable\nexit 2"));
        loopback_up();
        insta::assert_snapshot!(said("ping -c 2 -i 0.01 -n 127.0.0.1"), @"
        PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.
        64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=T ms
        64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=T ms

        --- 127.0.0.1 ping statistics ---
        2 packets transmitted, 2 received, 0% packet loss, time Tms
        rtt min/avg/max/mdev = T ms
        exit 0
        ");
        assert!(said("ping -c 1 -s 65507 localhost").contains("65515 bytes from localhost (127.0.0.1): icmp_seq=1 ttl=64 time=T ms"));
        assert!(said("ping -c 1 -I 127.0.0.7 127.0.0.1").contains("PING 127.0.0.1 (127.0.0.1) from 127.0.0.7 : 56(84)"));
        assert!(said("ping -c 1 -I lo 127.0.0.1").contains("from 127.0.0.1 : 56(84)"));
        assert!(said("ping -c 1 -I eth9 127.0.0.1").contains("! ping: unknown iface: eth9\nexit 2"));
        assert!(said("ping -c 1 nowhere.invalid").ends_with("exit 2\n"));
        assert!(said("ping").contains("! ping: usage error: Destination address required\n"));
    });
}

#[test]
fn ping_ends_with_its_summary_when_interrupted() {
    in_own_namespaces("ping_ends_with_its_summary_when_interrupted", || {
        loopback_up();
        let mut child = command("ping -i 0.05 127.0.0.1").spawn().expect("start");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        for _ in 0..3 {
            lines.next().expect("line").expect("text");
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).expect("signal");
        let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
        assert!(rest.iter().any(|line| line.contains("0% packet loss")), "{rest:?}");
        assert_eq!(child.wait().expect("end").code(), Some(0));
    });
}

#[test]
fn ping_through_a_router() {
    in_own_namespaces("ping_through_a_router", || {
        let router = Router::new();
        router.client.enter(|| {
            assert!(said("ping -c 1 10.0.2.2").contains("64 bytes from 10.0.2.2: icmp_seq=1 ttl=63 time=T ms"));
            insta::assert_snapshot!(said("ping -c 1 -t 1 10.0.2.2"), @"
            PING 10.0.2.2 (10.0.2.2) 56(84) bytes of data.
            From 10.0.1.1 icmp_seq=1 Time to live exceeded

            --- 10.0.2.2 ping statistics ---
            1 packets transmitted, 0 received, +1 errors, 100% packet loss, time Tms
            exit 1
            ");
            let silent = said("ping -c 1 -W 0.1 10.0.2.77");
            assert!(silent.contains("1 packets transmitted, 0 received, 100% packet loss"), "{silent}");
            assert!(silent.ends_with("exit 1\n"), "{silent}");
            let large = said("ping -c 1 -W 1 -M do -s 1473 10.0.2.2");
            assert!(large.contains("! ping: local error: message too long, mtu=1500\n"), "{large}");
            assert!(large.contains("1 packets transmitted, 0 received, +1 errors, 100% packet loss"), "{large}");
            assert!(said("ping -c 1 -M do -s 1472 10.0.2.2").ends_with("exit 0\n"));
            assert!(said("ping -c 1 -s 3000 10.0.2.2").ends_with("exit 0\n"), "fragmented");
        });
    });
}

#[test]
fn traceroute_by_every_method() {
    in_own_namespaces("traceroute_by_every_method", || {
        loopback_up();
        insta::assert_snapshot!(said("traceroute 127.0.0.1"), @"
        traceroute to 127.0.0.1 (127.0.0.1), 30 hops max, 60 byte packets
         1  localhost (127.0.0.1)  T ms  T ms  T ms
        exit 0
        ");
        let router = Router::new();
        // The kernel answers a peer with one error a second, and all peers (before 6.13, of all namespaces) with so
        // many; here many runs ask within one. No kind of error is limited.
        std::fs::write("/proc/sys/net/ipv4/icmp_ratemask", "0").expect("limit");
        router.server.enter(|| std::fs::write("/proc/sys/net/ipv4/icmp_ratemask", "0").expect("limit"));
        let listener = router.server.enter(|| TcpListener::bind("10.0.2.2:80").expect("listen"));
        let echo = router.server.udp("10.0.2.2:53");
        std::thread::spawn(move || {
            let mut bytes = [0; 100];
            while let Ok((length, from)) = echo.recv_from(&mut bytes) {
                let _ = echo.send_to(&bytes[..length], from);
            }
        });
        let expected = " 1  10.0.1.1  T ms  T ms  T ms\n 2  10.0.2.2  T ms  T ms  T ms\nexit 0\n";
        router.client.enter(|| {
            for options in ["", "-I", "-T", "-T -p 81", "-U"] {
                let said = said(&format!("traceroute -n {options} 10.0.2.2"));
                assert!(said.ends_with(expected), "{options}: {said}");
            }
            let first = said("traceroute -n -m 1 -q 1 10.0.2.2");
            assert!(first.ends_with("), 1 hops max, 60 byte packets\n 1  10.0.1.1  T ms\nexit 0\n"), "{first}");
            let silent = said("traceroute -n -m 2 -q 2 -w 2 10.0.2.77");
            assert!(silent.ends_with(" 1  10.0.1.1  T ms  T ms\n 2  * *\nexit 0\n"), "{silent}");
        });
        drop(listener);
    });
}

#[test]
fn arping_over_a_veth() {
    in_own_namespaces("arping_over_a_veth", || {
        let router = Router::new();
        router.client.enter(|| {
            let mac = || {
                let link = link::get(&mut Socket::open(Protocol::Route).expect("socket"), Target::Name("eth0")).expect("device");
                link.mac.expect("address").map(|byte| format!("{byte:02X}")).join(":")
            };
            let found = router.server.enter(mac);
            assert_eq!(found.len(), 17);
            // The router's own, asked for twice: the second question goes to it alone.
            let near = link::get(&mut router_socket(&router), Target::Name("v100")).expect("device");
            let near = near.mac.expect("address").map(|byte| format!("{byte:02X}")).join(":");
            let reply = format!("Unicast reply from 10.0.1.1 [{near}]  Tms\n");
            let expected = format!(
                "ARPING 10.0.1.1 from 10.0.1.2 eth0\n{reply}{reply}Sent 2 probes (1 broadcast(s))\nReceived 2 response(s)\nexit 0\n"
            );
            // The interval is how long the first answer may take, for the second question to go to who gave it.
            assert_eq!(said("arping -c 2 -i 2 -I eth0 10.0.1.1"), expected);
            let expected = format!(
                "ARPING 10.0.1.1 from 10.0.1.2 eth0\n{reply}Sent 1 probes (1 broadcast(s))\nReceived 1 response(s)\nexit 0\n"
            );
            assert_eq!(said("arping -c 1 -i 10 10.0.1.1"), expected, "the device follows from the route");
            let nobody = said("arping -c 2 -i 0.05 -w 2 -I eth0 10.0.1.77");
            assert!(nobody.ends_with("Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\nexit 1\n"), "{nobody}");
            assert!(said("arping -D -c 1 -i 10 -I eth0 10.0.1.1").ends_with("exit 1\n"), "taken");
            assert!(said("arping -D -c 1 -i 0.05 -I eth0 10.0.1.77").ends_with("exit 0\n"), "free");
            assert!(said("arping -c 1 -I lo 10.0.1.1").contains("! arping: Interface \"lo\" is not ARPable\nexit 2"));
            assert!(said("arping -c 1 -I eth7 10.0.1.1").contains("! arping: Device eth7 not available.\nexit 2"));
        });
    });
}

fn router_socket(_: &Router) -> Socket {
    // The router is the test's own namespace, which the first thread of the process is still in.
    let task = std::fs::File::open(format!("/proc/{}/ns/net", std::process::id())).expect("own namespace");
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| {
            use std::os::fd::AsFd;
            rustix::thread::move_into_link_name_space(task.as_fd(), Some(rustix::thread::LinkNameSpaceType::Network)).expect("enter");
            Socket::open(Protocol::Route).expect("socket")
        });
        opened.join().expect("thread")
    })
}

#[test]
fn nc_looks_which_ports_are_open() {
    in_own_namespaces("nc_looks_which_ports_are_open", || {
        loopback_up();
        let _listener = TcpListener::bind("127.0.0.1:8080").expect("listen");
        let _udp = UdpSocket::bind("127.0.0.1:5000").expect("bind");
        insta::assert_snapshot!(said("nc -zv 127.0.0.1 8079-8081"), @"
        ! nc: connect to 127.0.0.1 port 8079 (tcp) failed: Connection refused
        ! Connection to 127.0.0.1 8080 port [tcp/http-alt] succeeded!
        ! nc: connect to 127.0.0.1 port 8081 (tcp) failed: Connection refused
        exit 0
        ");
        assert_eq!(said("nc -z localhost 8080"), "exit 0\n");
        assert_eq!(said("nc -z 127.0.0.1 8081"), "exit 1\n");
        assert_eq!(said("nc -nzuv -w 0.2 127.0.0.1 5000"), "! Connection to 127.0.0.1 5000 port [udp/*] succeeded!\nexit 0\n");
        assert_eq!(said("nc -nzuv 127.0.0.1 5001"), "! nc: connect to 127.0.0.1 port 5001 (udp) failed: Connection refused\nexit 1\n");
        assert!(said("nc -n nowhere 80").contains("Name or service not known\nexit 1"));
        assert!(said("nc 127.0.0.1").contains("! nc: missing port number\n"));
        let router = Router::new();
        let silent = router.client.enter(|| said("nc -zv -w 0.2 10.0.2.77 80"));
        assert_eq!(silent, "! nc: connect to 10.0.2.77 port 80 (tcp) timed out: Operation now in progress\nexit 1\n");
    });
}

#[test]
fn nc_transfers_both_ways() {
    in_own_namespaces("nc_transfers_both_ways", || {
        loopback_up();
        let large = vec![b'x'; 3 << 20];
        for (server, client) in [("nc -l 9000", "nc 127.0.0.1 9000"), ("nc -lvnp 9001", "nc -N -w 5 127.0.0.1 9001")] {
            let port = if client.ends_with("9000") { 9000 } else { 9001 };
            let mut server = Running::start(server);
            until_listening(port, "tcp");
            let mut client = Running::start(client);
            let typing = large.clone();
            let mut stdin = server.0.stdin.take().expect("stdin");
            let from_server = std::thread::spawn(move || stdin.write_all(&typing).expect("type"));
            client.type_and_end(b"hello\n");
            let (from_client, _) = server_output_after(&mut server, &mut client, from_server, large.len());
            assert_eq!(from_client, "hello\n");
        }
    });
}

/// Reads what the client got until it ends, then what the server got.
fn server_output_after(server: &mut Running, client: &mut Running, typing: std::thread::JoinHandle<()>, expected: usize) -> (String, usize) {
    let mut got = Vec::new();
    client.0.stdout.take().expect("stdout").read_to_end(&mut got).expect("bytes");
    typing.join().expect("typed");
    assert_eq!((got.len(), client.0.wait().expect("end").code()), (expected, Some(0)));
    let mut text = String::new();
    server.0.stdout.take().expect("stdout").read_to_string(&mut text).expect("text");
    assert_eq!(server.0.wait().expect("end").code(), Some(0));
    (text, got.len())
}

#[test]
fn a_server_in_the_background_takes_a_whole_file() {
    in_own_namespaces("a_server_in_the_background_takes_a_whole_file", || {
        loopback_up();
        let server = command("nc -l 9000").spawn().map(Running).expect("start");
        until_listening(9000, "tcp");
        let mut client = Running::start("nc 127.0.0.1 9000");
        let file = "line\n".repeat(400_000);
        let mut stdin = client.0.stdin.take().expect("stdin");
        let typed = file.clone();
        let typing = std::thread::spawn(move || stdin.write_all(typed.as_bytes()).expect("type"));
        assert_eq!(server.output(), (file, Some(0)));
        typing.join().expect("typed");
        assert_eq!(client.output(), (String::new(), Some(0)));
    });
}

#[test]
fn nc_serves_one_after_the_other_and_datagrams() {
    in_own_namespaces("nc_serves_one_after_the_other_and_datagrams", || {
        loopback_up();
        let mut server = Running::start("nc -lk 9000");
        until_listening(9000, "tcp");
        for word in ["one\n", "two\n"] {
            let mut client = Running::start("nc 127.0.0.1 9000");
            client.type_and_end(word.as_bytes());
            assert_eq!(client.output(), (String::new(), Some(0)));
        }
        let mut lines = BufReader::new(server.0.stdout.take().expect("stdout")).lines();
        assert_eq!([lines.next(), lines.next()].map(|line| line.expect("line").expect("text")), ["one", "two"]);
        let mut server = Running::start("nc -lu 127.0.0.1 5000");
        until_listening(5000, "udp");
        let mut client = Running::start("nc -u -q 0.1 127.0.0.1 5000");
        client.0.stdin.as_mut().expect("stdin").write_all(b"question\n").expect("type");
        let mut from_client = BufReader::new(server.0.stdout.take().expect("stdout")).lines();
        assert_eq!(from_client.next().expect("line").expect("text"), "question");
        server.0.stdin.as_mut().expect("stdin").write_all(b"answer\n").expect("type");
        let mut from_server = BufReader::new(client.0.stdout.take().expect("stdout")).lines();
        assert_eq!(from_server.next().expect("line").expect("text"), "answer");
        client.type_and_end(b"");
        assert!(from_server.next().is_none(), "a datagram's end is silence");
        assert_eq!(client.0.wait().expect("end").code(), Some(0));
    });
}

#[test]
fn telnet_says_what_a_port_says() {
    in_own_namespaces("telnet_says_what_a_port_says", || {
        loopback_up();
        insta::assert_snapshot!(said("telnet 127.0.0.1 81"), @"
        Trying 127.0.0.1...
        ! telnet: Unable to connect to remote host: Connection refused
        exit 1
        ");
        let listener = TcpListener::bind("127.0.0.1:2222").expect("listen");
        let (refused, refusal) = std::sync::mpsc::channel();
        let serving = std::thread::spawn(move || {
            let banner = b"SSH-2.0-lab\r\n\xff\xfd\x18";
            // Nothing is typed here: the end of the input may be passed on before the option can be refused.
            let mut text = Vec::new();
            let (mut silent, _) = listener.accept().expect("accept");
            silent.read_to_end(&mut text).expect("end");
            let (mut greeting, _) = listener.accept().expect("accept");
            greeting.write_all(banner).expect("banner");
            greeting.read_exact(&mut [0; 3]).expect("answer");
            drop((silent, greeting));
            let (mut spoken, _) = listener.accept().expect("accept");
            spoken.write_all(banner).expect("banner");
            let mut answer = [0; 3];
            spoken.read_exact(&mut answer).expect("answer");
            refused.send(answer).expect("somebody waits");
            text.clear();
            spoken.read_to_end(&mut text).expect("text");
            text
        });
        insta::assert_snapshot!(said("telnet 127.0.0.1 2222"), @"
        Trying 127.0.0.1...
        Connected to 127.0.0.1.
        Escape character is '^]'.
        Connection closed.
        exit 0
        ");
        // Here nothing is typed, but it could be: the other side ends it.
        let mut greeted = command("telnet 127.0.0.1 2222").stdin(Stdio::piped()).spawn().expect("start");
        let held = greeted.stdin.take();
        insta::assert_snapshot!(shown(&greeted.wait_with_output().expect("end")), @"
        Trying 127.0.0.1...
        Connected to 127.0.0.1.
        Escape character is '^]'.
        SSH-2.0-lab
        ! Connection closed by foreign host.
        exit 0
        ");
        drop(held);
        let mut typed = Running::start("telnet 127.0.0.1 2222");
        let patience = std::time::Duration::from_secs(10);
        assert_eq!(refusal.recv_timeout(patience).expect("an answer"), *b"\xff\xfc\x18", "the option is refused");
        typed.type_and_end(b"hello\n");
        assert!(typed.output().0.contains("SSH-2.0-lab"));
        assert_eq!(serving.join().expect("served"), b"hello\r\n");
        let router = Router::new();
        let silent = router.client.enter(|| said("telnet -w 0.2 10.0.2.77 80"));
        assert!(silent.ends_with("! telnet: Unable to connect to remote host: Connection timed out\nexit 1\n"), "{silent}");
        assert!(said("telnet nowhere.invalid 80").contains("! telnet: could not resolve nowhere.invalid/80: "));
    });
}

#[test]
fn a_name_of_its_own_starts_a_tool() {
    in_own_namespaces("a_name_of_its_own_starts_a_tool", || {
        loopback_up();
        let run = |name: &str, arguments: &[&str]| {
            use std::os::unix::process::CommandExt;
            Command::new(env!("CARGO_BIN_EXE_tool")).arg0(name).args(arguments).output().expect("run")
        };
        assert_eq!(run("/usr/bin/ping", &["-c", "1", "127.0.0.1"]).status.code(), Some(0));
        let unknown = run("tool", &["__tool", "dig"]);
        assert_eq!(unknown.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("{arping|nc|ping|telnet|traceroute}"));
        assert_eq!(run("tool", &["up"]).status.code(), Some(2), "no tool's name");
    });
}

#[test]
fn a_namespace_without_a_way_out_is_said() {
    in_own_namespaces("a_namespace_without_a_way_out_is_said", || {
        let lonely = Namespace::new();
        lonely.enter(|| {
            assert!(said("traceroute 10.9.9.9").contains("! traceroute: connect: Network is unreachable\nexit 1"));
            assert!(said("arping -c 1 10.9.9.9").contains("! arping: no route to 10.9.9.9: which device? (-I DEVICE)\nexit 2"));
            assert!(said("telnet 10.9.9.9 80").contains("Unable to connect to remote host: Network is unreachable"));
        });
    });
}
