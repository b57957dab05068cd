//! `why`: why a packet arrives and is answered, or not. On a lab file alone, or on the lab that is up.

mod aws;
pub(super) mod containers;
mod stranger;
mod verify;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use conformance::EngineName;
use fabric::engine::{EngineError, Sender};
use fabric::walker::Verdict;
use fabric::{EndError, Fabric, Family};
use ipnet::IpNet;
use model::guest::OutsideHost;
use model::selector::End;
use model::{Model, PortRange, Probe, ProbePacket, Selector};
use proof::Options;
use proof::who::natural;
use proof::why::text::{Style, headline, render, word};
use proof::why::{Asker, Effort, Question, Why};
use serde::Serialize;
use serde_json::json;

use super::ends::is_ipv6;
use super::gaps::Gaps;
use super::lan_ends;
use super::probing::Prober;
use super::target::Target;
use super::within::Docks;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Pairs that one question may mean.
const MOST_PAIRS: usize = 10_000;
/// Columns where nobody says how many there are.
const WIDTH: usize = 120;

/// `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// FROM TO PROTO/PORT, such as: web-1 db-1 tcp/3306, or web-1 db-1:3306. An end is an instance, interface, address,
    /// block, `internet`, a place outside, sg:NAME or subnet:NAME
    #[arg(required = true, num_args = 1.., value_name = "PROBE")]
    pub words: Vec<String>,
    /// Who sends, when the words name the receiver alone: --from internet web-1 tcp/443
    #[arg(long, value_name = "FROM")]
    pub from: Option<String>,
    /// The verdict alone, on one line
    #[arg(long)]
    pub brief: bool,
    /// Every protocol and port between the two, each with its verdict
    #[arg(long)]
    pub all_ports: bool,
    /// Over IPv6: interfaces at their IPv6 addresses, `internet` at one of its own
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Ports that clients send from; an answer must come through to each of them
    #[arg(long, value_name = "FROM-TO", default_value = "1024-65535", value_parser = range)]
    pub ephemeral: PortRange,
    /// Send the packet too, and lay what is seen beside what is predicted; exit 5 when they disagree
    #[arg(long, conflicts_with = "all_ports")]
    pub verify: bool,
}

/// One answer, and how many pairs it stands for.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    why: Why,
    /// Pairs of the question for which the answer is the same, this one included.
    pairs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<verify::Verified>,
    /// Other answers to other pairs of the question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Told>,
}

/// Exit 0 when every pair is allowed, 1 when one is not, 5 when a packet that was sent fared otherwise.
pub fn run(arguments: &WhyArgs, target: &Target, output: &Output) -> Result {
    answer(arguments, target, &|| Prober::start(target, EngineName::Linux), output)
}

