//! All labs of a user: their records on disk and their hosts, each changed by one request at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::InstanceState;

use crate::api::{Answers, Applied, Gone, Identities, LabSummary, LabView, Probes, Problem, ProblemKind, Wanted};
use crate::cloud::reception::Reception;
use crate::host::{Host, HostError};
use crate::identity::{Book, revision};
use crate::paths::Paths;
use crate::record::LabRecord;
use crate::service::Backing;
use crate::store::{Store, StoreError};

/// How often a lab is looked for anew when others let go of it.
const TRIES: usize = 100;

/// How long a daemon that ends waits for what it still removes; whoever ended it waits for it.
const FINISH: Duration = Duration::from_secs(3);

/// The labs of this user.
pub struct Labs {
    paths: Paths,
    store: Store,
    labs: Mutex<BTreeMap<String, Arc<Lab>>>,
    /// Who removes files of labs that are gone.
    removing: Mutex<Vec<JoinHandle<()>>>,
    notice: Option<String>,
    reception: Arc<Reception>,
}

/// A lab; what is shown of it can be read while it changes.
struct Lab {
    host: Mutex<Host>,
    shown: Mutex<Arc<LabView>>,
    book: Arc<Book>,
}

impl Lab {
    fn new(host: Host) -> Lab {
        let (shown, book) = (Mutex::new(Arc::new(view(&host))), host.book());
        Lab { host: Mutex::new(host), shown, book }
    }

    /// The lab as it is, or, while a request changes it, as it was before.
    fn shown(&self) -> Arc<LabView> {
        if let Ok(mut host) = self.host.try_lock() {
            host.notice_death();
            self.show(&host);
        }
        lock(&self.shown).clone()
    }

    fn show(&self, host: &Host) {
        *lock(&self.shown) = Arc::new(view(host));
    }
}

