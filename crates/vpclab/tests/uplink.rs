//! A lab that reaches the real internet: here, services of this machine only.
#![cfg(target_os = "linux")]

sandbox::reexec_in_tests!();

use std::io::Read;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use control::api::Wanted;
use control::client::Daemon;
use control::daemon::DAEMON;
use control::host::LISTEN;
use control::paths::Paths;
use model::{Context, Model, Timestamp};
use sandbox::uplink::Program;
use sandbox::{ExecSpec, ExitStatus, Stdio};

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

    fn uplink(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.arg("uplink").args(arguments).env("VPCLAB_HOME", self.home.path().join("home")).env("NO_COLOR", "1");
        command.env_remove("VPCLAB_LAB").env_remove("VPCLAB_FILE").current_dir(self.home.path()).output().unwrap()
    }

    /// A command in an instance.
    fn shell(&self, name: &str, line: &str) -> ExitStatus {
        let view = self.daemon.lab("shop").unwrap().expect("up");
        let key = format!("instance/{}", model::selector::instance(&view.model, name).expect("instance").id);
        let client = sandbox::Client::connect(&self.daemon.paths().holder_socket("shop")).unwrap();
        client.exec(&key, ExecSpec::new(["sh", "-c", line]), Stdio::Null).unwrap().wait().unwrap()
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

/// This machine's address on the way to the internet; nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether a shell line of an instance reaches a service of this machine.
fn reaches(shop: &Shop, name: &str, own: IpAddr) -> bool {
    let outside = TcpListener::bind((own, 0)).unwrap();
    outside.set_nonblocking(true).unwrap();
    let line = format!("timeout 3 bash -c 'echo through >/dev/tcp/{own}/{}'", outside.local_addr().unwrap().port());
    let connected = shop.shell(name, &line).success();
    let mut said = String::new();
    if let Ok((mut stream, _)) = outside.accept() {
        stream.set_nonblocking(false).unwrap();
        stream.read_to_string(&mut said).unwrap();
    }
    assert_eq!(connected, said == "through\n", "{name}");
    connected
}

#[test]
fn instances_reach_the_real_internet_as_their_routes_let_them_and_only_while_it_is_on() {
    let shop = Shop::up();
    let tun = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    // Where the host has no network, or keeps taps to root, there is no way out to test.
    let (Some(own), Ok(_)) = (own_address(), tun) else { return };
    for program in Program::ALL.into_iter().filter(|one| one.find().is_some()) {
        assert!(!reaches(&shop, "web-1", own), "off unless asked for");
        for again in ["reaches", "still reaches"] {
            let done = shop.uplink(&["--program", program.name()]);
            assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
            assert!(text(&done.stdout).contains(&format!("the real internet by {}", program.name())));
            // By the internet gateway, and by the NAT gateway.
            for name in ["web-1", "db-1"] {
                assert!(reaches(&shop, name, own), "{name} {again} nothing by {}", program.name());
            }
        }
        let done = shop.uplink(&["--off"]);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    assert!(!reaches(&shop, "web-1", own));
}

#[test]
fn without_a_program_it_is_said_which_package_to_install() {
    let shop = Shop::up();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.arg("uplink").env("PATH", shop.home.path()).env("VPCLAB_HOME", shop.home.path().join("home")).env_remove("VPCLAB_FILE");
    let done = command.current_dir(shop.home.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(3));
    let said = text(&done.stderr);
    assert!(said.contains("neither pasta nor slirp4netns is installed") && said.contains("hint: sudo apt install passt"), "{said}");
}
