//! Commands in containers: `/containers/{id}/exec`, `/exec/{id}`. A client makes one, starts it, and asks for its code.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use container::engine::events::Event;
use container::engine::id::Chance;
use container::engine::logs::Stream;
use container::engine::record::{Record, Status};
use container::engine::{Error, Exec, Id};
use rustix::pipe::{PipeFlags, pipe_with};
use sandbox::container::spec::ContainerStreams;
use sandbox::{Process, Stdio};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::containers::{find_fresh, program_refusal, size};
use crate::conversation::{Ended, Keys};
use crate::error::{Failure, Result};
use crate::frames::Framing;
use crate::query::{Query, or_default};
use crate::state::{Api, Docker, blocking};
use crate::version::Version;

/// Commands that are remembered; the oldest of those that ended are forgotten first, then of those that nobody started.
const MOST: usize = 4_096;
/// The largest body of a start, bytes.
const LARGEST_START: usize = 64 << 10;
/// A terminal nobody has told the size of.
const SIZE: (u16, u16) = (24, 80);

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/{id}/exec", post(create))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(inspect))
}

/// Commands in containers, by the ids that clients got.
#[derive(Default)]
pub struct Execs(Mutex<BTreeMap<String, Arc<Command>>>);

/// One of them.
struct Command {
    /// When it was made, in order.
    number: u64,
    container: Id,
    exec: Exec,
    asked: Create,
    keys: Keys,
    state: Mutex<Running>,
    /// Set once it has ended.
    code: watch::Sender<Option<i32>>,
}

#[derive(Default)]
struct Running {
    is_started: bool,
    pid: i32,
    terminal: Option<OwnedFd>,
}

impl Execs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Command>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Command>> {
        self.all().get(id).cloned().ok_or_else(|| Failure::not_found(format!("No such exec instance: {id}")))
    }

    /// Those of a container that run or wait to be started.
    pub fn running(&self, container: &Id) -> Vec<String> {
        let all = self.all();
        let lives = |command: &Command| command.container == *container && !command.has_ended();
        all.iter().filter(|(_, command)| lives(command)).map(|(id, _)| id.clone()).collect()
    }

    /// A container is no more.
    pub fn forget(&self, container: &Id) {
        self.all().retain(|_, command| command.container != *container);
    }

    fn add(&self, command: impl FnOnce(u64) -> Command) -> Result<String> {
        let id = Id::random(&mut Chance::System)?.to_string();
        let mut all = self.all();
        if all.len() >= MOST {
            let idle = all.iter().filter(|(_, one)| !one.runs());
            let mut idle: Vec<(bool, u64, String)> = idle.map(|(id, one)| (!one.has_ended(), one.number, id.clone())).collect();
            idle.sort();
            for (.., id) in idle.into_iter().take(MOST / 4) {
                all.remove(&id);
            }
        }
        if all.len() >= MOST {
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, format!("{MOST} commands were made and have not ended: end some first")));
        }
        let number = all.values().map(|one| one.number).max().unwrap_or(0) + 1;
        all.insert(id.clone(), Arc::new(command(number)));
        Ok(id)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Create {
    #[serde(deserialize_with = "or_default")]
    attach_stdin: bool,
    #[serde(deserialize_with = "or_default")]
    attach_stdout: bool,
    #[serde(deserialize_with = "or_default")]
    attach_stderr: bool,
    #[serde(deserialize_with = "or_default")]
    detach_keys: String,
    #[serde(deserialize_with = "or_default")]
    tty: bool,
    #[serde(deserialize_with = "or_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    privileged: bool,
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "or_default")]
    working_dir: String,
    console_size: Option<[u16; 2]>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    #[serde(deserialize_with = "or_default")]
    detach: bool,
    console_size: Option<[u16; 2]>,
}

fn check_runs(record: &Record) -> Result<()> {
    match record.state.status {
        Status::Running => Ok(()),
        Status::Paused => Err(Failure::conflict(format!("container {} is paused, unpause the container before exec", record.id))),
        Status::Restarting => {
            Err(Failure::conflict(format!("container {} is restarting, wait until the container is running", record.id)))
        }
        _ => Err(Failure::conflict(format!("container {} is not running", record.id))),
    }
}