/// The same; `sender` makes what the packets of `--verify` go through.
fn answer(arguments: &WhyArgs, target: &Target, sender: &dyn Fn() -> Result<Prober>, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Aws])?;
    let probe = probe(arguments)?;
    let options = Options { ephemeral: arguments.ephemeral };
    // A cloud without containers has nothing to look at inside.
    let docks = Docks::of(&target.model, target.running.as_deref())?;
    if let Some(code) = containers::answer(arguments, target, &probe, &docks, output)? {
        return Ok(code);
    }
    if let Some(failure) = lan_ends::out_of_sight(&target.model, &probe, &arguments.words) {
        return Err(failure);
    }
    let ends = (ends(&probe.source, target)?, ends(&probe.destination, target)?);
    if let ([one], [other]) = (&ends.0[..], &ends.1[..])
        && one == other
    {
        return Err(containers::itself(&docks, &target.model, &Fabric::compile(&target.model), &probe));
    }
    // Of a large cloud only what these ends can touch is compiled; a packet that is sent may end anywhere.
    let part = (proof::why::is_large(&target.model) && !arguments.all_ports && !arguments.verify).then(|| {
        let both = [ends.0.as_slice(), ends.1.as_slice()].concat();
        proof::why::part(&target.model, &both)
    });
    let mut model = part.as_ref().unwrap_or(&target.model);
    let mut fabric = Fabric::compile(model);
    // Real packets find nobody there.
    let both = [ends.0.as_slice(), ends.1.as_slice()];
    let joined = (!arguments.verify).then(|| stranger::with_strangers(model, &fabric, &both)).flatten();
    if let Some(joined) = &joined {
        (model, fabric) = (joined, Fabric::compile(joined));
    }
    let asker = match &part {
        Some(_) => Asker::of_part(model, &fabric, options),
        None => Asker::new(model, &fabric, options),
    };
    let family = if arguments.ipv6 { Family::V6 } else { Family::V4 };
    let questions = questions(&probe, &ends, &fabric, family)?;
    if arguments.all_ports {
        return all_ports(&asker, &questions, &target.gaps, output);
    }
    // Pairs that fare alike are told once, the worst first.
    let mut groups: BTreeMap<_, Vec<&Question>> = BTreeMap::new();
    let mut insides = BTreeMap::new();
    for question in &questions {
        let answer = asker.answer(question).map_err(|e| refused(&fabric, question, &e))?;
        let (verdict, decided) = answer.signature();
        let inside = containers::behind(&docks, &fabric, question)?;
        let rank = if containers::lets_through(&inside) { rank(verdict) } else { rank(Verdict::Denied) };
        let key = (rank, decided, containers::signature(&inside));
        insides.entry(key.clone()).or_insert(inside);
        groups.entry(key).or_default().push(question);
    }
    if output.format == Format::Aws {
        let all: Vec<&Question> = groups.values().map(|alike| alike[0]).collect();
        let analyses = all.iter().map(|question| aws::analysis(&asker, question, &target.gaps)).collect::<Result<Vec<_>>>()?;
        output.json(&json!({"NetworkInsightsAnalyses": analyses}))?;
        return Ok(code(groups.keys().all(|(rank, ..)| *rank == rank_of_allowed())));
    }
    let effort = Effort { fixes: !arguments.brief };
    let mut told = Vec::new();
    for (key, alike) in &groups {
        let why = asker.why(alike[0], effort).map_err(|e| Failure::usage(e.to_string()))?;
        let why = insides.get(key).map_or_else(|| why.clone(), |inside| why.clone().inside(inside));
        told.push(Told { why: why.marked(target.gaps.all()), pairs: alike.len(), verified: None, others: Vec::new() });
    }
    if arguments.verify {
        if let Some(end) = super::lan_ends::lan_end(&target.model, &probe.source) {
            let hint = format!("vpclab check {} {} {}", probe.source, probe.destination, probe.packet);
            return Err(Failure::usage(format!("{end}: --verify sends from instances and places outside")).hint(hint));
        }
        let all: Vec<&Question> = groups.values().map(|alike| alike[0]).collect();
        let mut verified = verify::verify(target, &fabric, &probe, &all, sender()?)?;
        // What listens in a cloud made for this is what its file says; containers run in a lab that is up.
        if target.running.is_some() {
            for (verified, inside) in verified.iter_mut().zip(insides.values()) {
                if !inside.is_empty() && verified.predicted == Verdict::Allowed {
                    verified.agrees = containers::agrees(inside, verified.observed);
                    verified.predicted_result = Some(proof::why::inside::result(inside.fate()));
                    verified.predicted_at = containers::stops_at(inside);
                }
            }
        }
        told.iter_mut().zip(verified).for_each(|(told, verified)| told.verified = Some(verified));
    }
    let disagrees = told.iter().any(|told| told.verified.as_ref().is_some_and(|verified| !verified.agrees));
    let allowed = told.iter().all(|told| told.why.verdict == Verdict::Allowed);
    match output.format {
        Format::Json => {
            let mut told = told.into_iter();
            if let Some(mut first) = told.next() {
                first.others = told.collect();
                output.json(&first)?;
            }
        }
        _ => people(&told, arguments, output),
    }
    Ok(if disagrees { exit::DISAGREEMENT.into() } else { code(allowed) })
}

