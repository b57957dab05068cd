//! What somebody asks of a new network, in words: subnets, gateways, ranges and addresses of either family.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::definition::NetworkOptions;
use super::error::{Error, Result};

impl NetworkOptions {
    fn wrong(&self, why: String) -> Error {
        Error::Network {
            name: self.name.clone(),
            why,
        }
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
