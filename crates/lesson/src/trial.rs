//! A lab held to conditions: each is tried in a simulation of its own, or proved.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fabric::Fabric;
use model::container::{PortMapping, PortProtocol};
use model::{Claim, Model};
use proof::claim::Prover;
use proof::{Options, Reach};
use sim::app::{AppId, ConnectSpec, End, Outcome, PingSpec};
use sim::host::Host;
use sim::lan::domains;
use sim::world::Place;
use sim::{Bounds, FrameId, NodeId, Reason, Span, Time, Verb, World};

use crate::condition::{Collisions, Condition, Port};
use crate::finding::{Both, Finding};
use crate::particle::Particle;
use crate::promise;
use crate::said::said;

/// The same in every trial, so that a lab's answer is the same for everybody.
const SEED: u64 = 1;
/// Events of a simulation at most: enough for a few packets, and an end for a broadcast storm.
const BUDGET: u64 = 300_000;
/// Time in which everything that is asked is over.
const PATIENCE: Span = Span::seconds(40);
/// Moments of a second station's start that are tried, a microsecond apart: past the round trip of the longest legal
/// network.
const OFFSETS_MICROSECONDS: u64 = 60;

/// A lab that is held to conditions.
pub struct Trial {
    model: Arc<Model>,
    fabric: Arc<Fabric>,
}

/// Why nothing could be tried.
type Impossible = Both;

impl Trial {
    /// Of a lab's cloud.
    pub fn new(model: Model) -> Self {
        let fabric = Arc::new(Fabric::compile(&model));
        Self { model: Arc::new(model), fabric }
    }

    /// Whether the lab meets a condition.
    pub fn finding(&self, condition: &Condition) -> Finding {
        self.seek(condition).unwrap_or_else(|seen| Finding { holds: false, seen })
    }

    fn seek(&self, condition: &Condition) -> Result<Finding, Impossible> {
        match condition {
            Condition::Ping { from, to, answered } => {
                let outcome = self.ping(from, to)?;
                Ok(Finding { holds: (outcome.end == End::Answered) == *answered, seen: said(&outcome) })
            }
            Condition::Tcp { from, to, port, result } => {
                let outcome = self.connect(&[from.as_str()], to, *port)?.1.remove(0);
                let found = match outcome.end {
                    End::Answered => Some(Port::Open),
                    End::Refused(_) => Some(Port::Refused),
                    End::Nothing => Some(Port::Silent),
                    _ => None,
                };
                Ok(Finding { holds: found == Some(*result), seen: said(&outcome) })
            }
            Condition::Crowd { from, to, port } => self.crowd(from, to, *port),
            Condition::SeenAs { from, to, port, address } => self.seen_as(from, to, *port, *address),
            Condition::Unreachable { from, address } => {
                let outcome = self.ping(from, &address.to_string())?;
                let is_told = outcome.errors.iter().any(|error| !error.is_time_exceeded());
                Ok(Finding {
                    holds: is_told && !outcome.errors.iter().any(|error| error.is_time_exceeded()),
                    seen: said(&outcome),
                })
            }
            Condition::Private { from, to, third } => self.private(from, to, third),
            Condition::Collisions { a, b, result } => self.collisions(a, b, *result),
            Condition::CollisionDomains(number) => {
                let count = self.model.lans.values().map(|lan| domains::count(lan).collision.len()).sum();
                Ok(counted(*number, count))
            }
            Condition::BroadcastDomains(number) => {
                let count = self.model.lans.values().map(|lan| domains::count(lan).broadcast.len()).sum();
                Ok(counted(*number, count))
            }
            Condition::Neighbours { a, b, shared } => {
                let world = self.world()?;
                host(&world, a)?;
                host(&world, b)?;
                let together = self.model.lans.values().flat_map(|lan| lan.broadcast_domains()).any(|domain| {
                    let has = |name: &str| domain.iter().any(|(device, _)| *device == name);
                    has(a) && has(b)
                });
                let seen = if together {
                    Both::new("they hear each other's broadcasts", "서로의 브로드캐스트를 듣는다")
                } else {
                    Both::new("no broadcast of one reaches the other", "한쪽의 브로드캐스트가 다른 쪽에 닿지 않는다")
                };
                Ok(Finding { holds: together == *shared, seen })
            }
            Condition::Publishes { instance, outer, inner } => self.publishes(instance, *outer, *inner),
            Condition::Claim(claim) => Ok(self.prove(claim)),
        }
    }