fn code(allowed: bool) -> ExitCode {
    if allowed { ExitCode::SUCCESS } else { exit::NO.into() }
}

/// The worst first.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Denied => 0,
        Verdict::OneWay => 1,
        Verdict::Allowed => 2,
    }
}

fn rank_of_allowed() -> u8 {
    rank(Verdict::Allowed)
}

fn people(told: &[Told], arguments: &WhyArgs, output: &Output) {
    let style = style(output);
    for (position, one) in told.iter().enumerate() {
        if position > 0 && !arguments.brief {
            output.line("");
        }
        if arguments.brief {
            // One line is one line, however long.
            let line = headline(&one.why, Style { width: usize::MAX, ..style });
            let pairs = if one.pairs > 1 { format!("  (and {} more)", one.pairs - 1) } else { String::new() };
            output.line(format!("{line}{pairs}"));
        } else {
            output.line(render(&one.why, style).trim_end());
        }
        if !arguments.brief && (told.len() > 1 || one.pairs > 1) {
            let pairs = if one.pairs == 1 { "this pair alone".to_owned() } else { format!("{} pairs that were asked for", one.pairs) };
            output.line(format!("  stands for    {pairs}"));
        }
        match &one.verified {
            Some(verified) => verify::print(verified, output),
            None if arguments.brief => {}
            None => output.line("  agreed by     analyzer (--verify sends the packet too)"),
        }
    }
}

fn style(output: &Output) -> Style {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = told.or_else(terminal).unwrap_or(WIDTH).clamp(60, 200);
    Style { width, colour: output.colour() }
}

#[cfg(target_os = "linux")]
fn terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(target_os = "linux"))]
fn terminal() -> Option<usize> {
    None
}

/// What cannot be asked, with names instead of identifiers.
fn refused(fabric: &Fabric, question: &Question, why: &EngineError) -> Failure {
    let mut message = why.to_string();
    if let Sender::Interface(id) = &question.from
        && let Some(index) = fabric.interface_by_id(id)
    {
        message = message.replace(id.as_str(), &fabric.interfaces[index].name);
    }
    Failure::usage(message)
}

/// The probe that the words mean; `--from` stands before them, and `--all-ports` needs no port.
fn probe(arguments: &WhyArgs) -> Result<Probe> {
    let words = arguments.from.iter().chain(&arguments.words);
    let mut words: Vec<&str> = words.flat_map(|word| word.split_whitespace()).collect();
    let is_plain = |word: &&str| word.matches(':').count() != 1 || word.starts_with("sg:") || word.starts_with("subnet:");
    let has_arrow = words.iter().any(|word| matches!(*word, "-" | "->" | "→" | "=>"));
    if arguments.all_ports && words.len() == 2 && words.last().is_some_and(is_plain) && !has_arrow {
        words.push("tcp/1");
    }
    lab::sentence::parse_probe(&words).map_err(|e| {
        let failure = Failure::usage(e.message);
        match (e.hint, arguments.from.is_some()) {
            _ if words.len() == 2 && !has_arrow => failure.hint("A B PROTO/PORT, such as `web-1 db-1 tcp/3306`; --all-ports asks for every port"),
            (_, true) if words.len() > 3 => failure.hint("--from FROM says who sends: then come TO PROTO/PORT alone"),
            (Some(hint), _) => failure.hint(hint),
            (None, _) => failure,
        }
    })
}

fn range(text: &str) -> std::result::Result<PortRange, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
        (Ok(from), Ok(to)) if 0 < from && from <= to => Ok(PortRange { from, to }),
        _ => Err("a range of ports from 1 to 65535, such as 32768-60999".to_owned()),
    }
}

/// The ends that a selector means. Errors: none.
fn ends(selector: &Selector, target: &Target) -> Result<Vec<End>> {
    ends_of(selector, &target.model)
}

