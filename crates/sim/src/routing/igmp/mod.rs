//! IGMP version 2 (RFC 2236): a host says that it joins or leaves a multicast group ([`Member`]), a router asks who is there
//! ([`Querier`]). Passing a group's packets on between networks is not done.

mod member;
mod message;
mod querier;

use std::net::Ipv4Addr;

pub use member::Member;
pub use message::{Kind, Message};
pub use querier::Querier;

use crate::app::{Calls, SendTo};
use crate::time::Span;

/// The IP protocol.
pub const PROTOCOL: u8 = 2;
/// Everybody on a link.
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers on a link.
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

/// Tenths of a second within which a query is answered (8.3).
const WITHIN: u8 = 100;

/// What a field of a query says; a router of version 1 waits ten seconds (4).
fn within(message: &Message) -> Span {
    let tenths = if message.within == 0 { WITHIN } else { message.within };
    Span::milliseconds(100 * u64::from(tenths))
}

fn send(calls: &mut Calls<'_, '_>, interface: u16, to: Ipv4Addr, message: &Message) {
    // RFC 2236 2.
    let how = SendTo { ttl: Some(1), router_alert: true, interface: Some(interface), ..SendTo::default() };
    match calls.send_raw(PROTOCOL, to.into(), how, &message.emit()) {
        Ok(()) => calls.outcome().sent += 1,
        Err(error) => calls.say(error.into(), || "igmp: cannot send".to_owned()),
    }
}
