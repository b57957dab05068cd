//! Calls that are made one after the other and kept together.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use door::{Cloud, Kept, Made};
use model::{Model, Timestamp, settle};
use query::Refusal;

use super::journal::{Answered, Entry};
use super::place::Home;
use crate::accounts::Accounts;
use crate::api::Pace;
use crate::daemon::labs::{Entered, Labs};

/// Networks by account and region.
type Networks<N> = BTreeMap<(String, String), N>;

/// Networks as the batches before left them, as long as the disk is not done with those: calls are made on what will be shown.
#[derive(Default)]
pub struct Ahead(Networks<(Weak<Entered>, Model)>);

impl Ahead {
    /// Forgets them: calls are made on what is shown.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// Whether somebody else waits to change one of them.
    pub fn is_awaited(&self) -> bool {
        self.0.values().filter_map(|(entered, _)| entered.upgrade()).any(|entered| entered.is_awaited())
    }
}

/// What a batch makes of networks and accounts; nobody sees it before it is kept.
pub struct Batch<'b> {
    labs: &'b Labs,
    home: &'b Home,
    ahead: &'b mut Ahead,
    pace: Pace,
    networks: Networks<Network>,
    /// What the disk has to have before anything of this is answered.
    entries: Vec<Entry>,
    /// Whether the call that is being made has changed a network.
    has_changed: bool,
    is_accounts_changed: bool,
    is_use_noted: bool,
    /// Fresh ids for networks that begin.
    seed: &'b mut dyn FnMut() -> u64,
}

/// A network while calls are made on it; nobody else changes it meanwhile.
struct Network {
    entered: Arc<Entered>,
    model: Model,
    /// As it was before the call.
    before: Model,
    /// As it was before the batch.
    first: u64,
}

impl<'b> Batch<'b> {
    /// Nothing made yet.
    pub fn new(labs: &'b Labs, home: &'b Home, ahead: &'b mut Ahead, pace: Pace, seed: &'b mut dyn FnMut() -> u64) -> Self {
        let (networks, entries) = (BTreeMap::new(), Vec::new());
        Self { labs, home, ahead, pace, networks, entries, has_changed: false, is_accounts_changed: false, is_use_noted: false, seed }
    }

    /// How long things take by now.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Has things take another time.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Forgets which call was made last.
    pub fn begin(&mut self) {
        self.has_changed = false;
    }

    /// Notes what the last call was answered by its client token, if it has changed a network; whether it has.
    pub fn answer(&mut self, answered: Option<Answered>) -> bool {
        if let (true, Some(Entry::Called { answer, .. })) = (self.has_changed, self.entries.last_mut()) {
            *answer = answered;
        }
        self.has_changed
    }

    /// Ends what is due by `now` in all networks.
    pub fn pass_time(&mut self, now: Timestamp) {
        let is_due = |model: &Model| model.next_transition().is_some_and(|at| at <= now);
        for lab in self.labs.known().iter().filter(|lab| self.home.has(lab) && is_due(&lab.model)) {
            let (account, region) = (lab.model.account_id.clone(), lab.model.region.0.clone());
            if !self.take_hold(&account, &region, now) {
                continue;
            }
            let Some(network) = self.networks.get_mut(&(account.clone(), region.clone())) else { continue };
            let before = network.model.generation;
            network.model.advance_to(now);
            let generation = network.model.generation;
            if generation != before {
                self.entries.push(Entry::Passed { account, region, at: now, generation });
            }
        }
    }

    /// Whether accounts were changed.
    pub fn is_accounts_changed(&self) -> bool {
        self.is_accounts_changed
    }

    /// Whether it was noted that a key was used.
    pub fn is_use_noted(&self) -> bool {
        self.is_use_noted
    }

