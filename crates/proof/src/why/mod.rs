//! Why a packet arrives and is answered, or not: everything that decides, everything that blocks, and what would change it.
//!
//! Start at [`why`]. `ask` finds the verdict over every port that the client may send from, `leg` tells each way,
//! `near` what almost matched, `fix` looks for changes that are proved to help, `depends` says what an allowed packet
//! hangs on, `part` keeps the search small in a large cloud; [`view`] is the answer as data and [`text`] the same for people. `fabric` decides; nothing here does.

mod ask;
mod candidate;
mod depends;
mod edit;
mod exposure;
mod fix;
mod gap;
pub mod inside;
mod leg;
mod near;
mod part;
pub mod text;
pub mod view;
pub mod words;

use std::net::IpAddr;

use fabric::engine::{EngineError, Sender};
use fabric::walker::Verdict;
use fabric::{Component, Fabric};
use model::selector::End;
use model::{Model, PortRange, ProbePacket, tag};

use crate::atom::Atoms;
use crate::reach::{Options, Reach};
use crate::traffic::TrafficSet;

pub use ask::{Answer, ask};
pub use edit::Edit;
pub use gap::Gap;
pub use view::Why;
pub use words::Cloud;

/// One packet from one sender to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who sends.
    pub from: Sender,
    /// Who receives: an interface, which is asked at the address that the sender knows it by, or an address.
    pub to: End,
    /// What.
    pub packet: ProbePacket,
}

/// How much is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Fixes, and what an allowed packet depends on; without it only what decides.
    pub fixes: bool,
}

/// A cloud in which any number of questions are asked.
pub struct Asker<'a> {
    model: &'a Model,
    fabric: &'a Fabric,
    options: Options,
    atoms: Atoms,
    reach: std::cell::OnceCell<Option<Reach>>,
}

impl<'a> Asker<'a> {
    /// Of one cloud.
    pub fn new(model: &'a Model, fabric: &'a Fabric, options: Options) -> Self {
        let atoms = Atoms::of(fabric, options.ephemeral);
        let reach = std::cell::OnceCell::new();
        Self {
            model,
            fabric,
            options,
            atoms,
            reach,
        }
    }

    /// Of the part of a large cloud that [`part`] answers, compiled: everything that is said of its ends is what the
    /// whole cloud's asker says.
    pub fn of_part(model: &'a Model, fabric: &'a Fabric, options: Options) -> Self {
        let asker = Self::new(model, fabric, options);
        // Of a large cloud nobody's reach but the two ends' is counted, and so of its part.
        let _ = asker.reach.set(None);
        asker
    }

