//! What containers printed: `/containers/{id}/logs`, piece by piece as the client reads it.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use container::engine::logs::{Filter, Line, Reader, Stream};
use container::engine::record::{Record, Status};
use container::engine::{Error, Moment};
use tokio::sync::mpsc;

use crate::error::{Failure, Result};
use crate::events::News;
use crate::frames::Framing;
use crate::query::Query;
use crate::state::{Api, blocking};
use crate::version::Version;

/// Bytes of a log that are read at once.
const PIECE: usize = 128 << 10;
/// Pieces that wait for a client.
const WAITING: usize = 2;
/// How often a log that is followed is looked at: soon after something came, seldom when nothing does.
const SOON: Duration = Duration::from_millis(10);
const SELDOM: Duration = Duration::from_millis(160);

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/containers/{id}/logs", get(logs))
}

/// How lines are printed.
#[derive(Clone, Copy)]
struct Print {
    output: bool,
    errors: bool,
    timestamps: bool,
    framing: Framing,
}

impl Print {
    fn lines(self, lines: &[Line]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            let is_wanted = match line.stream {
                Stream::Stdout => self.output,
                Stream::Stderr => self.errors,
            };
            if !is_wanted {
                continue;
            }
            match self.timestamps {
                true => self.framing.frame_into(line.stream, format!("{} {}", line.time, line.log).as_bytes(), &mut bytes),
                false => self.framing.frame_into(line.stream, line.log.as_bytes(), &mut bytes),
            }
        }
        bytes
    }
}

async fn logs(State(api): State<Api>, version: Option<Extension<Version>>, Path(id): Path<String>, query: Query) -> Result<Response> {
    let (output, errors) = (query.flag("stdout"), query.flag("stderr"));
    if !output && !errors {
        return Err(Failure::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let now = Moment::now();
    let moment = |name: &str| -> Result<Option<Moment>> {
        let read = |text: &str| {
            Moment::parse_or_ago(text, now).ok_or_else(|| Failure::bad_request(format!("invalid value for \"{name}\": {text}")))
        };
        query.get(name).filter(|text| *text != "0").map(read).transpose()
    };
    let tail = match query.get("tail") {
        None | Some("all") => None,
        // What is no number is all, as in Docker.
        Some(text) => text.parse::<usize>().ok(),
    };
    let filter = Filter { since: moment("since")?, until: moment("until")?, tail };
    let record = blocking(&api, move |docker| crate::containers::find_fresh(docker, &id)).await?;
    let framing = Framing::of(record.options.terminal);
    let print = Print { output, errors, timestamps: query.flag("timestamps"), framing };
    let reader = Reader::new(&api.engine.folder.log(&record.id), filter);
    let (sender, receiver) = mpsc::channel(WAITING);
    let news = api.shared.news.subscribe();
    let follow = query.flag("follow");
    let api = api.clone();
    tokio::spawn(async move {
        if let Err(error) = copy(&api, &record, reader, print, follow, news, &sender).await {
            let _ = sender.send(Err(std::io::Error::other(error))).await;
        }
    });
    let kind = framing.content_type(version.map(|Extension(version)| version));
    Ok(([(CONTENT_TYPE, kind)], crate::progress::body(receiver)).into_response())
}

/// Sends what is there and, when it is followed, what comes, until the container has ended or the client has gone.
async fn copy(
    api: &Api,
    record: &Record,
    mut reader: Reader,
    print: Print,
    follow: bool,
    mut news: News,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> std::result::Result<(), Error> {
    loop {
        let (part, back) = away(reader, |reader| reader.begin_in_parts(PIECE)).await?;
        reader = back;
        match part {
            Some(lines) if !send(sender, print.lines(&lines)).await => return Ok(()),
            Some(_) => {}
            None => break,
        }
    }
    let (mut pause, mut lives) = (SOON, true);
    while follow && lives && !reader.is_over(Moment::now()) {
        // Asked before the log is read: what it printed last is not missed.
        news.settle();
        let (engine, id) = (api.engine.clone(), record.id.clone());
        let current = tokio::task::spawn_blocking(move || {
            let known = engine.client.container_status(id.as_str()).is_ok_and(|status| status.ended.is_none());
            known || engine.folder.read(&id).is_ok_and(|now| now.is_some_and(|now| now.state.status == Status::Restarting))
        });
        lives = current.await.unwrap_or(false);
        loop {
            let (lines, back) = away(reader, Reader::more).await?;
            reader = back;
            if !lines.is_empty() {
                pause = SOON;
                if !send(sender, print.lines(&lines)).await {
                    return Ok(());
                }
                continue;
            }
            if !lives || reader.is_over(Moment::now()) {
                break;
            }
            tokio::select! {
                changed = news.changed_within(pause) => {
                    pause = (pause * 2).min(SELDOM);
                    if changed {
                        break;
                    }
                }
                () = sender.closed() => return Ok(()),
            }
        }
    }
    Ok(())
}

/// Reads where waiting for the disk is no harm.
async fn away<T: Send + 'static>(
    mut reader: Reader,
    read: impl FnOnce(&mut Reader) -> std::result::Result<T, Error> + Send + 'static,
) -> std::result::Result<(T, Reader), Error> {
    let done = tokio::task::spawn_blocking(move || read(&mut reader).map(|read| (read, reader))).await;
    done.unwrap_or_else(|_| Err(Error::Conflict("the daemon failed within; its log says more".into())))
}

async fn send(sender: &mpsc::Sender<std::io::Result<Bytes>>, bytes: Vec<u8>) -> bool {
    bytes.is_empty() || sender.send(Ok(bytes.into())).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printed_by_stream_with_heads_and_times() {
        let time = Moment { seconds: 0, nanoseconds: 7 };
        let lines = [
            Line { log: "out\n".into(), stream: Stream::Stdout, time },
            Line { log: "err\n".into(), stream: Stream::Stderr, time },
        ];
        let print = Print { output: true, errors: true, timestamps: false, framing: Framing::Multiplexed };
        assert_eq!(print.lines(&lines), b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n");
        let print = Print { output: false, timestamps: true, framing: Framing::Raw, ..print };
        assert_eq!(print.lines(&lines), b"1970-01-01T00:00:00.000000007Z err\n");
    }
}
