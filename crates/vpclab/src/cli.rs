//! The commands and their flags.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use conformance::EngineName;

use crate::command::{capture, daemon, down, exec, inspect, logs, ls, meant, ping, power, sockets, traceroute, up};
use crate::output::{ColorChoice, Format};

/// Describe a cloud network, run it with real packets on this machine, and know what it does.
#[derive(Debug, Parser)]
#[command(name = "vpclab", version, about, disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Lab file, name of a running lab, folder of `aws ec2 describe-…` output, what `terraform show -json` wrote (*.json), or a snapshot; else VPCLAB_FILE of the environment, else vpclab.yaml or the one *.cloud.yaml, here or in a parent folder
    #[arg(short = 'f', long = "file", global = true, env = "VPCLAB_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Lab; else VPCLAB_LAB of the environment, unless a file is typed; else the one of the lab file, else the only one that is up
    #[arg(short, long, global = true, env = "VPCLAB_LAB", value_name = "LAB")]
    pub lab: Option<String>,
    /// Which of both were typed.
    #[arg(skip)]
    pub typed: meant::Typed,
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Short for -o json
    #[arg(long, global = true, conflicts_with = "output")]
    pub json: bool,
    /// Print this part of the JSON, as `aws --query` does (JMESPath): `--query '[].name'`
    #[arg(long, global = true, value_name = "EXPRESSION", value_parser = crate::output::query)]
    pub query: Option<String>,
    /// Use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Print no progress and no notes
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// Reads the name of an engine; the help lists them all.
pub fn engine() -> impl TypedValueParser<Value = EngineName> {
    let names = EngineName::ALL.map(EngineName::as_str);
    PossibleValuesParser::new(names).try_map(|name| EngineName::parse(&name).ok_or("no engine has this name"))
}

/// The commands in the order in which people meet them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a lab file to start from
    Init(crate::command::init::InitArgs),
    /// Say whether a lab file is legal
    Validate(FileArgs),
    /// Make a lab file of what another tool knows
    #[command(subcommand)]
    Import(crate::command::import::ImportCommand),
    /// Make a lab file of a lab that is up
    #[command(subcommand)]
    Export(crate::command::export::ExportCommand),
    /// Keep what a source says as one file that is read in a moment
    Snapshot(crate::command::snapshot::SnapshotArgs),
    /// Show what `up` would change, and who would reach whom then
    Plan(crate::command::plan::PlanArgs),
    /// What changes from one lab to another, and who reaches whom then
    Diff(crate::command::diff::DiffArgs),
    /// Bring the lab up, or to what its file now says
    Up(up::UpArgs),
    /// Take a lab down: everything of it ends
    Down(down::DownArgs),
    /// List labs, or the things in one
    Ls(ls::LsArgs),
    /// List instances
    Ps(ls::LsArgs),
    /// Everything about one thing, and who refers to it
    Inspect(inspect::InspectArgs),
    /// Run a command inside an instance
    Exec(exec::ExecArgs),
    /// What user data and `run:` commands printed
    Logs(logs::LogsArgs),
    /// Start stopped instances: user data does not run again
    Start(power::NamesArgs),
    /// Stop instances: they keep their files, their private and elastic addresses
    Stop(power::NamesArgs),
    /// Terminate instances
    Rm(power::NamesArgs),
    /// Try one port now: open, refused or filtered, and where it ended
    Check(CheckArgs),
    /// Why a packet arrives and is answered, or not: every rule that decides, everything that blocks, proved fixes
    Why(crate::command::why::WhyArgs),
    /// Does the lab keep its promises (`expect:`)
    Test(crate::command::test::TestArgs),
    /// Put a hidden mistake into a running lab, or into a copy of a lab file (-f), to find and repair
    Break(crate::command::breakage::BreakArgs),
    /// What looks wrong although it is legal: doors that stand open, ways that lead nowhere, rules of no use
    Lint(crate::command::lint::LintArgs),
    /// Who can reach a place, proved: who can reach db-1 tcp/3306
    Who(crate::command::who::WhoArgs),
    /// What a place can reach, proved: what can web-1 reach
    What(crate::command::who::WhatArgs),
    /// Who reaches whom: every pair asked at once
    Matrix(crate::command::matrix::MatrixArgs),
    /// Real echo requests from one place to another; where they are lost, which stage did it
    Ping(ping::PingArgs),
    /// Who answers on the way, and who is passed unseen
    Traceroute(traceroute::TracerouteArgs),
    /// Packets as they pass a place, or every hop of the lab
    Capture(capture::CaptureArgs),
    /// Records of flow logs: what groups and lists let pass and stopped at interfaces, counted a minute or ten
    Flowlogs(crate::command::flowlogs::FlowlogsArgs),
    /// What listens and what is connected in an instance
    Sockets(sockets::SocketsArgs),
    /// Draw the lab: a tree for the terminal, an SVG picture, a Mermaid flowchart
    Graph(crate::command::graph::GraphArgs),
    /// Images of containers on this machine
    #[command(subcommand)]
    Images(crate::command::images::ImagesCommand),
    /// Containers in instances, with Docker's words: run, ls, exec, logs, stop, rm
    #[command(subcommand)]
    Containers(crate::command::containers::ContainersCommand),
    /// A container or an instance taken apart: processes, namespaces, root, limits, rights, network, mounts, live
    Anatomy(crate::command::anatomy::AnatomyArgs),
    /// Networks of containers: bridges in instances, and who is in them
    #[command(subcommand)]
    Networks(crate::command::networks::NetworksCommand),
    /// Volumes of containers: files that outlive them
    #[command(subcommand)]
    Volumes(crate::command::volumes::VolumesCommand),
    /// Docker's own command for the containers of an instance, or of the lab: docker web-1 -- ps
    Docker(crate::command::docker::DockerArgs),
    /// Print where Docker's clients, or those of AWS, are answered: eval "$(vpclab serve web-1)", eval "$(vpclab serve --ec2 127.0.0.1:0)"
    Serve(crate::command::serve::ServeArgs),
    /// Who may do what with the lab's API, and why; what of it looks wrong; keys of users
    #[command(subcommand)]
    Iam(crate::command::iam::IamCommand),
    /// The lab played frame by frame, without privileges, on any system: ping, traceroute, check, http, domains, run, test
    #[command(subcommand)]
    Sim(crate::command::sim::SimCommand),
    /// Arithmetic on address blocks
    #[command(subcommand)]
    Cidr(CidrCommand),
    /// Lead a port of this machine to an instance, as somebody on the internet meets it
    Forward(crate::command::forward::ForwardArgs),
    /// Let a running lab reach the real internet, by pasta or slirp4netns
    Uplink(crate::command::uplink::UplinkArgs),
    /// What this machine lets a lab do, and the command that changes it
    Doctor(crate::command::doctor::DoctorArgs),
    /// Print the JSON Schema of lab files
    Schema,
    /// Say what an error code means, and what to write instead
    Explain(crate::command::explain::ExplainArgs),
    /// Say what a layer of the OSI model, a protocol or a port is for
    Osi(crate::command::osi::OsiArgs),
    /// Lessons: a lab, commands to type, something to change, and a check that it works
    Learn(crate::command::learn::LearnArgs),
    /// Print settings for a shell: eval "$(vpclab env)"
    Env(crate::command::env::EnvArgs),
    /// Which program answers, and which daemon keeps the labs up
    Version,
    /// Print manual pages, or the whole reference
    Man(crate::command::man::ManArgs),
    /// Print a completion script
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// The process that keeps labs up
    #[command(subcommand)]
    Daemon(daemon::Verb),
    /// Run conformance scenarios
    #[command(hide = true, subcommand)]
    Conformance(ConformanceCommand),
}

