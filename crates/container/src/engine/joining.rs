//! A start's network. Its namespace is made while the image is looked up, its places while the shim builds the root; the
//! program waits at a gate until both are there.

use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use sandbox::container::NetnsPending;

use super::endpoints::{Around, Before, asked, ports};
use super::error::{Error, Result};
use super::folder::Held;
use super::lab::Engine;
use super::lock::Lock;
use super::naming::Names;
use super::networks::namespace;
use super::record::Record;
use crate::network::{self, DEFAULT_NETWORK, Endpoint, PublishedPort};

/// A container whose network namespace is being made. It goes again unless places in it are chosen.
pub(super) struct Joining<'a> {
    engine: &'a Engine,
    key: String,
    pending: Option<NetnsPending<'a>>,
    is_kept: bool,
}

/// Places that are chosen and on no record yet. The network's lock keeps them free.
pub(super) struct Chosen<'a> {
    engine: &'a Engine,
    around: Around,
    published: Vec<PublishedPort>,
    lab: network::Lab<'a>,
    lock: Lock,
}

/// Both ends of a gate ([`sandbox::Client::begin_start`]).
pub(super) struct Gate {
    /// Opens it. Dropped unopened, the start fails.
    pub ours: OwnedFd,
    /// For the container.
    pub theirs: OwnedFd,
}

impl<'a> Joining<'a> {
    /// Asks for the namespace.
    pub(super) fn begin(engine: &'a Engine, record: &Record) -> Result<Joining<'a>> {
        let key = namespace(&record.id);
        let pending = engine.client.begin_container_netns(&key, &record.instance, false)?;
        Ok(Joining { engine, key, pending: Some(pending), is_kept: false })
    }

    /// Chooses a container's places, notes them in its record, which is not saved yet, and says what is in its files of
    /// names. From here on [`Engine::disconnect`] takes everything back.
    pub(super) fn choose(mut self, held: &mut Held) -> Result<(Chosen<'a>, Names)> {
        let engine = self.engine;
        let instance = held.record.instance.clone();
        let lock = engine.folder.lock_network(&instance)?;
        let mut networks = engine.networks(&instance)?;
        // Its sockets serve the look and the change.
        let mut lab = engine.namespaces();
        let joined = held.record.options.joined();
        if joined.contains(&DEFAULT_NETWORK) {
            engine.ensure_bridge(&lock, &instance, &mut networks, &mut lab)?;
        }
        let around = engine.around(&held.record, networks, &mut lab)?;
        let mut own: Vec<Endpoint> = Vec::new();
        for text in joined {
            let network = around.networks.find(text)?;
            let asked = asked(&held.record, text, network);
            own.push(engine.place(&held.record, network, &asked, &around, &own)?);
        }
        let published = ports(&held.record, &around, &mut own, Vec::new())?;
        let made = self.finish(&held.record)?;
        lab.lend(&self.key, made)?;
        held.record.endpoints = own;
        self.is_kept = true;
        let all = around.all(&held.record.endpoints);
        let names = engine.names(&held.record, &around.networks.all(), &all)?;
        Ok((Chosen { engine, around, published, lab, lock }, names))
    }

    /// The namespace.
    fn finish(&mut self, record: &Record) -> Result<OwnedFd> {
        let client = &self.engine.client;
        let made = match self.pending.take() {
            Some(pending) => pending.finish(),
            None => client.create_container_netns(&self.key, &record.instance, false),
        };
        match made {
            // What a command left that died before its container ran.
            Err(error) if error.is_already_exists() => {
                self.engine.let_go(record)?;
                Ok(client.create_container_netns(&self.key, &record.instance, false)?)
            }
            made => Ok(made?),
        }
    }
}

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Some(pending) = self.pending.take() {
            let _ = pending.finish();
        }
        let _ = self.engine.client.remove_netnses(&[&self.key]);
    }
}

impl Chosen<'_> {
    /// Makes the places, and saves the record before others may look at who has which address and port.
    pub(super) fn make(mut self, held: &mut Held) -> Result<()> {
        let engine = self.engine;
        engine.take(held, &self.around, &self.published, Before::Nothing, &mut self.lab)?;
        drop(self.lock);
        engine.note_places(&held.record, &[], &self.around.networks);
        let all = self.around.all(&held.record.endpoints);
        engine.tell_linked(&held.record, &self.around.networks.all(), &all);
        Ok(())
    }
}

impl Gate {
    /// A closed one.
    pub(super) fn new() -> Result<Gate> {
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let (ours, theirs) = pair.map_err(Error::io("making a gate"))?;
        Ok(Gate { ours, theirs })
    }
}

/// Opens a gate. Nobody may stand there any more: the start says why.
pub(super) fn open(gate: &OwnedFd) {
    let _ = rustix::net::send(gate, &[1], SendFlags::NOSIGNAL);
}
