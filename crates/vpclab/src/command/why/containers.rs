//! `why` where a container is at an end, or behind a published port: what the VPC says, with the stages inside the
//! instances before and behind it.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use fabric::dock::way::{self, Asked};
use fabric::dock::{Dock, Fate, Step, fate};
use fabric::walker::Verdict;
use fabric::{Fabric, Family};
use model::selector::End;
use model::{Probe, ProbePacket, Selector};
use proof::Options;
use proof::why::inside::Inside;
use proof::why::view::{Header, Place};
use proof::why::{Asker, Effort, Question, Why};

use super::verify::Verified;
use super::{Told, WhyArgs, code, ends_of, people, questions, refused};
use crate::command::probing::{Prober, Seen};
use crate::command::target::Target;
use crate::command::within::{self, Docks, Within, asked, translated};
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// What is behind the port that a question asks for; nothing where no container has a part in it.
pub(super) fn behind(docks: &Docks<'_>, fabric: &Fabric, question: &Question) -> Result<Inside> {
    let Asked::Port(protocol, port) = asked(question.packet) else { return Ok(Inside::default()) };
    let Some(instance) = docks.instance_of(fabric, &question.to) else { return Ok(Inside::default()) };
    let Some(dock) = docks.dock(&instance)?.filter(|dock| way::concerns(dock, protocol, port)) else { return Ok(Inside::default()) };
    let to = private_address(fabric, &question.to);
    Ok(Inside { after: way::enter(&dock, to, protocol, port), ..Inside::default() })
}

/// The address that a packet has when it comes to an interface: the private one, whatever it was sent to.
fn private_address(fabric: &Fabric, to: &End) -> Option<IpAddr> {
    let index = match to {
        End::Interface { interface, .. } => fabric.interface_by_id(interface)?,
        End::Address(address) => match fabric.find_address(*address)? {
            fabric::Entity::Interface(index) if fabric.interfaces[index].holds(*address) => return Some(*address),
            fabric::Entity::Interface(index) => index,
            _ => return None,
        },
        _ => return None,
    };
    Some(IpAddr::V4(fabric.interfaces[index].primary_address()))
}

/// What tells two answers of the same network apart.
pub(super) fn signature(inside: &Inside) -> Vec<(fabric::dock::Stage, Fate, Option<fabric::dock::Cause>)> {
    inside.before.iter().chain(&inside.after).map(|step| (step.stage, step.fate, step.cause)).collect()
}

/// Whether the inside of it is no reason against.
pub(super) fn lets_through(inside: &Inside) -> bool {
    matches!(inside.fate(), Fate::Passes | Fate::Unknown)
}

/// The answer where a container is at an end; `None` where none is.
pub(super) fn answer(arguments: &WhyArgs, target: &Target, probe: &Probe, docks: &Docks<'_>, output: &Output) -> Result<Option<ExitCode>> {
    let (source, destination) = (docks.end(&probe.source)?, docks.end(&probe.destination)?);
    if source.is_none() && destination.is_none() {
        return Ok(None);
    }
    if arguments.all_ports || arguments.ipv6 || output.format == Format::Aws {
        let failure = Failure::usage("a container is asked over IPv4, one port at a time, and AWS knows none");
        return Err(failure.hint("leave --all-ports, --ipv6 and -o aws out"));
    }
    let fabric = Fabric::compile(&target.model);
    let own = |selector: &Selector| -> Option<model::InstanceId> {
        let ends = selector.ends(&target.model).ok()?;
        docks.instance_of(&fabric, ends.first()?)
    };
    let asked = asked(probe.packet);
    let (why, sent_from) = match (&source, &destination) {
        (Some(from), Some(to)) if from.instance == to.instance => (between(docks, probe, from, to, asked)?, Some(from)),
        (Some(from), None) if own(&probe.destination).as_ref() == Some(&from.instance) => (back(docks, probe, from, asked)?, Some(from)),
        (None, Some(to)) if own(&probe.source).as_ref() == Some(&to.instance) => (from_instance(docks, probe, to, asked)?, None),
        _ => (through(target, docks, &fabric, probe, (source.as_ref(), destination.as_ref()), arguments)?, source.as_ref()),
    };
    let why = why.marked(target.gaps.all());
    let verified = match arguments.verify {
        true => Some(verify(target, docks, &fabric, probe, sent_from, &why)?),
        false => None,
    };
    let disagrees = verified.as_ref().is_some_and(|verified| !verified.agrees);
    let allowed = why.verdict == Verdict::Allowed;
    let told = [Told { why, pairs: 1, verified, others: Vec::new() }];
    match output.format {
        Format::Json => output.json(&told[0])?,
        _ => people(&told, arguments, output),
    }
    Ok(Some(if disagrees { exit::DISAGREEMENT.into() } else { code(allowed) }))
}

