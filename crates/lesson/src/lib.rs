//! Lessons: a lab file with something to change in it, a text in each language, and conditions that the changed file has to
//! meet. Pure, any system.
//!
//! Start at [`Lesson`]; all of them are in [`LESSONS`]. What a lesson asks for is a [`Condition`], and [`Trial`] finds out
//! on the simulator or the prover whether a lab meets it, as a [`Finding`]. [`glossary`] has the words, and [`Particle`] what
//! Korean needs between them. Where files lie and
//! how answers are printed is not known here.
#![forbid(unsafe_code)]

mod catalog;
mod condition;
mod finding;
pub mod glossary;
mod language;
mod particle;
mod promise;
mod said;
mod text;
mod trial;

pub use catalog::{LESSONS, Lesson, find};
pub use condition::{Collisions, Condition, Malformed, Port};
pub use finding::{Both, Finding};
pub use language::Language;
pub use particle::Particle;
pub use text::Text;
pub use trial::Trial;
