//! One container in the place of another: what the new one needs is looked at first, and the old one is back when the new
//! one cannot be had. Nothing is lost.

use std::net::IpAddr;

use sandbox::container::spec::Attach;

use super::error::{Error, Result};
use super::lab::Engine;
use super::life::Removal;
use super::start::Started;
use super::record::{Record, Status};
use crate::network::{self, NetworkMode, PublishRequest, Taken, publish};

/// What the name of a container ends with while another one takes its place.
const ASIDE: &str = ".before";

/// The name of a container while another one takes its place.
fn aside(name: &str) -> String {
    format!("{name}{ASIDE}")
}

impl Engine {
    /// Starts the container that `make` makes in the place of `old`, which goes once the new one runs. Where that cannot be,
    /// `old` stays, or is started again.
    pub fn replace(&self, old: &Record, make: impl FnOnce() -> Result<Record>) -> Result<Started> {
        self.rename(&old.id, &aside(&old.name))?;
        let new = match make() {
            Ok(new) => new,
            Err(error) => {
                self.rename(&old.id, &old.name)?;
                return Err(error);
            }
        };
        let started = self
            .stop(&old.id, None, None)
            .and_then(|_| self.start(&new.id, Attach::default()));
        match started {
            Ok(started) => self.go(&old.id).map(|()| started),
            Err(error) => match self.bring_back(old, &new) {
                Ok(()) => Err(error),
                Err(other) => Err(Error::Conflict(format!(
                    "{error}; and container {} is not back: {other}",
                    old.name
                ))),
            },
        }
    }

    fn bring_back(&self, old: &Record, new: &Record) -> Result<()> {
        self.go(&new.id)?;
        self.rename(&old.id, &old.name)?;
        if old.state.status.is_alive() || old.state.status == Status::Restarting {
            self.start(&old.id, Attach::default())?;
        }
        Ok(())
    }

    /// Removes a container with what is its own alone.
    fn go(&self, id: &super::id::Id) -> Result<()> {
        let removal = Removal {
            force: true,
            volumes: true,
        };
        match self.remove(id, removal) {
            Err(Error::NoContainer(_)) => Ok(()),
            done => done,
        }
    }

    /// The one container of those that a lab file's name means: a replacement that was cut off left two, or one under
    /// another name.
    pub fn one_of(&self, mut all: Vec<Record>) -> Result<Option<Record>> {
        let is_aside = |record: &Record| {
            let declared = record.declared.as_ref();
            declared.is_some_and(|declared| record.name == aside(&declared.name))
        };
        let Some(old) = all.iter().position(is_aside).map(|at| all.remove(at)) else {
            return Ok(all.pop());
        };
        if let Some(new) = all.pop() {
            let mut held = self.folder.hold(&new.id)?;
            self.settle(&mut held)?;
            let new = held.record.clone();
            drop(held);
            if new.state.status.is_alive() {
                self.go(&old.id)?;
                return Ok(Some(new));
            }
            self.go(&new.id)?;
        }
        if let Some(declared) = &old.declared {
            self.rename(&old.id, &declared.name)?;
        }
        self.folder.read(&old.id)
    }

    /// Whether these ports can be published in the place of a container. Errors: [`network::Error::PortTaken`].
    pub fn check_ports(&self, old: &Record, network: &NetworkMode, requests: &[PublishRequest]) -> Result<()> {
        if requests.is_empty() || !matches!(network, NetworkMode::Bridge(_)) {
            return Ok(());
        }
        let others = self.endpoints(&old.instance, Some(&old.id))?;
        let own: Vec<(IpAddr, u16, network::Transport)> = old
            .endpoints
            .iter()
            .flat_map(|place| &place.published)
            .map(|port| (port.host_address, port.host_port, port.transport))
            .collect();
        let listening = network::listeners(&mut self.namespaces(), &old.instance)?;
        let listening = listening.into_iter().filter(|one| !own.contains(&(one.address, one.port, one.transport)));
        let of_others = others.iter().flat_map(|other| {
            let ports = other.published.iter();
            ports.map(|port| Taken::by_container(&other.name, port))
        });
        let taken: Vec<Taken> = of_others.chain(listening).collect();
        publish::allocate(requests, &taken)?;
        Ok(())
    }
}
