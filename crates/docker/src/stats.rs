//! What containers take: `/containers/{id}/stats`, once a second.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use container::engine::record::Record;
use container::engine::usage::DeviceCounters;
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
        None => json!({"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}, "throttling_data": throttling((0, 0, 0))}),
    };
    value.to_string() + "\n"
}

fn throttling((periods, stopped, time): (u64, u64, u64)) -> Value {
    json!({"periods": periods, "throttled_periods": stopped, "throttled_time": time})
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
    let counters = match docker.engine.counters(record) {
        Ok(counters) => counters,
        // One that does not run takes nothing.
        Err(Error::State { .. }) => {
            return Ok(json!({
                "name": name, "id": record.id, "pids_stats": {}, "blkio_stats": {}, "num_procs": 0, "storage_stats": {},
                "cpu_stats": {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}, "throttling_data": throttling((0, 0, 0))},
                "memory_stats": {},
            }));
        }
        Err(error) => return Err(error.into()),
    };
    let blocks = |read: fn(&DeviceCounters) -> u64, written: fn(&DeviceCounters) -> u64| -> Vec<Value> {
        let lines = counters.devices.iter().flat_map(|device| {
            let line = |op: &str, value: u64| json!({"major": device.major, "minor": device.minor, "op": op, "value": value});
            [line("read", read(device)), line("write", written(device))]
        });
        lines.collect()
    };
    let mut value = json!({
        "name": name,
        "id": record.id,
        "num_procs": 0,
        "storage_stats": {},
        "blkio_stats": {
            "io_service_bytes_recursive": blocks(|device| device.read_bytes, |device| device.written_bytes),
            "io_serviced_recursive": blocks(|device| device.reads, |device| device.writes),
        },
        "pids_stats": {"current": counters.processes, "limit": counters.processes_limit},
        "cpu_stats": {
            "cpu_usage": {
                "total_usage": counters.cpu_total,
                "usage_in_kernelmode": counters.cpu_system,
                "usage_in_usermode": counters.cpu_user,
            },
            "system_cpu_usage": system_time(),
            "online_cpus": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "throttling_data": throttling(counters.throttled),
        },
        "memory_stats": {
            "usage": counters.memory,
            "stats": counters.memory_parts,
            "limit": counters.memory_limit.unwrap_or_else(memory),
        },
    });
    if !counters.networks.is_empty() {
        let networks = counters.networks.iter().map(|(name, network)| {
            let (received, sent) = (network.received, network.sent);
            let shown = json!({
                "rx_bytes": received[0], "rx_packets": received[1], "rx_errors": received[2], "rx_dropped": received[3],
                "tx_bytes": sent[0], "tx_packets": sent[1], "tx_errors": sent[2], "tx_dropped": sent[3],
            });
            (name.clone(), shown)
        });
        value["networks"] = Value::Object(networks.collect());
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
