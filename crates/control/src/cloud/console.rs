//! What an instance printed, as its console shows it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of it is shown, bytes.
const LONGEST: u64 = 64 << 10;

/// The last of what is in a log; nothing where nothing was printed.
pub fn last(log: &Path) -> Vec<u8> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        Ok(text)
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_long_log_is_shown_and_nothing_of_none() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("web.log");
        assert_eq!(last(&log), b"");
        std::fs::write(&log, [vec![b'a'; 10], vec![b'b'; LONGEST as usize]].concat()).unwrap();
        assert_eq!(last(&log), vec![b'b'; LONGEST as usize]);
    }
}
