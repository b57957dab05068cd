//! What interfaces remember of flows (SG-16 … SG-22): state belongs to the interface, and grants what its class says.

use std::collections::BTreeMap;

use model::traffic::protocol::{ICMP, ICMPV6, TCP, UDP};
use model::{NetworkInterfaceId, Timestamp};

use crate::fabric::Fabric;
use crate::index::InterfaceIndex;
use crate::packet::{FlowKey, Header, Transport};
use crate::reason::{Component, Decision, Direction, Reason, Rule, Stage};
use crate::stage::security_group;

/// Flows of all interfaces.
#[derive(Debug, Clone, Default)]
pub struct Flows {
    of: BTreeMap<NetworkInterfaceId, BTreeMap<(Direction, FlowKey), Flow>>,
    /// Flows that began since the last [`Flows::begin`].
    began: Vec<(NetworkInterfaceId, Direction, FlowKey)>,
}

/// A flow whose first packet an interface let pass.
#[derive(Debug, Clone, Copy)]
struct Flow {
    /// SG-17: the mark that grants nothing.
    untracked: bool,
    /// Whether the other side answered.
    replied: bool,
    /// Whether the first side sent again after an answer.
    stream: bool,
    last: Timestamp,
}

impl Flow {
    fn is_live(self, key: &FlowKey, now: Timestamp) -> bool {
        now < self.last.plus(self.idle_seconds(key.protocol))
    }

    /// SG-19; for what AWS does not document, Linux's values.
    fn idle_seconds(self, protocol: u8) -> u64 {
        match protocol {
            TCP if self.replied => 432_000,
            TCP => 60,
            UDP if self.stream => 180,
            UDP | ICMP | ICMPV6 => 30,
            // SG-16.
            _ => 600,
        }
    }
}

/// How a packet came to, or leaves, an interface.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Whether nothing passed the packet on before, or will (SG-12).
    pub straight: bool,
    /// Whether the flow goes through what is always tracked (SG-21).
    pub always_tracked: bool,
    /// The present.
    pub now: Timestamp,
    /// Whether a packet that no rule allows begins a flow all the same, so that its answer is judged as an answer.
    pub as_if: bool,
}

impl Flows {
    /// State first, then rules (PIPE-3).
    pub fn decide(
        &mut self,
        fabric: &Fabric,
        interface: InterfaceIndex,
        header: &Header,
        direction: Direction,
        c: Circumstances,
    ) -> Decision {
        let by_rules = || security_group::decide(fabric, interface, header, direction, c.straight);
        if fabric.interfaces[interface].group_set.is_none() {
            return by_rules();
        }
        let id = &fabric.interfaces[interface].id;
        let flows = self.of.entry(id.clone()).or_default();
        let known = |reply: bool| {
            let reason = Reason::new(Stage::SecurityGroup, Component::SecurityGroups(interface, direction), "a known flow");
            Decision::Pass(reason.direction(direction).rule(Rule::State { reply }))
        };
        let (started, answered) = (FlowKey::started_by(header), FlowKey::answered_by(header));
        if matches!(header.transport, Transport::IcmpError { .. }) {
            // SG-22: about a packet of this interface, or about one that it got.
            let keys = [Some((direction.opposite(), started)), answered.map(|key| (direction, key))];
            let about = keys.into_iter().flatten().find_map(|key| flows.get(&key).filter(|f| f.is_live(&key.1, c.now)));
            return if about.is_some_and(|flow| !flow.untracked) { known(true) } else { by_rules() };
        }
        if let Some(flow) = flows.get_mut(&(direction, started)).filter(|f| f.is_live(&started, c.now)) {
            if flow.untracked {
                return by_rules();
            }
            flow.stream |= flow.replied;
            flow.last = c.now;
            return known(false);
        }
        if let Some(key) = answered
            && let Some(flow) = flows.get_mut(&(direction.opposite(), key)).filter(|f| f.is_live(&key, c.now))
        {
            flow.replied = true;
            flow.last = c.now;
            return if flow.untracked { by_rules() } else { known(true) };
        }
        let decision = by_rules();
        if decision.passes() || c.as_if {
            let untracked = decision.passes() && !c.always_tracked && security_group::is_untracked(fabric, interface, header, direction);
            flows.insert((direction, started), Flow { untracked, replied: false, stream: false, last: c.now });
            self.began.push((id.clone(), direction, started));
        }
        decision
    }

    /// A probe begins.
    pub fn begin(&mut self) {
        self.began.clear();
    }

    /// A probe ended and closed its TCP connections: what it began is over. Other protocols know no end.
    pub fn close(&mut self) {
        for (interface, direction, key) in self.began.drain(..).filter(|(.., key)| key.protocol == TCP) {
            if let Some(flows) = self.of.get_mut(&interface) {
                flows.remove(&(direction, key));
            }
        }
    }

    /// Forgets the flows of interfaces that are gone.
    pub fn keep_only(&mut self, exists: impl Fn(&NetworkInterfaceId) -> bool) {
        self.of.retain(|id, _| exists(id));
    }
}