/// Whoever asks how an instance reaches itself: why that is no question, and what to type instead.
pub fn itself(docks: &Docks<'_>, model: &model::Model, fabric: &Fabric, probe: &Probe) -> Failure {
    let failure = Failure::usage(
        "the two ends are one and the same: what an instance sends to itself never leaves it, and no security group, network ACL or route has a say",
    );
    let end = probe.destination.ends(model).ok().and_then(|ends| ends.into_iter().next());
    let Some(instance) = end.and_then(|end| docks.instance_of(fabric, &end)) else { return failure };
    let name = model.instances.get(&instance).and_then(|one| model::tag::name(&one.tags)).unwrap_or(instance.as_str()).to_owned();
    let Asked::Port(protocol, port) = asked(probe.packet) else { return failure };
    let dock = docks.dock(&instance).ok().flatten().unwrap_or_default();
    let leads = dock.containers.iter().flat_map(|one| one.published.iter().map(move |lead| (one, lead)));
    match leads.into_iter().find(|(_, lead)| lead.protocol == protocol && lead.port == port) {
        Some((one, lead)) => {
            let (container, inner, word) = (&one.name, lead.container_port, fabric::dock::word(protocol));
            failure.hint(format!("its port {port} leads to container {container}: vpclab check {name} {name}/{container} {word}/{inner}"))
        }
        None => failure.hint(format!("vpclab sockets {name} shows who listens there")),
    }
}

fn dock_of(docks: &Docks<'_>, within: &Within) -> Result<Dock> {
    Ok(docks.dock(&within.instance)?.unwrap_or_default())
}

/// A container as a place; its address where it has one.
fn place(dock: &Dock, name: &str) -> Place {
    let container = dock.container(name);
    let address = container.and_then(|one| dock.networks_of(one).into_iter().find_map(|(_, address)| address));
    Place {
        name: format!("{}/{name}", dock.instance),
        kind: "container",
        interface_id: None,
        instance_id: None,
        state: None,
        address: address.map_or_else(|| name.to_owned(), |address| address.to_string()),
        public_address: None,
        subnet: None,
        vpc: None,
        vpc_id: None,
        security_groups: Vec::new(),
    }
}

fn instance_place(dock: &Dock) -> Place {
    let address = dock.address.map_or_else(String::new, |address| address.to_string());
    Place { name: dock.instance.clone(), kind: "interface", address, ..place(dock, "") }
}

fn header(from: &Place, to: &Place, packet: ProbePacket) -> Header {
    let protocol = match packet {
        ProbePacket::Tcp(_) => "tcp".to_owned(),
        ProbePacket::Udp(_) => "udp".to_owned(),
        other => other.to_string(),
    };
    let port = packet.port();
    Header {
        protocol,
        source: from.address.clone(),
        source_port: port.map(|_| "any".to_owned()),
        destination: to.address.clone(),
        destination_port: port.map(|port| port.to_string()),
    }
}

/// Two containers of one instance.
fn between(docks: &Docks<'_>, probe: &Probe, from: &Within, to: &Within, asked: Asked) -> Result<Why> {
    let dock = dock_of(docks, from)?;
    let (Some(one), Some(other)) = (dock.container(&from.container), dock.container(&to.container)) else {
        return Err(Failure::usage("one of the containers is gone"));
    };
    if from.container == to.container {
        let failure = Failure::usage("the two ends are one and the same: what a container sends to itself never leaves it");
        return Err(failure.hint(format!("vpclab check {} {} {} sends it", probe.source, probe.destination, probe.packet)));
    }
    let inside = Inside { after: way::between(&dock, one, other, asked), notes: way::names(&dock, one, other).into_iter().collect(), ..Inside::default() };
    let (from, to) = (place(&dock, &from.container), place(&dock, &to.container));
    let sent = header(&from, &to, probe.packet);
    Ok(Why::alone(from, to, probe.packet.to_string(), sent, &inside))
}

/// A container that asks its own instance.
fn back(docks: &Docks<'_>, probe: &Probe, from: &Within, asked: Asked) -> Result<Why> {
    let dock = dock_of(docks, from)?;
    let Some(one) = dock.container(&from.container) else { return Err(Failure::usage("the container is gone")) };
    let after: Vec<Step> = match asked {
        Asked::Port(protocol, port) => way::hairpin(&dock, one, dock.address, protocol, port),
        // The bridge is the instance's own.
        Asked::Echo | Asked::Other => way::leave(&dock, one, dock.address, asked).into_iter().filter(|step| step.from.is_none()).collect(),
    };
    let (from, to) = (place(&dock, &from.container), instance_place(&dock));
    let sent = header(&from, &to, probe.packet);
    Ok(Why::alone(from, to, probe.packet.to_string(), sent, &Inside { after, ..Inside::default() }))
}

