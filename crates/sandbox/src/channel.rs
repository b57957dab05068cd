//! Messages with descriptors over `SOCK_SEQPACKET`: framing, large payloads, many descriptors.
//!
//! A packet is a header of 24 bytes and a payload. A payload above [`INLINE`] travels in a memfd; more
//! than [`DESCRIPTORS_A_PACKET`] descriptors travel in leading packets with an empty payload. Packets of
//! one message follow each other, so a message that was cut off by a dying sender is never completed
//! and goes with the connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

const MAGIC: u32 = 0x5643_4c31;
const HEADER: usize = 24;
/// Payload that fits into a packet under every sensible `wmem_default`.
const INLINE: usize = 48 * 1024;
/// The kernel's SCM_MAX_FD is 253; one is the memfd's.
const DESCRIPTORS_A_PACKET: usize = 250;
/// Above this a sender is broken or hostile.
const LARGEST_PAYLOAD: usize = 64 << 20;
const MOST_DESCRIPTORS: usize = 4096;
/// A peer that leaves so much unread is not reading.
const LARGEST_BACKLOG: usize = 128 << 20;

const IN_MEMFD: u32 = 1;
const MORE_FOLLOWS: u32 = 2;

/// One message: the sender's number for it, bytes, descriptors.
#[derive(Debug)]
pub(crate) struct Message {
    pub id: u64,
    pub payload: Vec<u8>,
    pub descriptors: VecDeque<OwnedFd>,
}

struct Packet {
    header: [u8; HEADER],
    payload: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// One end of a connection. Works on blocking and non-blocking sockets alike: what cannot be sent now
/// waits in `outbox`.
pub(crate) struct Channel {
    socket: OwnedFd,
    outbox: VecDeque<Packet>,
    backlog: usize,
    early: VecDeque<OwnedFd>,
}

/// What [`Channel::receive`] found.
pub(crate) enum Received {
    Message(Message),
    /// Nothing more for now (non-blocking sockets only).
    Nothing,
    /// The other end is gone, or sent what no correct sender sends.
    Closed(Option<&'static str>),
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Channel {
        Channel {
            socket,
            outbox: VecDeque::new(),
            backlog: 0,
            early: VecDeque::new(),
        }
    }

    /// Queues a message and sends as much as the socket takes. After an error the connection is useless.
    pub(crate) fn send(
        &mut self,
        id: u64,
        payload: Vec<u8>,
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<()> {
        if payload.len() > LARGEST_PAYLOAD || descriptors.len() > MOST_DESCRIPTORS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "message too large",
            ));
        }
        let mut descriptors: VecDeque<OwnedFd> = descriptors.into();
        while descriptors.len() > DESCRIPTORS_A_PACKET {
            let part = descriptors.drain(..DESCRIPTORS_A_PACKET).collect();
            self.push(MORE_FOLLOWS, id, 0, Vec::new(), part);
        }
        let length = payload.len();
        if length <= INLINE {
            self.push(0, id, length, payload, descriptors.into());
        } else {
            let memory = rustix::fs::memfd_create("vpclab-message", MemfdFlags::CLOEXEC)?;
            let mut written = 0;
            while written < length {
                written += rustix::io::write(&memory, &payload[written..])?;
            }
            descriptors.push_front(memory);
            self.push(IN_MEMFD, id, length, Vec::new(), descriptors.into());
        }
        self.flush().map(|_| ())
    }

