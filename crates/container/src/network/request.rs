//! What somebody asks of a new network, in words: subnets, gateways, ranges and addresses of either family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use sha2::{Digest as _, Sha256};

use super::definition::{Network, NetworkOptions, NetworkV6};
use super::error::{Error, Result};
use super::ipam;

/// Smallest packet that every IPv6 link carries (RFC 8200 section 5).
const SMALLEST_MTU_V6: u32 = 1_280;

impl NetworkOptions {
    fn wrong(&self, why: String) -> Error {
        Error::Network {
            name: self.name.clone(),
            why,
        }
    }

    /// Takes an option of Docker's bridge driver (`-o`). One that means nothing here is kept and shown, as Docker does; one
    /// that asks for what is not done is refused.
    pub fn driver_option(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |why: String| Error::Network {
            name: self.name.clone(),
            why: format!("option {name}={value}: {why}"),
        };
        let flag = || match value {
            "true" | "1" | "" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(wrong("write true or false".into())),
        };
        match name {
            "com.docker.network.bridge.name" => self.bridge = Some(value.to_owned()),
            "com.docker.network.bridge.enable_icc" => self.icc = flag()?,
            "com.docker.network.bridge.enable_ip_masquerade" => self.masquerade = flag()?,
            "com.docker.network.driver.mtu" | "mtu" => {
                let mtu = value.parse();
                self.mtu = Some(mtu.map_err(|_| wrong("it is no number of bytes".into()))?);
            }
            "com.docker.network.bridge.host_binding_ipv4" => {
                let address: Ipv4Addr = value
                    .parse()
                    .map_err(|_| wrong("it is no IPv4 address".into()))?;
                self.host_binding = Some(address).filter(|address| !address.is_unspecified());
            }
            "com.docker.network.bridge.gateway_mode_ipv4"
            | "com.docker.network.bridge.gateway_mode_ipv6"
                if value != "nat" =>
            {
                return Err(wrong("containers are behind their instance: nat".into()));
            }
            "com.docker.network.bridge.inhibit_ipv4" if flag()? => {
                return Err(wrong("the bridge is its containers' gateway".into()));
            }
            _ => {}
        }
        self.driver_options
            .insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Subnet and gateway of IPv6. Without a subnet a /64 of `fd00::/8` that follows from the network's id (RFC 4193: a random
    /// 40-bit global id).
    pub(super) fn ipv6_part(&self, existing: &[Network], mtu: u32) -> Result<NetworkV6> {
        let wrong = |why: String| self.wrong(why);
        if mtu < SMALLEST_MTU_V6 {
            return Err(wrong(format!(
                "MTU {mtu} carries no IPv6: that takes {SMALLEST_MTU_V6} bytes"
            )));
        }
        let subnet = match self.subnet_v6 {
            Some(subnet) => subnet,
            None => {
                let digest = Sha256::digest(&self.id);
                let mut octets = [0; 16];
                octets[0] = 0xfd;
                octets[1..8].copy_from_slice(&digest[..7]);
                Ipv6Net::new_assert(Ipv6Addr::from(octets), 64)
            }
        };
        if subnet.addr() != subnet.network() {
            return Err(wrong(format!(
                "subnet {subnet} begins at {}: write {}",
                subnet.network(),
                subnet.trunc()
            )));
        }
        if !(8..=126).contains(&subnet.prefix_len()) {
            return Err(wrong(format!("subnet {subnet} is not from /8 to /126")));
        }
        let first = subnet.network();
        if first.is_multicast() || first.is_unspecified() || first.is_unicast_link_local() {
            return Err(wrong(format!("subnet {subnet} is for no containers")));
        }
        for other in existing {
            if let Some(part) = other.ipv6
                && ipam::overlap_v6(part.subnet, subnet)
            {
                return Err(Error::Overlap {
                    wanted: subnet.into(),
                    other: format!("{} of network {}", part.subnet, other.name),
                });
            }
        }
        let gateway = self
            .gateway_v6
            .unwrap_or_else(|| Ipv6Addr::from(u128::from(first) + 1));
        if !subnet.contains(&gateway) || gateway == first {
            return Err(wrong(format!(
                "gateway {gateway} is no usable address of subnet {subnet}"
            )));
        }
        Ok(NetworkV6 { subnet, gateway })
    }

    /// Takes a subnet, one of each family. An IPv6 one alone does not make it have IPv6; that is asked for.
    pub fn add_subnet(&mut self, text: &str) -> Result<()> {
        let subnet: IpNet = text
            .parse()
            .map_err(|_| self.wrong(format!("invalid subnet {text}: write 10.1.0.0/24")))?;
        let is_second = match subnet {
            IpNet::V4(subnet) => self.subnet.replace(subnet).is_some(),
            IpNet::V6(subnet) => self.subnet_v6.replace(subnet).is_some(),
        };
        match is_second {
            true => Err(self.wrong(
                "bridge driver doesn't support multiple subnets: one of IPv4 and one of IPv6"
                    .into(),
            )),
            false => Ok(()),
        }
    }

    /// Takes a gateway, one of each family.
    pub fn add_gateway(&mut self, text: &str) -> Result<()> {
        let gateway: IpAddr = text
            .parse()
            .map_err(|_| self.wrong(format!("invalid gateway {text}: it is no address")))?;
        let is_second = match gateway {
            IpAddr::V4(gateway) => self.gateway.replace(gateway).is_some(),
            IpAddr::V6(gateway) => self.gateway_v6.replace(gateway).is_some(),
        };
        match is_second {
            true => Err(self.wrong(format!("gateway {text}: there is one already"))),
            false => Ok(()),
        }
    }

    /// Takes the part of the IPv4 subnet that containers' addresses come from.
    pub fn add_range(&mut self, text: &str) -> Result<()> {
        match text.parse() {
            Ok(IpNet::V4(range)) if self.ip_range.is_none() => {
                self.ip_range = Some(range);
                Ok(())
            }
            Ok(IpNet::V4(_)) => Err(self.wrong(format!("ip range {text}: there is one already"))),
            Ok(IpNet::V6(_)) => Err(self.wrong(format!(
                "ip range {text}: IPv6 addresses come from the whole subnet, the lowest free first"
            ))),
            Err(_) => Err(self.wrong(format!("invalid ip range {text}: write 10.1.0.128/25"))),
        }
    }

    /// Takes an address that no container gets by itself (`NAME=ADDRESS`).
    pub fn add_reserved(&mut self, name: &str, text: &str) -> Result<()> {
        let address: Ipv4Addr = text.parse().map_err(|_| {
            self.wrong(format!(
                "invalid auxiliary address {name}={text}: write NAME=10.1.0.5"
            ))
        })?;
        self.reserved.insert(name.to_owned(), address);
        Ok(())
    }
}

/// Reads an Ethernet address that a device can have: `02:42:ac:11:00:02`, with `-` too.
pub fn parse_mac(text: &str) -> Result<[u8; 6]> {
    let wrong = |why: &str| Error::Plan(format!("invalid MAC address {text}: {why}"));
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let bytes: Option<Vec<u8>> = parts
        .iter()
        .map(|part| {
            let is_pair = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_pair.then(|| u8::from_str_radix(part, 16).ok()).flatten()
        })
        .collect();
    let bytes: [u8; 6] = bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong("write 02:42:ac:11:00:02"))?;
    if bytes[0] & 1 == 1 || bytes == [0; 6] {
        return Err(wrong("it is none that a device can have"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::network::publish::{self, Taken, parse_publish};
    use crate::network::{Endpoint, dns};

    fn id(digit: &str) -> String {
        digit.repeat(64)
    }

    fn made(ask: impl FnOnce(&mut NetworkOptions) -> Result<()>) -> Result<Network, String> {
        let mut options = NetworkOptions::new("app", id("a"));
        ask(&mut options).map_err(|error| error.to_string())?;
        let six = Network {
            name: "six".into(),
            bridge: "br-six".into(),
            subnet: "10.6.0.0/24".parse().unwrap(),
            ..Network::default_bridge(id("6"), &[], 1500).unwrap()
        };
        let mut part = NetworkOptions::new("x", id("7"));
        part.ipv6 = true;
        part.add_subnet("fd06::/64").unwrap();
        let part = Network::create(part, &[], &[], 1500).unwrap().ipv6;
        let there = [Network { ipv6: part, ..six }];
        Network::create(options, &there, &[], 1500).map_err(|error| error.to_string())
    }

    #[test]
    fn both_families_are_asked_for_in_words() {
        let network = made(|options| {
            options.ipv6 = true;
            options.add_subnet("10.88.0.0/24")?;
            options.add_subnet("fd88::/64")?;
            options.add_gateway("10.88.0.254")?;
            options.add_gateway("fd88::ff")?;
            options.add_reserved("printer", "10.88.0.1")?;
            options.driver_option("com.docker.network.bridge.enable_icc", "false")?;
            options.driver_option("com.docker.network.driver.mtu", "1400")?;
            options.driver_option("com.docker.network.bridge.host_binding_ipv4", "10.0.0.4")?;
            options.driver_option("com.example.colour", "red")
        })
        .unwrap();
        assert_eq!(network.gateway.to_string(), "10.88.0.254");
        assert_eq!(network.ipv6.unwrap().gateway.to_string(), "fd88::ff");
        assert_eq!((network.icc, network.mtu), (false, 1400));
        assert_eq!(network.host_binding, Some(Ipv4Addr::new(10, 0, 0, 4)));
        assert_eq!(network.driver_options.len(), 4);
        // Nobody gets what is reserved, unless by asking for it.
        let next = |wanted| ipam::allocate_address(&network, &BTreeSet::new(), wanted);
        assert_eq!(next(None).unwrap().to_string(), "10.88.0.2");
        let printer = Ipv4Addr::new(10, 88, 0, 1);
        assert_eq!(next(Some(printer)).unwrap(), printer);
        let six = |used: &[&str], wanted: Option<&str>| {
            let used = used.iter().map(|text| text.parse().unwrap()).collect();
            let wanted = wanted.map(|text| text.parse::<Ipv6Addr>().unwrap());
            ipam::allocate_address_v6(&network, &used, wanted)
                .map(|address| address.unwrap().to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(six(&[], None).unwrap(), "fd88::1");
        assert_eq!(six(&["fd88::1"], None).unwrap(), "fd88::2");
        assert_eq!(six(&[], Some("fd88::9")).unwrap(), "fd88::9");
        for (wanted, why) in [
            ("fd89::1", "no usable address of fd88::/64"),
            ("fd88::ff", "already in use"),
            ("fd88::7", "already in use"),
        ] {
            let error = six(&["fd88::7"], Some(wanted)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn without_a_subnet_a_network_gets_a_block_of_its_own() {
        let network = made(|options| {
            options.ipv6 = true;
            Ok(())
        })
        .unwrap();
        let part = network.ipv6.unwrap();
        assert_eq!(part.subnet.prefix_len(), 64);
        assert_eq!(part.subnet.addr().octets()[0], 0xfd);
        let wanted = Some(Ipv4Addr::new(172, 18, 0, 9));
        let error = ipam::allocate_address(&network, &BTreeSet::new(), wanted).unwrap_err();
        assert!(
            error.to_string().contains("user configured subnets"),
            "{error}"
        );
    }

    #[test]
    fn what_no_network_can_be_says_why() {
        type Ask = fn(&mut NetworkOptions) -> Result<()>;
        let six: Ask = |options| {
            options.ipv6 = true;
            options.add_subnet("fd06:0:0:0:8000::/65")
        };
        let cases: [(Ask, &str); 9] = [
            (six, "fd06::8000:0:0:0/65 and fd06::/64 of network six"),
            (|o| o.add_subnet("fd01::/64"), "add --ipv6"),
            (|o| o.add_subnet("10.1.0.0/40"), "invalid subnet"),
            (
                |o| {
                    o.add_subnet("10.1.0.0/24")?;
                    o.add_subnet("10.2.0.0/24")
                },
                "doesn't support multiple subnets",
            ),
            (|o| o.add_gateway("x"), "invalid gateway"),
            (|o| o.add_range("fd01::/65"), "come from the whole subnet"),
            (
                |o| o.driver_option("com.docker.network.bridge.gateway_mode_ipv4", "routed"),
                "behind their instance",
            ),
            (
                |o| o.driver_option("com.docker.network.bridge.enable_icc", "maybe"),
                "write true or false",
            ),
            (
                |o| {
                    o.ipv6 = true;
                    o.driver_option("com.docker.network.driver.mtu", "1200")
                },
                "MTU 1200 carries no IPv6",
            ),
        ];
        for (ask, expected) in cases {
            let error = made(ask).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn ethernet_addresses_are_those_of_one_device() {
        assert_eq!(
            parse_mac("02:42:ac:11:00:0a").unwrap(),
            [2, 0x42, 0xac, 0x11, 0, 10]
        );
        assert_eq!(
            parse_mac("02-42-AC-11-00-0A").unwrap(),
            [2, 0x42, 0xac, 0x11, 0, 10]
        );
        for text in [
            "",
            "02:42",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "2:42:ac:11:0:a",
            "+2:42:ac:11:00:0a",
        ] {
            assert!(parse_mac(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_published_on_both_families_where_the_container_has_both() {
        let ports = |text: &str| publish::allocate(&parse_publish(text).unwrap(), &[]).unwrap();
        let words = |text: &str, has_ipv6: bool, taken: &[Taken]| {
            publish::of_families(ports(text), has_ipv6, taken)
                .map(|ports| {
                    ports
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            words("8080:80", true, &[]).unwrap(),
            "0.0.0.0:8080->80/tcp [::]:8080->80/tcp"
        );
        assert_eq!(
            words("8080:80", false, &[]).unwrap(),
            "0.0.0.0:8080->80/tcp"
        );
        assert_eq!(
            words("127.0.0.1:8080:80", true, &[]).unwrap(),
            "127.0.0.1:8080->80/tcp"
        );
        assert_eq!(
            words("[::1]:8080:80", true, &[]).unwrap(),
            "[::1]:8080->80/tcp"
        );
        assert!(
            words("[::1]:8080:80", false, &[])
                .unwrap_err()
                .contains("no IPv6 address")
        );
        let other = Taken::by_container("web", &ports("[::]:8080:80")[0]);
        let error = words("8080:80", true, std::slice::from_ref(&other)).unwrap_err();
        assert!(
            error.contains("[::]:8080") && error.contains("container web"),
            "{error}"
        );
        assert!(
            words("8080:80", false, &[other]).is_ok(),
            "IPv4 alone is free"
        );
    }

    #[test]
    fn names_have_the_addresses_of_both_families() {
        use wire::dns::{Data, Kind, Query};
        let network = made(|options| {
            options.ipv6 = true;
            options.add_subnet("fd88::/64")
        })
        .unwrap();
        let mut web = Endpoint::new(
            id("1"),
            "web",
            "c/1",
            &network,
            Ipv4Addr::new(172, 18, 0, 2),
        );
        web.address_v6 = Some("fd88::2".parse().unwrap());
        let db = Endpoint::new(id("2"), "db", "c/2", &network, Ipv4Addr::new(172, 18, 0, 3));
        let zone = dns::Zone::of(&id("1"), &[network], &[web, db], &[]);
        let ask = |name: &str, kind| match zone.answer(&Query::new(1, name, kind), 0) {
            dns::Answer::Here(response) => response
                .records
                .into_iter()
                .map(|record| record.data)
                .collect(),
            dns::Answer::Forward => vec![],
        };
        assert_eq!(ask("web", Kind::A), [Data::A(Ipv4Addr::new(172, 18, 0, 2))]);
        assert_eq!(
            ask("web.app", Kind::AAAA),
            [Data::Aaaa("fd88::2".parse().unwrap())]
        );
        assert_eq!(ask("db", Kind::AAAA), []);
        assert_eq!(ask("web", Kind::ANY).len(), 2);
        let reverse = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.8.d.f.ip6.arpa";
        assert_eq!(ask(reverse, Kind::PTR), [Data::Ptr("web.app".into())]);
    }
}
