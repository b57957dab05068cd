//! Virtual time: what conntrack would have forgotten after some seconds is forgotten now, the rest gets older.

use std::time::Duration;

use netlink::conntrack::{self, Change};
use netlink::{Batch, Protocol};
use sandbox::Client;

use super::error::{Error, Result};
use super::sockets::Sockets;

/// Ages every connection of a namespace by `elapsed`.
pub fn age(client: &Client, sockets: &mut Sockets, namespace: &str, elapsed: Duration) -> Result<()> {
    let socket = sockets.get(client, namespace, Protocol::Netfilter)?;
    let mut batch = Batch::new();
    for connection in conntrack::dump(socket).map_err(Error::netlink(namespace))? {
        // The kernel counts whole seconds and reports them rounded down; an entry at zero is as good as gone.
        match connection.timeout.checked_sub(elapsed) {
            Some(left) if !left.is_zero() => {
                let change = Change { timeout: Some(left), mark: None };
                conntrack::change(&mut batch, &connection.original, connection.zone, &change);
            }
            _ => conntrack::delete(&mut batch, &connection.original, connection.zone),
        }
    }
    // An entry may go by itself between the dump and the change: refusals are nothing to stop at.
    socket.execute_all(&batch).map_err(Error::netlink(namespace))?;
    Ok(())
}

/// Forgets every connection of a namespace.
pub fn forget_all(client: &Client, sockets: &mut Sockets, namespace: &str) -> Result<()> {
    let socket = sockets.get(client, namespace, Protocol::Netfilter)?;
    let mut batch = Batch::new();
    conntrack::flush(&mut batch);
    socket.execute_all(&batch).map_err(Error::netlink(namespace))?;
    Ok(())
}
