//! Lans as a lab file writes them.

use std::fmt;

use ipnet::IpNet;

use super::*;

impl Lan {
    /// A link as a lab file writes it, without what goes without saying: `pc-2 -- sw-1 1G 5us loss 1%`.
    pub fn sentence(&self, link: &Link) -> String {
        let mut words = vec![self.end(&link.a), "--".to_owned(), self.end(&link.b)];
        if link.framing.is_serial() {
            words.push(link.framing.to_string());
        }
        let usual_rate = match link.framing {
            _ if link.half_duplex => link.rate_bits_per_second,
            Framing::Ethernet => LINK_RATE_BITS_PER_SECOND,
            Framing::Ppp | Framing::Hdlc => SERIAL_RATE_BITS_PER_SECOND,
        };
        if link.rate_bits_per_second != usual_rate {
            words.push(BitsPerSecond(link.rate_bits_per_second).to_string());
        }
        if let Some(cable) = link.cable {
            words.push(cable.to_string());
        }
        if link.delay_nanoseconds != link.cable.map_or(LINK_DELAY_NANOSECONDS, Cable::delay_nanoseconds) {
            words.push(Nanoseconds(link.delay_nanoseconds).to_string());
        }
        let shares = [("loss", link.loss_per_million), ("duplicate", link.duplicate_per_million), ("reorder", link.reorder_per_million)];
        for (name, share) in shares.into_iter().filter(|(_, share)| *share > 0) {
            words.push(format!("{name} {}", PerMillion(share)));
        }
        if link.queue_frames != QUEUE_FRAMES {
            words.push(format!("queue {}", link.queue_frames));
        }
        if link.mtu_bytes != LINK_MTU_BYTES {
            words.push(format!("mtu {}", link.mtu_bytes));
        }
        if !link.up {
            words.push("down".to_owned());
        }
        if !link.announce.is_empty() {
            let blocks: Vec<String> = link.announce.iter().map(ToString::to_string).collect();
            words.push(format!("announce {}", blocks.join(",")));
        }
        words.join(" ")
    }

    /// An end as a lab file writes it: the interface only where the device alone does not say it.
    pub fn end(&self, end: &End) -> String {
        let End::Device { device, interface } = end else { return end.to_string() };
        let said = match self.devices.get(device).map(Device::interfaces) {
            Some(None) => true,
            Some(Some(interfaces)) => interfaces.len() == 1 && interfaces.contains_key(interface),
            None => false,
        };
        if said { device.clone() } else { end.to_string() }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { device, interface } => write!(f, "{device}:{interface}"),
            Self::Vpc(name) => write!(f, "vpc:{name}"),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ethernet => "ethernet",
            Self::Ppp => "ppp",
            Self::Hdlc => "hdlc",
        })
    }
}

impl fmt::Display for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metres, centimetres) = (self.length_centimetres / 100, self.length_centimetres % 100);
        write!(f, "{}", self.kind)?;
        match (self.length_centimetres, centimetres) {
            (CABLE_CENTIMETRES, _) => Ok(()),
            (1.., 0) if metres.is_multiple_of(1000) => write!(f, " {}km", metres / 1000),
            (_, 0) => write!(f, " {metres}m"),
            _ => write!(f, " {metres}.{}m", format!("{centimetres:02}").trim_end_matches('0')),
        }
    }
}

impl fmt::Display for CableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utp => "utp",
            Self::Fiber => "fiber",
            Self::Coax => "coax",
        })
    }
}

impl fmt::Display for RoutingProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rip => "rip",
            Self::Ospf => "ospf",
        })
    }
}

impl fmt::Display for StaticRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_default = self.destination.prefix_len() == 0;
        // Without a next hop, `default` would not say which family it means.
        let family_is_said = self.via.is_some() || matches!(self.destination, IpNet::V4(_));
        match is_default && family_is_said {
            true => f.write_str("default")?,
            false => write!(f, "{}", self.destination)?,
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        self.interface.as_ref().map_or(Ok(()), |interface| write!(f, " dev {interface}"))
    }
}

impl fmt::Display for FilterRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.allow { "allow" } else { "deny" }, self.traffic)?;
        let blocks = [("from", self.from), ("to", self.to)];
        for (word, block) in blocks.iter().filter_map(|(word, block)| Some((word, (*block)?))) {
            match block.prefix_len() == block.max_prefix_len() {
                true => write!(f, " {word} {}", block.addr())?,
                false => write!(f, " {word} {block}")?,
            }
        }
        let interfaces = [("in", &self.in_interface), ("out", &self.out_interface)];
        for (word, interface) in interfaces.iter().filter_map(|(word, interface)| Some((word, interface.as_ref()?))) {
            write!(f, " {word} {interface}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp(dhcp) => {
                write!(f, "dhcp {}-{}", dhcp.first, dhcp.last)?;
                dhcp.gateway.map_or(Ok(()), |gateway| write!(f, " gateway {gateway}"))?;
                dhcp.dns.iter().try_for_each(|server| write!(f, " dns {server}"))?;
                match dhcp.lease_seconds {
                    LEASE_SECONDS => Ok(()),
                    seconds => write!(f, " lease {seconds}s"),
                }
            }
            Self::Dns(records) => {
                f.write_str("dns")?;
                let mut all = records.iter().flat_map(|(name, addresses)| addresses.iter().map(move |address| (name, address)));
                all.try_for_each(|(name, address)| write!(f, " {name}={address}"))
            }
            Self::Application { protocol, port } if *port == protocol.port() => f.write_str(protocol.as_str()),
            Self::Application { protocol, port } => write!(f, "{} {port}", protocol.as_str()),
        }
    }
}