/// An instance that asks a container of its own.
fn from_instance(docks: &Docks<'_>, probe: &Probe, to: &Within, asked: Asked) -> Result<Why> {
    let dock = dock_of(docks, to)?;
    let Some(one) = dock.container(&to.container) else { return Err(Failure::usage("the container is gone")) };
    let inside = Inside { after: way::from_instance(&dock, one, asked), ..Inside::default() };
    let (from, to) = (instance_place(&dock), place(&dock, &to.container));
    let sent = header(&from, &to, probe.packet);
    Ok(Why::alone(from, to, probe.packet.to_string(), sent, &inside))
}

/// Out of an instance, through the VPC, into another.
fn through(
    target: &Target,
    docks: &Docks<'_>,
    fabric: &Fabric,
    probe: &Probe,
    (source, destination): (Option<&Within>, Option<&Within>),
    arguments: &WhyArgs,
) -> Result<Why> {
    let by_instance = |within: Option<&Within>, selector: &Selector| within.map_or_else(|| selector.clone(), |within| Selector::Named(within.instance.as_str().to_owned()));
    let mut inside = Inside::default();
    let mut packet = probe.packet;
    if let Some(to) = destination {
        let dock = dock_of(docks, to)?;
        let Some(container) = dock.container(&to.container) else { return Err(Failure::usage("the container is gone")) };
        packet = translated(container, probe.packet);
        let is_host = *dock.place(container) == fabric::dock::Place::Host;
        let is_published = match asked(probe.packet) {
            Asked::Port(protocol, port) => is_host || way::lead_to(container, protocol, port).is_some(),
            _ => is_host,
        };
        inside.after = match (is_published, asked(packet)) {
            (true, Asked::Port(protocol, port)) => way::enter(&dock, dock.address, protocol, port),
            (true, _) => Vec::new(),
            (false, asked) => vec![way::unpublished(&dock, container, asked)],
        };
        if packet != probe.packet {
            inside.notes.push(format!("{} of {} is {packet} of {}", probe.packet, to.container, dock.instance));
        }
        // The place keeps the address that is asked: the instance's.
        let address = dock.address.map_or_else(String::new, |address| address.to_string());
        inside.to = Some((to.text.clone(), address));
    }
    let asked_probe = Probe { source: by_instance(source, &probe.source), destination: by_instance(destination, &probe.destination), packet };
    let ends = (ends_of(&asked_probe.source, &target.model)?, ends_of(&asked_probe.destination, &target.model)?);
    let both = [ends.0.as_slice(), ends.1.as_slice()];
    let joined = super::stranger::with_strangers(&target.model, fabric, &both);
    let model = joined.as_ref().unwrap_or(&target.model);
    let compiled = Fabric::compile(model);
    let asker = Asker::new(model, &compiled, Options { ephemeral: arguments.ephemeral });
    let all = questions(&asked_probe, &ends, &compiled, Family::V4)?;
    let [question, rest @ ..] = &all[..] else { return Err(Failure::usage("nobody is asked")) };
    if !rest.is_empty() && !matches!(asked_probe.destination, Selector::Internet) && !matches!(asked_probe.source, Selector::Internet) {
        return Err(Failure::usage(format!("the ends mean {} pairs", all.len())).hint("with a container, name one pair"));
    }
    if let Some(from) = source {
        let dock = dock_of(docks, from)?;
        let Some(container) = dock.container(&from.container) else { return Err(Failure::usage("the container is gone")) };
        let to = match &question.to {
            End::Address(address) => Some(*address),
            other => private_address(&compiled, other),
        };
        inside.before = way::leave(&dock, container, to, asked(probe.packet));
        inside.from = Some((from.text.clone(), place(&dock, &from.container).address));
        if destination.is_none() {
            inside.after = behind(docks, &compiled, question)?.after;
        }
    }
    let why = asker.why(question, Effort { fixes: !arguments.brief }).map_err(|e| refused(&compiled, question, &e))?;
    Ok(why.inside(&inside))
}

