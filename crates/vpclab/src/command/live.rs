//! A lab that is up, as commands meet it that watch it: its cloud compiled, its holder and daemon at hand.

use std::sync::Arc;

use control::api::{Problem, Probes};
use control::client::Daemon;
use control::paths::Paths;
use fabric::Fabric;
use fabric::engine::{Answer, Request};
use model::Model;

use super::{find, load};
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// A lab that is up.
pub struct Running {
    /// Its name.
    pub name: String,
    /// The cloud.
    pub model: Arc<Model>,
    /// What it means for packets.
    pub fabric: Arc<Fabric>,
    daemon: Daemon,
}

impl Running {
    /// The lab that a command means: the lab file's, else the only one that is up. Starts nothing.
    pub fn open(global: &Global, output: &Output) -> Result<Running> {
        let none = || Failure::usage("no lab is up").hint("vpclab up brings one up");
        let paths = Paths::of_user().map_err(|e| Failure::environment(e.to_string()).hint("export HOME=… or VPCLAB_HOME=…"))?;
        let daemon = Daemon::find(paths).map_err(failed)?.ok_or_else(none)?;
        let up: Vec<String> = daemon.labs().map_err(failed)?.into_iter().filter(|lab| lab.is_up).map(|lab| lab.name).collect();
        let name = match (global.file.is_some(), find(None, global)) {
            (_, Ok(path)) => load(&path, output)?.name,
            (true, Err(failure)) => return Err(failure),
            (false, Err(_)) => match up.as_slice() {
                [] => return Err(none()),
                [one] => one.clone(),
                several => {
                    let failure = Failure::usage(format!("several labs are up: {}", several.join(", ")));
                    return Err(failure.hint("say which one by its file: -f FILE"));
                }
            },
        };
        match daemon.lab(&name).map_err(failed)?.filter(|view| view.is_up) {
            Some(view) => {
                let model = Arc::new(view.model);
                let fabric = Arc::new(Fabric::compile(&model));
                Ok(Running { name, model, fabric, daemon })
            }
            None => {
                let others = if up.is_empty() { String::new() } else { format!("; up now: {}", up.join(", ")) };
                Err(Failure::usage(format!("lab {name} is not up")).hint(format!("vpclab up brings it up{others}")))
            }
        }
    }

    /// The lab's holder: sockets in its namespaces.
    pub fn holder(&self) -> Result<sandbox::Client> {
        let socket = self.daemon.paths().holder_socket(&self.name);
        sandbox::Client::connect(&socket).map_err(|e| Failure::environment(e.to_string()))
    }

    /// Sends probes through the lab; answers in their order.
    pub fn probe(&self, requests: &[Request]) -> Result<Vec<std::result::Result<Answer, String>>> {
        let probes = Probes { generation: self.model.generation, requests: requests.to_vec() };
        Ok(self.daemon.probe(&self.name, &probes).map_err(failed)?.answers)
    }
}

fn failed(problem: Problem) -> Failure {
    let failure = Failure::environment(problem.message);
    match problem.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
