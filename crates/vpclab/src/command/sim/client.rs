//! The programs that a word lets a host run, in scripts and in `sim use`: what each takes, and what it starts. How their ends
//! are told is `told`'s.

use std::net::{IpAddr, Ipv4Addr};

use model::ProbePacket;
use sim::app::arping::Arping;
use sim::app::bulk::{Receiver, Sender};
use sim::app::connect::Connect;
use sim::app::datagram::Question;
use sim::app::flow::Source;
use sim::app::ping::Ping;
use sim::app::resolver::Lookup;
use sim::app::traceroute::{Method, Traceroute, TracerouteSpec};
use sim::app::{
    App, AppId, ConnectSpec, DatagramSpec, End, FtpSpec, LookupSpec, Outcome, PingSpec, SmtpSpec, SnmpSpec, SourceSpec, TelnetSpec, TftpSpec, ftp,
    http, https, smtp, snmp, telnet, tftp,
};
use sim::host::Host;
use sim::routing::igmp::Member;
use sim::{NodeId, Span};

use super::super::target::Target;
use super::action::{Step, misread, placed};
use super::ask::{PATIENCE, body};
use super::ends::{From, Stage};
use super::page::{Url, holder};
use super::show::{BUDGET, is_hopeless, losses, play, show, storm, unfinished};
use super::told::{self, Told};
use super::words::{Goal, MOST, Words};
use super::{ShowArgs, UseArgs, code, failed, lookup};
use crate::exit::Result;
use crate::output::Output;

/// A word, what it takes, and what it starts.
pub struct Client {
    /// The word.
    pub word: &'static str,
    /// What follows it.
    pub form: &'static str,
    /// What it is.
    pub about: &'static str,
    read: fn(&mut Words<'_, '_, '_>) -> Result<Ready>,
    tell: fn(&Host, &Outcome) -> Told,
}

/// A program that can begin.
pub struct Program {
    /// Whose it is.
    pub node: NodeId,
    /// How long it takes if all goes well.
    pub least: Span,
    /// Whom it asks, where that is known before.
    pub to: Option<IpAddr>,
    /// Whether it stays, and nobody waits for its end.
    pub stays: bool,
    client: &'static Client,
    start: Start,
}

type Start = Box<dyn FnOnce(&mut Host, &mut sim::Context<'_>) -> AppId>;

/// What the words of a client come to.
struct Ready {
    node: NodeId,
    least: Span,
    to: Option<IpAddr>,
    stays: bool,
    start: Start,
}

impl Ready {
    fn into_program(self, client: &'static Client) -> Program {
        let Self { node, least, to, stays, start } = self;
        Program { node, least, to, stays, client, start }
    }
}

impl Program {
    /// Begins.
    pub fn start(self, host: &mut Host, context: &mut sim::Context<'_>) -> AppId {
        (self.start)(host, context)
    }

    /// Which it is.
    pub fn client(&self) -> &'static Client {
        self.client
    }
}

impl Client {
    /// How it is with one that began.
    pub fn tell(&self, host: &Host, outcome: &Outcome) -> Told {
        (self.tell)(host, outcome)
    }

