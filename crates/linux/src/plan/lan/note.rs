//! What of lans a kernel does not do, in sentences for whoever brings them up.

use std::collections::BTreeMap;

use model::lan::{Application, Device, End, Lan, Link, RoutingProtocol, Service};

use super::wiring::{Wiring, is_at_vpc};
use super::{Lans, Shaping};

/// A delay that is worth a word, nanoseconds: the kernel's own paths take about as long.
const FELT: u64 = 100_000;

/// One sentence for each thing that is the simulator's; empty where the kernel does all.
pub fn notes(lans: &Lans, shaping: Shaping) -> Vec<String> {
    let mut notes = Vec::new();
    let mut say = |names: Vec<String>, text: &dyn Fn(&str) -> String| {
        if !names.is_empty() {
            notes.push(text(&list(&names)));
        }
    };
    let wirings: Vec<Wiring> = lans.values().map(Wiring::of).collect();
    let all_links = || lans.values().flat_map(|lan| &lan.links);
    let links = |wanted: &dyn Fn(&Link) -> bool| all_links().filter(|link| wanted(link)).map(ends).collect::<Vec<_>>();
    let devices = |wanted: &dyn Fn(&Device) -> bool| names(lans, wanted);

    say(devices(&|device| device.shared_rate().is_some()), &|hubs| format!("collisions of {hubs} are the simulator's alone"));
    let closing = wirings.iter().flat_map(|wiring| wiring.closing.iter().map(|index| ends(&wiring.lan.links[*index])));
    say(closing.collect(), &|links| format!("{links} would close a loop and stays down here: broadcast storms are the simulator's"));
    let trees = devices(&|device| matches!(device, Device::Switch(own) | Device::Bridge(own) if own.spanning_tree));
    say(trees, &|names| format!("ports of {names} forward 30 seconds after they came up, when the spanning tree stands"));
    if !shaping.netem {
        let is_strange = |link: &Link| link.loss_per_million + link.duplicate_per_million + link.reorder_per_million > 0;
        let emulated = links(&|link| is_strange(link) || link.delay_nanoseconds >= FELT);
        say(emulated, &|links| format!("this kernel has no netem: delay, loss, duplicates and reordering of {links} are the simulator's"));
        if !shaping.tbf && all_links().next().is_some() {
            notes.push("this kernel has neither netem nor tbf: rates and queues of links are the simulator's".to_owned());
        }
    }
    let mut say = |names: Vec<String>, text: &dyn Fn(&str) -> String| {
        if !names.is_empty() {
            notes.push(text(&list(&names)));
        }
    };
    let serial = links(&|link| link.framing.is_serial() && !is_at_vpc(link));
    say(serial, &|links| format!("{links}: a serial line carries packets as Ethernet frames here, PPP and HDLC are the simulator's"));
    for (protocol, word) in [(RoutingProtocol::Rip, "RIP"), (RoutingProtocol::Ospf, "OSPF")] {
        let speakers = devices(&|device| matches!(device, Device::Router(router) if router.protocols.contains(&protocol)));
        say(speakers, &|names| format!("{names} have the routes that {word} ends with; to see it spoken, play it in the simulator"));
    }
    let asking = devices(&|device| device.interfaces().is_some_and(|own| own.values().any(|interface| interface.dhcp)));
    say(asking, &|names| format!("{names} have the address that DHCP would lend; to see it asked for, play it in the simulator"));
    let mut served: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, device) in lans.values().flat_map(|lan| &lan.devices) {
        for service in services(device) {
            if let Some(word) = only_simulated(service) {
                served.entry(word).or_default().push(name.clone());
            }
        }
    }
    for (word, names) in served {
        say(names, &|names| match word {
            "dns" => format!("names of {names} are resolved in the simulator alone"),
            word => format!("{word} of {names}: its port answers with the host's name, the protocol is the simulator's"),
        });
    }
    notes
}

/// What a device serves.
pub(crate) fn services(device: &Device) -> &[Service] {
    match device {
        Device::Host(host) => &host.serve,
        Device::Router(router) => &router.serve,
        _ => &[],
    }
}

/// The word of a service that no program of a lab that is up speaks.
fn only_simulated(service: &Service) -> Option<&'static str> {
    match service {
        Service::Dhcp(_) => None,
        Service::Dns(_) => Some("dns"),
        Service::Application { protocol: Application::Echo | Application::Http | Application::Telnet, .. } => None,
        Service::Application { protocol, .. } => Some(protocol.as_str()),
    }
}

fn names(lans: &Lans, wanted: &dyn Fn(&Device) -> bool) -> Vec<String> {
    let all = lans.values().flat_map(|lan: &Lan| &lan.devices);
    all.filter(|(_, device)| wanted(device)).map(|(name, _)| name.clone()).collect()
}

/// The two ends of a link, as a lab file writes them: ports have no names there.
fn ends(link: &Link) -> String {
    let end = |end: &End| match end {
        End::Device { device, interface } if interface.starts_with("port") => device.clone(),
        other => other.to_string(),
    };
    format!("{} -- {}", end(&link.a), end(&link.b))
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}
