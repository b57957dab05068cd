//! `doctor`: what this machine lets a lab do, each with the one command that changes it.

use std::process::ExitCode;

use clap::Args;
use control::client::Daemon;
use control::paths::Paths;
use sandbox::SelfCommand;
use sandbox::capabilities::{Feature, Size, limits};
use sandbox::uplink::Program;
use sandbox::{relay, running};
use serde::Serialize;

use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Instances that are planned for where neither the command nor a file says how many.
const USUAL_SIZE: u64 = 50;

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// How many instances the machine shall carry; default: those of the lab file here, else 50
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub instances: Option<u64>,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// `kernel`, `limits`, `programs`, `state` or `leftovers`.
    group: &'static str,
    /// What was looked at, for programs.
    name: String,
    /// All is well.
    ok: bool,
    /// Nothing works without it.
    required: bool,
    /// What it is, or what is wrong with it.
    detail: String,
    /// The one command that changes it.
    fix: Option<String>,
}

/// What `-o json` prints.
#[derive(Serialize)]
struct Report {
    ready: bool,
    instances: u64,
    checks: Vec<Finding>,
}

/// Looks at everything. Exit 3 when something that every lab needs is missing.
pub fn run(arguments: &DoctorArgs, global: &Global, output: &Output) -> Result {
    let instances = arguments.instances.or_else(|| of_file(global, output)).unwrap_or(USUAL_SIZE);
    let mut checks = kernel()?;
    checks.extend(numbers(instances));
    checks.extend(programs());
    checks.extend(state());
    let ready = checks.iter().all(|check| check.ok || !check.required);
    if output.format == Format::Json {
        output.json(&Report { ready, instances, checks })?;
    } else {
        show(&checks, instances, output);
    }
    Ok(if ready { ExitCode::SUCCESS } else { exit::ENVIRONMENT.into() })
}

/// How many instances the lab file here describes; a file with mistakes is not this command's business.
fn of_file(global: &Global, output: &Output) -> Option<u64> {
    let lab = super::source::load(&super::source::find(None, global).ok()?, output).ok()?;
    let model = super::source::cloud(&lab, output).ok()?;
    Some(model.instances.len() as u64)
}

fn kernel() -> Result<Vec<Finding>> {
    let failed = |error: sandbox::Error| Failure::environment(error.to_string());
    let home = Paths::of_user().ok().and_then(|paths| nearest(&paths).map(std::path::Path::to_owned));
    let command = SelfCommand::current().map_err(failed)?;
    let found = sandbox::capabilities::probe_with_disks(&command, home.as_deref()).map_err(failed)?;
    let finding = |check: sandbox::capabilities::Check| {
        let (name, works, without) = words(check.feature);
        let detail = match check.missing {
            None => works.to_owned(),
            Some(missing) if without.is_empty() => missing,
            Some(missing) => format!("{missing}; {without}"),
        };
        let elsewhere = Some("export VPCLAB_HOME=FOLDER  # on a local disk".to_owned());
        let fix = if check.feature == Feature::Disks && !check.available { elsewhere } else { check.fix };
        Finding { group: "kernel", name: name.to_owned(), ok: check.available, required: check.required, detail, fix }
    };
    Ok(found.checks.into_iter().map(finding).collect())
}

/// A feature's name, what it is for, and how a lab is without it (nothing where there is no lab without it).
fn words(feature: Feature) -> (&'static str, &'static str, &'static str) {
    match feature {
        Feature::Namespaces => ("namespaces", "users, networks, mounts and processes of its own", ""),
        Feature::Sysctl => ("sysctl", "settings of own networks can be written", ""),
        Feature::Veth => ("veth", "pairs of virtual interfaces", ""),
        Feature::NfTables => ("nf-tables", "packet filters", ""),
        Feature::Conntrack => ("conntrack", "connections are tracked", ""),
        Feature::Tmpfs => ("tmpfs", "file systems in memory", ""),
        Feature::Proc => ("proc", "a /proc of its own", ""),
        Feature::Overlay => ("overlay", "instances may change the programs they see", "instances see the host's programs, read-only"),
        Feature::InstanceIds => ("instance-ids", "several users exist inside instances", "programs inside that change their user stay root"),
        Feature::SystemCallFilter => ("system-call-filter", "what instances ask of the kernel is filtered", ""),
        Feature::Disks => {
            let without = "files of instances are kept in memory, and lost when the machine restarts";
            ("disks", "files of instances are kept on disk until they are terminated", without)
        }
        Feature::Cgroup => ("cgroup", "limits on memory, processes and processors of instances are enforced", ""),
    }
}

fn numbers(instances: u64) -> Vec<Finding> {
    let finding = |limit: sandbox::capabilities::Limit| {
        let ok = limit.is_enough();
        // The others make a lab slow or forgetful; without these it does not start.
        let required = !matches!(limit.name.as_str(), "flows" | "neighbours");
        let found = limit.found.map_or_else(|| "cannot be seen from here".to_owned(), |found| found.to_string());
        let detail = format!("{} is {found}, {} needed", limit.setting, limit.needed);
        Finding { group: "limits", name: limit.name, ok, required, detail, fix: (!ok).then_some(limit.fix) }
    };
    limits(Size { instances }).into_iter().map(finding).collect()
}

