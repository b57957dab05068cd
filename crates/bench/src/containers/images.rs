//! Images: an archive of a hundred megabytes loaded, pulled from a registry on loopback, and a build in which nothing changed.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Wanted, find_program, peer};
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;

/// Seconds: loading, pulling, building nothing.
const LOAD: f64 = 0.4;
const PULL: f64 = 0.7;
const BUILD: f64 = 0.05;

/// A registry of Debian's package on loopback, with a folder of its own.
struct Registry {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Result<Registry> {
        let program = find_program("docker-registry").ok_or("docker-registry is not installed")?;
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: 127.0.0.1:{port} }}\n",
            folder.path().join("data").display()
        );
        std::fs::write(&config, text)?;
        let child = Command::new(program).arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let registry = Registry { child, port, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err("docker-registry does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files of the large image.
const FILES: usize = 4_400;
/// Ten steps, of which six leave files.
const DOCKERFILE: &str = "FROM busybox\nENV A=1\nWORKDIR /app\nCOPY a.txt .\nRUN echo one > one\nRUN echo two > two\nCOPY b /app/b\nLABEL x=y\nRUN echo three > three\nEXPOSE 80\nCMD [\"sh\"]\n";

/// Measures and prints.
pub fn measure(wanted: &Wanted, runs: usize) -> Result {
    let (program, archive) = (wanted.program()?, wanted.archive("debian")?);
    let bytes = std::fs::metadata(&archive)?.len() as f64 / 1e6;
    let mut rows = Vec::new();
    let mut row = |name: &str, figure: &Figure, most: Option<f64>| {
        let target = most.map_or_else(String::new, |most| format!("≤ {most}: {}", verdict(figure.median(), most)));
        rows.push(vec![name.to_owned(), figure.show(3), target]);
    };
    let path = archive.to_string_lossy().into_owned();
    let mut figure = Figure::default();
    for _ in 0..runs {
        figure.values.push(timed(&program, tempfile::tempdir()?.path(), &["-q", "images", "load", &path])?);
    }
    row(&format!("images load, {bytes:.0} MB"), &figure, Some(LOAD));
    let mut figure = Figure::default();
    for _ in 0..runs {
        figure.values.push(empty_files(tempfile::tempdir()?.path())?);
    }
    row(&format!("{FILES} empty files made there, and nothing else"), &figure, None);
    if !wanted.alone {
        match peer::load(&archive) {
            Ok(seconds) => row("podman load, once", &Figure { values: vec![seconds] }, None),
            Err(why) => println!("podman load: {why}"),
        }
    }
    match Registry::start() {
        Ok(registry) => {
            let name = format!("localhost:{}/debian:latest", registry.port);
            let home = tempfile::tempdir()?;
            timed(&program, home.path(), &["-q", "images", "load", &path, "-t", &name])?;
            timed(&program, home.path(), &["-q", "images", "push", &name])?;
            let mut figure = Figure::default();
            for _ in 0..runs {
                figure.values.push(timed(&program, tempfile::tempdir()?.path(), &["-q", "images", "pull", &name])?);
            }
            row("images pull of it from docker-registry on loopback", &figure, Some(PULL));
        }
        Err(why) => println!("pull: {why}"),
    }
    let desk = peer::Desk::up(&program, &wanted.archive("busybox")?)?;
    let context = desk.folder().join("context");
    std::fs::create_dir_all(context.join("b"))?;
    std::fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    std::fs::write(context.join("a.txt"), "a")?;
    for number in 0..50 {
        std::fs::write(context.join(format!("b/{number}")), vec![b'x'; 1_000])?;
    }
    let folder = context.to_string_lossy().into_owned();
    let build = ["-q", "images", "build", "-t", "built", &folder];
    let (mut first, mut again) = (Figure::default(), Figure::default());
    let start = Instant::now();
    match desk.run(&build) {
        Ok(_) => {
            first.values.push(start.elapsed().as_secs_f64());
            for _ in 0..runs {
                let start = Instant::now();
                desk.run(&build)?;
                again.values.push(start.elapsed().as_secs_f64());
            }
            row("images build, 10 steps, the first time", &first, None);
            row("images build, 10 steps, nothing changed", &again, Some(BUILD));
        }
        Err(why) => println!("build: {why}"),
    }
    table(&format!("Images, s, start to exit of the command, median of {runs} (load {})", load()), &["what", "s", ""], &rows);
    Ok(())
}

/// Seconds that a disk takes for as many files as the large image has: no load can be faster.
fn empty_files(folder: &Path) -> Result<f64> {
    let start = Instant::now();
    for number in 0..FILES {
        std::fs::File::create(folder.join(number.to_string()))?;
    }
    Ok(start.elapsed().as_secs_f64())
}

fn timed(program: &Path, home: &Path, arguments: &[&str]) -> Result<f64> {
    let start = Instant::now();
    let done = Command::new(program).args(arguments).env("VPCLAB_HOME", home).stdin(Stdio::null()).output()?;
    match done.status.success() {
        true => Ok(start.elapsed().as_secs_f64()),
        false => Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&done.stderr)).into()),
    }
}
