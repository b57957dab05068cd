//! All labs of a user: their records on disk and their hosts, each changed by one request at a time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{InstanceState, Model};

use super::follow::Behind;
use super::gate::Pass;
use super::lab::{self, Lab, lock};
use crate::api::{Answers, Applied, FlowLogsView, Gone, Identities, LabSummary, LabView, Probes, Problem, ProblemKind, Wanted};
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
    behind: Behind,
    /// How long the kernel took to follow the last time, microseconds.
    following: AtomicU64,
    reception: Arc<Reception>,
}

/// The right to change what a lab shows.
pub struct Entered {
    lab: Arc<Lab>,
    pass: Pass,
}

impl Entered {
    /// Whether somebody else waits for the right.
    pub fn is_awaited(&self) -> bool {
        self.pass.is_awaited()
    }

    /// What is shown.
    pub fn view(&self) -> Arc<LabView> {
        self.lab.last()
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
        let mut books: BTreeMap<String, Arc<Book>> = BTreeMap::new();
        let reception = Arc::default();
        for record in store.labs()? {
            let name = record.name.clone();
            if record.is_new() {
                // It was being brought up for the first time when the daemon died: nobody was told that there is one.
                store.remove(&name)?;
                continue;
            }
            let recorded = record.clone();
            // Parts share the identities of the whole.
            let whole = record.part_of.clone().unwrap_or_else(|| name.clone());
            let book = books.entry(whole).or_insert_with_key(|whole| Arc::new(Book::at(paths.accounts(whole)))).clone();
            let mut host = Host::new(record, backing(&name, book, &reception));
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
        let (labs, removing, behind) = (Mutex::new(labs), Mutex::default(), Behind::default());
        let labs = Labs { paths, store, labs, removing, notice, behind, following: AtomicU64::new(0), reception };
        labs.take_orphans_down();
        crate::cloud::replay(&labs);
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
        Ok(self.find(name)?.book())
    }

    /// The identities of a lab's own account.
    pub fn identities(&self, name: &str) -> Result<Identities, Problem> {
        let (lab, id) = (self.find(name)?, self.view(name)?.model.account_id);
        let accounts = lab.book().accounts().map_err(|why| Problem::new(ProblemKind::Failed, why))?;
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
        let book = lab.book();
        let mut turn = book.turn().map_err(failed)?;
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
        labs.iter().fold(false, |needed, lab| match lab.try_host() {
            Some(mut host) => {
                host.tick(&self.paths);
                needed | host.is_up()
            }
            None => true,
        })
    }

    /// All labs as they were shown last; nothing is looked at.
    pub fn known(&self) -> Vec<Arc<LabView>> {
        lock(&self.labs).values().map(|lab| lab.last()).collect()
    }

    /// A lab as it was shown last; nothing is looked at.
    pub fn last(&self, name: &str) -> Option<Arc<LabView>> {
        lock(&self.labs).get(name).map(|lab| lab.last())
    }

    /// The generation of a lab that is on record; 0 where nothing is.
    pub fn held(&self, name: &str) -> u64 {
        lock(&self.labs).get(name).map_or(0, |lab| lab.held())
    }

    /// Waits for the right to change what a lab shows; `None`: there is no such lab.
    pub fn enter(&self, name: &str) -> Option<Entered> {
        let lab = lock(&self.labs).get(name).cloned()?;
        let pass = lab.pass();
        // Its last user may have let go of it while this one waited.
        let is_there = lock(&self.labs).get(name).is_some_and(|known| Arc::ptr_eq(known, &lab));
        is_there.then_some(Entered { lab, pass })
    }

    /// Shows a cloud that is kept on disk, and has the kernel follow.
    pub fn commit(&self, entered: &Entered, model: Model) {
        let name = entered.lab.last().name.clone();
        entered.lab.commit(model);
        self.behind.note(&name);
    }

    /// Adds what is to be part of another lab; nothing of it is up, and nothing on record. The one that is there, if there is one.
    pub fn add_part(&self, name: &str, part_of: &str, nothing: Model) {
        let record = LabRecord { part_of: Some(part_of.to_owned()), ..LabRecord::new(name, nothing, crate::host::now()) };
        let Ok(book) = self.book(part_of) else { return };
        let host = Host::new(record, backing(name, book, &self.reception));
        lock(&self.labs).entry(name.to_owned()).or_insert_with(|| Arc::new(Lab::new(host)));
    }

    /// Has the kernel do what was answered, once labs rest; waits for that, `patience` at most where nothing was. Whether there was anything.
    pub fn follow(&self, patience: Duration) -> bool {
        let took = Duration::from_micros(self.following.load(Ordering::Relaxed));
        let due = self.behind.take(patience, took);
        let begun = Instant::now();
        for name in &due {
            let lab = lock(&self.labs).get(name).cloned();
            // Refusals are in the log, and said to whoever sends packets.
            let _ = lab.map(|lab| self.catch_up(&lab));
        }
        if !due.is_empty() {
            self.following.store(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        !due.is_empty()
    }

    /// Ends parts of labs that are gone: their daemon died between the two.
    fn take_orphans_down(&self) {
        let known = self.known();
        let is_there = |name: &str| known.iter().any(|lab| lab.name == name);
        for lab in known.iter().filter(|lab| lab.part_of.as_deref().is_some_and(|of| !is_there(of))) {
            let _ = self.take_down(&lab.name, true).inspect_err(|error| sandbox::say!("lab {}: {error}", lab.name));
        }
    }

    /// All labs by name.
    pub fn list(&self) -> Result<Vec<LabSummary>, Problem> {
        let labs: Vec<Arc<Lab>> = lock(&self.labs).values().cloned().collect();
        Ok(labs.iter().map(|lab| lab.shown()).filter(|view| is_announced(view)).map(|view| summary(&view)).collect())
    }

    /// One lab, once the kernel does what it says.
    pub fn view(&self, name: &str) -> Result<LabView, Problem> {
        let lab = self.find(name)?;
        if lab.is_behind() && !lab.is_refused() {
            // Refusals are in the log, and said to whoever sends packets.
            let _ = self.catch_up(&lab);
        }
        let view = lab.shown();
        if !is_announced(&view) {
            return Err(unknown(name, &[]));
        }
        Ok(LabView::clone(&view))
    }

    /// Makes a lab what is wanted, up. On failure it is what it was.
    pub fn bring(&self, name: &str, wanted: Wanted) -> Result<Applied, Problem> {
        if self.last(name).is_none() {
            check_name(name)?;
        }
        let lab = self.find_or_new(name, &wanted);
        self.changing(name, &lab, |host| {
            let is_new = host.record.is_new();
            let base = (!is_new).then(|| lab.last().model.generation);
            if base != wanted.base_generation {
                return Err(conflict(name));
            }
            if is_new && self.paths.has_left(name) {
                // Of one that was lost with its record: its instances are other ones.
                self.remove_files(name, false)?;
                lab.book().forget();
            }
            let before = (host.record.file.clone(), host.record.claims.clone(), host.record.rights.clone());
            (host.record.file, host.record.claims, host.record.rights) = (wanted.file, wanted.claims, wanted.rights);
            let mut model = wanted.model;
            if model.context.now > crate::host::now() {
                // Commands have the clock go ahead, so that all they did is done.
                model::settle::finish_all(&mut model, crate::host::now());
            }
            if let Err(problem) = lab::bring(host, &self.paths, &self.store, &model) {
                (host.record.file, host.record.claims, host.record.rights) = before;
                return Err(problem);
            }
            Ok(Applied { generation: host.record.model.generation, notes: host.notes() })
        })
    }

    /// Ends a lab and forgets it; with `volumes` those too that have names.
    pub fn take_down(&self, name: &str, volumes: bool) -> Result<Gone, Problem> {
        if self.last(name).is_none() {
            check_name(name)?;
        }
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
        let known = self.known();
        if let Some(whole) = known.iter().find(|lab| lab.name == name).and_then(|lab| lab.part_of.as_ref())
            && known.iter().any(|lab| lab.name == *whole)
        {
            let problem = Problem::new(ProblemKind::BadRequest, format!("{name} is a part of lab {whole}, and goes with it"));
            return Err(problem.hint(format!("vpclab down {whole}")));
        }
        let Ok(lab) = self.find(name) else {
            // A lab whose record was lost is ended all the same: its holder listens in this user's folder.
            let had_holder = Host::end_orphan(&self.paths, name);
            let had_files = (volumes || self.paths.has_left(name)) && self.remove_files(name, volumes)?;
            return Ok(Gone { existed: had_holder || had_files, instances: 0, devices: 0 });
        };
        let gone = self.changing(name, &lab, |host| {
            let LabSummary { instances, devices, .. } = summary(&lab.last());
            host.shut_down(&self.paths);
            sandbox::abort::point("the end of a lab's holder");
            // Before the record: an instance may have filled the disk that the record is on.
            self.remove_files(name, volumes)?;
            if self.store.remove(name).is_err() {
                self.finish();
                self.store.remove(name)?;
            }
            let is_whole = host.record.part_of.is_none();
            host.record.forget();
            if is_whole {
                lab.book().forget();
            }
            Ok(Gone { existed: true, instances, devices })
        })?;
        // Its parts go after it: where this is cut short, the next daemon finds parts of nothing.
        let mut instances = gone.instances;
        for part in self.known().iter().filter(|part| part.part_of.as_deref() == Some(name)) {
            instances += self.take_down(&part.name, volumes)?.instances;
        }
        Ok(Gone { instances, ..gone })
    }

    /// Sends probes.
    pub fn probe(&self, name: &str, probes: &Probes) -> Result<Answers, Problem> {
        let lab = self.find(name)?;
        if let Some(refused) = lab.refusal() {
            return Err(Problem { kind: ProblemKind::Failed, message: format!("lab {name}: {}", refused.sentence()), hint: refused.hint });
        }
        self.catch_up(&lab)?;
        let mut host = lab.host();
        if !host.attach(&self.paths)? {
            return Err(down(name));
        }
        if host.record.model.generation != probes.generation {
            return Err(conflict(name));
        }
        let answers = fabric::Engine::probe_all(host.engine()?, &probes.requests);
        Ok(Answers { answers: answers.into_iter().map(|answer| answer.map_err(|e| e.to_string())).collect() })
    }

    /// Has what passed until now counted for flow logs, and says where records are.
    pub fn flow_logs(&self, name: &str) -> Result<FlowLogsView, Problem> {
        let lab = self.find(name)?;
        self.catch_up(&lab)?;
        let mut host = lab.host();
        if !host.attach(&self.paths)? {
            return Err(down(name));
        }
        host.record_flows(&self.paths);
        Ok(FlowLogsView { folder: self.paths.flow_logs(name), open: host.open_windows() })
    }

    /// Changes a lab, and lets go of it when nothing of it is left.
    fn changing<T>(&self, name: &str, lab: &Arc<Lab>, change: impl FnOnce(&mut Host) -> Result<T, Problem>) -> Result<T, Problem> {
        let _pass = lab.pass();
        let mut host = lab.host();
        if !lock(&self.labs).get(name).is_some_and(|known| Arc::ptr_eq(known, lab)) {
            // Its last user let go of it while this request waited.
            return Err(conflict(name));
        }
        let result = change(&mut host);
        if host.record.is_new() && host.record.part_of.is_none() {
            lock(&self.labs).remove(name);
        }
        match &result {
            Ok(_) => lab.show(&host),
            // What was answered before stays, whether the kernel has it yet or not.
            Err(_) => lab.note(&host),
        }
        result
    }

    /// A part comes up with what it is a part of; a lab that is down stays so.
    fn catch_up(&self, lab: &Lab) -> Result<(), Problem> {
        let whole = lab.last().part_of.as_ref().and_then(|whole| self.last(whole));
        lab.catch_up(&self.paths, &self.store, whole.is_some_and(|whole| whole.is_up))
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
            let book = Arc::new(Book::at(self.paths.accounts(name)));
            Arc::new(Lab::new(Host::new(record, backing(name, book, &self.reception))))
        };
        lock(&self.labs).entry(name.to_owned()).or_insert_with(new).clone()
    }
}

/// What the services of a lab have beside its model.
fn backing(name: &str, book: Arc<Book>, reception: &Arc<Reception>) -> Arc<Backing> {
    Arc::new(Backing { lab: name.to_owned(), book, reception: reception.clone() })
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
        devices: view.model.lans.values().map(|lan| lan.devices.len()).sum(),
        door_shut: None,
        part_of: view.part_of.clone(),
        refused: view.refused.clone(),
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
