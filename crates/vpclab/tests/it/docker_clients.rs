//! Programs that speak to Docker, and the shop with its real images: what `make test-clients` brought is used, so these run there alone.
#![cfg(target_os = "linux")]

mod judge;

use std::path::PathBuf;
use std::process::Command;

use crate::docker_cli::desk::Desk;
use crate::home::{find, repository};

fn brought(path: &str) -> PathBuf {
    let folder = std::env::var_os("VPCLAB_CLIENTS").expect("`make test-clients` sets VPCLAB_CLIENTS");
    PathBuf::from(folder).join(path)
}

/// Runs a client against a lab of its own; it must end well.
fn content(client: &mut Command) {
    let desk = Desk::new();
    client.env("DOCKER_HOST", desk.host()).env("DOCKER_CONFIG", brought("config"));
    let done = client.output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(done.status.success(), "{}\n{}", said[0], said[1]);
    println!("{}", said[0].trim());
}

#[test]
#[ignore = "make test-clients"]
fn docker_py_is_content() {
    content(Command::new(brought("python/bin/python")).arg(repository("clients/docker_py.py")));
}

#[test]
#[ignore = "make test-clients"]
fn testcontainers_is_content() {
    content(Command::new(brought("python/bin/python")).arg(repository("clients/testcontainers_py.py")));
}

#[test]
#[ignore = "make test-clients"]
fn bollard_is_content() {
    content(&mut Command::new(brought("bollard/debug/bollard-client")));
}

#[test]
#[ignore = "make test-clients"]
fn compose_is_content() {
    let docker = find("docker").unwrap_or_else(|| brought("debian/docker"));
    content(Command::new("sh").arg(repository("clients/compose/try.sh")).arg(docker));
}

#[test]
#[ignore = "make test-clients"]
fn isolation_is_what_runc_makes_of_the_same_container() {
    let (desk, runc) = (Desk::new(), brought("runc"));
    judge::judge(&desk, &runc, "plain", &[]);
    judge::judge(&desk, &runc, "open", &["--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", "--tmpfs", "/scratch"]);
    let strict = ["--read-only", "--security-opt", "no-new-privileges", "--cap-drop", "ALL", "-w", "/tmp"];
    judge::judge(&desk, &runc, "strict", &strict);
    // Elsewhere there is root alone.
    if rustix::process::geteuid().is_root() {
        judge::judge(&desk, &runc, "of-a-user", &["--user", "7:8", "--cap-add", "ALL"]);
    }
}

/// The example with nginx and MariaDB.
struct Shop(tempfile::TempDir);

impl Shop {
    fn vpclab(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).env("VPCLAB_HOME", self.0.path().join("home")).env("HOME", self.0.path()).env("NO_COLOR", "1");
        command.env("VPCLAB_FILE", repository("examples/shop-containers.yaml")).env_remove("VPCLAB_LAB").current_dir(self.0.path());
        let done = command.output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        (done.status.code().unwrap(), text)
    }

    fn yes(&self, arguments: &[&str]) -> String {
        let (code, said) = self.vpclab(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    fn stock(&self) -> String {
        self.yes(&["exec", "-c", "nginx", "web-1", "--", "wget", "-q", "-O", "-", "http://127.0.0.1/stock"])
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.vpclab(&["down", "--all", "--volumes", "--yes"]);
        self.vpclab(&["daemon", "stop"]);
    }
}

#[test]
#[ignore = "make test-clients"]
fn the_shop_of_real_images_sells_what_its_database_has() {
    let images = PathBuf::from(std::env::var_os("VPCLAB_CLIENT_IMAGES").expect("VPCLAB_CLIENT_IMAGES"));
    let shop = Shop(tempfile::tempdir().unwrap());
    for name in ["nginx", "mariadb"] {
        shop.yes(&["-q", "images", "load", images.join(format!("{name}.tar")).to_str().unwrap()]);
    }
    shop.yes(&["up", "--wait"]);
    // The web server's page is what a query of its own to db-1's published port answers.
    assert_eq!(shop.stock(), "kettle\t7\nlamp\t12\nteapot\t3\n");
    let query = ["exec", "-c", "nginx", "web-1", "--", "mariadb", "-h", "192.168.0.132", "-u", "shop", "-plamplight", "shop", "-e"];
    shop.yes(&[&query[..], &["update stock set pieces = 99 where item = 'lamp'"]].concat());
    // From outside: the page, and nothing of the database.
    assert_eq!(shop.vpclab(&["check", "internet", "web-1", "tcp/80"]).0, 0);
    assert_eq!(shop.vpclab(&["check", "internet", "web-1", "tcp/3306"]).0, 1);
    let (code, why) = shop.vpclab(&["why", "bastion", "db-1", "tcp/3306"]);
    assert!(code == 1 && why.contains("DENIED") && why.contains("security group at db-1"), "{why}");
    assert!(shop.yes(&["test"]).contains("0 failed"));
    // The volume has a name.
    shop.yes(&["down"]);
    shop.yes(&["up", "--wait"]);
    assert_eq!(shop.stock(), "kettle\t7\nlamp\t99\nteapot\t3\n");
}
