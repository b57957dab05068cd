//! What happens: `GET /events`, and the news by which other requests wait for something to happen.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use container::engine::events::{Event, Events, Kind};
use container::engine::Moment;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use serde_json::{Value, json};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::{Failure, Result};
use crate::filters::Filters;
use crate::query::Query;
use crate::state::{Api, Scope};

/// How often events are looked for although nothing was heard.
const LOOK: Duration = Duration::from_secs(5);
/// Lines that wait for a client.
const WAITING: usize = 16;
const FILTERS: [&str; 12] =
    ["container", "image", "label", "type", "event", "network", "volume", "daemon", "scope", "plugin", "instance", "builder"];

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/events", get(events))
}

/// Hears when events are written, once for a lab: a watch of the kernel is a scarce thing.
pub struct Newspaper {
    subject: watch::Receiver<u64>,
    printing: JoinHandle<()>,
}

impl Drop for Newspaper {
    fn drop(&mut self) {
        self.printing.abort();
    }
}

impl Newspaper {
    /// Called within a runtime.
    pub fn new(events: &Events) -> io::Result<Newspaper> {
        let folder = events.folder().map_err(io::Error::other)?;
        let watch = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        add_watch(&watch, folder, WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
        let watch = crate::descriptor::watched(watch, Interest::READABLE)?;
        let (sender, subject) = watch::channel(0);
        Ok(Newspaper { subject, printing: tokio::spawn(print(watch, sender)) })
    }

    /// From now on.
    pub fn subscribe(&self) -> News {
        News(self.subject.clone())
    }
}

async fn print(watch: AsyncFd<OwnedFd>, sender: watch::Sender<u64>) {
    let mut buffer = [0u8; 4_096];
    while let Ok(mut ready) = watch.readable().await {
        // What changed is in the files: only that something did counts.
        let read = ready.try_io(|watch| rustix::io::read(watch.get_ref(), &mut buffer).map_err(io::Error::from));
        match read {
            Ok(Ok(count)) if count > 0 => sender.send_modify(|number| *number += 1),
            Ok(Ok(_)) => return,
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(_)) => return,
            Err(_) => {}
        }
    }
}

/// Whether something happened.
pub struct News(watch::Receiver<u64>);

impl News {
    /// What happened until now is known.
    pub fn settle(&mut self) {
        self.0.borrow_and_update();
    }

    /// Whether something happened since [`News::settle`], or does within a time.
    pub async fn changed_within(&mut self, time: Duration) -> bool {
        match tokio::time::timeout(time, self.0.changed()).await {
            Ok(Ok(())) => true,
            Ok(Err(_)) => {
                // Nobody listens any more: whoever waits looks now and then.
                tokio::time::sleep(time).await;
                false
            }
            Err(_) => false,
        }
    }
}

async fn events(State(api): State<Api>, query: Query) -> Result<Response> {
    let filters = query.filters(&FILTERS)?;
    let now = Moment::now();
    let moment = |name: &str| -> Result<Option<Moment>> {
        let read = |text: &str| {
            // A bare 0 is where seconds begin, not a span: everything is since then.
            let moment = if text == "0" { Moment::parse("1970-01-01T00:00:00Z") } else { Moment::parse_or_ago(text, now) };
            moment.ok_or_else(|| Failure::bad_request(format!("invalid value for {name}: \"{text}\"")))
        };
        query.get(name).filter(|text| !text.is_empty()).map(read).transpose()
    };
    let (since, until) = (moment("since")?, moment("until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(Failure::bad_request(format!("`since` time ({since}) cannot be after `until` time ({until})")));
    }
    let mut news = api.shared.news.subscribe();
    let mut follower = match since {
        Some(_) => api.engine.events.follow(),
        None => api.engine.events.follow_new(),
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            news.settle();
            for event in follower.read() {
                let in_time = since.is_none_or(|since| event.time >= since) && until.is_none_or(|until| event.time <= until);
                if !in_time || !fits(&event, &filters, &api.scope) {
                    continue;
                }
                let line = shown(&event).to_string() + "\n";
                if sender.send(Ok(Bytes::from(line))).await.is_err() {
                    return;
                }
            }
            let left = until.map(|until| Moment::now().until(until));
            if left == Some(Duration::ZERO) {
                return;
            }
            tokio::select! {
                _ = news.changed_within(left.unwrap_or(LOOK).min(LOOK)) => {}
                () = sender.closed() => return,
            }
        }
    });
    Ok(([(CONTENT_TYPE, "application/json")], crate::progress::body(receiver)).into_response())
}

