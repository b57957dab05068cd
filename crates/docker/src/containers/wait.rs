//! `POST /containers/{id}/wait`: the headers at once, the code when it is known.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use container::engine::events::{Follower, Kind};
use container::engine::record::{Record, Status};
use serde_json::json;
use tokio::sync::mpsc;

use super::list::find_fresh;
use crate::error::{Failure, Result};
use crate::events::News;
use crate::query::Query;
use crate::state::{Api, blocking};

/// How often the record is looked at although nothing was heard: an event that could not be written must not be waited for.
const LOOK: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    NotRunning,
    NextExit,
    Removed,
}

pub(super) async fn wait(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Response> {
    let condition = match query.get("condition").unwrap_or("not-running") {
        "not-running" => Condition::NotRunning,
        "next-exit" => Condition::NextExit,
        "removed" => Condition::Removed,
        other => return Err(Failure::bad_request(format!("invalid condition: \"{other}\""))),
    };
    let news = api.shared.news.subscribe();
    let (record, follower) = blocking(&api, move |docker| {
        // First: what happens while the record is read is heard.
        let follower = docker.engine.events.follow_new();
        Ok((find_fresh(docker, &id)?, follower))
    })
    .await?;
    let (sender, receiver) = mpsc::channel(1);
    let api = api.clone();
    tokio::spawn(async move {
        let code = tokio::select! {
            code = end(&api, record, condition, follower, news) => code,
            () = sender.closed() => return,
        };
        let body = json!({"StatusCode": code}).to_string() + "\n";
        let _ = sender.send(Ok(Bytes::from(body))).await;
    });
    Ok(([(CONTENT_TYPE, "application/json")], crate::progress::body(receiver)).into_response())
}

/// What is known of the end of a container.
struct Heard {
    code: i32,
    /// What was waited for has come.
    is_over: bool,
    /// Something was told since the last look.
    is_new: bool,
}

impl Heard {
    /// Listens to what was written since the last time.
    fn listen(&mut self, follower: &mut Follower, record: &Record, condition: Condition) {
        self.is_new = false;
        for event in follower.read() {
            if self.is_over || event.kind != Kind::Container || event.id != record.id.as_str() {
                continue;
            }
            self.is_new = true;
            match event.action.as_str() {
                "die" => {
                    self.code = event.attributes.get("exitCode").and_then(|text| text.parse().ok()).unwrap_or(self.code);
                    self.is_over = condition == Condition::NextExit;
                }
                "destroy" => self.is_over = true,
                _ => {}
            }
        }
    }
}

/// The code, when what is waited for has come.
async fn end(api: &Api, record: Record, condition: Condition, mut follower: Follower, mut news: News) -> i32 {
    let is_over = |record: &Record| !record.state.status.is_alive() && record.state.status != Status::Restarting;
    let mut heard = Heard { code: record.state.exit_code, is_over: false, is_new: false };
    if condition == Condition::NotRunning && is_over(&record) {
        return heard.code;
    }
    loop {
        news.settle();
        heard.listen(&mut follower, &record, condition);
        if heard.is_over {
            return heard.code;
        }
        if news.changed_within(LOOK).await && !heard.is_new {
            continue;
        }
        let (engine, id) = (api.engine.clone(), record.id.clone());
        let now = tokio::task::spawn_blocking(move || engine.folder.read(&id)).await;
        match now {
            Ok(Ok(None)) => {
                // It is gone already: with which code was written before that, and not read yet.
                heard.listen(&mut follower, &record, condition);
                return heard.code;
            }
            Ok(Ok(Some(now))) => {
                let ended = is_over(&now) && now.state.finished != record.state.finished;
                let is_it = match condition {
                    Condition::NotRunning => is_over(&now),
                    Condition::NextExit => ended,
                    Condition::Removed => false,
                };
                if is_it {
                    return now.state.exit_code;
                }
            }
            _ => {}
        }
    }
}
