//! `sockets`: what listens and what is connected in an instance, each with its far end and the process that holds it.

use std::process::ExitCode;

use clap::Args;
use linux::runtime::open_sockets::{Holder, open_sockets};
use netlink::sock_diag::{OpenSocket, State, Transport};
use serde_json::json;

use super::capture::{at, nowhere};
use super::ends::Names;
use super::running::Running;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `sockets`.
#[derive(Debug, Args)]
pub struct SocketsArgs {
    /// Instance by name, id or address; also internet, or a gateway or router by name
    pub name: String,
    /// Only sockets that listen
    #[arg(short = 'L', long)]
    pub listening: bool,
}

/// Exit 0.
pub fn run(arguments: &SocketsArgs, global: &Global, output: &Output) -> Result {
    let running = Running::open(global)?;
    let hops = at(&arguments.name, &running)?;
    let mut namespaces: Vec<&str> = hops.iter().map(|hop| hop.namespace.as_str()).collect();
    namespaces.dedup();
    let namespace = match namespaces.as_slice() {
        [one] => *one,
        [] => return Err(nowhere(&arguments.name, &running)),
        several => {
            let names: Vec<&str> = hops.iter().map(|hop| hop.name.as_str()).collect();
            return Err(Failure::usage(format!("`{}` means {} places", arguments.name, several.len())).hint(format!("name one: {}", names.join(", "))));
        }
    };
    let found = open_sockets(&running.holder()?, namespace).map_err(|e| Failure::environment(e.to_string()))?;
    let found: Vec<_> = found.into_iter().filter(|(open, _)| !arguments.listening || is_listening(open)).collect();
    let names = Names::of(&running.fabric);
    if output.format == Format::Json {
        let row = |(open, holders): &(OpenSocket, Vec<Holder>)| {
            let end = |end: std::net::SocketAddr| json!({"address": end.ip().to_canonical(), "port": end.port(), "name": names.name(end.ip())});
            json!({
                "transport": transport(open),
                "state": state(open),
                "local": end(open.local),
                "remote": is_connected(open).then(|| end(open.remote)),
                "processes": holders.iter().map(|h| json!({"name": h.name, "pid": h.pid_inside, "host_pid": h.pid})).collect::<Vec<_>>(),
                "uid": open.uid,
                "receive_queue": open.receive_queue,
                "send_queue": open.send_queue,
            })
        };
        output.json(&found.iter().map(row).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let wide = output.format == Format::Wide;
    let mut headings = vec!["proto", "state", "local", "remote", "who", "process"];
    if wide {
        headings.extend(["recv-q", "send-q", "uid"]);
    }
    let row = |(open, holders): &(OpenSocket, Vec<Holder>)| {
        let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        let connected = is_connected(open);
        let holders: Vec<String> = holders.iter().map(|h| format!("{}/{}", h.name, h.pid_inside)).collect();
        let mut row = vec![
            transport(open).to_owned(),
            state(open).to_owned(),
            end(open.local),
            dash(if connected { end(open.remote) } else { String::new() }),
            dash(names.name(open.remote.ip()).filter(|_| connected).unwrap_or_default().to_owned()),
            dash(holders.join(", ")),
        ];
        if wide {
            row.extend([open.receive_queue.to_string(), open.send_queue.to_string(), open.uid.to_string()]);
        }
        row
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    if rows.is_empty() && output.format == Format::Table {
        eprintln!("nothing listens at {}, and nothing is connected", arguments.name);
    } else {
        output.table(&headings, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn transport(open: &OpenSocket) -> &'static str {
    match open.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

fn is_connected(open: &OpenSocket) -> bool {
    open.remote.port() != 0
}

/// A UDP socket that is connected to nobody takes from everybody.
fn is_listening(open: &OpenSocket) -> bool {
    open.state == State::Listen || (open.transport == Transport::Udp && open.state == State::Close)
}

/// As RFC 9293 and `ss` name them.
fn state(open: &OpenSocket) -> &'static str {
    match open.state {
        State::Close if open.transport == Transport::Udp => "UNCONN",
        State::Established => "ESTABLISHED",
        State::SynSent => "SYN-SENT",
        State::SynReceived | State::NewSynReceived => "SYN-RECEIVED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::TimeWait => "TIME-WAIT",
        State::Close => "CLOSED",
        State::CloseWait => "CLOSE-WAIT",
        State::LastAck => "LAST-ACK",
        State::Listen => "LISTEN",
        State::Closing => "CLOSING",
    }
}

/// `ADDRESS:PORT`, a mapped IPv4 address as such, any address as `*`.
fn end(end: std::net::SocketAddr) -> String {
    match end.ip().to_canonical() {
        address if address.is_unspecified() => format!("*:{}", end.port()),
        address => std::net::SocketAddr::new(address, end.port()).to_string(),
    }
}
