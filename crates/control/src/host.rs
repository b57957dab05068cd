//! One running lab: its holder, engine, services, and what runs in its instances; kept equal to the record.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::engine::{Answer, EngineError, Request};
use linux::{Engine, Lab};
use model::{InstanceId, InstanceState, Model, Timestamp};
use sandbox::{Client, ExecSpec, HolderSpec, SelfCommand};

use crate::flow_log::{OpenWindow, Recorder};
use crate::instance;
use crate::paths::Paths;
use crate::record::LabRecord;
use crate::identity::Book;
use crate::service::{Backing, Services, Shared};
use crate::unseen;
use crate::volumes::Places;

/// Why a lab could not be brought to a state.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// This machine lacks something; the hint says what to type.
    #[error("{missing}")]
    Environment {
        /// What is missing.
        missing: String,
        /// The command that supplies it.
        fix: String,
    },
    /// The kernel or the holder refused.
    #[error("{0}")]
    Failed(String),
    /// The lab is not up.
    #[error("lab {0} is not up")]
    Down(String),
}

impl From<sandbox::Error> for HostError {
    fn from(error: sandbox::Error) -> Self {
        match error {
            sandbox::Error::Environment { missing, fix } => Self::Environment { missing, fix },
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<linux::Error> for HostError {
    fn from(error: linux::Error) -> Self {
        match error {
            linux::Error::Sandbox(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<EngineError> for HostError {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A lab and, while it is up, what holds it.
pub struct Host {
    /// What is kept of it.
    pub record: LabRecord,
    backing: Arc<Backing>,
    up: Option<Up>,
    flow_logs: Option<Recorder>,
}

struct Up {
    engine: Engine,
    services: Option<Services>,
    listeners: Vec<instance::BuiltIn>,
    clock: Clock,
}

/// The lab's present: it begins where the model's clock stands and runs with the machine's.
struct Clock {
    base: Timestamp,
    since: Instant,
}

impl Clock {
    fn at(base: Timestamp) -> Clock {
        Clock { base, since: Instant::now() }
    }

    fn now(&self) -> Timestamp {
        self.base.plus(self.since.elapsed().as_secs())
    }
}

impl Host {
    /// A lab as recorded; nothing is started or looked for yet.
    pub fn new(record: LabRecord, backing: Arc<Backing>) -> Host {
        Host { record, backing, up: None, flow_logs: None }
    }

    /// The lab's identities.
    pub fn book(&self) -> Arc<Book> {
        self.backing.book.clone()
    }

    /// Takes hold of the lab's holder when it lives, after a restart of this process. False: the lab is down.
    pub fn attach(&mut self, paths: &Paths) -> Result<bool, HostError> {
        if self.up.is_some() {
            return Ok(true);
        }
        let client = match Client::connect(&paths.holder_socket(&self.record.name)) {
            Ok(client) => client,
            Err(sandbox::Error::NotRunning { .. }) => {
                // The machine was restarted, or somebody ended the holder: the lab is down, its record stays.
                self.record.note_down();
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(applied) = self.record.applied.clone().map(Arc::new) else {
            // It was being brought up when the daemon died; nobody was told that it is.
            end(client, &paths.holder_socket(&self.record.name));
            self.record.note_down();
            return Ok(false);
        };
        let fabric = Arc::new(Fabric::compile(&applied));
        let lab = if self.record.is_changing {
            let (disks, volumes) = (paths.disks(&self.record.name), paths.volumes(&self.record.name));
            let specs = instance::specs(&applied, &fabric, &program(), Places { disks: &disks, volumes: &volumes });
            Lab::recover(client, linux::runtime::lab::options(), &fabric, &applied.lans, &specs)?
        } else {
            Lab::attach(client, linux::runtime::lab::options(), fabric.clone(), &applied.lans)?
        };
        let listeners = if self.record.listeners.is_some() { instance::listeners(&applied, &fabric) } else { Vec::new() };
        let mut up = Up { engine: Engine::new(lab), services: None, listeners, clock: Clock::at(applied.context.now) };
        up.engine.observe(&applied)?;
        up.serve(&applied, &fabric, &self.backing)?;
        self.up = Some(up);
        if self.record.is_changing {
            if let Err(error) = self.resume(paths, &fabric) {
                // Not taken hold of: whoever asks next tries again.
                self.up = None;
                return Err(error);
            }
            self.record.is_changing = false;
        }
        // A daemon that died may not have come to it.
        self.sweep_disks(paths);
        Ok(true)
    }

    /// What runs after a change that was cut short. Which processes it started and ended nobody wrote down: the holder
    /// knows them.
    fn resume(&mut self, paths: &Paths, fabric: &Fabric) -> Result<(), HostError> {
        let Some(up) = self.up.as_mut() else { return Ok(()) };
        let client = up.engine.lab().client();
        for process in client.list_processes()?.into_iter().filter(|process| process.status.is_none()) {
            if process.argv.get(1).is_some_and(|word| word == LISTEN) {
                end_process(client, process.process);
                continue;
            }
            let [_, _, line, mark] = process.argv.as_slice() else { continue };
            if mark != RUN {
                continue;
            }
            let of = |row: &&fabric::Instance| linux::naming::instance_namespace(&row.id) == process.key;
            let Some(row) = fabric.instances.values().find(of) else { continue };
            let running = self.record.running.entry(row.id.clone()).or_default();
            if running.commands.iter().any(|(_, known)| *known == process.process) {
                continue;
            }
            let is_first = !running.commands.iter().any(|(known, _)| known == line);
            if is_first && row.guest.run.contains(line) {
                running.commands.push((line.clone(), process.process));
            } else {
                end_process(client, process.process);
            }
        }
        up.listeners.clear();
        self.record.listeners = None;
        self.run(paths, fabric)
    }

    /// Notices that the holder has died: everything in the lab with it.
    pub fn notice_death(&mut self) {
        let dead = |up: &mut Up| matches!(up.engine.lab().client().ping(), Err(sandbox::Error::Disconnected(_)));
        if self.up.as_mut().is_some_and(dead) {
            self.up = None;
            self.record.note_down();
        }
    }

    /// Moves the clocks of the services, and asks what passed for flow logs when it is time.
    pub fn tick(&mut self, paths: &Paths) {
        if let Some(up) = &self.up
            && let Some(services) = &up.services
        {
            services.set_now(up.clock.now());
        }
        if self.flow_logs.as_ref().is_none_or(Recorder::is_due) {
            self.record_flows(paths);
        }
    }

    /// Takes what the engine counted for flow logs, if there are any. What goes wrong is said and stops nothing.
    pub fn record_flows(&mut self, paths: &Paths) {
        let (Some(up), Some(applied)) = (self.up.as_mut(), &self.record.applied) else { return };
        if applied.flow_logs.is_empty() {
            return;
        }
        let recorder = self.flow_logs.get_or_insert_with(|| Recorder::open(paths.flow_logs(&self.record.name)));
        let fabric = up.engine.lab().fabric().clone();
        let taken = up.engine.take_flows().map_err(|error| error.to_string());
        let written = taken.and_then(|harvest| recorder.take(applied, &fabric, &harvest, now()).map_err(|error| error.to_string()));
        if let Err(error) = written {
            sandbox::say!("lab {}: flow logs: {error}", self.record.name);
        }
    }

    /// What the windows of flow logs hold that are not over.
    pub fn open_windows(&mut self) -> Vec<OpenWindow> {
        let (Some(up), Some(applied), Some(recorder)) = (self.up.as_mut(), &self.record.applied, &self.flow_logs) else {
            return Vec::new();
        };
        let fabric = up.engine.lab().fabric().clone();
        recorder.open_windows(applied, &fabric, now())
    }

    /// What of the lab this machine's kernel does not do, in sentences.
    pub fn notes(&mut self) -> Vec<String> {
        self.up.as_mut().map(|up| up.engine.lab().notes()).unwrap_or_default()
    }

    /// Back to an earlier record, and what runs with it.
    pub fn revert(&mut self, paths: &Paths, before: LabRecord) {
        let model = before.applied.clone();
        let same_holder = model.is_some() && self.up.is_some();
        if let Some(model) = model.filter(|_| same_holder) {
            if self.apply(paths, &model).is_ok() {
                (self.record.file, self.record.claims, self.record.rights) = (before.file, before.claims, before.rights);
                return;
            }
        }
        self.shut_down(paths);
        self.record = before;
        self.record.note_down();
    }

    /// Ends the holder of a lab that has no record; whether there was one.
    pub fn end_orphan(paths: &Paths, lab: &str) -> bool {
        let socket = paths.holder_socket(lab);
        Client::connect(&socket).map(|client| end(client, &socket)).is_ok()
    }

    /// Whether the lab is up.
    pub fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Brings the lab to `model`: up when it was down. On failure the lab is what it was, or down when it was down.
    pub fn apply(&mut self, paths: &Paths, model: &Model) -> Result<(), HostError> {
        self.notice_death();
        let fresh = !self.attach(paths)?;
        if fresh {
            // A holder whose record was lost would answer in the new one's place.
            Host::end_orphan(paths, &self.record.name);
        }
        let result = self.apply_to(paths, model);
        if let Err(error) = result {
            if fresh {
                self.shut_down(paths);
            } else if let Some(before) = self.record.applied.clone() {
                // Half of a change is worse than none: the old state is made anew.
                self.shut_down(paths);
                let _ = self.apply_to(paths, &before);
            }
            return Err(error);
        }
        Ok(())
    }

    /// Whether the lab is up and its kernel has nothing to do for `model`.
    pub fn is_unseen(&self, model: &Model) -> bool {
        self.up.is_some() && self.record.applied.as_ref().is_some_and(|applied| unseen::is_unseen(applied, model))
    }

    /// What is said of the lab is `model`, of which the kernel sees nothing; what runs stays.
    pub fn note_unseen(&mut self, model: &Model) -> Result<(), HostError> {
        let Some(up) = self.up.as_mut() else { return Err(HostError::Down(self.record.name.clone())) };
        let (shared, fabric) = (Arc::new(model.clone()), up.engine.lab().fabric().clone());
        up.clock = Clock::at(up.clock.now().max(model.context.now));
        up.engine.note(&shared);
        up.serve(&shared, &fabric, &self.backing)?;
        self.record.model = model.clone();
        self.record.applied = Some(model.clone());
        Ok(())
    }

    fn apply_to(&mut self, paths: &Paths, model: &Model) -> Result<(), HostError> {
        if self.up.is_none() {
            let spec = HolderSpec {
                socket: paths.holder_socket(&self.record.name),
                lab_name: self.record.name.clone(),
                log: paths.holder_log(&self.record.name),
                command: SelfCommand::current()?,
            };
            paths.make(&self.record.name).map_err(|e| HostError::Failed(format!("making {}: {e}", paths.home.display())))?;
            let launched = match sandbox::launch(&spec) {
                // A daemon that was killed had begun to start it.
                Err(sandbox::Error::AlreadyRunning { .. }) => {
                    Host::end_orphan(paths, &self.record.name);
                    sandbox::launch(&spec)
                }
                launched => launched,
            };
            let client = launched?.client()?;
            let engine = Engine::new(Lab::empty(client, linux::runtime::lab::options()));
            self.up = Some(Up { engine, services: None, listeners: Vec::new(), clock: Clock::at(model.context.now) });
            if !model.flow_logs.is_empty() {
                let recorder = self.flow_logs.insert(Recorder::open(paths.flow_logs(&self.record.name)));
                recorder.resume(model, now());
            }
        }
        // A change may take away what counts, and the interfaces that it speaks of.
        self.record_flows(paths);
        let Some(up) = self.up.as_mut() else { return Err(HostError::Down(self.record.name.clone())) };
        let shared = Arc::new(model.clone());
        let fabric = Arc::new(Fabric::compile(model));
        let (disks, volumes) = (paths.disks(&self.record.name), paths.volumes(&self.record.name));
        let places = Places { disks: &disks, volumes: &volumes };
        let specs = instance::specs(model, &fabric, &program(), places);
        let before = self.record.applied.as_ref();
        up.clock = Clock::at(up.clock.now().max(model.context.now));
        let rebooting = rebooting(before, model);
        if !rebooting.is_empty() {
            // What is not running and should be is started below; its network stays.
            up.engine.lab().client().stop_instances(&rebooting, Duration::ZERO)?;
        }
        places.settle(up.engine.lab().client(), &self.record.name, before, model);
        up.engine.lab().apply_all(&fabric, &model.lans, &specs)?;
        places.show(up.engine.lab().client(), before, model)?;
        up.engine.observe(&shared)?;
        up.serve(&shared, &fabric, &self.backing)?;
        self.record.model = model.clone();
        self.record.applied = Some(model.clone());
        self.run(paths, &fabric)
    }

    /// Instances that are no more leave no files. Called once that they are no more is on record.
    pub fn sweep_disks(&mut self, paths: &Paths) {
        let Some(up) = self.up.as_mut() else { return };
        let alive = self.record.model.instances.values().filter(|i| i.state != InstanceState::Terminated);
        let devices = instance::device_disks(&self.record.model);
        let keep = alive.map(|instance| instance.id.as_str().to_owned()).chain(devices).collect();
        let (disks, volumes) = (paths.disks(&self.record.name), paths.volumes(&self.record.name));
        let stays = Places { disks: &disks, volumes: &volumes }.kept(&self.record.model);
        // A console is read as long as its instance is seen.
        paths.sweep_instance_logs(&self.record.name, |id| self.record.model.instances.contains_key(id));
        for (folder, keep) in [(&disks, keep), (&volumes, stays)] {
            if let Err(error) = up.engine.lab().client().retain_disks(folder, keep) {
                // The next change tries again, and `down` removes them in any case.
                sandbox::say!("lab {}: {error}", self.record.name);
            }
        }
    }

    /// Starts what should run and does not: built-in listeners, user data at the first boot, `run:` lines.
    fn run(&mut self, paths: &Paths, fabric: &Fabric) -> Result<(), HostError> {
        let Some(up) = self.up.as_mut() else { return Ok(()) };
        let wanted = instance::listeners(&self.record.model, fabric);
        if wanted != up.listeners {
            let old = self.record.listeners.take();
            self.record.listeners = up.listen(&wanted, old)?;
            up.listeners = wanted;
        }
        let client = up.engine.lab().client();
        let live: Vec<u64> =
            client.list_processes()?.into_iter().filter(|p| p.status.is_none()).map(|p| p.process).collect();
        self.record.running.retain(|id, _| fabric.instances.values().any(|i| i.id == *id));
        for row in fabric.instances.values().filter(|i| i.state == InstanceState::Running) {
            let key = linux::naming::instance_namespace(&row.id);
            let log = paths.instance_log(&self.record.name, &row.id);
            let running = self.record.running.entry(row.id.clone()).or_default();
            let data = self.record.model.instances.get(&row.id).and_then(|i| i.user_data.as_deref());
            if !std::mem::replace(&mut running.booted, true)
                && let Some(script) = data.filter(|data| data.starts_with(b"#!"))
            {
                client.spawn(&key, boot(&row.id, script), &log)?;
            }
            for (_, process) in running.commands.iter().filter(|(line, _)| !row.guest.run.contains(line)) {
                // The file has this line no more; what it started would hold its ports and be started twice when it comes back.
                end_process(client, *process);
            }
            running.commands.retain(|(line, process)| row.guest.run.contains(line) && live.contains(process));
            for line in &row.guest.run {
                if !running.commands.iter().any(|(running, _)| running == line) {
                    let process = client.spawn(&key, ExecSpec::new(["sh", "-c", line.as_str(), RUN]), &log)?;
                    running.commands.push((line.clone(), process.id));
                }
            }
        }
        Ok(())
    }

    /// Takes the lab down: everything in it ends. The record's model stays.
    pub fn shut_down(&mut self, paths: &Paths) {
        self.record_flows(paths);
        (self.up, self.flow_logs) = (None, None);
        Host::end_orphan(paths, &self.record.name);
        self.record.note_down();
    }

    /// Sends a probe.
    pub fn probe(&mut self, request: &Request) -> Result<Answer, HostError> {
        let name = self.record.name.clone();
        let up = self.up.as_mut().ok_or(HostError::Down(name))?;
        Ok(fabric::engine::Engine::probe(&mut up.engine, request)?)
    }

    /// The engine, while the lab is up.
    pub fn engine(&mut self) -> Result<&mut Engine, HostError> {
        let name = self.record.name.clone();
        self.up.as_mut().map(|up| &mut up.engine).ok_or(HostError::Down(name))
    }
}

impl Up {
    fn serve(&mut self, model: &Arc<Model>, fabric: &Arc<Fabric>, backing: &Arc<Backing>) -> Result<(), HostError> {
        let (now, backing) = (self.clock.now(), Some(backing.clone()));
        let shared = Shared { model: model.clone(), fabric: fabric.clone(), now, backing };
        Ok(Services::renew(&mut self.services, self.engine.lab().client(), shared)?)
    }

    /// Replaces the process that holds the built-in listeners.
    fn listen(&mut self, wanted: &[instance::BuiltIn], old: Option<u64>) -> Result<Option<u64>, HostError> {
        let client = self.engine.lab().client();
        if let Some(old) = old {
            end_process(client, old);
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let any = |built_in: &instance::BuiltIn, port: u16| match built_in.is_v6 {
            true => std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)),
            false => std::net::SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, port)),
        };
        let spec = |built_in: &instance::BuiltIn| match built_in.listener {
            model::Listener::Tcp(port) => sandbox::SocketSpec::tcp_listener(&built_in.namespace, any(built_in, port)),
            model::Listener::Udp(port) => sandbox::SocketSpec::udp(&built_in.namespace, any(built_in, port)),
        };
        let specs: Vec<_> = wanted.iter().map(|built_in| sandbox::SocketSpec { only_v6: built_in.is_v6, ..spec(built_in) }).collect();
        let sockets = client.open_sockets(&specs)?;
        let arguments = wanted.iter().map(|built_in| {
            // Who echoes has no name to tell.
            let name = if built_in.is_echo { "" } else { &built_in.instance };
            match built_in.listener {
                model::Listener::Tcp(_) => format!("tcp:{name}"),
                model::Listener::Udp(_) => format!("udp:{name}"),
            }
        });
        let argv = ["vpclab".to_owned(), LISTEN.to_owned()].into_iter().chain(arguments);
        let null = || {
            let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
            opened.map(std::os::fd::OwnedFd::from).map_err(|e| HostError::Failed(format!("/dev/null: {e}")))
        };
        let standard = [null()?, null()?, null()?];
        let process = client.run(linux::naming::INTERNET, ExecSpec::new(argv), standard, sockets)?;
        Ok(Some(process.id))
    }
}

/// Hidden first argument of the process that holds built-in listeners.
pub const LISTEN: &str = "__listen";

/// `$0` of a `run:` line, by which it is known among what users started.
const RUN: &str = "vpclab-run";

/// Runs what `VPCLAB_USER_DATA` holds in an instance whose id is `$1`, once in the life of its disk.
const BOOT: &str = "\
mark=/var/lib/cloud/instances/$1/sem/config_scripts_user
[ ! -e \"$mark\" ] || exit 0
mkdir -p \"${mark%/*}\" && : > \"$mark\" && printf '%s' \"$VPCLAB_USER_DATA\" > /var/lib/cloud/user-data &&
chmod 700 /var/lib/cloud/user-data && unset VPCLAB_USER_DATA && exec /var/lib/cloud/user-data";

/// Kills a process of the lab and waits until its sockets are closed.
fn end_process(client: &Client, process: u64) {
    let _ = client.signal(process, 9);
    if let Ok(mut process) = client.attach(process) {
        let _ = process.wait_timeout(Duration::from_secs(20));
    }
}

/// Instances that were told to reboot: their programs end and begin anew (INST-2).
fn rebooting(before: Option<&Model>, now: &Model) -> Vec<String> {
    let is_told = |instance: &&model::Instance| {
        let old = before.and_then(|before| before.instances.get(&instance.id));
        old.is_some_and(|old| old.reboots < instance.reboots && [old.state, instance.state] == [InstanceState::Running; 2])
    };
    now.instances.values().filter(is_told).map(|instance| linux::naming::instance_namespace(&instance.id)).collect()
}

/// Runs user data as root from a file that can be read later, unless the instance's disk says that it ran: the mark is
/// where cloud-init has it.
fn boot(id: &InstanceId, script: &[u8]) -> ExecSpec {
    let text = String::from_utf8_lossy(script).into_owned();
    let mut spec = ExecSpec::new([
        "sh",
        "-c",
        BOOT,
        "vpclab-boot",
        id.as_str(),
    ]);
    spec.environment.insert("VPCLAB_USER_DATA".to_owned(), text);
    spec
}

/// Ends a holder and everything in it.
fn end(client: Client, socket: &std::path::Path) {
    // A holder that dies while it answers has done what was asked.
    let _ = client.shutdown();
    let _ = std::fs::remove_file(socket);
}

/// This program's file, for the tools that instances get.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"))
}

/// The present on the machine's clock.
pub fn now() -> Timestamp {
    Timestamp(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs())
}
