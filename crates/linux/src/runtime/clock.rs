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
/// So many seconds may really pass between two looks, and are no part of virtual time.
const REAL_SECONDS: u64 = 100;
/// What an aged entry has left is kept in steps of [`REAL_SECONDS`] beyond all that packets give: who reads it knows it from what
/// was renewed since, and that its end is near in virtual time brings it no nearer in real time.
const AGED: u64 = 1_000_000;
/// More than this needs no such care.
const LONGEST_KEPT: u64 = 3_600;

/// Virtual seconds that are left of an entry, by what the kernel says.
fn left(kernel: u64) -> u64 {
    if kernel > AGED {
        return (kernel - AGED).div_ceil(REAL_SECONDS);
    }
    let full = FULL_SECONDS.into_iter().find(|full| (kernel..=kernel + REAL_SECONDS).contains(full));
    full.unwrap_or(kernel)
}

/// What the kernel is told of an entry that has so many virtual seconds left.
fn kept(left: u64) -> u64 {
    if left <= LONGEST_KEPT { AGED + left * REAL_SECONDS } else { left }
}

/// What makes connections older by `elapsed`, whole seconds.
pub fn aging(connections: &[Connection], elapsed: Duration) -> Batch {
    let mut batch = Batch::new();
    for connection in connections {
        match left(connection.timeout.as_secs()).checked_sub(elapsed.as_secs()).filter(|left| *left > 0) {
            Some(left) => {
                let change = Change { timeout: Some(Duration::from_secs(kept(left))), mark: None };
                conntrack::change(&mut batch, &connection.original, connection.zone, &change);
            }
            None => conntrack::delete(&mut batch, &connection.original, connection.zone),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_time_that_passes_is_no_part_of_virtual_time() {
        // What a packet gave, and some seconds later.
        for (kernel, virtually) in [(350, 350), (347, 350), (29, 30), (30, 30), (121, 180), (431_990, 432_000), (400_000, 400_000)] {
            assert_eq!(left(kernel), virtually, "{kernel}");
        }
        // What ageing left, however long ago.
        for of in [1, 2, 349, 3_600] {
            for real in [0, 1, 50, REAL_SECONDS - 1] {
                assert_eq!(left(kept(of) - real), of, "{of}, {real} s later");
            }
        }
        assert_eq!(left(kept(4_000)), 4_000);
    }
}
