//! Which probe to send next, how long to wait for it, and what the lines say. Pure; times are since the start.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::options::Options;

/// No shorter wait than this is worth a star that should have been a time.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// A probe waits this many times the slowest answer of its own hop.
const HERE: u32 = 3;
/// And this many times the quickest answer of a later hop.
const NEAR: u32 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Probe {
    Waiting,
    Sent(Duration),
    Answered { from: Ipv4Addr, time: Duration, mark: Option<String> },
    Lost,
}

/// An answer as the sockets saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Which probe it is for.
    pub(crate) probe: usize,
    pub(crate) from: Ipv4Addr,
    /// Printed behind the time.
    pub(crate) mark: Option<String>,
    /// Nothing lies behind who answered.
    pub(crate) is_last: bool,
}

/// One run.
pub(crate) struct Trace {
    first: u8,
    queries: usize,
    at_once: usize,
    wait: Duration,
    /// By hop, then by attempt.
    probes: Vec<Probe>,
    next: usize,
    printed_hops: usize,
    /// The hop, counted from 0, behind which is nothing.
    last_hop: usize,
}

impl Trace {
    pub(crate) fn new(options: &Options) -> Trace {
        let hops = usize::from(options.most - options.first) + 1;
        let queries = usize::from(options.queries);
        Trace {
            first: options.first,
            queries,
            at_once: options.at_once.into(),
            wait: options.wait,
            probes: vec![Probe::Waiting; hops * queries],
            next: 0,
            printed_hops: 0,
            last_hop: hops - 1,
        }
    }

    /// The probe to send now and its TTL.
    pub(crate) fn next(&self) -> Option<(usize, u8)> {
        let under_way = self.probes[..self.next].iter().filter(|probe| matches!(probe, Probe::Sent(_))).count();
        let hop = self.next / self.queries;
        (hop <= self.last_hop && under_way < self.at_once).then(|| (self.next, self.first + hop as u8))
    }

    /// It was sent.
    pub(crate) fn sent(&mut self, now: Duration) {
        self.probes[self.next] = Probe::Sent(now);
        self.next += 1;
    }

    /// An answer came.
    pub(crate) fn answered(&mut self, answer: Answer, now: Duration) {
        let Answer { probe: index, from, mark, is_last } = answer;
        let Some(Probe::Sent(sent)) = self.probes.get(index) else {
            return;
        };
        self.probes[index] = Probe::Answered { from, time: now.saturating_sub(*sent), mark };
        if is_last {
            self.last_hop = self.last_hop.min(index / self.queries);
        }
    }

    /// How long the probe may take, from when it was sent.
    fn patience(&self, index: usize) -> Duration {
        let hop = index / self.queries;
        let mut patience = self.wait;
        let times = |hops: &[Probe]| -> Vec<Duration> {
            let time = |probe: &Probe| match probe {
                Probe::Answered { time, .. } => Some(*time),
                _ => None,
            };
            hops.iter().filter_map(time).collect()
        };
        let here = &self.probes[hop * self.queries..(hop + 1) * self.queries];
        if let Some(slowest) = times(here).into_iter().max() {
            patience = patience.min((slowest * HERE).max(SHORTEST_WAIT));
        }
        if let Some(quickest) = times(&self.probes[(hop + 1) * self.queries..]).into_iter().min() {
            patience = patience.min((quickest * NEAR).max(SHORTEST_WAIT));
        }
        patience
    }

    /// Gives up what waited too long.
    pub(crate) fn expire(&mut self, now: Duration) {
        for index in 0..self.next {
            if let Probe::Sent(sent) = self.probes[index]
                && now >= sent + self.patience(index)
            {
                self.probes[index] = Probe::Lost;
            }
        }
    }

