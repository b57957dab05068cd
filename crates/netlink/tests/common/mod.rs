//! Runs a test as root of its own user and network namespace, whoever starts it, and opens more
//! network namespaces inside.
#![allow(dead_code, reason = "other rooms' tests borrow a part")]

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, Ipv4Conf, LinkKind, LinkSpec, Target};
use netlink::rtnl::route::{self, Route};
use netlink::{Batch, Protocol, Socket};

const INSIDE: &str = "VPCLAB_NETLINK_TEST_INSIDE";

/// Runs `body` in namespaces of its own: this very test, by its whole name, is started again there, in a new process.
pub fn in_own_namespaces(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let mut command = Command::new(std::env::current_exe().expect("this test's path"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1");
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ];
    // JUSTIFICATION: a user namespace can only be entered by a process of one thread, so between fork and exec.
    // SAFETY: unshare, open and write are async-signal-safe; everything that allocates was made before.
    unsafe {
        command.pre_exec(move || {
            if libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) != 0 {
                return Err(io::Error::last_os_error());
            }
            for (path, text) in &maps {
                std::fs::write(path, text)?;
            }
            Ok(())
        });
    }
    let output = command
        .output()
        .expect("start in a user and network namespace of its own");
    assert!(
        output.status.success(),
        "inside the namespace:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "no test named {test} ran:\n{ran}");
}

/// Another network namespace, held by its descriptor.
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// A new one, its loopback up.
    pub fn new() -> Namespace {
        let fd = on_new_thread(|| {
            // JUSTIFICATION: rustix calls unshare unsafe too. SAFETY: CLONE_NEWNET alone affects only this thread's sockets to come.
            assert_eq!(
                unsafe { libc::unshare(libc::CLONE_NEWNET) },
                0,
                "{}",
                io::Error::last_os_error()
            );
            OwnedFd::from(File::open("/proc/thread-self/ns/net").expect("own namespace"))
        });
        let namespace = Namespace { fd };
        let mut batch = Batch::new();
        link::set_up(&mut batch, Target::Name("lo"), true);
        namespace
            .socket(Protocol::Route)
            .execute(&batch)
            .expect("loopback up");
        namespace
    }

    /// Runs something there.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        on_new_thread(|| {
            rustix::thread::move_into_link_name_space(
                self.fd.as_fd(),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )
            .expect("enter");
            body()
        })
    }

    /// A netlink socket that belongs there, handed over as a descriptor.
    pub fn socket(&self, protocol: Protocol) -> Socket {
        let fd = self.enter(|| Socket::open(protocol).expect("socket").into_fd());
        Socket::from_fd(fd).expect("adopted socket")
    }

    /// A UDP socket there.
    pub fn udp(&self, local: &str) -> UdpSocket {
        self.enter(|| UdpSocket::bind(local).expect("bind"))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn on_new_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(body).join().expect("thread"))
}

/// Brings a device up with an address.
pub fn configure(socket: &mut Socket, device: u32, address: &str) {
    let mut batch = Batch::new();
    address::add(
        &mut batch,
        &Address::new(device, address.parse().expect("prefix")),
    );
    link::set_up(&mut batch, Target::Index(device), true);
    socket.execute(&batch).expect("configure");
}

/// An address in text.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("address")
}

/// A router (the namespace of the test itself) with a client 10.0.1.2 on device 100 and a server
/// 10.0.2.2 on device 200.
pub struct Router {
    pub rtnl: Socket,
    pub nft: Socket,
    pub client: Namespace,
    pub server: Namespace,
}

impl Router {
    pub const CLIENT_DEVICE: u32 = 100;
    pub const SERVER_DEVICE: u32 = 200;

    pub fn new() -> Router {
        let mut rtnl = Socket::open(Protocol::Route).expect("socket");
        let (client, server) = (Namespace::new(), Namespace::new());
        let mut batch = Batch::new();
        link::set_up(&mut batch, Target::Name("lo"), true);
        for (device, namespace) in [
            (Self::CLIENT_DEVICE, &client),
            (Self::SERVER_DEVICE, &server),
        ] {
            let near = LinkSpec {
                index: Some(device),
                group: Some(device),
                ipv4: vec![(Ipv4Conf::Forwarding, 1)],
                ..LinkSpec::named(format!("v{device}"))
            };
            let far = LinkSpec {
                index: Some(10),
                namespace: Some(namespace.as_fd()),
                ..LinkSpec::named("eth0")
            };
            link::create(&mut batch, &near, &LinkKind::Veth(far));
        }
        rtnl.execute(&batch).expect("veths");
        for (device, namespace, net) in [
            (Self::CLIENT_DEVICE, &client, 1),
            (Self::SERVER_DEVICE, &server, 2),
        ] {
            configure(&mut rtnl, device, &format!("10.0.{net}.1/24"));
            let mut inside = namespace.socket(Protocol::Route);
            configure(&mut inside, 10, &format!("10.0.{net}.2/24"));
            let mut batch = Batch::new();
            let gateway = ip(&format!("10.0.{net}.1"));
            route::add(
                &mut batch,
                &Route::new(route::MAIN, "0.0.0.0/0".parse().expect("prefix")).via(gateway),
            );
            inside.execute(&batch).expect("default route");
        }
        wait_until_running(&mut rtnl, &["v100", "v200"]);
        for namespace in [&client, &server] {
            wait_until_running(&mut namespace.socket(Protocol::Route), &["eth0"]);
        }
        Router {
            rtnl,
            nft: Socket::open(Protocol::Netfilter).expect("socket"),
            client,
            server,
        }
    }
}

/// How long something that must come is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a datagram that must arrive; says from where it seems to come.
pub fn delivered(from: &UdpSocket, to: &str, at: &UdpSocket, text: &[u8]) -> SocketAddr {
    let arrival = arrival(from, to, at, text, PATIENCE);
    arrival.unwrap_or_else(|| panic!("{text:?} never arrives at {to}"))
}

/// Sends a datagram that must not arrive; says whether it does not.
pub fn is_lost(from: &UdpSocket, to: &str, at: &UdpSocket, text: &[u8]) -> bool {
    arrival(from, to, at, text, Duration::from_millis(500)).is_none()
}

fn arrival(
    from: &UdpSocket,
    to: &str,
    at: &UdpSocket,
    text: &[u8],
    patience: Duration,
) -> Option<SocketAddr> {
    from.send_to(text, to).expect("send");
    at.set_read_timeout(Some(patience)).expect("timeout");
    let mut buffer = [0; 2048];
    let (read, source) = at.recv_from(&mut buffer).ok()?;
    assert_eq!(&buffer[..read], text);
    Some(source)
}

/// Waits until devices carry packets; what is sent earlier is lost.
fn wait_until_running(socket: &mut Socket, devices: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    while !devices.iter().all(|name| {
        link::get(socket, Target::Name(name))
            .expect("device")
            .is_running()
    }) {
        assert!(Instant::now() < deadline, "{devices:?} never carry packets");
        std::thread::sleep(Duration::from_millis(1));
    }
}
