//! A TAP device with a simulated host behind it: what the kernel sends to the device comes to the host, and the other way around.
//! Virtual time follows the monotonic clock.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, Target};
use netlink::{Batch, Protocol, Socket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sim::host::{Host, HostSpec, InterfaceSpec};
use sim::table::Table;
use sim::tcp::Terms;
use sim::{Bounds, Context, FrameId, LinkSpec, Node, NodeId, Simulator, Span, Time};
use wire::{EtherType, Ethernet, Ipv4, Mac, Tcp, protocol};

/// The kernel's address on the wire, and the simulated host's.
pub const KERNEL: &str = "10.7.0.1";
pub const SIMULATED: &str = "10.7.0.2";

/// Virtual time goes no further at once: a machine that let us wait is no reason for a timeout of the simulated end.
const STEP: Duration = Duration::from_millis(4);
/// Events that may happen in such a step, far more than do.
const BUDGET: u64 = 1_000_000;

/// `struct ifreq` as TUNSETIFF reads it (if_tun.h): a name and flags.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// `_IOW('T', 202, int)`.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
const IFF_TAP: i16 = 0x0002;
const IFF_NO_PI: i16 = 0x1000;

/// The end of the simulated cable that is the device.
#[derive(Default)]
struct Plug {
    to_kernel: Vec<Vec<u8>>,
}

impl Node for Plug {
    fn kind(&self) -> &'static str {
        "tap"
    }

    fn on_frame(&mut self, context: &mut Context<'_>, _: u16, frame: FrameId) {
        self.to_kernel.push(context.bytes(frame).to_vec());
    }

    fn inspect(&self, _: Time) -> Vec<Table> {
        Vec::new()
    }
}

/// A segment that passed the device.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Whether the kernel sent it.
    pub by_kernel: bool,
    /// Its header.
    pub tcp: Tcp,
    /// Bytes of its payload.
    pub length: usize,
}

/// The device, the simulation behind it, and what passed between them.
pub struct Wire {
    tap: File,
    pub simulator: Simulator,
    plug: NodeId,
    host: NodeId,
    /// Real time that was seen last.
    seen: Instant,
    virtual_time: Duration,
    pub passed: Vec<Passed>,
}

/// Opens the device `tap0`. `None`: this system has no TAP devices.
fn open() -> Option<File> {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open("/dev/net/tun");
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return None,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => return None,
        Err(error) => panic!("/dev/net/tun: {error}"),
    };
    let mut name = [0; 16];
    name[..4].copy_from_slice(b"tap0");
    let mut request = Request { name, flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
    // JUSTIFICATION: no safe wrapper makes TAP devices.
    // SAFETY: TUNSETIFF reads and writes a `struct ifreq`, for which `request` has the size; it outlives the call.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) };
    assert_eq!(made, 0, "a TAP device in an own network namespace: {}", io::Error::last_os_error());
    Some(file)
}

impl Wire {
    /// A device of this process's network namespace, and behind it a host with these settings of TCP on a cable like this.
    pub fn new(seed: u64, cable: LinkSpec, terms: Terms) -> Option<Wire> {
        let tap = open()?;
        let mut socket = Socket::open(Protocol::Route).expect("a socket");
        let index = link::get(&mut socket, Target::Name("tap0")).expect("the device").index;
        let mut batch = Batch::new();
        link::set_up(&mut batch, Target::Name("lo"), true);
        address::add(&mut batch, &Address::new(index, format!("{KERNEL}/24").parse().expect("an address")));
        link::set_up(&mut batch, Target::Name("tap0"), true);
        socket.execute(&batch).expect("the device is up");
        let mut simulator = Simulator::new(seed, Bounds::NONE);
        let plug = simulator.add("tap", Plug::default());
        let interface = InterfaceSpec {
            name: "eth0".to_owned(),
            mac: Mac([2, 0, 0, 0, 0, 2]),
            addresses: vec![format!("{SIMULATED}/24").parse().expect("an address")],
            mtu: 0,
        };
        let mut host = Host::new(HostSpec { interfaces: vec![interface], ..HostSpec::default() });
        host.set_tcp(terms);
        let host = simulator.add("host", host);
        simulator.join(plug, host, cable);
        Some(Wire { tap, simulator, plug, host, seen: Instant::now(), virtual_time: Duration::ZERO, passed: Vec::new() })
    }

    /// Lets the simulated host do something now.
    pub fn at<R>(&mut self, act: impl FnOnce(&mut Host, &mut Context<'_>) -> R) -> R {
        self.simulator.with(self.host, act).expect("a host")
    }

    /// Lets things happen until something is so. Panics if it is not after `patience`.
    pub fn until(&mut self, patience: Duration, what: &str, mut is_so: impl FnMut(&mut Wire) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < patience, "{what}: not after {patience:?}; the last that passed: {:#?}", self.last());
            self.go_on();
        }
    }

    fn last(&self) -> &[Passed] {
        &self.passed[self.passed.len().saturating_sub(6)..]
    }

    /// A moment of both worlds.
    fn go_on(&mut self) {
        let now = Instant::now();
        self.virtual_time += now.duration_since(self.seen).min(STEP);
        self.seen = now;
        self.simulator.run_until(Time::ZERO + Span::nanoseconds(self.virtual_time.as_nanos() as u64), BUDGET);
        let frames = self.simulator.with(self.plug, |plug: &mut Plug, _| std::mem::take(&mut plug.to_kernel)).expect("the plug");
        let has_sent = !frames.is_empty();
        for frame in frames {
            self.note(false, &frame);
            // A full queue loses a frame, as cables do.
            let _ = self.tap.write(&frame);
        }
        if !has_sent {
            let limit = Timespec { tv_sec: 0, tv_nsec: 500_000 };
            let _ = poll(&mut [PollFd::new(&self.tap, PollFlags::IN)], Some(&limit));
        }
        let mut buffer = [0; 65_536];
        while let Ok(length) = self.tap.read(&mut buffer) {
            let frame = &buffer[..length];
            self.note(true, frame);
            self.simulator.with(self.plug, |_: &mut Plug, context| {
                let copy = context.make(FrameId::NONE, |out| out.extend_from_slice(frame));
                context.send(0, copy);
            });
        }
    }

    fn note(&mut self, by_kernel: bool, frame: &[u8]) {
        let Ok((Ethernet { ether_type: EtherType::IPV4, .. }, packet)) = Ethernet::parse(frame) else { return };
        let Ok((Ipv4 { protocol: protocol::TCP, .. }, segment)) = Ipv4::parse(packet) else { return };
        if let Ok((tcp, data)) = Tcp::parse(segment) {
            self.passed.push(Passed { by_kernel, tcp, length: data.len() });
        }
    }
}
