//! Who keeps what the clerk made: on disk first, then shown, then answered, in the order in which it was made.
//!
//! While the disk writes, the clerk makes on; whatever was handed over meanwhile is written at once the next time. Where the disk refuses,
//! all that was made on top of what it refused is refused too ([`Scribe::failure`]), and the clerk begins anew from what is shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use iam::account::Key;
use model::Model;
use query::Refusal;
use query::client_token;
use serde_json::Value;
use tokio::sync::oneshot;

use super::journal::{Entry, Journal};
use crate::daemon::labs::{Entered, Labs};

/// What an order gets, and who waits for it.
pub enum Done {
    /// A call.
    Called(Result<Value, Refusal>, oneshot::Sender<Result<Value, Refusal>>),
    /// The key of an account's owner.
    Owner(Result<Key, Refusal>, oneshot::Sender<Result<Key, Refusal>>),
}

/// Orders that were carried out together, and what has to be kept before anybody is told.
pub struct Sealed {
    /// What the disk has to have.
    pub entries: Vec<Entry>,
    /// What is shown then.
    pub shows: Vec<(Arc<Entered>, Model)>,
    /// Client tokens that were answered.
    pub remembered: Vec<client_token::Key>,
    /// Who is told then.
    pub done: Vec<Done>,
    /// How often the clerk had begun anew.
    pub round: u64,
}

/// The one who keeps.
pub struct Scribe {
    labs: Arc<Labs>,
    lab: String,
    journal: Mutex<Journal>,
    /// Bytes of the journal that count.
    used: AtomicU64,
    state: Mutex<State>,
    is_idle: Condvar,
}

#[derive(Default)]
struct State {
    /// Handed over and not done with.
    waiting: usize,
    /// The last round of which something was refused.
    failed: Option<u64>,
    /// Tokens whose answers were not kept.
    forgotten: Vec<client_token::Key>,
}

impl Done {
    /// Answers; a failure to keep comes before whatever succeeded. Who has gone away asked all the same.
    fn tell(self, failure: Option<&Refusal>) {
        match self {
            Self::Called(outcome, answer) => drop(answer.send(outcome.and_then(|value| failure.cloned().map_or(Ok(value), Err)))),
            Self::Owner(outcome, answer) => drop(answer.send(outcome.and_then(|key| failure.cloned().map_or(Ok(key), Err)))),
        }
    }
}

impl Scribe {
    /// Has a scribe begin, who ends with the sender. Errors: threads.
    pub fn begin(labs: Arc<Labs>, lab: String, journal: Journal) -> std::io::Result<(Arc<Self>, Sender<Sealed>)> {
        let (used, state) = (AtomicU64::new(journal.used()), Mutex::default());
        let scribe = Arc::new(Self { labs, lab, journal: Mutex::new(journal), used, state, is_idle: Condvar::new() });
        let (sealed, received) = channel();
        let own = scribe.clone();
        std::thread::Builder::new().name("scribe".into()).spawn(move || own.work(&received))?;
        Ok((scribe, sealed))
    }

