//! `check`: one probe from every sender to every receiver that its ends mean.

use std::process::ExitCode;
use std::sync::Arc;

use conformance::EngineName;
use fabric::engine::{Leg, ListenerState, Outcome, PacketProbe, Probe, Traffic};
use fabric::Fabric;
use model::{Model, ProbePacket};
use serde_json::json;

use crate::cli::CheckArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Source port of every probe, of the ephemeral range.
const SOURCE_PORT: u16 = 49_152;

/// Exit 0 when every pair is open or answered by a reset of the host, else 1.
pub fn run(arguments: &CheckArgs, model: &Model, output: &Output) -> Result {
    let probe = lab::sentence::parse_probe(&arguments.words).map_err(|e| {
        let failure = Failure::usage(e.message);
        match e.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let named = EngineName::parse(&arguments.engine).ok_or_else(|| Failure::usage("no such engine"))?;
    let fabric = Arc::new(Fabric::compile(model));
    let ends = |selector: &model::Selector| {
        selector.ends(model).map_err(|e| Failure::usage(e.to_string()).hint(format!("there are: {}", e.known.join(", "))))
    };
    let bad = |e: fabric::EndError| Failure::usage(e.to_string());
    let (sources, destinations) = (ends(&probe.source)?, ends(&probe.destination)?);
    let mut engine = named.start().map_err(|e| Failure::environment(e.to_string()))?;
    engine.apply(&Arc::new(model.clone()), &fabric).map_err(|e| Failure::environment(e.to_string()))?;
    let traffic = traffic_of(probe.packet)?;
    let (mut answers, mut all_pass) = (Vec::new(), true);
    for source in &sources {
        for sender in fabric.senders(source).map_err(bad)? {
            for end in destinations.iter().filter(|end| *end != source) {
                for to in fabric.destinations(&sender, end).map_err(bad)? {
                    let packet = PacketProbe { listener: ListenerState::Open, ..PacketProbe::new(sender.clone(), to, traffic) };
                    let answer = engine.probe(&Probe::Packet(packet).into()).map_err(|e| Failure::environment(e.to_string()))?;
                    let (result, at) = match &answer.outcome {
                        Outcome::Allowed(_) => ("open", None),
                        Outcome::Refused { .. } => ("refused", None),
                        Outcome::Dropped(drop) => {
                            let leg = if drop.leg == Leg::Return { "reply dropped" } else { "filtered" };
                            (leg, drop.at.map(|at| at.label(&fabric)))
                        }
                        Outcome::Observed(seen) => return Err(Failure::environment(format!("the engine answered {seen:?}"))),
                    };
                    all_pass &= matches!(result, "open" | "refused");
                    answers.push((format!("{} -> {to}", probe.source), result, at));
                }
            }
        }
    }
    if answers.is_empty() {
        return Err(Failure::usage("the ends mean no pair"));
    }
    if output.format == Format::Json {
        output.json(&answers.iter().map(|(pair, result, at)| json!({"pair": pair, "result": result, "at": at})).collect::<Vec<_>>())?;
    } else {
        for (pair, result, at) in &answers {
            output.line(at.as_ref().map_or_else(|| format!("{pair}: {result}"), |at| format!("{pair}: {result} at {at}")));
        }
    }
    Ok(if all_pass { ExitCode::SUCCESS } else { exit::NO.into() })
}

fn traffic_of(packet: ProbePacket) -> Result<Traffic> {
    Ok(match packet {
        ProbePacket::Tcp(destination_port) => Traffic::Tcp { source_port: SOURCE_PORT, destination_port },
        ProbePacket::Udp(destination_port) => Traffic::Udp { source_port: SOURCE_PORT, destination_port },
        ProbePacket::Icmp { icmp_type, code } => Traffic::Icmp { icmp_type, code },
        ProbePacket::Other(number) => Traffic::Other(number),
        ProbePacket::Icmpv6 { .. } => return Err(Failure::usage("ICMPv6 is not built yet")),
    })
}
