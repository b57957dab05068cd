//! The other programs: `crun` and `runc` with a bundle, `podman` with a store of its own. They run as root of ids that nobody has, in
//! network, mount and process namespaces of their own, in a folder that goes: nothing of the machine's is theirs to change.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::io::{FdFlags, fcntl_setfd};
use sandbox::SelfCommand;

use super::find_program;
use super::many::WORKERS;
use crate::cli::Result;
use crate::figure::Figure;

/// What a peer did, or why not.
type Told = std::result::Result<Figure, String>;

/// Start to exit of `true` by each program, milliseconds.
pub fn starts(archive: &Path, count: usize) -> Result<Vec<(String, Told)>> {
    let text = outside(archive, &["starts", &count.to_string()])?;
    let mut found: Vec<(String, Told)> = Vec::new();
    for line in text.lines() {
        let (name, rest) = line.split_once('\t').ok_or(line)?;
        // What is not all numbers is the reason why there are none.
        let values: std::result::Result<Vec<f64>, _> = rest.split(' ').map(str::parse).collect();
        let told = values.map(|values| Figure { values }).map_err(|_| rest.to_owned());
        found.push((name.to_owned(), told));
    }
    Ok(found)
}

/// Seconds in which podman starts so many containers, and stops and removes them.
pub fn hundred(archive: &Path, count: usize) -> Result<(f64, f64)> {
    two(&outside(archive, &["hundred", &count.to_string()])?)
}

/// Seconds in which podman loads an archive.
pub fn load(archive: &Path) -> Result<f64> {
    Ok(outside(archive, &["load", "1"])?.trim().parse()?)
}

fn two(text: &str) -> Result<(f64, f64)> {
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [first, second] => Ok((first, second)),
        _ => Err(text.to_owned().into()),
    }
}

/// Starts this program in its namespaces; the archive is its standard input.
fn outside(archive: &Path, what: &[&str]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let own = SelfCommand::current()?;
    let arguments = [&["peer-containers"], what].concat();
    let mut command = sandbox::instance_ids(&own, folder.path(), &arguments);
    let done = command.stdin(File::open(archive)?).stderr(Stdio::piped()).output();
    let removed = sandbox::remove_tree(folder.path(), &own);
    let done = done?;
    removed?;
    if !done.status.success() {
        return Err(format!("{what:?}: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(String::from_utf8(done.stdout)?)
}

/// Goes on in namespaces of its own, then does it; `what` is one of the words above.
pub fn inside(what: &str, count: usize, is_alone: bool) -> Result {
    if !is_alone {
        use std::os::unix::process::CommandExt;
        let own = File::open("/proc/self/exe")?;
        // The next program is this same file, wherever it may lie.
        fcntl_setfd(&own, FdFlags::empty())?;
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&own));
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", &path]);
        return Err(command.args(["peer-containers", what, &count.to_string(), "--alone"]).exec().into());
    }
    match what {
        "starts" => {
            bundle()?;
            let runc = by_bundle("runc", count);
            without_cgroups()?;
            let (crun, podman) = (by_bundle("crun", count), podman_starts(count));
            for (name, told) in [("crun, without a network's devices", crun), ("runc, likewise", runc), ("podman, likewise", podman)] {
                match told {
                    Ok(values) => println!("{name}\t{}", values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")),
                    Err(why) => println!("{name}\t{}", why.to_string().replace('\n', " ")),
                }
            }
            Ok(())
        }
        "hundred" => {
            let mut archive = File::create("image.tar")?;
            std::io::copy(&mut std::io::stdin().lock(), &mut archive)?;
            without_cgroups()?;
            podman_hundred(count)
        }
        "load" => {
            let mut archive = File::create("image.tar")?;
            std::io::copy(&mut std::io::stdin().lock(), &mut archive)?;
            without_cgroups()?;
            // Its store is made first.
            run(podman()?.args(["images", "-q"]))?;
            let start = Instant::now();
            run(podman()?.args(["load", "-q", "-i", "image.tar"]))?;
            println!("{}", start.elapsed().as_secs_f64());
            Ok(())
        }
        other => Err(format!("{other}?").into()),
    }
}

/// Hides the machine's cgroups, of which none is this user's, from those that refuse what they see there; and makes the place in
/// /run that podman wants whatever it is told.
fn without_cgroups() -> Result {
    for place in ["/sys/fs/cgroup", "/run", "/dev/shm"] {
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", place]))?;
    }
    Ok(())
}

/// An OCI bundle of the image on standard input: its layers, and a configuration by `runc spec` or `crun spec`.
fn bundle() -> Result {
    let mut archive = File::create("image.tar")?;
    std::io::copy(&mut std::io::stdin().lock(), &mut archive)?;
    std::fs::create_dir_all("rootfs")?;
    run(Command::new("sh").args(["-c", "set -e; mkdir layers; tar -x -f image.tar -C layers; for one in layers/*.tar; do tar -x -f $one -C rootfs; done"]))?;
    let spec = find_program("runc").or_else(|| find_program("crun")).ok_or("neither runc nor crun is installed")?;
    run(Command::new(spec).arg("spec"))?;
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read("config.json")?)?;
    config["process"]["args"] = serde_json::json!(["true"]);
    config["process"]["terminal"] = false.into();
    // Where this user has no cgroups there are none to ask for.
    config["linux"]["resources"] = serde_json::json!({});
    if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
    }
    if let Some(mounts) = config["mounts"].as_array_mut() {
        mounts.retain(|mount| mount["type"] != "cgroup");
    }
    std::fs::write("config.json", config.to_string())?;
    Ok(())
}