    /// Names of this cloud.
    pub fn cloud(&self) -> Cloud<'a> {
        Cloud {
            model: self.model,
            fabric: self.fabric,
        }
    }

    /// Ports that clients are taken to send from.
    pub fn ephemeral(&self) -> PortRange {
        self.options.ephemeral
    }

    /// Who reaches whom; `None` where there are too many to ask.
    fn reach(&self) -> Option<&Reach> {
        let reach = || exposure::reach(self.fabric, self.options);
        self.reach.get_or_init(reach).as_ref()
    }

    /// The verdict and what decides, without the rest.
    pub fn answer(&self, question: &Question) -> Result<Answer, EngineError> {
        ask::ask(self.model, self.fabric, question, self.atoms.reply_ports())
    }

    /// The whole answer.
    pub fn why(&self, question: &Question, effort: Effort) -> Result<Why, EngineError> {
        if effort.fixes && self.reach.get().is_none() && exposure::is_large(self.fabric) {
            // Each change that is tried is compiled anew.
            let model = part::of(self.model, &part::ends(question));
            let fabric = Fabric::compile(&model);
            return Asker::of_part(&model, &fabric, self.options).why(question, effort);
        }
        let answer = self.answer(question)?;
        let mut why = self.tell(question, &answer);
        if effort.fixes {
            match answer.explanation.verdict {
                Verdict::Allowed => why.depends = Some(self.depends(question, &answer)),
                _ => why.fixes = self.fixes(question, &answer)?,
            }
            self.alike(question, &answer, &mut why);
        }
        Ok(why)
    }

    fn tell(&self, question: &Question, answer: &Answer) -> Why {
        let world = answer.world(self.model, self.fabric);
        let ephemeral = self.options.ephemeral;
        let has_ports = question.packet.port().is_some();
        let explanation = &answer.explanation;
        let lost = |direction| answer.lost(direction, ephemeral).filter(|_| has_ports);
        let (there, back) = (leg::Direction::Request, leg::Direction::Reply);
        let request = leg::tell(&world, &explanation.request, there, ephemeral, lost(there));
        let reply = explanation
            .reply
            .as_ref()
            .map(|way| leg::tell(&world, way, back, ephemeral, lost(back)));
        let receiver = match &question.to {
            End::Interface { interface, .. } => {
                self.interface(interface, answer.address.map(|a| a.to_string()))
            }
            End::Address(address) => self.at(*address),
            other => self.unknown(&format!("{other:?}")),
        };
        let mut notes = Vec::new();
        let stateless = |leg: &view::Leg| {
            let mut hops = leg.hops.iter();
            hops.any(|hop| hop.blocks && hop.stage == "network-acl")
        };
        if has_ports && reply.as_ref().is_some_and(stateless) {
            notes.push(format!(
                "network ACLs keep no state: clients are taken to send from any port of {ephemeral} (--ephemeral 32768-60999 \
                 for Linux clients)"
            ));
        }
        if request.hops.iter().any(|hop| hop.assumed) {
            notes.push(
                "what stands after a blocker is what the packet would meet without it".to_owned(),
            );
        }
        let blocks = |leg: &view::Leg| leg.hops.iter().any(|hop| hop.blocks);
        if explanation.reply.is_none() && blocks(&request) {
            notes.push(
                "what an answer would meet cannot be told while the request is blocked".to_owned(),
            );
        }
        Why {
            schema: view::SCHEMA,
            verdict: explanation.verdict,
            result: None,
            summary: summary(&request, reply.as_ref(), explanation.verdict),
            packet: question.packet.to_string(),
            ephemeral: has_ports.then(|| ephemeral.to_string()),
            from: match &question.from {
                Sender::Interface(id) | Sender::Container(id) => self.interface(id, None),
                Sender::Outside(address) => self.at(*address),
            },
            to: receiver,
            request,
            reply,
            fixes: Vec::new(),
            next: Vec::new(),
            depends: None,
            same_for: None,
            all_ports: None,
            notes,
            incomplete: false,
            gaps: Vec::new(),
        }
    }

    fn interface(&self, id: &model::NetworkInterfaceId, asked: Option<String>) -> view::Place {
        let Some(index) = self.fabric.interface_by_id(id) else {
            return self.unknown(id.as_str());
        };
        let interface = &self.fabric.interfaces[index];
        let instance = interface.instance().map(|i| &self.fabric.instances[i]);
        let vpc = &self.fabric.vpcs[interface.vpc];
        let own = interface.primary_address().to_string();
        let public = interface.addresses.iter().find_map(|a| a.public);
        let is_own = asked.as_ref().is_none_or(|asked| {
            asked
                .parse()
                .is_ok_and(|address: IpAddr| interface.holds(address))
                || public.is_some_and(|public| public.to_string() == *asked)
        });
        view::Place {
            name: interface.name.clone(),
            kind: "interface",
            interface_id: Some(interface.id.to_string()),
            instance_id: instance.map(|instance| instance.id.to_string()),
            state: instance.map(|instance| instance.state.as_str().to_owned()),
            address: if is_own { own } else { asked.unwrap_or(own) },
            public_address: public.map(|address| address.to_string()),
            subnet: Some(self.fabric.subnets[interface.subnet].name.clone()),
            vpc: Some(vpc.name.clone()),
            vpc_id: Some(vpc.id.to_string()),
            security_groups: self.cloud().groups_of(index),
        }
    }

    /// Whoever has an address.
    fn at(&self, address: IpAddr) -> view::Place {
        let nobody = self.unknown(&address.to_string());
        match self.fabric.find_address(address) {
            Some(fabric::Entity::Interface(index)) => {
                let id = self.fabric.interfaces[index].id.clone();
                let holder = self.interface(&id, Some(address.to_string()));
                view::Place {
                    address: address.to_string(),
                    ..holder
                }
            }
            Some(fabric::Entity::Outside(index)) => view::Place {
                name: self.fabric.outside[index].name.clone(),
                kind: "outside",
                ..nobody
            },
            _ if self.fabric.is_outside_host(address) => view::Place {
                // The public DNS is a host that nobody names, and stands for nobody else.
                name: match self.is_representative(address) {
                    true => "internet".to_owned(),
                    false => address.to_string(),
                },
                kind: "internet",
                ..nobody
            },
            _ => match self.lan_device(address) {
                Some(name) => view::Place { name, kind: "lan", ..nobody },
                None => nobody,
            },
        }
    }

    /// The device of a lan for which an address is written, if a virtual private gateway leads there.
    fn lan_device(&self, address: IpAddr) -> Option<String> {
        self.fabric.behind_vpn(address)?;
        let has = |device: &model::lan::Device| {
            let interfaces = device.interfaces().into_iter().flatten();
            interfaces.flat_map(|(_, interface)| &interface.addresses).any(|own| own.addr() == address)
        };
        let devices = self.model.lans.values().flat_map(|lan| &lan.devices);
        devices.filter(|(_, device)| has(device)).map(|(name, _)| name.clone()).next()
    }

    fn is_representative(&self, address: IpAddr) -> bool {
        let mut all = self.fabric.representatives().into_iter();
        all.any(|other| IpAddr::V4(other) == address)
    }

    fn unknown(&self, name: &str) -> view::Place {
        view::Place {
            name: name.to_owned(),
            kind: "address",
            interface_id: None,
            instance_id: None,
            state: None,
            address: name.to_owned(),
            public_address: None,
            subnet: None,
            vpc: None,
            vpc_id: None,
            security_groups: Vec::new(),
        }
    }

    /// Everything that the two can say to each other: every kind of packet with its verdict and its first blockers.
    pub fn all_packets(
        &self,
        question: &Question,
    ) -> Result<Vec<(TrafficSet, Answer)>, EngineError> {
        let mut found: Vec<(TrafficSet, Answer)> = Vec::new();
        for atom in self.atoms.iter() {
            let asked = Question {
                packet: atom.packet,
                ..question.clone()
            };
            let answer = self.answer(&asked)?;
            match found.iter_mut().find(|(_, other)| other.is_like(&answer)) {
                Some((traffic, _)) => *traffic = traffic.union(&atom.traffic),
                None => found.push((atom.traffic.clone(), answer)),
            }
        }
        found.sort_by_key(|(_, answer)| answer.explanation.verdict);
        Ok(found)
    }
}

