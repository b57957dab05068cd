//! What `--from` and `from=` mean: a stage before this one, or an image of its own.

use crate::build::builder::{Builder, Stage};
use crate::build::dockerfile::flags::nearest;
use crate::build::dockerfile::instruction::Word;
use crate::build::error::{Error, Result};
use crate::build::images;
use crate::build::reading::Reading;
use crate::build::stages::{by_name_or_number, names};
use crate::store::Image;

impl Builder<'_> {
    pub(super) fn image_of(&mut self, stage: &Stage, from: &Word, reading: &Reading) -> Result<Image> {
        let text = &from.text;
        let (before, later) = self.file.stages.split_at(stage.number);
        if let Some(number) = by_name_or_number(before, text) {
            return self.done.get(&number).cloned().ok_or(Error::Cancelled);
        }
        if text.parse::<usize>().is_ok() {
            let why = format!("--from={text}: there is no stage {text} before this one");
            return Err(reading.mistake(from, why).into());
        }
        if text.contains('$') {
            let hint = "name a stage with FROM $IMAGE AS name, and copy --from=name";
            return Err(reading.mistake(from, "variables are not replaced in --from").with_hint(hint).into());
        }
        if names(later).iter().any(|name| name.eq_ignore_ascii_case(text)) {
            let why = format!("stage `{text}` comes later: only stages before this one can be copied from");
            return Err(reading.mistake(from, why).into());
        }
        images::bring(self.store, text, None, self.options, self.progress).map_err(|error| {
            if matches!(error, Error::Cancelled) {
                return error;
            }
            let mistake = reading.mistake(from, format!("--from={text}: {error}"));
            match nearest(text, &names(&self.file.stages)) {
                Some(near) => mistake.with_hint(format!("did you mean the stage `{near}`?")).into(),
                None => mistake.into(),
            }
        })
    }
}
