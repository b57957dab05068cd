//! Who waits at a port of a container: the last stage of every connection.

use std::net::IpAddr;

use model::container::PortProtocol;

use crate::dock::{Cause, Container, Fate, Life, Listening, Stage, Step, word};

/// Decides for a packet that came to the container at `own`, an address of its.
pub fn decide(container: &Container, own: Option<IpAddr>, protocol: PortProtocol, port: u16, instance: &str) -> Step {
    let name = &container.name;
    let (transport, asked) = (word(protocol), format!("{}/{port}", word(protocol)));
    let stops = |fate, cause, text: String| Step::stops(Stage::Listener, name, fate, cause, text);
    let logs = format!("vpclab logs -c {name} {instance}");
    let restart = format!("vpclab containers start {instance}/{name}");
    match &container.life {
        Life::Exited(_, true) => return stops(Fate::Dropped, Cause::OutOfMemory, format!("the kernel ended {name} for want of memory")).next("give it a higher --memory"),
        Life::Exited(code, false) => return stops(Fate::Dropped, Cause::Exited, format!("{name} has exited with {code}: nobody has its address")).next(logs),
        Life::Restarting(code) => return stops(Fate::Dropped, Cause::Restarting, format!("{name} is restarting after it exited with {code}")).next(logs),
        Life::Created(_) => return stops(Fate::Dropped, Cause::NotStarted, format!("{name} was never started")).next(restart),
        Life::Paused => {
            let text = format!("{name} is paused: the kernel takes the connection, and nobody answers in it");
            return stops(Fate::Silent, Cause::Paused, text).next(format!("vpclab containers unpause {instance}/{name}"));
        }
        Life::Described | Life::Running(_) => {}
    }
    let Some(all) = &container.listening else {
        let exposed = match &container.exposed {
            Some(exposed) if exposed.contains(&(protocol, port)) => format!("its image exposes {asked}"),
            Some(exposed) if !exposed.is_empty() => {
                let list: Vec<String> = exposed.iter().map(|(protocol, port)| format!("{}/{port}", word(*protocol))).collect();
                format!("its image exposes {}, not {asked}", list.join(", "))
            }
            Some(_) => "its image exposes nothing".to_owned(),
            None => "a file does not say so".to_owned(),
        };
        let text = format!("whether {name} listens on {asked} is not known: {exposed}");
        return Step { fate: Fate::Unknown, ..Step::passes(Stage::Listener, name, text) };
    };
    let here: Vec<&Listening> = all.iter().filter(|one| one.port == port && one.protocol == protocol).collect();
    let fits = |one: &&&Listening| one.address.is_unspecified() || own.is_none_or(|own| own == one.address);
    let health = match &container.life {
        Life::Running(Some("unhealthy")) => ", and its health check says unhealthy",
        Life::Running(Some("starting")) => ", and its health check has not passed yet",
        _ => "",
    };
    if let Some(one) = here.iter().find(fits) {
        let who = one.program.as_deref().unwrap_or(name);
        let step = Step::passes(Stage::Listener, name, format!("{who} listens on {}{health}", one.place()));
        return if health.is_empty() { step } else { step.next(format!("vpclab containers inspect {name} shows what its health check said")) };
    }
    if let Some(one) = here.first() {
        let who = one.program.as_deref().unwrap_or(name);
        let text = format!("{who} listens on {} only", one.place());
        return match one.address.is_loopback() {
            true => stops(Fate::Refused, Cause::ListensOnLoopback, format!("{text}, inside the container")).next("make it bind 0.0.0.0"),
            false => stops(Fate::Refused, Cause::ListensElsewhere, text).next("make it bind 0.0.0.0"),
        };
    }
    if let Some(one) = all.iter().find(|one| one.port == port) {
        let text = format!("{name} listens on {port} for {}, not for {transport}", word(one.protocol));
        return stops(Fate::Refused, Cause::OtherProtocol, text);
    }
    let mut others: Vec<String> = all.iter().map(|one| format!("{}/{}", word(one.protocol), one.place())).collect();
    others.sort();
    others.dedup();
    let (text, next) = match others.is_empty() {
        true => (format!("nobody listens on {asked} in {name}, nor on any other port{health}"), logs),
        false => {
            let most = 6;
            let more = if others.len() > most { ", …" } else { "" };
            let list = others.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
            (format!("nobody listens on {asked} in {name}; it listens on {list}{more}{health}"), format!("publish a port that it listens on, or make it listen on {port}"))
        }
    };
    stops(Fate::Refused, Cause::NobodyListens, text).next(next)
}
