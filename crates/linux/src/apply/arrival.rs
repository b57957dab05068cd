//! What the kernel has accepted and does by a work queue of its own, so that on a busy machine a packet may be there first. It would
//! be lost without a word.
//!
//! - Addresses of IPv6: their local routes are made there. Until then what is for them is taken for somebody else's.
//! - Cables: of two ends the one that is set up first sends nothing before the kernel has followed the carrier that the other one brings.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netlink::rtnl::link::{self, Target};
use netlink::{Protocol, rtnl::route};

use super::{CHUNK, Host};
use crate::plan::{Address, LinkEnd, Veth};
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

/// Waits until those ends of cables that were set up before the others send. `order` has the namespaces as they were worked on.
pub(super) fn wait_for_carriers<'c>(host: &mut impl Host, order: &[&str], cables: impl Iterator<Item = &'c Veth>) -> Result<()> {
    let places: BTreeMap<&str, usize> = order.iter().enumerate().map(|(place, key)| (*key, place)).collect();
    let place = |end: &LinkEnd| places.get(end.namespace.as_str()).copied().unwrap_or(usize::MAX);
    let mut first: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for cable in cables.filter(|cable| cable.near.is_up && cable.far.is_up) {
        let [near, far] = [&cable.near, &cable.far];
        for end in [near, far].into_iter().filter(|end| place(end) == place(near).min(place(far))) {
            first.entry(&end.namespace).or_default().push(end.index());
        }
    }
    let first: Vec<_> = first.into_iter().collect();
    for chunk in first.chunks(CHUNK) {
        let wanted: Vec<_> = chunk.iter().map(|(key, _)| ((*key).to_owned(), Protocol::Route)).collect();
        host.open(&wanted)?;
        for (key, ends) in chunk {
            let begun = Instant::now();
            for end in ends {
                while !carries(host, key, *end)? && begun.elapsed() < PATIENCE {
                    std::thread::sleep(PAUSE);
                }
            }
            host.done(key);
        }
    }
    Ok(())
}

/// Whether a device sends. Who asks for one device makes the kernel follow its carrier at once (Linux 6.8; earlier ones take their time).
fn carries(host: &mut impl Host, key: &str, index: u32) -> Result<bool> {
    match link::get(host.socket(key, Protocol::Route)?, Target::Index(index)) {
        Ok(found) => Ok(found.is_running()),
        // Gone meanwhile: nobody waits for it.
        Err(error) if error.errno().is_some() => Ok(true),
        Err(error) => Err(Error::netlink(key)(error)),
    }
}
