//! Clients of EC2, STS and IAM at a running lab: what `AWS_ENDPOINT_URL` means. One door serves all regions and accounts of a lab; a
//! call that changes something is on disk before it is answered, and the kernel follows.
//!
//! [`Clouds`] has the doors of all labs; `serve` is the socket, `desk` answers one request, `clerk` makes changes, `batch` is what one
//! round of it makes, `scribe` keeps them, `journal` is the file that has them, `replay` makes them again after the daemon was killed. `place` says which lab
//! an account's network in a region is, `recent` are long answers that may be asked for again, `reception` lets in who comes from within a lab, `standing` the one that says where
//! its door is.

mod batch;
mod clerk;
mod console;
mod desk;
mod journal;
mod place;
mod recent;
pub mod reception;
mod replay;
mod scribe;
mod serve;
mod standing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{CloudServed, CloudWanted, LabView, Problem, ProblemKind};
use crate::daemon::labs::Labs;
use desk::Desk;
use serve::Door;

pub use replay::replay;

/// The doors of all labs that are asked for.
#[derive(Default)]
pub struct Clouds {
    all: Mutex<BTreeMap<String, Served>>,
    /// Why doors cannot be opened again, by lab; said once.
    refused: Mutex<BTreeMap<String, String>>,
}

struct Served {
    door: Door,
    desk: Arc<Desk>,
}

