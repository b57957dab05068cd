//! Ports of this machine that lead into a running lab, as a person makes, lists and ends them.
#![cfg(target_os = "linux")]

sandbox::reexec_in_tests!();

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use control::api::Wanted;
use control::client::Daemon;
use control::daemon::DAEMON;
use control::host::LISTEN;
use control::paths::Paths;
use model::{Context, Model, Timestamp};
use serde_json::Value;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");

/// This program is the daemon, and what holds an instance's listeners, when it is started as one: the client starts the
/// program that it is part of.
mod hidden_starts_in_tests {
    extern "C" fn serve() {
        let arguments: Vec<String> = std::env::args().collect();
        match arguments.get(1).map(String::as_str) {
            Some(super::DAEMON) => {
                let paths = super::Paths::of_user().expect("VPCLAB_HOME");
                std::process::exit(control::daemon::serve(paths));
            }
            Some(super::LISTEN) => {
                let names = &arguments[2..];
                let done = control::listener::serve(names, sandbox::entry::inherited(names.len()));
                std::process::exit(i32::from(done.is_err()));
            }
            _ => {}
        }
    }

    // JUSTIFICATION: the harness owns `main`, and its threads exist before any test runs.
    // SAFETY: an entry of .init_array is called once, before main, on the only thread.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static SERVE: extern "C" fn() = serve;
}

struct Disk;

impl lab::Files for Disk {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        std::fs::read_to_string(name).map(|text| (name.to_owned(), text)).map_err(|e| e.to_string())
    }
}

/// The shop, up in a home of its own; taken down with its daemon when the test ends, however it ends.
struct Shop {
    daemon: Daemon,
    home: tempfile::TempDir,
}

impl Shop {
    fn up() -> Shop {
        let home = tempfile::tempdir().unwrap();
        let (daemon, _) = Daemon::reach(Paths { home: home.path().join("home") }).unwrap();
        let shop = Shop { daemon, home };
        let described = lab::load(SHOP, &Disk).expect("lab file");
        let mut model = Model::new("000000000000", described.region(), Context::seeded(1, Timestamp::default()));
        assert!(described.apply(&mut model).is_ok());
        let wanted = Wanted { base_generation: None, file: Some(Path::new(SHOP).to_owned()), model, claims: Vec::new() };
        shop.daemon.bring("shop", &wanted, Duration::from_secs(60)).unwrap().expect("up in time");
        shop
    }

    fn forward(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.arg("forward").args(arguments).env("VPCLAB_HOME", self.home.path().join("home")).env("NO_COLOR", "1");
        command.env_remove("VPCLAB_LAB").env_remove("VPCLAB_FILE").current_dir(self.home.path()).output().unwrap()
    }

    /// A new forward and where it listens.
    fn made(&self, arguments: &[&str]) -> (SocketAddr, Output) {
        let done = self.forward(&[arguments, &["-o", "json"]].concat());
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let made: Value = serde_json::from_slice(&done.stdout).unwrap();
        (made["listen"].as_str().unwrap().parse().unwrap(), done)
    }

