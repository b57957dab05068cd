//! What a device is and has.

use std::collections::BTreeMap;

use super::*;

impl Device {
    /// What it is, as one word: `hub`, `repeater`, `switch`, `bridge`, `router`, `host`, `balancer`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hub(_) => "hub",
            Self::Repeater(_) => "repeater",
            Self::Switch(_) => "switch",
            Self::Bridge(_) => "bridge",
            Self::Router(_) => "router",
            Self::Host(_) => "host",
            Self::Balancer(_) => "balancer",
        }
    }

    /// Its interfaces, where it has any that speak IP; `None` for one that only has ports.
    pub fn interfaces(&self) -> Option<&BTreeMap<String, Interface>> {
        match self {
            Self::Hub(_) | Self::Repeater(_) | Self::Switch(_) | Self::Bridge(_) => None,
            Self::Router(router) => Some(&router.interfaces),
            Self::Host(host) => Some(&host.interfaces),
            Self::Balancer(balancer) => Some(&balancer.interfaces),
        }
    }

    /// The rate of one that repeats bits, bits per second.
    pub fn shared_rate(&self) -> Option<u64> {
        match self {
            Self::Hub(repeater) | Self::Repeater(repeater) => Some(repeater.rate_bits_per_second),
            _ => None,
        }
    }

    /// Links that it takes at most, where that is limited.
    pub fn most_links(&self) -> Option<usize> {
        matches!(self, Self::Repeater(_) | Self::Bridge(_)).then_some(2)
    }

    /// Where it was written.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Hub(repeater) | Self::Repeater(repeater) => &repeater.origin,
            Self::Switch(switch) | Self::Bridge(switch) => &switch.origin,
            Self::Router(router) => &router.origin,
            Self::Host(host) => &host.origin,
            Self::Balancer(balancer) => &balancer.origin,
        }
    }
}

impl Service {
    /// Ports that it listens on.
    pub fn listeners(&self) -> Vec<Listener> {
        match self {
            Self::Dhcp(_) => vec![Listener::Udp(67)],
            Self::Dns(_) => vec![Listener::Udp(53), Listener::Tcp(53)],
            Self::Application { protocol: Application::Echo, port } => vec![Listener::Tcp(*port), Listener::Udp(*port)],
            Self::Application { protocol: Application::Tftp | Application::Snmp, port } => vec![Listener::Udp(*port)],
            Self::Application { port, .. } => vec![Listener::Tcp(*port)],
        }
    }
}

impl Application {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 8] =
        [Self::Echo, Self::Ftp, Self::Http, Self::Https, Self::Smtp, Self::Snmp, Self::Telnet, Self::Tftp];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http",
            Self::Https => "https",
            Self::Smtp => "smtp",
            Self::Ftp => "ftp",
            Self::Tftp => "tftp",
            Self::Snmp => "snmp",
            Self::Telnet => "telnet",
        }
    }

    /// Its well-known port (IANA).
    pub fn port(self) -> u16 {
        match self {
            Self::Echo => 7,
            Self::Ftp => 21,
            Self::Telnet => 23,
            Self::Smtp => 25,
            Self::Tftp => 69,
            Self::Http => 80,
            Self::Snmp => 161,
            Self::Https => 443,
        }
    }
}

impl Default for Repeater {
    fn default() -> Self {
        Self { rate_bits_per_second: HUB_RATE_BITS_PER_SECOND, origin: Origin::default() }
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self {
            ageing_seconds: AGEING_SECONDS,
            table_entries: TABLE_ENTRIES,
            spanning_tree: false,
            priority: BRIDGE_PRIORITY,
            igmp_snooping: true,
            origin: Origin::default(),
        }
    }
}
