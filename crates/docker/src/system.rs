//! Who answers: `/_ping`, `/version`, `/info`; what is there of swarms and plugins, which is nothing.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::Json;
use container::engine::{Moment, Status};
use serde_json::{Value, json};

use crate::error::{Failure, Result};
use crate::state::{Api, blocking};
use crate::version::{NEWEST, OLDEST};

/// The version of Docker's engine whose ways are followed.
pub const ENGINE_VERSION: &str = "28.2.2";

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    let mut router = Router::new()
        .route("/_ping", get(ping).head(ping))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/plugins", get(|| async { Json(json!([])) }))
        // Without these a client builds in the classic way.
        .route("/grpc", any(|| async { Failure::not_found("page not found") }))
        .route("/session", any(|| async { Failure::not_found("page not found") }));
    for group in ["swarm", "nodes", "services", "tasks", "secrets", "configs"] {
        router = router.route(&format!("/{group}"), any(no_swarm)).route(&format!("/{group}/{{*rest}}"), any(no_swarm));
    }
    router
}

async fn no_swarm() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not a swarm manager. A lab has no swarm: its instances are what would be nodes",
    )
}

async fn ping() -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), "text/plain; charset=utf-8"),
        (CACHE_CONTROL.as_str(), "no-cache, no-store, must-revalidate"),
        ("pragma", "no-cache"),
        ("builder-version", "1"),
        ("swarm", "inactive"),
    ];
    (headers, "OK").into_response()
}

fn api_version(version: (u32, u32)) -> String {
    format!("{}.{}", version.0, version.1)
}

fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

async fn version() -> Json<Value> {
    let program = env!("CARGO_PKG_VERSION");
    let details = json!({
        "ApiVersion": api_version(NEWEST), "MinAPIVersion": api_version(OLDEST), "Arch": architecture(), "Os": "linux",
        "KernelVersion": kernel(), "GoVersion": "none", "GitCommit": program, "Experimental": "false",
    });
    Json(json!({
        "Platform": {"Name": "vpclab"},
        "Components": [
            {"Name": "Engine", "Version": ENGINE_VERSION, "Details": details},
            {"Name": "vpclab", "Version": program, "Details": {"GitCommit": program}},
        ],
        "Version": ENGINE_VERSION,
        "ApiVersion": api_version(NEWEST),
        "MinAPIVersion": api_version(OLDEST),
        "GitCommit": program,
        "GoVersion": "none",
        "Os": "linux",
        "Arch": architecture(),
        "KernelVersion": kernel(),
    }))
}

async fn info(State(api): State<Api>) -> Result<Json<Value>> {
    blocking(&api, |docker| {
        let records = docker.records()?;
        let count = |wanted: fn(Status) -> bool| records.iter().filter(|record| wanted(record.state.status)).count();
        let only = docker.scope.only.as_deref().map(|key| docker.scope.name_of(key));
        let name = only.unwrap_or_else(|| docker.scope.lab.clone());
        let stats = docker.engine.client.stats()?;
        let limited = |what: &str| stats.enforced.iter().any(|name| name == what);
        let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"').to_owned();
        let mut warnings = Vec::new();
        if stats.enforced.is_empty() {
            warnings.push("WARNING: no cgroup was given to this lab: limits of containers are not enforced");
        }
        let mut security = vec!["name=seccomp,profile=builtin", "name=cgroupns"];
        if !rustix::process::geteuid().is_root() {
            security.push("name=rootless");
        }
        let mut info = json!({
            "ID": format!("vpclab/{}/{name}", docker.scope.lab),
            "Name": name,
            "Containers": records.len(),
            "ContainersRunning": count(|status| status == Status::Running || status == Status::Restarting),
            "ContainersPaused": count(|status| status == Status::Paused),
            "ContainersStopped": count(|status| !status.is_alive() && status != Status::Restarting),
            "Images": docker.engine.store.images()?.len(),
            "Driver": "overlayfs",
            "DriverStatus": [],
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": null, "Log": ["json-file"]},
            "MemoryLimit": limited("memory"), "SwapLimit": false, "CpuCfsPeriod": limited("cpu"), "CpuCfsQuota": limited("cpu"),
            "CPUShares": false, "CPUSet": false, "PidsLimit": limited("pids"), "OomKillDisable": false,
            "IPv4Forwarding": true, "BridgeNfIptables": false, "BridgeNfIp6tables": false,
            "Debug": false, "NFd": 0, "NGoroutines": 0, "NEventsListener": 0,
            "SystemTime": Moment::now(),
        });
        let rest = json!({
            "LoggingDriver": "json-file",
            "CgroupDriver": "none", "CgroupVersion": "2",
            "KernelVersion": kernel(),
            "OperatingSystem": system, "OSVersion": "", "OSType": "linux", "Architecture": std::env::consts::ARCH,
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"], "IndexConfigs": {}, "Mirrors": []},
            "NCPU": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "MemTotal": crate::stats::memory(),
            "GenericResources": null,
            "DockerRootDir": docker.engine.folder.root(),
            "HttpProxy": "", "HttpsProxy": "", "NoProxy": "",
            "Labels": [format!("vpclab.lab={}", docker.scope.lab)],
            "ExperimentalBuild": false,
            "ServerVersion": ENGINE_VERSION,
            "Runtimes": {"vpclab": {"path": "vpclab"}}, "DefaultRuntime": "vpclab",
            "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "", "RemoteManagers": null},
            "LiveRestoreEnabled": true,
            "Isolation": "", "InitBinary": "vpclab",
            "ContainerdCommit": {"ID": ""}, "RuncCommit": {"ID": ""}, "InitCommit": {"ID": ""},
            "SecurityOptions": security,
            "CDISpecDirs": [],
            "Warnings": warnings,
        });
        if let (Value::Object(info), Value::Object(rest)) = (&mut info, rest) {
            info.extend(rest);
        }
        Ok(Json(info))
    })
    .await
}
