//! Many probes at once say what single ones say, of every kind of drop.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::Fabric;
use fabric::engine::{
    Answer, Capture, CaptureFilter, Engine as _, EngineError, GuestCommand, ListenerState, Outcome, PacketProbe, Probe, Request,
    Sender, Traffic,
};
use linux::{Engine, Lab, Options};
use sandbox::{HolderSpec, SelfCommand};

use crate::support::World;

/// An engine, and the folder that its holder's socket lies in: gone with the test, and the lab with it.
struct Bench {
    engine: Engine,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn up(world: &World) -> Bench {
        Bench::with(world, Options::default())
    }

    fn with(world: &World, options: Options) -> Bench {
        let folder = tempfile::tempdir().expect("folder");
        let spec = HolderSpec {
            socket: folder.path().join("holder.sock"),
            lab_name: "test".to_owned(),
            log: folder.path().join("holder.log"),
            command: SelfCommand::current().expect("/proc"),
        };
        let client = sandbox::launch(&spec).and_then(|handle| handle.client()).expect("holder");
        let mut bench = Bench { engine: Engine::new(Lab::empty(client, options)), _folder: folder };
        bench.apply(world);
        bench
    }

    fn apply(&mut self, world: &World) {
        let model = Arc::new(world.model.clone());
        self.engine.apply(&model, &Arc::new(Fabric::compile(&model))).expect("apply");
    }

    /// What may be compared: a NAT gateway takes any port that is free.
    fn text(&self, request: &Request, answer: &Result<Answer, EngineError>) -> String {
        let mut answer = answer.clone();
        let Probe::Packet(probe) = &request.probe else { return format!("{answer:?}") };
        if let Ok(Answer { outcome: Outcome::Allowed(arrival), .. }) = &mut answer {
            let sent = match probe.traffic {
                Traffic::Tcp { source_port, .. } | Traffic::Udp { source_port, .. } => Some(source_port),
                _ => None,
            };
            let is_hidden = ["198.51.100.20", "198.51.100.60"].contains(&arrival.source.to_string().as_str());
            arrival.source_port = arrival.source_port.filter(|port| Some(*port) == sent && !is_hidden);
        }
        format!("{answer:?}")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let socket = self.engine.lab().client().socket().to_owned();
        let _ = sandbox::Client::connect(&socket).and_then(|client| client.shutdown());
    }
}

/// Three tiers, two peered VPCs, an appliance, a NAT instance, lists that lose requests and replies, routes to nowhere.
fn world() -> World {
    let mut world = World::p2();
    world.route("app", "10.2.0.0/16", "pcx-ab");
    world.route("b", "0.0.0.0/0", "pcx-ab");
    world.allow_in("db", "udp 53 10.0.0.0/16");
    world.allow_in("db", "tcp 80 10.0.0.0/16");
    world.allow_in("app", "icmp 10.0.0.0/16");
    world.allow_in("web", "udp 53 0.0.0.0/0");
    world.clear_out("bastion");
    world.allow_out("bastion", "tcp 22 10.0.0.0/16");
    // Requests to the databases from one tier die, replies to the other.
    world.acl("db", "db-a");
    world.entry("db", "in 90 deny tcp 22 10.0.90.0/24");
    world.entry("db", "in 100 allow all 10.0.0.0/16");
    world.entry("db", "out 100 allow udp 1024-65535 10.0.0.0/16");
    world.entry("db", "out 110 allow tcp 1024-65535 10.0.0.0/24");
    // A route whose peering is not there.
    world.route("db", "10.9.0.0/16", "pcx-gone");
    for (name, cidr) in [("fw", "10.0.40.0/24"), ("srv", "10.0.50.0/24"), ("ni", "10.0.60.0/24")] {
        world.table(name, "a");
        world.subnet(name, "a", cidr, name);
    }
    world.group("open", "a", &["all 10.0.0.0/16"]);
    world.instance("fw", "fw", "10.0.40.10", "open");
    world.check("fw", false);
    world.forward("fw");
    world.instance("srv", "srv", "10.0.50.10", "open");
    world.route("app", "10.0.50.0/24", "eni-fw");
    world.route("srv", "10.0.10.0/24", "eni-fw");
    world.instance("natinst", "pub-a", "10.0.0.60", "open");
    world.eip("198.51.100.60", "natinst", "10.0.0.60");
    world.masquerade("natinst");
    world.check("natinst", false);
    world.instance("behind", "ni", "10.0.60.10", "open");
    world.route("ni", "0.0.0.0/0", "eni-natinst");
    world
}