/// Whether a cloud is so large that `why` counts nobody's reach but the two ends': the part of it answers as the whole does.
pub fn is_large(model: &Model) -> bool {
    let own = |interface: &&model::NetworkInterface| {
        let instance = interface.instance_id().and_then(|id| model.instances.get(id));
        instance.is_some_and(|instance| instance.state != model::InstanceState::Terminated)
    };
    // Not counted to the end.
    let mut all = model.network_interfaces.values().filter(own);
    all.nth(exposure::MOST_PLACES).is_some()
}

/// The part of a cloud that a packet between some ends can touch, and any fix of it; for [`Asker::of_part`].
pub fn part(model: &Model, ends: &[End]) -> Model {
    part::of(model, ends)
}

/// Explains one packet; see [`Asker`] for several.
pub fn why(
    model: &Model,
    fabric: &Fabric,
    question: &Question,
    options: Options,
) -> Result<Why, EngineError> {
    Asker::new(model, fabric, options).why(question, Effort { fixes: true })
}

/// `1 blocker: security group at db-1`, `the SYN arrives, the reply is dropped: network ACL at web-a`.
fn summary(request: &view::Leg, reply: Option<&view::Leg>, verdict: Verdict) -> String {
    let what = |leg: &view::Leg| {
        let blockers = leg.blockers.iter().map(|blocker| {
            let hop = leg
                .hops
                .iter()
                .find(|hop| hop.blocks && hop.at == blocker.at);
            blocker_in_short(blocker, hop)
        });
        blockers.collect::<Vec<_>>()
    };
    match verdict {
        Verdict::Allowed => String::new(),
        Verdict::OneWay => {
            let lost = reply.map(what).unwrap_or_default().join(", ");
            let some = reply.and_then(|leg| leg.lost_ports.as_ref());
            let some = some.map_or_else(String::new, |ports| format!(" to client ports {ports}"));
            let sent = if request.sent.protocol == "tcp" {
                "the SYN"
            } else {
                "the request"
            };
            format!("{sent} arrives, the reply{some} is dropped: {lost}")
        }
        Verdict::Denied => {
            let back = reply.map(what).unwrap_or_default();
            let there = what(request);
            let many = there.len() + back.len();
            let mark = |leg: &str, all: Vec<String>| {
                let is_marked = many > 1;
                all.into_iter()
                    .map(|text| {
                        if is_marked {
                            format!("{text} ({leg})")
                        } else {
                            text
                        }
                    })
                    .collect::<Vec<_>>()
            };
            let mut all = mark("request", there);
            all.extend(mark("reply", back));
            let count = if many == 1 {
                "1 blocker".to_owned()
            } else {
                format!("{many} blockers")
            };
            format!("{count}: {}", all.join(", "))
        }
    }
}

