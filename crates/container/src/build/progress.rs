//! What a build tells while it goes on, in the words of Docker's classic builder.

use crate::digest::Digest;

/// Which stream of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Something that a build tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// An instruction begins.
    Step {
        /// From 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// The instruction.
        text: String,
    },
    /// An image to begin with is pulled.
    Pulling(String),
    /// A command runs in the container of this id.
    Running(String),
    /// The container of this id is gone.
    Removed(String),
    /// Bytes that a command printed.
    Output(Stream, Vec<u8>),
    /// What was made before is used.
    Cached,
    /// What an instruction came to.
    Made(Digest),
    /// A remark.
    Note(String),
    /// Instructions that the base image brings.
    Triggers(usize),
    /// The image.
    Built(Digest),
    /// It has this name.
    Tagged(String),
}

impl Progress {
    /// The line, with its end; what a command printed is as it is and has no line of its own.
    pub fn line(&self) -> Option<String> {
        Some(match self {
            Progress::Step {
                number,
                total,
                text,
            } => format!("Step {number}/{total} : {text}\n"),
            Progress::Pulling(name) => format!("{name}: Pulling\n"),
            Progress::Running(id) => format!(" ---> Running in {id}\n"),
            Progress::Removed(id) => format!(" ---> Removed intermediate container {id}\n"),
            Progress::Output(..) => return None,
            Progress::Cached => " ---> Using cache\n".into(),
            Progress::Made(id) => format!(" ---> {}\n", id.short()),
            Progress::Note(text) => format!("[Warning] {text}\n"),
            Progress::Triggers(1) => "# Executing 1 build trigger\n".into(),
            Progress::Triggers(count) => format!("# Executing {count} build triggers\n"),
            Progress::Built(id) => format!("Successfully built {}\n", id.short()),
            Progress::Tagged(name) => format!("Successfully tagged {name}\n"),
        })
    }
}