fn probe(from: &Sender, to: &str, traffic: Traffic, listener: ListenerState) -> Request {
    Probe::Packet(PacketProbe { listener, ..PacketProbe::new(from.clone(), to.parse().expect("address"), traffic) }).into()
}

fn sender(name: &str) -> Sender {
    match name.parse::<IpAddr>() {
        Ok(address) => Sender::Outside(address),
        Err(_) => Sender::Interface(format!("eni-{name}").parse().expect("id")),
    }
}

fn tcp(destination_port: u16) -> Traffic {
    Traffic::Tcp { source_port: 49_152, destination_port }
}

/// A connection to the application from a port of its own.
fn tcp_from(source_port: u16) -> Traffic {
    Traffic::Tcp { source_port, destination_port: 8080 }
}

fn udp(destination_port: u16) -> Traffic {
    Traffic::Udp { source_port: 49_152, destination_port }
}

const ECHO: Traffic = Traffic::Icmp { icmp_type: 8, code: 0 };

/// Every pair of the world with ports that are open, closed and filtered.
fn requests() -> Vec<Request> {
    let senders = ["web1", "bastion", "app1", "app2", "db1", "bhost", "fw", "behind", "natinst", "203.0.113.50", "192.0.2.77"];
    let addresses = [
        "10.0.0.10", "10.0.10.10", "10.0.20.10", "10.1.0.10", "10.2.0.10", "10.0.50.10", "10.0.0.60", "198.51.100.10",
        "198.51.100.20", "198.51.100.90", "10.0.0.200", "10.0.77.1", "10.9.0.1", "203.0.113.50", "192.0.2.99",
    ];
    let packets = [
        (tcp(22), ListenerState::Open),
        (tcp(80), ListenerState::Open),
        (tcp(8080), ListenerState::Closed),
        (udp(53), ListenerState::Open),
        (udp(5000), ListenerState::Closed),
        (ECHO, ListenerState::Open),
    ];
    let mut requests = Vec::new();
    for from in senders {
        for to in addresses {
            requests.extend(packets.map(|(traffic, listener)| probe(&sender(from), to, traffic, listener)));
        }
    }
    requests
}

#[test]
fn many_at_once_say_what_each_says_alone() {
    let mut bench = Bench::up(&world());
    let requests = requests();
    let one_by_one: Vec<_> = requests.iter().map(|request| bench.engine.probe(request)).collect();
    bench.engine.reset().expect("reset");
    let together = bench.engine.probe_all(&requests);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut differ = Vec::new();
    for ((request, alone), together) in requests.iter().zip(&one_by_one).zip(&together) {
        let (alone, together) = (bench.text(request, alone), bench.text(request, together));
        *kinds.entry(kind(&alone)).or_default() += 1;
        if alone != together {
            differ.push(format!("{:?}\n  alone    {alone}\n  together {together}", request.probe));
        }
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), requests.len(), differ.join("\n"));
    // The lab is worth asking: all these ends are met.
    println!("{kinds:#?}");
    for wanted in [
        "Allowed", "Refused", "SecurityGroups", "NetworkAcl", "RouteTable", "InternetGateway", "NatGateway", "Peering", "Fabric",
        "Internet", "via", "Return",
    ] {
        assert!(kinds.keys().any(|kind| kind.contains(wanted)), "{wanted}: {kinds:#?}");
    }
    // Once more, with what the first time may have left behind, in another order.
    let mut backwards: Vec<Request> = requests.iter().rev().cloned().collect();
    let mut again = bench.engine.probe_all(&backwards);
    (backwards, again) = (backwards.into_iter().rev().collect(), again.into_iter().rev().collect());
    for (at, (request, answer)) in backwards.iter().zip(&again).enumerate() {
        assert_eq!(bench.text(request, answer), bench.text(request, &together[at]), "again: {request:?}");
    }
}

/// The words of an answer that say what it is.
fn kind(text: &str) -> String {
    let words = ["Allowed", "Refused", "Return", "Forward", "SecurityGroups", "NetworkAcl", "RouteTable", "InternetGateway",
        "NatGateway", "Peering", "Fabric", "Internet", "at: None"];
    let is_word = |word: &&str| ["(", ",", ")", " "].iter().any(|end| text.contains(&format!("{word}{end}")));
    let mut kind: Vec<&str> = words.into_iter().filter(is_word).collect();
    if text.contains("via: Some([eni") || text.contains("via: Some([NetworkInterfaceId") {
        kind.push("via");
    }
    kind.join(" ")
}

