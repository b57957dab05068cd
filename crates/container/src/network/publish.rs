//! Published ports: what `-p` says, and which port of the instance a container gets.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::error::{Error, Holder, Result};

/// Where a port comes from when nobody says which: the kernel's ephemeral range, as Docker takes it.
pub const RANDOM_PORTS: (u16, u16) = (32_768, 60_999);
/// At most this many ports in one range.
const LARGEST_RANGE: u32 = 1_000;

/// TCP or UDP.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// The IP protocol's number.
    pub const fn number(self) -> u8 {
        match self {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        })
    }
}

/// A port of a container, as an image exposes it: `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Port {
    /// 1 to 65535.
    pub number: u16,
    /// TCP or UDP.
    pub transport: Transport,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.transport)
    }
}

/// Which port of the instance is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostPort {
    /// Any of [`RANDOM_PORTS`].
    Random,
    /// This one.
    Exactly(u16),
    /// The lowest free one of these, both ends included.
    OneOf(u16, u16),
}

/// One port that `-p` asks to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublishRequest {
    /// On which address of the instance; 0.0.0.0: on all of them, those of IPv6 too where the container has IPv6.
    pub host_address: IpAddr,
    /// On which of its ports.
    pub host_port: HostPort,
    /// The container's port.
    pub container_port: u16,
    /// TCP or UDP.
    pub transport: Transport,
}

/// A port of the instance that leads to one of a container: `0.0.0.0:8080->80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublishedPort {
    /// On which address of the instance; 0.0.0.0: on all of IPv4, `::`: on all of IPv6.
    pub host_address: IpAddr,
    /// The instance's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// TCP or UDP.
    pub transport: Transport,
}

impl PublishedPort {
    /// Where it is reached: `0.0.0.0:8080`, `[::]:8080`.
    pub fn host(&self) -> SocketAddr {
        SocketAddr::new(self.host_address, self.host_port)
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host();
        write!(f, "{host}->{}/{}", self.container_port, self.transport)
    }
}

/// Reads one value of `-p` (`80`, `8080:80`, `127.0.0.1:8080:80`, `127.0.0.1::80`, `8000-8010:80-90`, `8000-8010:80`,
/// `53:53/udp`) or of a lab file's `publish` (`8080->80`): one request for each port of a range.
pub fn parse_publish(text: &str) -> Result<Vec<PublishRequest>> {
    let wrong = |why: String| Error::Publish {
        text: text.to_owned(),
        why,
    };
    let trimmed = text.trim();
    let (ports, transport) = match trimmed.rsplit_once('/') {
        None => (trimmed, Transport::Tcp),
        Some((ports, "tcp" | "TCP")) => (ports, Transport::Tcp),
        Some((ports, "udp" | "UDP")) => (ports, Transport::Udp),
        Some((_, "sctp")) => return Err(wrong("SCTP is not published: write tcp or udp".into())),
        Some((_, other)) => {
            return Err(wrong(format!("`{other}` is no protocol: write tcp or udp")));
        }
    };
    let (host, container) = match ports.split_once("->") {
        Some((host, container)) => (Some(host.trim_end()), container.trim_start()),
        None => match ports.rsplit_once(':') {
            Some((host, container)) => (Some(host), container),
            None => (None, ports),
        },
    };
    // `[::1]` with no port behind it, as in `[::1]::80`, is an address with an empty port.
    let (address, host) = match host.map(|host| (host, host.rsplit_once(':'))) {
        None => (None, None),
        Some((_, Some((address, port)))) => (Some(address), Some(port)),
        Some((port, None)) => (None, Some(port)),
    };
    let host_address = match address {
        None | Some("") => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Some("localhost") => IpAddr::from(Ipv4Addr::LOCALHOST),
        Some(address) => {
            let inner = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
            let parsed = match inner {
                Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::from),
                None => address.parse::<Ipv4Addr>().map(IpAddr::from),
            };
            parsed.map_err(|_| {
                wrong(format!(
                    "`{address}` is no address of the instance: write 127.0.0.1 or [::1]"
                ))
            })?
        }
    };
    if container.is_empty() {
        return Err(wrong("no port of the container is given".into()));
    }
    let (first, last) = range(container).map_err(wrong)?;
    let count = u32::from(last - first) + 1;
    if count > LARGEST_RANGE {
        return Err(wrong(format!(
            "{count} ports at once are more than {LARGEST_RANGE}"
        )));
    }
    let host = match host {
        None | Some("") => None,
        Some(host) => Some(range(host).map_err(wrong)?),
    };
    let request = |offset: u16, host_port| PublishRequest {
        host_address,
        host_port,
        container_port: first + offset,
        transport,
    };
    match host {
        None => Ok((0..=last - first)
            .map(|offset| request(offset, HostPort::Random))
            .collect()),
        Some((low, high)) if low == high && count == 1 => {
            Ok(vec![request(0, HostPort::Exactly(low))])
        }
        Some((low, high)) if count == 1 => Ok(vec![request(0, HostPort::OneOf(low, high))]),
        Some((low, high)) if high - low == last - first => Ok((0..=last - first)
            .map(|offset| request(offset, HostPort::Exactly(low + offset)))
            .collect()),
        Some((low, high)) => Err(wrong(format!(
            "{} ports of the instance for {count} of the container: both ranges must be as long",
            u32::from(high - low) + 1
        ))),
    }
}