/// The same of a model.
pub(super) fn ends_of(selector: &Selector, model: &Model) -> Result<Vec<End>> {
    let nothing = |e: model::selector::NothingSelected| {
        if e.several.is_some() {
            return super::ends::nothing(&e);
        }
        let known: Vec<&str> = e.known.iter().map(String::as_str).collect();
        let hint = match selector {
            Selector::Named(name) => super::source::did_you_mean(name, "ends", &known),
            _ => format!("there are: {}", e.known.join(", ")),
        };
        Failure::usage(e.to_string()).hint(hint)
    };
    let ends = selector.ends(model).map_err(nothing)?;
    match ends.is_empty() {
        true => Err(Failure::usage(format!("`{selector}` selects nothing"))),
        false => Ok(ends),
    }
}

/// Every pair that the ends mean. Errors: none, or too many.
fn questions(probe: &Probe, (sources, destinations): &(Vec<End>, Vec<End>), fabric: &Fabric, family: Family) -> Result<Vec<Question>> {
    let bad = |e: EndError| Failure::usage(e.to_string());
    let mut questions: Vec<Question> = Vec::new();
    let mut outside = false;
    for source in sources {
        if let End::Address(address) = source
            && !OutsideHost::may_have(*address)
        {
            return Err(Failure::usage(format!("{address} is no host's address: nobody sends from there")));
        }
        let is_over_ipv6 = is_ipv6(source) || destinations.iter().all(is_ipv6);
        let family = if is_over_ipv6 { Family::V6 } else { family };
        let mut senders = match (family, source) {
            (Family::V6, End::Internet) => ipv6_hosts(fabric)?.into_iter().map(Sender::Outside).collect(),
            (Family::V6, End::Outside(_)) => fabric.ipv6_senders(source).map_err(bad)?,
            _ => fabric.senders(source).map_err(bad)?,
        };
        if senders.is_empty() {
            return Err(Failure::usage(format!("{} has no IPv6 address", probe.source)));
        }
        if matches!(source, End::Block(_)) {
            // Gateways have addresses there too, and send nothing of their own.
            senders.retain(|sender| is_somebody(fabric, sender));
        }
        for from in senders {
            for destination in destinations {
                let lacks_ipv6 = family == Family::V6 && destinations.len() > 1 && no_ipv6(fabric, destination).is_some();
                if lacks_ipv6 {
                    continue;
                }
                for to in receivers(fabric, &from, destination, family)? {
                    if is_same(fabric, &from, &to) {
                        continue;
                    }
                    if is_outside(fabric, &from, &to) {
                        outside = true;
                        continue;
                    }
                    if is_ipv4(source) && is_ipv6(&to) {
                        return Err(Failure::usage(format!("{source} and {to} are of two families", source = shown(source), to = shown(&to))));
                    }
                    let packet = packet(probe.packet, is_ipv6(&to))?;
                    questions.push(Question { from: from.clone(), to, packet });
                    if questions.len() > MOST_PAIRS {
                        let message = format!("the two ends mean more than {MOST_PAIRS} pairs");
                        return Err(Failure::usage(message).hint("name fewer; `matrix` asks all pairs at once"));
                    }
                }
            }
        }
    }
    questions.sort_by_cached_key(|question| order(fabric, question));
    match questions.is_empty() {
        true if family == Family::V6 && destinations.iter().all(|end| no_ipv6(fabric, end).is_some()) => {
            Err(without_ipv6(&format!("nobody of `{}`", probe.destination)).hint("without --ipv6 they are asked at their IPv4 addresses"))
        }
        true if outside => Err(Failure::usage("both ends are outside: how they reach each other is not the lab's affair").hint("name an instance")),
        true => Err(Failure::usage("the two ends are one and the same")),
        false => Ok(questions),
    }
}

/// The name of an interface that has no IPv6 address.
fn no_ipv6(fabric: &Fabric, end: &End) -> Option<String> {
    let End::Interface { interface, .. } = end else { return None };
    match fabric.interface_by_id(interface) {
        Some(index) => fabric.interfaces[index].ipv6.is_empty().then(|| fabric.interfaces[index].name.clone()),
        None => Some(interface.to_string()),
    }
}