    fn push(
        &mut self,
        flags: u32,
        id: u64,
        length: usize,
        payload: Vec<u8>,
        descriptors: Vec<OwnedFd>,
    ) {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&MAGIC.to_ne_bytes());
        header[4..8].copy_from_slice(&flags.to_ne_bytes());
        header[8..16].copy_from_slice(&id.to_ne_bytes());
        header[16..].copy_from_slice(&(length as u64).to_ne_bytes());
        self.backlog += HEADER + payload.len();
        self.outbox.push_back(Packet {
            header,
            payload,
            descriptors,
        });
    }

    /// Sends queued packets; true when none is left.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        while let Some(packet) = self.outbox.front() {
            let borrowed: Vec<BorrowedFd<'_>> =
                packet.descriptors.iter().map(AsFd::as_fd).collect();
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_A_PACKET + 1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !borrowed.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&borrowed));
            }
            let parts = [IoSlice::new(&packet.header), IoSlice::new(&packet.payload)];
            match rustix::net::sendmsg(&self.socket, &parts, &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => {
                    self.backlog -= HEADER + packet.payload.len();
                    self.outbox.pop_front();
                }
                Err(Errno::INTR) => {}
                // TOOMANYREFS: the receiver has not yet taken descriptors sent before.
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::TOOMANYREFS)
                    if self.backlog <= LARGEST_BACKLOG =>
                {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Takes the next message.
    pub(crate) fn receive(&mut self) -> io::Result<Received> {
        loop {
            // On the stack: a holder has a channel an instance, and every fork copies its memory's tables.
            let mut buffer = [0; HEADER + INLINE];
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_A_PACKET + 3))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let received = match rustix::net::recvmsg(
                &self.socket,
                &mut parts,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Ok(received) => received,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Received::Closed(None)),
                Err(error) => return Err(error.into()),
            };
            let mut descriptors: VecDeque<OwnedFd> = VecDeque::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    descriptors.extend(rights);
                }
            }
            if received.bytes == 0 {
                return Ok(Received::Closed(None));
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                return Ok(Received::Closed(Some(
                    "out of descriptors: raise RLIMIT_NOFILE",
                )));
            }
            if received.flags.contains(ReturnFlags::TRUNC) || received.bytes < HEADER {
                return Ok(Received::Closed(Some("a packet of impossible size")));
            }
            let word = |at: usize| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&buffer[at..at + 8]);
                u64::from_ne_bytes(bytes)
            };
            let (magic, flags) = (word(0) as u32, (word(0) >> 32) as u32);
            #[cfg(target_endian = "big")]
            let (magic, flags) = (flags, magic);
            let (id, length) = (word(8), word(16) as usize);
            if magic != MAGIC || length > LARGEST_PAYLOAD {
                return Ok(Received::Closed(Some("not a packet of this protocol")));
            }
            if flags & MORE_FOLLOWS != 0 {
                self.early.extend(descriptors);
                if self.early.len() > MOST_DESCRIPTORS {
                    return Ok(Received::Closed(Some("too many descriptors")));
                }
                continue;
            }
            let payload = if flags & IN_MEMFD != 0 {
                let Some(memory) = descriptors.pop_front() else {
                    return Ok(Received::Closed(Some("a payload without its memory")));
                };
                match read_whole(memory.as_fd(), length) {
                    Ok(payload) => payload,
                    Err(_) => return Ok(Received::Closed(Some("a payload that cannot be read"))),
                }
            } else if received.bytes == HEADER + length {
                buffer[HEADER..HEADER + length].to_vec()
            } else {
                return Ok(Received::Closed(Some(
                    "a payload of another length than announced",
                )));
            };
            let mut all = std::mem::take(&mut self.early);
            all.extend(descriptors);
            return Ok(Received::Message(Message {
                id,
                payload,
                descriptors: all,
            }));
        }
    }

    /// True while packets wait for the peer to read.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.outbox.is_empty()
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Reads by position and never maps: a sender that truncates its memory meanwhile costs an error, not a
/// signal.
fn read_whole(memory: BorrowedFd<'_>, length: usize) -> io::Result<Vec<u8>> {
    // A pipe or terminal in a memfd's place must not be read: it could block.
    if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(memory)?.st_mode)
        != rustix::fs::FileType::RegularFile
    {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match rustix::io::pread(memory, &mut payload[filled..], filled as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (Channel, Channel) {
        let (one, two) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        (Channel::new(one), Channel::new(two))
    }

    fn next(channel: &mut Channel) -> Message {
        match channel.receive().unwrap() {
            Received::Message(message) => message,
            Received::Nothing => panic!("nothing"),
            Received::Closed(why) => panic!("closed: {why:?}"),
        }
    }

    #[test]
    fn payloads_of_every_size_arrive_whole() {
        let (mut one, mut two) = pair();
        for length in [0, 1, INLINE, INLINE + 1, 3 << 20] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            one.send(7, payload.clone(), Vec::new()).unwrap();
            let message = next(&mut two);
            assert_eq!(
                (message.id, message.payload == payload),
                (7, true),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn more_descriptors_than_a_packet_holds_arrive_in_order() {
        let (mut one, mut two) = pair();
        let files: Vec<OwnedFd> = (0..600)
            .map(|number: u32| {
                let file = rustix::fs::memfd_create("number", MemfdFlags::CLOEXEC).unwrap();
                rustix::io::write(&file, &number.to_ne_bytes()).unwrap();
                file
            })
            .collect();
        one.send(1, b"x".to_vec(), files).unwrap();
        let message = next(&mut two);
        assert_eq!(message.descriptors.len(), 600);
        for (at, file) in message.descriptors.iter().enumerate() {
            let mut bytes = [0; 4];
            rustix::io::pread(file, &mut bytes, 0).unwrap();
            assert_eq!(u32::from_ne_bytes(bytes) as usize, at);
        }
    }

    #[test]
    fn garbage_closes_the_connection() {
        for garbage in [&b"x"[..], &[0; HEADER], &[0xff; 4000]] {
            let (one, mut two) = pair();
            rustix::net::send(&one.socket, garbage, SendFlags::empty()).unwrap();
            assert!(matches!(two.receive().unwrap(), Received::Closed(Some(_))));
        }
    }

    #[test]
    fn a_message_cut_off_between_packets_is_never_delivered() {
        let (mut one, mut two) = pair();
        one.push(MORE_FOLLOWS, 3, 0, Vec::new(), Vec::new());
        one.flush().unwrap();
        drop(one);
        assert!(matches!(two.receive().unwrap(), Received::Closed(None)));
    }
}
