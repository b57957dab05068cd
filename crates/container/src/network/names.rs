//! What a container calls things: `/etc/hosts` and `/etc/resolv.conf`, as Docker writes them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::definition::{Endpoint, Network};
use super::error::{Error, Result};

/// Where the names of user networks are answered, inside each container.
pub const EMBEDDED_RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// A name of `--add-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl ExtraHost {
    /// Reads `NAME:ADDRESS` or `NAME=ADDRESS`; the address `host-gateway` is the instance's on its default bridge.
    pub fn parse(text: &str, host_gateway: Ipv4Addr) -> Result<ExtraHost> {
        let wrong =
            |why: &str| Error::Plan(format!("invalid value `{text}` for --add-host: {why}"));
        let (name, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .ok_or_else(|| wrong("write NAME:ADDRESS"))?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong("the name is missing"));
        }
        let address = match address.trim_matches(['[', ']']) {
            "host-gateway" => IpAddr::V4(host_gateway),
            text => text.parse().map_err(|_| wrong("it has no IP address"))?,
        };
        Ok(ExtraHost {
            name: name.to_owned(),
            address,
        })
    }
}

/// `/etc/hosts` of a container: `hostname` (with its domain, if it has one) at each of its addresses, the extra hosts, and on
/// the default bridge the containers that it is linked to.
pub fn hosts(
    hostname: &str,
    container: &str,
    networks: &[Network],
    endpoints: &[Endpoint],
    extra: &[ExtraHost],
) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    // Writing to a string does not fail.
    for host in extra {
        let _ = writeln!(text, "{}\t{}", host.address, host.name);
    }
    let network_of = |endpoint: &Endpoint| networks.iter().find(|n| n.id == endpoint.network);
    let own: Vec<&Endpoint> = endpoints
        .iter()
        .filter(|endpoint| endpoint.container == container)
        .collect();
    for endpoint in &own {
        if !network_of(endpoint).is_some_and(Network::is_default) {
            continue;
        }
        for link in &endpoint.links {
            let target = endpoints
                .iter()
                .find(|to| to.container == link.container && to.network == endpoint.network);
            let Some(target) = target else { continue };
            let mut names = vec![link.alias.as_str(), short(&target.container)];
            if target.name != link.alias {
                names.push(&target.name);
            }
            for address in target.addresses() {
                let _ = writeln!(text, "{address}\t{}", names.join(" "));
            }
        }
    }
    let names = match hostname.split_once('.') {
        Some((first, _)) => format!("{hostname} {first}"),
        None => hostname.to_owned(),
    };
    for endpoint in own {
        for address in endpoint.addresses() {
            let _ = writeln!(text, "{address}\t{names}");
        }
    }
    text
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// `--dns`, `--dns-search`, `--dns-option`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolverOptions {
    /// Instead of the instance's.
    pub servers: Vec<IpAddr>,
    /// Instead of the instance's; one `.` alone: none.
    pub search: Vec<String>,
    /// Instead of the instance's.
    pub options: Vec<String>,
}

/// A container's `/etc/resolv.conf`, and where its questions go in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverFile {
    /// Its content.
    pub text: String,
    /// Servers that the embedded one asks what it does not know.
    pub forward_to: Vec<IpAddr>,
}

/// `/etc/resolv.conf` of a container from the instance's. On the default bridge (`is_embedded` false) the instance's servers
/// are asked directly, those on a loopback address left out: they would be the container's own. On user networks the
/// embedded server is, and knows the others.
pub fn resolver(instance: &str, options: &ResolverOptions, is_embedded: bool) -> ResolverFile {
    let mut servers: Vec<IpAddr> = Vec::new();
    let (mut search, mut settings) = (Vec::new(), Vec::new());
    for line in instance.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()))
            }
            // The last one counts (resolv.conf(5)).
            Some("search" | "domain") => search = words.map(str::to_owned).collect(),
            Some("options") => settings.extend(words.map(str::to_owned)),
            _ => {}
        }
    }
    servers.retain(|address| !address.is_loopback());
    if !options.servers.is_empty() {
        servers.clone_from(&options.servers);
    }
    if !options.search.is_empty() {
        search.clone_from(&options.search);
    }
    if search.iter().any(|name| name == ".") {
        search.clear();
    }
    if !options.options.is_empty() {
        settings.clone_from(&options.options);
    }
    let mut text = String::new();
    if is_embedded {
        // Names of containers have no dot: they are asked for as they are, first.
        if !settings.iter().any(|option| option.starts_with("ndots:")) {
            settings.push("ndots:0".to_owned());
        }
        let _ = writeln!(text, "nameserver {EMBEDDED_RESOLVER}");
    } else {
        for server in &servers {
            let _ = writeln!(text, "nameserver {server}");
        }
    }
    if !search.is_empty() {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    if !settings.is_empty() {
        let _ = writeln!(text, "options {}", settings.join(" "));
    }
    ResolverFile {
        text,
        forward_to: servers,
    }
}
