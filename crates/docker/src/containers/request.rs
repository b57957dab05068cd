//! What clients write when they ask for a container: the fields that mean something here. Fields that are left out, null and
//! Go's zero values are the same.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::query::or_default;

/// One word or many.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    pub fn list(self) -> Vec<String> {
        match self {
            Words::One(word) => vec![word],
            Words::Many(words) => words,
        }
    }
}

/// Keys of which only the name counts: `{"80/tcp": {}}`.
pub type Set = BTreeMap<String, Value>;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Create {
    #[serde(deserialize_with = "or_default")]
    pub hostname: String,
    #[serde(deserialize_with = "or_default")]
    pub domainname: String,
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    #[serde(deserialize_with = "or_default")]
    pub exposed_ports: Set,
    #[serde(deserialize_with = "or_default")]
    pub tty: bool,
    #[serde(deserialize_with = "or_default")]
    pub open_stdin: bool,
    #[serde(deserialize_with = "or_default")]
    pub stdin_once: bool,
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    pub cmd: Option<Words>,
    pub healthcheck: Option<Health>,
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    #[serde(deserialize_with = "or_default")]
    pub volumes: Set,
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    pub entrypoint: Option<Words>,
    #[serde(deserialize_with = "or_default")]
    pub network_disabled: bool,
    #[serde(deserialize_with = "or_default")]
    pub mac_address: String,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub stop_signal: String,
    pub stop_timeout: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub host_config: Host,
    #[serde(deserialize_with = "or_default")]
    pub networking_config: Networking,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    #[serde(deserialize_with = "or_default")]
    pub test: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub interval: i64,
    #[serde(deserialize_with = "or_default")]
    pub timeout: i64,
    #[serde(deserialize_with = "or_default")]
    pub retries: i64,
    #[serde(deserialize_with = "or_default")]
    pub start_period: i64,
    #[serde(deserialize_with = "or_default")]
    pub start_interval: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Host {
    #[serde(deserialize_with = "or_default")]
    pub binds: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub log_config: LogConfig,
    #[serde(deserialize_with = "or_default")]
    pub network_mode: String,
    #[serde(deserialize_with = "or_default")]
    pub port_bindings: BTreeMap<String, Option<Vec<Binding>>>,
    #[serde(deserialize_with = "or_default")]
    pub restart_policy: Restart,
    #[serde(deserialize_with = "or_default")]
    pub auto_remove: bool,
    #[serde(deserialize_with = "or_default")]
    pub volume_driver: String,
    #[serde(deserialize_with = "or_default")]
    pub volumes_from: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub mounts: Vec<Mount>,
    #[serde(deserialize_with = "or_default")]
    pub tmpfs: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub cap_add: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub cap_drop: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub dns: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub dns_options: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub dns_search: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub extra_hosts: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub group_add: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub ipc_mode: String,
    #[serde(deserialize_with = "or_default")]
    pub pid_mode: String,
    #[serde(rename = "UTSMode", deserialize_with = "or_default")]
    pub uts_mode: String,
    #[serde(deserialize_with = "or_default")]
    pub userns_mode: String,
    #[serde(deserialize_with = "or_default")]
    pub cgroupns_mode: String,
    #[serde(deserialize_with = "or_default")]
    pub links: Vec<String>,
    pub oom_score_adj: Option<i32>,
    #[serde(deserialize_with = "or_default")]
    pub privileged: bool,
    #[serde(deserialize_with = "or_default")]
    pub publish_all_ports: bool,
    #[serde(deserialize_with = "or_default")]
    pub readonly_rootfs: bool,
    #[serde(deserialize_with = "or_default")]
    pub security_opt: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub storage_opt: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub shm_size: i64,
    #[serde(deserialize_with = "or_default")]
    pub sysctls: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub runtime: String,
    #[serde(deserialize_with = "or_default")]
    pub isolation: String,
    pub init: Option<bool>,
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    #[serde(deserialize_with = "or_default")]
    pub memory: i64,
    #[serde(deserialize_with = "or_default")]
    pub nano_cpus: i64,
    #[serde(deserialize_with = "or_default")]
    pub cpu_period: i64,
    #[serde(deserialize_with = "or_default")]
    pub cpu_quota: i64,
    pub pids_limit: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub ulimits: Vec<Ulimit>,
    #[serde(deserialize_with = "or_default")]
    pub devices: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub device_requests: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub device_cgroup_rules: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub cgroup_parent: String,
    // What has no effect here is only looked at for a warning.
    #[serde(deserialize_with = "or_default")]
    pub memory_swap: i64,
    pub memory_swappiness: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub memory_reservation: i64,
    #[serde(deserialize_with = "or_default")]
    pub kernel_memory: i64,
    pub oom_kill_disable: Option<bool>,
    #[serde(deserialize_with = "or_default")]
    pub cpu_shares: i64,
    #[serde(deserialize_with = "or_default")]
    pub cpuset_cpus: String,
    #[serde(deserialize_with = "or_default")]
    pub cpuset_mems: String,
    #[serde(deserialize_with = "or_default")]
    pub cpu_realtime_period: i64,
    #[serde(deserialize_with = "or_default")]
    pub cpu_realtime_runtime: i64,
    #[serde(deserialize_with = "or_default")]
    pub blkio_weight: i64,
    #[serde(deserialize_with = "or_default")]
    pub blkio_weight_device: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub blkio_device_read_bps: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub blkio_device_write_bps: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub blkio_device_read_i_ops: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub blkio_device_write_i_ops: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub kind: String,
    #[serde(deserialize_with = "or_default")]
    pub config: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Binding {
    #[serde(deserialize_with = "or_default")]
    pub host_ip: String,
    #[serde(deserialize_with = "or_default")]
    pub host_port: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Restart {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub maximum_retry_count: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub soft: i64,
    #[serde(deserialize_with = "or_default")]
    pub hard: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub kind: String,
    #[serde(deserialize_with = "or_default")]
    pub source: String,
    #[serde(deserialize_with = "or_default")]
    pub target: String,
    #[serde(deserialize_with = "or_default")]
    pub read_only: bool,
    #[serde(deserialize_with = "or_default")]
    pub bind_options: BindOptions,
    #[serde(deserialize_with = "or_default")]
    pub volume_options: VolumeOptions,
    #[serde(deserialize_with = "or_default")]
    pub tmpfs_options: TmpfsOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindOptions {
    #[serde(deserialize_with = "or_default")]
    pub propagation: String,
    #[serde(deserialize_with = "or_default")]
    pub non_recursive: bool,
    #[serde(deserialize_with = "or_default")]
    pub create_mountpoint: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeOptions {
    #[serde(deserialize_with = "or_default")]
    pub no_copy: bool,
    #[serde(deserialize_with = "or_default")]
    pub driver_config: DriverConfig,
    #[serde(deserialize_with = "or_default")]
    pub subpath: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DriverConfig {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    #[serde(deserialize_with = "or_default")]
    pub size_bytes: i64,
    #[serde(deserialize_with = "or_default")]
    pub mode: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Networking {
    #[serde(deserialize_with = "or_default")]
    pub endpoints_config: BTreeMap<String, Option<crate::networks::EndpointSettings>>,
}
