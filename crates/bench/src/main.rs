//! Measurements of what vpclab costs, each against a reference that is measured in the same run. `docs/benchmarks.md` has
//! the figures and how to repeat them.
//!
//! Start at [`figure`] (what a figure is); then one module a question: [`lifecycle`] (up and down), [`packet`] (the way of
//! one packet), [`change`] (a rule on a running lab), [`memory`], [`command`] (the command line), [`snapshot`] (the start to an answer), [`proof`]
//! (all pairs of an [`account`]), [`api`] (what clients of AWS get, beside moto), [`containers`] (what Docker's words cost), [`analyzers`] (the same beside other analyzers; [`translation`] has the account in their
//! words, [`answer`] ours). [`cloud`] writes the labs, [`running`] carries one, [`reference`] makes the bare devices, [`peer`] runs other programs.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod analyzers;
#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
mod api;
#[cfg(target_os = "linux")]
mod change;
#[cfg(target_os = "linux")]
mod cloud;
#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod containers;
#[cfg(target_os = "linux")]
mod edits;
#[cfg(target_os = "linux")]
mod figure;
#[cfg(target_os = "linux")]
mod lifecycle;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod packet;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod proof;
#[cfg(target_os = "linux")]
mod reference;
#[cfg(target_os = "linux")]
mod running;
#[cfg(target_os = "linux")]
mod snapshot;
#[cfg(target_os = "linux")]
mod translation;
// Clouds in a few words, as the tests of the engines have them.
#[cfg(target_os = "linux")]
#[allow(dead_code, clippy::unwrap_used, reason = "tests use the rest of it")]
#[path = "../../linux/tests/support/world.rs"]
mod world;

#[cfg(target_os = "linux")]
mod cli {
    use std::path::PathBuf;

    use clap::{Parser, Subcommand};

    use crate::{analyzers, api, change, command, containers, edits, lifecycle, machine, memory, packet, peer, proof, snapshot};

    /// What went wrong, as a sentence.
    pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

    #[derive(Parser)]
    #[command(about = "Measures vpclab against references in the same run")]
    struct Cli {
        /// Runs of each measurement; their median counts
        #[arg(long, global = true, default_value_t = 5)]
        runs: usize,
        #[command(subcommand)]
        what: What,
    }

    #[derive(Subcommand)]
    enum What {
        /// Labs up and down, against `ip -batch` and, with --peers, Mininet
        Lifecycle {
            /// Sizes, in instances on one subnet
            #[arg(long, value_delimiter = ',', default_value = "10,50,200,1000")]
            sizes: Vec<usize>,
            /// Mininet too, if it is installed
            #[arg(long)]
            peers: bool,
        },
        /// CPU time of a round trip and of a new flow, against a bare veth pair and a bare bridge
        Packet {
            /// Interfaces of the big lab
            #[arg(long, default_value_t = 1_000)]
            interfaces: usize,
        },
        /// One rule on a running lab, under flood
        Change {
            /// Instances of the lab
            #[arg(long, default_value_t = 1_000)]
            size: usize,
            /// Changes under flood
            #[arg(long, default_value_t = 50)]
            changes: usize,
        },
        /// Memory per idle instance, size of the program
        Memory {
            /// Instances of the lab
            #[arg(long, default_value_t = 1_000)]
            size: usize,
            /// The release program
            #[arg(long, default_value = "target/release/vpclab")]
            program: PathBuf,
        },
        /// Commands as a person types them
        Command {
            /// The release program
            #[arg(long, default_value = "target/release/vpclab")]
            program: PathBuf,
            /// The lab file
            #[arg(long, default_value = "examples/shop.yaml")]
            lab: PathBuf,
        },
        /// All pairs of synthetic accounts, all ports
        Proof {
            /// The two largest accounts too: a hundred thousand interfaces
            #[arg(long)]
            largest: bool,
        },
        /// From process start to an answer about one pair of a large account, from a snapshot
        Snapshot {
            /// The release program
            #[arg(long, default_value = "target/release/vpclab")]
            program: PathBuf,
        },
        /// A rule, an entry of a list or a route edited in a proof that stands, against everything proved anew
        Edits {
            /// Interfaces of the account
            #[arg(long, default_value_t = 100_000)]
            interfaces: usize,
        },
        /// All pairs beside other analyzers, on the same account in the words of each
        Analyzers {
            /// Sizes, in interfaces of one VPC
            #[arg(long, value_delimiter = ',', default_value = "10,50,100,200,500")]
            sizes: Vec<usize>,
            /// Where their Python environments are
            #[arg(long, default_value = "target/peers")]
            environments: PathBuf,
            /// Seconds of the processor that one run of an analyzer may take; it is left out of larger sizes then
            #[arg(long, default_value_t = 60.0)]
            most: f64,
        },
        /// Calls of EC2, beside moto's server
        Api(api::Wanted),
        /// Containers, beside crun, runc and podman
        Containers(containers::Wanted),
        /// Reads a folder of `aws ec2 describe-…` JSON and counts open pairs
        #[command(hide = true)]
        Analyze {
            /// The folder
            folder: PathBuf,
        },
        /// Serves this program's own start inside new namespaces
        #[command(hide = true)]
        PeerContainers {
            /// What to do
            what: String,
            /// How often
            count: usize,
            /// In namespaces of its own already
            #[arg(long)]
            alone: bool,
        },
        /// Serves this program's own start inside new namespaces
        #[command(hide = true)]
        PeerIpBatch {
            /// Namespaces
            count: usize,
        },
    }

