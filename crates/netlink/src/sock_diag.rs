//! Open TCP and UDP sockets of a namespace (inet_diag), as `ss` shows them.
//!
//! include/uapi/linux/inet_diag.h; ports and addresses are in network order, the rest in the machine's.

use std::net::{IpAddr, SocketAddr};

use crate::error::{Error, Malformed};
use crate::message::{Batch, DUMP, Message};
use crate::rtnl::Family;
use crate::socket::Socket;

const BY_FAMILY: u16 = 20;

/// Which sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    const fn number(self) -> u8 {
        match self {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        }
    }
}

/// State of a socket (`TCP_*`). UDP sockets are `Established` when connected, else `Close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "RFC 9293, section 3.3.2")]
pub enum State {
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
    NewSynReceived = 12,
}

impl State {
    fn from_number(number: u8) -> Option<State> {
        use State::*;
        [
            Established, SynSent, SynReceived, FinWait1, FinWait2, TimeWait, Close, CloseWait, LastAck, Listen, Closing,
            NewSynReceived,
        ]
        .into_iter()
        .find(|state| *state as u8 == number)
    }
}

/// An open socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenSocket {
    /// TCP or UDP.
    pub transport: Transport,
    /// Where it is.
    pub local: SocketAddr,
    /// Where it is connected to; unspecified and 0 if nowhere.
    pub remote: SocketAddr,
    /// State.
    pub state: State,
    /// User who opened it, as the asker's user namespace numbers them.
    pub uid: u32,
    /// Inode, as in `/proc/PID/fd`.
    pub inode: u32,
    /// Bytes received and not yet read; of a listener: connections not yet accepted.
    pub receive_queue: u32,
    /// Bytes not yet acknowledged; of a listener: how many connections may wait.
    pub send_queue: u32,
    /// Index of the device it is bound to, 0 for none.
    pub device: u32,
}

impl OpenSocket {
    fn parse(message: &Message<'_>, transport: Transport) -> Result<Option<OpenSocket>, Malformed> {
        let (header, _) = message.split(72)?;
        let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let address = |at: usize| -> Option<IpAddr> {
            match header[0] {
                2 => header[at..at + 4].try_into().ok().map(|bytes: [u8; 4]| bytes.into()),
                10 => header[at..at + 16].try_into().ok().map(|bytes: [u8; 16]| bytes.into()),
                _ => None,
            }
        };
        let (Some(local), Some(remote), Some(state)) = (address(8), address(24), State::from_number(header[1])) else {
            return Ok(None);
        };
        Ok(Some(OpenSocket {
            transport,
            local: SocketAddr::new(local, half(4)),
            remote: SocketAddr::new(remote, half(6)),
            state,
            uid: word(64),
            inode: word(68),
            receive_queue: word(56),
            send_queue: word(60),
            device: word(40),
        }))
    }
}

/// The sockets of one transport and family, sorted.
pub fn dump(socket: &mut Socket, transport: Transport, family: Family) -> Result<Vec<OpenSocket>, Error> {
    const ALL_STATES: u32 = u32::MAX;
    let mut request = Batch::new();
    request.push(BY_FAMILY, DUMP, |body| {
        let mut header = [0; 56];
        header[0] = family.number();
        header[1] = transport.number();
        header[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
        body.raw(&header);
    });
    let mut found = socket.dump(&request, |message| OpenSocket::parse(&message, transport))?;
    found.sort();
    Ok(found)
}

/// Every TCP and UDP socket, both families, sorted.
pub fn all(socket: &mut Socket) -> Result<Vec<OpenSocket>, Error> {
    let mut found = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp] {
        for family in [Family::V4, Family::V6] {
            found.extend(dump(socket, transport, family)?);
        }
    }
    found.sort();
    Ok(found)
}

/// Everything that listens: TCP listeners and unconnected UDP sockets, both families, sorted.
pub fn listeners(socket: &mut Socket) -> Result<Vec<OpenSocket>, Error> {
    let mut found = Vec::new();
    for (transport, state) in [(Transport::Tcp, State::Listen), (Transport::Udp, State::Close)] {
        for family in [Family::V4, Family::V6] {
            found.extend(dump(socket, transport, family)?.into_iter().filter(|open| open.state == state));
        }
    }
    found.sort();
    Ok(found)
}