async fn create(State(api): State<Api>, Path(id): Path<String>, body: Bytes) -> Result<(StatusCode, Json<Value>)> {
    let asked: Create = crate::query::json(&body)?;
    let keys = Keys::read(Some(asked.detach_keys.as_str()).filter(|keys| !keys.is_empty()))?;
    blocking(&api, move |docker| {
        let record = find_fresh(docker, &id)?;
        let arguments = asked.cmd.clone();
        if arguments.is_empty() {
            return Err(Failure::bad_request("no exec command specified"));
        }
        check_runs(&record)?;
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let exec = Exec {
            arguments,
            environment: asked.env.clone(),
            working_directory: some(&asked.working_dir),
            user: some(&asked.user),
            terminal: asked.tty,
            privileged: asked.privileged,
        };
        let action = format!("exec_create: {}", exec.arguments.join(" "));
        let id = docker.shared.execs.add(|number| Command {
            number,
            container: record.id.clone(),
            exec,
            asked,
            keys,
            state: Mutex::default(),
            code: watch::Sender::new(None),
        })?;
        docker.engine.events.say(&Event::of(&record, action).with("execID", id.as_str()));
        Ok((StatusCode::CREATED, Json(json!({"Id": id}))))
    })
    .await
}

async fn start(State(api): State<Api>, Path(id): Path<String>, request: Request) -> Result<Response> {
    let command = api.shared.execs.find(&id)?;
    let version = request.extensions().get::<Version>().copied();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_START).await.map_err(|_| Failure::bad_request("the body cannot be read"))?;
    let asked: Start = crate::query::json(&body)?;
    let record = {
        let command = command.clone();
        blocking(&api, move |docker| {
            let record = find_fresh(docker, command.container.as_str())?;
            check_runs(&record)?;
            Ok(record)
        })
        .await?
    };
    {
        let mut state = command.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_started {
            return Err(Failure::conflict(format!("exec {id} has already run")));
        }
        state.is_started = true;
    }
    if asked.detach {
        let (api, exec) = (api.clone(), command.clone());
        let process = blocking(&api, move |docker| {
            let stdio = if exec.exec.terminal { Stdio::Terminal { rows: SIZE.0, columns: SIZE.1 } } else { Stdio::Null };
            run(docker, &record, &exec, &id, stdio).map(|process| (process, record, id)).map_err(Failure::from)
        })
        .await;
        let (process, record, id) = process.inspect_err(|_| command.failed())?;
        tokio::spawn(see_end(api, command, record, id, process));
        return Ok(StatusCode::OK.into_response());
    }
    let framing = Framing::of(command.exec.terminal);
    let (response, client) = crate::streams::upgrade(Request::from_parts(parts, axum::body::Body::empty()), framing, version);
    let size = asked.console_size.or(command.asked.console_size).map_or(SIZE, |[rows, columns]| (rows, columns));
    let api = api.clone();
    tokio::spawn(async move {
        let client = client.await;
        let (of_start, exec, exec_id) = (record.clone(), command.clone(), id.clone());
        let started = blocking(&api, move |docker| {
            let (stdio, streams) = stdio(&exec, size)?;
            // A refusal is told in the stream: the answer has begun.
            Ok(run(docker, &of_start, &exec, &exec_id, stdio).map(|process| (process, streams)))
        })
        .await;
        let (mut process, mut streams) = match started {
            Ok(Ok(started)) => started,
            other => {
                let why = match other {
                    Ok(Err(error)) => refused(&command, error),
                    Err(failure) => {
                        command.failed();
                        failure.message
                    }
                    Ok(Ok(_)) => String::new(),
                };
                if let Some(mut client) = client {
                    client.write(&framing.frame(Stream::Stdout, format!("{why}\r\n").as_bytes())).await;
                    client.close().await;
                }
                return;
            }
        };
        if let Some(terminal) = process.terminal.take() {
            let other = |terminal: &OwnedFd| terminal.try_clone().ok();
            streams.input = if command.asked.attach_stdin { other(&terminal) } else { None };
            streams.output = other(&terminal);
            command.state.lock().unwrap_or_else(PoisonError::into_inner).terminal = Some(terminal);
        }
        let mut code = command.code.subscribe();
        let ending = tokio::spawn(see_end(api.clone(), command.clone(), record.clone(), id.clone(), process));
        let Some(mut client) = client else { return };
        let keys = if command.exec.terminal { command.keys.clone() } else { Keys::none() };
        let ended = async {
            // The sender lives as long as the command.
            let _ = code.wait_for(Option::is_some).await;
        };
        match client.converse(streams, framing, keys, ended).await {
            // Who asks for the code when the stream has ended gets it.
            Ended::Over => drop(ending.await),
            Ended::Detached => api.engine.events.say(&Event::of(&record, "exec_detach").with("execID", id)),
            Ended::Gone => {}
        }
        client.close().await;
    });
    Ok(response)
}