impl Labs {
    /// Reads the records and takes hold of the labs that live.
    pub fn open(paths: Paths) -> Result<Labs, Problem> {
        let opened = crate::store::put_aside_if_damaged(&paths.store()).and_then(|()| Store::open(&paths.store()));
        let (store, notice) = match opened {
            Ok(store) => (store, None),
            // What could not be read was put aside: begin with nothing, and say so.
            Err(error @ StoreError::Damaged { .. }) => (Store::open(&paths.store())?, Some(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let mut labs = BTreeMap::new();
        let reception = Arc::default();
        for record in store.labs()? {
            let name = record.name.clone();
            if record.is_new() {
                // It was being brought up for the first time when the daemon died: nobody was told that there is one.
                store.remove(&name)?;
                continue;
            }
            let recorded = record.clone();
            let mut host = Host::new(record, backing(&paths, &name, &reception));
            if let Err(error) = host.attach(&paths) {
                // The others can be served; this one says why when it is asked for.
                sandbox::say!("lab {name}: {error}");
            } else if host.record != recorded {
                // What was set right is known to the next daemon too; where the disk is full it sets it right again.
                let _ = store.put(&host.record).inspect_err(|error| sandbox::say!("lab {name}: {error}"));
            }
            labs.insert(name, Arc::new(Lab::new(host)));
        }
        // A holder without a record is nobody's: its lab was never announced, or its record was damaged.
        let orphans = paths.holders().into_iter().filter(|name| !labs.contains_key(name));
        let ended: Vec<String> = orphans.filter(|name| Host::end_orphan(&paths, name)).collect();
        // What is on disk of a lab that was taken down, or never announced, by a daemon that died. Where records were lost,
        // only their user can tell whose files these are.
        for name in paths.left().into_iter().filter(|name| notice.is_none() && !labs.contains_key(name)) {
            let _ = paths.set_aside(&name, true).inspect_err(|error| sandbox::say!("lab {name}: {error}"));
        }
        let notice = match ended.as_slice() {
            [] => notice,
            ended => notice.map(|notice| format!("{notice}; what still ran of it was ended: {}", ended.join(", "))),
        };
        let labs = Labs { paths, store, labs: Mutex::new(labs), removing: Mutex::default(), notice, reception };
        labs.paths.aside().into_iter().for_each(|folder| labs.remove(folder));
        Ok(labs)
    }

    /// Has a folder removed while others are served: there may be much in it.
    fn remove(&self, folder: PathBuf) {
        let remove = move || {
            let removed = sandbox::SelfCommand::current().and_then(|command| sandbox::remove_tree(&folder, &command));
            // The next daemon tries again.
            let _ = removed.inspect_err(|error| sandbox::say!("{error}"));
        };
        let mut removing = lock(&self.removing);
        removing.retain(|thread| !thread.is_finished());
        removing.push(std::thread::spawn(remove));
    }

    /// Has the files of a lab that is gone removed; whether there are any. Nothing of that name finds them any more.
    fn remove_files(&self, name: &str, volumes: bool) -> Result<bool, Problem> {
        let failed = |error| Problem::new(ProblemKind::Failed, format!("removing the files of lab {name}: {error}"));
        let aside = self.paths.set_aside(name, !volumes).map_err(failed)?;
        Ok(aside.map(|folder| self.remove(folder)).is_some())
    }

    /// Waits a while for what is being removed. What is left then, the next daemon removes.
    pub fn finish(&self) {
        let begun = Instant::now();
        while lock(&self.removing).iter().any(|thread| !thread.is_finished()) && begun.elapsed() < FINISH {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where things are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Where clients of AWS inside labs are taken in.
    pub fn reception(&self) -> &Reception {
        &self.reception
    }

    /// The identities of a lab. Errors: there is no such lab.
    pub fn book(&self, name: &str) -> Result<Arc<Book>, Problem> {
        Ok(self.find(name)?.book.clone())
    }

    /// The identities of a lab's own account.
    pub fn identities(&self, name: &str) -> Result<Identities, Problem> {
        let (lab, id) = (self.find(name)?, self.view(name)?.model.account_id);
        let accounts = lab.book.accounts().map_err(|why| Problem::new(ProblemKind::Failed, why))?;
        let account = accounts.get(&id).cloned().unwrap_or_else(|| iam::Account::new(id));
        Ok(Identities { revision: revision(&account), account })
    }

    /// Makes the identities of a lab's own account what is wanted. Errors: they are others by now; the disk.
    pub fn identify(&self, name: &str, wanted: Identities) -> Result<Identities, Problem> {
        let (lab, id) = (self.find(name)?, self.view(name)?.model.account_id);
        if wanted.account.id != id {
            return Err(Problem::new(ProblemKind::BadRequest, format!("the account of lab {name} is {id}, not {}", wanted.account.id)));
        }
        let failed = |why: String| Problem::new(ProblemKind::Failed, format!("the identities of lab {name}: {why}"));
        let mut turn = lab.book.turn().map_err(failed)?;
        let known = turn.accounts.entry(id.clone()).or_insert_with(|| iam::Account::new(id));
        if revision(known) != wanted.revision {
            return Err(conflict(name));
        }
        known.clone_from(&wanted.account);
        turn.keep().map_err(failed)?;
        Ok(Identities { revision: revision(&wanted.account), account: wanted.account })
    }

    /// What went wrong at the start and must be known.
    pub fn notice(&self) -> Option<String> {
        self.notice.clone()
    }

    /// Moves clocks; whether a lab is up.
    pub fn tick(&self) -> bool {
        let labs: Vec<Arc<Lab>> = lock(&self.labs).values().cloned().collect();
        labs.iter().fold(false, |needed, lab| match lab.host.try_lock() {
            Ok(mut host) => {
                host.tick();
                needed | host.is_up()
            }
            Err(_) => true,
        })
    }

    /// All labs as they were shown last; nothing is looked at.
    pub fn known(&self) -> Vec<Arc<LabView>> {
        lock(&self.labs).values().map(|lab| lock(&lab.shown).clone()).collect()
    }

    /// A lab as it was shown last; nothing is looked at.
    pub fn last(&self, name: &str) -> Option<Arc<LabView>> {
        let lab = lock(&self.labs).get(name).cloned()?;
        let view = lock(&lab.shown).clone();
        Some(view)
    }

    /// All labs by name.
    pub fn list(&self) -> Result<Vec<LabSummary>, Problem> {
        let labs: Vec<Arc<Lab>> = lock(&self.labs).values().cloned().collect();
        Ok(labs.iter().map(|lab| lab.shown()).filter(|view| is_announced(view)).map(|view| summary(&view)).collect())
    }

    /// One lab.
    pub fn view(&self, name: &str) -> Result<LabView, Problem> {
        let view = self.find(name)?.shown();
        if !is_announced(&view) {
            return Err(unknown(name, &[]));
        }
        Ok(LabView::clone(&view))
    }

    /// Makes a lab what is wanted, up. On failure it is what it was.
    pub fn bring(&self, name: &str, wanted: Wanted) -> Result<Applied, Problem> {
        check_name(name)?;
        let lab = self.find_or_new(name, &wanted);
        self.changing(name, &lab, |host| {
            let is_new = host.record.is_new();
            let base = (!is_new).then_some(host.record.model.generation);
            if base != wanted.base_generation {
                return Err(conflict(name));
            }
            if is_new && self.paths.has_left(name) {
                // Of one that was lost with its record: its instances are other ones.
                self.remove_files(name, false)?;
                lab.book.forget();
            }
            let before = host.record.clone();
            // A daemon that dies now leaves the mark, and the next one sets things right.
            host.record.is_changing = true;
            if let Err(error) = self.store.put(&host.record) {
                host.record.is_changing = false;
                return Err(error.into());
            }
            let changed = host.apply(&self.paths, &wanted.model);
            host.record.is_changing = false;
            if let Err(error) = changed {
                if is_new {
                    // Its log says why.
                    let _ = self.paths.remove_disks(name).inspect_err(|error| sandbox::say!("lab {name}: {error}"));
                }
                if is_new { self.store.remove(name) } else { self.store.put(&host.record) }?;
                return Err(error.into());
            }
            (host.record.file, host.record.claims, host.record.rights) = (wanted.file, wanted.claims, wanted.rights);
            if let Err(error) = self.store.put(&host.record) {
                // What cannot be kept must not run: the answer is no, and the lab is what the disk says.
                host.revert(&self.paths, before);
                return Err(error.into());
            }
            host.sweep_disks(&self.paths);
            Ok(Applied { generation: host.record.model.generation, notes: host.notes() })
        })
    }

    /// Ends a lab and forgets it; with `volumes` those too that have names.
    pub fn take_down(&self, name: &str, volumes: bool) -> Result<Gone, Problem> {
        check_name(name)?;
        for _ in 0..TRIES {
            match self.take_down_once(name, volumes) {
                Err(problem) if problem.kind == ProblemKind::Conflict => {}
                result => return result,
            }
        }
        Err(conflict(name))
    }

    /// A conflict: another request let go of the lab while this one waited. What is there now counts.
    fn take_down_once(&self, name: &str, volumes: bool) -> Result<Gone, Problem> {
        let Ok(lab) = self.find(name) else {
            // A lab whose record was lost is ended all the same: its holder listens in this user's folder.
            let had_holder = Host::end_orphan(&self.paths, name);
            let had_files = (volumes || self.paths.has_left(name)) && self.remove_files(name, volumes)?;
            return Ok(Gone { existed: had_holder || had_files, instances: 0 });
        };
        self.changing(name, &lab, |host| {
            let instances = summary(&view(host)).instances;
            host.shut_down(&self.paths);
            sandbox::abort::point("the end of a lab's holder");
            // Before the record: an instance may have filled the disk that the record is on.
            self.remove_files(name, volumes)?;
            if self.store.remove(name).is_err() {
                self.finish();
                self.store.remove(name)?;
            }
            host.record.forget();
            lab.book.forget();
            Ok(Gone { existed: true, instances })
        })
    }

    /// Sends probes.
    pub fn probe(&self, name: &str, probes: &Probes) -> Result<Answers, Problem> {
        let lab = self.find(name)?;
        let mut host = lock(&lab.host);
        if !host.attach(&self.paths)? {
            return Err(down(name));
        }
        if host.record.model.generation != probes.generation {
            return Err(conflict(name));
        }
        let answers = fabric::Engine::probe_all(host.engine()?, &probes.requests);
        Ok(Answers { answers: answers.into_iter().map(|answer| answer.map_err(|e| e.to_string())).collect() })
    }

    /// Changes a lab, and lets go of it when nothing of it is left.
    fn changing<T>(&self, name: &str, lab: &Arc<Lab>, change: impl FnOnce(&mut Host) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut host = lock(&lab.host);
        if !lock(&self.labs).get(name).is_some_and(|known| Arc::ptr_eq(known, lab)) {
            // Its last user let go of it while this request waited.
            return Err(conflict(name));
        }
        let result = change(&mut host);
        if host.record.is_new() {
            lock(&self.labs).remove(name);
        }
        lab.show(&host);
        result
    }

    fn find(&self, name: &str) -> Result<Arc<Lab>, Problem> {
        let labs = lock(&self.labs);
        labs.get(name).cloned().ok_or_else(|| unknown(name, &labs.keys().map(String::as_str).collect::<Vec<_>>()))
    }

    fn find_or_new(&self, name: &str, wanted: &Wanted) -> Arc<Lab> {
        let new = || {
            let nothing = model::Model::new(
                &wanted.model.account_id,
                wanted.model.region.clone(),
                model::Context::seeded(0, wanted.model.context.now),
            );
            let record = LabRecord::new(name, nothing, crate::host::now());
            Arc::new(Lab::new(Host::new(record, backing(&self.paths, name, &self.reception))))
        };
        lock(&self.labs).entry(name.to_owned()).or_insert_with(new).clone()
    }
}

/// A thread that panicked with the lock left a host whose record is on disk; what is in memory is checked on use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the services of a lab have beside its model.
fn backing(paths: &Paths, name: &str, reception: &Arc<Reception>) -> Arc<Backing> {
    let book = Arc::new(Book::at(paths.logs(name).join("accounts")));
    Arc::new(Backing { lab: name.to_owned(), book, reception: reception.clone() })
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
    }
}

fn summary(view: &LabView) -> LabSummary {
    let alive = view.model.instances.values().filter(|i| i.state != InstanceState::Terminated);
    LabSummary {
        name: view.name.clone(),
        is_up: view.is_up,
        file: view.file.clone(),
        created: view.created,
        vpcs: view.model.vpcs.len(),
        subnets: view.model.subnets.len(),
        instances: alive.count(),
    }
}

/// Not while it is brought up for the first time: until that is done there is no lab that others could begin from.
fn is_announced(view: &LabView) -> bool {
    view.is_up || view.model.generation > 0
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let hint = if known.is_empty() { "vpclab up brings one up".to_owned() } else { format!("there are: {}", known.join(", ")) };
    Problem::new(ProblemKind::NotFound, format!("there is no lab {name}")).hint(hint)
}

fn conflict(name: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, format!("lab {name} was changed by another command meanwhile"))
}

fn down(name: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("lab {name} is down")).hint("vpclab up brings it up again")
}

/// Names become file names: letters, digits, `-`, `_` and `.`, not first a sign, at most 63.
fn check_name(name: &str) -> Result<(), Problem> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    // The daemon's own socket lies beside those of the labs.
    if first && name.len() <= 63 && name.chars().all(sound) && name != crate::paths::RESERVED {
        return Ok(());
    }
    let problem = Problem::new(ProblemKind::BadRequest, format!("`{name}` cannot be the name of a lab"));
    Err(problem.hint("letters, digits, `-`, `_` and `.`, at most 63, not `daemon`; `name:` in the file gives another"))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Problem::new(ProblemKind::Failed, error.to_string())
    }
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Environment { missing, fix } => Problem::new(ProblemKind::Environment, missing).hint(fix),
            HostError::Failed(why) => Problem::new(ProblemKind::Failed, why),
            HostError::Down(name) => down(&name),
        }
    }
}
