//! Clients of EC2, STS and IAM at a running lab: what `AWS_ENDPOINT_URL` means. A call changes the lab as `up` does, with its
//! generation, and is durable before it is answered.
//!
//! [`Clouds`] has the doors of all labs; [`serve`] is the socket, [`desk`] answers one request, [`reception`] lets in who comes from
//! within a lab.

mod desk;
pub mod reception;
mod serve;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{CloudServed, CloudWanted, LabView, Problem, ProblemKind};
use crate::daemon::labs::Labs;
use desk::Desk;
use serve::Door;

/// The doors of all labs that are asked for.
#[derive(Default)]
pub struct Clouds {
    all: Mutex<BTreeMap<String, Served>>,
}

struct Served {
    door: Door,
    desk: Arc<Desk>,
}

impl Clouds {
    /// Opens the door of a lab, or finds it open. Called within a runtime, where waiting is no harm.
    ///
    /// Errors: there is no such lab, or it is down; the address is not this machine's own, or taken; the lab's identities
    /// cannot be read or kept.
    pub fn open(&self, labs: &Arc<Labs>, name: &str, wanted: &CloudWanted) -> Result<CloudServed, Problem> {
        if !wanted.address.ip().is_loopback() {
            let problem = Problem::new(ProblemKind::BadRequest, format!("{} can be reached by others", wanted.address));
            return Err(problem.hint("--ec2 127.0.0.1:0 is this machine's own, at a port that is free"));
        }
        let lab = labs.view(name)?;
        if !lab.is_up {
            return Err(Problem::new(ProblemKind::NotFound, format!("lab {name} is down")).hint("vpclab up brings it up"));
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |served: &Served| {
            let address = served.door.address();
            let is_there = wanted.address == address || (wanted.address.port() == 0 && wanted.address.ip() == address.ip());
            is_there && served.desk.is_open() == wanted.is_open
        };
        if !all.get(name).is_some_and(is_same) {
            // The port may be the one that is wanted.
            all.remove(name);
            let desk = Arc::new(Desk::open(labs.clone(), &lab, wanted.is_open)?);
            let failed = |error: std::io::Error| Problem::new(ProblemKind::Failed, format!("listening on {}: {error}", wanted.address));
            let door = Door::open(wanted.address, desk.clone()).map_err(|error| match error.kind() {
                std::io::ErrorKind::AddrInUse => failed(error).hint("--ec2 127.0.0.1:0 takes a port that is free"),
                _ => failed(error),
            })?;
            all.insert(name.to_owned(), Served { door, desk });
        }
        let served = all.get(name).ok_or_else(|| Problem::new(ProblemKind::Failed, "the door closed again"))?;
        served.desk.describe(served.door.address())
    }

    /// Serves a client that comes from within a lab, whose door is opened for it where it is closed. Called within a runtime, where
    /// waiting is no harm.
    pub fn receive(&self, labs: &Arc<Labs>, name: &str, stream: std::net::TcpStream, from: std::net::SocketAddr) {
        let is_open = || self.all.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name);
        if !is_open() {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            if let Err(problem) = self.open(labs, name, &CloudWanted { address, is_open: false }) {
                sandbox::say!("lab {name}: {problem}");
                return;
            }
        }
        if let Some(served) = self.all.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            served.door.receive(stream, from, served.desk.clone());
        }
    }

    /// The door of a lab, if it is open.
    pub fn find(&self, name: &str) -> Result<CloudServed, Problem> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let served = all.get(name).ok_or_else(|| {
            let problem = Problem::new(ProblemKind::NotFound, format!("clients of AWS are not answered for lab {name}"));
            problem.hint("vpclab serve --ec2 127.0.0.1:0 opens a door for them")
        })?;
        served.desk.describe(served.door.address())
    }

    /// Closes the doors of labs that are down or gone.
    pub fn tend(&self, labs: &[Arc<LabView>]) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| labs.iter().any(|lab| lab.is_up && lab.name == *name));
    }
}