    /// Parses, measures, prints.
    pub fn run() -> Result {
        let cli = Cli::parse();
        if !matches!(cli.what, What::PeerIpBatch { .. } | What::PeerContainers { .. } | What::Analyze { .. }) {
            println!("{}", machine::describe());
        }
        match cli.what {
            What::Lifecycle { sizes, peers } => lifecycle::measure(&sizes, cli.runs, peers),
            What::Packet { interfaces } => packet::measure(interfaces, cli.runs),
            What::Change { size, changes } => change::measure(size, changes, cli.runs),
            What::Memory { size, program } => memory::measure(size, cli.runs, &program),
            What::Command { program, lab } => command::measure(&program, &lab, cli.runs),
            What::Snapshot { program } => snapshot::measure(&program, cli.runs),
            What::Proof { largest } => proof::measure(cli.runs, largest),
            What::Edits { interfaces } => edits::measure(cli.runs, interfaces),
            What::Analyzers { sizes, environments, most } => analyzers::measure(&sizes, cli.runs, &environments, most),
            What::Api(wanted) => api::measure(&wanted, cli.runs),
            What::Containers(wanted) => containers::measure(&wanted, cli.runs),
            What::PeerContainers { what, count, alone } => containers::peer::inside(&what, count, alone),
            What::Analyze { folder } => analyzers::inside(&folder),
            What::PeerIpBatch { count } => peer::ip_batch::inside(count),
        }
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    // Holders and inits of the labs are this same program under another name.
    sandbox::entry::dispatch();
    // So is what works on files of instances.
    if let Some(code) = container::engine::owners::dispatch(&std::env::args_os().collect::<Vec<_>>()) {
        std::process::exit(code);
    }
    // And the daemon that answers AWS's clients.
    if let Some(code) = daemon() {
        return code;
    }
    match cli::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn daemon() -> Option<std::process::ExitCode> {
    let arguments: Vec<_> = std::env::args_os().collect();
    let first = arguments.get(1)?.to_str()?;
    let code = match (first, arguments.get(2)) {
        (control::daemon::DAEMON, _) => control::daemon::serve(control::paths::Paths::of_user().ok()?),
        (control::store::CHECK, Some(path)) => control::store::check(std::path::Path::new(path)),
        _ => return None,
    };
    Some(u8::try_from(code).unwrap_or(1).into())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("bench: these measurements need Linux");
}