    fn world(&self) -> Result<World, Impossible> {
        World::new(self.model.clone(), self.fabric.clone(), SEED, Bounds::default())
            .map_err(|error| Both::new(error.to_string(), format!("이 랩은 시뮬레이션할 수 없다: {error}")))
    }

    fn ping(&self, from: &str, to: &str) -> Result<Outcome, Impossible> {
        let mut world = self.world()?;
        let (node, destination) = (host(&world, from)?.node, address(&world, to)?);
        Ok(ping(&mut world, node, destination))
    }

    /// Connects from all at once; the world afterwards, and what each found.
    fn connect(&self, from: &[&str], to: &str, port: u16) -> Result<(World, Vec<Outcome>), Impossible> {
        let mut world = self.world()?;
        let destination = address(&world, to)?;
        let nodes = from.iter().map(|name| Ok(host(&world, name)?.node)).collect::<Result<Vec<_>, Impossible>>()?;
        let spec = ConnectSpec { keep_open: true, ..ConnectSpec::new(destination, port) };
        let start = |node: &NodeId| world.simulator().with(*node, |host: &mut Host, context| host.connect(context, spec));
        let apps: Vec<Option<AppId>> = nodes.iter().map(start).collect();
        run(&mut world);
        let outcomes = nodes.iter().zip(apps).map(|(node, app)| outcome(&mut world, *node, app)).collect();
        Ok((world, outcomes))
    }

    fn crowd(&self, from: &[String], to: &str, port: u16) -> Result<Finding, Impossible> {
        let names: Vec<&str> = from.iter().map(String::as_str).collect();
        let (_, outcomes) = self.connect(&names, to, port)?;
        let open = outcomes.iter().filter(|outcome| outcome.end == End::Answered).count();
        let ends: Vec<String> = outcomes.iter().filter_map(|outcome| Some(outcome.local?.to_string())).collect();
        let seen = match outcomes.iter().find(|outcome| outcome.end != End::Answered) {
            Some(failed) => said(failed),
            None => Both::new(format!("connected: {}", ends.join(", ")), format!("연결됨: {}", ends.join(", "))),
        };
        Ok(Finding { holds: open == from.len(), seen })
    }

    fn seen_as(&self, from: &str, to: &str, port: u16, wanted: IpAddr) -> Result<Finding, Impossible> {
        let (mut world, outcomes) = self.connect(&[from], to, port)?;
        let server = host(&world, to)?.node;
        let simulator = world.simulator();
        let came = simulator.trace().events().iter().filter(|event| event.node == server && event.verb == Verb::Receive);
        let mut sources: Vec<IpAddr> =
            came.filter_map(|event| source_of_tcp(simulator.frames().bytes(event.frame))).collect();
        sources.dedup();
        let is_open = outcomes.iter().all(|outcome| outcome.end == End::Answered);
        let list: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let seen = match list.as_slice() {
            [] => Both::new("nothing arrived there", "아무것도 도착하지 않았다"),
            _ if !is_open => {
                let told = said(&outcomes[0]);
                Both::new(
                    format!("what arrived came from {}, and {from} has: {}", list.join(", "), told.en),
                    format!("도착한 패킷의 출발지는 {}인데 {from} 쪽에서는: {}", list.join(", "), told.ko),
                )
            }
            _ => Both::new(
                format!("what arrived came from {}", list.join(", ")),
                format!("도착한 패킷의 출발지는 {}", list.join(", ")),
            ),
        };
        Ok(Finding { holds: is_open && sources == [wanted], seen })
    }

