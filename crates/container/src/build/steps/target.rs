//! Where the files of `COPY` and `ADD` go.

use crate::build::config;
use crate::build::copy::{Source, Target};
use crate::build::dockerfile::instruction::Copy;
use crate::build::error::{Error, Result};
use crate::build::reading::Reading;
use crate::build::tree::{self, Tree};
use crate::oci::Process;

/// Names from the top of the image, links followed where there are any.
pub(super) fn place(image: &Tree, path: &str, follows: bool) -> Result<Vec<Vec<u8>>> {
    if !follows {
        return Ok(tree::names(path.as_bytes()));
    }
    let (found, rest) = image.resolve(path.as_bytes(), true)?;
    let (mut names, is_folder) = match found {
        Some(found) => {
            let is_folder = found.is_folder();
            (found.path, is_folder)
        }
        None => (Vec::new(), true),
    };
    if !is_folder && !rest.is_empty() {
        let shown = String::from_utf8_lossy(&names.join(&b'/')).into_owned();
        return Err(Error::Context(format!("/{shown} of the image is no folder")));
    }
    for name in rest {
        match &name[..] {
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    Ok(names)
}

/// Where an instruction's files go: into a folder, or in the place of a file.
pub(super) fn target(copy: &Copy, sources: &[Source], image: &Tree, process: &Process, reading: &Reading) -> Result<Target> {
    let text = reading.word(&copy.target)?;
    let path = config::directory(process, &text).map_err(|why| reading.mistake(&copy.target, why))?;
    let is_said = text.ends_with('/') || text == "." || text.ends_with("/.") || text == "..";
    let at = place(image, &path, !copy.link).map_err(|error| reading.placed(&copy.target, error))?;
    let there = image.find(&at.join(&b'/'), false)?;
    let is_there = at.is_empty() || there.as_ref().is_some_and(|found| found.is_folder());
    let is_other = there.is_some() && !is_there;
    let brings_folder = sources
        .iter()
        .any(|source| source.is_folder() || matches!(source, Source::Archive(_) | Source::Tree { parents: Some(_), .. }));
    if sources.len() > 1 && !is_said && !is_there {
        let why = "with more than one source the target is a folder, and ends with a /";
        return Err(reading.mistake(&copy.target, why).with_hint(format!("{text}/")).into());
    }
    let is_folder = is_said || is_there || brings_folder || sources.len() > 1;
    if is_folder && is_other && !copy.link {
        let why = format!("{text} is a file of the image, and would have to be a folder");
        return Err(reading.mistake(&copy.target, why).into());
    }
    Ok(Target { path: at, is_folder })
}
