//! `sim http`: a page of one host for another, with or without TLS; and what a person writes for its place.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;
use sim::NodeId;
use sim::app::{End, GetSpec};
use sim::app::http::{Server, status};
use sim::host::Host;

use super::super::target::Target;
use super::ends::Stage;
use super::show::{losses, show};
use super::words::{self, Goal};
use super::{HttpArgs, client, code, told};
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Where a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it goes inside TLS records.
    pub is_secure: bool,
    /// A name or an address.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// The path, from its slash on.
    pub path: String,
}

impl Url {
    /// Reads `web-1:8080/index.html`, `http://10.0.0.5/`, `https://[2001:db8::1]`; `is_secure` holds where no scheme is
    /// written. Errors: a port that is none, another scheme.
    pub fn read(text: &str, is_secure: bool) -> Result<Self> {
        let (is_secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, _)) => return Err(Failure::usage(format!("`{scheme}://` leads to no page")).hint("http:// or https://")),
            None => (is_secure, text),
        };
        let (authority, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(authority, path)| (authority, format!("/{path}")));
        let ordinary = if is_secure { 443 } else { 80 };
        let wrong = || Failure::usage(format!("`{authority}` names no port")).hint("such as web-1:8080/index.html");
        let (name, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, "")) => (name, None),
            Some((name, after)) => (name, Some(after.strip_prefix(':').ok_or_else(wrong)?)),
            None => match authority.rsplit_once(':').filter(|(name, _)| !name.contains(':')) {
                Some((name, port)) => (name, Some(port)),
                None => (authority, None),
            },
        };
        if name.is_empty() {
            return Err(Failure::usage(format!("`{text}` names nobody")).hint("such as web-1:8080/index.html"));
        }
        let called = |port: &str| port.parse().ok().or_else(|| model::service::port(port, wire::protocol::TCP)).filter(|port| *port > 0);
        let port = port.map_or(Some(ordinary), called).ok_or_else(wrong)?;
        Ok(Self { is_secure, name: name.to_owned(), port, path })
    }

    /// The question for it, once it is known who has the name.
    pub fn spec(&self, to: IpAddr, source: Option<IpAddr>) -> GetSpec {
        let name = self.name.strip_suffix('.').unwrap_or(&self.name);
        // An IPv6 address stands in brackets wherever a port may follow (RFC 3986, 3.2.2).
        let host = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        GetSpec { source, host, path: self.path.clone(), ..GetSpec::new(to, self.port) }
    }
}

/// `sim http`.
pub fn run(arguments: &HttpArgs, target: &Target, output: &Output) -> Result {
    let url = Url::read(&arguments.to, false)?;
    let selector = |text: &str| lab::sentence::parse_selector(text).map_err(|error| Failure::usage(error.message));
    let mut stage = Stage::new(target, &arguments.show, output)?;
    let from = stage.from(&selector(&arguments.from)?)?;
    let goal = words::resolve(&mut stage, &from, &url.name)?;
    match &goal {
        Goal::Address(to) if !url.is_secure => serve(&mut stage, *to, url.port, &url.name),
        Goal::Name(_) if !url.is_secure => serve_all(&mut stage, url.port),
        _ => {}
    }
    let program = client::fetch(&from, goal, url.clone());
    let known = program.to;
    let outcome = client::play_one(&mut stage, program, &arguments.show, output)?.outcome;
    let name = &url.name;
    let to = known.or(outcome.addresses.first().copied());
    let place = to.map_or_else(|| name.clone(), |to| format!("{name} ({to})"));
    let scheme = if url.is_secure { "HTTPS" } else { "HTTP" };
    let answer = status(&outcome.data);
    let body = answer.map(|(_, at)| String::from_utf8_lossy(outcome.data.get(at..).unwrap_or_default()).into_owned());
    let mut said = Vec::new();
    match (answer, &body) {
        (Some((number, _)), Some(body)) => {
            said.push(format!("{scheme} {number} from {place}"));
            said.extend(body.lines().map(str::to_owned));
        }
        _ => {
            let yet = if outcome.end == End::Running { " yet" } else { "" };
            said.push(format!("no page from {place}{yet}: {}", told::why(&outcome)));
            if yet.is_empty() {
                said.extend(losses(&stage, to, outcome.ended).lines);
            }
        }
    }
    let number = answer.map(|(number, _)| number);
    let result = json!({"from": from.name, "to": name, "address": to, "port": url.port, "end": outcome.end.to_string(), "status": number, "body": body});
    show(&stage, &arguments.show, &said, result, output)?;
    Ok(code(number.is_some_and(|number| number < 400), &stage))
}

/// Who has an address.
pub fn holder(stage: &Stage, address: IpAddr) -> Option<NodeId> {
    let world = &stage.world;
    let simulator = &world.cloud.simulator;
    world.cloud.holder(address).or_else(|| simulator.nodes().find(|node| world.place(*node).addresses.contains(&address)))
}

/// Where something listens that is to answer with its name, a page does so.
fn serve(stage: &mut Stage, to: IpAddr, port: u16, name: &str) {
    let listens = |node: &NodeId| stage.world.cloud.simulator.get(*node).is_some_and(|host: &Host| host.listens(port));
    if let Some(node) = holder(stage, to).filter(listens) {
        let page = format!("{name}\n");
        stage.world.simulator().with(node, |host: &mut Host, context| host.run(context, Server::new(port, page.as_bytes())));
    }
}

/// The same for every instance: whose name is looked up, nobody knows before.
fn serve_all(stage: &mut Stage, port: u16) {
    let fabric = Arc::clone(&stage.fabric);
    for instance in fabric.instances.values() {
        if let Some(primary) = instance.interfaces.first() {
            serve(stage, IpAddr::V4(fabric.interfaces[*primary].primary_address()), port, &instance.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_scheme_a_name_a_port_and_a_path_or_what_is_usual() {
        let read = |text: &str| Url::read(text, false).ok().map(|url| (url.is_secure, url.name, url.port, url.path));
        let url = |is_secure, name: &str, port, path: &str| Some((is_secure, name.to_owned(), port, path.to_owned()));
        for (text, expected) in [
            ("web", url(false, "web", 80, "/")),
            ("web:8080/a/b", url(false, "web", 8080, "/a/b")),
            ("web:https", url(false, "web", 443, "/")),
            ("HTTPS://www.shop.test", url(true, "www.shop.test", 443, "/")),
            ("https://10.0.0.5:8443/x", url(true, "10.0.0.5", 8443, "/x")),
            ("http://[2001:db8::1]:81/", url(false, "2001:db8::1", 81, "/")),
            ("2001:db8::1", url(false, "2001:db8::1", 80, "/")),
            ("ftp://web", None),
            ("web:none", None),
            ("web:0", None),
            ("[2001:db8::1]x", None),
            ("http:///x", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