/// What it is given, and the other ends.
fn stdio(command: &Command, size: (u16, u16)) -> Result<(Stdio, ContainerStreams)> {
    if command.exec.terminal {
        return Ok((Stdio::Terminal { rows: size.0, columns: size.1 }, ContainerStreams::default()));
    }
    let failed = |error: std::io::Error| Failure::failed(format!("streams of a command: {error}"));
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()));
    let null = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from).map_err(failed);
    let mut streams = ContainerStreams::default();
    let output = |wanted: bool, ours: &mut Option<OwnedFd>| -> Result<OwnedFd> {
        if !wanted {
            return null();
        }
        let (read, write) = pipe()?;
        *ours = Some(read);
        Ok(write)
    };
    let input = match command.asked.attach_stdin {
        true => {
            let (read, write) = pipe()?;
            streams.input = Some(write);
            read
        }
        false => null()?,
    };
    let out = output(command.asked.attach_stdout, &mut streams.output)?;
    let err = output(command.asked.attach_stderr, &mut streams.errors)?;
    Ok((Stdio::Descriptors([input, out, err]), streams))
}

fn run(docker: &Docker, record: &Record, command: &Command, id: &str, stdio: Stdio) -> Result<Process, Error> {
    let process = docker.engine.exec(&record.id, &command.exec, stdio)?;
    command.state.lock().unwrap_or_else(PoisonError::into_inner).pid = process.pid;
    let action = format!("exec_start: {}", command.exec.arguments.join(" "));
    docker.engine.events.say(&Event::of(record, action).with("execID", id));
    Ok(process)
}

/// The sentence of a command that could not be started, its code noted.
fn refused(command: &Command, error: Error) -> String {
    match error {
        Error::NotStarted { code, why } => {
            command.code.send_replace(Some(code));
            let program = command.exec.arguments.first().map_or("", String::as_str);
            format!("OCI runtime exec failed: exec failed: {}: unknown", program_refusal(program, code, &why))
        }
        other => {
            command.failed();
            Failure::from(other).message
        }
    }
}

impl Command {
    fn has_ended(&self) -> bool {
        self.code.borrow().is_some()
    }

    fn runs(&self) -> bool {
        !self.has_ended() && self.state.lock().unwrap_or_else(PoisonError::into_inner).is_started
    }

    fn failed(&self) {
        self.code.send_replace(Some(126));
    }
}

/// Waits until a command ends, and notes its code.
async fn see_end(api: Api, command: Arc<Command>, record: Record, id: String, mut process: Process) {
    let ended = crate::descriptor::readable(process.exit_descriptor()).await;
    let code = match (ended, process.try_wait()) {
        (Ok(()), Ok(Some(status))) => status.shell_code(),
        // The lab is down.
        _ => 137,
    };
    command.state.lock().unwrap_or_else(PoisonError::into_inner).terminal = None;
    command.code.send_replace(Some(code));
    let died = Event::of(&record, "exec_die").with("execID", id).with("exitCode", code.to_string());
    api.engine.events.say(&died);
}

async fn resize(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<StatusCode> {
    let (rows, columns) = size(&query)?;
    let command = api.shared.execs.find(&id)?;
    let state = command.state.lock().unwrap_or_else(PoisonError::into_inner);
    match (&state.terminal, state.is_started) {
        (Some(terminal), _) => {
            sandbox::process::set_terminal_size(terminal, rows, columns)?;
            Ok(StatusCode::OK)
        }
        (None, true) => Ok(StatusCode::OK),
        (None, false) => Err(Failure::conflict(format!("exec {id} is not running"))),
    }
}

async fn inspect(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>> {
    let command = api.shared.execs.find(&id)?;
    let (code, state) = (*command.code.borrow(), command.state.lock().unwrap_or_else(PoisonError::into_inner));
    let exec = &command.exec;
    Ok(Json(json!({
        "ID": id,
        "Running": state.is_started && code.is_none(),
        "ExitCode": code,
        "ProcessConfig": {
            "tty": exec.terminal,
            "entrypoint": exec.arguments.first(),
            "arguments": exec.arguments.get(1..).unwrap_or_default(),
            "privileged": exec.privileged,
            "user": exec.user,
        },
        "OpenStdin": command.asked.attach_stdin,
        "OpenStdout": command.asked.attach_stdout,
        "OpenStderr": command.asked.attach_stderr,
        "CanRemove": false,
        "ContainerID": command.container,
        "DetachKeys": command.asked.detach_keys,
        "Pid": state.pid,
    })))
}
