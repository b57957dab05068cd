//! `start`, `stop`, `rm`: the states of instances (INST-1 … INST-6).

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use control::api::Wanted;
use model::InstanceId;
use model::operation::{start_instances, stop_instances, terminate_instances};
use serde_json::json;

use super::running::{Running, bring, until_first};
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Instances by name.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Instances: names, ids or addresses
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// What happens to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `start`.
    Start,
    /// `stop`.
    Stop,
    /// `rm`.
    Remove,
}

/// Seconds of model time in which an instance reaches the state that was asked for.
const SETTLED: u64 = 300;
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes states and waits until packets see it.
pub fn run(verb: Verb, arguments: &NamesArgs, global: &Global, output: &Output) -> Result {
    let lab = Running::open(global)?.name;
    until_first(&lab, || {
        let running = Running::open(global)?;
        let word = match verb {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Remove => "rm",
        };
        let id = |name: &String| {
            let found = running.instance(name).map(|instance| instance.id.clone());
            found.map_err(|failure| super::containers::or_container(failure, word, name, &running))
        };
        let ids = arguments.names.iter().map(id).collect::<Result<Vec<InstanceId>>>()?;
        let mut model = (*running.model).clone();
        model.advance_to(control::host::now());
        let changed = match verb {
            Verb::Start => start_instances(&mut model, &ids),
            Verb::Stop => stop_instances(&mut model, &ids),
            Verb::Remove => terminate_instances(&mut model, &ids),
        };
        changed.map_err(|error| {
            let failure = Failure { code: exit::NO, message: format!("{} ({:?})", error.message.trim_end_matches('.'), error.code), hint: None };
            match error.hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        let now = model.context.now;
        model.advance_to(now.plus(SETTLED));
        let wanted = Wanted {
            base_generation: Some(running.model.generation),
            file: running.file.clone(),
            model,
            claims: running.claims.clone(),
            rights: running.rights.clone(),
        };
        match bring(running.daemon(), &running.name, &wanted, PATIENCE)? {
            Some(_) => {
                if verb == Verb::Remove {
                    forget_containers(&running, &wanted.model, output);
                }
                shown(arguments, &ids, &wanted.model, output).map(Some)
            }
            None => Ok(None),
        }
    })
}

/// Containers of instances that are gone go with them; what cannot be removed now goes with the next `up`.
fn forget_containers(running: &Running, model: &model::Model, output: &Output) {
    let Ok(paths) = super::running::paths() else { return };
    if !container::engine::lab::folder(&paths.logs(&running.name)).root().exists() {
        return;
    }
    let engine = control::containers::engine(&paths, &running.name, &fabric::Fabric::compile(model));
    let done = engine.and_then(|engine| control::containers::forget_terminated(&engine, model));
    if let Err(error) = done {
        output.note(format!("containers of it stay until the next up: {error}"));
    }
}

fn shown(arguments: &NamesArgs, ids: &[InstanceId], model: &model::Model, output: &Output) -> Result {
    let state = |id: &InstanceId| model.instances.get(id).map_or("terminated", |i| i.state.as_str());
    if output.format == Format::Json {
        let rows = arguments.names.iter().zip(ids).map(|(name, id)| json!({"name": name, "id": id, "state": state(id)}));
        output.json(&rows.collect::<Vec<_>>())?;
    } else {
        arguments.names.iter().zip(ids).for_each(|(name, id)| output.line(format!("{name} is {}", state(id))));
    }
    Ok(ExitCode::SUCCESS)
}
