//! Which values a lan may have, as sentences for people: each `…_problem` says why not, `None` when it may.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{BitsPerSecond, DhcpService, Nanoseconds, Service};
use crate::network_interface::MacAddress;

/// Fastest link, bits per second: the fastest Ethernet of IEEE 802.3bs.
pub const MOST_RATE_BITS_PER_SECOND: u64 = 400_000_000_000;
/// Longest delay of a link, nanoseconds.
pub const MOST_DELAY_NANOSECONDS: u64 = 10_000_000_000;
/// Least MTU, bytes: what every part of an IPv4 path must carry (RFC 791).
pub const LEAST_MTU_BYTES: u32 = 68;
/// Largest MTU, bytes: no IPv4 packet is longer.
pub const MOST_MTU_BYTES: u32 = 65_535;
/// All of them, in millionths.
pub const MILLION: u32 = 1_000_000;

/// Why a link cannot have this rate, bits per second.
pub fn rate_problem(bits_per_second: u64) -> Option<String> {
    let most = MOST_RATE_BITS_PER_SECOND;
    match bits_per_second {
        0 => Some("less than a bit per second carries nothing".to_owned()),
        rate if rate > most => Some(format!("{} bits per second are too many: at most {}", BitsPerSecond(rate), BitsPerSecond(most))),
        _ => None,
    }
}

/// Why a link cannot have this delay, nanoseconds.
pub fn delay_problem(nanoseconds: u64) -> Option<String> {
    let most = MOST_DELAY_NANOSECONDS;
    (nanoseconds > most).then(|| format!("{} are too long for a link: at most {}", Nanoseconds(nanoseconds), Nanoseconds(most)))
}

/// Why a link cannot have this MTU, bytes.
pub fn mtu_problem(bytes: u32) -> Option<String> {
    let fine = (LEAST_MTU_BYTES..=MOST_MTU_BYTES).contains(&bytes);
    (!fine).then(|| format!("an MTU of {bytes} bytes is out of range: {LEAST_MTU_BYTES} to {MOST_MTU_BYTES}"))
}

/// Why an interface cannot have this MAC address.
pub fn mac_problem(mac: MacAddress) -> Option<String> {
    match mac.0 {
        [0, 0, 0, 0, 0, 0] => Some(format!("{mac} is nobody's address")),
        [first, ..] if first & 1 == 1 => Some(format!("{mac} is a group's address, not an interface's")),
        _ => None,
    }
}

/// Why an interface cannot have this address: it is the network's or the broadcast's, or no host's at all (RFC 6890).
pub fn address_problem(address: IpNet) -> Option<String> {
    let host = address.addr();
    match address {
        IpNet::V4(block) if block.prefix_len() == 0 => Some(format!("{address} is an address in no network: a prefix of 0 is everything")),
        // A /31 has two hosts and a /32 one (RFC 3021).
        IpNet::V4(block) if block.prefix_len() < 31 && block.addr() == block.network() => {
            Some(format!("{host} is the address of the network {}, not of a host", block.trunc()))
        }
        IpNet::V4(block) if block.prefix_len() < 31 && block.addr() == block.broadcast() => {
            Some(format!("{host} is the broadcast address of {}", block.trunc()))
        }
        IpNet::V6(block) if block.prefix_len() == 0 => Some(format!("{address} is an address in no network: a prefix of 0 is everything")),
        // RFC 4291, 2.6.1: the first address is every router's. RFC 6164: not between two routers.
        IpNet::V6(block) if block.prefix_len() < 127 && block.addr() == block.network() => {
            Some(format!("{host} is the address of every router of {}, not of a host", block.trunc()))
        }
        _ => unicast_problem(host),
    }
}

/// Why a host whose interfaces have these addresses cannot have this gateway: it would not reach it.
pub fn gateway_problem<'a>(gateway: IpAddr, addresses: impl IntoIterator<Item = &'a IpNet>) -> Option<String> {
    if let Some(why) = unicast_problem(gateway) {
        return Some(why);
    }
    let own: Vec<&IpNet> = addresses.into_iter().filter(|block| block.addr().is_ipv4() == gateway.is_ipv4()).collect();
    if own.iter().any(|block| block.addr() == gateway) {
        return Some(format!("{gateway} is its own address"));
    }
    // A link-local address is in every link's network, and every IPv6 host has one.
    let on_link = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if on_link || own.iter().any(|block| block.contains(&gateway)) {
        return None;
    }
    Some(match own.first() {
        Some(block) => format!("{gateway} cannot be reached: it is not in {}", block.trunc()),
        None => format!("{gateway} cannot be reached: there is no {} address", if gateway.is_ipv4() { "IPv4" } else { "IPv6" }),
    })
}

fn unicast_problem(address: IpAddr) -> Option<String> {
    let special = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_multicast() || v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_multicast() || v6.is_unspecified(),
    };
    special.then(|| format!("{address} is no host's address"))
}

/// Why a link cannot treat so many of a million frames so; `what` is `loss`, `duplicate` or `reorder`.
pub fn loss_problem(what: &str, per_million: u32) -> Option<String> {
    (per_million > MILLION).then(|| format!("{what} is a share: 0% to 100%"))
}

/// Why something with addresses in these blocks cannot serve this.
pub fn service_problem<'a>(service: &Service, blocks: impl IntoIterator<Item = &'a IpNet>) -> Option<String> {
    match service {
        Service::Application { port: 0, .. } => Some("port 0 is no port".to_owned()),
        Service::Application { .. } => None,
        Service::Dns(records) if records.is_empty() => Some("a name server without names knows nothing".to_owned()),
        Service::Dns(records) => records.iter().find_map(|(name, addresses)| match addresses.is_empty() {
            true => Some(format!("`{name}` has no address")),
            false => domain_problem(name),
        }),
        Service::Dhcp(dhcp) => {
            let DhcpService { first, last, gateway, .. } = dhcp;
            if first > last {
                return Some(format!("the range {first}-{last} runs backwards: write {last}-{first}"));
            }
            if dhcp.lease_seconds == 0 {
                return Some("a lease of no time is none".to_owned());
            }
            let mut v4 = blocks.into_iter().filter_map(|block| if let IpNet::V4(v4) = block { Some(v4) } else { None });
            let Some(block) = v4.find(|block| block.contains(first) && block.contains(last)) else {
                return Some(format!("{first}-{last} is in no network of this server"));
            };
            let is_edge = |address: &Ipv4Addr| block.prefix_len() < 31 && (*address == block.network() || *address == block.broadcast());
            if let Some(edge) = [first, last].into_iter().find(|address| is_edge(address)) {
                return Some(format!("{edge} is no host's address in {}", block.trunc()));
            }
            let outside = gateway.filter(|gateway| !block.contains(gateway));
            outside.map(|gateway| format!("clients cannot reach the gateway {gateway}: it is not in {}", block.trunc()))
        }
    }
}

/// Why a text is not a name that a name server can have (RFC 1035, 2.3.4).
fn domain_problem(name: &str) -> Option<String> {
    let fine = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() > 253 || !name.split('.').all(fine)).then(|| format!("`{name}` is not a name of hosts"))
}
