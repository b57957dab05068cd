//! Which cloud a probing command asks: the running lab of the file's name, else one that is made for this command.

use std::sync::Arc;

use control::api::{ProblemKind, Probes};
use control::client::Daemon;
use control::paths::Paths;
use fabric::engine::{Answer, Request};
use lab::Lab;
use model::Model;

use crate::exit::{Failure, Result};
use crate::output::Output;

/// The cloud that is asked.
pub struct Target {
    /// What it is.
    pub model: Arc<Model>,
    /// Who carries it; `None`: nobody yet.
    pub running: Option<Running>,
}

/// A lab that is up.
#[derive(Clone)]
pub struct Running {
    daemon: Arc<Daemon>,
    name: String,
    generation: u64,
}

impl Target {
    /// The running lab of this name, with a word about changes of the file that are not up; else what the file says.
    pub fn of(lab: &Lab, described: Model, output: &Output) -> Result<Target> {
        let apart = |model| Ok(Target { model: Arc::new(model), running: None });
        let Ok(paths) = Paths::of_user() else { return apart(described) };
        let failed = |problem: control::api::Problem| failure(&problem);
        let Some(daemon) = Daemon::find(paths).map_err(failed)? else { return apart(described) };
        let Some(view) = daemon.lab(&lab.name).map_err(failed)?.filter(|view| view.is_up) else { return apart(described) };
        let changes = lab.plan(&view.model).map_or(0, |changes| changes.len());
        if changes > 0 {
            let many = if changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") };
            output.note(format!("lab {} is up and is what is asked; its file has {many} that are not up", lab.name));
        }
        let generation = view.model.generation;
        Ok(Target { model: Arc::new(view.model), running: Some(Running { daemon: Arc::new(daemon), name: lab.name.clone(), generation }) })
    }
}

impl Running {
    /// Sends probes through the lab.
    pub fn probe(&self, requests: &[Request]) -> Result<Vec<std::result::Result<Answer, String>>> {
        let probes = Probes { generation: self.generation, requests: requests.to_vec() };
        Ok(self.daemon.probe(&self.name, &probes).map_err(|problem| failure(&problem))?.answers)
    }
}

fn failure(problem: &control::api::Problem) -> Failure {
    let failure = match problem.kind {
        ProblemKind::Conflict => Failure::environment(format!("{problem}: the lab was changed meanwhile")),
        _ => Failure::environment(problem.to_string()),
    };
    match &problem.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}
