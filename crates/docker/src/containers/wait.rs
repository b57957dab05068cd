//! `POST /containers/{id}/wait`: the headers at once, the code when it is known.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use container::engine::events::{Event, Follower, Kind};
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

/// The code, when what is waited for has come.
async fn end(api: &Api, record: Record, condition: Condition, mut follower: Follower, mut news: News) -> i32 {
    let is_over = |record: &Record| !record.state.status.is_alive() && record.state.status != Status::Restarting;
    let mut code = record.state.exit_code;
    if condition == Condition::NotRunning && is_over(&record) {
        return code;
    }
    loop {
        news.settle();
        let events: Vec<Event> = follower.read().into_iter().filter(|event| event.kind == Kind::Container && event.id == record.id.as_str()).collect();
        let has_news = !events.is_empty();
        for event in events {
            match event.action.as_str() {
                "die" => {
                    code = event.attributes.get("exitCode").and_then(|text| text.parse().ok()).unwrap_or(code);
                    if condition == Condition::NextExit {
                        return code;
                    }
                }
                "destroy" => return code,
                _ => {}
            }
        }
        if !news.changed_within(LOOK).await || has_news {
            let (engine, id) = (api.engine.clone(), record.id.clone());
            let now = tokio::task::spawn_blocking(move || engine.folder.read(&id)).await;
            match now {
                Ok(Ok(None)) => return code,
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
}