    fn list(&self) -> Vec<Value> {
        let done = self.forward(&["ls", "-o", "json"]);
        serde_json::from_slice::<Value>(&done.stdout).unwrap().as_array().unwrap().clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.daemon.take_down("shop");
        let _ = self.daemon.leave();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What answers at the other end of a forward.
fn ask(door: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(door)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn refused(done: &Output, code: i32, words: &[&str]) {
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(done.stdout.is_empty());
}

#[test]
fn a_forward_leads_in_from_outside_outlives_the_daemon_and_ends_with_the_lab() {
    let shop = Shop::up();
    let (door, _) = shop.made(&["127.0.0.1:0", "web-1:80"]);
    assert!(ask(door).unwrap().contains("web-1"));
    let list = shop.list();
    assert_eq!(list.len(), 1);
    assert_eq!((&list[0]["to"], &list[0]["leads_to"], &list[0]["lab"]), (&"web-1:80".into(), &"web-1".into(), &"shop".into()));
    let table = text(&shop.forward(&["ls"]).stdout);
    assert!(table.contains(&door.to_string()) && table.contains("web-1:80"), "{table}");
    shop.daemon.leave().unwrap();
    assert!(ask(door).unwrap().contains("web-1"), "the forward needs no daemon");
    // Nobody knows what the address is now, and the forward is listed all the same.
    assert_eq!(shop.list()[0]["leads_to"], Value::Null);
    // The daemon comes back for the next command that needs it.
    let (_, _) = Daemon::reach(Paths { home: shop.home.path().join("home") }).unwrap();
    assert_eq!(shop.list()[0]["leads_to"], "web-1");
    shop.daemon.take_down("shop").unwrap();
    let begun = Instant::now();
    while !shop.list().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the forward outlives its lab");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(TcpStream::connect(door).is_err());
}

#[test]
fn security_groups_see_where_a_forward_comes_from() {
    let shop = Shop::up();
    // tcp/22 of the bastion is open to the office only.
    let (office, quiet) = shop.made(&["0", "bastion:22", "--from", "office"]);
    assert_eq!(text(&quiet.stderr), "");
    assert!(ask(office).unwrap().contains("bastion"));
    let (anybody, warned) = shop.made(&["0", "bastion:22"]);
    assert!(text(&warned.stderr).contains("bastion:22 does not answer now"), "{}", text(&warned.stderr));
    assert!(text(&warned.stderr).contains("vpclab check internet bastion tcp/22"));
    assert!(ask(anybody).is_err(), "from the internet the bastion is closed");
    // Nothing listens at 443, which everybody may reach.
    let (closed, warned) = shop.made(&["0", "web-1:443"]);
    assert!(text(&warned.stderr).contains("web-1:443 refuses connections now"));
    assert_eq!(ask(closed).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let done = shop.forward(&["rm", &office.to_string(), &anybody.port().to_string()]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(shop.list().len(), 1);
    assert!(TcpStream::connect(office).is_err() && TcpStream::connect(anybody).is_err());
}

#[test]
fn what_cannot_be_is_said_with_what_to_type_instead() {
    let shop = Shop::up();
    refused(&shop.forward(&["0", "db-1:3306"]), 1, &["db-1 has no public address", "hint: `public_ip: true`"]);
    refused(&shop.forward(&["0", "web-9:80"]), 2, &["no instance `web-9`", "there are: bastion, db-1, web-1, web-2"]);
    refused(&shop.forward(&["0", "web-1:80", "--from", "moon"]), 2, &["`moon` is no place outside", "office, internet"]);
    refused(&shop.forward(&["0.0.0.0:0", "web-1:80"]), 2, &["can be reached by other machines", "--bind-any"]);
    refused(&shop.forward(&["192.0.2.99:0", "web-1:80", "--bind-any"]), 2, &["192.0.2.99 is no address of this machine"]);
    refused(&shop.forward(&["here", "web-1:80"]), 2, &["`here` is no address", "127.0.0.1:8080"]);
    for wrong in ["web-1", "web-1:", ":80", "web-1:0", "web-1:http"] {
        refused(&shop.forward(&["0", wrong]), 2, &["names no instance and port", "web-1:80"]);
    }
    refused(&shop.forward(&["8080"]), 2, &["TARGET"]);
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = foreign.local_addr().unwrap().to_string();
    refused(&shop.forward(&[&taken, "web-1:80"]), 1, &["is in use", "ss -ltnp"]);
    let (door, _) = shop.made(&["localhost:0", "web-1:80"]);
    let door = door.to_string();
    refused(&shop.forward(&[&door, "web-2:80"]), 1, &["is in use", "leads to web-1:80", &format!("vpclab forward rm {door}")]);
    refused(&shop.forward(&["rm", "1"]), 1, &["nothing is forwarded from 127.0.0.1:1", &format!("there are: {door}")]);
    assert_eq!(shop.list().len(), 1);
    let (any, _) = shop.made(&["0.0.0.0:0", "web-1:80", "--bind-any"]);
    assert!(any.ip().is_unspecified());
}
