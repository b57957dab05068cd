//! One end, and segments written by hand.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use sim::tcp::{Again, Connection, Purpose, Segment, State, Terms};
use sim::{Span, Time};
use wire::Tcp;
use wire::tcp::{Flags, TcpOption};

pub const OURS: u32 = 1000;
pub const THEIRS: u32 = 5000;
pub const WINDOW: u16 = 10_000;

pub const SYN: Flags = Flags::SYN;
pub const ACK: Flags = Flags::ACK;
pub const RST: Flags = Flags::RST;
pub const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
pub const FIN_ACK: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);
pub const RST_ACK: Flags = Flags(Flags::RST.0 | Flags::ACK.0);

/// What went out: flags as tcpdump writes them, sequence and acknowledgement numbers from the initial ones on, bytes.
pub type Out = (String, i64, i64, u32);

pub fn out(flags: &str, sequence: i64, acknowledgement: i64, length: u32) -> Out {
    (flags.to_owned(), sequence, acknowledgement, length)
}

pub struct Hand {
    pub now: Time,
    pub connection: Connection,
    /// The window in segments to the connection.
    pub window: u16,
    pub last: Option<Tcp>,
}

/// Settings that make numbers easy: segments of 100 bytes, windows as they are written, acknowledgements at once.
pub fn plain() -> Terms {
    Terms {
        mss: 100,
        window_scale: None,
        sack: false,
        delayed_ack: Span::ZERO,
        nagle: false,
        receive_buffer: 10_000,
        unannounced_mss: 100,
        ..Terms::default()
    }
}

pub fn header(flags: Flags, sequence: i64, acknowledgement: i64, window: u16) -> Tcp {
    Tcp {
        source_port: 80,
        destination_port: 40_000,
        sequence: (i64::from(THEIRS) + sequence) as u32,
        acknowledgement: (i64::from(OURS) + acknowledgement) as u32,
        flags,
        window,
        urgent: 0,
        options: vec![],
    }
}

impl Hand {
    pub fn connect(terms: &Terms) -> Self {
        let connection = Connection::connect(Time::ZERO, terms, 40_000, 80, OURS);
        Self { now: Time::ZERO, connection, window: WINDOW, last: None }
    }

    pub fn established(terms: &Terms) -> Self {
        Self::established_with(terms, vec![])
    }

    /// Our SYN, their SYN-ACK with these options, our ACK.
    pub fn established_with(terms: &Terms, options: Vec<TcpOption>) -> Self {
        let mut hand = Self::connect(terms);
        hand.take();
        hand.give_with(SYN_ACK, 0, 1, b"", options);
        assert_eq!(hand.take(), [out(".", 1, 1, 0)]);
        assert_eq!(hand.connection.state(), State::Established);
        hand.connection.take_events();
        hand
    }

    /// A connection that came to this state by the shortest way. Our next number is 1, or 2 after our FIN; so is theirs.
    pub fn in_state(state: State) -> Self {
        let mut hand = match state {
            State::SynSent => Self::connect(&plain()),
            State::SynReceived => {
                let syn = header(SYN, 0, -i64::from(OURS), WINDOW);
                let connection =
                    Connection::accept(Time::ZERO, &plain(), &Segment { header: &syn, payload: b"" }, OURS);
                Self { now: Time::ZERO, connection: connection.unwrap(), window: WINDOW, last: None }
            }
            _ => Self::established(&plain()),
        };
        match state {
            State::FinWait1 => hand.connection.close(),
            State::FinWait2 | State::TimeWait => {
                hand.connection.close();
                hand.take();
                hand.give(ACK, 1, 2, b"");
            }
            State::CloseWait | State::LastAck => hand.give(FIN_ACK, 1, 1, b""),
            State::Closing => {
                hand.connection.close();
                hand.take();
                hand.give(FIN_ACK, 1, 1, b"");
            }
            _ => {}
        }
        match state {
            State::LastAck => hand.connection.close(),
            State::TimeWait => hand.give(FIN_ACK, 1, 2, b""),
            _ => {}
        }
        hand.take();
        assert_eq!(hand.connection.state(), state);
        hand.connection.take_events();
        hand
    }

    /// The next numbers of both ends.
    pub fn next(&self) -> (i64, i64) {
        let view = self.connection.inspect();
        (i64::from(view.snd_nxt.0) - i64::from(OURS), i64::from(view.rcv_nxt.0) - i64::from(THEIRS))
    }

    pub fn give(&mut self, flags: Flags, sequence: i64, acknowledgement: i64, payload: &[u8]) {
        self.give_with(flags, sequence, acknowledgement, payload, vec![]);
    }

    pub fn give_with(
        &mut self,
        flags: Flags,
        sequence: i64,
        acknowledgement: i64,
        payload: &[u8],
        options: Vec<TcpOption>,
    ) {
        let header = Tcp { options, ..header(flags, sequence, acknowledgement, self.window) };
        self.connection.on_segment(self.now, &Segment { header: &header, payload });
    }

    /// Why what goes out now is sent again; new segments and acknowledgements are none of it.
    pub fn repeats(&mut self) -> Vec<Again> {
        let polled = std::iter::from_fn(|| self.connection.poll_transmit(self.now));
        let again = |outgoing: sim::tcp::Outgoing| match outgoing.purpose {
            Purpose::Retransmission(again) => Some(again),
            _ => None,
        };
        polled.filter_map(again).collect()
    }

    /// All that goes out now.
    pub fn take(&mut self) -> Vec<Out> {
        let mut all = Vec::new();
        while let Some(outgoing) = self.connection.poll_transmit(self.now) {
            let header = &outgoing.header;
            let from = |number: u32, initial: u32| i64::from(number.wrapping_sub(initial) as i32);
            let acknowledgement = if header.flags.has(ACK) { from(header.acknowledgement, THEIRS) } else { 0 };
            all.push(out(&header.flags.to_string(), from(header.sequence, OURS), acknowledgement, outgoing.length));
            let (first, second) = self.connection.payload(&outgoing);
            assert_eq!(first.len() + second.len(), outgoing.length as usize);
            self.last = Some(outgoing.header);
            assert!(all.len() < 10_000, "it sends for ever");
        }
        all
    }

    /// Time goes on to the next timer, which runs out.
    pub fn wait(&mut self) -> u64 {
        self.now = self.connection.next_timer().expect("a timer runs");
        self.connection.on_timer(self.now);
        self.now.0 / 1_000_000
    }

    pub fn after(&mut self, span: Span) {
        self.now += span;
        self.connection.on_timer(self.now);
    }
}