    /// What the disk has to have, and what is shown then. The next batch is made on that.
    pub fn finish(self) -> (Vec<Entry>, Vec<(Arc<Entered>, Model)>) {
        let mut shows = Vec::new();
        self.ahead.0.retain(|_, (entered, _)| entered.strong_count() > 0);
        for (key, Network { entered, model, first, .. }) in self.networks {
            self.ahead.0.insert(key, (Arc::downgrade(&entered), model.clone()));
            if model.generation != first {
                shows.push((entered, model));
            }
        }
        (self.entries, shows)
    }

    /// Takes hold of a network, which begins where nothing was made in it yet. Whether there can be one.
    fn take_hold(&mut self, account: &str, region: &str, now: Timestamp) -> bool {
        let key = (account.to_owned(), region.to_owned());
        if self.networks.contains_key(&key) {
            return true;
        }
        if let Some((entered, model)) = self.ahead.0.remove(&key)
            && let Some(entered) = entered.upgrade()
        {
            let (before, first) = (model.clone(), model.generation);
            self.networks.insert(key, Network { entered, model, before, first });
            return true;
        }
        let Some(name) = self.home.place(account, region) else { return false };
        let is_new = self.labs.last(&name).is_none();
        if is_new {
            if name == self.home.lab {
                return false;
            }
            let seed = (self.seed)();
            self.labs.add_part(&name, &self.home.lab, Home::nothing(account, region, seed, now));
            self.entries.push(Entry::Begun { account: key.0.clone(), region: key.1.clone(), seed, at: now });
        }
        let Some(entered) = self.labs.enter(&name).map(Arc::new) else { return false };
        let view = entered.view();
        let is_ours = match &view.part_of {
            None => name == self.home.lab && view.is_up,
            Some(whole) => *whole == self.home.lab,
        };
        if !is_ours {
            // Somebody has called a lab of his own so.
            return false;
        }
        let (model, before, first) = (view.model.clone(), view.model.clone(), view.model.generation);
        self.networks.insert(key, Network { entered, model, before, first });
        true
    }
}

impl Cloud for Batch<'_> {
    fn find(&self, account: &str, region: &str) -> Option<&Model> {
        self.networks.get(&(account.to_owned(), region.to_owned())).map(|network| &network.model)
    }

    fn enter(&mut self, account: &str, region: &str, now: Timestamp) -> Option<&mut Model> {
        if !self.take_hold(account, region, now) {
            return None;
        }
        let network = self.networks.get_mut(&(account.to_owned(), region.to_owned()))?;
        network.before = network.model.clone();
        Some(&mut network.model)
    }

    fn keep(&mut self, made: &Made<'_>) -> Result<Kept, Refusal> {
        let (account, region) = (made.account.to_owned(), made.region.to_owned());
        let Some(network) = self.networks.get_mut(&(account.clone(), region.clone())) else { return Ok(Kept::Yes) };
        if let Some(generation) = finish(&mut network.model, &network.before, self.pace) {
            let (operation, parameters, at) = (made.operation.to_owned(), made.parameters.clone(), made.at);
            self.entries.push(Entry::Called { account, region, at, operation, parameters, generation, pace: self.pace, answer: None });
            self.has_changed = true;
        }
        Ok(Kept::Yes)
    }

    fn keep_accounts(&mut self, _: &Accounts) -> Result<(), Refusal> {
        self.is_accounts_changed = true;
        Ok(())
    }

    fn note_use(&mut self, _: &Accounts) -> Result<(), Refusal> {
        self.is_use_noted = true;
        Ok(())
    }
}

/// Finishes what a call began, where that takes no time; the generation that it has reached, or none where it has changed nothing: then not even an id was
/// drawn, because a call that is not kept is not made again.
pub fn finish(model: &mut Model, before: &Model, pace: Pace) -> Option<u64> {
    if model.generation == before.generation {
        let same = Model { context: before.context.clone(), ..model.clone() };
        if same == *before {
            *model = same;
            return None;
        }
        model.generation += 1;
    }
    match pace {
        Pace::Instant => settle::finish_what_began(model, before),
        Pace::AwsLike => {}
    }
    Some(model.generation)
}
