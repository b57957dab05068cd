//! What an egress-only internet gateway remembers: flows that began inside (EIGW-1).

use std::collections::BTreeMap;

use model::Timestamp;

use crate::packet::{FlowKey, Header};
use crate::stage::nat_gateway::IDLE_SECONDS;

/// Flows of one gateway. They are remembered as long as a NAT gateway's; AWS says nothing about it.
#[derive(Debug, Clone, Default)]
pub struct Outbound(BTreeMap<FlowKey, Timestamp>);

impl Outbound {
    /// A packet goes out. A reply that goes out begins nothing.
    pub fn sent(&mut self, header: &Header, now: Timestamp) {
        if !self.is_answered_by(header, now) {
            self.0.insert(FlowKey::started_by(header), now);
        }
    }

    /// Whether a packet belongs, the other way, to a flow that is not idle for too long; used now. An ICMPv6 error belongs to the
    /// flow that it is about, or no sender would hear that a packet was too big.
    pub fn is_answered_by(&mut self, header: &Header, now: Timestamp) -> bool {
        let about = header.quoted().map(|_| FlowKey::started_by(header));
        let key = FlowKey::answered_by(header).into_iter().chain(about).find(|key| self.0.contains_key(key));
        let Some(last) = key.and_then(|key| self.0.get_mut(&key)) else { return false };
        let is_live = now < last.plus(IDLE_SECONDS);
        if is_live {
            *last = now;
        }
        is_live
    }
}
