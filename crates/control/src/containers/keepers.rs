//! Who looks after containers, one keeper a lab: they begin when a lab has containers and end with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use container::engine::{Error, Keeper};
use fabric::Fabric;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::api::LabView;
use crate::instance;
use crate::paths::Paths;

/// How long a lab whose holder did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(2);

/// The keepers of all labs.
pub struct Keepers {
    paths: Paths,
    all: BTreeMap<String, Kept>,
    /// Labs that are left alone until then.
    later: BTreeMap<String, Instant>,
}

struct Kept {
    keeper: Keeper,
    generation: u64,
    /// What was complained about already, so that a log does not fill with one sentence.
    said: BTreeSet<String>,
}

impl Keepers {
    /// Waits until something happens to a container, something is due, or for a time.
    pub fn wait(&self, longest: Duration) {
        let mut until = Instant::now() + longest;
        let mut descriptors = Vec::new();
        for kept in self.all.values() {
            until = until.min(kept.keeper.due());
            descriptors.extend(kept.keeper.descriptors().map(|one| PollFd::from_borrowed_fd(one, PollFlags::IN)));
        }
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        // Interrupted or not: what there is to do shows at the next look.
        let _ = poll(&mut descriptors, Some(&left));
    }

    /// Of this user's labs.
    pub fn new(paths: Paths) -> Keepers {
        Keepers { paths, all: BTreeMap::new(), later: BTreeMap::new() }
    }

    /// Does what is due in labs that are up.
    pub fn tick(&mut self, labs: &[Arc<LabView>]) {
        let now = Instant::now();
        self.later.retain(|_, at| *at > now);
        self.all.retain(|name, _| labs.iter().any(|lab| lab.is_up && lab.name == *name));
        for lab in labs.iter().filter(|lab| lab.is_up) {
            if self.later.contains_key(&lab.name) {
                continue;
            }
            if !container::engine::lab::folder(&self.paths.logs(&lab.name)).root().exists() {
                self.all.remove(&lab.name);
                continue;
            }
            if let Err(error) = keep(&self.paths, &mut self.all, lab) {
                // Its holder is gone, or its disk: the next look will tell.
                if !matches!(error, Error::Sandbox(sandbox::Error::NotRunning { .. } | sandbox::Error::Disconnected(_))) {
                    sandbox::say!("containers of lab {}: {error}", lab.name);
                }
                self.all.remove(&lab.name);
                self.later.insert(lab.name.clone(), now + PAUSE);
            }
        }
    }
}

fn keep(paths: &Paths, all: &mut BTreeMap<String, Kept>, lab: &LabView) -> Result<(), Error> {
    let kept = match all.get_mut(&lab.name) {
        Some(kept) => kept,
        None => {
            let engine = super::engine(paths, &lab.name, &Fabric::compile(&lab.model))?;
            let kept = Kept { keeper: Keeper::new(engine), generation: lab.model.generation, said: BTreeSet::new() };
            all.entry(lab.name.clone()).or_insert(kept)
        }
    };
    if kept.generation != lab.model.generation {
        let resolvers = instance::resolvers(&Fabric::compile(&lab.model));
        *kept.keeper.engine().resolvers.lock().unwrap_or_else(PoisonError::into_inner) = resolvers;
        kept.generation = lab.model.generation;
    }
    let said: BTreeSet<String> = kept.keeper.tick()?.into_iter().collect();
    for sentence in said.difference(&kept.said) {
        sandbox::say!("lab {}: {sentence}", lab.name);
    }
    kept.said = said;
    Ok(())
}
