//! Attached streams: `/containers/{id}/attach`. The connection becomes the container's streams: raw with a terminal, in
//! frames that say whose bytes they are without one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use container::engine::logs::{Filter, Reader};
use container::engine::record::{Record, Status};
use container::engine::Id;
use sandbox::container::spec::{Attach, ContainerStreams};
use tokio::sync::oneshot;

use crate::conversation::{Client, Ended, Keys};
use crate::error::{Failure, Result};
use crate::frames::Framing;
use crate::query::Query;
use crate::state::{Api, blocking};
use crate::version::Version;

/// How often a client that waits for a start is asked whether it is still there, and whether somebody else started it.
const LOOK: Duration = Duration::from_secs(1);
/// How long those who were told of a start by this door may take.
const GRACE: Duration = Duration::from_millis(100);

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/containers/{id}/attach", post(attach))
        .route("/containers/{id}/attach/ws", any(|| async { Failure::not_built("attaching through a web socket is not built: use attach") }))
}

/// Who attached to a container before it was started: the CLI's `run` does, so that it hears the first byte.
#[derive(Default)]
pub struct Waiting {
    all: Mutex<BTreeMap<Id, Vec<Waiter>>>,
}

/// One of them.
pub struct Waiter {
    /// Which streams it wants.
    pub attach: Attach,
    /// Where it gets them; dropped when there are none.
    pub streams: oneshot::Sender<ContainerStreams>,
}

impl Waiting {
    fn enter(&self, id: &Id, attach: Attach) -> oneshot::Receiver<ContainerStreams> {
        let (streams, receiver) = oneshot::channel();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.streams.is_closed());
            !waiters.is_empty()
        });
        all.entry(id.clone()).or_default().push(Waiter { attach, streams });
        receiver
    }

    /// Those who wait for a container that is about to start.
    pub fn take(&self, id: &Id) -> Vec<Waiter> {
        let mut waiters = self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(id).unwrap_or_default();
        waiters.retain(|waiter| !waiter.streams.is_closed());
        waiters
    }
}

/// What a client that attaches gets.
enum Streams {
    Now(ContainerStreams),
    Later(oneshot::Receiver<ContainerStreams>),
    Never,
}

async fn attach(State(api): State<Api>, Path(id): Path<String>, query: Query, request: Request) -> Result<Response> {
    let keys = Keys::read(query.get("detachKeys"))?;
    let wants = |name: &str| query.flag(name);
    let (output, errors) = (wants("stdout"), wants("stderr"));
    let (streaming, logs, input) = (wants("stream"), wants("logs"), wants("stdin"));
    let version = request.extensions().get::<Version>().copied();
    let (record, streams) = blocking(&api, move |docker| {
        let record = crate::containers::find_fresh(docker, &id)?;
        match record.state.status {
            Status::Paused => {
                return Err(Failure::conflict(format!("container {id} is paused, unpause the container before attach")));
            }
            Status::Restarting => {
                return Err(Failure::conflict(format!("container {id} is restarting, wait until the container is running")));
            }
            _ => {}
        }
        let attach = Attach { input: input && record.options.stdin_open, output, errors: errors && !record.options.terminal };
        if !streaming {
            return Ok((record, Streams::Never));
        }
        docker.engine.note(&record, "attach");
        if record.state.status.is_alive() {
            match docker.engine.client.attach_container(record.id.as_str(), attach) {
                Ok(streams) => return Ok((record, Streams::Now(streams))),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let waiting = docker.shared.waiting.enter(&record.id, attach);
        Ok((record, Streams::Later(waiting)))
    })
    .await?;
    let framing = Framing::of(record.options.terminal);
    let (response, client) = upgrade(request, framing, version);
    let api = api.clone();
    tokio::spawn(async move {
        let Some(mut client) = client.await else { return };
        if logs && (output || errors) && !print_log(&api, &record, &mut client, framing).await {
            return;
        }
        let streams = match streams {
            Streams::Now(streams) => Some(streams),
            Streams::Later(waiting) => wait_for_start(&api, &record, waiting, &client, output, errors).await,
            Streams::Never => None,
        };
        if let Some(streams) = streams {
            let keys = if record.options.terminal { keys } else { Keys::none() };
            let ended = client.converse(streams, framing, keys, std::future::pending()).await;
            if ended == Ended::Detached {
                api.engine.note(&record, "detach");
            }
        }
        client.close().await;
    });
    Ok(response)
}

/// Streams of a container once it is started, by this door or by anybody; none when its client goes before.
async fn wait_for_start(
    api: &Api,
    record: &Record,
    mut waiting: oneshot::Receiver<ContainerStreams>,
    client: &Client,
    output: bool,
    errors: bool,
) -> Option<ContainerStreams> {
    let mut news = api.shared.news.subscribe();
    loop {
        news.settle();
        tokio::select! {
            biased;
            streams = &mut waiting => return streams.ok(),
            _ = news.changed_within(LOOK) => {}
        }
        if client.has_gone() {
            return None;
        }
        let (engine, id) = (api.engine.clone(), record.id.clone());
        let now = tokio::task::spawn_blocking(move || engine.folder.read(&id)).await.ok()?.ok()?;
        match now {
            None => return None,
            Some(now) if now.state.status.is_alive() => {
                // This door tells its own at once; whoever else started it did not know of them.
                if let Ok(streams) = tokio::time::timeout(GRACE, &mut waiting).await {
                    return streams.ok();
                }
                let attach = Attach { input: false, output, errors: errors && !record.options.terminal };
                let (engine, id) = (api.engine.clone(), record.id.clone());
                let attached = tokio::task::spawn_blocking(move || engine.client.attach_container(id.as_str(), attach)).await;
                return attached.ok()?.ok();
            }
            Some(_) => {}
        }
    }
}

/// What it printed until now; false: the client has gone.
async fn print_log(api: &Api, record: &Record, client: &mut Client, framing: Framing) -> bool {
    let mut reader = Reader::new(&api.engine.folder.log(&record.id), Filter::default());
    loop {
        let read = tokio::task::spawn_blocking(move || (reader.begin_in_parts(1 << 16), reader)).await;
        let Ok((Ok(Some(lines)), back)) = read else { return true };
        reader = back;
        for line in lines {
            if !client.write(&framing.frame(line.stream, line.log.as_bytes())).await {
                return false;
            }
        }
    }
}

/// The answer to a client whose connection becomes a stream, and that client once it has it.
pub(crate) fn upgrade(
    mut request: Request,
    framing: Framing,
    version: Option<Version>,
) -> (Response, impl Future<Output = Option<Client>> + Send + use<>) {
    let place = request.extensions().get::<crate::serve::Place>().cloned();
    let kind = framing.content_type(version);
    let is_asked = asks_for_upgrade(request.headers());
    let upgraded = is_asked.then(|| hyper::upgrade::on(&mut request));
    if !is_asked {
        // An old way: no word of an upgrade, and the answer's body is the stream.
        let (client, body) = Client::of_body(place);
        let response = ([(CONTENT_TYPE, kind)], body).into_response();
        return (response, either(None, Some(client)));
    }
    let headers = [(CONTENT_TYPE, kind), (CONNECTION, "Upgrade"), (UPGRADE, "tcp")];
    let response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
    (response, either(upgraded.map(|upgraded| (upgraded, place)), None))
}

async fn either(upgraded: Option<(hyper::upgrade::OnUpgrade, Option<crate::serve::Place>)>, client: Option<Client>) -> Option<Client> {
    match upgraded {
        Some((upgraded, place)) => Client::of_connection(upgraded.await.ok()?, place),
        None => client,
    }
}

fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
}
