//! The two servers, each a process of its own that ends with the measurement.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use control::api::{CloudWanted, Wanted};
use control::client::Daemon;
use control::paths::Paths;
use model::{Context, Model, Region};

use super::client::Place;
use crate::cli::Result;

/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);
/// The lab.
const LAB: &str = "bench";

/// A server that answers.
pub struct Server {
    /// Where.
    pub place: Place,
    kind: Kind,
}

enum Kind {
    /// The daemon is this same program under another name.
    Vpclab { daemon: Daemon, _home: tempfile::TempDir },
    Moto(Child),
}

impl Server {
    /// A lab with nothing in it, and its door.
    pub fn vpclab(home: Option<&Path>) -> Result<Self> {
        let home = match home {
            Some(folder) => tempfile::tempdir_in(folder)?,
            None => tempfile::tempdir()?,
        };
        let daemon = Daemon::reach(Paths { home: home.path().join("home") })?.0;
        let mut kind = Kind::Vpclab { daemon, _home: home };
        match kind.serve() {
            Ok(place) => Ok(Self { place, kind }),
            Err(error) => {
                kind.end();
                Err(error)
            }
        }
    }

    /// The Python of moto's environment, if it is there.
    pub fn moto_python(environments: &Path) -> Option<PathBuf> {
        // Not the file that the link leads to: the environment is told by the link's place.
        Some(environments.join("moto/bin/python")).filter(|python| python.exists())
    }

    /// Moto's server as its documentation starts it.
    pub fn moto(python: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let port_text = port.to_string();
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port_text]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let address = format!("127.0.0.1:{port}");
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return Err("moto's server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let [region, access_key_id, secret_access_key] = ["us-east-1", "testing", "testing"].map(str::to_owned);
        Ok(Self { place: Place { address, region, access_key_id, secret_access_key }, kind: Kind::Moto(child) })
    }

    /// Waits until what was asked is done: the kernel of a lab follows what was answered.
    pub fn settle(&self) -> Result {
        match &self.kind {
            Kind::Vpclab { daemon, .. } => Ok(daemon.lab(LAB).map(drop)?),
            Kind::Moto(_) => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kind.end();
    }
}

impl Kind {
    fn serve(&self) -> Result<Place> {
        let Self::Vpclab { daemon, .. } = self else { return Err("moto is served already".into()) };
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, control::host::now()));
        // As many networks at a time as clients.
        (model.quotas.vpcs_per_region, model.quotas.internet_gateways_per_region) = (500, 500);
        let wanted = Wanted { base_generation: None, file: None, model, claims: Vec::new(), rights: Vec::new() };
        daemon.bring(LAB, &wanted, PATIENCE)?.ok_or("the lab is not up in time")?;
        let wanted = CloudWanted { address: ([127, 0, 0, 1], 0).into(), is_open: false, pace: None, account: None };
        let served = daemon.open_cloud(LAB, &wanted)?;
        let (address, region) = (served.address.to_string(), served.region);
        Ok(Place { address, region, access_key_id: served.access_key_id, secret_access_key: served.secret_access_key })
    }

    fn end(&mut self) {
        match self {
            Kind::Vpclab { daemon, .. } => {
                let _ = daemon.take_down(LAB);
                let _ = daemon.leave();
            }
            Kind::Moto(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
