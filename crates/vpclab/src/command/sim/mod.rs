//! `sim`: the lab played frame by frame, without privileges and on any system; every frame, layer and reason can be seen.

mod action;
pub(super) mod ask;
mod client;
pub(super) mod domains;
pub(super) mod ends;
mod lookup;
mod page;
mod script;
pub(super) mod show;
mod told;
mod tui;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use conformance::EngineName;

use super::target::Target;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// `sim`.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Echo requests from one place to another, and every frame that they make
    Ping(PingArgs),
    /// Who answers on the way
    Traceroute(TracerouteArgs),
    /// Try one port: open, refused or filtered, and why
    Check(CheckArgs),
    /// Get a page over HTTP, or HTTPS where the place begins with https://
    Http(HttpArgs),
    /// Let a host run a program: dns, dhcp, smtp, ftp, tftp, telnet, snmp, bulk and more; --help has their forms
    #[command(after_help = client_help())]
    Use(UseArgs),
    /// Count the nodes, links, collision domains and broadcast domains of the lans
    Domains(domains::DomainsArgs),
    /// Play a script of timed actions: programs that send, links that fail, files that change the rules
    #[command(after_help = script_help())]
    Run(RunArgs),
    /// Look at it on the whole terminal: topology, events, packets, tables; step on and back, change it
    Tui(tui::TuiArgs),
    /// Does the lab keep its promises (`expect:`), by simulated packets
    Test(PromisesArgs),
}

/// `sim test`.
#[derive(Debug, Args)]
pub struct PromisesArgs {
    /// Only claims whose text contains this
    filter: Option<String>,
    /// Take the claims (`expect:`) of this file instead
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Make every mistake that people make, in a copy, and list those that no claim would notice
    #[arg(long)]
    mutate: bool,
}

impl PromisesArgs {
    fn simulated(self) -> super::test::TestArgs {
        super::test::TestArgs { filter: self.filter, engine: EngineName::Sim, expect: self.expect, mutate: self.mutate }
    }
}

/// What is shown of a simulation.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// What all chance comes from: the same seed gives the same frames
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How long the lab runs before that, unseen, so that routing protocols, spanning tree and leases settle; default: 90s where
    /// the lab has any of them, else nothing
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub warm_up: Option<sim::Span>,
    /// End after this simulated time, such as 500ms or 10s; what is not done by then is `running`, exit 4; default: when the programs are done
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<sim::Span>,
    /// Print as slowly as it happens: 1 = in real time, 0.1 = ten times slower
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub speed: Option<f64>,
    /// Show what each node did with each frame, layer by layer (OSI)
    #[arg(long)]
    pub layers: bool,
    /// Only events that this says: `node sw-1 and not arp`, `layer 3`, `verb drop`, `reason no-route`
    #[arg(long, value_name = "FILTER", default_value = "")]
    pub filter: String,
    /// Every event: what was sent and what came apart
    #[arg(long)]
    pub all: bool,
    /// Show the tables of the nodes at the end, or of this name alone: mac, arp, routes, sockets, tcp, nat
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub tables: Option<String>,
    /// Write the frames that --filter leaves to this pcapng file, an interface for each port, reasons as comments; -: to standard output, such as: | tcpdump -nr -
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Write --pcap over whatever is there; without this, over a capture alone
    #[arg(long, requires = "pcap")]
    pub force: bool,
    /// Only what the program says, no events: commands beside `sim` ask for that
    #[arg(skip)]
    pub quiet: bool,
}

/// `sim ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// FROM TO: hosts of lans, instances, outside places, addresses
    #[arg(required = true, num_args = 1.., value_name = "FROM TO")]
    pub words: Vec<String>,
    /// How many requests
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// Bytes of data in each request
    #[arg(short, long, default_value_t = 56, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(0..=65_507))]
    pub size: u16,
    /// Hops that a request may take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Routers must not cut the requests
    #[arg(long)]
    pub dont_fragment: bool,
    /// What is shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// `sim traceroute`.
#[derive(Debug, Args)]
pub struct TracerouteArgs {
    /// FROM TO [tcp/PORT|udp|icmp]
    #[arg(required = true, num_args = 1.., value_name = "FROM TO")]
    pub words: Vec<String>,
    /// What is shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// `sim check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// FROM TO PROTO/PORT, such as: web-1 db-1 tcp/3306, or web-1 db-1:3306
    #[arg(required = true, num_args = 1.., value_name = "PROBE")]
    pub words: Vec<String>,
    /// What is shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// `sim http`.
#[derive(Debug, Args)]
pub struct HttpArgs {
    /// Who asks
    pub from: String,
    /// Whom: a name or an address, perhaps with a port and a path: web-1:8080/index.html, https://web-1. A name that the lab does
    /// not have is looked up at the sender's name servers, and so is one that ends with a dot
    pub to: String,
    /// What is shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// `sim use`.
#[derive(Debug, Args)]
pub struct UseArgs {
    /// A program, who runs it, and what it takes, as in a script: ftp pc-1 files get readme.txt
    #[arg(required = true, num_args = 1.., value_name = "PROGRAM FROM WORD")]
    pub words: Vec<String>,
    /// What is shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

/// `sim run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The script: a time and an action a line, such as `1s ping pc-1 pc-2`, `2s link down sw-1 r-1`; - for standard input
    pub script: PathBuf,
    /// What is shown.
    #[command(flatten)]
    pub show: ShowArgs,
}

fn client_help() -> String {
    format!("Programs:\n{}", client::grammar())
}

fn script_help() -> String {
    format!("Actions, each after its time:\n{}", action::grammar())
}

fn time(text: &str) -> std::result::Result<sim::Span, String> {
    match lab::sentence::parse_time(text) {
        Ok(time) => Ok(sim::Span::nanoseconds(time)),
        Err(error) => Err(error.message),
    }
}

fn factor(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("a number above 0".to_owned()),
    }
}

/// Exit 0 when the answer is yes, 1 when it is no, 4 when there is none yet at `--until`.
pub fn run(command: SimCommand, global: &Global, output: &Output) -> Result {
    let target = Target::find_listening(global, output)?;
    match command {
        SimCommand::Ping(arguments) => ask::ping(&arguments, &target, output),
        SimCommand::Traceroute(arguments) => ask::traceroute(&arguments, &target, output),
        SimCommand::Check(arguments) => ask::check(&arguments, &target, output),
        SimCommand::Http(arguments) => page::run(&arguments, &target, output),
        SimCommand::Use(arguments) => client::run(&arguments, &target, output),
        SimCommand::Domains(arguments) => domains::run(&arguments, &target, output),
        SimCommand::Run(arguments) => script::run(&arguments, &target, output),
        SimCommand::Tui(arguments) => tui::run(&arguments, &target, output),
        SimCommand::Test(arguments) => super::test::run(&arguments.simulated(), &target, output),
    }
}

/// What a program's end means for the exit code: what is not done has no answer yet.
fn code(is_yes: bool, stage: &ends::Stage) -> ExitCode {
    match (is_yes, stage.is_unfinished) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => crate::exit::TIMEOUT.into(),
        (false, false) => crate::exit::NO.into(),
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::environment(error.to_string())
}
