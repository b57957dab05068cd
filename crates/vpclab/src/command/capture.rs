//! `capture`: packets as they pass an interface, a gateway, the internet, or every hop of the lab: as lines, or as pcapng for
//! Wireshark, to a file or into a pipe that shows them as they pass.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use fabric::{Entity, Fabric};
use linux::runtime::capture::{self, Captured, Direction, Hop, SNAPSHOT_LENGTH};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use tool::Interrupt;
use wire::filter::End;
use wire::pcapng::{self, LinkType};
use wire::{Filter, Packet};

use super::capture_file;
use super::running::Running;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// How often the lab is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// `capture`.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// Where (an instance, interface, subnet or group; internet; router, igw, nat, tgw or their names; not with --all-hops), then a
    /// filter as of tcpdump: host web-1 and tcp port 80
    #[arg(num_args = 0.., value_name = "WHERE] [FILTER")]
    pub words: Vec<String>,
    /// At every hop of the lab, each an interface of its own in the file
    #[arg(short, long)]
    pub all_hops: bool,
    /// Write pcapng to this file; -: to standard output, such as: | wireshark -k -i -
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Write over whatever is there; without this, over a capture alone
    #[arg(long, requires = "write")]
    pub force: bool,
    /// End after so many packets
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub count: Option<u64>,
    /// End after so many seconds
    #[arg(short, long, value_name = "SECONDS")]
    pub duration: Option<f64>,
}

/// Exit 0, however it was ended.
pub fn run(arguments: &CaptureArgs, global: &Global, output: &Output) -> Result {
    let interrupt = Interrupt::any().map_err(|e| Failure::environment(format!("waiting for signals: {e}")))?;
    let is_to_stdout = arguments.write.as_deref().is_none_or(|path| path == Path::new("-"));
    if arguments.write.is_some() && is_to_stdout && io::stdout().is_terminal() {
        let hint = "-w FILE, or a reader behind it: | wireshark -k -i -";
        return Err(Failure::usage("pcapng is not for a terminal").hint(hint));
    }
    let duration = match arguments.duration {
        Some(seconds) if !(0.0..=31_536_000.0).contains(&seconds) => return Err(Failure::usage(format!("--duration {seconds}: 0 seconds to a year"))),
        seconds => seconds.map(Duration::from_secs_f64),
    };
    let running = Running::open(global)?;
    let (hops, filter) = meant(arguments, &running)?;
    let holder = running.holder()?;
    let environment = |e: linux::Error| Failure::environment(e.to_string());
    let mut capture = capture::Capture::open(&holder, hops).map_err(environment)?;
    let mut sink = Sink::open(arguments, &running, capture.hops(), output)?;
    let _ = writeln!(io::stderr(), "capturing at {}; Ctrl-C ends", places(capture.hops()));
    let stdout = io::stdout();
    let reader = is_to_stdout.then(|| stdout.as_fd()).filter(|_| !io::stdout().is_terminal());
    let others: Vec<BorrowedFd<'_>> = std::iter::once(interrupt.as_fd()).chain(reader.filter(|fd| is_pipe(*fd))).collect();
    let (started, mut asked, mut written) = (Instant::now(), Instant::now(), 0);
    let mut why_over = None;
    loop {
        let left = duration.map_or(HEARTBEAT, |duration| duration.saturating_sub(started.elapsed()).min(HEARTBEAT));
        let is_raised = is_ready(interrupt.as_fd());
        let is_late = duration.is_some_and(|duration| started.elapsed() >= duration);
        let is_last = is_raised || is_late || capture.is_over();
        let packets = if is_last { capture.rest() } else { capture.next(&others, left) }.map_err(environment)?;
        match sink.take(&capture, &packets, &filter, arguments.count.map(|count| count - written)) {
            Ok(taken) => written += taken,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(Failure::environment(format!("writing the capture: {error}"))),
        }
        let is_read = others.get(1).is_none_or(|fd| !is_closed(*fd));
        if is_last || !is_read || arguments.count.is_some_and(|count| written >= count) {
            break;
        }
        if asked.elapsed() >= HEARTBEAT {
            asked = Instant::now();
            if holder.ping().is_err() {
                why_over = Some("the lab went down");
                break;
            }
        }
    }
    let counts = capture.counts().map_err(environment)?;
    match sink.end(&counts) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(Failure::environment(format!("writing the capture: {error}"))),
        _ => {}
    }
    let dropped: u64 = counts.iter().map(|counts| counts.dropped).sum();
    let why = why_over.map(|why| format!("{why}: ")).unwrap_or_default();
    // Nobody may read this either.
    let _ = writeln!(io::stderr(), "{why}{written} packets captured, {dropped} dropped by the kernel");
    Ok(ExitCode::SUCCESS)
}