#[test]
fn what_cannot_be_told_apart_goes_alone_and_in_order() {
    let mut bench = Bench::up(&World::t3());
    let web = sender("web1");
    let kept = PacketProbe { keep: Some("k".to_owned()), ..PacketProbe::new(web.clone(), "10.0.10.10".parse().unwrap(), tcp(8080)) };
    let captured = Request {
        probe: probe(&web, "203.0.113.50", ECHO, ListenerState::Open).probe,
        capture: Some(Capture { at: "eni-web1".parse().unwrap(), filter: CaptureFilter::Icmp }),
    };
    let requests: Vec<Request> = vec![
        probe(&web, "10.0.10.10", tcp(8080), ListenerState::Open),
        probe(&web, "10.0.10.10", tcp(8080), ListenerState::Open),
        captured,
        Probe::Packet(kept).into(),
        Probe::Kept { connection: "k".to_owned(), side: fabric::engine::Side::Client }.into(),
        probe(&web, "10.0.10.10", tcp(22), ListenerState::Open),
        Probe::Guest { from: web.clone(), command: GuestCommand::IpAddr }.into(),
        probe(&sender("nobody"), "10.0.10.10", tcp(22), ListenerState::Open),
        Probe::Kept { connection: "other".to_owned(), side: fabric::engine::Side::Client }.into(),
    ];
    let answers = bench.engine.probe_all(&requests);
    let allowed = |at: usize| matches!(&answers[at], Ok(Answer { outcome: Outcome::Allowed(_), .. }));
    assert!([0, 1, 2, 3, 4].map(allowed) == [true; 5], "{answers:#?}");
    assert_eq!(answers[2].as_ref().map(|answer| answer.captured), Ok(Some(1)));
    assert!(matches!(&answers[5], Ok(Answer { outcome: Outcome::Dropped(drop), .. }) if drop.at.is_some()), "{:?}", answers[5]);
    assert!(matches!(&answers[6], Ok(Answer { outcome: Outcome::Observed(_), .. })), "{:?}", answers[6]);
    assert!(matches!(&answers[7], Err(EngineError::NotFound(_))), "{:?}", answers[7]);
    assert!(matches!(&answers[8], Err(EngineError::NotFound(_))), "{:?}", answers[8]);
    assert_eq!(bench.engine.probe_all(&[]), Vec::new());
}

#[test]
fn a_rule_that_goes_is_felt_by_the_next_probe_of_the_same_ports() {
    // SG-16: a tracked flow outlives its rule; probes are flows of their own, whatever their ports.
    let mut world = World::t3();
    world.allow_in("app", "udp 53 sg-web");
    world.allow_in("app", "icmp sg-web");
    let mut bench = Bench::up(&world);
    let asked: Vec<Request> = [tcp(8080), udp(53), ECHO]
        .into_iter()
        .flat_map(|traffic| ["10.0.10.10", "10.0.10.11"].map(|to| probe(&sender("web1"), to, traffic, ListenerState::Open)))
        .collect();
    let is_open = |answer: &Result<Answer, EngineError>| matches!(answer, Ok(Answer { outcome: Outcome::Allowed(_), .. }));
    let before = bench.engine.probe_all(&asked);
    assert!(before.iter().all(is_open), "{before:?}");
    for rule in ["tcp 8080 sg-web", "udp 53 sg-web", "icmp sg-web"] {
        world.revoke_in("app", rule);
    }
    bench.apply(&world);
    let after = bench.engine.probe_all(&asked);
    assert!(!after.iter().any(is_open), "{after:?}");
    // One alone is no exception.
    world.allow_in("app", "udp 53 sg-web");
    bench.apply(&world);
    assert!(bench.engine.probe_all(&asked[2..3]).iter().all(is_open));
    world.revoke_in("app", "udp 53 sg-web");
    bench.apply(&world);
    assert!(!bench.engine.probe_all(&asked[2..3]).iter().any(is_open));
}

#[test]
fn a_low_ceiling_of_flows_is_not_reached_by_many_probes() {
    // SG-31: all of them at once would be too many, and so would be what they leave behind.
    let world = World::t3();
    let mut bench = Bench::with(&world, Options { flows_per_interface: Some(400), ..Options::default() });
    let asked: Vec<Request> = (0..1_000)
        .map(|number| {
            probe(&sender("web1"), "10.0.10.10", tcp_from(50_000 + number), ListenerState::Open)
        })
        .collect();
    let answers = bench.engine.probe_all(&asked);
    let closed: Vec<_> = answers.iter().filter(|answer| !matches!(answer, Ok(Answer { outcome: Outcome::Allowed(_), .. }))).collect();
    assert!(closed.is_empty(), "{} of {}: {:?}", closed.len(), answers.len(), closed[0]);
}

