//! The words of a line, one after another, and what they mean; what each client makes of them lies in `client`.

use std::net::IpAddr;

use model::ProbePacket;
use sim::host::Host;

use super::action::{Step, misread, placed};
use super::client::Client;
use super::ends::{From, Stage};
use super::lookup;
use crate::exit::{Failure, Result};

/// The most datagrams of a flow, and bytes of a transfer.
pub const MOST: u64 = 1_000_000_000_000;

/// Whom a program asks.
pub enum Goal {
    /// An address.
    Address(IpAddr),
    /// A name that its host looks up.
    Name(String),
}

/// The words of a line, one after another; what is wrong has its place.
pub(super) struct Words<'s, 'l, 't> {
    pub stage: &'s mut Stage,
    pub step: &'l Step<'t>,
    pub name: &'l str,
    pub client: &'static Client,
    pub at: usize,
}

impl<'t> Words<'_, '_, 't> {
    pub fn next(&mut self) -> Option<&'t str> {
        let word = self.step.words.get(self.at).copied();
        self.at += usize::from(word.is_some());
        word
    }

    pub fn wrong(&self, word: &str, message: &str) -> Failure {
        misread(self.step, self.name, word, message)
    }

    pub fn form(&self) -> String {
        format!("{} {}", self.client.word, self.client.form)
    }

    /// A word that must be there.
    pub fn must(&mut self) -> Result<&'t str> {
        let last = self.step.words.get(self.at.saturating_sub(1)).copied().unwrap_or(self.client.word);
        let form = self.form();
        self.next().ok_or_else(|| self.wrong(last, "something is missing after this").hint(form))
    }

    pub fn end(&mut self) -> Result<()> {
        match self.next() {
            Some(more) => Err(self.wrong(more, &format!("`{}` takes no more", self.client.word)).hint(self.form())),
            None => Ok(()),
        }
    }

    /// What is left, as it was written but for its spaces.
    pub fn rest(&mut self) -> Option<String> {
        let rest = &self.step.words[self.at.min(self.step.words.len())..];
        self.at = self.step.words.len();
        (!rest.is_empty()).then(|| rest.join(" "))
    }

    pub fn sender(&mut self) -> Result<From> {
        let word = self.must()?;
        let selector = lab::sentence::parse_selector(word).map_err(|error| self.wrong(word, &error.message))?;
        let from = self.stage.from(&selector).map_err(|failure| placed(self.step, self.name, word, failure))?;
        match self.host(&from) {
            Some(_) => Ok(from),
            None => Err(self.wrong(word, "this is no host: it runs no programs")),
        }
    }

    pub fn host(&self, from: &From) -> Option<&Host> {
        self.stage.world.cloud.simulator.get(from.node)
    }

    pub fn goal(&mut self, from: &From) -> Result<Goal> {
        let word = self.must()?;
        self.goal_of(from, word, word)
    }

    /// Whom `name` means, which is `word` or a part of it.
    pub fn goal_of(&mut self, from: &From, word: &str, name: &str) -> Result<Goal> {
        resolve(self.stage, from, name).map_err(|failure| placed(self.step, self.name, word, failure))
    }

    pub fn number(&mut self, what: &str) -> Result<Option<u64>> {
        let Some(word) = self.next() else { return Ok(None) };
        match word.parse() {
            Ok(number) if (1..=MOST).contains(&number) => Ok(Some(number)),
            _ => Err(self.wrong(word, &format!("this is no number of {what}"))),
        }
    }

    pub fn port_of(&self, word: &str) -> Option<ProbePacket> {
        lab::sentence::parse_probe(&["a", "b", word]).ok().map(|probe| probe.packet)
    }

    pub fn tcp(&mut self) -> Result<u16> {
        let word = self.must()?;
        match self.port_of(word) {
            Some(ProbePacket::Tcp(0)) => Err(self.reserved(word)),
            Some(ProbePacket::Tcp(port)) => Ok(port),
            _ => Err(self.wrong(word, &format!("{} takes tcp/PORT", self.client.word))),
        }
    }

    /// RFC 6335 6.
    fn reserved(&self, word: &str) -> Failure {
        self.wrong(word, "port 0 is reserved: nobody listens there").hint("ports are 1 to 65535, or a service such as `echo`")
    }

    pub fn udp(&mut self) -> Result<u16> {
        let word = self.must()?;
        match self.port_of(word) {
            Some(ProbePacket::Udp(0)) => Err(self.reserved(word)),
            Some(ProbePacket::Udp(port)) => Ok(port),
            _ => Err(self.wrong(word, &format!("{} takes udp/PORT", self.client.word))),
        }
    }

    pub fn get(&mut self) -> Result<&'t str> {
        let verb = self.must()?;
        if verb != "get" {
            return Err(self.wrong(verb, "servers only give files").hint(self.form()));
        }
        self.must()
    }
}

/// Whom a name means: somebody of the lab, or else somebody whom the host's name servers are to know. A name that ends with a
/// dot is always theirs.
pub fn resolve(stage: &mut Stage, from: &From, name: &str) -> Result<Goal> {
    if name.len() > 1 && name.ends_with('.') {
        return Ok(named(stage, from, name));
    }
    let selector = lab::sentence::parse_selector(name).map_err(|error| Failure::usage(error.message))?;
    let simulator = &stage.world.cloud.simulator;
    let asks = simulator.get(from.node).is_some_and(|host: &Host| !host.name_servers().is_empty());
    let is_name = matches!(selector, model::Selector::Named(_)) && simulator.find(name).is_none();
    match stage.to(&selector, from) {
        Ok(address) => Ok(Goal::Address(address)),
        Err(_) if asks && is_name => Ok(named(stage, from, name)),
        Err(failure) => Err(failure),
    }
}

/// Somebody whom name servers are to know; they are there from now on.
fn named(stage: &mut Stage, from: &From, name: &str) -> Goal {
    lookup::meet(stage, from);
    Goal::Name(name.to_owned())
}