    /// How far it is: of a transfer that goes on, with what was acknowledged so far.
    pub fn progress(&self, host: &Host, app: AppId) -> Outcome {
        let mut outcome = host.progress(app).clone();
        if outcome.end == End::Running && self.word == "bulk" {
            outcome.bytes_sent = host.acknowledged(app);
        }
        outcome
    }
}

/// How long a program is watched that stays.
const FIRST: Span = Span::seconds(11);
/// TCP port of a receiver that a bulk transfer brings along (iperf's).
const BULK_PORT: u16 = 5001;
/// All of them, in the order in which help has them.
pub const CLIENTS: &[Client] = &[
    Client { word: "ping", form: "A B [COUNT]", about: "ICMP echo requests", read: ping, tell: told::counted },
    Client { word: "traceroute", form: "A B [icmp|udp|tcp/PORT]", about: "who answers on the way", read: traceroute, tell: told::hops },
    Client { word: "arping", form: "A ADDRESS [COUNT]", about: "who on A's link has an address", read: arping, tell: told::neighbors },
    Client { word: "check", form: "A B PROTO/PORT", about: "one port: a handshake, a datagram or an echo request", read: check, tell: told::counted },
    Client { word: "connect", form: "A B tcp/PORT", about: "a TCP handshake", read: connect, tell: told::counted },
    Client { word: "send", form: "A B udp/PORT [TEXT]", about: "a datagram that waits for an answer", read: send, tell: told::counted },
    Client { word: "broadcast", form: "A udp/PORT [TEXT]", about: "a datagram to everybody on A's link", read: broadcast, tell: told::broadcast },
    Client { word: "dns", form: "A NAME|ADDRESS [SERVER]", about: "look a name up, or the names of an address", read: dns, tell: told::records },
    Client { word: "dhcp", form: "A", about: "ask for a lease, or for more time where A has one", read: dhcp, tell: told::lease },
    Client { word: "http", form: "A B[:PORT][/PATH]", about: "get a page", read: |words| page(words, false), tell: told::page },
    Client { word: "https", form: "A B[:PORT][/PATH]", about: "get a page inside TLS records", read: |words| page(words, true), tell: told::page },
    Client { word: "smtp", form: "A B [TEXT]", about: "hand over a mail", read: smtp, tell: told::mail },
    Client { word: "ftp", form: "A B get FILE [active]", about: "get a file; servers have readme.txt and long.txt", read: ftp, tell: told::file },
    Client { word: "tftp", form: "A B get FILE", about: "get a file, block by block", read: tftp, tell: told::file },
    Client { word: "telnet", form: "A B [USER PASSWORD]", about: "log in and out, in the open", read: telnet, tell: told::session },
    Client { word: "snmp", form: "A B OBJECT…", about: "ask for objects, such as sysName or 1.3.6.1.2.1.1.3.0", read: snmp, tell: told::objects },
    Client { word: "bulk", form: "A B SIZE [tcp/PORT]", about: "so many bytes, such as 1m; without a port to a receiver that B begins", read: bulk, tell: told::bulk },
    Client { word: "flow", form: "A B udp/PORT [COUNT [EVERY]]", about: "datagrams at a constant rate; 10 every 10ms", read: flow, tell: told::flow },
    Client { word: "join", form: "A GROUP", about: "be in a multicast group from now on (IGMP)", read: join, tell: told::group },
];

/// The forms of all, a line each, for help.
pub fn grammar() -> String {
    let width = CLIENTS.iter().map(|client| client.word.len() + 1 + client.form.chars().count()).max().unwrap_or_default();
    let line = |client: &Client| format!("  {:width$}  {}\n", format!("{} {}", client.word, client.form), client.about);
    CLIENTS.iter().map(line).collect()
}

/// What a line that begins with a client's word starts; `None`: its first word is no client's.
pub fn read(stage: &mut Stage, step: &Step<'_>, name: &str) -> Option<Result<Program>> {
    let client = CLIENTS.iter().find(|client| step.words.first() == Some(&client.word))?;
    let mut words = Words { stage, step, name, client, at: 1 };
    Some((client.read)(&mut words).and_then(|ready| words.end().map(|()| ready.into_program(client))))
}

/// A page for somebody.
pub fn fetch(from: &From, goal: Goal, url: Url) -> Program {
    let word = if url.is_secure { "https" } else { "http" };
    let client = CLIENTS.iter().find(|client| client.word == word).unwrap_or(&CLIENTS[0]);
    getting(from, goal, url).into_program(client)
}

/// How one program ended.
pub struct Played {
    /// As it says itself.
    pub outcome: Outcome,
    /// In words.
    pub told: Told,
}

/// Lets a program begin, and plays until it is done.
pub fn play_one(stage: &mut Stage, program: Program, arguments: &ShowArgs, output: &Output) -> Result<Played> {
    let (node, client, least, stays) = (program.node, program.client, program.least, program.stays);
    let simulator = stage.world.simulator();
    let app = simulator.with(node, |host: &mut Host, context| program.start(host, context)).ok_or_else(|| failed("the sender is no host"))?;
    let stop = match stays {
        // Nobody waits for it: what it does first is seen.
        true => simulator.run_until(simulator.now() + arguments.until.unwrap_or(FIRST), BUDGET),
        false => play(simulator, node, app, arguments, least),
    };
    storm(simulator, stop, output);
    let host: &Host = simulator.get(node).ok_or_else(|| failed("the sender is gone"))?;
    let mut outcome = client.progress(host, app);
    if !stays && is_hopeless(host, app, stop, arguments) {
        outcome.end = End::Nothing;
    }
    let told = client.tell(host, &outcome);
    if outcome.end == End::Running && !stays {
        unfinished(stage, stop, arguments, output);
    }
    Ok(Played { outcome, told })
}

/// `sim use`: an action of scripts that is a program, alone.
pub fn run(arguments: &UseArgs, target: &Target, output: &Output) -> Result {
    let line = arguments.words.join(" ");
    let step = Step::typed(&line);
    let mut stage = Stage::new(target, &arguments.show, output)?;
    let program = read(&mut stage, &step, "sim use").ok_or_else(|| {
        let words: Vec<&str> = CLIENTS.iter().map(|client| client.word).collect();
        let word = step.words.first().copied().unwrap_or_default();
        misread(&step, "sim use", word, "no program is called so").hint(format!("there are: {}", words.join(", ")))
    })??;
    let to = program.to;
    let Played { outcome, told } = play_one(&mut stage, program, &arguments.show, output)?;
    let mut said = told.text(&line);
    if !told.is_yes && outcome.end != End::Running {
        said.extend(losses(&stage, to.or(outcome.addresses.first().copied()), outcome.ended).lines);
    }
    let result = told.json(&line, &outcome);
    show(&stage, &arguments.show, &said, result, output)?;
    Ok(code(told.is_yes, &stage))
}

/// A program for somebody, who is looked up first where it is a name.
fn to<A: App>(kind: &'static str, from: &From, goal: Goal, make: impl FnOnce(IpAddr) -> A + 'static) -> Ready {
    let address = if let Goal::Address(address) = goal { Some(address) } else { None };
    let start: Start = match goal {
        Goal::Address(address) => Box::new(move |host, context| host.run(context, make(address))),
        Goal::Name(name) => Box::new(move |host, context| host.run_named(context, kind, LookupSpec::new(&name), move |to| Box::new(make(to)))),
    };
    Ready { to: address, ..ready(from, start) }
}

fn ready(from: &From, start: Start) -> Ready {
    Ready { node: from.node, least: Span::ZERO, to: None, stays: false, start }
}

/// The sender's address, where it is of the family that is asked.
fn source(from: Option<IpAddr>, to: IpAddr) -> Option<IpAddr> {
    from.filter(|source| source.is_ipv4() == to.is_ipv4())
}

fn ping(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, own) = (words.goal(&from)?, from.source);
    let count = words.number("requests")?.unwrap_or(1).min(u64::from(u32::MAX)) as u32;
    let make = move |to| Ping::new(PingSpec { source: source(own, to), count, ..PingSpec::new(to) });
    Ok(Ready { least: Span::seconds(count.into()), ..to("ping", &from, goal, make) })
}