fn without_ipv6(name: &str) -> Failure {
    Failure::usage(format!("{name} has no IPv6 address")).hint("without --ipv6 it is asked at its IPv4 address")
}

/// What is sent over a family. Errors: it has no such message.
fn packet(said: ProbePacket, is_ipv6: bool) -> Result<ProbePacket> {
    match (said, is_ipv6) {
        (ProbePacket::Icmpv6 { .. }, false) => Err(Failure::usage(format!("{said} is sent over IPv6 alone")).hint("add -6, or ask for icmp/echo")),
        (_, false) => Ok(said),
        (_, true) => said
            .over_ipv6()
            .ok_or_else(|| Failure::usage(format!("{said} is a message of IPv4")).hint("over IPv6 ask for icmpv6/TYPE, such as icmpv6/echo")),
    }
}

/// A host outside, or an interface of an instance.
fn is_somebody(fabric: &Fabric, sender: &Sender) -> bool {
    match sender {
        Sender::Interface(id) | Sender::Container(id) => {
            fabric.interface_by_id(id).is_some_and(|index| fabric.interfaces[index].instance().is_some())
        }
        Sender::Outside(_) => true,
    }
}

/// Both ends by name, `web-2` before `web-10`.
fn order(fabric: &Fabric, question: &Question) -> impl Ord + use<> {
    let named = |id: &model::NetworkInterfaceId| {
        let index = fabric.interface_by_id(id);
        index.map_or_else(|| id.to_string(), |index| fabric.interfaces[index].name.clone())
    };
    let from = match &question.from {
        Sender::Interface(id) | Sender::Container(id) => (0, named(id)),
        Sender::Outside(address) => (1, address.to_string()),
    };
    let to = match &question.to {
        End::Interface { interface, .. } => (0, named(interface)),
        End::Address(address) => (1, address.to_string()),
        other => (2, format!("{other:?}")),
    };
    // Of the hosts that stand for the internet, the one that no rule speaks of comes first.
    let general = fabric.representative().map(|address| address.to_string());
    let is_other = |(kind, name): &(u8, String)| *kind == 1 && Some(name) != general.as_ref();
    let key = |end: (u8, String)| (end.0, is_other(&end), natural(&end.1));
    (key(from), key(to))
}

/// An interface as such, anybody else at each address.
fn receivers(fabric: &Fabric, from: &Sender, end: &End, family: Family) -> Result<Vec<End>> {
    match end {
        End::Internet if family == Family::V6 => Ok(ipv6_hosts(fabric)?.into_iter().map(End::Address).collect()),
        End::Interface { interface, .. } if family == Family::V6 => {
            if let Some(name) = no_ipv6(fabric, end) {
                return Err(without_ipv6(&name));
            }
            let index = fabric.interface_by_id(interface);
            let own = index.and_then(|index| fabric.interfaces[index].ipv6.first());
            Ok(own.map(|own| End::Address(IpAddr::V6(*own))).into_iter().collect())
        }
        End::Interface { .. } | End::Address(_) => Ok(vec![end.clone()]),
        End::Internet => {
            let all = fabric.representatives();
            Ok(all.into_iter().map(|address| End::Address(IpAddr::V4(address))).collect())
        }
        _ => {
            let all = fabric.destinations(from, end).map_err(|e| Failure::usage(e.to_string()))?;
            Ok(all.into_iter().map(End::Address).collect())
        }
    }
}

fn is_ipv4(end: &End) -> bool {
    matches!(end, End::Address(IpAddr::V4(_)) | End::Block(IpNet::V4(_)))
}

fn shown(end: &End) -> String {
    match end {
        End::Address(address) => address.to_string(),
        End::Block(block) => block.to_string(),
        other => format!("{other:?}"),
    }
}

