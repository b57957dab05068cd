//! Addresses of IPv6 that the kernel has accepted and does not receive by yet: it makes their local routes in a work queue of its own,
//! and on a busy machine a packet may be there first. It would be taken for somebody else's, and lost.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use netlink::{Protocol, rtnl::route};

use super::Host;
use crate::plan::Address;
use crate::runtime::error::{Error, Result};

/// How long is waited for one namespace at most: a device that is down receives by no address.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two looks.
const PAUSE: Duration = Duration::from_micros(200);

/// Waits until a namespace receives by addresses that were added to it.
pub(super) fn wait(host: &mut impl Host, key: &str, added: &[Address]) -> Result<()> {
    let begun = Instant::now();
    for address in added.iter().map(|added| added.address.addr()).filter(IpAddr::is_ipv6) {
        while !is_received(host, key, address)? {
            if begun.elapsed() > PATIENCE {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

fn is_received(host: &mut impl Host, key: &str, address: IpAddr) -> Result<bool> {
    match route::get(host.socket(key, Protocol::Route)?, &route::Query::to(address)) {
        Ok(found) => Ok(found.kind == route::RouteKind::Local),
        // No way there at all, as yet.
        Err(error) if error.errno().is_some() => Ok(false),
        Err(error) => Err(Error::netlink(key)(error)),
    }
}
