//! What keeps two services that echo everything from echoing each other for ever: the same bytes in the same exchange, again
//! and again without a pause, are a loop and no questions (the classic of RFC 862).

use std::collections::BTreeMap;

use wire::checksum;

use crate::time::{Span, Time};

use super::streams::Flow;

/// The same bytes are echoed so often in a row.
const IN_A_ROW: u16 = 64;
/// What comes later than this after the last is a question again.
const PAUSE: Span = Span::seconds(1);
/// Exchanges that are remembered.
const REMEMBERED: usize = 1_024;

#[derive(Debug, Clone, Copy)]
struct Last {
    sum: u16,
    count: u16,
    at: Time,
}

/// What was echoed lately.
#[derive(Debug, Default)]
pub(crate) struct Echoes(BTreeMap<(u8, Flow), Last>);

impl Echoes {
    /// Whether these bytes may be echoed now; counts them.
    pub fn may(&mut self, number: u8, flow: Flow, bytes: &[u8], now: Time) -> bool {
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, last| now.since(last.at) <= PAUSE);
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
        }
        let sum = checksum::of(bytes);
        let last = self.0.entry((number, flow)).or_insert(Last { sum, count: 0, at: now });
        let is_again = last.sum == sum && now.since(last.at) <= PAUSE;
        *last = Last { sum, count: if is_again { last.count.saturating_add(1) } else { 1 }, at: now };
        last.count <= IN_A_ROW
    }
}