fn traceroute(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, own) = (words.goal(&from)?, from.source);
    let method = match words.next() {
        None | Some("icmp") => Method::Icmp,
        Some("udp") => Method::Udp,
        Some(word) => match words.port_of(word) {
            Some(ProbePacket::Tcp(port)) => Method::Tcp(port),
            _ => return Err(words.wrong(word, "traceroute sends icmp, udp, or tcp/PORT")),
        },
    };
    Ok(to("traceroute", &from, goal, move |to| {
        Traceroute::new(TracerouteSpec { source: source(own, to), method, ..TracerouteSpec::new(to) })
    }))
}

fn arping(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let word = words.must()?;
    let Goal::Address(address) = words.goal_of(&from, word, word)? else {
        return Err(words.wrong(word, "neighbours have addresses, not names"));
    };
    let count = words.number("requests")?.unwrap_or(1).min(u64::from(u32::MAX)) as u32;
    // Of several links the one that the address is on.
    let interfaces = words.host(&from).map(|host| (0..host.interfaces().len() as u16).map(|at| host.addresses(at)).collect::<Vec<_>>());
    let holds = |nets: &Vec<_>| nets.iter().any(|net: &ipnet::IpNet| net.contains(&address));
    let interface = interfaces.unwrap_or_default().iter().position(holds);
    let Some(interface) = interface else { return Err(words.wrong(word, "this is on no link of the sender")) };
    let start: Start = Box::new(move |host, context| host.run(context, Arping::new(interface as u16, address, count)));
    Ok(Ready { to: Some(address), least: Span::seconds(count.into()), ..ready(&from, start) })
}

