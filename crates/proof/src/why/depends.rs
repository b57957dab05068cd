//! What an allowed packet hangs on: rules that it cannot do without, and others that would do; and who else is like it.

use std::collections::BTreeSet;

use fabric::engine::Sender;
use fabric::walker::Verdict;
use fabric::{Component, Fabric, Family, Reason, Rule};
use model::selector::End;
use model::{Destination, Model, ProbePacket};

use super::ask::Answer;
use super::edit::Edit;
use super::view::{Depends, Only, SameFor, Why};
use super::{Asker, Question, exposure};
use crate::place::{Place, PlaceIndex};
use crate::who::{natural, short};

/// Rules that would do as well, told for each.
const MOST_OTHERS: usize = 5;

impl Asker<'_> {
    /// Takes each rule that decided away, and looks what comes of it.
    pub(super) fn depends(&self, question: &Question, answer: &Answer) -> Depends {
        let mut depends = Depends {
            only_through: Vec::new(),
            also_admitted_by: Vec::new(),
        };
        let mut seen: BTreeSet<Rule> = BTreeSet::new();
        let ways = [
            Some(&answer.explanation.request),
            answer.explanation.reply.as_ref(),
        ];
        let hops = ways.into_iter().flatten().flat_map(|way| &way.hops);
        for reason in hops.map(|hop| &hop.reason) {
            let Some(rule) = &reason.rule else { continue };
            if !seen.insert(rule.clone()) {
                continue;
            }
            let Some(edit) = removal(self.model, reason.at, rule) else {
                continue;
            };
            self.without(question, reason, rule, &edit, &mut depends);
        }
        // The receiver's own rules are what people ask about first.
        depends
            .only_through
            .sort_by_key(|only| !only.at.starts_with("sg-in"));
        depends
    }

    fn without(
        &self,
        question: &Question,
        reason: &Reason,
        rule: &Rule,
        edit: &Edit,
        depends: &mut Depends,
    ) {
        let mut model = self.model.clone();
        if edit.apply(&mut model).is_err() {
            return;
        }
        let compiled = Fabric::compile(&model);
        let allowed = |answer: &Answer| answer.explanation.verdict == Verdict::Allowed;
        let then = super::ask(&model, &compiled, question, self.atoms.reply_ports()).ok();
        if !then.as_ref().is_some_and(allowed) {
            let closes = self.reach().and_then(|now| {
                let reach = exposure::reach(&compiled, self.options)?;
                Some(exposure::opened(
                    (&compiled, &reach),
                    (self.fabric, now),
                    question,
                ))
            });
            depends.only_through.push(Only {
                rule: self.cloud().rule(reason.at, rule),
                at: reason.at.label(self.fabric),
                closes,
            });
            return;
        }
        // What decides in its place, until nothing does.
        let mut then = then;
        for _ in 0..MOST_OTHERS {
            let Some(answer) = then.filter(allowed) else {
                break;
            };
            let ways = [
                Some(&answer.explanation.request),
                answer.explanation.reply.as_ref(),
            ];
            let mut hops = ways.into_iter().flatten().flat_map(|way| &way.hops);
            let next = hops
                .find(|hop| hop.reason.at == reason.at)
                .and_then(|hop| hop.reason.rule.clone());
            let Some(next) = next.filter(|next| !matches!(next, Rule::State { .. })) else {
                break;
            };
            let told = self.cloud().rule(reason.at, &next);
            if !depends.also_admitted_by.contains(&told) {
                depends.also_admitted_by.push(told);
            }
            let Some(removal) = removal(&model, reason.at, &next) else {
                break;
            };
            if removal.apply(&mut model).is_err() {
                break;
            }
            let compiled = Fabric::compile(&model);
            then = super::ask(&model, &compiled, question, self.atoms.reply_ports()).ok();
        }
    }

    /// Pairs like this one, and everything that the two can say to each other.
    pub(super) fn alike(&self, question: &Question, answer: &Answer, why: &mut Why) {
        let Some(reach) = self.reach() else { return };
        let Some(to) = self.receiver(question) else { return };
        let Some(from) = self.place_of(&question.from, reach.places()[to.0 as usize].family()) else { return };
        why.all_ports = Some(reach.between(from, to).both);
        let same = |from: PlaceIndex, to: PlaceIndex| {
            let between = reach.between(from, to);
            let contains = |set: &crate::TrafficSet, packet: ProbePacket| set.contains(packet);
            let verdict = match (
                contains(&between.request, question.packet),
                contains(&between.both, question.packet),
            ) {
                (false, _) => Verdict::Denied,
                (true, false) => Verdict::OneWay,
                (true, true) => Verdict::Allowed,
            };
            verdict == answer.explanation.verdict
        };
        let (senders, receivers) = (self.class(from), self.class(to));
        let (mut pairs, mut left, mut right) = (0, BTreeSet::new(), BTreeSet::new());
        for a in &senders {
            for b in receivers.iter().filter(|b| *b != a) {
                if same(*a, *b) {
                    pairs += 1;
                    left.insert(*a);
                    right.insert(*b);
                }
            }
        }
        let name = |place: &PlaceIndex| reach.places()[place.0 as usize].name(self.fabric);
        let names = |places: &BTreeSet<PlaceIndex>| {
            let mut names: Vec<String> = places.iter().map(name).collect();
            names.sort_by_key(|name| natural(name));
            short(&names.iter().map(String::as_str).collect::<Vec<_>>())
        };
        if pairs > 1 {
            why.same_for = Some(SameFor {
                pairs,
                label: format!("{} x {}", names(&left), names(&right)),
                class: format!("{} -> {}", self.class_name(from), self.class_name(to)),
            });
        }
    }

    fn place_of(&self, sender: &Sender, family: Family) -> Option<PlaceIndex> {
        let reach = self.reach()?;
        let wanted = |place: &Place| place.family() == family && place.sender(self.fabric) == *sender;
        reach
            .indices()
            .find(|(_, place)| wanted(place))
            .map(|(index, _)| index)
    }

    fn receiver(&self, question: &Question) -> Option<PlaceIndex> {
        let reach = self.reach()?;
        let wanted = |place: &Place| match (&question.to, place) {
            (End::Interface { interface, .. }, Place::Interface(index)) => {
                self.fabric.interfaces[*index].id == *interface
            }
            (End::Address(address), Place::Outside(_, own) | Place::Internet(own)) => {
                *address == *own
            }
            (End::Address(address), Place::Interface(index)) => {
                self.fabric.interfaces[*index].primary_address() == *address
            }
            (End::Address(address), Place::Ipv6(_)) => place.end(self.fabric) == End::Address(*address),
            _ => false,
        };
        reach
            .indices()
            .find(|(_, place)| wanted(place))
            .map(|(index, _)| index)
    }

    /// Interfaces of the same subnet with the same groups; anybody else is alone.
    fn class(&self, place: PlaceIndex) -> Vec<PlaceIndex> {
        let Some(reach) = self.reach() else {
            return vec![place];
        };
        let Place::Interface(own) = reach.places()[place.0 as usize] else {
            return vec![place];
        };
        let key = |index: fabric::InterfaceIndex| {
            let interface = &self.fabric.interfaces[index];
            (interface.subnet, interface.groups.clone())
        };
        let alike =
            |place: Place| matches!(place, Place::Interface(other) if key(other) == key(own));
        reach
            .indices()
            .filter(|(_, place)| alike(*place))
            .map(|(index, _)| index)
            .collect()
    }

    /// `web-a/web`: subnet and groups.
    fn class_name(&self, place: PlaceIndex) -> String {
        let Some(reach) = self.reach() else {
            return String::new();
        };
        match reach.places()[place.0 as usize] {
            Place::Interface(index) => {
                let interface = &self.fabric.interfaces[index];
                let groups = self.cloud().groups_of(index);
                let subnet = &self.fabric.subnets[interface.subnet].name;
                format!("{subnet}/{}", groups.join("+"))
            }
            other => other.name(self.fabric),
        }
    }
}