#[test]
fn a_process_in_the_making_holds_no_port() {
    // Until it runs its own program, a new process has a copy of every descriptor, so of the listeners of an earlier volley.
    let mut bench = Bench::with(&World::t3(), Options { flows_per_interface: Some(400), ..Options::default() });
    let asked: Vec<Request> =
        (0..600).map(|number| probe(&sender("web1"), "10.0.10.10", tcp_from(50_000 + number), ListenerState::Open)).collect();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let made = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = made.clone();
    let maker = std::thread::spawn(move || {
        while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let mut command = std::process::Command::new("/bin/true");
            // JUSTIFICATION: what is shown lies between fork and exec.
            // SAFETY: sleeping allocates nothing and takes no lock, which is all that may be done between fork and exec.
            unsafe {
                std::os::unix::process::CommandExt::pre_exec(&mut command, || {
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    Ok(())
                });
            }
            assert!(command.status().expect("true").success());
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    // Until some were made beside the volleys, however the processors are shared.
    let latest = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while std::time::Instant::now() < latest {
        let answers = bench.engine.probe_all(&asked);
        let closed: Vec<_> =
            answers.iter().filter(|answer| !matches!(answer, Ok(Answer { outcome: Outcome::Allowed(_), .. }))).collect();
        assert!(closed.is_empty(), "{} of {}: {:?}", closed.len(), answers.len(), closed[0]);
        if made.load(std::sync::atomic::Ordering::Relaxed) > 3 {
            break;
        }
    }
    drop(end);
    maker.join().expect("processes");
    assert!(made.load(std::sync::atomic::Ordering::Relaxed) > 3);
}

#[test]
fn a_probe_through_a_second_interface_leaves_by_it() {
    // ENI-5: by the guest's own routes it would leave by the first interface, whose check drops it.
    let mut world = World::t3();
    world.instance("side", "app-a", "10.0.10.60", "web");
    let (web1, side) = (world.eni("web1").attachment.clone().expect("attached").instance_id, world.eni("side"));
    let attachment = side.attachment.as_mut().expect("attached");
    let instead = std::mem::replace(&mut attachment.instance_id, web1);
    attachment.device_index = 1;
    world.model.instances.remove(&instead);
    world.model.guests.remove(&instead);
    world.instance("peer", "db-a", "10.0.20.60", "open");
    world.group("open", "a", &["all 10.0.0.0/16"]);
    let mut bench = Bench::up(&world);
    let kinds = [(tcp(80), ListenerState::Open), (tcp(81), ListenerState::Closed), (udp(53), ListenerState::Open)];
    let asked = kinds.map(|(traffic, listener)| probe(&sender("side"), "10.0.20.60", traffic, listener));
    for answers in [bench.engine.probe_all(&asked), asked.iter().map(|request| bench.engine.probe(request)).collect()] {
        let seen = |at: usize| match &answers[at] {
            Ok(Answer { outcome: Outcome::Allowed(arrival), .. }) => Some(arrival.source.to_string()),
            _ => None,
        };
        assert_eq!([seen(0), seen(2)].map(|source| source.as_deref() == Some("10.0.10.60")), [true; 2], "{answers:#?}");
        assert!(matches!(&answers[1], Ok(Answer { outcome: Outcome::Refused { .. }, .. })), "{:?}", answers[1]);
    }
}

#[test]
fn what_only_passes_the_receiver_has_not_arrived() {
    // The way to the appliance's public address leads through the appliance, and ends at the gateway (IGW-3).
    let mut world = World::t3();
    world.group("open", "a", &["all 10.0.0.0/16"]);
    world.instance("fw", "pub-a", "10.0.0.60", "open");
    world.eip("198.51.100.60", "fw", "10.0.0.60");
    world.check("fw", false);
    world.forward("fw");
    world.route("app", "0.0.0.0/0", "eni-fw");
    let mut bench = Bench::up(&world);
    let asked = [tcp(80), udp(53), ECHO].map(|traffic| probe(&sender("app1"), "198.51.100.60", traffic, ListenerState::Open));
    for answers in [bench.engine.probe_all(&asked), asked.iter().map(|request| bench.engine.probe(request)).collect()] {
        for answer in answers {
            let Ok(Answer { outcome: Outcome::Dropped(drop), .. }) = &answer else { panic!("{answer:?}") };
            assert_eq!(drop.leg, fabric::engine::Leg::Forward, "{answer:?}");
            assert!(matches!(drop.at, Some(fabric::Component::InternetGateway(_))), "{answer:?}");
        }
    }
}
