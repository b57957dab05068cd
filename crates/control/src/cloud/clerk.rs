//! The one who makes changes: one thread a door. What waits is made together and kept on disk at once, so that a hundred clients cost
//! the disk hardly more than one; each is answered when what was made for it is kept. Who only looks waits for none of this.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use door::{Cloud, Knock, Visit, caller};
use ec2::key_pair::MadeKey;
use iam::Environment;
use iam::account::{Account, Key, Owner};
use model::Timestamp;
use query::Refusal;
use query::client_token::Tokens;
use query::endpoint::Asked;
use serde_json::Value;
use tokio::sync::oneshot;

use super::batch::Batch;
use super::journal::{self, Answered, Journal};
use super::place::Home;
use super::replay;
use crate::accounts::Accounts;
use crate::api::Pace;
use crate::daemon::labs::Labs;
use crate::host::now;
use crate::identity::{Book, Turn};

/// Calls that are kept together at most.
const MOST: usize = 256;
/// How long a journal gets before it is begun anew, once all of it is on record, bytes; more where it has more to remember.
const LONG: u64 = 4 << 20;

/// Something to be done.
pub enum Order {
    /// A call that may change something, with the key that was made for it.
    Call(Box<(Asked, Knock, Option<MadeKey>)>, oneshot::Sender<Result<Value, Refusal>>),
    /// The key of an account's owner; both are made where they are not there.
    Owner(String, oneshot::Sender<Result<Key, Refusal>>),
    /// A key was used by somebody who only looks.
    Used(Box<Use>),
    /// Something is due.
    Time,
    /// Calls that come take this time from now on.
    Pace(Pace),
}

/// What a key was used for.
pub struct Use {
    /// Of this account.
    pub account: String,
    /// The key.
    pub access_key_id: String,
    /// The region.
    pub region: String,
    /// `ec2`.
    pub service: &'static str,
    /// When.
    pub at: Timestamp,
}

/// Has the clerk begin; what is sent is done in its order, until the last sender is gone. Errors: the disk, the journal, threads.
pub fn begin(labs: Arc<Labs>, home: Home, book: Arc<Book>, pace: Pace) -> Result<Sender<Order>, String> {
    let path = labs.paths().journal(&home.lab);
    let entries = journal::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let tokens = replay::tokens(&entries);
    // All of it stays until it is on record.
    let journal = Journal::begin(&path, &entries).map_err(|error| format!("{}: {error}", path.display()))?;
    let random = File::open("/dev/urandom").map_err(|error| format!("/dev/urandom: {error}"))?;
    let clerk = Clerk { labs, home, book, pace, tokens, journal, random, begun_with: 0 };
    let (orders, received) = channel();
    let thread = std::thread::Builder::new().name("clerk".into());
    thread.spawn(move || clerk.work(&received)).map_err(|error| error.to_string())?;
    Ok(orders)
}

struct Clerk {
    labs: Arc<Labs>,
    home: Home,
    book: Arc<Book>,
    pace: Pace,
    tokens: Tokens,
    journal: Journal,
    random: File,
    /// Bytes that the journal began with: what tokens were answered before.
    begun_with: u64,
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

impl Done {
    /// Answers; a failure to keep comes before whatever succeeded. Who has gone away asked all the same.
    fn tell(self, failure: Option<&Refusal>) {
        match self {
            Self::Called(outcome, answer) => drop(answer.send(outcome.and_then(|value| failure.cloned().map_or(Ok(value), Err)))),
            Self::Owner(outcome, answer) => drop(answer.send(outcome.and_then(|key| failure.cloned().map_or(Ok(key), Err)))),
        }
    }
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
        let Self { labs, home, book, pace: kept_pace, tokens, journal, random, .. } = self;
        let random = &*random;
        let mut seed = || {
            let mut bytes = [0; 8];
            draw(random, &mut bytes);
            u64::from_be_bytes(bytes)
        };
        let mut batch = Batch::new(labs, home, *kept_pace, &mut seed);
        let mut remembered = Vec::new();
        let mut done = Vec::with_capacity(orders.len());
        let turn = book.turn();
        let kept = turn.and_then(|mut turn| {
            for order in orders.into_iter() {
                let mut fill = |bytes: &mut [u8]| draw(random, bytes);
                let environment = Environment { now: now(), random: &mut fill };
                match order {
                    Order::Time => batch.pass_time(environment.now),
                    Order::Pace(pace) => batch.set_pace(pace),
                    Order::Used(used) => note(&used, &mut turn, &mut batch),
                    Order::Owner(id, answer) => done.push(Done::Owner(owner(&mut turn.accounts, environment, id, &mut batch), answer)),
                    Order::Call(asked, answer) => {
                        let (asked, knock, made_key) = *asked;
                        let account = caller::account_of(&turn.accounts, asked.access_key_id(), &home.account);
                        if asked.service().name == "ec2" {
                            // Rights are asked of the network that the call is made on.
                            batch.enter(&account, asked.region(), environment.now);
                        }
                        batch.begin();
                        let mut visit = Visit { accounts: &mut turn.accounts, cloud: &mut batch, environment, knock: &knock, home: &home.account, made_key };
                        let outcome = asked.serve(tokens, &mut visit);
                        let token = asked.token(&account);
                        let answered = token.as_ref().zip(outcome.as_ref().ok()).map(|(key, answer)| Answered {
                            token: key.token.clone(),
                            parameters: asked.parameters().clone(),
                            answer: answer.clone(),
                        });
                        if batch.answer(answered) {
                            remembered.extend(token);
                        }
                        done.push(Done::Called(outcome, answer));
                    }
                }
            }
            *kept_pace = batch.pace();
            batch.keep(journal, &mut turn)
        });
        let failure = kept.err().map(|error| {
            sandbox::say!("lab {}: what clients of AWS asked cannot be kept: {error}", home.lab);
            remembered.iter().for_each(|key| tokens.forget(key));
            Refusal::new("InternalError", format!("Lab {} cannot be changed: its disk refuses: {error}", home.lab))
        });
        done.into_iter().for_each(|done| done.tell(failure.as_ref()));
    }

    /// Begins the journal anew when it is long and all of it is on record.
    fn shorten(&mut self) {
        if self.journal.used() < LONG.max(2 * self.begun_with) {
            return;
        }
        let known = self.labs.known();
        let mut ours = known.iter().filter(|lab| self.home.has(lab));
        if ours.any(|lab| self.labs.held(&lab.name) != lab.model.generation) {
            return;
        }
        match Journal::begin(self.journal.path(), &replay::answered(&self.tokens, now())) {
            Ok(journal) => {
                self.begun_with = journal.used();
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
    batch.keep_accounts(accounts)?;
    Ok(key)
}

fn note(used: &Use, turn: &mut Turn<'_>, batch: &mut Batch<'_>) {
    let Use { account, access_key_id, region, service, at } = used;
    let is_news = turn.accounts.get_mut(account).is_some_and(|account| account.note_use(access_key_id, *at, region, service));
    if is_news {
        // It is kept in memory, which does not fail.
        let _ = batch.note_use(&turn.accounts);
    }
}
