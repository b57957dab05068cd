//! `forward`: a port of this machine that leads to an instance, as somebody on the internet meets it: through the
//! internet gateway, network ACLs and security groups.
//!
//! A forward is a process of its own. It needs the lab and not the daemon, and it is the only record of itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use control::client::Daemon;
use control::paths::Paths;
use fabric::Fabric;
use fabric::engine::Sender;
use model::selector::End;
use sandbox::SelfCommand;
use sandbox::relay::{self, RelaySpec, RelayTarget, RunningRelay};
use serde::Serialize;

use super::running::Running;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// How long a first connection may take before a word is said about it.
const TRIAL: Duration = Duration::from_secs(1);

/// `forward`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ForwardArgs {
    /// Address and port to listen at; a port alone means 127.0.0.1, port 0 a free one
    #[arg(required = true, value_name = "LISTEN")]
    pub listen: Option<String>,
    /// Instance and port to lead to, such as web-1:80
    #[arg(required = true, value_name = "TARGET")]
    pub target: Option<String>,
    /// From where connections come: a place of `outside:`, else internet
    #[arg(long, value_name = "PLACE", default_value = "internet")]
    pub from: String,
    /// Listen at an address that others can reach
    #[arg(long)]
    pub bind_any: bool,
    /// List forwards, or end them
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What else there is to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List forwards and where they lead
    Ls,
    /// End forwards, and the connections through them
    Rm {
        /// Where they listen, as `forward ls` shows it; a port alone means 127.0.0.1
        #[arg(required = true, value_name = "LISTEN")]
        listen: Vec<String>,
    },
}

/// A forward as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    listen: SocketAddr,
    lab: String,
    from: String,
    source: Option<IpAddr>,
    to: String,
    address: SocketAddr,
    /// Whose the address is now; `null` when the lab cannot be asked, empty when it is nobody's.
    leads_to: Option<String>,
    pid: i32,
}

/// Makes, lists or ends forwards.
pub fn run(arguments: &ForwardArgs, global: &Global, output: &Output) -> Result {
    match (&arguments.verb, &arguments.listen, &arguments.target) {
        (Some(Verb::Ls), ..) => list(global, output),
        (Some(Verb::Rm { listen }), ..) => remove(listen, output),
        (None, Some(listen), Some(target)) => add(arguments, listen, target, global, output),
        _ => Err(Failure::usage("say where to listen and where that leads").hint("vpclab forward 127.0.0.1:8080 web-1:80")),
    }
}

