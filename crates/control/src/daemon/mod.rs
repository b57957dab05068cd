//! The daemon: one process a user, started by the first command that needs it. It keeps labs equal to their records
//! and answers [`crate::api`] on a unix socket that only its user can open. Labs live in their holders: the daemon may
//! end at any moment, and the next one takes hold of them again.

mod follow;
mod gate;
mod lab;
mod lack;
pub(crate) mod labs;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::Notify;

use crate::api::{CloudWanted, Identities, Probes, Problem, ProblemKind, VERSION, Version, Wanted};
use crate::cloud::Clouds;
use crate::containers::{Doors, Keepers};
use crate::paths::Paths;
use labs::Labs;

/// Hidden first argument of the daemon's process.
pub const DAEMON: &str = "__daemon";

/// How long a daemon without a running lab waits for requests before it ends.
const IDLE: Duration = Duration::from_secs(60);
/// How often labs are looked at for new ones and gone ones; their containers make themselves heard.
const LOOK: Duration = Duration::from_millis(250);
/// The largest request, bytes: a cloud of 100,000 instances fits.
const LARGEST_REQUEST: usize = 512 << 20;

/// What a starting daemon tells the command that started it: one line of JSON on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// It answers on its socket.
    Ready,
    /// Another daemon of this user lives already.
    AlreadyRunning,
    /// It cannot work here.
    Refused(Problem),
}

struct Daemon {
    labs: Arc<Labs>,
    /// Where Docker's clients are answered.
    doors: Arc<Doors>,
    /// Where clients of AWS are answered.
    clouds: Arc<Clouds>,
    started: Instant,
    /// Milliseconds after `started` of the last request.
    last_request: AtomicU64,
    leave: Notify,
}

/// Runs the daemon until it is told to end or has nothing to do; its exit code.
pub fn serve(paths: Paths) -> i32 {
    // Ctrl-C at the terminal of the command that happened to start this is not meant for the labs of others.
    let _ = rustix::process::setsid();
    let _ = std::env::set_current_dir("/");
    let _ = sandbox::raise_descriptor_limit();
    sandbox::abort::arm();
    match begin(paths) {
        Ok(None) => report(&Start::AlreadyRunning),
        Ok(Some(begun)) => return begun.run(),
        Err(problem) => {
            sandbox::say!("{problem}");
            report(&Start::Refused(problem));
        }
    }
    1
}

/// A daemon that owns its socket and has taken hold of its labs.
struct Begun {
    daemon: Arc<Daemon>,
    listener: std::os::unix::net::UnixListener,
    /// Held as long as the process lives: the one daemon of this user.
    _lock: OwnedFd,
}

/// `None`: another daemon lives.
fn begin(paths: Paths) -> Result<Option<Begun>, Problem> {
    let failed = |doing: String| move |e: std::io::Error| Problem::new(ProblemKind::Failed, format!("{doing}: {e}"));
    paths.make_folders().map_err(failed(format!("making {}", paths.home.display())))?;
    let lock = std::fs::OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(paths.daemon_lock());
    let lock = OwnedFd::from(lock.map_err(failed(format!("opening {}", paths.daemon_lock().display())))?);
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    let labs = Arc::new(Labs::open(paths.clone())?);
    let socket = paths.daemon_socket();
    // Whoever bound it is dead: the lock says so.
    let _ = std::fs::remove_file(&socket);
    let bound = std::os::unix::net::UnixListener::bind(&socket).and_then(|listener| {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = bound.map_err(failed(format!("listening on {}", socket.display())))?;
    let doors = Arc::new(Doors::new(paths));
    let clouds = Arc::default();
    let daemon = Daemon { labs, doors, clouds, started: Instant::now(), last_request: AtomicU64::new(0), leave: Notify::new() };
    Ok(Some(Begun { daemon: Arc::new(daemon), listener, _lock: lock }))
}

/// Tells the caller, then lets go of the pipe that it waits on.
fn report(start: &Start) {
    let mut out = std::io::stdout();
    // The caller may be gone; that is its business.
    let _ = serde_json::to_string(start).map(|line| writeln!(out, "{line}"));
    let _ = out.flush();
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

impl Begun {
    fn run(self) -> i32 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                report(&Start::Refused(Problem::new(ProblemKind::Failed, format!("starting threads: {error}"))));
                return 1;
            }
        };
        let daemon = self.daemon.clone();
        let ended = Arc::new(AtomicBool::new(false));
        let keeping = keep_containers(self.daemon.labs.clone(), ended.clone());
        let following = follow(self.daemon.labs.clone(), ended.clone());
        let result = runtime.block_on(async move {
            let listener = UnixListener::from_std(self.listener)?;
            daemon.tend_doors().await;
            daemon.receive();
            report(&Start::Ready);
            tokio::spawn(daemon.clone().keep_time());
            axum::serve(listener, router(daemon.clone())).with_graceful_shutdown(daemon.asked_to_leave()).await
        });
        ended.store(true, Ordering::Relaxed);
        // What it has begun with a container it ends.
        let _ = keeping.map(std::thread::JoinHandle::join);
        let _ = following.map(std::thread::JoinHandle::join);
        // Nobody may come for a while: what is gone shall not lie about.
        self.daemon.labs.finish();
        match result {
            Ok(()) => 0,
            Err(error) => {
                sandbox::say!("daemon: {error}");
                1
            }
        }
    }
}

