//! The identities of a lab: read by anybody, changed by one at a time, and on disk before a change is told. The door for clients of
//! AWS, metadata services and commands share them.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iam::account::{Account, Key};
use iam::{Environment, Kind};

use crate::accounts::{self, Accounts};
use crate::host::now;

/// The accounts of one lab.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    /// What is on disk; `None`: not read yet.
    shown: Mutex<Option<Arc<Accounts>>>,
    turn: Mutex<()>,
}

/// The right to change accounts. What is not kept is lost.
pub struct Turn<'b> {
    book: &'b Book,
    before: Arc<Accounts>,
    /// Accounts as they are to be.
    pub accounts: Accounts,
    _turn: MutexGuard<'b, ()>,
}

/// What metadata says of an instance's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRole {
    /// The instance profile's identifier.
    pub profile_id: String,
    /// The role's name.
    pub role: String,
}

impl Book {
    /// The accounts in a file, read when somebody asks.
    pub fn at(path: PathBuf) -> Self {
        Self { path, shown: Mutex::default(), turn: Mutex::default() }
    }

    /// Accounts as they were kept last; none where there is no file yet. Errors: the file.
    pub fn accounts(&self) -> Result<Arc<Accounts>, String> {
        let mut shown = lock(&self.shown);
        if let Some(known) = &*shown {
            return Ok(known.clone());
        }
        let read = Arc::new(accounts::read(&self.path)?.unwrap_or_default());
        *shown = Some(read.clone());
        Ok(read)
    }

    /// Waits for the right to change. Errors: the file.
    pub fn turn(&self) -> Result<Turn<'_>, String> {
        let turn = lock(&self.turn);
        let before = self.accounts()?;
        Ok(Turn { book: self, accounts: Accounts::clone(&before), before, _turn: turn })
    }

    /// The file is gone, or is another one.
    pub fn forget(&self) {
        *lock(&self.shown) = None;
    }

    /// The role that an account's instance profile gives; none where there is no such, or it has none.
    pub fn instance_role(&self, account: &str, profile: &str) -> Option<InstanceRole> {
        let accounts = self.accounts().ok()?;
        let account = accounts.get(account)?;
        let found = account.profiles().find(|known| account.profile_arn(known) == profile)?;
        let role = account.entity(Kind::Role, found.role.as_deref()?).ok()?;
        Some(InstanceRole { profile_id: found.id.clone(), role: role.name.clone() })
    }

    /// Credentials of an instance's role: those that it has, or new ones where they end soon. Errors: IAM's words, or the file.
    pub fn credentials(&self, account: &str, profile: &str, instance: &str) -> Result<Key, iam::Error> {
        let failed = |why: String| iam::Error::new(iam::Code::ValidationError, why);
        let mut turn = self.turn().map_err(failed)?;
        let missing = || iam::Error::new(iam::Code::NoSuchEntity, format!("There is no account {account}"));
        let own = turn.accounts.get_mut(account).ok_or_else(missing)?;
        let (key, is_new) = with_environment(|environment| iam::operation::instance_session(own, environment, profile, instance))
            .map_err(|error| failed(error.to_string()))??;
        if is_new {
            turn.keep().map_err(failed)?;
        }
        Ok(key)
    }
}

impl Turn<'_> {
    /// Has the change on disk, and shown; nothing where nothing changed. Errors: the disk, and the accounts are what they were.
    pub fn keep(&mut self) -> Result<(), String> {
        if self.accounts == *self.before {
            return Ok(());
        }
        let shown = |error: std::io::Error| format!("{}: {error}", self.book.path.display());
        accounts::write(&self.book.path, &self.accounts).map_err(shown)?;
        self.before = Arc::new(self.accounts.clone());
        *lock(&self.book.shown) = Some(self.before.clone());
        Ok(())
    }

    /// Shows the change; the disk has it with the next one that is kept.
    pub fn show(&mut self) {
        *lock(&self.book.shown) = Some(Arc::new(self.accounts.clone()));
    }
}

/// What an account is, as one number: two are the same where it is (but for chance of one in 2^64).
pub fn revision(account: &Account) -> u64 {
    let bytes = postcard::to_stdvec(account).unwrap_or_default();
    // FNV-1a.
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Runs an operation with the time and randomness that nobody can guess: keys made of anything else would be worse than none. Errors: the
/// machine gives none.
pub fn with_environment<T>(body: impl FnOnce(&mut Environment<'_>) -> T) -> std::io::Result<T> {
    let mut random = File::open("/dev/urandom")?;
    // Half full is not full: whoever reads from a device that ends gets no key.
    let mut failed = None;
    let mut fill = |bytes: &mut [u8]| {
        if let Err(error) = random.read_exact(bytes) {
            failed = Some(error);
        }
    };
    let value = body(&mut Environment { now: now(), random: &mut fill });
    failed.map_or(Ok(value), Err)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn with_role(trust: &str) -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::at(folder.path().join("accounts"));
        let mut turn = book.turn().unwrap();
        let account = turn.accounts.entry(ACCOUNT.to_owned()).or_insert_with(|| Account::new(ACCOUNT));
        with_environment(|environment| {
            let trust = format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{trust},"Action":"sts:AssumeRole"}}}}"#);
            let request = iam::operation::CreateRole { name: "App".into(), trust, ..Default::default() };
            iam::operation::create_role(account, environment, request).unwrap();
            iam::operation::create_profile(account, environment, "web", None, Default::default()).unwrap();
            iam::operation::add_role_to_profile(account, "web", "app").unwrap();
        })
        .unwrap();
        turn.keep().unwrap();
        drop(turn);
        (folder, book)
    }

    const PROFILE: &str = "arn:aws:iam::111122223333:instance-profile/web";

    #[test]
    fn an_instance_gets_the_same_credentials_until_they_end_soon() {
        let (_folder, book) = with_role(r#"{"Service":"ec2.amazonaws.com"}"#);
        let first = book.credentials(ACCOUNT, PROFILE, "i-1").unwrap();
        assert_eq!(book.credentials(ACCOUNT, PROFILE, "i-1").unwrap(), first);
        assert_ne!(book.credentials(ACCOUNT, PROFILE, "i-2").unwrap(), first);
        assert_eq!(book.instance_role(ACCOUNT, PROFILE).unwrap().role, "App");
        // Another daemon finds them on disk.
        book.forget();
        assert_eq!(book.credentials(ACCOUNT, PROFILE, "i-1").unwrap(), first);
    }

    #[test]
    fn a_role_that_does_not_trust_ec2_gives_nothing() {
        let (_folder, book) = with_role(r#"{"Service":"lambda.amazonaws.com"}"#);
        assert_eq!(book.credentials(ACCOUNT, PROFILE, "i-1").unwrap_err().code, iam::Code::AccessDenied);
        let other = "arn:aws:iam::111122223333:instance-profile/none";
        assert_eq!(book.credentials(ACCOUNT, other, "i-1").unwrap_err().code, iam::Code::NoSuchEntity);
        assert_eq!(book.instance_role(ACCOUNT, other), None);
    }

    #[test]
    fn what_is_not_kept_is_lost() {
        let (_folder, book) = with_role(r#"{"Service":"ec2.amazonaws.com"}"#);
        let before = book.accounts().unwrap();
        let mut turn = book.turn().unwrap();
        turn.accounts.clear();
        drop(turn);
        assert_eq!(book.accounts().unwrap(), before);
        let own = &before[ACCOUNT];
        assert_eq!(revision(own), revision(&own.clone()));
        assert_ne!(revision(own), revision(&Account::new(ACCOUNT)));
    }
}