/// A lab file given by position.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// Lab file
    #[arg(value_name = "FILE")]
    pub positional: Option<PathBuf>,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// FROM TO PROTO/PORT, such as: web-1 db-1 tcp/3306, or web-1 db-1:3306
    #[arg(required = true, num_args = 1.., value_name = "PROBE")]
    pub words: Vec<String>,
    /// Which engine answers: real packets, or the stages asked one by one. Default: linux; sim where a host of a lan is an end
    #[arg(long, value_parser = engine())]
    pub engine: Option<EngineName>,
    /// Over IPv6: interfaces at their IPv6 addresses, `internet` at one of its own
    #[arg(short = '6', long)]
    pub ipv6: bool,
}

/// `cidr`.
#[derive(Debug, Subcommand)]
pub enum CidrCommand {
    /// What a block holds
    Info {
        /// Block
        block: String,
    },
    /// Carve blocks of these sizes, in order
    Split {
        /// Block
        block: String,
        /// Sizes such as /26
        #[arg(required = true)]
        sizes: Vec<String>,
    },
    /// Whether a block holds an address or another block (exit 1: no)
    Contains {
        /// Block
        block: String,
        /// Address or block
        inner: String,
    },
    /// What is left of a block
    Free {
        /// Block
        block: String,
        /// Blocks in use
        used: Vec<String>,
    },
}

/// `conformance`.
#[derive(Debug, Subcommand)]
pub enum ConformanceCommand {
    /// Run the scenarios of these files or folders
    Run {
        /// Files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Engine
        #[arg(long, default_value = "linux", value_parser = engine())]
        engine: EngineName,
        /// Only scenarios whose id contains this
        #[arg(long)]
        filter: Option<String>,
    },
    /// Hold engines against each other on random clouds
    Fuzz(crate::command::fuzz::FuzzArgs),
    /// Hold the simulator's frames to the kernel's: the same acts, the same places watched
    Frames(crate::command::frames::FramesArgs),
}
