//! ARP on packet sockets: ask, and listen to what others ask.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags};

use super::{Lab, SILENCE};

const ETHERTYPE: u16 = 0x0806;

/// A packet socket for ARP on a device, opened in the calling thread's namespace.
fn packet_socket(device: u32) -> OwnedFd {
    let protocol = ETHERTYPE.to_be();
    // JUSTIFICATION: rustix has no packet sockets.
    // SAFETY: socket takes no pointers; the descriptor is new, so nobody else owns it.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(protocol)) };
    assert!(fd >= 0, "packet socket: {}", std::io::Error::last_os_error());
    // SAFETY: see above.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all zeros are a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = device as i32;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` lives and has this length; the kernel only reads it.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(result, 0, "bind: {}", std::io::Error::last_os_error());
    socket
}

/// Listens to ARP at a guest.
pub struct Listener(OwnedFd);

impl Listener {
    /// Requests that came so far.
    pub fn requests(&self) -> usize {
        let mut frame = [0u8; 128];
        let mut count = 0;
        while let Ok((read, _)) = rustix::net::recv(&self.0, &mut frame[..], RecvFlags::DONTWAIT) {
            count += usize::from(read >= 42 && frame[20..22] == [0, 1]);
        }
        count
    }
}

impl Lab {
    /// Asks who has an address, and who answers.
    pub fn arping(&self, from: &str, mac: [u8; 6], source: &str, target: &str) -> Option<[u8; 6]> {
        let device = linux::plan::device_index("eth0");
        let socket = self.namespace(from).enter(|| packet_socket(device));
        let (source, target): (Ipv4Addr, Ipv4Addr) = (source.parse().expect("address"), target.parse().expect("address"));
        let mut frame = vec![0xff; 6];
        frame.extend(mac);
        frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
        frame.extend(mac);
        frame.extend(source.octets());
        frame.extend([0; 6]);
        frame.extend(target.octets());
        rustix::net::send(&socket, &frame, SendFlags::empty()).expect("send");
        rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(SILENCE)).expect("timeout");
        let deadline = Instant::now() + SILENCE + Duration::from_millis(20);
        let mut reply = [0u8; 128];
        // Looked at before the clock: what came while this thread was not running is there.
        while let Ok((read, _)) = rustix::net::recv(&socket, &mut reply[..], RecvFlags::empty()) {
            if read >= 42 && reply[20..22] == [0, 2] && reply[28..32] == target.octets() {
                return reply[22..28].try_into().ok();
            }
            if Instant::now() > deadline {
                break;
            }
        }
        None
    }

    /// Listens to ARP at a guest from now on.
    pub fn listen_to_arp(&self, at: &str) -> Listener {
        let device = linux::plan::device_index("eth0");
        Listener(self.namespace(at).enter(|| packet_socket(device)))
    }
}