fn programs() -> Vec<Finding> {
    let found: Vec<&str> = Program::ALL.into_iter().filter(|one| one.find().is_some()).map(Program::name).collect();
    let ok = !found.is_empty();
    let detail = match ok {
        true => format!("{}, for up --uplink", found.join(" and ")),
        false => format!("neither {} is installed; only up --uplink needs one", Program::ALL.map(Program::name).join(" nor ")),
    };
    let fix = (!ok).then(|| format!("sudo apt install {}", Program::ALL[0].package()));
    let tap = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    let tap = Finding {
        group: "programs",
        name: "tun".to_owned(),
        ok: tap.is_ok(),
        required: false,
        detail: match &tap {
            Ok(_) => "/dev/net/tun, for up --uplink and VPNs inside instances".to_owned(),
            Err(error) => format!("/dev/net/tun: {error}; only up --uplink and VPNs inside instances need it"),
        },
        fix: tap.as_ref().err().map(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => "sudo chmod 666 /dev/net/tun".to_owned(),
            _ => "sudo modprobe tun".to_owned(),
        }),
    };
    vec![Finding { group: "programs", name: "uplink".to_owned(), ok, required: false, detail, fix }, tap]
}

/// Where state is kept, and what was left of labs that are no more.
fn state() -> Vec<Finding> {
    let finding = |group, name: &str, required, detail: String, fix: Option<String>| Finding {
        group,
        name: name.to_owned(),
        ok: fix.is_none(),
        required,
        detail,
        fix,
    };
    let paths = match Paths::of_user() {
        Ok(paths) => paths,
        Err(error) => {
            let fix = Some("export VPCLAB_HOME=~/.vpclab".to_owned());
            return vec![finding("state", "home", true, error.to_string(), fix)];
        }
    };
    let home = match is_writable(&paths) {
        true => finding("state", "home", true, paths.home.display().to_string(), None),
        false => {
            let detail = format!("{} cannot be written", paths.home.display());
            finding("state", "home", true, detail, Some(format!("sudo chown -R $USER {}", paths.home.display())))
        }
    };
    let mut all = vec![home];
    let holders = running::holders();
    // Labs of another home are somebody else's business.
    let folder = paths.holder_socket("x").parent().map(std::path::Path::to_owned).unwrap_or_default();
    let daemon = Daemon::find(paths.clone()).ok().flatten();
    // Without a daemon nobody but the store knows the records, and the next daemon reads them.
    if let Some(known) = daemon.and_then(|daemon| daemon.labs().ok()) {
        for lab in &known {
            if let Some(refused) = &lab.refused {
                all.push(finding("labs", &lab.name, false, refused.sentence(), Some(format!("vpclab ls instances --lab {}", lab.name))));
            }
        }
        for holder in holders.iter().filter(|holder| holder.socket.parent() == Some(&folder)) {
            if !known.iter().any(|lab| lab.name == holder.lab_name) {
                let detail = format!("process {} holds lab {}, of which there is no record", holder.process.pid, holder.lab_name);
                all.push(finding("leftovers", "holder", false, detail, Some(format!("vpclab down {}", holder.lab_name))));
            }
        }
    }
    for socket in running::stale_sockets(&folder) {
        let detail = format!("nobody answers at {}", socket.display());
        all.push(finding("leftovers", "socket", false, detail, Some(format!("rm {}", socket.display()))));
    }
    for relay in relay::running().into_iter().filter(|relay| relay.spec.target.holder.parent() == Some(&folder)) {
        if !holders.iter().any(|holder| holder.socket == relay.spec.target.holder) {
            let detail = format!("process {} forwards {} to a lab that is gone", relay.process.pid, relay.spec.listen);
            all.push(finding("leftovers", "forward", false, detail, Some(format!("vpclab forward rm {}", relay.spec.listen))));
        }
    }
    if !all.iter().any(|finding| finding.group == "leftovers") {
        all.push(finding("leftovers", "none", false, "of labs that are gone, nothing is left".to_owned(), None));
    }
    all
}

/// Whether state can be kept: in the folder, or where it has still to be made, in the nearest one that is there.
fn is_writable(paths: &Paths) -> bool {
    nearest(paths).is_some_and(|folder| folder.is_dir() && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok())
}

fn nearest(paths: &Paths) -> Option<&std::path::Path> {
    paths.home.ancestors().find(|folder| folder.exists())
}

fn show(checks: &[Finding], instances: u64, output: &Output) {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut group = "";
    for check in checks {
        if check.group != group {
            group = check.group;
            let heading = if group == "limits" { format!("limits, for {instances} instances") } else { group.to_owned() };
            output.line(heading);
        }
        let (sign, colour) = if check.ok { ("✓", "32") } else { ("✗", if check.required { "31" } else { "33" }) };
        let sign = if output.colour() { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") } else { sign.to_owned() };
        let optional = if check.ok || check.required { "" } else { " (optional)" };
        output.line(format!("  {sign} {:width$}  {}{optional}", check.name, check.detail));
        if let Some(fix) = &check.fix {
            output.line(format!("    {:width$}  $ {fix}", ""));
        }
    }
    let missing = checks.iter().filter(|check| !check.ok && check.required).count();
    output.line(match missing {
        0 => "labs can run here".to_owned(),
        1 => "labs cannot run here: 1 requirement is missing".to_owned(),
        many => format!("labs cannot run here: {many} requirements are missing"),
    });
}