    /// Bytes of the journal that count.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Begins the journal anew with these entries, for whoever has waited until nothing is under way. Errors: the disk, and it stays.
    pub fn begin_journal(&self, entries: &[Entry]) -> std::io::Result<()> {
        let mut journal = self.journal();
        *journal = Journal::begin(journal.path(), entries)?;
        self.used.store(journal.used(), Ordering::Relaxed);
        Ok(())
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something is handed over; whether nothing else was under way.
    pub fn expect(&self) -> bool {
        let mut state = self.state();
        state.waiting += 1;
        state.waiting == 1
    }

    /// Waits until nothing is under way.
    pub fn wait(&self) {
        let state = self.state();
        drop(self.is_idle.wait_while(state, |state| state.waiting > 0).unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether something of a round was refused; once nothing of it is under way any more, with the tokens whose answers were not kept.
    pub fn failure(&self, round: u64) -> Option<Vec<client_token::Key>> {
        if !self.has_failed(round) {
            return None;
        }
        self.wait();
        Some(std::mem::take(&mut self.state().forgotten))
    }

    /// Whether something of a round was refused.
    pub fn has_failed(&self, round: u64) -> bool {
        self.state().failed == Some(round)
    }

    /// Has all of a round refused that is handed over from now on: the disk refuses something else that belongs to it.
    pub fn give_up(&self, round: u64, why: &str) {
        sandbox::say!("lab {}: what clients of AWS asked cannot be kept: {why}", self.lab);
        self.state().failed = Some(round);
    }

    /// Keeps, shows and answers; who calls has said so before ([`Scribe::expect`]).
    pub fn keep(&self, sealed: Vec<Sealed>) {
        let failed = self.state().failed;
        let (stale, fresh): (Vec<Sealed>, Vec<Sealed>) = sealed.into_iter().partition(|sealed| failed.is_some_and(|failed| sealed.round <= failed));
        self.refuse(stale, "it was made of what could not be kept");
        let entries: Vec<&Entry> = fresh.iter().flat_map(|sealed| &sealed.entries).collect();
        let kept = if entries.is_empty() { Ok(()) } else { self.write(&entries) };
        if let Err(error) = kept {
            sandbox::say!("lab {}: what clients of AWS asked cannot be kept: {error}", self.lab);
            self.refuse(fresh, &error);
            return;
        }
        let count = fresh.len();
        for sealed in fresh {
            sealed.shows.into_iter().for_each(|(entered, model)| self.labs.commit(&entered, model));
            sealed.done.into_iter().for_each(|done| done.tell(None));
        }
        self.finish(count, |_| {});
    }

    fn write(&self, entries: &[&Entry]) -> Result<(), String> {
        let mut journal = self.journal();
        journal.append(entries.iter().copied()).map_err(|error| format!("{}: {error}", journal.path().display()))?;
        self.used.store(journal.used(), Ordering::Relaxed);
        sandbox::abort::point("calls in the journal");
        Ok(())
    }

    fn refuse(&self, sealed: Vec<Sealed>, why: &str) {
        let refusal = Refusal::new("InternalError", format!("Lab {} cannot be changed: its disk refuses: {why}", self.lab));
        for Sealed { remembered, done, round, shows, .. } in sealed {
            // Others may enter before anybody is told.
            drop(shows);
            self.finish(1, |state| {
                state.failed = state.failed.max(Some(round));
                state.forgotten.extend(remembered);
            });
            done.into_iter().for_each(|done| done.tell(Some(&refusal)));
        }
    }

    fn finish(&self, count: usize, note: impl FnOnce(&mut State)) {
        let mut state = self.state();
        note(&mut state);
        state.waiting -= count;
        if state.waiting == 0 {
            self.is_idle.notify_all();
        }
    }

    fn work(&self, received: &Receiver<Sealed>) {
        while let Ok(first) = received.recv() {
            let mut all = vec![first];
            all.extend(received.try_iter());
            self.keep(all);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::cloud::journal;
    use crate::paths::Paths;

    fn entry(seed: u64) -> Entry {
        Entry::Begun { account: "1".to_owned(), region: "r".to_owned(), seed, at: Timestamp(1) }
    }

    fn token(name: &str) -> client_token::Key {
        let [account, region, operation, token] = ["1", "r", "CreateVpc", name].map(str::to_owned);
        client_token::Key { account, region, operation, token }
    }

    /// What is kept with a call in it, and what its client hears.
    fn sealed(round: u64, name: &str) -> (Sealed, oneshot::Receiver<Result<Value, Refusal>>) {
        let (answer, answered) = oneshot::channel();
        let done = vec![Done::Called(Ok(json!({"Return": true})), answer)];
        (Sealed { entries: vec![entry(round)], shows: Vec::new(), remembered: vec![token(name)], done, round }, answered)
    }

    fn labs() -> (tempfile::TempDir, Arc<Labs>) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { home: folder.path().to_owned() };
        paths.make_folders().unwrap();
        (folder, Arc::new(Labs::open(paths).unwrap()))
    }

    #[test]
    fn whoever_is_answered_is_in_the_journal() {
        let (folder, labs) = labs();
        let path = folder.path().join("journal");
        let (scribe, sender) = Scribe::begin(labs, "shop".to_owned(), Journal::begin(&path, &[]).unwrap()).unwrap();
        for number in 1..=20 {
            let (sealed, answered) = sealed(0, "t");
            scribe.expect();
            sender.send(Sealed { entries: vec![entry(number)], ..sealed }).unwrap_or_else(|_| panic!("nobody keeps"));
            assert!(answered.blocking_recv().unwrap().is_ok());
            assert_eq!(journal::read(&path).unwrap().last(), Some(&entry(number)));
        }
        scribe.wait();
        assert_eq!((scribe.failure(0), scribe.used()), (None, scribe.journal().used()));
    }

    #[test]
    fn what_stands_on_something_that_was_refused_is_refused_and_its_tokens_are_forgotten() {
        let (folder, labs) = labs();
        let path = folder.path().join("journal");
        let (scribe, sender) = Scribe::begin(labs, "shop".to_owned(), Journal::refused(&path)).unwrap();
        let keep = |round: u64, name: &str| {
            let (sealed, answered) = sealed(round, name);
            scribe.expect();
            sender.send(sealed).unwrap_or_else(|_| panic!("nobody keeps"));
            answered.blocking_recv().unwrap().map_err(|refusal| refusal.code.into_owned())
        };
        assert_eq!(keep(0, "one"), Err("InternalError".to_owned()));
        // The disk has room again; what is made of calls that are not there has none.
        *scribe.journal() = Journal::begin(&path, &[]).unwrap();
        assert_eq!(keep(0, "two"), Err("InternalError".to_owned()));
        assert_eq!(scribe.failure(1), None);
        assert_eq!(scribe.failure(0), Some(vec![token("one"), token("two")]));
        assert_eq!(journal::read(&path).unwrap(), []);
        assert!(keep(1, "three").is_ok());
        assert_eq!(journal::read(&path).unwrap(), [entry(1)]);
        scribe.give_up(1, "accounts");
        assert!(keep(1, "four").is_err());
    }
}
