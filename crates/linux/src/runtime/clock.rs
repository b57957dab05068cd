//! Virtual time: what conntrack would have forgotten after some seconds is forgotten now, the rest gets older.

use std::time::Duration;

use netlink::conntrack::{self, Change, Connection};
use netlink::{Batch, Protocol};
use sandbox::Client;

use super::error::{Error, Result};
use super::sockets::Sockets;

/// Seconds that a packet gives an entry: the timeouts of plans (SG-16, SG-19, NAT-12) and the kernel's own for ICMP and for
/// TCP on its way to and from an open connection.
const FULL_SECONDS: [u64; 10] = [10, 30, 60, 120, 180, 300, 350, 600, 3_600, 432_000];

/// What makes connections older by `elapsed`, whole seconds.
pub fn aging(connections: &[Connection], elapsed: Duration) -> Batch {
    let mut batch = Batch::new();
    for connection in connections {
        // The kernel reports whole seconds, rounded down. An entry that has as many left as pass is a moment from its end,
        // but not there; unless it was renewed just now, for then nothing was rounded.
        let renewed = FULL_SECONDS.contains(&connection.timeout.as_secs());
        match connection.timeout.checked_sub(elapsed) {
            Some(left) if !(left.is_zero() && renewed) => {
                let change = Change { timeout: Some(left.max(Duration::from_secs(1))), mark: None };
                conntrack::change(&mut batch, &connection.original, connection.zone, &change);
            }
            _ => conntrack::delete(&mut batch, &connection.original, connection.zone),
        }
    }
    batch
}

/// Ages every connection of a namespace by `elapsed`.
pub fn age(client: &Client, sockets: &mut Sockets, namespace: &str, elapsed: Duration) -> Result<()> {
    let socket = sockets.get(client, namespace, Protocol::Netfilter)?;
    let batch = aging(&conntrack::dump(socket).map_err(Error::netlink(namespace))?, elapsed);
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
