//! The one who makes changes: one thread a door. What waits is made together and kept on disk at once, so that a hundred clients cost
//! the disk hardly more than one; each is answered when what was made for it is kept. Who only looks waits for none of this.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use door::{Knock, Visit, caller};
use iam::account::{Account, Key, Owner};
use iam::Environment;
use query::client_token::Tokens;
use query::endpoint::Asked;
use query::Refusal;
use serde_json::Value;
use tokio::sync::oneshot;

use super::accounts::Accounts;
use super::batch::Batch;
use super::journal::{self, Journal};
use super::place::Home;
use super::replay;
use crate::daemon::labs::Labs;
use crate::host::now;

/// Calls that are kept together at most.
const MOST: usize = 256;
/// How long a journal gets before it is begun anew, once all of it is on record, bytes; more where it has more to remember.
const LONG: u64 = 4 << 20;

/// Something to be done.
pub enum Order {
    /// A call that may change something.
    Call(Box<(Asked, Knock)>, oneshot::Sender<Result<Value, Refusal>>),
    /// The key of an account's owner; both are made where they are not there.
    Owner(String, oneshot::Sender<Result<Key, Refusal>>),
}

/// The accounts of a lab as they were kept last.
pub type Shown = Arc<Mutex<Arc<Accounts>>>;

/// Has the clerk begin; what is sent is done in its order, until the last sender is gone. Errors: the disk, the journal, threads.
pub fn begin(labs: Arc<Labs>, home: Home, shown: Shown) -> Result<Sender<Order>, String> {
    let path = labs.paths().journal(&home.lab);
    let entries = journal::read(&path).map_err(|error| error.to_string())?;
    let tokens = replay::tokens(&entries);
    // All of it stays until it is on record.
    let journal = Journal::begin(&path, &entries).map_err(|error| format!("{}: {error}", path.display()))?;
    let random = File::open("/dev/urandom").map_err(|error| format!("/dev/urandom: {error}"))?;
    let accounts = lock(&shown).as_ref().clone();
    let clerk = Clerk { labs, home, shown, accounts, tokens, journal, random, grown_from: 0 };
    let (orders, received) = channel();
    let thread = std::thread::Builder::new().name("clerk".into());
    thread.spawn(move || clerk.work(&received)).map_err(|error| error.to_string())?;
    Ok(orders)
}

struct Clerk {
    labs: Arc<Labs>,
    home: Home,
    shown: Shown,
    accounts: Accounts,
    tokens: Tokens,
    journal: Journal,
    random: File,
    /// Bytes of the journal that only hold what tokens were answered.
    grown_from: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Randomness that nobody can guess. A key made of anything else would be worse than no answer.
fn draw(mut random: &File, bytes: &mut [u8]) {
    if let Err(error) = random.read_exact(bytes) {
        panic!("/dev/urandom: {error}");
    }
}

/// What an order gets, and who waits for it.
enum Done {
    Called(Result<Value, Refusal>, oneshot::Sender<Result<Value, Refusal>>),
    Owner(Result<Key, Refusal>, oneshot::Sender<Result<Key, Refusal>>),
}

impl Clerk {
    fn work(mut self, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut waiting = vec![first];
            waiting.extend(orders.try_iter().take(MOST - 1));
            self.shorten();
            self.make(waiting);
        }
    }

    /// Makes all, keeps all, answers all.
    fn make(&mut self, orders: Vec<Order>) {
        let Self { labs, home, accounts, tokens, journal, random, .. } = self;
        let path: PathBuf = labs.paths().accounts(&home.lab);
        let random = &*random;
        let mut seed = || {
            let mut bytes = [0; 8];
            draw(random, &mut bytes);
            u64::from_be_bytes(bytes)
        };
        let mut batch = Batch::new(labs, home, &mut seed);
        let mut remembered = Vec::new();
        let mut done = Vec::with_capacity(orders.len());
        for order in orders {
            let mut fill = |bytes: &mut [u8]| draw(random, bytes);
            let environment = Environment { now: now(), random: &mut fill };
            done.push(match order {
                Order::Owner(id, answer) => Done::Owner(owner(accounts, environment, id, &mut batch), answer),
                Order::Call(asked, answer) => {
                    let (asked, knock) = *asked;
                    let at = environment.now;
                    let account = caller::account_of(accounts, asked.access_key_id(), &home.account);
                    if asked.service().name == "ec2" {
                        // Rights are asked of the network that the call is made on.
                        door::Cloud::enter(&mut batch, &account, asked.region(), at);
                    }
                    let mut visit = Visit { accounts, cloud: &mut batch, environment, knock: &knock, home: &home.account };
                    let outcome = asked.serve(tokens, &mut visit);
                    let token = asked.token(&account);
                    let answered = token.as_ref().zip(outcome.as_ref().ok()).map(|(key, value)| (key.token.clone(), value.clone()));
                    let has_changed = batch.note((&account, asked.region()), at, (asked.operation().name, asked.parameters()), answered);
                    remembered.extend(token.filter(|_| has_changed));
                    Done::Called(outcome, answer)
                }
            });
        }
        let has_changed_accounts = batch.has_changed_accounts();
        let kept = batch.keep(journal, (&path, accounts));
        let failure = kept.err().map(|error| {
            sandbox::say!("lab {}: what clients of AWS asked cannot be kept: {error}", home.lab);
            remembered.iter().for_each(|key| tokens.forget(key));
            Refusal::new("InternalError", format!("Lab {} cannot be changed: its disk refuses: {error}", home.lab))
        });
        match (&failure, has_changed_accounts) {
            (None, true) => *lock(&self.shown) = Arc::new(self.accounts.clone()),
            (Some(_), _) => self.accounts = lock(&self.shown).as_ref().clone(),
            (None, false) => {}
        }
        for done in done {
            // Who has gone away asked all the same.
            match done {
                Done::Called(outcome, answer) => drop(answer.send(outcome.and_then(|value| failure.clone().map_or(Ok(value), Err)))),
                Done::Owner(outcome, answer) => drop(answer.send(outcome.and_then(|key| failure.clone().map_or(Ok(key), Err)))),
            }
        }
    }

    /// Begins the journal anew when it is long and all of it is on record.
    fn shorten(&mut self) {
        if self.journal.used() < LONG.max(2 * self.grown_from) {
            return;
        }
        let own = |name: &str| name == self.home.lab;
        let known = self.labs.known();
        let mut ours = known.iter().filter(|lab| own(&lab.name) || lab.part_of.as_deref().is_some_and(own));
        if ours.any(|lab| self.labs.held(&lab.name) != lab.model.generation) {
            return;
        }
        match Journal::begin(self.journal.path(), &replay::answered(&self.tokens, now())) {
            Ok(journal) => {
                self.grown_from = journal.used();
                self.journal = journal;
            }
            // It goes on growing.
            Err(error) => sandbox::say!("lab {}: beginning its journal anew: {error}", self.home.lab),
        }
    }
}

/// The key of the account's owner.
pub fn key_of_owner(account: &Account) -> Option<&Key> {
    account.keys().find(|key| key.owner == Owner::Root)
}

fn owner(accounts: &mut Accounts, mut environment: Environment<'_>, id: String, batch: &mut Batch<'_>) -> Result<Key, Refusal> {
    let account = accounts.entry(id.clone()).or_insert_with(|| Account::new(id));
    if let Some(key) = key_of_owner(account) {
        return Ok(key.clone());
    }
    let key = iam::operation::create_root_key(account, &mut environment);
    door::Cloud::keep_accounts(batch, accounts)?;
    Ok(key)
}
