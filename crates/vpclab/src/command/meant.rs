//! Which lab a command means, decided once for all commands. [`ORDER`] is the order, as the reference prints it: what is typed comes
//! before what the environment says, and that before what lies in a folder. What changes a lab changes none that only the environment
//! names while the file at hand is about another one ([`refuse_other`]).

use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use control::api::LabSummary;

use super::source::{self, is_same};
use crate::cli::Global;
use crate::exit::{Failure, Result};

/// What says which lab is meant; the first that is there does.
pub const ORDER: [&str; 5] = [
    "`--lab LAB`, typed. With `-f FILE` beside it the file says what the lab is, and LAB how it is called.",
    "`-f FILE` or a file given by position, typed: the lab that the file describes, or the lab of that name that is up. `VPCLAB_LAB` says nothing then.",
    "`VPCLAB_LAB` of the environment.",
    "`VPCLAB_FILE` of the environment, else vpclab.yaml or the one *.cloud.yaml, here or in a parent folder.",
    "The only lab that is up.",
];

/// What follows [`ORDER`] in the reference.
pub const RULE: &str = "\
`up`, `plan` and `down` refuse where `VPCLAB_LAB` names a lab that is there and the file at hand (4) describes another one: `-f FILE` or
`--lab LAB` says which is meant. A lab that `VPCLAB_LAB` names and that is not up is read from the file at hand where that describes it.";

/// What was typed, and not found in the environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Typed {
    /// `--lab`.
    pub lab: bool,
    /// `-f`.
    pub file: bool,
}

/// Notes what was typed; a file that was makes the environment's lab nobody's.
pub fn settle(global: &mut Global, matches: &ArgMatches) {
    let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    global.typed = Typed { lab: is_typed("lab"), file: is_typed("file") };
    if global.typed.file {
        forget_environment(global);
    }
}

/// The same where a file may be given by position.
pub fn by_position(global: &Global, given: Option<&Path>) -> Global {
    let mut global = global.clone();
    if let Some(path) = given {
        forget_environment(&mut global);
        (global.file, global.typed.file) = (Some(path.to_owned()), true);
    }
    global
}

fn forget_environment(global: &mut Global) {
    if !global.typed.lab {
        global.lab = None;
    }
}

/// Refuses to change a lab that `VPCLAB_LAB` alone names, where the file at hand is about another one. What it was brought up from is about it.
pub fn refuse_other(global: &Global, file: Option<&Path>, known: &[LabSummary]) -> Result<()> {
    let Some((name, path)) = global.lab.as_deref().zip(file).filter(|(_, path)| !global.typed.lab && *path != Path::new("-")) else { return Ok(()) };
    let Some(lab) = known.iter().find(|lab| lab.name == name) else { return Ok(()) };
    let is_its_own = lab.file.as_deref().is_some_and(|from| is_same(from, path));
    let described = source::name_of(path);
    if is_its_own || described == name {
        return Ok(());
    }
    let path = path.display();
    let failure = Failure::usage(format!("VPCLAB_LAB says lab {name}, and {path} describes lab {described}"));
    Err(failure.hint(format!("-f {path} means {described}, --lab {name} means {name}; unset VPCLAB_LAB ends the question")))
}

/// The file at hand, where it describes the lab that the environment names: what is meant while that is not up.
pub fn file_of_environment(global: &Global) -> Result<Option<std::path::PathBuf>> {
    let Some(name) = global.lab.as_deref().filter(|_| !global.typed.lab) else { return Ok(None) };
    let file = source::find_if_any(None, global)?.filter(|path| *path != Path::new("-") && path.exists());
    Ok(file.filter(|path| source::name_of(path) == name))
}
