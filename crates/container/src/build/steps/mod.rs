//! Steps that change files. [`run`] runs a command, with what [`mounts`] puts under it; [`copy`] takes files over: [`sources`]
//! finds them and [`target`] says where they go; [`from`] is the stage or image that both may look into.

mod copy;
mod from;
mod mounts;
mod run;
mod sources;
mod target;

use super::builder::{Builder, Stage};
use super::copy::{Change, Copying, Source, Target};
use super::error::Result;
use super::tree::Tree;
use crate::oci::Process;

impl<'b> Builder<'b> {
    /// Makes the working directory where the image has none.
    pub(super) fn workdir(&mut self, stage: &mut Stage, process: Process, path: &str, told: &str) -> Result<()> {
        let created_by = format!("/bin/sh -c #(nop) {told}");
        let key = self.key(stage, told, "workdir");
        self.keep(stage, &key, process, None, &created_by, |builder, stage| {
            let tree = builder.tree(&stage.image)?;
            let target = Target { path: target::place(&tree, path, true)?, is_folder: true };
            let change = Change { latest: builder.options.source_date_epoch, ..Change::default() };
            let copying = Copying { follows: true, change, ..builder.copying(Vec::new(), target, &tree) };
            builder.layer(|output| copying.write(output))
        })
    }

    /// Files as they are, put to a target; no link of the image is followed.
    fn copying<'t>(&self, sources: Vec<Source<'t>>, target: Target, image: &'t Tree) -> Copying<'t>
    where
        'b: 't,
    {
        Copying {
            sources,
            target,
            image,
            follows: false,
            change: Change::default(),
            ignore: &self.ready.ignore,
            exclude: Vec::new(),
            limits: self.store.limits,
            cancel: &self.options.cancel,
        }
    }
}
