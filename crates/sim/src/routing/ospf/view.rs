//! What OSPF shows of itself: interfaces, neighbours, the database.

use crate::host::Host;
use crate::table::Table;
use crate::time::Time;

use super::Ospf;
use super::lsa::{EXTERNAL, NETWORK, ROUTER};

/// A type of advertisement, in a word.
pub(super) fn kind(number: u8) -> &'static str {
    match number {
        ROUTER => "router",
        NETWORK => "network",
        3 | 4 => "summary",
        EXTERNAL => "external",
        _ => "unknown",
    }
}

impl Ospf {
    pub(super) fn interface_table(&self, host: &Host, now: Time) -> Table {
        let columns = ["interface", "address", "type", "state", "cost", "DR", "BDR", "next hello"];
        let mut table = Table::new("ospf-interfaces", &columns);
        for interface in &self.interfaces {
            let kind = if interface.is_broadcast { "broadcast" } else { "point-to-point" };
            let left = |at: Time| {
                if at == Time::NEVER { "-".to_owned() } else { at.since(now).to_string() }
            };
            table.row([
                host.name(interface.port),
                interface.net.to_string(),
                kind.to_owned(),
                interface.state.word().to_owned(),
                interface.cost.to_string(),
                interface.designated.to_string(),
                interface.backup.to_string(),
                left(interface.hello_at),
            ]);
        }
        table
    }

    pub(super) fn neighbor_table(&self, host: &Host, now: Time) -> Table {
        let columns =
            ["router", "priority", "state", "role", "dead in", "address", "interface", "retransmissions", "requests"];
        let mut table = Table::new("ospf-neighbors", &columns);
        for interface in &self.interfaces {
            for neighbor in interface.neighbors.values() {
                let role = match neighbor.address {
                    _ if !interface.is_broadcast => "-",
                    address if address == interface.designated => "DR",
                    address if address == interface.backup => "BDR",
                    _ => "DROther",
                };
                table.row([
                    neighbor.id.to_string(),
                    neighbor.priority.to_string(),
                    neighbor.state.word().to_owned(),
                    role.to_owned(),
                    neighbor.dead_at.since(now).to_string(),
                    neighbor.address.to_string(),
                    host.name(interface.port),
                    neighbor.unacknowledged.len().to_string(),
                    neighbor.requests.len().to_string(),
                ]);
            }
        }
        table
    }

    pub(super) fn database_table(&self, now: Time) -> Table {
        let mut table = Table::new("ospf-database", &["type", "id", "router", "age", "sequence", "checksum", "bytes"]);
        for header in self.database.headers(now) {
            table.row([
                kind(header.key.kind).to_owned(),
                header.key.id.to_string(),
                header.key.router.to_string(),
                format!("{} s", header.age),
                format!("{:#010x}", header.sequence),
                format!("{:#06x}", header.checksum),
                header.length.to_string(),
            ]);
        }
        table
    }
}