/// Where to look, and for what.
fn meant(arguments: &CaptureArgs, running: &Running) -> Result<(Vec<Hop>, Filter)> {
    let fabric = &running.fabric;
    let (hops, own, words) = match (arguments.all_hops, arguments.words.as_slice()) {
        (true, words) => (all(running), Filter::All, words),
        (false, []) => return Err(Failure::usage("where?").hint("vpclab capture web-1, vpclab capture internet, or vpclab capture --all-hops")),
        (false, [place, words @ ..]) => {
            let hops = at(place, running);
            if hops.is_empty() {
                return Err(nowhere(place, running));
            }
            // Many places are on the internet: one of them was named.
            let own = match fabric.find(place) {
                Some(Entity::Outside(host)) => Filter::Host(End::Either, fabric.outside[host].addresses.clone()),
                _ => Filter::All,
            };
            (hops, own, words)
        }
    };
    let filter = Filter::parse(words, |name| addresses(running, name)).map_err(|e| {
        let hint = "host NAME, port N, net BLOCK, tcp, udp, icmp, arp, joined by and, or, not; src and dst before them";
        Failure::usage(format!("filter: {e}")).hint(hint)
    })?;
    Ok((hops, if own == Filter::All { filter } else { Filter::And(own.into(), filter.into()) }))
}

/// Every hop of a lab: of its cloud where it has one, then the devices of its lans.
fn all(running: &Running) -> Vec<Hop> {
    let mut hops = Hop::all(&running.fabric);
    if running.fabric.vpcs.iter().next().is_none() && !running.model.lans.is_empty() {
        hops.clear();
    }
    hops.extend(Hop::devices(&running.model.lans));
    hops
}

/// The hops of a name, or of every interface that a selector means (`sg:web`).
pub fn at(place: &str, running: &Running) -> Vec<Hop> {
    let mut named = Hop::named(&running.fabric, place);
    if named.is_empty() {
        named.extend(Hop::device(&running.model.lans, place));
    }
    if !named.is_empty() {
        return named;
    }
    let selected = lab::sentence::parse_selector(place).ok().and_then(|selector| selector.ends(&running.model).ok());
    let interface = |end| match end {
        model::selector::End::Interface { interface, .. } => Hop::named(&running.fabric, interface.as_str()),
        _ => Vec::new(),
    };
    let mut hops: Vec<Hop> = selected.unwrap_or_default().into_iter().flat_map(interface).collect();
    hops.sort_by(|a, b| a.name.cmp(&b.name));
    hops
}

/// A name that is no place where packets pass.
pub fn nowhere(name: &str, running: &Running) -> Failure {
    const SHOWN: usize = 12;
    let hops = all(running);
    let names: Vec<&str> = hops.iter().map(|hop| hop.name.as_str()).collect();
    let failure = Failure::usage(format!("no packets pass at `{name}` in this lab"));
    match names.len() > SHOWN {
        // Gateways stand at the end.
        true => failure.hint(format!("there are: {}, …, {}", names[..SHOWN].join(", "), names[names.len() - 3..].join(", "))),
        false => failure.hint(format!("there are: {}", names.join(", "))),
    }
}

fn places(hops: &[Hop]) -> String {
    match hops {
        [one] => format!("{} ({})", one.name, one.description),
        several if several.len() <= 6 => several.iter().map(|hop| hop.name.as_str()).collect::<Vec<_>>().join(", "),
        several => format!("{} hops", several.len()),
    }
}

/// Every address of what has this name, private and public.
fn addresses(running: &Running, name: &str) -> Option<Vec<IpAddr>> {
    let fabric = &running.fabric;
    if let Some(own) = running.model.lans.values().find_map(|lan| linux::plan::lan::addresses(lan).remove(name)) {
        return Some(own);
    }
    let of = |index: fabric::InterfaceIndex| {
        let interface = &fabric.interfaces[index];
        let public = interface.addresses.iter().filter_map(|address| address.public.map(IpAddr::V4));
        interface.all_addresses().chain(public).collect::<Vec<IpAddr>>()
    };
    match fabric.find(name)? {
        Entity::Instance(instance) => Some(fabric.instances[instance].interfaces.iter().flat_map(|index| of(*index)).collect()),
        Entity::Interface(index) => Some(of(index)),
        Entity::NatGateway(nat) => fabric.nat_gateways[nat].interface.map(of),
        Entity::Outside(host) => Some(fabric.outside[host].addresses.clone()),
        _ => None,
    }
}

/// Where packets go.
enum Sink {
    Pcapng { writer: pcapng::Writer<BufWriter<Box<dyn Write>>>, interfaces: Vec<pcapng::Interface>, last: Duration },
    Lines { width: usize },
    Json,
}

impl Sink {
    fn open(arguments: &CaptureArgs, running: &Running, hops: &[Hop], output: &Output) -> Result<Sink> {
        let Some(path) = &arguments.write else {
            let width = hops.iter().map(|hop| hop.name.chars().count()).max().unwrap_or(0);
            return Ok(if output.format == Format::Json { Sink::Json } else { Sink::Lines { width } });
        };
        let is_stdout = path == Path::new("-");
        let out: Box<dyn Write> = match is_stdout {
            true => Box::new(io::stdout()),
            false => Box::new(capture_file::create(path, arguments.force)?),
        };
        let start = || -> io::Result<Sink> {
            let mut writer = pcapng::Writer::new(BufWriter::new(out), concat!("vpclab ", env!("CARGO_PKG_VERSION")))?;
            let interface = |hop: &Hop| writer.interface(&hop.name, &hop.description, LinkType::ETHERNET, SNAPSHOT_LENGTH);
            let interfaces = hops.iter().map(interface).collect::<io::Result<Vec<_>>>()?;
            let mut names = names(&running.fabric);
            names.extend(capture::device_names(&running.model.lans));
            writer.names(&names)?;
            writer.flush()?;
            Ok(Sink::Pcapng { writer, interfaces, last: Duration::ZERO })
        };
        start().map_err(|e| Failure::environment(format!("writing {}: {e}", path.display())))
    }

