//! A question that others are asked, from the container's own namespace: its network decides whom it reaches.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::dns::{Query, Response};

use super::server::{Opener, Served, failure, in_words};

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The port of DNS.
pub(super) const PORT: u16 = 53;

/// A question under way.
pub(super) struct Forwarded {
    pub served: Arc<Served>,
    pub socket: UdpSocket,
    pub deadline: Instant,
    peer: SocketAddr,
    query: Query,
    bytes: Vec<u8>,
    /// Which of the zone's servers is asked.
    server: usize,
}

impl Forwarded {
    /// Asks the first server that can be asked; where none can, the asker is told so.
    pub(super) fn ask(
        opener: &dyn Opener,
        served: Arc<Served>,
        peer: SocketAddr,
        query: Query,
        bytes: &[u8],
    ) -> Option<Forwarded> {
        let socket = opener.udp(&served.namespace, None).ok()?;
        let mut asked = Forwarded {
            served,
            socket,
            deadline: Instant::now(),
            peer,
            query,
            bytes: bytes.to_vec(),
            server: 0,
        };
        asked.send().then_some(asked)
    }

    /// Asks the server that is next, and those behind it until one can be asked.
    fn send(&mut self) -> bool {
        loop {
            let server = self.served.zone().forward_to().get(self.server).copied();
            let Some(server) = server else {
                self.served.note(&self.query, "no server answered");
                if let Some(reply) = failure(&self.query) {
                    let _ = self.served.udp.send_to(&reply, self.peer);
                }
                return false;
            };
            // Connected: only that server can answer.
            let sent = self.socket.set_nonblocking(true).is_ok()
                && self.socket.connect((server, PORT)).is_ok()
                && self.socket.send(&self.bytes).is_ok();
            if sent {
                self.deadline = Instant::now() + PATIENCE;
                return true;
            }
            self.server += 1;
        }
    }

    /// The next server, with a socket of its own: a late answer of the last one is not taken for its.
    pub(super) fn ask_next(&mut self, opener: &dyn Opener) -> bool {
        self.server += 1;
        match opener.udp(&self.served.namespace, None) {
            Ok(socket) => {
                self.socket = socket;
                self.send()
            }
            Err(_) => false,
        }
    }

    /// Passes the answer on as it is; true where there was one. A server that refuses packets is passed over at once.
    pub(super) fn pass_on(&mut self) -> bool {
        let mut buffer = vec![0; 65_535];
        match self.socket.recv(&mut buffer) {
            Ok(length) => {
                let answer = &buffer[..length];
                let Ok((id, response)) = Response::parse(answer) else {
                    return false;
                };
                if id != self.query.id {
                    return false;
                }
                let server = self
                    .socket
                    .peer_addr()
                    .map(|server| server.ip().to_string());
                let by = server.unwrap_or_default();
                self.served
                    .note(&self.query, format!("{} by {by}", in_words(&response)));
                let _ = self.served.udp.send_to(answer, self.peer);
                true
            }
            Err(error) => {
                if error.kind() != std::io::ErrorKind::WouldBlock {
                    self.deadline = Instant::now();
                }
                false
            }
        }
    }
}
