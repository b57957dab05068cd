//! The identities of a lab on disk: one file beside its disks, for this user only, replaced as a whole. It goes with the lab.

use std::collections::BTreeMap;
use std::path::Path;

use iam::Account;

use crate::whole_file;

/// What the file begins with: the version of what follows.
const VERSION: u8 = 1;

/// Accounts by number.
pub type Accounts = BTreeMap<String, Account>;

/// Reads the file; none where there is no file yet. Errors: what is wrong with it.
pub fn read(path: &Path) -> Result<Option<Accounts>, String> {
    let Some(bytes) = whole_file::read(path)? else { return Ok(None) };
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map(Some).map_err(|error| format!("{}: {error}", path.display())),
        _ => Err(format!("{} is of another version", path.display())),
    }
}

/// Writes the file; on disk when this returns. Errors: the disk, and the file is what it was.
pub fn write(path: &Path, accounts: &Accounts) -> std::io::Result<()> {
    let bytes = postcard::to_extend(accounts, vec![VERSION]).map_err(std::io::Error::other)?;
    whole_file::replace(path, &bytes).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_written_is_read_again_by_this_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        assert_eq!(read(&path), Ok(None));
        let mut account = Account::new("111122223333");
        let mut environment = iam::Environment { now: model::Timestamp(1), random: &mut |bytes| bytes.fill(7) };
        iam::operation::create_user(&mut account, &mut environment, "dev", None, Default::default()).unwrap();
        iam::operation::create_root_key(&mut account, &mut environment);
        let accounts = Accounts::from([(account.id.clone(), account)]);
        for _ in 0..2 {
            write(&path, &accounts).unwrap();
            assert_eq!(read(&path), Ok(Some(accounts.clone())));
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        for bytes in [&[][..], &[9, 1], &[VERSION, 255, 255]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path).is_err(), "{bytes:?}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
}
