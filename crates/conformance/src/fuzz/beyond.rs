//! What lab files have no words for, or had none: lines that their reader takes for comments, in the words of scenarios' deltas, one
//! thing a line, so that it is cut down with the rest.

use model::{ErrorCode, Model};

use crate::scenario::delta::Delta;
use crate::topology::{World, WorldError};

/// Does to a cloud what the lines of its text say. Errors: one that makes no sense, or speaks of what is not there.
pub fn dress(model: Model, text: &str) -> Result<Model, String> {
    let marks = [super::ipv6::MARK, super::transit::MARK];
    let lines: Vec<&str> = text.lines().filter_map(|line| marks.iter().find_map(|mark| line.strip_prefix(mark))).collect();
    if lines.is_empty() {
        return Ok(model);
    }
    let mut world = World::of(model);
    for line in lines {
        let delta = Delta::parse(line)?;
        // A rule that is there already says the same twice.
        match world.apply(&delta) {
            Err(WorldError::Refused(error)) if error.code == ErrorCode::InvalidPermissionDuplicate => {}
            other => other.map_err(|error| format!("{line}: {error}"))?,
        }
    }
    Ok(world.model)
}
