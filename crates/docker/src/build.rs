//! Images made: `/build` and `/commit`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use container::build::{self, Build, BuildOptions, Cancel, Context, Workshop};
use container::engine::commit::CommitOptions;
use container::engine::{Engine, Options};
use serde_json::{Value, json};

use crate::error::{Failure, Result};
use crate::containers::{Ulimit, processors};
use crate::images::named;
use crate::progress::{self, Progress};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};
use crate::upload::Upload;

/// Between two looks whether the client is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/build", post(build_image)).route("/build/prune", post(prune)).route("/commit", post(commit))
}

async fn build_image(State(api): State<Api>, headers: HeaderMap, query: Query, body: Body) -> Result<Response> {
    if query.get("version") == Some("2") {
        return Err(Failure::bad_request("buildkit not supported by daemon: DOCKER_BUILDKIT=0 asks for the classic builder"));
    }
    if let Some(remote) = query.get("remote").filter(|remote| *remote != "client-session") {
        return Err(Failure::not_built(format!("{remote} is not fetched: send the build context itself")));
    }
    let mut options = options(&query)?;
    options.registry = crate::images::build_settings(&headers, options.platform.clone())?;
    let quiet = query.flag("q");
    let upload = Upload::new(body);
    progress::lines(&api, move |docker, progress| {
        let (context, recipe) = Context::detect(upload).map_err(refused)?;
        options.recipe = recipe.or(options.recipe.take());
        let cancel = options.cancel.clone();
        watched(progress, &cancel, || run(docker, progress, Build { context, options }, quiet))
    })
    .await
}

/// Gives the work up once nobody listens any more.
fn watched<T>(progress: &Progress, cancel: &Cancel, work: impl FnOnce() -> T) -> T {
    let ended = Mutex::new(false);
    let bell = std::sync::Condvar::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut is_ended = ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            while !*is_ended {
                if progress.is_closed() {
                    return cancel.cancel();
                }
                is_ended = bell.wait_timeout(is_ended, LOOK).map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
            }
        });
        let done = work();
        *ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        bell.notify_all();
        done
    })
}

/// Where commands of a build run; a door to several instances has none unless a label names it.
struct Place<'a> {
    engine: &'a Engine,
    instance: Result<String>,
}

impl Workshop for Place<'_> {
    fn place(&mut self) -> build::Result<(&Engine, &str)> {
        match &self.instance {
            Ok(instance) => Ok((self.engine, instance)),
            Err(failure) => Err(build::Error::Context(failure.message.clone())),
        }
    }
}

