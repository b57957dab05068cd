//! The two servers, each a process of its own that ends with the measurement.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Place;
use crate::cli::Result;

/// As many networks at a time as clients.
const LAB: &str = "name: bench\nquotas: { vpcs_per_region: 500, internet_gateways_per_region: 500 }\nvpcs: {}\n";
/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers.
pub struct Server {
    /// Where.
    pub place: Place,
    kind: Kind,
}

enum Kind {
    Vpclab { program: PathBuf, home: tempfile::TempDir },
    Moto(Child),
}

impl Server {
    /// A lab with nothing in it, and its door.
    pub fn vpclab(program: &Path, home: Option<&Path>) -> Result<Self> {
        let home = match home {
            Some(folder) => tempfile::tempdir_in(folder)?,
            None => tempfile::tempdir()?,
        };
        let file = home.path().join("bench.yaml");
        std::fs::write(&file, LAB)?;
        let text = file.to_string_lossy().into_owned();
        let place = (|| {
            vpclab(program, home.path(), &["up", &text])?;
            let told: Value = serde_json::from_str(&vpclab(program, home.path(), &["serve", "--ec2", "127.0.0.1:0", "--lab", "bench", "-o", "json"])?)?;
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            let address = text("AWS_ENDPOINT_URL").trim_start_matches("http://").to_owned();
            let (region, access_key_id, secret_access_key) = (text("AWS_DEFAULT_REGION"), text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"));
            Ok::<_, Box<dyn std::error::Error>>(Place { address, region, access_key_id, secret_access_key })
        })();
        let mut kind = Kind::Vpclab { program: program.to_owned(), home };
        match place {
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
            Kind::Vpclab { program, home } => vpclab(program, home.path(), &["ls", "vpcs", "--lab", "bench"]).map(drop),
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
    fn end(&mut self) {
        match self {
            Kind::Vpclab { program, home } => {
                let _ = vpclab(program, home.path(), &["down", "--all"]);
                let _ = vpclab(program, home.path(), &["daemon", "stop"]);
            }
            Kind::Moto(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn vpclab(program: &Path, home: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("VPCLAB_HOME", home.join("home")).current_dir(home).stdin(Stdio::null());
    command.env_remove("VPCLAB_LAB").env_remove("VPCLAB_FILE");
    let output = command.output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}