/// Reads `80` or `80/udp`, as `--expose` and an image's `ExposedPorts` have it; ranges are taken apart.
pub fn parse_exposed(text: &str) -> Result<Vec<Port>> {
    let wrong = |why: String| Error::Publish {
        text: text.to_owned(),
        why,
    };
    let (ports, transport) = match text.trim().split_once('/') {
        None | Some((_, "tcp")) => (text.trim().trim_end_matches("/tcp"), Transport::Tcp),
        Some((ports, "udp")) => (ports, Transport::Udp),
        Some((_, other)) => {
            return Err(wrong(format!("`{other}` is no protocol: write tcp or udp")));
        }
    };
    let (first, last) = range(ports).map_err(wrong)?;
    Ok((first..=last)
        .map(|number| Port { number, transport })
        .collect())
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(0) => Err("port 0 is none: ports are 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
        Err(_) => Err(format!("`{text}` is no port: ports are 1 to 65535")),
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err(format!("range {text} runs backwards"));
    }
    Ok((first, last))
}

/// A port of the instance that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// On which address; 0.0.0.0 and :: are all of them.
    pub address: IpAddr,
    /// Which.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// Who.
    pub holder: Holder,
}

impl Taken {
    /// What a container's published port takes.
    pub fn by_container(name: &str, port: &PublishedPort) -> Taken {
        Taken {
            address: port.host_address,
            port: port.host_port,
            transport: port.transport,
            holder: Holder::Container(name.to_owned()),
        }
    }

    fn is_in_the_way_of(&self, port: &PublishedPort) -> bool {
        if (self.port, self.transport) != (port.host_port, port.transport) {
            return false;
        }
        // A program that listens on `::` may have IPv4 with it; a container that publishes there has not. One that listens
        // on one IPv6 address leaves IPv4 alone.
        let is_same_family = self.address.is_ipv4() == port.host_address.is_ipv4();
        let is_program = self.holder == Holder::Program;
        let meets = self.address == port.host_address
            || self.address.is_unspecified()
            || port.host_address.is_unspecified();
        match is_same_family {
            true => meets,
            false => is_program && self.address == IpAddr::from(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// What is published for a container with these addresses: a port on all addresses of IPv4 is one on all of IPv6 too, where
/// the container has IPv6, and one on an address of a family that it has not is an error.
pub fn of_families(
    published: Vec<PublishedPort>,
    has_ipv6: bool,
    taken: &[Taken],
) -> Result<Vec<PublishedPort>> {
    let mut all = published.clone();
    for port in published {
        if port.host_address.is_ipv6() && !has_ipv6 {
            return Err(Error::Publish {
                text: port.to_string(),
                why: "the container has no IPv6 address: put it into a network with --ipv6".into(),
            });
        }
        if !has_ipv6 || port.host_address != IpAddr::from(Ipv4Addr::UNSPECIFIED) {
            continue;
        }
        let twin = PublishedPort {
            host_address: Ipv6Addr::UNSPECIFIED.into(),
            ..port
        };
        if all.contains(&twin) {
            continue;
        }
        if let Some(taken) = taken.iter().find(|taken| taken.is_in_the_way_of(&twin)) {
            return Err(Error::PortTaken {
                port: twin,
                holder: taken.holder.clone(),
            });
        }
        all.push(twin);
    }
    Ok(all)
}

/// Chooses a port of the instance for each request, lowest first. Errors: [`Error::PortTaken`], [`Error::NoPort`].
pub fn allocate(requests: &[PublishRequest], taken: &[Taken]) -> Result<Vec<PublishedPort>> {
    let mut published: Vec<PublishedPort> = Vec::with_capacity(requests.len());
    // Exact ones first, so that a random one does not take what another asks for by number.
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|at| match requests[*at].host_port {
        HostPort::Exactly(_) => 0,
        HostPort::OneOf(..) => 1,
        HostPort::Random => 2,
    });
    let mut chosen = vec![None; requests.len()];
    for at in order {
        let request = &requests[at];
        let port = |host_port| PublishedPort {
            host_address: request.host_address,
            host_port,
            container_port: request.container_port,
            transport: request.transport,
        };
        let in_the_way = |port: &PublishedPort| -> Option<Holder> {
            let others = published
                .iter()
                .map(|other| Taken::by_container("itself", other));
            taken
                .iter()
                .cloned()
                .chain(others)
                .find(|taken| taken.is_in_the_way_of(port))
                .map(|taken| taken.holder)
        };
        let (first, last) = match request.host_port {
            HostPort::Exactly(port) => (port, port),
            HostPort::OneOf(first, last) => (first, last),
            HostPort::Random => RANDOM_PORTS,
        };
        let free = (first..=last)
            .map(port)
            .find(|port| in_the_way(port).is_none());
        let found = match (free, request.host_port) {
            (Some(found), _) => found,
            (None, HostPort::Exactly(number)) => {
                // The same port twice in one command is one port.
                if published.contains(&port(number)) {
                    chosen[at] = Some(port(number));
                    continue;
                }
                return Err(Error::PortTaken {
                    holder: in_the_way(&port(number)).unwrap_or(Holder::Program),
                    port: port(number),
                });
            }
            (None, _) => {
                return Err(Error::NoPort {
                    first,
                    last,
                    transport: request.transport,
                    address: request.host_address,
                });
            }
        };
        published.push(found);
        chosen[at] = Some(found);
    }
    let mut result: Vec<PublishedPort> = Vec::with_capacity(chosen.len());
    for port in chosen.into_iter().flatten() {
        if !result.contains(&port) {
            result.push(port);
        }
    }
    Ok(result)
}