fn run(docker: &Docker, progress: &Progress, build: Build, quiet: bool) -> Result<()> {
    let mut place = Place { engine: &docker.engine, instance: docker.place(&build.options.labels) };
    let cancel = build.options.cancel.clone();
    let mut tell = |said: build::Progress| {
        if let build::Progress::Built(id) = &said {
            progress.say(&json!({"aux": {"ID": id}}));
        }
        let text = match &said {
            build::Progress::Output(_, bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            other => other.line(),
        };
        if let Some(text) = text.filter(|_| !quiet)
            && !progress.say(&json!({"stream": text}))
        {
            cancel.cancel();
        }
    };
    match build.run_in(&docker.engine.store, &mut place, &mut tell) {
        Ok(image) => {
            if quiet {
                progress.say(&json!({"stream": format!("{}\n", image.id)}));
            }
            Ok(())
        }
        Err(build::Error::Cancelled) if progress.is_closed() => Ok(()),
        // The client ends with the command's code.
        Err(error @ build::Error::Failed { code, .. }) => {
            let message = error.to_string();
            progress.say(&json!({"errorDetail": {"code": code, "message": message}, "error": message}));
            Ok(())
        }
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: build::Error) -> Failure {
    match error {
        build::Error::Image(error) => error.into(),
        build::Error::Engine(error) => error.into(),
        build::Error::Mistake(mistake) => Failure::bad_request(format!("dockerfile parse error on line {}: {}", mistake.place.line, mistake.why)),
        _ => Failure::bad_request(error.to_string()),
    }
}

fn options(query: &Query) -> Result<BuildOptions> {
    let map = |name: &str| -> Result<BTreeMap<String, Option<String>>> {
        let read = |text: &str| serde_json::from_str(text).map_err(|_| Failure::bad_request(format!("invalid {name}: a map of words is wanted")));
        // Clients of Docker 20.10 say `null` where there is nothing.
        Ok(query.get(name).map(read).transpose()?.flatten().unwrap_or_default())
    };
    // A value that is not given is the environment's of whoever asks, who has sent it.
    let arguments = map("buildargs")?.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let labels = map("labels")?.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
    let names = query.all("t").filter(|name| !name.is_empty()).map(|name| named(name, None)).collect::<Result<_>>()?;
    let positive = |name: &str| -> Result<Option<u64>> { Ok(query.number::<i64>(name)?.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)) };
    let (period, quota) = (query.number("cpuperiod")?.unwrap_or(0), query.number("cpuquota")?.unwrap_or(0));
    let container = Options {
        memory_bytes: positive("memory")?,
        shm_bytes: positive("shmsize")?,
        cpu_percent: processors(0, period, quota)?,
        extra_hosts: hosts(query)?,
        ulimits: ulimits(query)?,
        ..Options::default()
    };
    Ok(BuildOptions {
        dockerfile: query.get("dockerfile").map(str::to_owned),
        names,
        arguments,
        labels,
        target: query.get("target").map(str::to_owned),
        no_cache: query.flag("nocache"),
        pull: query.flag("pull"),
        network: query.get("networkmode").filter(|mode| *mode != "default").map(str::to_owned),
        platform: query.get("platform").map(crate::images::platform).transpose()?,
        container,
        ..BuildOptions::default()
    })
}

/// A JSON list, or with commas between.
fn hosts(query: &Query) -> Result<Vec<String>> {
    let Some(text) = query.get("extrahosts") else { return Ok(Vec::new()) };
    match serde_json::from_str(text) {
        Ok(list) => Ok(Option::unwrap_or_default(list)),
        Err(_) => Ok(text.split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect()),
    }
}

fn ulimits(query: &Query) -> Result<BTreeMap<String, (u64, u64)>> {
    let Some(text) = query.get("ulimits") else { return Ok(BTreeMap::new()) };
    let list: Option<Vec<Ulimit>> = serde_json::from_str(text).map_err(|_| Failure::bad_request("invalid ulimits: a list is wanted"))?;
    list.iter().flatten().map(Ulimit::read).collect()
}

/// Steps of builds are images that nobody sees.
async fn prune(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    let all = query.flag("all");
    blocking(&api, move |docker| {
        let removed = docker.engine.store.prune_steps(all)?;
        let deleted: Vec<String> = removed.deleted.iter().map(ToString::to_string).collect();
        Ok(Json(json!({"CachesDeleted": deleted, "SpaceReclaimed": removed.bytes})))
    })
    .await
}

async fn commit(State(api): State<Api>, query: Query, body: axum::body::Bytes) -> Result<Response> {
    // What stands in the body is the container's configuration, which is known; changes stand in the path.
    drop(body);
    let container = query.get("container").ok_or_else(|| Failure::bad_request("no container is named"))?.to_owned();
    let reference = query.get("repo").map(|repository| named(repository, query.get("tag"))).transpose()?;
    let changes = query.all("changes").flat_map(str::lines).filter(|change| !change.trim().is_empty()).map(str::to_owned);
    let options = CommitOptions {
        author: query.get("author").map(str::to_owned),
        message: query.get("comment").map(str::to_owned),
        changes: changes.collect(),
        pause: query.flag_or("pause", true),
        reference,
    };
    let image = blocking(&api, move |docker| {
        let record = docker.find(&container)?;
        Ok(docker.engine.commit(&record, &options)?)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(json!({"Id": image.id}))).into_response())
}
