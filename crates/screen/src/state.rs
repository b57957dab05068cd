//! Where the user looks: all that keys change, and nothing of what is looked at.

use sim::{NodeId, Time};

use crate::prompt::{Prompt, Purpose};

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// The list of events.
    Events,
    /// Nodes and links.
    Topology,
    /// The frame of the event, layer by layer, and its bytes.
    Packet,
    /// The tables of a node.
    Tables,
}

impl Pane {
    /// In the order of the tabulator.
    pub const ALL: [Self; 4] = [Self::Events, Self::Topology, Self::Packet, Self::Tables];

    /// Its title.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "Events",
            Self::Topology => "Topology",
            Self::Packet => "Packet",
            Self::Tables => "Tables",
        }
    }
}

/// Which domains the links are tagged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// None.
    Off,
    /// Collision domains.
    Collision,
    /// Broadcast domains.
    Broadcast,
}

/// Something that is said until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What; may be several lines.
    pub text: String,
    /// Something was refused.
    pub is_error: bool,
}

/// Events a second that a run may show.
pub const SPEEDS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 1_000, 10_000, 100_000];

/// Where the user looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The row of the current event.
    pub cursor: usize,
    /// The time that tables are of.
    pub clock: Time,
    /// The pane that takes ↑ and ↓.
    pub focus: Pane,
    /// Which of packet and tables is seen where both have no room.
    pub lower: Pane,
    /// The pane alone.
    pub is_zoomed: bool,
    /// The node whose tables are shown, if not that of the event.
    pub pinned: Option<NodeId>,
    /// The line of the topology that is chosen.
    pub map_line: usize,
    /// The line of the packet that is chosen.
    pub packet_line: usize,
    /// Lines of tables above the first that is seen.
    pub tables_top: usize,
    /// Lines of the list of keys, or of a long notice, above the first that is seen.
    pub overlay_top: usize,
    /// Sending and arriving apart.
    pub is_all: bool,
    /// Words that say what is listed.
    pub filter: String,
    /// Words that are looked for.
    pub find: String,
    /// Reasons to stop at.
    pub breakpoints: String,
    /// Tags of links.
    pub tags: Tags,
    /// Place in [`SPEEDS`].
    pub speed: usize,
    /// Whether it runs.
    pub is_running: bool,
    /// Parts of an event that a run owes: nanoseconds times events a second.
    pub debt: u128,
    /// What is said.
    pub notice: Option<Notice>,
    /// The line that is typed.
    pub prompt: Option<Prompt>,
    /// The list of keys is shown.
    pub is_helping: bool,
    /// What was typed before, with its purpose.
    pub history: Vec<(Purpose, String)>,
}

impl State {
    /// At the beginning of a recording.
    pub fn new(begin: Time) -> Self {
        Self {
            cursor: 0,
            clock: begin,
            focus: Pane::Events,
            lower: Pane::Packet,
            is_zoomed: false,
            pinned: None,
            map_line: 0,
            packet_line: 0,
            tables_top: 0,
            overlay_top: 0,
            is_all: false,
            filter: String::new(),
            find: String::new(),
            breakpoints: String::new(),
            tags: Tags::Off,
            speed: 2,
            is_running: false,
            debt: 0,
            notice: None,
            prompt: None,
            is_helping: false,
            history: Vec::new(),
        }
    }
}