impl Clouds {
    /// Opens the door of a lab, or finds it open. The next daemon opens it again. Called within a runtime, where waiting is no harm.
    ///
    /// Errors: there is no such lab, or it is down; it is a part of another one; the address is not this machine's own, or taken; the
    /// number is no account's; the lab's identities cannot be read or kept.
    pub fn open(&self, labs: &Arc<Labs>, name: &str, wanted: &CloudWanted) -> Result<CloudServed, Problem> {
        if !wanted.address.ip().is_loopback() {
            let problem = Problem::new(ProblemKind::BadRequest, format!("{} can be reached by others", wanted.address));
            return Err(problem.hint("--ec2 127.0.0.1:0 is this machine's own, at a port that is free"));
        }
        let lab = labs.view(name)?;
        if let Some(whole) = &lab.part_of {
            let problem = Problem::new(ProblemKind::BadRequest, format!("{name} is a part of lab {whole}, which has the door"));
            return Err(problem.hint(format!("vpclab serve --ec2 {} --lab {whole}", wanted.address)));
        }
        if !lab.is_up {
            return Err(Problem::new(ProblemKind::NotFound, format!("lab {name} is down")).hint("vpclab up brings it up"));
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // Any port is the one that the door has, if it has one: who was told of it goes on to be answered there.
        let kept = all.get(name).map(|served| served.door.address()).filter(|kept| wanted.address.port() == 0 && wanted.address.ip() == kept.ip());
        let wanted = &CloudWanted { address: kept.unwrap_or(wanted.address), ..wanted.clone() };
        let is_same = |served: &Served| {
            let address = served.door.address();
            let is_there = wanted.address == address || (wanted.address.port() == 0 && wanted.address.ip() == address.ip());
            is_there && served.desk.is_open() == wanted.is_open
        };
        let keep = |standing| {
            let path = labs.paths().door(name);
            standing::write(&path, standing).map_err(|error| Problem::new(ProblemKind::Failed, format!("{}: {error}", path.display())))
        };
        if !all.get(name).is_some_and(is_same) {
            let before = all.remove(name);
            let pace = wanted.pace.or(before.as_ref().map(|served| served.desk.pace())).unwrap_or_default();
            let standing = standing::Standing { address: wanted.address, is_open: wanted.is_open, pace };
            let served = Served::new(labs, &lab, standing, before)?;
            let standing = standing::Standing { address: served.door.address(), ..standing };
            keep(standing)?;
            all.insert(name.to_owned(), served);
        }
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let served = all.get(name).ok_or_else(|| Problem::new(ProblemKind::Failed, "the door closed again"))?;
        if let Some(pace) = wanted.pace.filter(|pace| *pace != served.desk.pace()) {
            keep(standing::Standing { address: served.door.address(), is_open: wanted.is_open, pace })?;
            served.desk.set_pace(pace).map_err(|refusal| Problem::new(ProblemKind::Failed, refusal.message))?;
        }
        if let Some(account) = &wanted.account {
            served.desk.add_account(account)?;
        }
        served.desk.describe(served.door.address(), wanted.account.as_deref())
    }

    /// Serves a client that comes from within a lab, whose door is opened for it where it is closed. Called within a runtime, where
    /// waiting is no harm.
    pub fn receive(&self, labs: &Arc<Labs>, name: &str, stream: std::net::TcpStream, from: std::net::SocketAddr) {
        // A part has the door of its whole.
        let part_of = labs.last(name).and_then(|lab| lab.part_of.clone());
        let name = part_of.as_deref().unwrap_or(name);
        let is_open = || self.all.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name);
        if !is_open() {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            if let Err(problem) = self.open(labs, name, &CloudWanted { address, is_open: false, pace: None, account: None }) {
                sandbox::say!("lab {name}: {problem}");
                return;
            }
        }
        if let Some(served) = self.all.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            served.door.receive(stream, from, served.desk.clone());
        }
    }

    /// The door of a lab, or of the one that it is a part of, if it is open; with the key of an account's owner, or with that of the
    /// lab's own account.
    pub fn find(&self, labs: &Labs, name: &str, account: Option<&str>) -> Result<CloudServed, Problem> {
        let part = labs.last(name).filter(|lab| lab.part_of.is_some());
        let whole = part.as_ref().and_then(|part| part.part_of.as_deref()).unwrap_or(name);
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let served = all.get(whole).ok_or_else(|| {
            if let Some(why) = self.refused(whole) {
                return Problem::new(ProblemKind::Failed, format!("clients of AWS are not answered for lab {name}: {why}"));
            }
            let problem = Problem::new(ProblemKind::NotFound, format!("clients of AWS are not answered for lab {name}"));
            problem.hint("vpclab serve --ec2 127.0.0.1:0 opens a door for them")
        })?;
        let account = account.or(part.as_ref().map(|part| part.model.account_id.as_str()));
        let found = served.desk.describe(served.door.address(), account)?;
        Ok(CloudServed { region: part.as_ref().map_or(found.region, |part| part.model.region.0.clone()), ..found })
    }

    /// Why the door of a lab stays shut, if it was to be opened again.
    pub fn refused(&self, name: &str) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Tries the doors again that could not be opened: who looks finds what can be now. Called within a runtime, where waiting is no harm.
    pub fn try_again(&self, labs: &Arc<Labs>) {
        let is_any = !self.refused.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_any {
            self.tend(labs, &labs.known());
        }
    }

    /// Closes the doors of labs that are down or gone, opens those that an earlier daemon had, and has time pass behind them. Called within a runtime, where waiting
    /// is no harm.
    pub fn tend(&self, labs: &Arc<Labs>, known: &[Arc<LabView>]) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| known.iter().any(|lab| lab.is_up && lab.name == *name));
        refused.retain(|name, _| known.iter().any(|lab| lab.is_up && lab.name == *name));
        for lab in known.iter().filter(|lab| lab.is_up && lab.part_of.is_none()) {
            if let Some(served) = all.get(&lab.name) {
                served.desk.note_time();
                continue;
            }
            let opened = standing::read(&labs.paths().door(&lab.name)).and_then(|standing| match standing {
                None => Ok(None),
                Some(standing) => Served::new(labs, lab, standing, None).map(Some).map_err(|problem| problem.to_string()),
            });
            match opened {
                Ok(None) => {}
                Ok(Some(served)) => {
                    refused.remove(&lab.name);
                    all.insert(lab.name.clone(), served);
                }
                Err(why) if refused.get(&lab.name) == Some(&why) => {}
                Err(why) => {
                    sandbox::say!("lab {}: clients of AWS are not answered: {why}", lab.name);
                    refused.insert(lab.name.clone(), why);
                }
            }
        }
    }
}

impl Served {
    /// Opens a door in the place of the one that there was: the port may be the same.
    fn new(labs: &Arc<Labs>, lab: &LabView, wanted: standing::Standing, before: Option<Served>) -> Result<Self, Problem> {
        drop(before);
        let desk = Arc::new(Desk::open(labs.clone(), lab, wanted.is_open, wanted.pace)?);
        let failed = |error: std::io::Error| Problem::new(ProblemKind::Failed, format!("listening on {}: {error}", wanted.address));
        let door = Door::open(wanted.address, desk.clone()).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => failed(error).hint("--ec2 127.0.0.1:0 takes a port that is free"),
            _ => failed(error),
        })?;
        Ok(Self { door, desk })
    }
}