/// The hosts that stand for the internet of IPv6.
fn ipv6_hosts(fabric: &Fabric) -> Result<Vec<IpAddr>> {
    match fabric.ipv6_representatives() {
        [] => Err(Failure::usage("nobody in this cloud has an IPv6 address").hint("without --ipv6 the internet of IPv4 is asked")),
        hosts => Ok(hosts.iter().map(|address| IpAddr::V6(*address)).collect()),
    }
}

fn is_same(fabric: &Fabric, from: &Sender, to: &End) -> bool {
    match (from, to) {
        (Sender::Interface(own), End::Interface { interface, .. }) => own == interface,
        (Sender::Interface(own), End::Address(address)) => {
            let index = fabric.interface_by_id(own);
            index.is_some_and(|index| fabric.interfaces[index].holds(*address))
        }
        (Sender::Outside(own), End::Address(address)) => own == address,
        _ => false,
    }
}

fn is_outside(fabric: &Fabric, from: &Sender, to: &End) -> bool {
    let is_own = |to: IpAddr| {
        let held = matches!(fabric.find_address(to), Some(fabric::Entity::Interface(_)));
        held || fabric.vpcs.values().any(|vpc| vpc.contains(to))
    };
    matches!((from, to), (Sender::Outside(_), End::Address(address)) if !is_own(*address))
}

