//! A simulation on a terminal's screen: events, topology, packet, tables; forwards, backwards, to a time, to a drop.
//!
//! Start at [`Screen`]: keys go in ([`Screen::press`]), a frame is drawn ([`Screen::draw`]). It looks at a recording through
//! `sim`'s [`View`](sim::view::View), and knows tables of the past because the lab is played again ([`Script`], [`Past`]).
//! No terminal and no clock is touched here: whoever has both reads the keys and asks for the drawing.
#![forbid(unsafe_code)]

pub mod draw;
pub mod fields;
pub mod hits;
pub mod keys;
pub mod map;
pub mod packet;
pub mod past;
pub mod prompt;
pub mod rows;
pub mod screen;
pub mod script;
pub mod state;
pub mod text;

pub use keys::Key;
pub use past::Past;
pub use rows::Rows;
pub use screen::{Ask, Screen};
pub use script::{Performance, Script};
pub use state::{Notice, Pane, State};
