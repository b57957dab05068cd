//! Where layers are unpacked, with things beside it that are not theirs.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use container::Limits;
use container::tar::{Entry, Reader};
use container::unpack::{Unpacked, layer};
use tempfile::TempDir;

use crate::common::*;

/// Of entries that have no data.
pub const NONE: &[u8] = b"";

/// A folder with `layer`, where entries go, beside things that are not theirs.
pub struct Ground(pub TempDir);

impl Ground {
    pub fn new() -> Ground {
        let ground = tempfile::tempdir().unwrap();
        fs::create_dir(ground.path().join("layer")).unwrap();
        fs::create_dir(ground.path().join("outside")).unwrap();
        fs::write(ground.path().join("outside/secret"), "secret").unwrap();
        fs::set_permissions(ground.path().join("outside/secret"), fs::Permissions::from_mode(0o640)).unwrap();
        Ground(ground)
    }

    pub fn layer(&self) -> std::path::PathBuf {
        self.0.path().join("layer")
    }

    pub fn unpack_bytes(&self, tar: &[u8]) -> container::Result<Unpacked> {
        let limits = Limits::default();
        layer(File::open(self.layer()).unwrap().as_fd(), &[], &mut Reader::new(tar, "it", limits), &limits)
    }

    pub fn unpack(&self, entries: &[(Entry, &[u8])]) -> container::Result<Unpacked> {
        self.unpack_bytes(&tar(entries))
    }

    /// Everything outside is as it was.
    pub fn is_untouched(&self, what: &str) {
        let mut seen = all_files(self.0.path());
        seen.retain(|path| !path.starts_with("layer/"));
        assert_eq!(seen, ["layer", "outside", "outside/secret"], "{what}");
        let secret = self.0.path().join("outside/secret");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret", "{what}");
        let secret = fs::metadata(secret).unwrap();
        assert_eq!((secret.mode() & 0o7777, secret.nlink()), (0o640, 1), "{what}");
        assert_eq!(fs::metadata(self.0.path().join("outside")).unwrap().mode() & 0o7777, 0o755, "{what}");
    }
}