/// Looks after the containers of all labs, on a thread of its own: it waits for holders and disks.
fn keep_containers(labs: Arc<Labs>, ended: Arc<AtomicBool>) -> Option<std::thread::JoinHandle<()>> {
    let keep = move || {
        let mut keepers = Keepers::new(labs.paths().clone());
        while !ended.load(Ordering::Relaxed) {
            keepers.tick(&labs.known());
            keepers.wait(LOOK);
        }
    };
    let started = std::thread::Builder::new().name("containers".into()).spawn(keep);
    started.inspect_err(|error| sandbox::say!("looking after containers: {error}")).ok()
}

/// Has the kernel do what clients of AWS were answered, on a thread of its own.
fn follow(labs: Arc<Labs>, ended: Arc<AtomicBool>) -> Option<std::thread::JoinHandle<()>> {
    let follow = move || {
        while !ended.load(Ordering::Relaxed) {
            labs.follow(LOOK);
        }
        while labs.follow(Duration::ZERO) {}
    };
    let started = std::thread::Builder::new().name("following".into()).spawn(follow);
    started.inspect_err(|error| sandbox::say!("following: {error}")).ok()
}

impl Daemon {
    async fn asked_to_leave(self: Arc<Self>) {
        let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            return self.leave.notified().await;
        };
        tokio::select! {
            () = self.leave.notified() => {}
            _ = terminated.recv() => {}
        }
    }

    /// Moves the clocks of services, and ends a daemon that nobody needs.
    async fn keep_time(self: Arc<Self>) {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let labs = self.labs.clone();
            let needed = tokio::task::spawn_blocking(move || labs.tick()).await.unwrap_or(true);
            self.tend_doors().await;
            let last = Duration::from_millis(self.last_request.load(Ordering::Relaxed));
            if !needed && self.started.elapsed().saturating_sub(last) > IDLE {
                self.leave.notify_one();
            }
        }
    }

    /// Takes in clients of AWS who come from inside labs. Called within the runtime.
    fn receive(&self) {
        let (labs, clouds, runtime) = (Arc::downgrade(&self.labs), self.clouds.clone(), tokio::runtime::Handle::current());
        self.labs.reception().open(move |lab, stream, from| {
            let (Some(labs), clouds, lab) = (labs.upgrade(), clouds.clone(), lab.to_owned()) else { return };
            runtime.spawn_blocking(move || clouds.receive(&labs, &lab, stream, from));
        });
    }

    /// Opens and closes the doors that have to be.
    async fn tend_doors(&self) {
        let (labs, doors, clouds) = (self.labs.clone(), self.doors.clone(), self.clouds.clone());
        let tend = move || {
            let known = labs.known();
            doors.tend(&known);
            clouds.tend(&labs, &known);
        };
        let _ = tokio::task::spawn_blocking(tend).await;
    }

    /// Runs what may wait for the kernel or the disk where waiting is no harm.
    async fn blocking<T: Serialize + Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Labs) -> Result<T, Problem> + Send + 'static,
    ) -> Response {
        let labs = self.labs.clone();
        // A caller that goes away does not stop what it asked for: half of a change is worse than all of it.
        match tokio::task::spawn_blocking(move || work(&labs)).await {
            Ok(Ok(answer)) => Json(answer).into_response(),
            Ok(Err(problem)) => refuse(problem),
            Err(_) => refuse(Problem::new(ProblemKind::Failed, "the daemon failed within; its log says more")),
        }
    }
}

fn refuse(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(problem)).into_response()
}

type Here = State<Arc<Daemon>>;

fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route("/v1/version", get(version))
        .route("/v1/labs", get(list))
        .route("/v1/labs/{name}", get(view).put(bring).delete(take_down))
        .route("/v1/labs/{name}/probes", post(probe))
        .route("/v1/labs/{name}/flow-logs", get(flow_logs))
        .route("/v1/labs/{name}/cloud", get(find_cloud).post(open_cloud))
        .route("/v1/labs/{name}/identities", get(identities).put(identify))
        .route("/v1/exit", post(leave))
        .fallback(|| async { refuse(Problem::new(ProblemKind::NotFound, "there is no such path")) })
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .layer(axum::middleware::from_fn_with_state(daemon.clone(), note_time))
        .with_state(daemon)
}

async fn note_time(State(daemon): Here, request: Request, next: Next) -> Response {
    let since = u64::try_from(daemon.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    daemon.last_request.store(since, Ordering::Relaxed);
    next.run(request).await
}

async fn version(State(daemon): Here) -> Json<Version> {
    Json(Version { version: VERSION.to_owned(), pid: std::process::id(), notice: daemon.labs.notice() })
}

async fn list(State(daemon): Here) -> Response {
    let (clouds, all) = (daemon.clouds.clone(), daemon.labs.clone());
    let list = move |labs: &Labs| {
        clouds.try_again(&all);
        let mut list = labs.list()?;
        list.iter_mut().for_each(|lab| lab.door_shut = clouds.refused(&lab.name));
        Ok(list)
    };
    daemon.blocking(list).await
}

async fn view(State(daemon): Here, Path(name): Path<String>) -> Response {
    daemon.blocking(move |labs| labs.view(&name)).await
}

async fn bring(State(daemon): Here, Path(name): Path<String>, Json(wanted): Json<Wanted>) -> Response {
    let (doors, clouds, all) = (daemon.doors.clone(), daemon.clouds.clone(), daemon.labs.clone());
    let bring = move |labs: &Labs| {
        let brought = labs.bring(&name, wanted);
        // Whoever brought it up finds its doors open.
        let known = labs.known();
        doors.tend(&known);
        clouds.tend(&all, &known);
        brought
    };
    daemon.blocking(bring).await
}

/// What is asked of a lab that goes.
#[derive(Deserialize)]
struct TakeDown {
    #[serde(default)]
    volumes: bool,
}

async fn take_down(State(daemon): Here, Path(name): Path<String>, Query(asked): Query<TakeDown>) -> Response {
    let (doors, clouds, all) = (daemon.doors.clone(), daemon.clouds.clone(), daemon.labs.clone());
    let take_down = move |labs: &Labs| {
        let gone = labs.take_down(&name, asked.volumes);
        let known = labs.known();
        doors.tend(&known);
        clouds.tend(&all, &known);
        gone
    };
    daemon.blocking(take_down).await
}

async fn probe(State(daemon): Here, Path(name): Path<String>, Json(probes): Json<Probes>) -> Response {
    daemon.blocking(move |labs| labs.probe(&name, &probes)).await
}

async fn flow_logs(State(daemon): Here, Path(name): Path<String>) -> Response {
    daemon.blocking(move |labs| labs.flow_logs(&name)).await
}

/// Whose key is wanted.
#[derive(Deserialize)]
struct FindCloud {
    account: Option<String>,
}

async fn find_cloud(State(daemon): Here, Path(name): Path<String>, Query(asked): Query<FindCloud>) -> Response {
    let (clouds, all) = (daemon.clouds.clone(), daemon.labs.clone());
    let find = move |labs: &Labs| {
        clouds.try_again(&all);
        clouds.find(labs, &name, asked.account.as_deref())
    };
    daemon.blocking(find).await
}

async fn open_cloud(State(daemon): Here, Path(name): Path<String>, Json(wanted): Json<CloudWanted>) -> Response {
    let (clouds, labs) = (daemon.clouds.clone(), daemon.labs.clone());
    daemon.blocking(move |_| clouds.open(&labs, &name, &wanted)).await
}

async fn identities(State(daemon): Here, Path(name): Path<String>) -> Response {
    daemon.blocking(move |labs| labs.identities(&name)).await
}

async fn identify(State(daemon): Here, Path(name): Path<String>, Json(wanted): Json<Identities>) -> Response {
    daemon.blocking(move |labs| labs.identify(&name, wanted)).await
}

async fn leave(State(daemon): Here) -> Json<()> {
    daemon.leave.notify_one();
    Json(())
}
