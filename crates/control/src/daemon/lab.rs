//! One lab as the daemon has it: what everybody sees, what the kernel holds, and who may change it.
//!
//! What is seen is on disk, and may be ahead of the kernel by a moment: calls of AWS's clients are answered when they are kept, and
//! the kernel follows ([`Lab::catch_up`]). Whoever sends packets or shows a lab waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::Model;

use super::gate::{Gate, Pass};
use crate::api::{LabView, Problem, Refused};
use crate::host::Host;
use crate::identity::Book;
use crate::paths::Paths;
use crate::store::Store;

/// A lab; what is shown of it can be read while it changes.
pub struct Lab {
    host: Mutex<Host>,
    shown: Mutex<Arc<LabView>>,
    gate: Arc<Gate>,
    book: Arc<Book>,
    /// The generation on record, which the kernel has.
    held: AtomicU64,
    /// When the kernel refused what is shown.
    refused_at: Mutex<Option<Instant>>,
}

/// A thread that panicked with the lock left a host whose record is on disk; what is in memory is checked on use.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lab {
    /// A lab as its host has it.
    pub fn new(host: Host) -> Lab {
        let (shown, held) = (Mutex::new(Arc::new(view(&host))), AtomicU64::new(host.record.model.generation));
        let book = host.book();
        Lab { host: Mutex::new(host), shown, gate: Arc::default(), book, held, refused_at: Mutex::default() }
    }

    /// Its identities; those of the whole that it is a part of.
    pub fn book(&self) -> Arc<Book> {
        self.book.clone()
    }

    /// Waits for the right to change it.
    pub fn pass(&self) -> Pass {
        self.gate.pass()
    }

    /// What runs it. Whoever waits for the kernel has it for long.
    pub fn host(&self) -> MutexGuard<'_, Host> {
        lock(&self.host)
    }

    /// The same, if nobody has it.
    pub fn try_host(&self) -> Option<MutexGuard<'_, Host>> {
        self.host.try_lock().ok()
    }

    /// The lab as it was shown last; nothing is looked at.
    pub fn last(&self) -> Arc<LabView> {
        lock(&self.shown).clone()
    }

    /// The lab as it is, or, while a request changes it, as it was before.
    pub fn shown(&self) -> Arc<LabView> {
        if let Some(mut host) = self.try_host() {
            host.notice_death();
            self.note(&host);
        }
        self.last()
    }

    /// Shows what the host has.
    pub fn show(&self, host: &Host) {
        *lock(&self.shown) = Arc::new(view(host));
        self.held.store(host.record.model.generation, Ordering::Release);
    }

    /// Shows whether it is up, and nothing else of the host.
    pub fn note(&self, host: &Host) {
        let mut shown = lock(&self.shown);
        if shown.is_up != host.is_up() {
            *shown = Arc::new(LabView { is_up: host.is_up(), ..LabView::clone(&shown) });
        }
    }

    /// Shows a cloud that is kept on disk; the kernel follows. Whoever calls has the pass.
    pub fn commit(&self, model: Model) {
        let mut shown = lock(&self.shown);
        *shown = Arc::new(LabView { model, ..LabView::clone(&shown) });
    }

    /// Shows what the kernel refused, or that it refuses nothing any more.
    fn set_refused(&self, refused: Option<Refused>) {
        *lock(&self.refused_at) = refused.is_some().then(Instant::now);
        let mut shown = lock(&self.shown);
        if shown.refused != refused {
            *shown = Arc::new(LabView { refused, ..LabView::clone(&shown) });
        }
    }

    /// The generation on record.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// Whether the kernel lacks something of what is shown.
    pub fn is_behind(&self) -> bool {
        self.held() != self.last().model.generation
    }

    /// Whether the kernel has refused what is shown.
    pub fn is_refused(&self) -> bool {
        let shown = self.last();
        shown.refused.as_ref().is_some_and(|refused| refused.generation == shown.model.generation) && self.is_behind()
    }

    /// What the kernel has refused of what is shown, unless it was so long ago that it may be tried anew: a try that fails brings the lab up
    /// from the beginning.
    pub fn refusal(&self) -> Option<Refused> {
        let is_recent = lock(&self.refused_at).is_some_and(|at| at.elapsed() < REST);
        self.last().refused.clone().filter(|_| is_recent && self.is_refused())
    }

    /// Has the kernel do what is shown, and puts it on record. A lab that is down gets the record alone, unless it `starts`. Errors: the
    /// kernel or the disk refuses; the kernel is as it was, and what is shown stays.
    pub fn catch_up(&self, paths: &Paths, store: &Store, starts: bool) -> Result<(), Problem> {
        let mut host = self.host();
        let view = self.last();
        if host.record.model.generation == view.model.generation {
            return Ok(());
        }
        let result = match host.is_up() || starts {
            true if host.is_unseen(&view.model) => label(&mut host, store, &view.model),
            true => bring(&mut host, paths, store, &view.model),
            false => keep(&mut host, store, &view.model),
        };
        match &result {
            Ok(()) => {
                self.held.store(host.record.model.generation, Ordering::Release);
                self.set_refused(None);
            }
            Err(problem) => {
                sandbox::say!("lab {}: what its cloud says cannot run: {problem}", view.name);
                let lacks = super::lack::lacks(host.record.applied.as_ref(), &view.model);
                let (why, hint) = (problem.message.clone(), problem.hint.clone().or_else(|| Some(AGAIN.to_owned())));
                self.set_refused(Some(Refused { generation: view.model.generation, why, hint, lacks }));
            }
        }
        self.note(&host);
        result
    }
}