    /// Writes the packets that the filter lets through, `left` at most; how many those were. A reader sees them at once.
    fn take(&mut self, capture: &capture::Capture, packets: &[Captured], filter: &Filter, left: Option<u64>) -> io::Result<u64> {
        let mut count = 0;
        for captured in packets {
            if left.is_some_and(|left| count >= left) {
                break;
            }
            let packet = Packet::from_frame(&captured.bytes);
            if filter.matches(&packet) {
                self.write(&capture.hops()[captured.hop], captured, &packet)?;
                count += 1;
            }
        }
        match self {
            Sink::Pcapng { writer, .. } if count > 0 => writer.flush()?,
            Sink::Lines { .. } | Sink::Json if count > 0 => io::stdout().flush()?,
            _ => {}
        }
        Ok(count)
    }

    fn write(&mut self, hop: &Hop, captured: &Captured, packet: &Packet) -> io::Result<()> {
        let is_in = captured.direction == Direction::Inbound;
        // At an interface there is only one other end.
        let link = hop.link(captured.device).filter(|_| hop.device.is_none());
        match self {
            Sink::Pcapng { writer, interfaces, last } => {
                *last = captured.time;
                let written = pcapng::Captured {
                    original_length: captured.original_length,
                    direction: if is_in { pcapng::Direction::Inbound } else { pcapng::Direction::Outbound },
                    ..pcapng::Captured::new(captured.time, &captured.bytes)
                };
                writer.packet(interfaces[captured.hop], &written)
            }
            Sink::Lines { width } => {
                let way = match (is_in, link) {
                    (true, Some(link)) => format!("in from {link}: "),
                    (false, Some(link)) => format!("out to {link}: "),
                    (true, None) => "in: ".to_owned(),
                    (false, None) => "out: ".to_owned(),
                };
                writeln!(io::stdout(), "{} {:width$} {way}{packet}", time_of_day(captured.time), hop.name, width = *width)
            }
            Sink::Json => {
                let flow = packet.flow();
                let line = json!({
                    "time": format!("{}.{:09}", captured.time.as_secs(), captured.time.subsec_nanos()),
                    "hop": hop.name,
                    "direction": if is_in { "in" } else { "out" },
                    "link": hop.link(captured.device),
                    "length": captured.original_length,
                    "source": flow.map(|flow| flow.source),
                    "destination": flow.map(|flow| flow.destination),
                    "ttl": packet.ip().map(|ip| ip.ttl),
                    "packet": packet.to_string(),
                });
                writeln!(io::stdout(), "{line}")
            }
        }
    }

    fn end(self, counts: &[capture::Counts]) -> io::Result<()> {
        if let Sink::Pcapng { mut writer, interfaces, last } = self {
            for (interface, counts) in interfaces.into_iter().zip(counts) {
                writer.statistics(interface, last, counts.received, counts.dropped)?;
            }
            writer.flush()?;
        }
        Ok(())
    }
}

/// Names of addresses as names of hosts are written, the two sides of a translation told apart.
fn names(fabric: &Fabric) -> BTreeMap<IpAddr, String> {
    let is_public = |address: &IpAddr| matches!(address, IpAddr::V4(address) if fabric.public_addresses.contains_key(address));
    let host = |(address, name): (IpAddr, String)| {
        let name = name.replace(' ', "-");
        (address, if is_public(&address) { format!("{name}.public") } else { name })
    };
    capture::names(fabric).into_iter().map(host).collect()
}

/// Hours, minutes, seconds of the day in UTC, with nanoseconds.
fn time_of_day(time: Duration) -> String {
    let seconds = time.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:09}", seconds / 3_600, seconds / 60 % 60, seconds % 60, time.subsec_nanos())
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    use rustix::fs::FileType;
    let kind = rustix::fs::fstat(fd).map(|status| FileType::from_raw_mode(status.st_mode));
    matches!(kind, Ok(FileType::Fifo))
}

fn is_ready(fd: BorrowedFd<'_>) -> bool {
    !now(fd, PollFlags::IN).is_empty()
}

/// Whether the reader of a pipe has gone.
fn is_closed(fd: BorrowedFd<'_>) -> bool {
    now(fd, PollFlags::empty()).intersects(PollFlags::ERR | PollFlags::HUP)
}

fn now(fd: BorrowedFd<'_>, events: PollFlags) -> PollFlags {
    let mut polled = [PollFd::from_borrowed_fd(fd, events)];
    match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(1..) => polled[0].revents(),
        _ => PollFlags::empty(),
    }
}
