//! What the types of this room look like, as one number: whoever writes a model in a form without names of fields (`lab`'s
//! snapshots) must know whether the reader's types are the writer's.

use std::path::{Path, PathBuf};

fn main() {
    let folder = Path::new("src");
    println!("cargo::rerun-if-changed=src");
    // The types stand in the files of the first level; operations below them change values, not types.
    let entries = std::fs::read_dir(folder).expect("the room has sources");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    // FNV-1a.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source is text");
        // A checkout may end lines in another way; a comment changes no type.
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            for byte in line.bytes().chain([b'\n']) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    println!("cargo::rustc-env=MODEL_SHAPE={hash:016x}");
}
