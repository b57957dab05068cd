//! The docker command, unchanged, against the socket of an instance: lines of `clients/cases`, whose exit codes and outputs are those of
//! Docker's engine. Where there is no docker command (`PATH`, or `VPCLAB_DOCKER`), `docker_http` has the same conversations by hand.
#![cfg(target_os = "linux")]

mod case;
pub mod desk;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::{find, repository};
use desk::Desk;

/// A line may take so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn docker() -> Option<PathBuf> {
    std::env::var_os("VPCLAB_DOCKER").map(PathBuf::from).or_else(|| find("docker"))
}

/// Runs all lines of a file in a lab of its own.
fn hold_to(file: &str) {
    let Some(docker) = docker() else {
        println!("there is no docker command here: docker_http says the same by hand");
        return;
    };
    let desk = Desk::new();
    let (host, folder) = (desk.host(), desk.path("work"));
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::create_dir_all(folder.join("config")).unwrap();
    std::os::unix::fs::symlink(&docker, folder.join("bin/docker")).unwrap();
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let cases = case::read(&repository("clients/cases").join(file));
    let is_root = rustix::process::geteuid().is_root();
    let (mut wrong, mut run) = (Vec::new(), 0);
    for case in &cases {
        let is_had = match case.needs.as_deref() {
            None => true,
            Some("busybox") => desk.is_busybox,
            Some("users") => is_root,
            Some(other) => panic!("{}: what is `{other}`?", case.place),
        };
        if !is_had {
            continue;
        }
        let mut command = Command::new("sh");
        command.args(["-c", &case.line]).current_dir(&folder).env("PATH", &path).env("DOCKER_HOST", &host);
        command.env("DOCKER_CONFIG", folder.join("config")).env_remove("DOCKER_CONTEXT").env_remove("B").env("LC_ALL", "C");
        let files = ["out", "err"].map(|name| desk.path(name));
        let [out, err] = files.each_ref().map(|file| std::fs::File::create(file).unwrap());
        let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code().unwrap_or(-1);
            }
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                break -2;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let [out, err] = files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
        wrong.extend(case.differs(status, &out, &err));
        run += 1;
    }
    assert!(wrong.is_empty(), "{} of {run} lines of {file} differ:\n\n{}", wrong.len(), wrong.join("\n"));
    println!("{run} lines of {file} with {}", docker.display());
}

#[test]
fn containers_are_run_as_docker_runs_them() {
    hold_to("1-run.txt");
}

#[test]
fn containers_live_and_end_as_docker_has_them() {
    hold_to("2-life.txt");
}

#[test]
fn images_are_named_saved_committed_and_built() {
    hold_to("3-images.txt");
}

#[test]
fn networks_volumes_and_the_rest() {
    hold_to("4-networks.txt");
}

#[test]
fn there_are_lines_enough() {
    let folder = repository("clients/cases");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    assert!(files.map(|file| case::read(&file).len()).sum::<usize>() >= 120);
}
