//! What a host is to be woken for: one timer of the node serves all, at the earliest of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use crate::app::AppId;
use crate::node::{Context, Timer};
use crate::time::Time;

/// Who is due. Whoever changed its mind finds out itself: what was asked for is not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Neighbor(u16, IpAddr),
    Fragments,
    Stream(u32),
    Address(u16, IpAddr),
    App(AppId, u32),
}

/// When, which one it is of all that were asked for, and for whom.
type Deadline = (Time, u32, Alarm);

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// The first, apart from the rest: most hosts wait for one thing at a time.
    first: Option<Deadline>,
    /// By time, then in the order of asking.
    rest: BinaryHeap<Reverse<Deadline>>,
    asked: u32,
    timer: Timer,
}

impl Deadlines {
    pub fn push(&mut self, at: Time, alarm: Alarm) {
        self.asked = self.asked.wrapping_add(1);
        let mut deadline = (at, self.asked, alarm);
        let Some(first) = &mut self.first else {
            self.first = Some(deadline);
            return;
        };
        if deadline < *first {
            std::mem::swap(&mut deadline, first);
        }
        self.rest.push(Reverse(deadline));
    }

    /// Whether the node's timer is over.
    pub fn fires(&mut self, token: u64) -> bool {
        self.timer.fires(token)
    }

    /// The next one that is due by now.
    pub fn pop(&mut self, now: Time) -> Option<Alarm> {
        let (_, _, alarm) = self.first.filter(|(at, _, _)| *at <= now)?;
        self.first = self.rest.pop().map(|Reverse(next)| next);
        Some(alarm)
    }

    /// Sees to it that the node is woken in time.
    #[inline]
    pub fn arm(&mut self, context: &mut Context<'_>) {
        if let Some((at, _, _)) = &self.first
            && self.timer.at().is_none_or(|set| *at < set)
        {
            self.timer.set(context, *at, 0);
        }
    }
}
