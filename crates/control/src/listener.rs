//! Built-in listeners (`listen:`): one process a lab answers on all of them with the name of the instance. To HTTP it
//! answers HTTP, to SSH a line and the end, to others a line and then what they send. One without a name sends back what it gets
//! and nothing else (RFC 862).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a client may think before it is greeted: HTTP clients speak first, people at a telnet wait.
const PATIENCE: Duration = Duration::from_millis(250);
/// Connections held at once; beyond that the oldest goes.
const MOST: usize = 4_096;

enum Port {
    Tcp { name: String, listener: TcpListener },
    Udp { name: String, socket: UdpSocket },
}

struct Connection {
    name: String,
    stream: TcpStream,
    since: Instant,
    greeted: bool,
}

/// Serves descriptors handed over, one an argument: `tcp:NAME` or `udp:NAME`. Ends with the lab.
pub fn serve(arguments: &[String], descriptors: Vec<OwnedFd>) -> std::io::Result<()> {
    let mut ports = Vec::new();
    for (argument, descriptor) in arguments.iter().zip(descriptors) {
        let Some((protocol, name)) = argument.split_once(':') else { continue };
        let name = name.to_owned();
        ports.push(match protocol {
            "udp" => {
                let socket = UdpSocket::from(descriptor);
                socket.set_nonblocking(true)?;
                Port::Udp { name, socket }
            }
            _ => {
                let listener = TcpListener::from(descriptor);
                listener.set_nonblocking(true)?;
                Port::Tcp { name, listener }
            }
        });
    }
    let mut connections: BTreeMap<u64, Connection> = BTreeMap::new();
    let mut next = 0u64;
    loop {
        let waiting: Vec<u64> = connections.keys().copied().collect();
        let mut fds: Vec<PollFd<'_>> = ports
            .iter()
            .map(Port::descriptor)
            .chain(connections.values().map(|c| c.stream.as_fd()))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let limit = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
        let impatient = connections.values().any(|c| !c.greeted);
        match poll(&mut fds, impatient.then_some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for (port, _) in ports.iter().zip(&ready).filter(|(_, ready)| **ready) {
            match port {
                Port::Tcp { name, listener } => {
                    while let Ok((stream, _)) = listener.accept() {
                        if stream.set_nonblocking(true).is_ok() {
                            next += 1;
                            let greeted = name.is_empty();
                            let connection = Connection { name: name.clone(), stream, since: Instant::now(), greeted };
                            connections.insert(next, connection);
                        }
                    }
                }
                Port::Udp { name, socket } => answer_datagrams(name, socket),
            }
        }
        for (key, ready) in waiting.into_iter().zip(&ready[ports.len()..]) {
            let Some(connection) = connections.get_mut(&key) else { continue };
            if !connection.step(*ready) {
                connections.remove(&key);
            }
        }
        while connections.len() > MOST {
            connections.pop_first();
        }
    }
}

impl Port {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Port::Tcp { listener, .. } => listener.as_fd(),
            Port::Udp { socket, .. } => socket.as_fd(),
        }
    }
}

impl Connection {
    /// False when the connection is over.
    fn step(&mut self, readable: bool) -> bool {
        if readable {
            let mut buffer = [0; 4_096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) if self.name.is_empty() => return self.stream.write_all(&buffer[..length]).is_ok(),
                Ok(length) if is_http(&buffer[..length]) => {
                    let _ = self.stream.write_all(&self.http());
                    return false;
                }
                // Who speaks SSH would take its own words, sent back, for a server's, and wait for ever.
                Ok(length) if buffer[..length].starts_with(b"SSH-") => {
                    self.greet();
                    return false;
                }
                Ok(length) => return self.greet() && self.stream.write_all(&buffer[..length]).is_ok(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        self.greeted || self.since.elapsed() < PATIENCE || self.greet()
    }

    fn greet(&mut self) -> bool {
        if self.greeted {
            return true;
        }
        self.greeted = true;
        let line = self.line();
        self.stream.write_all(line.as_bytes()).is_ok()
    }

    fn line(&self) -> String {
        let address = |address: std::io::Result<std::net::SocketAddr>| address.map(|a| a.to_string()).unwrap_or_default();
        format!("{} {} sees you as {}\n", self.name, address(self.stream.local_addr()), address(self.stream.peer_addr()))
    }

    fn http(&self) -> Vec<u8> {
        let body = self.line();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

fn is_http(bytes: &[u8]) -> bool {
    ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH "].iter().any(|method| bytes.starts_with(method.as_bytes()))
}

fn answer_datagrams(name: &str, socket: &UdpSocket) {
    let mut buffer = [0; 2_048];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        let mut answer = if name.is_empty() { Vec::new() } else { format!("{name} ").into_bytes() };
        answer.extend(&buffer[..length]);
        let _ = socket.send_to(&answer, peer);
    }
}
