//! Files that pictures and what belongs to them go to. What is there and was not drawn by this program stays as it is, unless
//! `--force` says otherwise; what it drew is replaced once the new one is whole.

use std::io::{Read, Write};
use std::path::Path;

use super::whole_file::{put, unwritable};
use crate::exit::{Failure, Result};

/// So much of a file is read to know whose it is.
const MOST_READ: u64 = 1 << 20;

/// Writes a picture as a whole. Errors: something else is there; it cannot be written.
pub fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let failed = |e: std::io::Error| unwritable(path, &e);
    if path.is_file() && !force && !is_ours(&read(path).map_err(failed)?) {
        let failure = Failure::usage(format!("{} is there and was not drawn by vpclab: it stays as it is", path.display()));
        return Err(failure.hint("another name, or --force"));
    }
    put(path, |mut file| file.write_all(text.as_bytes()).map_err(failed))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file holds what this program draws; one that holds nothing may be anybody's.
fn is_ours(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let first = text.lines().next().unwrap_or_default();
    let is_tree = || text.lines().nth(1).is_some_and(|line| ["├── ", "└── "].iter().any(|branch| line.starts_with(branch)));
    bytes.is_empty()
        || (first.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" ") && first.contains("style=\"color-scheme:light dark\""))
        || text.starts_with("flowchart TB\n")
        || text.starts_with("```mermaid\nflowchart TB\n")
        || (text.starts_with('{') && text.contains("\"vpclab-"))
        || (first.contains(" collision domain") && first.contains(" broadcast domain"))
        || is_tree()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("vpclab-pictures-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn what_was_drawn_elsewhere_stays_unless_it_is_forced() {
        let folder = folder("stays");
        let path = folder.join("file.svg");
        let says = |content: &str| std::fs::read_to_string(&path).expect("the file") == content;
        for other in ["my notes\n", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"3\"></svg>", "{\"mine\": 1}", "a\nb\n"] {
            std::fs::write(&path, other).expect("a file");
            let refused = write(&path, "new", false).expect_err(other);
            assert!(refused.message.contains("stays as it is") && refused.hint.as_deref() == Some("another name, or --force") && says(other), "{other}");
        }
        assert!(write(&path, "new", true).is_ok() && says("new"));
        for own in ["", "flowchart TB\n  a\n", "room\n└── lan room\n", "{\n  \"schema\": \"vpclab-sim-domains/1\"\n}\n"] {
            std::fs::write(&path, own).expect("a file");
            assert!(write(&path, "again", false).is_ok() && says("again"), "{own}");
        }
        let drawn = diagram::svg(&model::Model::new("000000000000", model::Region::default(), model::Context::seeded(1, model::Timestamp::default())));
        std::fs::write(&path, drawn).expect("a file");
        assert!(write(&path, "again", false).is_ok() && says("again"), "a picture");
        assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 1, "nothing else is left");
        std::fs::remove_dir_all(folder).expect("it goes");
    }
}
