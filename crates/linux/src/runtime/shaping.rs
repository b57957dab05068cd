//! What this kernel has for the links of lans: asked by trying, in a namespace that lives as long as the question. Disciplines
//! may be modules that only the machine's root can load, so no list of files says what there is.

use netlink::rtnl::link::{self, LinkKind, LinkSpec};
use netlink::rtnl::qdisc::{self, Netem, Qdisc};
use netlink::{Batch, Socket};
use sandbox::{Client, NetnsSpec, SocketSpec};

use super::error::{Error, Result};
use crate::plan::lan::Shaping;

/// The namespace of the question; no lab has one of this name.
const KEY: &str = "shaping";
/// Index of the device in it.
const DEVICE: u32 = 2;

/// Tries each on a device of its own.
pub(super) fn of_kernel(client: &Client) -> Result<Shaping> {
    // One that a daemon left which was killed.
    client.remove_netnses(&[KEY])?;
    client.create_netnses(&[NetnsSpec::lab(KEY)])?;
    let answer = tried(client);
    client.remove_netnses(&[KEY])?;
    answer
}

fn tried(client: &Client) -> Result<Shaping> {
    let socket = client.open_socket(SocketSpec::netlink(KEY, libc::NETLINK_ROUTE))?;
    let mut socket = Socket::from_fd(socket).map_err(Error::netlink(KEY))?;
    let mut batch = Batch::new();
    let near = LinkSpec { index: Some(DEVICE), ..LinkSpec::named("near") };
    link::create(&mut batch, &near, &LinkKind::Veth(LinkSpec { index: Some(DEVICE + 1), ..LinkSpec::named("far") }));
    socket.execute(&batch).map_err(Error::netlink(KEY))?;
    let mut has = |qdisc: &Qdisc| {
        let mut batch = Batch::new();
        qdisc::set(&mut batch, DEVICE, qdisc);
        let is_there = socket.execute(&batch).is_ok();
        let mut batch = Batch::new();
        qdisc::clear(&mut batch, DEVICE);
        // There is nothing to clear where nothing was set.
        let _ = socket.execute(&batch);
        is_there
    };
    let (rate, packets) = (10_000_000, 100);
    let netem = has(&Qdisc::Netem(Netem { rate_bits_per_second: rate, limit_packets: packets, ..Netem::default() }));
    let tbf = has(&Qdisc::Tbf { rate_bits_per_second: rate, burst_bytes: 1_518, queue_packets: packets });
    Ok(Shaping { netem, tbf })
}
