//! The dump that tests read: two peered VPCs and a default one, written by the AWS command line of an emulated account.

use std::path::Path;

use lab::Diagnostics;
use lab::aws::{DumpFile, Import};
use model::Timestamp;

/// The files, by name.
pub fn files() -> Vec<DumpFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dump/accounts/123456789012/ap-northeast-2");
    let mut all: Vec<DumpFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = format!("dump/accounts/123456789012/ap-northeast-2/{}", path.file_name().unwrap().to_string_lossy());
            DumpFile { name, text: std::fs::read_to_string(path).unwrap() }
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Reads at the beginning of time.
pub fn read(files: Vec<DumpFile>) -> Result<Import, Diagnostics> {
    lab::aws::read(files, Timestamp(0))
}