fn by_bundle(name: &str, count: usize) -> Result<Vec<f64>> {
    let program = find_program(name).ok_or_else(|| format!("{name} is not installed"))?;
    let mut values = Vec::new();
    for number in 0..count + 2 {
        let mut command = Command::new(&program);
        command.args(["--root", &format!("state-{name}")]);
        match name {
            "crun" => command.arg("--cgroup-manager=disabled"),
            _ => command.arg("--rootless=true"),
        };
        command.args(["run", &format!("c{number}")]);
        let start = Instant::now();
        run(&mut command)?;
        if number >= 2 {
            values.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(values)
}

/// podman with everything of its own below this folder.
fn podman() -> Result<Command> {
    let here = std::env::current_dir()?;
    let mut command = Command::new(find_program("podman").ok_or("podman is not installed")?);
    for (name, folder) in [("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("TMPDIR", "tmp")] {
        std::fs::create_dir_all(folder)?;
        command.env(name, here.join(folder));
    }
    command.arg("--root").arg(here.join("store")).arg("--runroot").arg(here.join("runroot"));
    command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "none"]);
    Ok(command)
}

const RUN: [&str; 6] = ["run", "--network", "none", "--cgroups", "disabled", "--pull=never"];

fn podman_starts(count: usize) -> Result<Vec<f64>> {
    run(podman()?.args(["load", "-q", "-i", "image.tar"]))?;
    let mut values = Vec::new();
    for number in 0..count.min(12) + 1 {
        let start = Instant::now();
        run(podman()?.args(RUN).args(["--rm", "localhost/busybox", "true"]))?;
        if number >= 1 {
            values.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(values)
}

fn podman_hundred(count: usize) -> Result {
    run(podman()?.args(["load", "-q", "-i", "image.tar"]))?;
    let workers = WORKERS.min(count);
    let share = |first: usize| -> std::result::Result<(), String> {
        for number in (first..count).step_by(workers) {
            let mut command = podman().map_err(|error| error.to_string())?;
            let name = format!("p{number}");
            command.args(RUN).args(["-d", "--name", &name, "localhost/busybox", "sleep", "1000"]);
            run(&mut command).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..workers).map(|first| scope.spawn(move || share(first))).collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err("a starter failed".into())))
    })?;
    let up = start.elapsed().as_secs_f64();
    // One command for all of them: faster than one each.
    let start = Instant::now();
    run(podman()?.args(["rm", "--force", "--time", "0", "--all"]))?;
    println!("{up} {}", start.elapsed().as_secs_f64());
    Ok(())
}

fn run(command: &mut Command) -> Result {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{}: {}", command.get_program().display(), said.lines().last().unwrap_or_default()).into())
}

/// A lab as a person has it, with the program under measurement, its daemon and its sockets.
pub struct Desk {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Desk {
    /// A lab of one instance with an image.
    pub fn up(program: &Path, archive: &Path) -> Result<Desk> {
        let desk = Desk { program: program.to_owned(), home: tempfile::tempdir()? };
        let lab = "name: desk\nvpcs: { a: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.0.0/24 } } } }\ninstances: { web-1: { subnet: s } }\n";
        std::fs::write(desk.home.path().join("lab.yaml"), lab)?;
        desk.run(&["images", "load", &archive.to_string_lossy()])?;
        desk.run(&["up"])?;
        Ok(desk)
    }

    /// What a command prints.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let done = self.command(arguments).output()?;
        match done.status.success() {
            true => Ok(String::from_utf8(done.stdout)?),
            false => Err(format!("vpclab {arguments:?}: {}", String::from_utf8_lossy(&done.stderr)).into()),
        }
    }

    /// A command in the desk's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.home.path()).stdin(Stdio::null());
        command.env("VPCLAB_HOME", self.home.path().join("home")).env("VPCLAB_FILE", self.home.path().join("lab.yaml"));
        command
    }

    /// `DOCKER_HOST` of its instance.
    pub fn door(&self) -> Result<String> {
        let said = self.run(&["serve", "web-1", "--output", "json"])?;
        let said: serde_json::Value = serde_json::from_str(&said)?;
        Ok(said["DOCKER_HOST"].as_str().ok_or("serve names no DOCKER_HOST")?.to_owned())
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--all", "--volumes", "--yes"]).output();
        let _ = self.command(&["daemon", "stop"]).output();
    }
}