fn blocker_in_short(blocker: &view::Blocker, hop: Option<&view::Hop>) -> String {
    let place = blocker
        .at
        .split_once(':')
        .map_or(blocker.at.as_str(), |(_, place)| place);
    match (hop.map(|hop| hop.stage.as_str()), blocker.code) {
        (Some("security-group"), _) => format!("security group at {place}"),
        (Some("network-acl"), _) => {
            let way = if blocker.at.starts_with("acl-in") {
                "in"
            } else {
                "out"
            };
            format!("network ACL {way} at subnet {place}")
        }
        (Some("route-table"), Some("NO_ROUTE_TO_DESTINATION")) => "no route".to_owned(),
        (Some("route-table"), _) => format!("unusable route in {place}"),
        (Some("interface"), _) => format!("{place} does not run"),
        (Some("source-dest-check"), _) => format!("source/dest check at {place}"),
        (
            _,
            Some("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" | "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"),
        ) => "no public address".to_owned(),
        _ => format!("{place}: {}", blocker.text),
    }
}

/// The VPC and subnet of what decides at a component, for those who print AWS's shape.
pub fn vpc_of(fabric: &Fabric, at: Component) -> Option<fabric::VpcIndex> {
    match at {
        Component::SecurityGroups(i, _)
        | Component::SourceDestCheck(i)
        | Component::Interface(i)
        | Component::Guest(i) => Some(fabric.interfaces[i].vpc),
        Component::NetworkAcl(s, _) => Some(fabric.subnets[s].vpc),
        Component::RouteTable(t) => Some(fabric.route_tables[t].vpc),
        Component::InternetGateway(i) => fabric.internet_gateways[i].vpc,
        Component::NatGateway(i) => Some(fabric.nat_gateways[i].vpc),
        Component::VpcEndpoint(i) => Some(fabric.vpc_endpoints[i].vpc),
        Component::Resolver(v) | Component::Service(v) => Some(v),
        _ => None,
    }
}

/// An instance's or interface's name.
pub(crate) fn instance_name(model: &Model, id: &model::InstanceId) -> String {
    let name = model.instances.get(id).and_then(|i| tag::name(&i.tags));
    name.map_or_else(|| id.to_string(), str::to_owned)
}

/// A range of ports as people write it.
pub(crate) fn ranges_text(ranges: &[PortRange]) -> String {
    let texts: Vec<String> = ranges.iter().map(PortRange::to_string).collect();
    texts.join(",")
}
