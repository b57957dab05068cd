//! Verbs of the trace, and the layers of the OSI model (ISO/IEC 7498-1) that they belong to.

use std::fmt;

use serde::Serialize;

/// A layer of the OSI model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// 1: bits on a medium.
    Physical = 1,
    /// 2: frames between neighbours.
    DataLink,
    /// 3: packets between networks.
    Network,
    /// 4: segments and datagrams between programs.
    Transport,
    /// 5: who talks to whom for how long.
    Session,
    /// 6: how data is written.
    Presentation,
    /// 7: what it is about.
    Application,
}

impl Layer {
    /// All seven, from the wire up.
    pub const ALL: [Self; 7] = [
        Self::Physical,
        Self::DataLink,
        Self::Network,
        Self::Transport,
        Self::Session,
        Self::Presentation,
        Self::Application,
    ];

    /// 1 to 7.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::DataLink => "data link",
            Self::Network => "network",
            Self::Transport => "transport",
            Self::Session => "session",
            Self::Presentation => "presentation",
            Self::Application => "application",
        }
    }
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident = $word:literal,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum Verb { $($(#[$doc])* $verb,)* }

        impl Verb {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$verb,)*];

            /// As it is shown and asked for.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$verb => $word,)* }
            }
        }
    };
}

verbs! {
    /// A frame was given to a cable or medium.
    Send = "send",
    /// The last bit of a frame came in.
    Receive = "receive",
    /// A frame, packet or segment ends here.
    Drop = "drop",
    /// A frame or packet goes on by the port that a table names.
    Forward = "forward",
    /// A frame goes out by every other port.
    Flood = "flood",
    /// A bit stream is repeated without being read.
    Repeat = "repeat",
    /// A table got an entry.
    Learn = "learn",
    /// An entry of a table is gone.
    Forget = "forget",
    /// A station waits for the medium or for its turn.
    Wait = "wait",
    /// Two transmissions met.
    Collide = "collide",
    /// A station enforces a collision.
    Jam = "jam",
    /// An address was translated.
    Translate = "translate",
    /// A stage of a VPC let a packet pass.
    Pass = "pass",
    /// What came was answered.
    Answer = "answer",
    /// A neighbour's address is asked for, or known.
    Resolve = "resolve",
    /// A packet was cut, or put together.
    Fragment = "fragment",
    /// Data reached a program.
    Deliver = "deliver",
    /// Something was sent again.
    Retransmit = "retransmit",
    /// A protocol changed its state.
    State = "state",
    /// A program did something, or learned how it ended.
    Note = "note",
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
