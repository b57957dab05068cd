//! Which name servers a host asks: those that were written for it, then those that leases name; and with which domains it
//! completes names.

use std::net::IpAddr;

use super::Host;

#[derive(Debug, Default)]
pub(crate) struct NameServers {
    written: Vec<IpAddr>,
    /// With the interface whose lease names them.
    leased: Vec<(u16, IpAddr)>,
    search: Vec<String>,
}

impl Host {
    /// The name servers that it asks, the first one first.
    pub fn name_servers(&self) -> Vec<IpAddr> {
        let all = self.name_servers.written.iter().copied().chain(self.name_servers.leased.iter().map(|(_, server)| *server));
        let mut known = Vec::new();
        for server in all {
            if !known.contains(&server) {
                known.push(server);
            }
        }
        known
    }

    /// The name servers that it asks before those of leases.
    pub fn set_name_servers(&mut self, servers: Vec<IpAddr>) {
        self.name_servers.written = servers;
    }

    /// The domains that it completes names with, the first one first (resolv.conf(5): `search`).
    pub fn search_domains(&self) -> &[String] {
        &self.name_servers.search
    }

    /// Sets them.
    pub fn set_search_domains(&mut self, domains: Vec<String>) {
        self.name_servers.search = domains;
    }

    /// The name servers that the lease of an interface names; none once it is over.
    pub fn set_leased_name_servers(&mut self, interface: u16, servers: impl IntoIterator<Item = IpAddr>) {
        self.name_servers.leased.retain(|(leased, _)| *leased != interface);
        self.name_servers.leased.extend(servers.into_iter().map(|server| (interface, server)));
    }
}
