//! What a balancer shows: its servers, and its connections.

use std::net::{IpAddr, SocketAddr};

use crate::host::spec::Protocol;
use crate::table::Table;
use crate::time::Time;

use super::Balancer;

impl Balancer {
    pub(crate) fn tables(&self, now: Time) -> [Table; 2] {
        [self.backend_table(now), self.connection_table(now)]
    }

    fn backend_table(&self, now: Time) -> Table {
        let mut table = Table::new("backends", &["name", "address", "state", "connections", "served"]);
        for (at, backend) in self.spec.backends.iter().enumerate() {
            let skipped = self.skipped[at];
            let state = match backend.address {
                None => "no address".to_owned(),
                Some(_) if skipped > now => format!("skipped for {}", skipped.since(now)),
                Some(_) => "up".to_owned(),
            };
            let count = self.by_client.values().filter(|entry| entry.backend == at && entry.until > now).count();
            let address = backend.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
            table.row([backend.name.clone(), address, state, count.to_string(), self.served[at].to_string()]);
        }
        table
    }

    fn connection_table(&self, now: Time) -> Table {
        let columns = ["protocol", "client", "virtual", "backend", "server", "from", "state", "time left"];
        let mut table = Table::new("connections", &columns);
        let end = |address: IpAddr, port| SocketAddr::new(address, port).to_string();
        for ((number, client), entry) in self.by_client.iter().filter(|(_, entry)| entry.until > now) {
            table.row([
                Protocol(*number).to_string(),
                end(client.remote, client.remote_port),
                end(client.local, client.port),
                self.spec.backends[entry.backend].name.clone(),
                end(entry.inside.remote, entry.inside.remote_port),
                end(entry.inside.local, entry.inside.port),
                entry.progress.word().to_owned(),
                entry.until.since(now).to_string(),
            ]);
        }
        table
    }
}
