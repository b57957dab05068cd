//! `containers ls`.

use std::process::ExitCode;

use clap::Args;
use container::engine::{Moment, Record, Status, time};
use serde_json::json;

use super::{Place, failed};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `containers ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Those too that do not run
    #[arg(short, long)]
    pub all: bool,
    /// Only those of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Only those that fit: status=exited, name=web, label=NAME[=VALUE], ancestor=IMAGE, health=healthy, exited=CODE, volume=NAME
    #[arg(long, value_name = "NAME=VALUE")]
    pub filter: Vec<String>,
}

/// Lists containers, the newest first.
pub fn ls(arguments: &LsArgs, place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    let filters = arguments.filter.iter().map(|text| filter(text)).collect::<Result<Vec<_>>>()?;
    let speaks_of_status = filters.iter().any(|filter| matches!(filter, Filter::Status(_) | Filter::Exited(_)));
    let key = arguments.instance.as_deref().map(|word| place.running.instance(word)).transpose()?;
    let key = key.map(|instance| linux::naming::instance_namespace(&instance.id));
    let mut records = place.engine.folder.list().map_err(|error| failed(&error))?;
    for record in &mut records {
        settled(place, record)?;
    }
    records.retain(|record| {
        let is_shown = arguments.all || speaks_of_status || record.state.status.is_alive() || record.state.status == Status::Restarting;
        is_shown && key.as_ref().is_none_or(|key| *key == record.instance) && filters.iter().all(|filter| filter.fits(record))
    });
    records.reverse();
    if output.format == Format::Json {
        output.json(&records.iter().map(|record| row(record, place)).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if records.is_empty() && output.format == Format::Table {
        output.hint(if arguments.all { "no containers; vpclab containers run IMAGE" } else { "none runs; -a shows all" });
    }
    let now = Moment::now();
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            if output.format == Format::Name {
                return vec![record.name.clone()];
            }
            let mut row = vec![
                record.id.short().to_owned(),
                record.name.clone(),
                place.instance_name(&record.instance).to_owned(),
                record.image.name.clone(),
                record.status_text(now),
                ports(record),
            ];
            if output.format != Format::Table {
                let addresses: Vec<String> = record.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
                row.extend([record.settings.arguments().join(" "), format!("{} ago", time::rough(record.created.until(now))), addresses.join(", ")]);
            }
            row
        })
        .collect();
    let headings = ["id", "name", "instance", "image", "status", "ports", "command", "created", "addresses"];
    output.table(&headings[..if output.format == Format::Table { 6 } else { 9 }], &rows);
    Ok(ExitCode::SUCCESS)
}

/// Brings a record that says "running" to what the holder says, unless somebody else has it.
fn settled(place: &Place, record: &mut Record) -> Result<()> {
    if !record.state.status.is_alive() {
        return Ok(());
    }
    let is_alive = place.engine.client.container_status(record.id.as_str()).is_ok_and(|status| status.ended.is_none());
    if is_alive {
        return Ok(());
    }
    if let Some(mut held) = place.engine.folder.try_hold(&record.id).map_err(|error| failed(&error))? {
        let settled = place.engine.settle(&mut held);
        *record = held.record.clone();
        // What is so is shown also where there is no room to write it down; whoever comes next does that.
        if !matches!(&settled, Err(container::engine::Error::Image(container::Error::Io { .. }))) {
            settled.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// `0.0.0.0:8080->80/tcp, 53/udp`.
pub fn ports(record: &Record) -> String {
    let published: Vec<_> = record.endpoints.iter().flat_map(|endpoint| &endpoint.published).collect();
    let is_published = |port: &container::network::Port| {
        published.iter().any(|known| (known.container_port, known.transport) == (port.number, port.transport))
    };
    let open = record.settings.exposed.iter().filter(|port| record.state.status.is_alive() && !is_published(port)).map(ToString::to_string);
    published.iter().map(ToString::to_string).chain(open).collect::<Vec<_>>().join(", ")
}

/// Stable keys of `-o json`.
fn row(record: &Record, place: &Place) -> serde_json::Value {
    json!({
        "id": record.id,
        "name": record.name,
        "instance": place.instance_name(&record.instance),
        "image": record.image.name,
        "image_id": record.image.id,
        "command": record.settings.arguments(),
        "created": record.created,
        "state": record.state.status.name(),
        "status": record.status_text(Moment::now()),
        "exit_code": record.state.exit_code,
        "health": record.state.health.as_ref().map(|health| health.status.name()),
        "restarts": record.state.restarts,
        "pid": record.state.pid,
        "ports": record.endpoints.iter().flat_map(|endpoint| &endpoint.published).collect::<Vec<_>>(),
        "addresses": record.endpoints.iter().map(|endpoint| endpoint.address).collect::<Vec<_>>(),
        "labels": record.settings.labels,
        "volumes": record.volumes().collect::<Vec<_>>(),
        "declared": record.declared.is_some(),
    })
}

enum Filter {
    Status(String),
    Name(String),
    Label(String, Option<String>),
    Ancestor(String),
    Health(String),
    Exited(i32),
    Volume(String),
    Id(String),
}

fn filter(text: &str) -> Result<Filter> {
    let wrong = || Failure::usage(format!("`{text}` is no filter")).hint("status=, name=, id=, label=, ancestor=, health=, exited=, volume=");
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = value.to_owned();
    Ok(match key {
        "status" if ["created", "running", "paused", "restarting", "exited", "dead"].contains(&value.as_str()) => Filter::Status(value),
        "status" => return Err(Failure::usage(format!("`{value}` is no status")).hint("created, running, paused, restarting, exited, dead")),
        "name" => Filter::Name(value),
        "id" => Filter::Id(value),
        "label" => match value.split_once('=') {
            Some((name, value)) => Filter::Label(name.to_owned(), Some(value.to_owned())),
            None => Filter::Label(value, None),
        },
        "ancestor" => Filter::Ancestor(value),
        "health" => Filter::Health(value),
        "exited" => Filter::Exited(value.parse().map_err(|_| wrong())?),
        "volume" => Filter::Volume(value),
        _ => return Err(wrong()),
    })
}

impl Filter {
    fn fits(&self, record: &Record) -> bool {
        match self {
            Filter::Status(status) => record.state.status.name() == status,
            Filter::Name(name) => record.name.contains(name.as_str()),
            Filter::Id(id) => record.id.as_str().starts_with(id.as_str()),
            Filter::Label(name, value) => {
                record.settings.labels.get(name).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            }
            Filter::Ancestor(image) => record.image.name == *image || record.image.id.short() == *image || record.image.id.to_string() == *image,
            Filter::Health(health) => record.state.health.as_ref().map_or("none", |found| found.status.name()) == health,
            Filter::Exited(code) => record.state.status == Status::Exited && record.state.exit_code == *code,
            Filter::Volume(name) => record.volumes().any(|volume| volume == name),
        }
    }
}