fn add(arguments: &ForwardArgs, listen: &str, target: &str, global: &Global, output: &Output) -> Result {
    let listen = listen_address(listen)?;
    if !listen.ip().is_loopback() && !arguments.bind_any {
        let failure = Failure::usage(format!("{} can be reached by other machines", listen.ip()));
        return Err(failure.hint(format!("127.0.0.1:{} is this machine's alone; --bind-any means it", listen.port())));
    }
    let (word, port) = target_of(target)?;
    let lab = Running::open(global)?;
    let source = source_of(&lab.fabric, &arguments.from)?;
    let (name, public) = public_address(&lab, word)?;
    let client = lab.holder()?;
    let listener = bind(listen)?;
    let listen = listener.local_addr().map_err(|e| Failure::environment(format!("listening at {listen}: {e}")))?;
    let spec = RelaySpec {
        listen,
        target: RelayTarget {
            holder: client.socket().to_owned(),
            key: linux::naming::INTERNET.to_owned(),
            source: Some(source),
            address: SocketAddr::new(public.into(), port),
        },
        labels: BTreeMap::from([
            ("lab".to_owned(), lab.name.clone()),
            ("from".to_owned(), arguments.from.clone()),
            ("to".to_owned(), format!("{name}:{port}")),
        ]),
    };
    let failed = |error: sandbox::Error| Failure::environment(error.to_string());
    let trial = relay::connect(&client, &spec.target, TRIAL);
    let child = relay::launch(&SelfCommand::current().map_err(failed)?, listener, &spec).map_err(failed)?;
    let shown = Shown {
        listen,
        lab: lab.name.clone(),
        from: arguments.from.clone(),
        source: spec.target.source,
        to: format!("{name}:{port}"),
        address: spec.target.address,
        leads_to: Some(name.clone()),
        pid: child.id().cast_signed(),
    };
    if output.format == Format::Json {
        output.json(&shown)?;
    } else {
        output.line(format!("{listen} leads to {name}:{port} ({public}) of lab {}, as from {}", lab.name, place(&shown)));
    }
    if let Err(error) = trial {
        let how = if is_refusal(&error) { "refuses connections now" } else { "does not answer now" };
        eprintln!("warning: {name}:{port} {how}");
        eprintln!("hint: vpclab check {} {name} tcp/{port}", arguments.from);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global, output: &Output) -> Result {
    let mut all: Vec<Shown> = Vec::new();
    let relays = ours()?;
    // A lab that cannot be asked keeps its forwards in the list all the same.
    let daemon = if relays.is_empty() { None } else { Daemon::find(paths()?).ok().flatten() };
    let mut fabrics: BTreeMap<String, Option<Fabric>> = BTreeMap::new();
    for relay in relays {
        let label = |key: &str| relay.spec.labels.get(key).cloned().unwrap_or_default();
        let lab = label("lab");
        if global.lab.as_ref().is_some_and(|wanted| *wanted != lab) {
            continue;
        }
        let address = relay.spec.target.address;
        let fabric = fabrics.entry(lab.clone()).or_insert_with(|| {
            let view = daemon.as_ref()?.lab(&lab).ok()??;
            Some(Fabric::compile(&view.model))
        });
        let leads_to = fabric.as_ref().map(|fabric| owner(fabric, address.ip()).unwrap_or_default());
        all.push(Shown {
            listen: relay.spec.listen,
            from: label("from"),
            source: relay.spec.target.source,
            to: label("to"),
            address,
            leads_to,
            pid: relay.process.pid,
            lab,
        });
    }
    if output.format == Format::Json {
        output.json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| vec![one.listen.to_string(), leads(one), one.address.to_string(), place(one), one.lab.clone()])
        .collect();
    output.table(&["listen", "to", "address", "from", "lab"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn remove(listen: &[String], output: &Output) -> Result {
    let wanted = listen.iter().map(|text| listen_address(text)).collect::<Result<Vec<_>>>()?;
    let all = ours()?;
    if let Some(missing) = wanted.iter().find(|wanted| !all.iter().any(|relay| relay.spec.listen == **wanted)) {
        let there: Vec<String> = all.iter().map(|relay| relay.spec.listen.to_string()).collect();
        let hint = if there.is_empty() { "there are none".to_owned() } else { format!("there are: {}", there.join(", ")) };
        return Err(Failure { code: exit::NO, message: format!("nothing is forwarded from {missing}"), hint: Some(hint) });
    }
    for relay in all.iter().filter(|relay| wanted.contains(&relay.spec.listen)) {
        relay.end().map_err(|e| Failure::environment(e.to_string()))?;
        output.line(format!("{} leads nowhere any more", relay.spec.listen));
    }
    Ok(ExitCode::SUCCESS)
}

fn paths() -> Result<Paths> {
    Paths::of_user().map_err(|e| Failure::environment(e.to_string()).hint("export HOME=… or VPCLAB_HOME=…"))
}

/// Forwards of this user's labs here; those of another `VPCLAB_HOME` are not this command's business.
fn ours() -> Result<Vec<RunningRelay>> {
    let folder = paths()?.holder_socket("x").parent().map(std::path::Path::to_owned);
    let all = relay::running();
    Ok(all.into_iter().filter(|relay| relay.spec.target.holder.parent() == folder.as_deref()).collect())
}

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `8080`.
fn listen_address(text: &str) -> Result<SocketAddr> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if let Ok(port) = text.trim_start_matches(':').parse() {
        return Ok(SocketAddr::new(loopback, port));
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(loopback, port));
    }
    text.parse().map_err(|_| {
        let port = text.rsplit_once(':').map_or(text, |(_, port)| port);
        let means_port = text.contains(':') || text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains('.');
        let failure = match means_port && port.parse::<u16>().is_err() {
            true => Failure::usage(format!("`{port}` is no port (0 to 65535)")),
            false => Failure::usage(format!("`{text}` is no address to listen at")),
        };
        failure.hint("first where to listen, then where it leads, such as: vpclab forward 127.0.0.1:8080 web-1:80")
    })
}

fn target_of(text: &str) -> Result<(&str, u16)> {
    let wrong = match text.rsplit_once(':') {
        None => format!("`{text}` names no instance and port"),
        Some(("", _)) => format!("`{text}` names no instance"),
        Some((_, "")) => format!("`{text}` names no port"),
        Some((word, port)) => match port.parse().ok().or_else(|| model::service::called(port).map(|service| service.port)) {
            Some(port) if port > 0 => return Ok((word, port)),
            _ => format!("`{port}` is no port (1 to 65535)"),
        },
    };
    Err(Failure::usage(wrong).hint("such as: vpclab forward 127.0.0.1:8080 web-1:80"))
}

/// The address that connections come from: the first of the place.
fn source_of(fabric: &Fabric, place: &str) -> Result<IpAddr> {
    let known = || {
        let names: Vec<&str> = fabric.outside.values().map(|host| host.name.as_str()).chain(["internet"]).collect();
        format!("there are: {}", names.join(", "))
    };
    let unknown = |what: String| Failure::usage(what).hint(known());
    let end = match place {
        "internet" => End::Internet,
        name => End::Outside(name.to_owned()),
    };
    let senders = fabric.senders(&end).map_err(|_| unknown(format!("`{place}` is no place outside")))?;
    let internet = fabric.representative().filter(|_| end == End::Internet).map(IpAddr::V4);
    let of_sender = |sender: &Sender| match sender {
        Sender::Outside(address) if address.is_ipv4() => Some(*address),
        _ => None,
    };
    internet.or_else(|| senders.iter().find_map(of_sender)).ok_or_else(|| unknown(format!("`{place}` has no IPv4 address")))
}

/// Name and public address of the instance meant. Without one nobody outside reaches it, and so does no forward.
fn public_address(lab: &Running, word: &str) -> Result<(String, Ipv4Addr)> {
    let instance = model::selector::instance(&lab.model, word).map_err(|nothing| {
        if nothing.several.is_some() {
            return Failure::usage(nothing.to_string());
        }
        let names: Vec<&str> = lab.fabric.instances.values().map(|row| row.name.as_str()).collect();
        Failure::usage(format!("lab {} has no instance `{word}`", lab.name)).hint(format!("there are: {}", names.join(", ")))
    })?;
    let row = lab.fabric.instances.values().find(|row| row.id == instance.id);
    let name = row.map_or(word, |row| row.name.as_str());
    if let Some(public) = row.and_then(|row| public_addresses(&lab.fabric, row).next()) {
        return Ok((name.to_owned(), public));
    }
    let message = format!("{name} has no public address: nobody outside reaches it, and a forward comes from outside");
    let hint = format!("`public_ip: true` or an elastic address gives it one; from inside: vpclab exec {name} -- curl localhost");
    Err(Failure { code: exit::NO, message, hint: Some(hint) })
}

fn public_addresses<'a>(fabric: &'a Fabric, instance: &'a fabric::Instance) -> impl Iterator<Item = Ipv4Addr> + 'a {
    let interfaces = instance.interfaces.iter().map(|index| &fabric.interfaces[*index]);
    interfaces.flat_map(|interface| &interface.addresses).filter_map(|address| address.public)
}

fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let own = relay::running().into_iter().find(|relay| relay.spec.listen == listen);
            let failure = Failure { code: exit::NO, message: format!("{listen} is in use"), hint: None };
            match own.and_then(|relay| relay.spec.labels.get("to").cloned()) {
                Some(to) => failure.hint(format!("it leads to {to}; vpclab forward rm {listen} ends that")),
                None => failure.hint(format!("ss -ltnp 'sport = :{}' says by whom; port 0 takes a free one", listen.port())),
            }
        }
        std::io::ErrorKind::PermissionDenied => {
            let free = SocketAddr::new(listen.ip(), listen.port().saturating_add(8000));
            Failure::environment(format!("{listen}: ports below 1024 are root's")).hint(format!("listen at {free}"))
        }
        std::io::ErrorKind::AddrNotAvailable => Failure::usage(format!("{} is no address of this machine", listen.ip())),
        _ => Failure::environment(format!("listening at {listen}: {error}")),
    })
}

/// The instance whose public address it is now.
fn owner(fabric: &Fabric, address: IpAddr) -> Option<String> {
    let has = |row: &&fabric::Instance| public_addresses(fabric, row).any(|public| IpAddr::V4(public) == address);
    fabric.instances.values().find(has).map(|row| row.name.clone())
}

/// What a forward leads to, with a word when the address is another's by now.
fn leads(one: &Shown) -> String {
    let name = one.to.rsplit_once(':').map_or(one.to.as_str(), |(name, _)| name);
    match &one.leads_to {
        Some(now) if now.is_empty() => format!("{} (the address is nobody's now)", one.to),
        Some(now) if now != name => format!("{} (the address is {now}'s now)", one.to),
        _ => one.to.clone(),
    }
}

fn place(one: &Shown) -> String {
    match one.source {
        Some(source) => format!("{} ({source})", one.from),
        None => one.from.clone(),
    }
}

fn is_refusal(error: &sandbox::Error) -> bool {
    matches!(error, sandbox::Error::Os { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused)
}
