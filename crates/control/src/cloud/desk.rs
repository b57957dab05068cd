//! Requests at a door. Who looks is answered from what was kept last, by many threads at a time; what may change something goes to the
//! [`clerk`].

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use door::{Knock, Look, Pieces, caller};
use ec2::key_pair::MadeKey;
use iam::account::Account;
use model::{Model, Timestamp};
use query::client_token::Tokens;
use query::endpoint::{Asked, Authentication};
use query::{Endpoint, Refusal, Request, Response};
use serde_json::Value;
use tokio::sync::oneshot;

use super::clerk::{self, Order, Use, key_of_owner};
use super::console;
use super::place::Home;
use super::recent::{Question, Recent};
use crate::accounts::Accounts;
use crate::api::{CloudServed, LabView, Pace, Problem, ProblemKind};
use crate::daemon::labs::Labs;
use crate::host::now;
use crate::identity::{Book, with_environment};

/// Who answers for a lab.
pub struct Desk {
    labs: Arc<Labs>,
    home: Home,
    is_open: bool,
    pace: Mutex<Pace>,
    endpoint: Endpoint,
    book: Arc<Book>,
    orders: Mutex<Sender<Order>>,
    recent: Recent,
    pieces: Pieces,
}

impl Desk {
    /// Takes hold of the identities of a lab, or begins with its owner and a key; `is_open`: nothing has to be signed.
    pub fn open(labs: Arc<Labs>, lab: &LabView, is_open: bool, pace: Pace) -> Result<Self, Problem> {
        let failed = |error: String| Problem::new(ProblemKind::Failed, format!("the identities of lab {}: {error}", lab.name));
        let random = File::open("/dev/urandom").map_err(|error| failed(error.to_string()))?;
        let home = Home::of(lab);
        let authentication = match is_open {
            true => Authentication::Off { region: home.region.clone() },
            false => Authentication::Signed,
        };
        let mut seed = [0; 8];
        (&random).read_exact(&mut seed).map_err(|error| failed(error.to_string()))?;
        let endpoint = Endpoint::new(authentication, u64::from_be_bytes(seed));
        let book = labs.book(&home.lab)?;
        let mut turn = book.turn().map_err(failed)?;
        let own = turn.accounts.entry(home.account.clone()).or_insert_with(|| Account::new(home.account.clone()));
        if key_of_owner(own).is_none() {
            let made = with_environment(|environment| iam::operation::create_root_key(own, environment));
            made.map_err(|error| failed(error.to_string()))?;
            turn.keep().map_err(failed)?;
        }
        drop(turn);
        let orders = clerk::begin(labs.clone(), home.clone(), book.clone(), pace).map_err(failed)?;
        Ok(Self { labs, home, is_open, pace: Mutex::new(pace), endpoint, book, orders: Mutex::new(orders), recent: Recent::default(), pieces: Pieces::default() })
    }

    /// Whether nothing has to be signed.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// How long things take.
    pub fn pace(&self) -> Pace {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has things take another time from the next call on.
    pub fn set_pace(&self, pace: Pace) -> Result<(), Refusal> {
        self.order(Order::Pace(pace))?;
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
        Ok(())
    }

    /// Has the clerk end what is due by now, where something is.
    pub fn note_time(&self) {
        let is_due = |lab: &Arc<LabView>| self.home.has(lab) && lab.model.next_transition().is_some_and(|at| at <= now());
        if self.labs.known().iter().any(is_due) {
            // A door that closes ends nothing any more; the next daemon does.
            let _ = self.order(Order::Time);
        }
    }

    /// What clients have to know, with the key of the owner of an account; `None`: the lab's own. Errors: there is no such account; its
    /// owner has no key.
    pub fn describe(&self, address: SocketAddr, account: Option<&str>) -> Result<CloudServed, Problem> {
        let accounts = self.accounts().map_err(|refusal| Problem::new(ProblemKind::Failed, refusal.message))?;
        let account = account.unwrap_or(&self.home.account);
        let key = accounts.get(account).and_then(key_of_owner).ok_or_else(|| {
            let known = accounts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let problem = Problem::new(ProblemKind::NotFound, format!("lab {} has no account {account}", self.home.lab));
            problem.hint(format!("there are: {known}; vpclab serve --ec2 127.0.0.1:0 --account {account} makes it"))
        })?;
        Ok(CloudServed {
            address,
            account: account.to_owned(),
            region: self.home.region.clone(),
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            is_open: self.is_open,
            pace: self.pace(),
        })
    }

    /// Makes an account with a key for its owner, unless it is there. It waits for the disk. Errors: the number is none; the disk.
    pub fn add_account(&self, account: &str) -> Result<(), Problem> {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            let problem = Problem::new(ProblemKind::BadRequest, format!("`{account}` is not the number of an account"));
            return Err(problem.hint("it has twelve digits: --account 222233334444"));
        }
        let failed = |why: &str| Problem::new(ProblemKind::Failed, format!("account {account}: {why}"));
        let (answer, answered) = oneshot::channel();
        self.order(Order::Owner(account.to_owned(), answer)).map_err(|refusal| failed(&refusal.message))?;
        let key = answered.blocking_recv().map_err(|_| failed("the door closes"))?;
        key.map(|_| ()).map_err(|refusal| failed(&refusal.message))
    }