    fn private(&self, from: &str, to: &str, third: &str) -> Result<Finding, Impossible> {
        let mut world = self.world()?;
        let (asks, hears) = (host(&world, from)?.node, host(&world, third)?.node);
        let destination = address(&world, to)?;
        // What is asked for begins when all stations are known, as many as there are: the third speaks first.
        let others: Vec<String> = world.lan_hosts().into_iter().filter(|name| *name != third).map(str::to_owned).collect();
        for name in std::iter::once(third).chain(others.iter().map(String::as_str)) {
            let node = host(&world, name)?.node;
            world.simulator().with(node, |host: &mut Host, context| host.arping(context, 0, destination, 1));
            run(&mut world);
        }
        ping(&mut world, asks, destination);
        world.simulator().clear_trace();
        let outcome = ping(&mut world, asks, destination);
        if outcome.end != End::Answered {
            return Ok(Finding { holds: false, seen: said(&outcome) });
        }
        let events = world.simulator().trace().events();
        let heard =
            events.iter().filter(|event| event.node == hears && event.verb == Verb::Receive && event.frame != FrameId::NONE);
        let count = heard.count();
        let seen =
            Both::new(format!("{third} heard {count} of their frames"), format!("{third}에 도착한 프레임은 {count}개"));
        Ok(Finding { holds: count == 0, seen })
    }

    /// Lets one station begin at every microsecond after the other, so that the worst moment is among them.
    fn collisions(&self, a: &str, b: &str, wanted: Collisions) -> Result<Finding, Impossible> {
        let mut met = 0;
        for offset in 0..=OFFSETS_MICROSECONDS {
            let mut world = self.world()?;
            let (first, second) = (host(&world, a)?, host(&world, b)?);
            let (Some(asks), Some(asked)) = (first.addresses.first(), second.addresses.first()) else {
                return Err(Both::new("they have no addresses", "주소가 없다"));
            };
            // ARP's questions are the shortest frames there are, and for everybody.
            for (at, node, address) in
                [(Time::ZERO, first.node, *asked), (Time::ZERO + Span::microseconds(offset), second.node, *asks)]
            {
                world.simulator().run_until(at, BUDGET);
                world.simulator().with(node, |host: &mut Host, context| host.arping(context, 0, address, 1));
            }
            world.simulator().run_until(Time::ZERO + Span::milliseconds(100), BUDGET);
            let events = world.simulator().trace().events();
            let is = |wanted: &[Reason]| events.iter().any(|event| wanted.contains(&event.reason));
            if is(&[Reason::LateCollision, Reason::UndetectedCollision]) && wanted == Collisions::Noticed {
                let seen = match offset {
                    0 => Both::new(
                        "both began at once, and a sender learned of a collision too late",
                        "둘이 동시에 보내기 시작했을 때, 송신자가 충돌을 너무 늦게 알았다",
                    ),
                    _ => Both::new(
                        format!("{b} began {offset} µs after {a}, and a sender learned of a collision too late"),
                        format!(
                            "{} {a}보다 {offset}µs 늦게 보내기 시작했을 때, 송신자가 충돌을 너무 늦게 알았다",
                            Particle::Subject.after(b)
                        ),
                    ),
                };
                return Ok(Finding { holds: false, seen });
            }
            met += usize::from(is(&[Reason::Collision, Reason::LateCollision, Reason::UndetectedCollision]));
        }
        let tried = OFFSETS_MICROSECONDS + 1;
        let seen =
            Both::new(format!("{met} of {tried} trials met a collision"), format!("{tried}번 시도해서 {met}번 충돌했다"));
        Ok(Finding { holds: (met == 0) == (wanted == Collisions::Never), seen })
    }

