//! Echo requests on raw sockets, and everything that comes back.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, sockopt};

use super::{Lab, SILENCE};

/// An echo request.
#[derive(Debug, Clone, Copy)]
pub struct Echo {
    /// Time to live.
    pub ttl: u32,
    /// Bytes of ICMP payload.
    pub size: usize,
    /// Must not be fragmented.
    pub dont_fragment: bool,
    /// ICMP type.
    pub kind: u8,
}

impl Default for Echo {
    fn default() -> Echo {
        Echo { ttl: 64, size: 56, dont_fragment: false, kind: 8 }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Time to live that was left.
    pub ttl: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Next-hop MTU of "fragmentation needed".
    pub mtu: u16,
    /// Source and destination of the packet that an error quotes.
    pub quoted: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Whether header and ICMP checksum are right.
    pub checksums_hold: bool,
}

/// The internet checksum (RFC 1071): 0 over data that contains a right one.
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

impl Lab {
    /// Sends one echo request and waits for what comes back.
    pub fn echo(&self, from: &str, source: &str, to: &str, echo: Echo) -> Option<Answer> {
        let source: Ipv4Addr = source.parse().expect("address");
        let target: Ipv4Addr = to.parse().expect("address");
        let socket = self.namespace(from).enter(|| {
            let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::ICMP)).expect("raw socket");
            rustix::net::bind(&socket, &SocketAddr::V4(SocketAddrV4::new(source, 0))).expect("bind");
            socket
        });
        sockopt::set_ip_ttl(&socket, echo.ttl).expect("ttl");
        set_path_discovery(&socket, echo.dont_fragment);
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(SILENCE)).expect("timeout");
        let identifier = (Instant::now().elapsed().subsec_nanos() as u16) ^ (std::process::id() as u16) ^ rand();
        let mut packet = vec![echo.kind, 0, 0, 0];
        packet.extend(identifier.to_be_bytes());
        packet.extend([0, 1]);
        packet.resize(8 + echo.size, 0x55);
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        let address = SocketAddr::V4(SocketAddrV4::new(target, 0));
        rustix::net::sendto(&socket, &packet, SendFlags::empty(), &address).expect("send");
        let deadline = Instant::now() + SILENCE + Duration::from_millis(50);
        let mut buffer = vec![0u8; 65536];
        // Looked at before the clock: what came while this thread was not running is there.
        while let Ok((read, _)) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()) {
            let bytes = &buffer[..read];
            let header = usize::from(bytes[0] & 15) * 4;
            let icmp = &bytes[header..];
            let inner = icmp.get(8..).filter(|inner| inner.len() >= 28 && matches!(icmp[0], 3 | 11 | 12));
            let told = match inner {
                Some(inner) => u16::from_be_bytes([inner[24], inner[25]]),
                None => u16::from_be_bytes([icmp[4], icmp[5]]),
            };
            if icmp[0] == echo.kind || told != identifier {
                if Instant::now() > deadline {
                    break;
                }
                continue;
            }
            let at = |bytes: &[u8], from: usize| Ipv4Addr::new(bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]);
            return Some(Answer {
                source: at(bytes, 12),
                ttl: bytes[8],
                kind: icmp[0],
                code: icmp[1],
                mtu: u16::from_be_bytes([icmp[6], icmp[7]]),
                quoted: inner.map(|inner| (at(inner, 12), at(inner, 16))),
                checksums_hold: checksum(&bytes[..header]) == 0 && checksum(icmp) == 0 && inner.is_none_or(|inner| checksum(&inner[..20]) == 0),
            });
        }
        None
    }

    /// Whether an ordinary ping is answered.
    pub fn pings(&self, from: &str, source: &str, to: &str) -> bool {
        self.echo(from, source, to, Echo::default()).is_some_and(|answer| answer.kind == 0)
    }
}

fn rand() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn set_path_discovery(socket: &std::os::fd::OwnedFd, dont_fragment: bool) {
    use std::os::fd::AsRawFd;
    let value: libc::c_int = if dont_fragment { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // JUSTIFICATION: rustix has no wrapper for IP_MTU_DISCOVER.
    // SAFETY: the descriptor is open, and `value` is a live c_int of the given size, which the kernel only reads.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, (&raw const value).cast(), size) };
    assert_eq!(result, 0, "IP_MTU_DISCOVER");
}
