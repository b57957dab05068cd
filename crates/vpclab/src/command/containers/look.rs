//! `containers inspect`, `top`, `stats`, `diff`, `port`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use container::network::{Port, parse_exposed};
use container::engine::processes::Usage;
use container::engine::{Record, Status};
use container::limits::size;
use serde_json::{Value, json};

use super::verbs::NamesArgs;
use super::{Place, failed};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// One container by name.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Container: name, id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

/// `containers port`.
#[derive(Debug, Args)]
pub struct PortArgs {
    #[command(flatten)]
    pub of: OneArgs,
    /// Only where this port of the container is reached: 80, or 53/udp
    #[arg(value_name = "PORT[/PROTOCOL]")]
    pub port: Option<String>,
}

/// `containers inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Print config.json of the OCI runtime specification instead, by which runc or crun run a container alike: its root file
    /// system, rootfs, is what `containers export` writes. What it lacks stands in the annotation vpclab.left-out
    #[arg(long)]
    pub oci: bool,
    #[command(flatten)]
    pub names: NamesArgs,
}

/// `containers stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Print once and end
    #[arg(long)]
    pub no_stream: bool,
    /// Containers; default: all that run
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
}

/// Between two looks at how busy they are.
const LOOK: Duration = Duration::from_secs(1);

