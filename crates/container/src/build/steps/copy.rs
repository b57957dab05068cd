//! `COPY` and `ADD`.

use super::sources::Origins;
use super::target::target;
use crate::build::builder::{Builder, Stage};
use crate::build::copy::{Change, Copying};
use crate::build::dockerfile::instruction::Copy;
use crate::build::error::{Error, Result};
use crate::build::ignore::{self, Pattern};
use crate::build::owner;
use crate::build::reading::{Reading, Scope};
use crate::build::tree::Tree;

impl Builder<'_> {
    /// Takes files over into an image. `is_add`: archives are unpacked and URLs fetched.
    pub(in crate::build) fn copy(
        &mut self,
        stage: &mut Stage,
        copy: &Copy,
        scope: &Scope,
        reading: &Reading,
        is_add: bool,
    ) -> Result<()> {
        let from = copy.from.as_ref().map(|from| self.image_of(stage, from, reading)).transpose()?;
        let other = from.as_ref().map(|image| self.tree(image)).transpose()?;
        let ready = self.ready;
        let tree = other.as_ref().unwrap_or(&ready.tree);
        let image = self.tree(&stage.image)?;
        let change = self.change(copy, &image, reading)?;
        let exclude = excluded(copy, reading)?;
        let sources = Origins { builder: self, copy, tree, reading, is_add }.sources()?;
        let target = target(copy, &sources, &image, &scope.process, reading)?;
        let copying = Copying { follows: !copy.link, change, exclude, ..self.copying(sources, target, &image) };
        let here = |error: Error| reading.placed_behind(error);
        let digest = copying.digest().map_err(here)?;
        let word = if is_add { "ADD" } else { "COPY" };
        let what = match &copying.sources[..] {
            [one] if one.is_folder() => "dir",
            [_] => "file",
            _ => "multi",
        };
        let told = format!("{word} {what}:{digest} in {} ", reading.word(&copy.target)?);
        let key = self.key(stage, &told, if copy.link { "link" } else { "" });
        let created_by = format!("/bin/sh -c #(nop) {told}");
        // The files are read again, so that those of a huge context are not held meanwhile.
        self.keep(stage, &key, scope.process.clone(), None, &created_by, |builder, _| {
            builder.layer(|output| copying.write(output)).map_err(here)
        })
    }

    /// `--chown`, with names of the image, and `--chmod`.
    fn change(&self, copy: &Copy, image: &Tree, reading: &Reading) -> Result<Change> {
        let mut change = Change { latest: self.options.source_date_epoch, ..Change::default() };
        if let Some(text) = &copy.chown {
            let owner = owner::owner(&reading.word(text)?, image)?;
            change.owner = Some(owner.map_err(|why| reading.mistake(text, why))?);
        }
        if let Some(text) = &copy.chmod {
            let mode = owner::mode(&reading.word(text)?);
            change.mode = Some(mode.map_err(|why| reading.mistake(text, why))?);
        }
        Ok(change)
    }
}

fn excluded(copy: &Copy, reading: &Reading) -> Result<Vec<Pattern>> {
    let mut all = Vec::new();
    for text in &copy.exclude {
        let pattern = Pattern::new(&ignore::clean(&reading.word(text)?));
        all.push(pattern.map_err(|why| reading.mistake(text, why))?);
    }
    Ok(all)
}
