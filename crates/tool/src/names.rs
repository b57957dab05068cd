//! Names of hosts: to an address as every program finds it, and from an address without waiting for long.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use wire::dns::{Data, Kind, Query, Response};

/// How long the name of an address is waited for. A name is decoration: the first server that is silent is
/// not asked again.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// The addresses of a host, in the resolver's order.
pub(crate) fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let found = (host, 0).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
    })?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.dedup();
    match addresses.is_empty() {
        true => Err("Name or service not known".to_owned()),
        false => Ok(addresses),
    }
}

/// The first address of a host of a family; of any, as the resolver has them, if none is asked for.
pub(crate) fn address(host: &str, is_v6: Option<bool>) -> Result<IpAddr, String> {
    let first = addresses(host)?.into_iter().find(|address| is_v6.is_none_or(|is_v6| address.is_ipv6() == is_v6));
    first.ok_or_else(|| "Address family for hostname not supported".to_owned())
}

/// The first IPv4 address of a host.
pub(crate) fn ipv4(host: &str) -> Result<Ipv4Addr, String> {
    let first = addresses(host)?.into_iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    first.ok_or_else(|| "Address family for hostname not supported".to_owned())
}

/// Finds the names of addresses: in `/etc/hosts`, else at the first name server.
pub(crate) struct Reverse {
    hosts: BTreeMap<IpAddr, String>,
    server: Option<SocketAddr>,
    known: BTreeMap<IpAddr, Option<String>>,
}

impl Reverse {
    /// Reads the files.
    pub(crate) fn new() -> Reverse {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Reverse::of(&read("/etc/hosts"), &read("/etc/resolv.conf"))
    }

    fn of(hosts: &str, resolv_conf: &str) -> Reverse {
        let mut names = BTreeMap::new();
        for line in hosts.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            if let (Some(Ok(address)), Some(name)) = (words.next().map(str::parse), words.next()) {
                names.entry(address).or_insert_with(|| name.to_owned());
            }
        }
        let server = resolv_conf.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|word| *word == "nameserver")?;
            Some(SocketAddr::new(words.next()?.parse().ok()?, 53))
        });
        Reverse { hosts: names, server, known: BTreeMap::new() }
    }

    /// The name of an address.
    pub(crate) fn name(&mut self, address: IpAddr) -> Option<String> {
        if let Some(name) = self.hosts.get(&address) {
            return Some(name.clone());
        }
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let name = match self.server.map(|server| ask(server, address)) {
            Some(Ok(name)) => name,
            Some(Err(_)) => {
                self.server = None;
                None
            }
            None => None,
        };
        self.known.insert(address, name.clone());
        name
    }

    /// `NAME (ADDRESS)`, or the address twice as traceroute prints it.
    pub(crate) fn described(&mut self, address: IpAddr) -> String {
        format!("{} ({address})", self.name(address).unwrap_or_else(|| address.to_string()))
    }
}

fn ask(server: SocketAddr, address: IpAddr) -> std::io::Result<Option<String>> {
    let id = std::process::id() as u16;
    let unspecified: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((unspecified, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let question = Query::new(id, wire::dns::reverse_name(address), Kind::PTR);
    socket.send(&question.emit().map_err(std::io::Error::other)?)?;
    let mut answer = [0; 1_500];
    let length = socket.recv(&mut answer)?;
    let records = match Response::parse(&answer[..length]) {
        Ok((answered, response)) if answered == id => response.records,
        _ => Vec::new(),
    };
    Ok(records.into_iter().find_map(|record| match record.data {
        Data::Ptr(name) => Some(name.trim_end_matches('.').to_owned()),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::dns::{Code, Record};

    #[test]
    fn the_first_name_in_the_hosts_file_wins_and_comments_do_not_count() {
        let mut names = Reverse::of("127.0.0.1 localhost lo # me\n# 10.0.0.9 no\n10.0.0.1\tgw\n10.0.0.1 other\n10.0.0.2\n", "");
        assert_eq!(names.name([10, 0, 0, 1].into()).as_deref(), Some("gw"));
        assert_eq!(names.described([127, 0, 0, 1].into()), "localhost (127.0.0.1)");
        assert_eq!(names.described([10, 0, 0, 9].into()), "10.0.0.9 (10.0.0.9)");
        assert_eq!(names.described([10, 0, 0, 2].into()), "10.0.0.2 (10.0.0.2)");
    }

    #[test]
    fn the_server_is_the_first_of_the_file() {
        let of = |text| Reverse::of("", text).server.map(|server| server.to_string());
        assert_eq!(of("search x\n#nameserver 9.9.9.9\nnameserver 10.0.0.2\nnameserver 1.1.1.1\n").as_deref(), Some("10.0.0.2:53"));
        assert_eq!(of("nameserver fd00::2"), Some("[fd00::2]:53".to_owned()));
        assert_eq!(of("options ndots:1"), None);
    }

    #[test]
    fn a_server_is_asked_once_for_each_address() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut names = Reverse { server: Some(server.local_addr().unwrap()), ..Reverse::of("", "") };
        let answering = std::thread::spawn(move || {
            let mut bytes = [0; 512];
            let (length, from) = server.recv_from(&mut bytes).unwrap();
            let query = Query::parse(&bytes[..length]).unwrap();
            let record = Record { name: query.name.clone(), ttl: 60, data: Data::Ptr("db-1.internal".to_owned()) };
            server.send_to(&Response::new(Code::NoError, vec![record]).emit(&query, 512).unwrap(), from).unwrap();
            query.name
        });
        assert_eq!(names.name([10, 0, 0, 5].into()).as_deref(), Some("db-1.internal"));
        assert_eq!(answering.join().unwrap(), "5.0.0.10.in-addr.arpa");
        // The server is gone: a second question would be refused and the name lost.
        assert_eq!(names.name([10, 0, 0, 5].into()).as_deref(), Some("db-1.internal"));
        assert_eq!(names.name([10, 0, 0, 6].into()), None);
        assert_eq!(names.server, None, "a server that fails is not asked again");
    }

    #[test]
    fn literals_need_no_resolver() {
        assert_eq!(ipv4("10.0.0.1"), Ok([10, 0, 0, 1].into()));
        assert_eq!(ipv4("::1"), Err("Address family for hostname not supported".to_owned()));
        assert_eq!(addresses("::1"), Ok(vec!["::1".parse().unwrap()]));
    }
}