/// The edit that takes a rule away; `None` for what nobody can take away: kept state, a local route, the last entry.
fn removal(model: &Model, at: Component, rule: &Rule) -> Option<Edit> {
    match (rule, at) {
        (Rule::SecurityGroup { group, rule, .. }, Component::SecurityGroups(_, direction)) => {
            Some(Edit::Revoke {
                group: group.clone(),
                egress: direction == fabric::Direction::Egress,
                rule: rule.clone(),
            })
        }
        (
            Rule::NetworkAclEntry {
                acl,
                rule_number: Some(number),
                ..
            },
            Component::NetworkAcl(_, direction),
        ) => Some(Edit::RemoveEntry {
            acl: acl.clone(),
            egress: direction == fabric::Direction::Egress,
            number: *number,
        }),
        (
            Rule::Route {
                route_table,
                destination,
                ..
            },
            _,
        ) => {
            let destination = match destination {
                ipnet::IpNet::V4(block) => Destination::Ipv4(*block),
                ipnet::IpNet::V6(block) => Destination::Ipv6(*block),
            };
            let routes = &model.route_tables.get(route_table)?.routes;
            let is_local = |route: &&model::Route| route.target == model::RouteTarget::Local;
            let route = routes
                .iter()
                .find(|route| route.destination == destination)?;
            (!is_local(&route)).then(|| Edit::RemoveRoute {
                table: route_table.clone(),
                destination: destination.clone(),
            })
        }
        _ => None,
    }
}
