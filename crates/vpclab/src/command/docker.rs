//! `docker`: the docker command that is installed here, for the containers of a lab or of one of its instances.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use control::containers::doors;

use super::running::{Running, paths};
use crate::cli::Global;
use crate::exit::{Failure, Result};

/// How long a door may take to open behind a lab that was just brought up.
const PATIENCE: Duration = Duration::from_secs(5);

/// `docker`.
#[derive(Debug, Args)]
pub struct DockerArgs {
    /// Instance whose containers are meant; left out: those of the whole lab
    #[arg(value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// What docker is told, such as: -- ps -a
    #[arg(last = true, required = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<String>,
}

/// Becomes the docker command; its exit code is this one's.
pub fn run(arguments: &DockerArgs, global: &Global) -> Result {
    let running = Running::open(global)?;
    let socket = socket(&running, arguments.instance.as_deref())?;
    let mut command = Command::new("docker");
    command.args(&arguments.arguments).env("DOCKER_HOST", host(&socket));
    for name in ["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH"] {
        command.env_remove(name);
    }
    let error = command.exec();
    if error.kind() == std::io::ErrorKind::NotFound {
        let failure = Failure::environment("there is no docker command in PATH: its client is what is needed, no engine");
        return Err(failure.hint("install the client (on Debian and Ubuntu: apt install docker-cli, or docker.io), or use vpclab containers"));
    }
    Err(Failure::environment(format!("starting docker: {error}")))
}

/// What `DOCKER_HOST` is for a socket.
pub fn host(socket: &std::path::Path) -> String {
    format!("unix://{}", socket.display())
}

/// The socket of a lab or one of its instances, once somebody listens there.
pub fn socket(running: &Running, instance: Option<&str>) -> Result<PathBuf> {
    let key = match instance {
        None => None,
        Some(name) => Some(linux::naming::instance_namespace(&running.instance(name)?.id)),
    };
    let socket = doors::socket(&paths()?, &running.name, &running.model, key.as_deref());
    let begun = Instant::now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        if begun.elapsed() > PATIENCE {
            let failure = Failure::environment(format!("nobody listens at {}", socket.display()));
            return Err(failure.hint(format!("{} says why", paths()?.daemon_log().display())));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(socket)
}