/// As Docker writes it.
fn shown(event: &Event) -> Value {
    let nanoseconds = i128::from(event.time.seconds) * 1_000_000_000 + i128::from(event.time.nanoseconds);
    let mut value = json!({
        "Type": event.kind.name(),
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": event.attributes},
        "scope": "local",
        "time": event.time.seconds,
        "timeNano": i64::try_from(nanoseconds).unwrap_or(i64::MAX),
    });
    if matches!(event.kind, Kind::Container | Kind::Image) {
        value["status"] = json!(event.action);
        value["id"] = json!(event.id);
        if let Some(image) = event.attributes.get("image") {
            value["from"] = json!(image);
        }
    }
    value
}

fn fits(event: &Event, filters: &Filters, scope: &Scope) -> bool {
    let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
    let is_called = |text: &str| {
        let text = text.strip_prefix('/').unwrap_or(text);
        event.id == text || (text.len() >= 4 && event.id.starts_with(text)) || attribute("name") == Some(text)
    };
    let of_kind = |name: &str, kind: Kind| {
        filters.allows(name, |text| match event.kind == kind {
            true => is_called(text),
            // What happens to a network or a volume names the container.
            false => kind == Kind::Container && attribute("container").is_some_and(|id| id.starts_with(text)),
        })
    };
    let is_of_image = |text: &str| {
        let plain = |name: &str| name.rsplit_once(':').map_or(name.to_owned(), |(name, _)| name.to_owned());
        let name = match event.kind {
            Kind::Image => attribute("name").unwrap_or(&event.id),
            _ => attribute("image").unwrap_or_default(),
        };
        name == text || plain(name) == text || (event.kind == Kind::Image && event.id == text)
    };
    scope_shows(event, scope)
        && filters.allows("type", |text| text == event.kind.name())
        && filters.allows("event", |text| text == event.action || text == event.verb())
        && of_kind("container", Kind::Container)
        && of_kind("network", Kind::Network)
        && of_kind("volume", Kind::Volume)
        && filters.allows("image", is_of_image)
        && filters.labels(&event.attributes)
        && filters.allows("scope", |text| text == "local")
        && !filters.has("daemon")
        && !filters.has("plugin")
        && filters.allows("instance", |text| event.instance.as_deref().is_some_and(|key| scope.name_of(key) == text))
}

fn scope_shows(event: &Event, scope: &Scope) -> bool {
    event.instance.as_deref().is_none_or(|key| scope.shows(key))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn filters_pick_by_kind_action_name_and_label() {
        let event = Event::new(Kind::Container, "exec_start: sh -c true", "ab12cd34")
            .in_instance("instance/i-1")
            .with("name", "web")
            .with("image", "shop/web:1")
            .with("tier", "front");
        let scope = |only: Option<&str>| Scope { lab: "shop".into(), only: only.map(str::to_owned), names: Arc::default() };
        for (text, expected) in [
            ("", true),
            (r#"{"type":["container"]}"#, true),
            (r#"{"type":["volume"]}"#, false),
            (r#"{"event":["exec_start"]}"#, true),
            (r#"{"event":["start"]}"#, false),
            (r#"{"container":["web"]}"#, true),
            (r#"{"container":["ab12"]}"#, true),
            (r#"{"container":["db","web"]}"#, true),
            (r#"{"container":["db"]}"#, false),
            (r#"{"image":["shop/web"]}"#, true),
            (r#"{"image":["shop/db"]}"#, false),
            (r#"{"label":["tier=front"]}"#, true),
            (r#"{"label":["tier=back"]}"#, false),
            (r#"{"network":["web"]}"#, false),
        ] {
            assert_eq!(fits(&event, &Filters::parse(text, &FILTERS).unwrap(), &scope(None)), expected, "{text}");
        }
        assert!(!fits(&event, &Filters::default(), &scope(Some("instance/i-2"))));
        let shown = shown(&event);
        assert_eq!((&shown["status"], &shown["from"]), (&json!("exec_start: sh -c true"), &json!("shop/web:1")));
    }
}
