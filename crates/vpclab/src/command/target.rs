//! Which cloud a probing command asks: the running lab of the file's name, else one that is made for this command.

use std::sync::Arc;

use control::api::{ProblemKind, Probes};
use control::client::Daemon;
use control::paths::Paths;
use fabric::engine::{Answer, Request};
use lab::Lab;
use model::Model;
use model::claim::Claim;

use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// The cloud that is asked.
pub struct Target {
    /// The lab's name.
    pub name: String,
    /// What it is.
    pub model: Arc<Model>,
    /// What its file promises.
    pub claims: Vec<Claim>,
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
    /// The running lab of the file's name, with a word about changes of the file that are not up; else what the file
    /// says. Without a file, the only lab that is up.
    pub fn find(global: &Global, output: &Output) -> Result<Target> {
        let daemon = Paths::of_user().ok().map_or(Ok(None), Daemon::find).map_err(|problem| failure(&problem))?;
        match (super::find(None, global), daemon) {
            (Ok(path), daemon) => {
                let lab = super::load(&path, output)?;
                let described = super::cloud(&lab, output)?;
                Target::of(&lab, described, daemon, output)
            }
            (Err(no_file), Some(daemon)) if global.file.is_none() => {
                let mut up = daemon.labs().map_err(|problem| failure(&problem))?.into_iter().filter(|lab| lab.is_up);
                match (up.next(), up.next()) {
                    (Some(only), None) => Target::up(daemon, &only.name)?.ok_or(no_file),
                    _ => Err(no_file),
                }
            }
            (Err(no_file), _) => Err(no_file),
        }
    }

    fn of(lab: &Lab, described: Model, daemon: Option<Daemon>, output: &Output) -> Result<Target> {
        if let Some(daemon) = daemon
            && let Some(target) = Target::up(daemon, &lab.name)?
        {
            let changes = lab.plan(&target.model).map_or(0, |changes| changes.len());
            if changes > 0 {
                let many = if changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") };
                output.note(format!("lab {} is up and is what is asked; its file has {many} that are not up", lab.name));
            }
            return Ok(Target { claims: lab.claims(), ..target });
        }
        Ok(Target { name: lab.name.clone(), model: Arc::new(described), claims: lab.claims(), running: None })
    }

    /// A lab that is up, with the claims that it was brought up with.
    fn up(daemon: Daemon, name: &str) -> Result<Option<Target>> {
        let view = daemon.lab(name).map_err(|problem| failure(&problem))?.filter(|view| view.is_up);
        Ok(view.map(|view| {
            let running = Running { daemon: Arc::new(daemon), name: view.name.clone(), generation: view.model.generation };
            Target { name: view.name, model: Arc::new(view.model), claims: view.claims, running: Some(running) }
        }))
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
