//! Arping: asks on a link who has an address, and notes who says so.

use std::net::{IpAddr, SocketAddr};

use wire::Mac;

use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, End, Reply};

/// Between two questions.
const INTERVAL: Span = Span::seconds(1);

/// The program.
#[derive(Debug)]
pub struct Arping {
    interface: u16,
    address: IpAddr,
    count: u32,
    asked: Time,
}

impl Arping {
    /// To be run on a host: so many questions, a second apart.
    pub fn new(interface: u16, address: IpAddr, count: u32) -> Self {
        Self { interface, address, count, asked: Time::ZERO }
    }

    fn ask(&mut self, calls: &mut Calls<'_, '_>) {
        self.asked = calls.now();
        calls.outcome().sent += 1;
        calls.ask_for_neighbor(self.interface, self.address);
        calls.wake_after(INTERVAL, 0);
    }

    fn end(calls: &mut Calls<'_, '_>) {
        let is_answered = !calls.outcome().replies.is_empty();
        calls.finish(if is_answered { End::Answered } else { End::Nothing });
    }
}

impl App for Arping {
    fn kind(&self) -> &'static str {
        "arping"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if usize::from(self.interface) >= calls.host().interfaces().len() || self.count == 0 {
            return calls.finish(End::Failed(Reason::PortLimit));
        }
        calls.watch_neighbors();
        calls.say(Reason::Question, || format!("arping {}", self.address));
        self.ask(calls);
    }

    fn on_neighbor(&mut self, calls: &mut Calls<'_, '_>, interface: u16, address: IpAddr, mac: Mac) {
        if (interface, address) != (self.interface, self.address) {
            return;
        }
        let now = calls.now();
        let own = calls.host().interfaces()[usize::from(interface)].source_for(address);
        let outcome = calls.outcome();
        outcome.replies.push(Reply {
            at: now,
            from: SocketAddr::new(address, 0),
            to: SocketAddr::new(own.unwrap_or(address), 0),
            sequence: outcome.sent - 1,
            ttl: 0,
            bytes: 0,
            rtt: now.since(self.asked),
            mac: Some(mac),
        });
        if outcome.sent >= self.count && outcome.replies.len() as u32 >= self.count {
            Self::end(calls);
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        if calls.outcome().sent < self.count { self.ask(calls) } else { Self::end(calls) }
    }
}