fn check(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, own, word) = (words.goal(&from)?, from.source, words.must()?);
    match words.port_of(word) {
        Some(ProbePacket::Tcp(port)) => Ok(connection(&from, goal, port)),
        Some(ProbePacket::Udp(port)) => Ok(datagram(&from, goal, port, body(port).to_vec())),
        Some(ProbePacket::Icmp { icmp_type: 8, .. }) => Ok(to("ping", &from, goal, move |to| {
            Ping::new(PingSpec { source: source(own, to), count: 1, ..PingSpec::new(to) })
        })),
        _ => Err(words.wrong(word, "check takes tcp/PORT, udp/PORT or icmp/echo")),
    }
}

fn connect(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, port) = (words.goal(&from)?, words.tcp()?);
    Ok(connection(&from, goal, port))
}

fn connection(from: &From, goal: Goal, port: u16) -> Ready {
    let own = from.source;
    to("connect", from, goal, move |to| {
        Connect::new(ConnectSpec { source: source(own, to), timeout: PATIENCE, ..ConnectSpec::new(to, port) })
    })
}

fn send(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, port) = (words.goal(&from)?, words.udp()?);
    let text = words.rest().map_or_else(|| body(port).to_vec(), String::into_bytes);
    Ok(datagram(&from, goal, port, text))
}

fn datagram(from: &From, goal: Goal, port: u16, bytes: Vec<u8>) -> Ready {
    let own = from.source;
    to("datagram", from, goal, move |to| {
        Question::new(DatagramSpec { source: source(own, to), timeout: PATIENCE, ..DatagramSpec::new(to, port, &bytes) })
    })
}

fn broadcast(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let (from, port) = (words.sender()?, words.udp()?);
    let text = words.rest().unwrap_or_else(|| "vpclab".to_owned());
    let everybody = DatagramSpec::new(IpAddr::V4(Ipv4Addr::BROADCAST), port, text.as_bytes());
    let spec = DatagramSpec { source: from.source, interface: Some(0), timeout: Span::seconds(1), ..everybody };
    Ok(ready(&from, Box::new(move |host, context| host.run(context, Question::new(spec)))))
}

fn dns(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let (from, name) = (words.sender()?, words.must()?);
    lookup::meet(words.stage, &from);
    let mut spec = match name.parse() {
        Ok(address) => LookupSpec::reverse(address),
        Err(_) => LookupSpec::new(name),
    };
    if let Some(server) = words.next() {
        let Goal::Address(server) = words.goal_of(&from, server, server)? else {
            return Err(words.wrong(server, "a name server has an address"));
        };
        spec.servers = vec![server];
    }
    Ok(ready(&from, Box::new(move |host, context| host.run(context, Lookup::new(spec)))))
}

fn dhcp(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let name = from.name.clone();
    let start: Start = Box::new(move |host, context| match host.running("dhcp-client") {
        Some(client) => {
            host.dhcp_renew(context, client);
            client
        }
        None => host.dhcp(context, &[0], Some(&name)),
    });
    Ok(ready(&from, start))
}

fn page(words: &mut Words<'_, '_, '_>, is_secure: bool) -> Result<Ready> {
    let (from, word) = (words.sender()?, words.must()?);
    let url = Url::read(word, is_secure).map_err(|failure| placed(words.step, words.name, word, failure))?;
    let goal = words.goal_of(&from, word, &url.name)?;
    Ok(getting(&from, goal, url))
}

fn getting(from: &From, goal: Goal, url: Url) -> Ready {
    let own = from.source;
    match url.is_secure {
        true => to("https", from, goal, move |to| https::Get::new(url.spec(to, source(own, to)))),
        false => to("http", from, goal, move |to| http::Get::new(url.spec(to, source(own, to)))),
    }
}

fn smtp(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let word = words.must()?;
    let goal = words.goal_of(&from, word, word)?;
    let (sender, receiver) = (format!("student@{}", from.name), format!("teacher@{word}"));
    let message = format!("Subject: vpclab\n\n{}", words.rest().unwrap_or_else(|| "hello".to_owned()));
    let host_name = from.name.clone();
    Ok(to("smtp", &from, goal, move |to| {
        smtp::Client::new(SmtpSpec { host_name, ..SmtpSpec::new(to, &sender, &receiver, &message) })
    }))
}

