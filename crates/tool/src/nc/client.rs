//! Connecting, and looking which ports are open.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::options::{Options, Role};
use super::{addresses, exchange, said};
use crate::socket;

/// How long a looked-at port is waited for unless `-w` says so: one that is filtered never answers.
const LOOK: Duration = Duration::from_secs(10);
/// How long the ICMP error of a closed UDP port is waited for.
const UDP_LOOK: Duration = Duration::from_secs(1);

pub(super) fn run(options: &Options) -> Result<bool, String> {
    let Role::Client { host, ports, only_look, source, source_port, interval } = &options.role else {
        return Ok(false);
    };
    let addresses = addresses(options, host)?;
    let mut connected = false;
    let mut is_first = true;
    for port in ports.iter().flat_map(|(from, to)| *from..=*to) {
        if !is_first && !interval.is_zero() {
            std::thread::sleep(*interval);
        }
        is_first = false;
        for address in &addresses {
            let from = match (source, source_port) {
                (None, None) => None,
                (source, port) => Some(SocketAddr::new(source.unwrap_or(unspecified(address)), port.unwrap_or(0))),
            };
            let target = Target { host, address: *address, port, udp: options.udp };
            if attempt(options, &target, from, *only_look)? {
                connected = true;
                break;
            }
        }
    }
    Ok(connected)
}

fn unspecified(like: &IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Whom a line is about.
struct Target<'a> {
    host: &'a str,
    address: IpAddr,
    port: u16,
    udp: bool,
}

impl Target<'_> {
    fn host(&self) -> String {
        let address = self.address.to_string();
        if self.host == address { address } else { format!("{} ({address})", self.host) }
    }

    fn protocol(&self) -> &'static str {
        if self.udp { "udp" } else { "tcp" }
    }

    fn success(&self, numeric: bool) -> String {
        let service = Some(service(self.port)).filter(|service| !numeric && !service.is_empty()).unwrap_or("*");
        format!("Connection to {} {} port [{}/{service}] succeeded!", self.host(), self.port, self.protocol())
    }

    fn failure(&self, error: &io::Error) -> String {
        let (host, port, protocol) = (self.host(), self.port, self.protocol());
        match error.kind() {
            io::ErrorKind::TimedOut => format!("nc: connect to {host} port {port} ({protocol}) timed out: Operation now in progress"),
            _ => format!("nc: connect to {host} port {port} ({protocol}) failed: {}", socket::text(error)),
        }
    }
}

/// What people call a port; empty if nothing.
fn service(port: u16) -> &'static str {
    match port {
        7 => "echo",
        21 => "ftp",
        22 => "ssh",
        23 => "telnet",
        25 => "smtp",
        53 => "domain",
        80 => "http",
        123 => "ntp",
        143 => "imap2",
        443 => "https",
        3306 => "mysql",
        5432 => "postgresql",
        8080 => "http-alt",
        _ => "",
    }
}

/// Connects to one address, and exchanges unless only looking; says whether there was a connection.
fn attempt(options: &Options, target: &Target<'_>, from: Option<SocketAddr>, only_look: bool) -> Result<bool, String> {
    let to = SocketAddr::new(target.address, target.port);
    let tell = |line: String| {
        if options.verbose {
            eprintln!("{line}");
        }
    };
    if options.udp {
        let socket = match udp(to, from) {
            Ok(socket) => socket,
            Err(error) => {
                tell(target.failure(&error));
                return Ok(false);
            }
        };
        if only_look {
            return Ok(match look(&socket, options.wait.unwrap_or(UDP_LOOK)) {
                Ok(()) => {
                    tell(target.success(options.numeric));
                    true
                }
                Err(error) => {
                    tell(target.failure(&error));
                    false
                }
            });
        }
        tell(target.success(options.numeric));
        socket.set_nonblocking(true).map_err(|error| socket::text(&error))?;
        return said(exchange(options, &socket));
    }
    let wait = options.wait.or(only_look.then_some(LOOK));
    match socket::connect(to, from, wait) {
        Ok(stream) => {
            tell(target.success(options.numeric));
            if only_look { Ok(true) } else { said(exchange(options, &stream)) }
        }
        Err(error) => {
            tell(target.failure(&error));
            Ok(false)
        }
    }
}

fn udp(to: SocketAddr, from: Option<SocketAddr>) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(from.unwrap_or(SocketAddr::new(unspecified(&to.ip()), 0)))?;
    socket.connect(to)?;
    Ok(socket)
}

/// A UDP port counts as open unless an ICMP error says otherwise in time: silence is all that most services say.
fn look(socket: &UdpSocket, wait: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(wait))?;
    socket.send(b"X")?;
    match socket.recv(&mut [0; 16]) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_those_of_the_bsd_netcat() {
        let target = Target { host: "db-1", address: [10, 0, 0, 9].into(), port: 3306, udp: false };
        assert_eq!(target.success(false), "Connection to db-1 (10.0.0.9) 3306 port [tcp/mysql] succeeded!");
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(target.failure(&refused), "nc: connect to db-1 (10.0.0.9) port 3306 (tcp) failed: Connection refused");
        let target = Target { host: "10.0.0.9", port: 81, udp: true, ..target };
        assert_eq!(target.success(false), "Connection to 10.0.0.9 81 port [udp/*] succeeded!");
        let late = io::Error::from_raw_os_error(libc::ETIMEDOUT);
        assert_eq!(target.failure(&late), "nc: connect to 10.0.0.9 port 81 (udp) timed out: Operation now in progress");
    }
}
