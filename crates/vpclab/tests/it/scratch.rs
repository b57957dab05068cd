//! Where tests write what needs no home: below target/tmp, in a folder of each file of tests, since two of them may give one
//! name.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// A path that is this file's alone: `scratch!("{name}.yaml")`. Its folder is there; what an earlier run left may be.
macro_rules! scratch {
    ($($name:tt)+) => { $crate::scratch::path(module_path!(), format_args!($($name)+)) };
}

/// The same for a folder, which is there and empty.
macro_rules! scratch_folder {
    ($($name:tt)+) => { $crate::scratch::folder(module_path!(), format_args!($($name)+)) };
}

pub fn path(module: &str, name: impl Display) -> String {
    let own = module.trim_start_matches("it::").replace("::", "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name.to_string()).display().to_string()
}

pub fn folder(module: &str, name: impl Display) -> PathBuf {
    let folder = PathBuf::from(path(module, name));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
