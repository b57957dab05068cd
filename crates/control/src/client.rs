//! How a command speaks to the daemon: finds it, starts it when it is not there, asks.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request as HttpRequest};
use hyper_util::rt::TokioIo;
use sandbox::SelfCommand;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::api::{
    Answers, Applied, CloudServed, CloudWanted, FlowLogsView, Gone, Identities, LabSummary, LabView, Probes, Problem, ProblemKind, VERSION, Version,
    Wanted,
};
use crate::daemon::{DAEMON, Start};
use crate::paths::Paths;

/// How long a daemon that says that it is there may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon, seen from a command.
pub struct Daemon {
    paths: Paths,
    runtime: Runtime,
}

impl Daemon {
    /// The daemon of this user; started when it is not there, replaced when it is of another version (labs go on
    /// meanwhile).
    pub fn reach(paths: Paths) -> Result<(Daemon, Version), Problem> {
        let daemon = Daemon::at(paths)?;
        match daemon.version() {
            Ok(version) if version.version == VERSION => return Ok((daemon, version)),
            Ok(other) => daemon.replace(&other)?,
            Err(NotThere) => {}
        }
        daemon.start()?;
        let begun = Instant::now();
        loop {
            match daemon.version() {
                Ok(version) => return Ok((daemon, version)),
                Err(NotThere) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                    // The one that lived may have been about to end, or been killed and not yet gone.
                    daemon.start()?;
                }
                Err(NotThere) => {
                    let log = daemon.paths.daemon_log();
                    return Err(failed("the daemon does not answer").hint(format!("its log is {}", log.display())));
                }
            }
        }
    }

    /// The daemon if it runs; none is started.
    pub fn find(paths: Paths) -> Result<Option<Daemon>, Problem> {
        let daemon = Daemon::at(paths)?;
        Ok(daemon.version().is_ok().then_some(daemon))
    }

    fn at(paths: Paths) -> Result<Daemon, Problem> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| failed(format!("starting to wait for the daemon: {e}")))?;
        Ok(Daemon { paths, runtime })
    }

    /// Where things of this user are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Its version and process.
    pub fn about(&self) -> Result<Version, Problem> {
        self.ask(Method::GET, "/v1/version", None::<&()>, Some(PATIENCE))
    }

    /// All labs.
    pub fn labs(&self) -> Result<Vec<LabSummary>, Problem> {
        self.ask(Method::GET, "/v1/labs", None::<&()>, None)
    }

    /// A lab; `None` where there is none of this name.
    pub fn lab(&self, name: &str) -> Result<Option<LabView>, Problem> {
        match self.ask(Method::GET, &format!("/v1/labs/{}", escaped(name)), None::<&()>, None) {
            Ok(view) => Ok(Some(view)),
            Err(Problem { kind: ProblemKind::NotFound, .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Makes a lab what is wanted and waits until it is; `None`: not within `timeout`, and the daemon goes on.
    pub fn bring(&self, name: &str, wanted: &Wanted, timeout: Duration) -> Result<Option<Applied>, Problem> {
        let path = format!("/v1/labs/{}", escaped(name));
        match self.ask(Method::PUT, &path, Some(wanted), Some(timeout)) {
            Ok(applied) => Ok(Some(applied)),
            Err(problem) if problem.message == TIMED_OUT => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Ends a lab and forgets it, and its volumes.
    pub fn take_down_with_volumes(&self, name: &str) -> Result<Gone, Problem> {
        self.ask(Method::DELETE, &format!("/v1/labs/{}?volumes=true", escaped(name)), None::<&()>, None)
    }

    /// Ends a lab and forgets it; its volumes that have names stay.
    pub fn take_down(&self, name: &str) -> Result<Gone, Problem> {
        self.ask(Method::DELETE, &format!("/v1/labs/{}", escaped(name)), None::<&()>, None)
    }

    /// Sends probes.
    pub fn probe(&self, name: &str, probes: &Probes) -> Result<Answers, Problem> {
        self.ask(Method::POST, &format!("/v1/labs/{}/probes", escaped(name)), Some(probes), None)
    }

    /// Has what passed until now counted for a lab's flow logs, and says where their records are.
    pub fn flow_logs(&self, name: &str) -> Result<FlowLogsView, Problem> {
        self.ask(Method::GET, &format!("/v1/labs/{}/flow-logs", escaped(name)), None::<&()>, None)
    }

    /// Where clients of AWS are answered for a lab, with the key of its owner; `None`: nowhere.
    pub fn cloud(&self, name: &str) -> Result<Option<CloudServed>, Problem> {
        match self.ask(Method::GET, &format!("/v1/labs/{}/cloud", escaped(name)), None::<&()>, Some(PATIENCE)) {
            Ok(served) => Ok(Some(served)),
            Err(Problem { kind: ProblemKind::NotFound, .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Has clients of AWS answered for a lab that is up.
    pub fn open_cloud(&self, name: &str, wanted: &CloudWanted) -> Result<CloudServed, Problem> {
        self.ask(Method::POST, &format!("/v1/labs/{}/cloud", escaped(name)), Some(wanted), Some(PATIENCE))
    }

    /// The identities of a lab's own account.
    pub fn identities(&self, name: &str) -> Result<Identities, Problem> {
        self.ask(Method::GET, &format!("/v1/labs/{}/identities", escaped(name)), None::<&()>, Some(PATIENCE))
    }

    /// Makes the identities of a lab's own account what is wanted. Errors: they are others by now ([`ProblemKind::Conflict`]).
    pub fn identify(&self, name: &str, wanted: &Identities) -> Result<Identities, Problem> {
        self.ask(Method::PUT, &format!("/v1/labs/{}/identities", escaped(name)), Some(wanted), Some(PATIENCE))
    }

    /// Ends the daemon and waits until it has ended; labs go on.
    pub fn leave(&self) -> Result<(), Problem> {
        self.ask::<(), ()>(Method::POST, "/v1/exit", None, None)?;
        let begun = Instant::now();
        // It answers no more before it has closed its state; its lock goes last.
        while self.version().is_ok() || self.is_locked() {
            if begun.elapsed() > PATIENCE {
                return Err(failed("the daemon does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether a daemon lives, even one that does not answer.
    fn is_locked(&self) -> bool {
        let Ok(lock) = File::open(self.paths.daemon_lock()) else { return false };
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).is_err()
    }

    fn replace(&self, other: &Version) -> Result<(), Problem> {
        let hint = format!("end it by hand: kill {}; labs go on without it", other.pid);
        self.leave().map_err(|e| Problem::new(e.kind, format!("a daemon of vpclab {} runs: {e}", other.version)).hint(hint))
    }

    fn version(&self) -> Result<Version, NotThere> {
        // Whatever is wrong with it, a new one will say.
        self.about().map_err(|_| NotThere)
    }

    fn start(&self) -> Result<(), Problem> {
        let making = |e: std::io::Error| failed(format!("making {}: {e}", self.paths.home.display())).hint(HOME_HINT);
        self.paths.make_folders().map_err(making)?;
        let log = File::options().create(true).append(true).mode(0o600).open(self.paths.daemon_log());
        let program = SelfCommand::current().map_err(|e| failed(e.to_string()))?;
        let mut command = Command::new(program.program);
        command.arg(DAEMON).args(program.arguments).env("VPCLAB_HOME", &self.paths.home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
        let mut child = command.spawn().map_err(|e| failed(format!("starting the daemon: {e}")))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| failed(format!("waiting for the daemon: {e}")))?;
        }
        match serde_json::from_str(&line) {
            Ok(Start::Ready | Start::AlreadyRunning) => Ok(()),
            Ok(Start::Refused(problem)) => Err(problem),
            Err(_) => Err(failed("the daemon ended while it began").hint(format!("its log is {}", self.paths.daemon_log().display()))),
        }
    }

    fn ask<B: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        timeout: Option<Duration>,
    ) -> Result<A, Problem> {
        let body = body.map(serde_json::to_vec).transpose().map_err(|e| failed(format!("writing the request: {e}")))?;
        let exchange = self.exchange(method, path, body.unwrap_or_default());
        let (status, bytes) = self.runtime.block_on(async {
            match timeout {
                Some(timeout) => tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| Err(failed(TIMED_OUT))),
                None => exchange.await,
            }
        })?;
        let unreadable = |e: serde_json::Error| failed(format!("the daemon's answer cannot be read: {e}"));
        if (200..300).contains(&status) {
            return serde_json::from_slice(&bytes).map_err(unreadable);
        }
        let said = || failed(format!("the daemon answered {status}: {}", String::from_utf8_lossy(&bytes)));
        Err(serde_json::from_slice(&bytes).unwrap_or_else(|_| said()))
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(u16, Bytes), Problem> {
        let broken = |e: &dyn std::fmt::Display| failed(format!("speaking to the daemon: {e}"));
        let stream = UnixStream::connect(self.paths.daemon_socket()).await.map_err(|e| broken(&e))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
        let connection = tokio::spawn(connection);
        let request = HttpRequest::builder()
            .method(method)
            .uri(path)
            .header("host", "vpclab")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| broken(&e))?;
        let answer = sender.send_request(request).await.map_err(|e| broken(&e))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(|e| broken(&e))?.to_bytes();
        connection.abort();
        Ok((status, bytes))
    }
}

/// No daemon answers.
struct NotThere;

const TIMED_OUT: &str = "the daemon did not answer in time";
const HOME_HINT: &str = "VPCLAB_HOME says where state is kept";

fn failed(message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Failed, message)
}

/// Percent-encoding of all but unreserved characters (RFC 3986 §2.3).
fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
