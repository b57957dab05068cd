//! `ping`: real echo requests from one place of a lab to another, in ping's own words; where they are lost, which stage did it.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use model::ProbePacket;
use sandbox::SocketSpec;
use sandbox::spec::SocketAddress;
use serde_json::json;
use tool::Interrupt;
use tool::ping::{Echo, Said, through};

use super::ends::{Ends, Names, milliseconds, question};
use super::from_within::between;
use super::lan_ends::{Asked, running_or_simulated};
use super::simulated::quiet;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// FROM TO: instances, addresses, internet, outside places
    #[arg(required = true, num_args = 1.., value_name = "FROM TO")]
    pub words: Vec<String>,
    /// How many requests; 0: until interrupted
    #[arg(short, long, default_value_t = 3, value_name = "N")]
    pub count: u64,
    /// Seconds from one request to the next
    #[arg(short, long, default_value = "1", value_name = "SECONDS", value_parser = interval)]
    pub interval: Duration,
    /// Seconds to wait for answers after the last request
    #[arg(short = 'W', long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Duration,
    /// Bytes of data in each request
    #[arg(short, long, default_value_t = 56, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(0..=65_507))]
    pub size: u16,
    /// Over IPv6: interfaces at their IPv6 addresses, `internet` at one of its own
    #[arg(short = '6', long)]
    pub ipv6: bool,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.0..=3_600.0).contains(&seconds) {
        return Err("0 to 3600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn interval(text: &str) -> std::result::Result<Duration, String> {
    seconds(text).and_then(|interval| match interval < Duration::from_millis(2) {
        true => Err("at least 0.002 seconds".to_owned()),
        false => Ok(interval),
    })
}

/// Exit 0 when anybody answered, else 1.
pub fn run(arguments: &PingArgs, global: &Global, output: &Output) -> Result {
    let interrupt = Interrupt::new().map_err(|e| Failure::environment(format!("waiting for signals: {e}")))?;
    let probe = question(&arguments.words, "icmp/echo")?;
    let running = match running_or_simulated(&probe, global, output)? {
        Asked::Running(running) => running,
        Asked::Simulated(target) => {
            let count = u32::try_from(arguments.count).ok().filter(|count| (1..=10_000).contains(count));
            let count = count.ok_or_else(|| Failure::usage("the simulator sends 1 to 10000 requests").hint("such as --count 3"))?;
            let (words, size) = (arguments.words.clone(), arguments.size);
            let asked = super::sim::PingArgs { words, count, size, ttl: None, dont_fragment: false, show: quiet() };
            return super::sim::ask::ping(&asked, &target, output);
        }
    };
    let within = between(&probe, "ping", &running)?;
    let ends = match &within {
        Some(between) => between.ends.clone(),
        None => Ends::over(&probe, &running, arguments.ipv6)?,
    };
    if !matches!(ends.packet, ProbePacket::ECHO | ProbePacket::ECHO_V6) {
        return Err(Failure::usage("ping sends icmp/echo").hint(format!("vpclab check {}", arguments.words.join(" "))));
    }
    let place = match &within {
        Some(between) => between.place.clone(),
        None => super::from_within::sender_of(&ends, &running)?,
    };
    let spec = SocketSpec {
        device: place.device.clone(),
        bind: Some(SocketAddress::Inet((place.address, 0).into())),
        nonblocking: true,
        ..SocketSpec::raw(&place.namespace, ends.address.is_ipv6(), if ends.address.is_ipv6() { 58 } else { 1 })
    };
    let socket = running.holder()?.open_socket(spec).map_err(|e| Failure::environment(e.to_string()))?;
    let echo = Echo {
        host: &ends.to,
        target: ends.address,
        source: Some(place.address).filter(|address| !address.is_unspecified()),
        count: Some(arguments.count).filter(|count| *count > 0),
        interval: arguments.interval,
        timeout: arguments.timeout,
        size: arguments.size.into(),
    };
    let is_json = output.format == Format::Json;
    let (names, mut replies, mut errors) = (Names::of(&running.fabric), Vec::new(), Vec::new());
    let ended = through(socket, &echo, &interrupt, |said| {
        let text = match said {
            Said::Line(line) => {
                let typed = Some(ends.to.as_str()).filter(|to| line.from == ends.address && *to != ends.address.to_string());
                let name = typed.or_else(|| names.name(line.from));
                match line.reply {
                    Some(reply) => replies.push(json!({
                        "sequence": reply.sequence,
                        "from": line.from,
                        "ttl": reply.ttl,
                        "milliseconds": reply.time.map(milliseconds),
                    })),
                    None => errors.push(line.text(name)),
                }
                line.text(name)
            }
            Said::Frame(text) | Said::Outstanding(text) => text.to_owned(),
            Said::Refused(text) => {
                eprintln!("{text}");
                return Ok(());
            }
        };
        if is_json { Ok(()) } else { say(text.trim_end_matches('\n')) }
    });
    let tally = match ended {
        Ok(tally) => tally,
        // Nobody reads any more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(Failure::environment(format!("ping: {error}"))),
    };
    let loss = match &within {
        None if tally.received < tally.transmitted => Some(ends.loss(&running)?),
        // Which stage inside it was, `why` says.
        Some(between) if tally.received == 0 => {
            output.hint(between.hint(&arguments.words));
            None
        }
        _ => None,
    };
    if is_json {
        output.json(&json!({
            "from": ends.from,
            "to": ends.to,
            "source": place.address,
            "address": ends.address,
            "transmitted": tally.transmitted,
            "received": tally.received,
            "milliseconds": tally.times.map(|t| json!({"min": round(t.least), "avg": round(t.average), "max": round(t.most), "mdev": round(t.deviation)})),
            "replies": replies,
            "errors": errors,
            "lost": loss.as_ref().and_then(|l| l.as_ref()).map(|l| json!({"what": l.what, "at": l.at, "code": l.code})),
        }))?;
    } else if let Some(loss) = &loss {
        output.line(match loss {
            Some(loss) => loss.to_string(),
            None => "one more request was answered: nothing in the lab drops them".to_owned(),
        });
        loss.iter().filter_map(|loss| loss.hint.as_ref()).for_each(|hint| output.hint(hint));
    }
    Ok(if tally.received > 0 { ExitCode::SUCCESS } else { exit::NO.into() })
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1_000.0).round() / 1_000.0
}
