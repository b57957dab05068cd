//! Mininet with its Linux bridge: hosts on one switch. Its own cleaning (`mn -c`) is never called; it kills by name.

use std::process::{Command, Stdio};

use super::{UpAndDown, inside_namespaces, parse};
use crate::cli::Result;

/// Makes, checks with one ping, and stops; the import of Mininet itself is not counted.
const SCRIPT: &str = r#"
import sys, time
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo
from mininet.log import setLogLevel
setLogLevel("critical")
count = int(sys.argv[1])
start = time.monotonic()
net = Mininet(topo=SingleSwitchTopo(k=count), switch=LinuxBridge, controller=None, ipBase="10.0.0.0/16")
net.start()
up = time.monotonic()
first, last = net.get("h1"), net.get("h%d" % count)
answer = first.cmd("ping -c 1 -W 5 %s" % last.IP())
if " 0% packet loss" not in answer:
    sys.exit("no answer in Mininet's network: " + answer)
stop = time.monotonic()
net.stop()
print(up - start, time.monotonic() - stop)
"#;

/// Pythons that may have it: the distribution's package is the distribution's Python's, which another may hide.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

/// A Python that has it.
pub struct Mininet {
    python: &'static str,
    /// Its version.
    pub version: String,
}

impl Mininet {
    /// If it is installed.
    pub fn find() -> Option<Mininet> {
        PYTHONS.into_iter().find_map(|python| {
            let script = "import mininet.net; print(mininet.net.VERSION)";
            let output = Command::new(python).args(["-c", script]).stderr(Stdio::null()).output().ok()?;
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            output.status.success().then_some(Mininet { python, version })
        })
    }

    /// Runs it in namespaces of its own.
    pub fn run(&self, count: usize) -> Result<UpAndDown> {
        let mut command = inside_namespaces();
        parse(&command.args([self.python, "-c", SCRIPT]).arg(count.to_string()).stdin(Stdio::null()).output()?)
    }
}
