//! The tables of nodes, as they are now.

use serde::Serialize;

use super::columns;
use crate::node::NodeId;
use crate::simulator::Simulator;
use crate::table::Table;

/// Version of the JSON form; its keys stay.
pub const SCHEMA: &str = "vpclab-sim-tables/1";

/// Tables of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tables {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The present.
    pub time_nanoseconds: u64,
    /// The nodes, in order of making.
    pub nodes: Vec<Of>,
    /// A table was asked for by its name: that it is empty is an answer.
    #[serde(skip)]
    pub is_named: bool,
}

/// The tables of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Of {
    /// The node.
    pub node: String,
    /// What it is.
    pub kind: &'static str,
    /// Its tables.
    pub tables: Vec<Table>,
}

impl Tables {
    /// The tables of these nodes; with `name` only those called so.
    pub fn new(sim: &Simulator, nodes: impl IntoIterator<Item = NodeId>, name: Option<&str>) -> Self {
        let of = |node: NodeId| {
            let mut tables = sim.inspect(node);
            tables.retain(|table| name.is_none_or(|name| table.name == name));
            tables.iter_mut().for_each(|table| name_ports(sim, node, table));
            Of { node: sim.name(node).to_owned(), kind: sim.kind(node), tables }
        };
        let nodes = nodes.into_iter().map(of).collect();
        Self { schema: SCHEMA, time_nanoseconds: sim.now().0, nodes, is_named: name.is_some() }
    }

    /// As text. Of all tables those without rows are left out; one that was asked for says that it is empty.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for of in &self.nodes {
            for table in of.tables.iter().filter(|table| self.is_named || !table.rows.is_empty()) {
                if !text.is_empty() {
                    text.push('\n');
                }
                text += &format!("{} ({}): {}\n", of.node, of.kind, table.name);
                if table.rows.is_empty() {
                    text += "  empty\n";
                    continue;
                }
                let heading: Vec<String> = table.columns.iter().map(|column| column.to_uppercase()).collect();
                let rows: Vec<&[String]> = std::iter::once(&heading).chain(&table.rows).map(Vec::as_slice).collect();
                for line in columns::lines(&rows, &[]).lines() {
                    text += &format!("  {line}\n");
                }
            }
        }
        text
    }
}

/// Columns that number ports of their node.
const PORTS: [(&str, &str); 5] = [("mac", "port"), ("spanning-tree", "port"), ("multicast", "ports"), ("tunnels", "port"), ("hosts", "port")];

/// Ports by the names that events and links call them by, instead of their numbers.
fn name_ports(sim: &Simulator, node: NodeId, table: &mut Table) {
    let is_ports = |column: &&str| PORTS.contains(&(table.name, *column));
    let Some(at) = table.columns.iter().position(is_ports) else { return };
    let name = |number: &str| {
        let name = number.parse().map_or("", |port| sim.port_name(node, port));
        if name.is_empty() { number.to_owned() } else { name.to_owned() }
    };
    for cell in table.rows.iter_mut().filter_map(|row| row.get_mut(at)) {
        *cell = cell.split(' ').map(name).collect::<Vec<_>>().join(" ");
    }
}
