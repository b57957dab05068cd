//! One request after the other, answered from the lab as it is.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use door::{Cloud, Kept, Knock, Visit, settle};
use iam::account::{Account, Key, Owner};
use iam::Environment;
use model::{Model, Timestamp};
use query::endpoint::Authentication;
use query::{Endpoint, Refusal, Request, Response};

use crate::accounts::Accounts;
use crate::api::{CloudServed, LabView, Problem, ProblemKind, Wanted};
use crate::daemon::labs::Labs;
use crate::host::now;
use crate::identity::{Book, Turn};

/// Who answers for a lab.
pub struct Desk {
    labs: Arc<Labs>,
    lab: String,
    account: String,
    region: String,
    is_open: bool,
    book: Arc<Book>,
    state: Mutex<State>,
}

struct State {
    endpoint: Endpoint,
    /// The lab as it was seen last, and a copy of its cloud in which time has passed since.
    seen: Option<(Arc<LabView>, Model)>,
    random: File,
}

impl Desk {
    /// Takes hold of the identities of a lab, or begins with its owner and a key; `is_open`: nothing has to be signed.
    pub fn open(labs: Arc<Labs>, lab: &LabView, is_open: bool) -> Result<Self, Problem> {
        let failed = |error: String| Problem::new(ProblemKind::Failed, format!("the identities of lab {}: {error}", lab.name));
        let random = File::open("/dev/urandom").map_err(|error| failed(error.to_string()))?;
        let (account, region) = (lab.model.account_id.clone(), lab.model.region.0.clone());
        let authentication = match is_open {
            true => Authentication::Off { region: region.clone() },
            false => Authentication::Signed,
        };
        let mut seed = [0; 8];
        (&random).read_exact(&mut seed).map_err(|error| failed(error.to_string()))?;
        let endpoint = Endpoint::new(authentication, u64::from_be_bytes(seed));
        let book = labs.book(&lab.name)?;
        let state = State { endpoint, seen: None, random };
        let mut turn = book.turn().map_err(failed)?;
        let own = turn.accounts.entry(account.clone()).or_insert_with(|| Account::new(account.clone()));
        if owner(own).is_none() {
            iam::operation::create_root_key(own, &mut Environment { now: now(), random: &mut |bytes| draw(&state.random, bytes) });
            turn.keep().map_err(failed)?;
        }
        drop(turn);
        Ok(Self { labs, lab: lab.name.clone(), account, region, is_open, book, state: Mutex::new(state) })
    }

    /// Whether nothing has to be signed.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// What clients have to know. Errors: the owner has no key.
    pub fn describe(&self, address: SocketAddr) -> Result<CloudServed, Problem> {
        let accounts = self.book.accounts().map_err(|why| Problem::new(ProblemKind::Failed, why))?;
        let key = accounts.get(&self.account).and_then(owner);
        let key = key.ok_or_else(|| Problem::new(ProblemKind::Failed, format!("the owner of lab {} has no key", self.lab)))?;
        Ok(CloudServed {
            address,
            account: self.account.clone(),
            region: self.region.clone(),
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            is_open: self.is_open,
        })
    }

    /// Answers a request. It may wait for the kernel and the disk.
    pub fn answer(&self, request: &Request, from: IpAddr) -> Response {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { endpoint, seen, random } = &mut *state;
        let environment = Environment { now: now(), random: &mut |bytes| draw(random, bytes) };
        let knock = Knock::of(request, from, false);
        let turn = match self.book.turn() {
            Ok(turn) => turn,
            Err(why) => {
                sandbox::say!("lab {}: {why}", self.lab);
                return super::serve::refuse(&Refusal::new("InternalError", why));
            }
        };
        let mut accounts = turn.accounts.clone();
        let mut cloud = OfLab { desk: self, seen, turn };
        cloud.look();
        let mut visit = Visit { accounts: &mut accounts, cloud: &mut cloud, environment, knock: &knock, home: &self.account };
        endpoint.answer(&mut visit, request)
    }
}

/// The key of the account's owner.
fn owner(account: &Account) -> Option<&Key> {
    account.keys().find(|key| key.owner == Owner::Root)
}

/// Randomness that nobody can guess. A key made of anything else would be worse than no answer.
fn draw(mut random: &File, bytes: &mut [u8]) {
    if let Err(error) = random.read_exact(bytes) {
        panic!("/dev/urandom: {error}");
    }
}

/// The cloud of one lab: one account, one region.
struct OfLab<'d> {
    desk: &'d Desk,
    turn: Turn<'d>,
    seen: &'d mut Option<(Arc<LabView>, Model)>,
}

impl OfLab<'_> {
    fn is_here(&self, account: &str, region: &str) -> bool {
        self.desk.account == account && self.desk.region == region
    }

    /// Takes the lab as it is now. A request sees one state of it: what it may do is decided on what it then changes.
    fn look(&mut self) {
        let view = self.desk.labs.last(&self.desk.lab);
        let is_known = matches!((&*self.seen, &view), (Some((seen, _)), Some(view)) if Arc::ptr_eq(seen, view));
        if !is_known {
            *self.seen = view.map(|view| (view.clone(), view.model.clone()));
        }
    }

    /// What a refusal of the daemon is to a client.
    fn failed(&self, problem: &Problem) -> Refusal {
        sandbox::say!("lab {}: {problem}", self.desk.lab);
        Refusal::new("InternalError", format!("Lab {} cannot be changed: {problem}", self.desk.lab))
    }
}

impl Cloud for OfLab<'_> {
    fn find(&self, account: &str, region: &str) -> Option<&Model> {
        self.seen.as_ref().map(|(_, copy)| copy).filter(|_| self.is_here(account, region))
    }

    fn enter(&mut self, account: &str, region: &str, _: Timestamp) -> Option<&mut Model> {
        if self.seen.is_none() {
            self.look();
        }
        let is_here = self.is_here(account, region);
        self.seen.as_mut().filter(|(view, _)| view.is_up && is_here).map(|(_, copy)| copy)
    }

    fn keep(&mut self, _: &str, _: &str) -> Result<Kept, Refusal> {
        let Some((view, mut model)) = self.seen.take() else { return Ok(Kept::Yes) };
        if model.generation == view.model.generation {
            *self.seen = Some((view, model));
            return Ok(Kept::Yes);
        }
        settle::finish_what_began(&mut model, &view.model);
        let base_generation = Some(view.model.generation);
        let (file, claims, rights) = (view.file.clone(), view.claims.clone(), view.rights.clone());
        let wanted = Wanted { base_generation, file, model, claims, rights };
        match self.desk.labs.bring(&self.desk.lab, wanted) {
            Ok(_) => Ok(Kept::Yes),
            Err(problem) if problem.kind == ProblemKind::Conflict => Ok(Kept::Again),
            Err(problem) => Err(self.failed(&problem)),
        }
    }

    fn keep_accounts(&mut self, accounts: &Accounts) -> Result<(), Refusal> {
        self.turn.accounts.clone_from(accounts);
        let kept = self.turn.keep();
        kept.map_err(|why| self.failed(&Problem::new(ProblemKind::Failed, why)))
    }
}