    /// Answers a request. Who looks waits for nobody.
    pub async fn answer(&self, request: &Request, from: IpAddr) -> Arc<Response> {
        let knock = Knock::of(request, from, false);
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(refusal) => return Arc::new(super::serve::refuse(&refusal)),
        };
        let network = |account: &str, region: &str| self.network(&accounts, account, region);
        let asked = {
            let (now, home, pieces) = (now(), &self.home.account, &self.pieces);
            let mut look = Look { accounts: &accounts, network: &network, now, knock: &knock, home, pieces, texts: Vec::new() };
            match self.endpoint.read(&look, request) {
                Err(unread) => return Arc::new(self.endpoint.refuse(unread)),
                Ok(asked) if door::is_reading(asked.service().name, asked.operation().name) => {
                    self.note_use(&accounts, &asked);
                    return self.look(&asked, &mut look, request, &accounts);
                }
                Ok(asked) => Arc::new(asked),
            }
        };
        let outcome = self.change(asked.clone(), knock).await;
        Arc::new(self.endpoint.write(&asked, outcome))
    }

    /// Answers somebody who looks. Who asks the same of the same cloud within the same second is told the same: those who wait for something
    /// ask so.
    fn look(&self, asked: &Asked, look: &mut Look<'_>, request: &Request, accounts: &Accounts) -> Arc<Response> {
        let account = caller::account_of(accounts, asked.access_key_id(), &self.home.account);
        // What an instance prints changes while its cloud does not.
        let may_repeat = asked.service().name == "ec2" && asked.operation().name != "GetConsoleOutput";
        let place = self.home.place(&account, asked.region()).filter(|_| may_repeat);
        let Some(seen) = place.and_then(|name| self.labs.last(&name)) else {
            let outcome = asked.serve(&mut Tokens::new(0), look);
            return Arc::new(self.endpoint.write_with(asked, outcome.map(|answer| self.with_console(asked, &account, answer)), &look.texts));
        };
        let question = Question { seen, at: look.now, region: asked.region(), query: &request.query, body: &request.body };
        if let Some(told) = self.recent.find(&question) {
            // Who may not ask is told nothing, whoever asked before.
            return Arc::new(match asked.may(&*look) {
                Ok(()) => self.endpoint.repeat(&told),
                Err(refusal) => self.endpoint.write(asked, Err(refusal)),
            });
        }
        let outcome = asked.serve(&mut Tokens::new(0), look);
        let response = Arc::new(self.endpoint.write_with(asked, outcome, &look.texts));
        self.recent.keep(question, &response);
        response
    }

    /// The answer of GetConsoleOutput with what the instance printed; every other one as it is.
    fn with_console(&self, asked: &Asked, account: &str, mut answer: Value) -> Value {
        if asked.operation().name != "GetConsoleOutput" {
            return answer;
        }
        let lab = self.home.place(account, asked.region()).and_then(|name| self.labs.last(&name));
        let id = answer["InstanceId"].as_str().and_then(|id| id.parse().ok());
        if let (Some(lab), Some(id)) = (lab, id)
            && let Some(instance) = lab.model.instances.get(&id)
        {
            let mut printed = console::last(&self.labs.paths().instance_log(&lab.name, &instance.id));
            if let Some(refused) = lab.refused.as_ref().filter(|refused| refused.lacks.iter().any(|lack| lack.id == instance.id.as_str())) {
                printed.extend(format!("vpclab: this instance is not what its cloud says: {}\n", refused.why).bytes());
            }
            ec2::console::add_output(&mut answer, &printed);
        }
        answer
    }

    async fn change(&self, asked: Arc<Asked>, knock: Knock) -> Result<Value, Refusal> {
        let made_key = match (asked.service().name, asked.operation().name) {
            // Primes are looked for while others are served.
            ("ec2", "CreateKeyPair") => {
                let parameters = asked.parameters().clone();
                tokio::task::spawn_blocking(move || MadeKey::of(&parameters).ok()).await.ok().flatten()
            }
            _ => None,
        };
        let (answer, answered) = oneshot::channel();
        self.order(Order::Call(Box::new((asked, knock, made_key)), answer))?;
        answered.await.unwrap_or_else(|_| Err(closing()))
    }

    fn order(&self, order: Order) -> Result<(), Refusal> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order).map_err(|_| closing())
    }

    fn accounts(&self) -> Result<Arc<Accounts>, Refusal> {
        self.book.accounts().map_err(|why| Refusal::new("InternalError", why))
    }

    /// Has the clerk note that somebody who looks has used a key, where that is news.
    fn note_use(&self, accounts: &Accounts, asked: &Asked) {
        let Some(id) = asked.access_key_id() else { return };
        let (at, region, service) = (now(), asked.region(), asked.service().name);
        let Some((account, key)) = caller::find(accounts, id) else { return };
        let is_known = |(last, of_region, of): &(Timestamp, String, String)| at < last.plus(60) && of_region == region && of == service;
        if !key.last_used.as_ref().is_some_and(is_known) {
            let (account, access_key_id, region) = (account.id.clone(), id.to_owned(), region.to_owned());
            // Nobody waits for it, and a door that closes notes nothing any more.
            let _ = self.order(Order::Used(Box::new(Use { account, access_key_id, region, service, at })));
        }
    }

    /// The network of an account in a region as it was kept last.
    fn network(&self, accounts: &Accounts, account: &str, region: &str) -> Option<Model> {
        let name = self.home.place(account, region).filter(|_| accounts.contains_key(account))?;
        match self.labs.last(&name) {
            Some(lab) if name == self.home.lab || lab.part_of.as_ref() == Some(&self.home.lab) => Some(lab.model.clone()),
            Some(_) => None,
            None => Some(Home::nothing(account, region, 0, Timestamp(0))),
        }
    }
}

/// Nobody works for this door any more.
fn closing() -> Refusal {
    Refusal::new("InternalError", "The door closes: its lab goes down, or a thread of the daemon failed; its log says more.")
}
