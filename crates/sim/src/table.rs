//! A table of a node, as people read it: MAC addresses, ARP, routes, sockets.

use serde::Serialize;

/// A table: a name, columns, and rows of text in an order that does not change by chance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What it is: `mac`, `arp`, `routes`, `sockets`.
    pub name: &'static str,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// One value for each column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(name: &'static str, columns: &[&'static str]) -> Self {
        Self { name, columns: columns.to_vec(), rows: Vec::new() }
    }

    /// One row more. Panics if it has another number of values than there are columns: a slip in the code, not in the input.
    pub fn row(&mut self, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().collect();
        assert_eq!(values.len(), self.columns.len(), "a row of {} has another number of values", self.name);
        self.rows.push(values);
    }
}
