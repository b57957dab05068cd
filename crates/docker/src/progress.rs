//! Long work tells how far it is: JSON lines that end with CR LF, one after another while it goes on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::{Failure, Result};
use crate::state::{Api, Docker};

/// What is written and a client has not read yet: that many pieces.
const WAITING: usize = 64;
/// How long a client may read nothing before the work goes on without it.
const PATIENCE: Duration = Duration::from_secs(60);
const LINES: &str = "application/json";

/// Where work says how far it is.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<io::Result<Bytes>>);

impl Progress {
    /// One line. False: the client has gone, or reads nothing; the work may end.
    pub fn say<T: Serialize>(&self, value: &T) -> bool {
        let Ok(mut line) = serde_json::to_vec(value) else { return true };
        line.extend(b"\r\n");
        self.write(line)
    }

    /// Bytes as they are, for streams that are no lines. Called where waiting is no harm.
    pub fn write(&self, bytes: impl Into<Bytes>) -> bool {
        self.send(Ok(bytes.into()))
    }

    /// The stream breaks off: the client sees that it is not whole.
    fn break_off(&self, why: String) {
        self.send(Err(io::Error::other(why)));
    }

    fn send(&self, piece: io::Result<Bytes>) -> bool {
        match self.0.try_send(piece) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(piece)) => match Handle::try_current() {
                Ok(runtime) => {
                    let sent = async { tokio::time::timeout(PATIENCE, self.0.send(piece)).await };
                    runtime.block_on(sent).is_ok_and(|sent| sent.is_ok())
                }
                Err(_) => self.0.blocking_send(piece).is_ok(),
            },
        }
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Lets a `Write` be a stream: archives, exports.
impl io::Write for Progress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Progress::write(self, bytes.to_vec()) {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs work that tells its progress. What fails before the first line is an ordinary refusal; after it, a last line says so.
pub async fn lines<W>(api: &Api, work: W) -> Result<Response>
where
    W: FnOnce(&Docker, &Progress) -> Result<()> + Send + 'static,
{
    stream(api, LINES, work).await
}

/// The same for any stream of bytes: what fails after the first ones breaks it off.
pub async fn stream<W>(api: &Api, content_type: &'static str, work: W) -> Result<Response>
where
    W: FnOnce(&Docker, &Progress) -> Result<()> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let api = api.clone();
    let mut working = tokio::task::spawn_blocking(move || {
        let progress = Progress(sender);
        let done = work(&api, &progress);
        (done, progress)
    });
    let first = tokio::select! {
        biased;
        first = receiver.recv() => {
            tokio::spawn(async move {
                if let Ok((Err(failure), progress)) = working.await {
                    let _ = tokio::task::spawn_blocking(move || last_words(&progress, content_type, &failure)).await;
                }
            });
            first
        }
        done = &mut working => match done {
            Err(_) => return Err(Failure::failed("the daemon failed within; its log says more")),
            Ok((done, progress)) => match (receiver.try_recv().ok(), done) {
                (None, Err(failure)) => return Err(failure),
                (first, Err(failure)) => {
                    tokio::task::spawn_blocking(move || last_words(&progress, content_type, &failure));
                    first
                }
                (first, Ok(())) => first,
            },
        },
    };
    Ok(([(CONTENT_TYPE, content_type)], Body::new(Pieces { first, rest: receiver })).into_response())
}

fn last_words(progress: &Progress, content_type: &str, failure: &Failure) {
    if content_type == LINES {
        progress.say(&json!({"errorDetail": {"message": failure.message}, "error": failure.message}));
    } else {
        progress.break_off(failure.message.clone());
    }
}

/// A body of what a channel brings, for streams that other tasks fill.
pub fn body(rest: mpsc::Receiver<io::Result<Bytes>>) -> Body {
    Body::new(Pieces { first: None, rest })
}

struct Pieces {
    first: Option<io::Result<Bytes>>,
    rest: mpsc::Receiver<io::Result<Bytes>>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first.map(Frame::data)));
        }
        self.rest.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
