//! A door: a unix socket, who may come in, and how much one client may take.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::SERVER;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::state::Api;
use crate::version;

/// Clients of one door at a time; more wait.
const MOST_CLIENTS: usize = 200;
/// How long a client may take for the headers of a request; also how long an unused connection stays open.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// All headers of a request together, bytes.
const LARGEST_HEADERS: usize = 64 << 10;
/// Headers of a request.
const MOST_HEADERS: usize = 100;

/// A socket that is served until this is dropped; its file goes with it.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    accepting: JoinHandle<()>,
    /// Gone with the door: those who wait for something then wait for nothing.
    _open: watch::Sender<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Door {
    /// Listens at `path`, whose folder only this user can enter. What was there before is nobody's any more. Called within a
    /// runtime.
    pub fn open(path: &Path, api: Api) -> std::io::Result<Door> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let (open, closed) = watch::channel(());
        let accepting = tokio::spawn(accept(listener, crate::router(api), closed));
        Ok(Door { path: path.to_owned(), accepting, _open: open })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One of the places for clients. A connection that has become a stream keeps its own: an extension of requests.
#[derive(Clone)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

async fn accept(listener: UnixListener, router: Router, closed: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    let mine = rustix::process::geteuid().as_raw();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors: others have to end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // The folder keeps others out; where it was opened by mistake this does. Root may do what its users may.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == mine || peer.uid() == 0) {
            continue;
        }
        let (router, mut closed) = (router.clone(), closed.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = serve(stream, router, Place(Arc::new(place))) => {}
                _ = closed.changed() => {}
            }
        });
    }
}

/// Answers one client until it goes.
async fn serve(stream: UnixStream, router: Router, place: Place) {
    let router = TowerToHyperService::new(router);
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (router, place) = (router.clone(), place.clone());
        async move { Ok::<_, Infallible>(answer(request, &router, place).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(LARGEST_HEADERS)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    // A client that breaks off is no news.
    let _ = connection.await;
}

async fn answer(request: hyper::Request<Incoming>, router: &TowerToHyperService<Router>, place: Place) -> Response {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(place);
    let mut response = match version::read(request.uri()) {
        Err(failure) => failure.into_response(),
        Ok((uri, version)) => {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(version);
            router.call(request).await.unwrap_or_else(|never| match never {})
        }
    };
    let newest = format!("{}.{}", version::NEWEST.0, version::NEWEST.1);
    let headers = response.headers_mut();
    for (name, value) in [
        ("api-version", newest.as_str()),
        ("ostype", "linux"),
        ("docker-experimental", "false"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&format!("Docker/{} (vpclab; linux)", crate::system::ENGINE_VERSION)) {
        headers.insert(SERVER, value);
    }
    response
}