/// Sends the packet too, from inside of the container where one sends.
fn verify(target: &Target, docks: &Docks<'_>, fabric: &Fabric, probe: &Probe, from: Option<&Within>, why: &Why) -> Result<Verified> {
    let Some(running) = &target.running else {
        return Err(Failure::usage("containers send and answer in a lab that is up").hint("vpclab up, or leave --verify out"));
    };
    let seen = check(target, running, docks, fabric, probe, from)?;
    Ok(compare(why, &seen, format!("in lab {}, which is up", running.name)))
}

/// Lays what was seen beside what is predicted.
pub(super) fn compare(why: &Why, seen: &Seen, on: String) -> Verified {
    let predicted = why.result.unwrap_or(match why.verdict {
        Verdict::Allowed => "open",
        _ => "filtered",
    });
    let agrees = match (predicted, seen) {
        ("open" | "unanswered", Seen::Open(_)) | ("refused", Seen::Refused) => true,
        ("filtered", Seen::Dropped { .. } | Seen::NoPublicAddress) => true,
        ("unknown", Seen::Open(_) | Seen::Refused) => true,
        _ => false,
    };
    let first = why.blockers().next().map(|blocker| blocker.at.clone());
    Verified { agrees, on, predicted: why.verdict, predicted_result: Some(predicted), predicted_at: first, observed: seen.result(), observed_at: None, hint: None }
}

/// Sends one packet between the ends of a question of which a container is one.
pub(in crate::command) fn check(
    target: &Target,
    running: &crate::command::running::Running,
    docks: &Docks<'_>,
    fabric: &Fabric,
    probe: &Probe,
    from: Option<&Within>,
) -> Result<Seen> {
    let ends = |selector: &Selector| selector.ends(&target.model).ok().and_then(|ends| docks.instance_of(fabric, ends.first()?));
    let to = docks.end(&probe.destination)?;
    // Who is in the instance itself sends from a socket there.
    let own_instance = match (from, &to) {
        (Some(from), _) => Some(from.instance.clone()),
        (None, Some(to)) => ends(&probe.source).filter(|instance| *instance == to.instance),
        (None, None) => None,
    };
    if let Some(instance) = own_instance {
        if let Some(from) = from
            && dock_of(docks, from)?.container(&from.container).is_some_and(|one| one.place == fabric::dock::Place::None)
        {
            // There is no device to send by.
            return Ok(Seen::Dropped { is_reply: false, at: None });
        }
        let key = match from {
            Some(from) => docks.place(from)?.0,
            None => linux::naming::instance_namespace(&instance),
        };
        let (address, container) = within::address(docks, fabric, &instance, from, &probe.destination)?;
        let packet = container.as_ref().map_or(probe.packet, |container| translated(container, probe.packet));
        return within::send(&running.holder()?, &key, SocketAddr::new(address, packet.port().unwrap_or(0)), packet);
    }
    // From somebody of the VPC or outside, to a container: to the port that leads there.
    let Some(to) = to else { return Err(Failure::usage("no container is at an end")) };
    let dock = dock_of(docks, &to)?;
    let packet = dock.container(&to.container).map_or(probe.packet, |container| translated(container, probe.packet));
    let mut prober = Prober::start(target, conformance::EngineName::Linux)?;
    let sources = prober.ends(&probe.source)?;
    let destinations = prober.ends(&Selector::Named(to.instance.as_str().to_owned()))?;
    let pairs = prober.pairs(&probe.source, &sources, &destinations)?;
    let pair = pairs.first().ok_or_else(|| Failure::usage("nobody sends"))?;
    let is_led = matches!(asked(probe.packet), Asked::Port(protocol, port) if dock.container(&to.container).is_some_and(|one| way::lead_to(one, protocol, port).is_some()));
    if !is_led && dock.container(&to.container).is_some_and(|one| *dock.place(one) != fabric::dock::Place::Host) {
        // Nobody outside of the instance has its address: there is nothing to send to.
        return Ok(Seen::Dropped { is_reply: false, at: None });
    }
    let seen = prober.probe_all(&[(pair, packet)])?;
    seen.into_iter().next().ok_or_else(|| Failure::environment("no answer"))
}

/// Where the inside of a receiver stops a packet first, as hops name it.
pub(super) fn stops_at(inside: &Inside) -> Option<String> {
    let stops = inside.before.iter().chain(&inside.after).find(|step| step.blocks());
    stops.map(|step| format!("{}:{}", step.stage.as_str(), step.at))
}

/// Whether a real packet of an ordinary question fared as the inside of its receiver says.
pub(super) fn agrees(inside: &Inside, observed: &'static str) -> bool {
    match fate(&inside.after) {
        Fate::Passes | Fate::Silent => observed == "open",
        Fate::Refused => observed == "refused",
        Fate::Dropped => observed == "filtered",
        Fate::Unknown => true,
    }
}
