//! Files that captures go to: what is there and is no capture stays as it is unless `--force` says otherwise, and a capture that is there stays until the new
//! one is whole.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::whole_file::{put, unwritable};
use crate::exit::{Failure, Result};

/// How captures begin: pcapng, and pcap in both orders of bytes, with microseconds and nanoseconds.
const BEGINNINGS: [[u8; 4]; 5] =
    [[0x0a, 0x0d, 0x0d, 0x0a], [0xa1, 0xb2, 0xc3, 0xd4], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x4d, 0x3c, 0xb2, 0xa1]];

/// Refuses a file that is there and is no capture. One that is empty, and what is no plain file, may be written to.
fn refuse_others(path: &Path, force: bool) -> Result<()> {
    if force || !path.is_file() {
        return Ok(());
    }
    let mut begins = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut begins));
    read.map_err(|error| unwritable(path, &error))?;
    match begins.is_empty() || BEGINNINGS.iter().any(|known| begins == known) {
        true => Ok(()),
        false => Err(Failure::usage(format!("{} is there and is no capture: it stays as it is", path.display())).hint("another name, or --force")),
    }
}

/// A file for a capture that is written while it is made.
#[cfg(target_os = "linux")]
pub fn create(path: &Path, force: bool) -> Result<File> {
    refuse_others(path, force)?;
    File::create(path).map_err(|error| unwritable(path, &error))
}

/// Writes a whole capture.
pub fn write<T>(path: &Path, force: bool, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> Result<T> {
    refuse_others(path, force)?;
    put(path, |file| {
        let mut out = BufWriter::new(file);
        let filled = fill(&mut out).and_then(|filled| out.flush().map(|()| filled));
        filled.map_err(|error| unwritable(path, &error))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("vpclab-captures-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    #[test]
    fn what_is_no_capture_stays_and_a_capture_stays_until_the_new_one_is_whole() {
        let folder = folder("stays");
        let path = folder.join("file");
        let says = |content: &[u8]| fs::read(&path).expect("the file") == content;
        fs::write(&path, b"my notes").expect("a file");
        assert!(write(&path, false, |out| out.write_all(b"new")).is_err() && says(b"my notes"));
        assert!(write(&path, true, |out| out.write_all(b"forced")).is_ok() && says(b"forced"));
        let old = [&BEGINNINGS[0][..], b"old"].concat();
        fs::write(&path, &old).expect("a file");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert!(write(&path, false, |out| out.write_all(b"half").and(Err::<(), _>(full()))).is_err() && says(&old));
        assert!(write(&path, false, |out| out.write_all(b"new")).is_ok() && says(b"new"));
        assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1, "nothing else is left");
        fs::remove_dir_all(folder).expect("it goes");
    }
}