pub fn inspect(arguments: &InspectArgs, place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let instance = arguments.names.instance.as_deref();
    if arguments.oci {
        let [name] = &arguments.names.containers[..] else {
            return Err(Failure::usage("--oci is about one container: a bundle has one config.json"));
        };
        let record = place.find(name, instance)?;
        output.json(&place.engine.oci_spec(&record).map_err(|error| failed(&error))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut all = Vec::new();
    for name in &arguments.names.containers {
        let record = place.find(name, instance)?;
        let mut value = place.engine.inspect(&record);
        value["Instance"] = json!(place.instance_name(&record.instance));
        all.push(value);
    }
    output.json(&Value::Array(all))?;
    Ok(ExitCode::SUCCESS)
}

pub fn top(arguments: &OneArgs, place: &Place, output: &Output) -> Result {
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    let rows = place.engine.processes(&record).map_err(|error| failed(&error))?;
    if output.format == Format::Json {
        let rows = rows.iter().map(|row| {
            json!({"uid": row.uid, "pid": row.pid, "parent": row.parent, "time_seconds": row.time.as_secs_f64(), "resident_bytes": row.resident, "command": row.command})
        });
        output.json(&rows.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = rows.iter().map(|row| {
        let time = format!("{}:{:02}.{:02}", row.time.as_secs() / 60, row.time.as_secs() % 60, row.time.subsec_millis() / 10);
        let user = if row.uid == 0 { "root".to_owned() } else { row.uid.to_string() };
        vec![user, row.pid.to_string(), row.parent.to_string(), time, size(row.resident), row.command.clone()]
    });
    output.table(&["user", "pid", "ppid", "time", "memory", "command"], &rows.collect::<Vec<_>>());
    Ok(ExitCode::SUCCESS)
}

pub fn stats(arguments: &StatsArgs, place: &Place, output: &Output) -> Result {
    let wanted = || -> Result<Vec<Record>> {
        if arguments.containers.is_empty() {
            let all = place.engine.folder.list().map_err(|error| failed(&error))?;
            let key = arguments.instance.as_deref().map(|word| place.running.namespace(word)).transpose()?;
            let fits = |record: &Record| record.state.status == Status::Running && key.as_ref().is_none_or(|key| *key == record.instance);
            return Ok(all.into_iter().filter(fits).collect());
        }
        arguments.containers.iter().map(|name| place.find(name, arguments.instance.as_deref())).collect()
    };
    loop {
        let records = match wanted() {
            _ if place.engine.client.stats().is_err() => {
                output.note(format!("lab {} went down: there are no more figures", place.running.name));
                return Ok(ExitCode::SUCCESS);
            }
            records => records?,
        };
        let look = |record: &Record| (Instant::now(), place.engine.usage(record).ok());
        let before: Vec<_> = records.iter().map(look).collect();
        std::thread::sleep(LOOK);
        let mut rows = Vec::new();
        for (record, (at, before)) in records.iter().zip(before) {
            let (now, Some(after)) = look(record) else { continue };
            let before = before.unwrap_or(after);
            let spent = after.time.saturating_sub(before.time).as_secs_f64();
            rows.push((record, 100.0 * spent / now.duration_since(at).as_secs_f64(), after));
        }
        if output.format == Format::Json {
            output.json(&rows.iter().map(|(record, percent, usage)| shown(record, *percent, usage, place)).collect::<Vec<_>>())?;
        } else {
            let rows: Vec<Vec<String>> = rows
                .iter()
                .map(|(record, percent, usage)| {
                    let limit = record.options.memory_bytes.map_or_else(|| "-".to_owned(), size);
                    let network = format!("{} / {}", size(usage.received), size(usage.sent));
                    let memory = format!("{} / {limit}", size(usage.resident));
                    let id = record.id.short().to_owned();
                    vec![id, record.name.clone(), format!("{percent:.2}%"), memory, network, usage.processes.to_string()]
                })
                .collect();
            output.table(&["id", "name", "cpu %", "memory / limit", "net in / out", "pids"], &rows);
        }
        if arguments.no_stream || output.format == Format::Json {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn shown(record: &Record, percent: f64, usage: &Usage, place: &Place) -> Value {
    json!({
        "id": record.id,
        "name": record.name,
        "instance": place.instance_name(&record.instance),
        "cpu_percent": (percent * 100.0).round() / 100.0,
        "memory_bytes": usage.resident,
        "memory_limit_bytes": record.options.memory_bytes,
        "received_bytes": usage.received,
        "sent_bytes": usage.sent,
        "processes": usage.processes,
    })
}

pub fn diff(arguments: &OneArgs, place: &Place, output: &Output) -> Result {
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    let changes = place.engine.changes(&record).map_err(|error| failed(&error))?;
    if output.format == Format::Json {
        let rows = changes.iter().map(|change| json!({"path": change.path, "kind": change.kind.to_string()}));
        output.json(&rows.collect::<Vec<_>>())?;
    } else {
        changes.iter().for_each(|change| output.line(format!("{} {}", change.kind, change.path.display())));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn port(arguments: &PortArgs, place: &Place, output: &Output) -> Result {
    let OneArgs { container, instance } = &arguments.of;
    let record = place.find(container, instance.as_deref())?;
    let mut published: Vec<_> = record.endpoints.iter().flat_map(|endpoint| endpoint.published.clone()).collect();
    let wanted = arguments.port.as_deref().map(parse_exposed).transpose().map_err(|error| failed(&error.into()))?;
    if let Some(wanted) = &wanted {
        let is_wanted = |port: &Port| wanted.contains(port);
        published.retain(|port| is_wanted(&Port { number: port.container_port, transport: port.transport }));
    }
    if output.format == Format::Json {
        output.json(&published)?;
        return Ok(ExitCode::SUCCESS);
    }
    if published.is_empty() && !record.state.status.is_alive() {
        let failure = Failure { code: crate::exit::NO, message: format!("container {} does not run", record.name), hint: None };
        return Err(failure.hint(format!("vpclab containers start {}", record.name)));
    }
    if let Some(text) = arguments.port.as_ref().filter(|_| published.is_empty()) {
        let message = format!("container {} publishes no port {text}", record.name);
        return Err(Failure { code: crate::exit::NO, message, hint: None }.hint(format!("vpclab containers port {} shows what it publishes", record.name)));
    }
    for port in published {
        match wanted {
            Some(_) => output.line(port.host().to_string()),
            None => output.line(format!("{}/{} -> {}", port.container_port, port.transport, port.host())),
        }
    }
    Ok(ExitCode::SUCCESS)
}