    fn publishes(&self, instance: &str, outer: u16, inner: u16) -> Result<Finding, Impossible> {
        let known = self.model.instances.values().find(|known| model::tag::name(&known.tags) == Some(instance));
        let known = known.ok_or_else(|| {
            Both::new(format!("no instance is called {instance}"), format!("{} 인스턴스가 없다", Particle::Called.after(instance)))
        })?;
        let containers = self.model.containers.get(&known.id).into_iter().flatten();
        let published: Vec<_> = containers.flat_map(|(_, container)| &container.publish).collect();
        let leads = |mapping: &&&PortMapping| {
            let is_inside = (mapping.host.from..=mapping.host.to).contains(&outer);
            mapping.protocol == PortProtocol::Tcp
                && is_inside
                && mapping.container.from + (outer - mapping.host.from) == inner
        };
        let list: Vec<String> = published.iter().map(ToString::to_string).collect();
        let seen = match list.as_slice() {
            [] => Both::new("nothing is published", "게시한 포트가 없다"),
            _ => Both::new(format!("published: {}", list.join(", ")), format!("게시한 포트: {}", list.join(", "))),
        };
        Ok(Finding { holds: published.iter().any(|mapping| leads(&mapping)), seen })
    }

    fn prove(&self, claim: &Claim) -> Finding {
        let reach = match Reach::of(&self.fabric, Options::default()) {
            Ok(reach) => reach,
            Err(error) => return Finding { holds: false, seen: Both::new(error.to_string(), "증명할 수 없다") },
        };
        let claims = std::slice::from_ref(claim);
        let prover = Prover::new(&self.model, &self.fabric, &reach, Options::default(), claims);
        let proof = prover.prove(claim);
        let seen = match (&proof.undecided, proof.broken.first()) {
            (Some(why), _) => promise::undecided(why),
            (None, Some(broken)) => promise::broken(&prover, &self.fabric, broken),
            (None, None) => {
                let pairs = proof.pairs;
                Both::new(
                    format!("proved for {pairs} pair{}", if pairs == 1 { "" } else { "s" }),
                    format!("출발지와 목적지 {pairs}쌍에 대해 증명됨"),
                )
            }
        };
        Finding { holds: proof.holds(), seen }
    }
}

fn counted(wanted: usize, count: usize) -> Finding {
    let en = if count == 1 { "there is 1".to_owned() } else { format!("there are {count}") };
    Finding { holds: wanted == count, seen: Both::new(en, format!("지금은 {count}개")) }
}

fn host(world: &World, name: &str) -> Result<Place, Impossible> {
    let nobody = || {
        let called = Particle::Called.after(name);
        Both::new(format!("no host or router is called {name}"), format!("{called} 호스트나 라우터가 없다"))
    };
    world.lan_host(name).ok_or_else(nobody)
}

fn address(world: &World, name: &str) -> Result<IpAddr, Impossible> {
    if let Ok(address) = name.parse() {
        return Ok(address);
    }
    let nowhere = || Both::new(format!("{name} has no address"), format!("{name}에 주소가 없다"));
    host(world, name)?.addresses.first().copied().ok_or_else(nowhere)
}

fn ping(world: &mut World, node: NodeId, destination: IpAddr) -> Outcome {
    let spec = PingSpec { count: 2, ..PingSpec::new(destination) };
    let app = world.simulator().with(node, |host: &mut Host, context| host.ping(context, spec));
    run(world);
    outcome(world, node, app)
}

fn run(world: &mut World) {
    let limit = world.simulator().now() + PATIENCE;
    world.simulator().run_until(limit, BUDGET);
}

fn outcome(world: &mut World, node: NodeId, app: Option<AppId>) -> Outcome {
    let host: Option<&Host> = world.simulator().get(node);
    host.zip(app).map(|(host, app)| host.progress(app).clone()).unwrap_or_default()
}

/// The source address of a frame that carries TCP over IPv4.
fn source_of_tcp(frame: &[u8]) -> Option<IpAddr> {
    let is_tcp = frame.get(12..14)? == [0x08, 0x00] && *frame.get(23)? == sim::host::Protocol::TCP.0;
    let source: [u8; 4] = frame.get(26..30)?.try_into().ok()?;
    is_tcp.then_some(IpAddr::V4(Ipv4Addr::from(source)))
}