/// Every kind of packet between each pair, with its verdict and what blocks.
fn all_ports(asker: &Asker<'_>, questions: &[Question], gaps: &Gaps, output: &Output) -> Result {
    if output.format == Format::Aws {
        return Err(Failure::usage("AWS's analyses speak of one packet each").hint("leave --all-ports out, or use -o json"));
    }
    let mut any = false;
    let mut rows = Vec::new();
    for question in questions {
        let found = asker.all_packets(question).map_err(|e| Failure::usage(e.to_string()))?;
        let brief = asker.why(question, Effort { fixes: false }).map_err(|e| Failure::usage(e.to_string()))?;
        let (from, to) = (brief.from.name.clone(), brief.to.name.clone());
        let mut lines = Vec::new();
        let mut parts = Vec::new();
        for (traffic, answer) in &found {
            let world = answer.world(asker.cloud().model, asker.cloud().fabric);
            let blockers: Vec<(String, Option<&str>)> = answer
                .explanation
                .blockers()
                .map(|reason| (reason.at.label(world.fabric), reason.code.map(|code| code.as_str())))
                .collect();
            any |= answer.explanation.verdict == Verdict::Allowed;
            let text: Vec<String> = blockers.iter().map(|(at, code)| format!("{at} {}", code.unwrap_or_default()).trim_end().to_owned()).collect();
            lines.push(vec![word(answer.explanation.verdict).to_owned(), traffic.to_string(), text.join(", ")]);
            let blockers: Vec<_> = blockers.iter().map(|(at, code)| json!({"at": at, "code": code})).collect();
            parts.push(json!({"verdict": answer.explanation.verdict, "traffic": traffic, "blockers": blockers}));
        }
        rows.push((json!({"from": from, "to": to, "ports": parts}), format!("{from} -> {to}"), lines));
    }
    if output.format == Format::Json {
        let pairs: Vec<_> = rows.into_iter().map(|(json, ..)| json).collect();
        let incomplete = !gaps.is_empty();
        output.json(&json!({"schema": "vpclab-why-ports/1", "pairs": pairs, "incomplete": incomplete, "gaps": gaps.all()}))?;
    } else {
        for (_, title, lines) in rows {
            output.line(title);
            let width = lines.iter().map(|line| line[1].chars().count()).max().unwrap_or(0).min(48);
            for line in lines {
                output.line(format!("  {:7}  {:width$}  {}", line[0], line[1], line[2]).trim_end());
            }
        }
        gaps.print(output);
    }
    Ok(code(any))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use fabric::{Stage, Walker};

    use super::*;
    use crate::cli::{Cli, Command};

    /// The exit code of a question about the shop whose packets go through this engine.
    fn exit_of(words: &str, engine: fn() -> Walker) -> ExitCode {
        let target = Target::of_example("shop");
        let cli = Cli::try_parse_from(format!("vpclab why {words}").split_whitespace()).unwrap();
        let output = Output::new(&cli.global);
        let Command::Why(arguments) = cli.command else { panic!("{words}") };
        answer(&arguments, &target, &|| Prober::on(Box::new(engine()), &target), &output).unwrap()
    }

    #[test]
    fn a_packet_that_fares_otherwise_than_predicted_exits_5_whatever_the_verdict() {
        let upright = Walker::new;
        let inverted = || Walker::new().with_inverted(Stage::SecurityGroup);
        for form in ["", "--brief", "-o json"] {
            let allowed = format!("web-1 db-1 tcp/3306 --verify {form}");
            let denied = format!("bastion db-1 tcp/3306 --verify {form}");
            assert_eq!(exit_of(&allowed, upright), ExitCode::SUCCESS, "{form}");
            assert_eq!(exit_of(&denied, upright), exit::NO.into(), "{form}");
            assert_eq!(exit_of(&allowed, inverted), exit::DISAGREEMENT.into(), "{form}");
            assert_eq!(exit_of(&denied, inverted), exit::DISAGREEMENT.into(), "{form}");
        }
        // Without --verify nothing is sent, so nothing disagrees.
        assert_eq!(exit_of("web-1 db-1 tcp/3306", inverted), ExitCode::SUCCESS);
    }

    #[test]
    fn an_address_of_ipv6_is_asked_from_addresses_of_ipv6() {
        let target = Target::of_example("dual-stack");
        let fabric = Fabric::compile(&target.model);
        let web = fabric.interfaces.values().find(|interface| interface.name == "web-1").unwrap().ipv6[0].to_string();
        for from in ["internet", "office", "app-1"] {
            let probe = lab::sentence::parse_probe(&[from, &web, "tcp/443"]).unwrap();
            let (sources, destinations) = (ends(&probe.source, &target).unwrap(), ends(&probe.destination, &target).unwrap());
            let found = questions(&probe, &(sources.clone(), destinations.clone()), &fabric, Family::V4).unwrap();
            assert!(!found.is_empty() && found.iter().all(|question| fabric.speaks(&question.from, Family::V6)), "{from}: {found:?}");
            let prober = Prober::on(Box::new(Walker::new()), &target).unwrap();
            let pairs = prober.pairs(&probe.source, &sources, &destinations).unwrap();
            assert!(!pairs.is_empty() && pairs.iter().all(|pair| fabric.speaks(&pair.sender, Family::V6)), "{from}: {pairs:?}");
        }
        // A place without one cannot send there, and says so.
        let probe = lab::sentence::parse_probe(&["203.0.113.7", &web, "tcp/443"]).unwrap();
        let both = (ends(&probe.source, &target).unwrap(), ends(&probe.destination, &target).unwrap());
        assert!(questions(&probe, &both, &fabric, Family::V4).unwrap_err().message.contains("two families"));
    }

    #[test]
    fn a_disagreement_says_what_was_predicted_and_what_was_observed() {
        let target = Target::of_example("shop");
        let fabric = Fabric::compile(&target.model);
        let probe = lab::sentence::parse_probe(&["web-1", "db-1", "tcp/3306"]).unwrap();
        let ends = (ends(&probe.source, &target).unwrap(), ends(&probe.destination, &target).unwrap());
        let questions = questions(&probe, &ends, &fabric, Family::V4).unwrap();
        let inverted = Walker::new().with_inverted(Stage::SecurityGroup);
        let prober = Prober::on(Box::new(inverted), &target).unwrap();
        let all: Vec<&Question> = questions.iter().collect();
        let verified = verify::verify(&target, &fabric, &probe, &all, prober).unwrap();
        let [one] = verified.as_slice() else { panic!("{verified:?}") };
        assert_eq!((one.agrees, one.predicted, one.observed), (false, Verdict::Allowed, "filtered"));
        assert_eq!((one.predicted_at.as_deref(), one.observed_at.as_deref()), (None, Some("sg-out:web-1")));
    }
}
