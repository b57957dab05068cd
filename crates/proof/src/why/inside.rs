//! What an answer goes on with inside instances: the stages that a packet of a container meets before the VPC, and those
//! behind a published port. `fabric::dock` decides; this tells it with the rest.

use fabric::dock::{Fate, Step, fate};
use fabric::walker::Verdict;

use super::view::{Blocker, Header, Hop, Leg, Place, Why};

/// What is known beyond the VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// What a packet meets before it leaves its instance.
    pub before: Vec<Step>,
    /// What it meets in the instance that it comes to.
    pub after: Vec<Step>,
    /// Name and address of the container that sends.
    pub from: Option<(String, String)>,
    /// Name and address of the container that is asked.
    pub to: Option<(String, String)>,
    /// What to know besides.
    pub notes: Vec<String>,
}

impl Inside {
    /// What all of it comes to.
    pub fn fate(&self) -> Fate {
        match fate(&self.before) {
            Fate::Passes => fate(&self.after),
            other => other,
        }
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// What a client sees, as `check` says it.
pub fn result(fate: Fate) -> &'static str {
    match fate {
        Fate::Passes => "open",
        Fate::Silent => "unanswered",
        Fate::Unknown => "unknown",
        Fate::Refused => "refused",
        Fate::Dropped => "filtered",
    }
}

impl Why {
    /// The same with what is inside of the instances at its ends.
    pub fn inside(mut self, inside: &Inside) -> Why {
        if inside.is_empty() {
            return self;
        }
        let network = self.verdict;
        let was_blocked = !self.request.delivered;
        if let Some((name, address)) = &inside.from {
            self.from.name.clone_from(name);
            self.from.address.clone_from(address);
            self.from.kind = "container";
        }
        if let Some((name, address)) = &inside.to {
            self.to.name.clone_from(name);
            self.to.address.clone_from(address);
            self.to.kind = "container";
        }
        self.before(inside);
        let start = self.request.arrived.clone().unwrap_or_else(|| self.request.sent.clone());
        let assumed = was_blocked || fate(&inside.before) == Fate::Dropped;
        let (hops, arrived) = tell(&inside.after, start, assumed);
        self.request.hops.extend(hops);
        let blocks = |steps: &[Step]| steps.iter().filter(|step| step.blocks()).map(blocker).collect::<Vec<_>>();
        let (first, last) = (blocks(&inside.before), blocks(&inside.after));
        let reason = first.first().or(last.first()).map(|blocker| blocker.text.clone());
        let whole = inside.fate();
        self.request.blockers = [first, std::mem::take(&mut self.request.blockers), last].concat();
        self.next = inside.before.iter().chain(&inside.after).filter_map(|step| step.next.clone()).collect();
        self.notes.extend(inside.notes.iter().cloned());
        match (network, whole) {
            (Verdict::Allowed, Fate::Passes | Fate::Unknown) => {
                self.request.arrived = Some(arrived);
                self.result = Some(result(whole));
                let unknown = || inside.before.iter().chain(&inside.after).find(|step| step.fate == Fate::Unknown);
                if let Some(step) = unknown() {
                    self.summary = format!("as far as the network goes; {}", step.text);
                }
            }
            (Verdict::Allowed, _) => {
                self.verdict = Verdict::Denied;
                self.result = Some(result(whole));
                self.summary = reason.unwrap_or_default();
                self.request.delivered = false;
                if whole != Fate::Refused {
                    self.reply = None;
                }
                self.depends = None;
                (self.same_for, self.all_ports) = (None, None);
            }
            (_, _) => {
                self.result = Some("filtered");
                if let Some(reason) = reason {
                    self.summary = format!("{}; besides: {reason}", self.summary);
                }
            }
        }
        self
    }

    /// Puts the stages before the VPC in front.
    fn before(&mut self, inside: &Inside) {
        if inside.before.is_empty() {
            return;
        }
        let mut start = self.request.sent.clone();
        if let Some((_, address)) = &inside.from {
            start.source.clone_from(address);
        }
        let (mut hops, _) = tell(&inside.before, start.clone(), false);
        let stops = inside.before.iter().any(Step::blocks);
        if stops {
            self.request.hops.iter_mut().for_each(|hop| hop.assumed = true);
        }
        hops.append(&mut self.request.hops);
        self.request.hops = hops;
        self.request.sent = start;
    }

    /// An answer that no VPC has a part in: what happens inside one instance.
    pub fn alone(from: Place, to: Place, packet: String, sent: Header, inside: &Inside) -> Why {
        let steps: Vec<Step> = inside.before.iter().chain(&inside.after).cloned().collect();
        let (hops, arrived) = tell(&steps, sent.clone(), false);
        let whole = fate(&steps);
        let blockers: Vec<Blocker> = steps.iter().filter(|step| step.blocks()).map(blocker).collect();
        let delivered = matches!(whole, Fate::Passes | Fate::Unknown);
        let summary = match steps.iter().find(|step| step.blocks() || step.fate == Fate::Unknown) {
            Some(step) if step.blocks() => step.text.clone(),
            Some(step) => format!("as far as the network goes; {}", step.text),
            None => String::new(),
        };
        Why {
            schema: super::view::SCHEMA,
            verdict: if delivered { Verdict::Allowed } else { Verdict::Denied },
            result: Some(result(whole)),
            summary,
            packet,
            ephemeral: None,
            from,
            to,
            request: Leg { delivered, sent, arrived: delivered.then_some(arrived), hops, blockers, lost_ports: None, via: Vec::new() },
            reply: None,
            fixes: Vec::new(),
            next: steps.iter().filter_map(|step| step.next.clone()).collect(),
            depends: None,
            same_for: None,
            all_ports: None,
            notes: inside.notes.clone(),
            incomplete: false,
            gaps: Vec::new(),
        }
    }
}

fn blocker(step: &Step) -> Blocker {
    Blocker { code: step.cause.map(|cause| cause.as_str()), at: at(step), text: step.text.clone(), rule: None }
}

/// `docker-publish:web-1`.
fn at(step: &Step) -> String {
    format!("{}:{}", step.stage.as_str(), step.at)
}

/// Steps as hops, and the packet as it is after them. What stands behind one that blocks is assumed.
fn tell(steps: &[Step], start: Header, mut assumed: bool) -> (Vec<Hop>, Header) {
    let mut header = start;
    let mut hops = Vec::new();
    for step in steps {
        let mut after = header.clone();
        if let Some((address, port)) = &step.to {
            after.destination.clone_from(address);
            after.destination_port = Some(port.to_string());
        }
        if let Some(source) = &step.from {
            after.source.clone_from(source);
        }
        hops.push(Hop {
            id: step.at.clone(),
            at: at(step),
            stage: step.stage.as_str().to_owned(),
            name: step.at.clone(),
            direction: None,
            blocks: step.blocks(),
            assumed,
            unknown: step.fate == Fate::Unknown,
            rule: None,
            code: step.cause.map(|cause| cause.as_str()),
            text: step.text.clone(),
            before: header.clone(),
            after: (after != header).then(|| after.clone()),
            near: Vec::new(),
            shadows: Vec::new(),
            routes: Vec::new(),
            reachable_by: Vec::new(),
            goes_on_by: None,
        });
        header = after;
        assumed |= step.blocks();
    }
    (hops, header)
}
