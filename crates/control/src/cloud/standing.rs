//! Where the door of a lab is, on disk: the next daemon opens it at the same place. It goes with the lab.

use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::api::Pace;
use crate::whole_file;

/// A door that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its address.
    pub address: SocketAddr,
    /// Whether nothing has to be signed.
    pub is_open: bool,
    /// How long things take.
    #[serde(default)]
    pub pace: Pace,
}

/// Reads the file; none where there is none. Errors: what is wrong with it.
pub fn read(path: &Path) -> Result<Option<Standing>, String> {
    let Some(bytes) = whole_file::read(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes the file; on disk when this returns. Errors: the disk, and the file is what it was.
pub fn write(path: &Path, standing: Standing) -> std::io::Result<()> {
    whole_file::replace(path, &serde_json::to_vec(&standing)?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_door_was_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.json");
        assert_eq!(read(&path), Ok(None));
        let standing = Standing { address: "127.0.0.1:4566".parse().unwrap(), is_open: true, pace: Pace::AwsLike };
        write(&path, standing).unwrap();
        assert_eq!(read(&path), Ok(Some(standing)));
        std::fs::write(&path, r#"{"address":"127.0.0.1:4566","is_open":true}"#).unwrap();
        assert_eq!(read(&path), Ok(Some(Standing { pace: Pace::Instant, ..standing })), "before there were paces");
        std::fs::write(&path, "?").unwrap();
        assert!(read(&path).is_err());
    }
}