/// What may help where nothing better is known.
const AGAIN: &str = "vpclab doctor says what this machine lacks; the change is tried again with the next one, and when packets are sent after half a minute";
/// How long the kernel is not asked again for what it refused, unless something else is wanted.
const REST: Duration = Duration::from_secs(30);

/// Brings a host to a cloud, with a mark on disk while it is under way: a daemon that dies then leaves it, and the next one sets
/// things right.
pub fn bring(host: &mut Host, paths: &Paths, store: &Store, model: &Model) -> Result<(), Problem> {
    let is_new = host.record.is_new();
    let before = host.record.clone();
    host.record.is_changing = true;
    if let Err(error) = store.put(&host.record) {
        host.record.is_changing = false;
        return Err(error.into());
    }
    let changed = host.apply(paths, model);
    host.record.is_changing = false;
    if let Err(error) = changed {
        if is_new {
            // Its log says why.
            let _ = paths.remove_disks(&host.record.name).inspect_err(|error| sandbox::say!("lab {}: {error}", host.record.name));
        }
        if is_new { store.remove(&host.record.name) } else { store.put(&host.record) }?;
        return Err(error.into());
    }
    if let Err(error) = store.put(&host.record) {
        // What cannot be kept must not run: the answer is no, and the lab is what the disk says.
        host.revert(paths, before);
        return Err(error.into());
    }
    host.sweep_disks(paths);
    Ok(())
}

/// Puts a cloud on record of which the kernel of a lab that is up sees nothing: nothing of it can be cut short.
fn label(host: &mut Host, store: &Store, model: &Model) -> Result<(), Problem> {
    let before = host.record.clone();
    host.note_unseen(model)?;
    store.put(&host.record).map_err(|error| {
        // What metadata services say is put right with the next change.
        host.record = before;
        Problem::from(error)
    })
}

/// Puts the cloud of a lab that is down on record.
fn keep(host: &mut Host, store: &Store, model: &Model) -> Result<(), Problem> {
    let before = std::mem::replace(&mut host.record.model, model.clone());
    store.put(&host.record).map_err(|error| {
        host.record.model = before;
        Problem::from(error)
    })
}

fn view(host: &Host) -> LabView {
    let record = &host.record;
    LabView {
        name: record.name.clone(),
        is_up: host.is_up(),
        file: record.file.clone(),
        created: record.created,
        model: record.model.clone(),
        claims: record.claims.clone(),
        rights: record.rights.clone(),
        part_of: record.part_of.clone(),
        refused: None,
    }
}