    /// When the next probe is given up.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let due = |(index, probe): (usize, &Probe)| match probe {
            Probe::Sent(sent) => Some(*sent + self.patience(index)),
            _ => None,
        };
        self.probes[..self.next].iter().enumerate().filter_map(due).min()
    }

    /// Whether everything is said.
    pub(crate) fn is_over(&self) -> bool {
        self.printed_hops > self.last_hop
    }

    /// The line of the next hop, once all its probes are answered or given up.
    pub(crate) fn line(&mut self, mut described: impl FnMut(Ipv4Addr) -> String) -> Option<String> {
        if self.is_over() {
            return None;
        }
        let hop = self.printed_hops;
        let probes = &self.probes[hop * self.queries..(hop + 1) * self.queries];
        if probes.iter().any(|probe| matches!(probe, Probe::Waiting | Probe::Sent(_))) {
            return None;
        }
        let mut line = format!("{:2} ", usize::from(self.first) + hop);
        let mut before = None;
        for probe in probes {
            let Probe::Answered { from, time, mark } = probe else {
                line.push_str(" *");
                continue;
            };
            if before != Some(*from) {
                line.push_str(&format!(" {}", described(*from)));
                before = Some(*from);
            }
            line.push_str(&format!("  {:.3} ms", time.as_secs_f64() * 1_000.0));
            if let Some(mark) = mark {
                line.push_str(&format!(" {mark}"));
            }
        }
        self.printed_hops += 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::options;
    use super::*;

    fn trace(line: &str) -> Trace {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Trace::new(&options::parse(&arguments).unwrap())
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn answer(probe: usize, last_byte: u8, is_last: bool) -> Answer {
        Answer { probe, from: [10, 0, 0, last_byte].into(), mark: None, is_last }
    }

    fn send_all(trace: &mut Trace, now: Duration) -> Vec<(usize, u8)> {
        let mut sent = Vec::new();
        while let Some(probe) = trace.next() {
            sent.push(probe);
            trace.sent(now);
        }
        sent
    }

    fn lines(trace: &mut Trace) -> String {
        let mut text = String::new();
        while let Some(line) = trace.line(|address| address.to_string()) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    #[test]
    fn a_path_with_two_answers_at_one_hop_and_a_silent_one() {
        let mut trace = trace("-m 5 -q 3 x");
        let sent = send_all(&mut trace, at(0));
        assert_eq!((sent.len(), sent[0], sent[14]), (15, (0, 1), (14, 5)));
        for (probe, from, last, now) in [(0, 1, false, 1), (1, 1, false, 2), (2, 2, false, 3), (6, 9, true, 4), (7, 9, true, 5)] {
            trace.answered(answer(probe, from, last), at(now));
        }
        trace.answered(Answer { mark: Some("!X".to_owned()), ..answer(8, 9, true) }, at(6));
        assert!(!trace.is_over());
        // Hop 2 is silent: it is not waited for five seconds, because hop 3 answered within 4 ms.
        assert_eq!(trace.deadline(), Some(SHORTEST_WAIT));
        trace.expire(SHORTEST_WAIT);
        insta::assert_snapshot!(lines(&mut trace));
        assert!(trace.is_over(), "nothing behind the last hop is printed");
    }

    #[test]
    fn no_more_are_under_way_than_allowed() {
        let mut trace = trace("-N 2 -q 1 x");
        assert_eq!(send_all(&mut trace, at(0)), [(0, 1), (1, 2)]);
        trace.answered(answer(1, 2, false), at(1));
        assert_eq!(send_all(&mut trace, at(1)), [(2, 3)]);
    }

    #[test]
    fn a_silent_path_ends_at_the_last_hop_with_stars() {
        let mut trace = trace("-m 2 -w 1 x");
        send_all(&mut trace, at(0));
        trace.expire(at(999));
        assert_eq!(lines(&mut trace), "");
        trace.expire(at(1_000));
        assert_eq!(lines(&mut trace), " 1  * * *\n 2  * * *\n");
        assert!(trace.is_over() && trace.next().is_none() && trace.deadline().is_none());
    }

    #[test]
    fn the_nearest_last_hop_counts_and_late_or_second_answers_do_not() {
        let mut trace = trace("-q 1 -N 4 x");
        send_all(&mut trace, at(0));
        trace.answered(answer(3, 9, true), at(1));
        trace.answered(answer(1, 9, true), at(2));
        trace.answered(answer(1, 7, false), at(3));
        trace.answered(answer(200, 7, false), at(3));
        trace.expire(at(300));
        trace.answered(answer(0, 1, false), at(301));
        assert_eq!(lines(&mut trace), " 1  *\n 2  10.0.0.9  2.000 ms\n");
        assert_eq!(trace.next(), None);
    }
}
