//! What containers cost, beside `crun`, `runc` and `podman` in the same run, and beside limits that were measured before.
//!
//! [`place`] carries a lab with an engine; [`start`] is start to exit, [`many`] a hundred and a thousand at once, [`images`] archives, pulls
//! and builds, [`port`] the way of bytes through a published port. [`peer`] runs the other programs in namespaces of their own.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::Result;

mod images;
mod many;
pub mod peer;
mod place;
mod port;
mod start;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Question {
    /// Start to exit of `true`
    Start,
    /// The same through the docker CLI
    Cli,
    /// A hundred started and stopped in parallel
    Parallel,
    /// Memory per idle container
    Memory,
    /// Loading, pulling and building images
    Images,
    /// Bytes through a published port
    Port,
}

/// `bench containers`.
#[derive(Debug, Args)]
pub struct Wanted {
    /// What to measure
    #[arg(value_enum, default_values_t = [Question::Start, Question::Cli, Question::Parallel, Question::Memory, Question::Images, Question::Port])]
    questions: Vec<Question>,
    /// Archives that `make images` and `examples/images/make.sh` made
    #[arg(long, default_value = "target/images")]
    images: PathBuf,
    /// The release program
    #[arg(long, default_value = "target/release/vpclab")]
    program: PathBuf,
    /// Idle containers
    #[arg(long, default_value_t = 1_000)]
    idle: usize,
    /// Without the other programs
    #[arg(long)]
    alone: bool,
}

impl Wanted {
    /// An archive; where it is not, how it is made.
    fn archive(&self, name: &str) -> Result<PathBuf> {
        let path = self.images.join(format!("{name}.tar"));
        std::fs::canonicalize(&path).map_err(|error| {
            format!("{}: {error}; `sh examples/images/make.sh {}` makes it", path.display(), self.images.display()).into()
        })
    }

    /// The program that a person types.
    fn program(&self) -> Result<PathBuf> {
        let hint = |error| format!("{}: {error}; `cargo build --release -p vpclab` makes it", self.program.display());
        Ok(std::fs::canonicalize(&self.program).map_err(hint)?)
    }
}

/// Measures and prints.
pub fn measure(wanted: &Wanted, runs: usize) -> Result {
    for question in &wanted.questions {
        match question {
            Question::Start => start::engine(wanted, runs)?,
            Question::Cli => start::cli(wanted, runs)?,
            Question::Parallel => many::parallel(wanted, runs)?,
            Question::Memory => many::memory(wanted)?,
            Question::Images => images::measure(wanted, runs)?,
            Question::Port => port::measure(wanted, runs)?,
        }
    }
    Ok(())
}

/// Where a program is, of those in `PATH`.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let also = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(also).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
