//! The one who makes changes: one thread a door. What waits is made together and kept on disk at once, so that a hundred clients cost
//! the disk hardly more than one; each is answered when what was made for it is kept. While the disk writes ([`super::scribe`]) the next
//! calls are made on what will be there then. Who only looks waits for none of this.

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

use super::batch::{Ahead, Batch};
use super::journal::{self, Answered, Journal};
use super::place::Home;
use super::replay;
use super::scribe::{Done, Scribe, Sealed};
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
    Call(Box<(Arc<Asked>, Knock, Option<MadeKey>)>, oneshot::Sender<Result<Value, Refusal>>),
    /// The key of an account's owner; both are made where they are not there.
    Owner(String, oneshot::Sender<Result<Key, Refusal>>),
    /// A key was used by somebody who only looks.
    Used(Box<Use>),
    /// Something is due.
    Time,
    /// Calls that come take this time from now on.
    Pace(Pace),
}

impl Order {
    /// Answers that it cannot be carried out.
    fn refuse(self, why: Refusal) {
        match self {
            Self::Call(_, answer) => drop(answer.send(Err(why))),
            Self::Owner(_, answer) => drop(answer.send(Err(why))),
            Self::Used(_) | Self::Time | Self::Pace(_) => {}
        }
    }
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
    let (scribe, sealed) = Scribe::begin(labs.clone(), home.lab.clone(), journal).map_err(|error| error.to_string())?;
    let (ahead, round, was_one, begun_with) = (Ahead::default(), 0, true, 0);
    let clerk = Clerk { labs, home, book, pace, tokens, ahead, scribe, sealed, round, was_one, random, begun_with };
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
    ahead: Ahead,
    scribe: Arc<Scribe>,
    sealed: Sender<Sealed>,
    /// How often it was begun anew from what is shown.
    round: u64,
    /// Whether the last orders were a single one.
    was_one: bool,
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

impl Clerk {
    fn work(mut self, orders: &Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            let mut waiting = vec![first];
            waiting.extend(orders.try_iter().take(MOST - 1));
            self.begin_anew();
            self.shorten();
            self.make(waiting);
        }
    }

    /// Forgets what was made and could not be kept. Others who wait to change a network come before the next calls.
    fn begin_anew(&mut self) {
        if let Some(forgotten) = self.scribe.failure(self.round) {
            forgotten.iter().for_each(|key| self.tokens.forget(key));
            self.ahead.forget();
            self.round += 1;
        }
        if self.ahead.is_awaited() {
            self.scribe.wait();
        }
    }

    /// Makes all, and has it kept and answered.
    fn make(&mut self, orders: Vec<Order>) {
        let Self { labs, home, book, pace: kept_pace, tokens, ahead, random, scribe, round, .. } = self;
        let random = &*random;
        let mut seed = || {
            let mut bytes = [0; 8];
            draw(random, &mut bytes);
            u64::from_be_bytes(bytes)
        };
        let is_one = orders.len() == 1;
        let mut batch = Batch::new(labs, home, ahead, *kept_pace, &mut seed);
        let (mut remembered, mut done) = (Vec::new(), Vec::with_capacity(orders.len()));
        let mut turn = match book.turn() {
            Ok(turn) => turn,
            Err(why) => {
                let refusal = Refusal::new("InternalError", format!("Lab {} cannot be changed: its disk refuses: {why}", home.lab));
                return orders.into_iter().for_each(|order| order.refuse(refusal.clone()));
            }
        };
        for order in orders {
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
        if batch.is_accounts_changed() {
            // Accounts have a file of their own: nothing comes to it of calls that the disk may refuse.
            scribe.wait();
            if !scribe.has_failed(*round)
                && let Err(why) = turn.keep()
            {
                scribe.give_up(*round, &why);
            }
        } else if batch.is_use_noted() {
            turn.show();
        }
        *kept_pace = batch.pace();
        let (entries, shows) = batch.finish();
        drop(turn);
        let sealed = Sealed { entries, shows, remembered, done, round: *round };
        // A client that is alone waits for no other thread.
        let is_first = scribe.expect();
        if is_first && is_one && self.was_one {
            scribe.keep(vec![sealed]);
        } else if let Err(unsent) = self.sealed.send(sealed) {
            scribe.keep(vec![unsent.0]);
        }
        self.was_one = is_one;
    }

    /// Begins the journal anew when it is long and all of it is on record.
    fn shorten(&mut self) {
        let most = LONG.max(2 * self.begun_with);
        if self.scribe.used() < most || !self.is_on_record() {
            return;
        }
        self.scribe.wait();
        // What was kept meanwhile has to be on record too.
        if !self.is_on_record() {
            return;
        }
        match self.scribe.begin_journal(&replay::answered(&self.tokens, now())) {
            Ok(()) => self.begun_with = self.scribe.used(),
            // It goes on growing.
            Err(error) => sandbox::say!("lab {}: beginning its journal anew: {error}", self.home.lab),
        }
    }

    /// Whether the records of the lab and its parts have all that is shown of them.
    fn is_on_record(&self) -> bool {
        let known = self.labs.known();
        let mut ours = known.iter().filter(|lab| self.home.has(lab));
        ours.all(|lab| self.labs.held(&lab.name) == lab.model.generation)
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
