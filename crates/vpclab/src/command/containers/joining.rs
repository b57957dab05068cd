//! `--network`, `--ip` and their like: which networks a container is in, and what is asked of each.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use container::engine::options::{Attachment, Options};
use container::engine::Error;
use container::network::{NetworkMode, parse_mac};

/// The flags, as they were typed.
#[derive(Debug, Default)]
pub struct Asked<'a> {
    pub networks: &'a [String],
    pub ip: Option<Ipv4Addr>,
    pub ip6: Option<Ipv6Addr>,
    pub mac_address: Option<&'a str>,
    pub links: &'a [String],
}

/// What they come to, for [`Options`].
#[derive(Debug, PartialEq, Eq)]
pub struct Joining {
    pub network: NetworkMode,
    pub more_networks: Vec<String>,
    pub attachments: BTreeMap<String, Attachment>,
    pub links: Vec<String>,
}

impl Asked<'_> {
    /// Reads them. Errors: a mode beside networks, an address for several, a key that is none.
    pub fn read(&self) -> Result<Joining, Error> {
        let mut modes = Vec::new();
        let mut attachments = BTreeMap::new();
        for text in self.networks {
            let (name, asked) = network(text)?;
            let mode = NetworkMode::parse(&name)?;
            if let NetworkMode::Bridge(name) = &mode {
                let is_second = modes.contains(&mode);
                if is_second {
                    return Err(Error::option("--network", text, format!("network {name} is named twice")));
                }
                if asked != Attachment::default() {
                    attachments.insert(name.clone(), asked);
                }
            } else if asked != Attachment::default() {
                return Err(Error::option("--network", text, "only a network has addresses and names"));
            }
            modes.push(mode);
        }
        if modes.is_empty() {
            modes.push(Options::default().network);
        }
        if let (Some(mode), true) = (self.networks.iter().zip(&modes).find(|(_, mode)| !matches!(mode, NetworkMode::Bridge(_))), modes.len() > 1) {
            return Err(Error::Conflict(format!("network {} goes with no other", mode.0)));
        }
        self.of_first(&modes, &mut attachments)?;
        let mut names = modes.iter().skip(1).filter_map(|mode| match mode {
            NetworkMode::Bridge(name) => Some(name.clone()),
            _ => None,
        });
        Ok(Joining { more_networks: names.by_ref().collect(), network: modes.swap_remove(0), attachments, links: self.links.to_vec() })
    }

    /// `--ip`, `--ip6` and `--mac-address` are for the one network that there is.
    fn of_first(&self, modes: &[NetworkMode], attachments: &mut BTreeMap<String, Attachment>) -> Result<(), Error> {
        let flags = [("--ip", self.ip.is_some()), ("--ip6", self.ip6.is_some()), ("--mac-address", self.mac_address.is_some())];
        let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        let [NetworkMode::Bridge(name)] = modes else {
            return Err(Error::Conflict(format!(
                "conflicting options: {flag} is for a container in one network: write --network name=NETWORK,{}=…",
                flag.trim_start_matches("--")
            )));
        };
        let asked = attachments.entry(name.clone()).or_default();
        if asked.address.is_some() || asked.address_v6.is_some() || asked.mac.is_some() {
            return Err(Error::Conflict(format!("conflicting options: cannot specify both {flag} and addresses of --network")));
        }
        asked.address = self.ip;
        asked.address_v6 = self.ip6;
        asked.mac = self.mac_address.map(parse_mac).transpose()?;
        Ok(())
    }
}

/// `NAME`, or `name=NAME,ip=…,ip6=…,alias=…,mac-address=…,link=…,gw-priority=…,driver-opt=…`.
fn network(text: &str) -> Result<(String, Attachment), Error> {
    let mut asked = Attachment::default();
    if !text.split(',').any(|field| field.trim().starts_with("name=")) {
        return match text.split_once('=') {
            Some(_) => Err(Error::option("--network", text, "write name=NETWORK first, such as name=back,ip=10.1.0.9,alias=db")),
            None => Ok((text.to_owned(), asked)),
        };
    }
    let mut name = String::new();
    for field in text.split(',') {
        let wrong = |why: &str| Error::option("--network", text, format!("{}: {why}", field.trim()));
        let (key, value) = field.trim().split_once('=').filter(|(_, value)| !value.is_empty()).ok_or_else(|| wrong("write KEY=VALUE"))?;
        match key {
            "name" => name = value.to_owned(),
            "ip" => asked.address = Some(value.parse().map_err(|_| wrong("it is no IPv4 address"))?),
            "ip6" => asked.address_v6 = Some(value.parse().map_err(|_| wrong("it is no IPv6 address"))?),
            "alias" => asked.aliases.push(value.to_owned()),
            "link" => asked.links.push(value.to_owned()),
            "mac-address" => asked.mac = Some(parse_mac(value)?),
            "gw-priority" => asked.gateway_priority = value.parse().map_err(|_| wrong("it is no whole number"))?,
            "driver-opt" => {
                let (option, value) = value.split_once('=').ok_or_else(|| wrong("write driver-opt=NAME=VALUE"))?;
                asked.driver_options.insert(option.to_owned(), value.to_owned());
            }
            _ => return Err(wrong("there are name, ip, ip6, alias, link, mac-address, gw-priority and driver-opt")),
        }
    }
    Ok((name, asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(networks: &[&str]) -> Result<Joining, String> {
        let networks: Vec<String> = networks.iter().map(|text| (*text).to_owned()).collect();
        Asked { networks: &networks, ..Asked::default() }.read().map_err(|error| error.to_string())
    }

    #[test]
    fn networks_come_with_what_is_asked_of_each() {
        let joining = read(&["name=front,ip=10.1.0.9,alias=web,alias=www,gw-priority=5", "back"]).unwrap();
        assert_eq!(joining.network, NetworkMode::Bridge("front".into()));
        assert_eq!(joining.more_networks, ["back"]);
        let front = &joining.attachments["front"];
        assert_eq!((front.address, front.gateway_priority), (Some(Ipv4Addr::new(10, 1, 0, 9)), 5));
        assert_eq!(front.aliases, ["web", "www"]);
        assert!(!joining.attachments.contains_key("back"));
        assert_eq!(read(&[]).unwrap().network, Options::default().network);
    }

    #[test]
    fn what_is_no_network_says_why() {
        for (networks, why) in [
            (&["host", "back"][..], "network host goes with no other"),
            (&["back", "back"][..], "network back is named twice"),
            (&["ip=10.1.0.9"][..], "write name=NETWORK first"),
            (&["name=back,ip=x"][..], "ip=x: it is no IPv4 address"),
            (&["name=back,color=red"][..], "there are name, ip, ip6"),
            (&["name=host,alias=x"][..], "only a network has addresses"),
            (&["name=back,mac-address=01:00:00:00:00:00"][..], "none that a device can have"),
        ] {
            let error = read(networks).unwrap_err();
            assert!(error.contains(why), "{networks:?}: {error}");
        }
    }

    #[test]
    fn an_address_is_for_one_network() {
        let two = ["a".to_owned(), "b".to_owned()];
        let ip = Some(Ipv4Addr::new(10, 1, 0, 9));
        let asked = |networks| Asked { networks, ip, mac_address: Some("02:00:00:00:00:09"), ..Asked::default() };
        let one = asked(&two[..1]).read().unwrap();
        assert_eq!((one.attachments["a"].address, one.attachments["a"].mac), (ip, Some([2, 0, 0, 0, 0, 9])));
        assert!(asked(&two).read().unwrap_err().to_string().contains("--network name=NETWORK,ip="));
    }
}