fn ftp(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, file) = (words.goal(&from)?, words.get()?.to_owned());
    let is_passive = match words.next() {
        None | Some("passive") => true,
        Some("active") => false,
        Some(word) => return Err(words.wrong(word, "a transfer is passive or active")),
    };
    Ok(to("ftp", &from, goal, move |to| ftp::Client::new(FtpSpec { is_passive, ..FtpSpec::new(to, &file) })))
}

fn tftp(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, file) = (words.goal(&from)?, words.get()?.to_owned());
    Ok(to("tftp", &from, goal, move |to| tftp::Client::new(TftpSpec::new(to, &file))))
}

fn telnet(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let goal = words.goal(&from)?;
    let (user, password) = match words.next() {
        Some(user) => (user.to_owned(), words.must()?.to_owned()),
        None => ("student".to_owned(), "secret".to_owned()),
    };
    Ok(to("telnet", &from, goal, move |to| telnet::Client::new(TelnetSpec::new(to, &user, &password))))
}

fn snmp(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let goal = words.goal(&from)?;
    let mut objects = vec![object(words)?];
    while words.at < words.step.words.len() {
        objects.push(object(words)?);
    }
    Ok(to("snmp", &from, goal, move |to| snmp::Manager::new(SnmpSpec { objects, ..SnmpSpec::new(to, &[]) })))
}

/// A number or one of the names of RFC 3418 and 2863 that agents here know.
fn object(words: &mut Words<'_, '_, '_>) -> Result<snmp::Oid> {
    const NAMES: [(&str, &[u32]); 4] =
        [("sysDescr", snmp::DESCRIPTION), ("sysUpTime", snmp::UP_TIME), ("sysName", snmp::NAME), ("ifNumber", snmp::INTERFACES)];
    let word = words.must()?;
    if let Some((_, object)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word.strip_suffix(".0").unwrap_or(word))) {
        return Ok(snmp::Oid(object.to_vec()));
    }
    let known = NAMES.map(|(name, _)| name).join(", ");
    word.parse().map_err(|_| words.wrong(word, "this is no object").hint(format!("{known}, or a number such as 1.3.6.1.2.1.1.3.0")))
}

fn bulk(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, size) = (words.goal(&from)?, words.must()?);
    let bytes = lab::sentence::parse_size(size).map_err(|error| {
        let failure = words.wrong(size, &error.message);
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    if bytes > MOST {
        return Err(words.wrong(size, "this is more than a simulation ends with"));
    }
    let port = match words.at < words.step.words.len() {
        true => words.tcp()?,
        false => receiver(words.stage, &goal),
    };
    Ok(to("bulk", &from, goal, move |to| Sender::new(to, port, bytes)))
}

/// Lets the host that is meant take what is sent, unless something listens there.
fn receiver(stage: &mut Stage, goal: &Goal) -> u16 {
    if let Goal::Address(address) = goal
        && let Some(node) = holder(stage, *address)
    {
        stage.world.simulator().with(node, |host: &mut Host, context| {
            if host.running("bulk-receiver").is_none() {
                host.run(context, Receiver::new(BULK_PORT));
            }
        });
    }
    BULK_PORT
}

fn flow(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let from = words.sender()?;
    let (goal, port) = (words.goal(&from)?, words.udp()?);
    let count = words.number("datagrams")?.unwrap_or(10);
    let interval = match words.next() {
        None => Span::milliseconds(10),
        Some(word) => match lab::sentence::parse_time(word) {
            Ok(time @ 1..) => Span::nanoseconds(time),
            _ => return Err(words.wrong(word, "this is no time between two datagrams").hint("such as 10ms")),
        },
    };
    let make = move |to| Source::new(SourceSpec { count, interval, ..SourceSpec::new(to, port) });
    Ok(Ready { least: Span(interval.0.saturating_mul(count)), ..to("source", &from, goal, make) })
}

fn join(words: &mut Words<'_, '_, '_>) -> Result<Ready> {
    let (from, word) = (words.sender()?, words.must()?);
    let group: Option<Ipv4Addr> = word.parse().ok().filter(Ipv4Addr::is_multicast);
    let Some(group) = group else { return Err(words.wrong(word, "a group is 224.0.0.0 to 239.255.255.255").hint(words.form())) };
    Ok(Ready { stays: true, ..ready(&from, Box::new(move |host, context| host.run(context, Member::new(0, group)))) })
}
