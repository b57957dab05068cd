//! What containers take: `/containers/{id}/stats`, once a second.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use container::engine::record::Record;
use container::engine::{Error, Moment};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::error::Result;
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Nanoseconds of a tick in `/proc/stat`.
const TICK: u64 = 10_000_000;
/// What Docker says for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new().route("/containers/{id}/stats", get(stats))
}

/// One look: the whole answer but the look before.
struct Look {
    read: Moment,
    value: Value,
}

async fn stats(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Response> {
    let (streams, one_shot) = (query.flag_or("stream", true), query.flag("one-shot"));
    let record = blocking(&api, move |docker| crate::containers::find_fresh(docker, &id)).await?;
    if !streams {
        // Rates need two looks.
        let before = match one_shot {
            true => None,
            false => {
                let before = look(&api, &record).await?;
                if record.state.status.is_alive() {
                    tokio::time::sleep(PAUSE).await;
                }
                Some(before)
            }
        };
        let now = look(&api, &record).await?;
        return Ok(([(CONTENT_TYPE, "application/json")], line(&now, before.as_ref())).into_response());
    }
    let (sender, receiver) = mpsc::channel(2);
    let api = api.clone();
    tokio::spawn(async move {
        let mut before = None;
        loop {
            // Removed meanwhile: that is the end.
            let Ok(now) = look(&api, &record).await else { return };
            if sender.send(Ok(Bytes::from(line(&now, before.as_ref())))).await.is_err() {
                return;
            }
            before = Some(now);
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = sender.closed() => return,
            }
        }
    });
    Ok(([(CONTENT_TYPE, "application/json")], crate::progress::body(receiver)).into_response())
}

fn line(now: &Look, before: Option<&Look>) -> String {
    let mut value = now.value.clone();
    value["read"] = json!(now.read);
    value["preread"] = before.map_or_else(|| json!(NEVER), |before| json!(before.read));
    value["precpu_stats"] = match before {
        Some(before) => before.value["cpu_stats"].clone(),
        None => json!({"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}, "throttling_data": throttling()}),
    };
    value.to_string() + "\n"
}

fn throttling() -> Value {
    json!({"periods": 0, "throttled_periods": 0, "throttled_time": 0})
}

async fn look(api: &Api, record: &Record) -> Result<Look> {
    let id = record.id.clone();
    blocking(api, move |docker| {
        let record = docker.engine.folder.read(&id)?.ok_or_else(|| Error::NoContainer(id.short().to_owned()))?;
        Ok(Look { read: Moment::now(), value: taken(docker, &record)? })
    })
    .await
}

fn taken(docker: &Docker, record: &Record) -> Result<Value> {
    let name = format!("/{}", record.name);
    let usage = match docker.engine.usage(record) {
        Ok(usage) => usage,
        // One that does not run takes nothing.
        Err(Error::State { .. }) => {
            return Ok(json!({
                "name": name, "id": record.id, "pids_stats": {}, "blkio_stats": {}, "num_procs": 0, "storage_stats": {},
                "cpu_stats": {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}, "throttling_data": throttling()},
                "memory_stats": {},
            }));
        }
        Err(error) => return Err(error.into()),
    };
    let total = u64::try_from(usage.time.as_nanos()).unwrap_or(u64::MAX);
    let limit = record.options.memory_bytes.unwrap_or_else(memory);
    let mut value = json!({
        "name": name,
        "id": record.id,
        "num_procs": 0,
        "storage_stats": {},
        "blkio_stats": {"io_service_bytes_recursive": null},
        "pids_stats": {"current": usage.processes, "limit": record.options.processes},
        "cpu_stats": {
            "cpu_usage": {"total_usage": total, "usage_in_kernelmode": 0, "usage_in_usermode": total},
            "system_cpu_usage": system_time(),
            "online_cpus": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "throttling_data": throttling(),
        },
        "memory_stats": {"usage": usage.resident, "stats": {}, "limit": limit},
    });
    if matches!(record.options.network, container::network::NetworkMode::Bridge(_)) {
        value["networks"] = json!({"eth0": {
            "rx_bytes": usage.received, "rx_packets": 0, "rx_errors": 0, "rx_dropped": 0,
            "tx_bytes": usage.sent, "tx_packets": 0, "tx_errors": 0, "tx_dropped": 0,
        }});
    }
    Ok(value)
}

/// Time of all processors of the machine, nanoseconds.
fn system_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().into_iter().flat_map(|line| line.split_whitespace().skip(1).take(8));
    ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK
}

/// Memory of the machine, bytes.
pub(crate) fn memory() -> u64 {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    total.unwrap_or(0) * 1024
}
