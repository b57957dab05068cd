//! Carrying a plan out: what must go goes, what is missing comes, the rest is set right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::Ipv4Addr;

use model::operation::*;
use model::quota::Quotas;
use model::*;

use super::difference::Difference;
use super::view::{Key, Kind};
use crate::build::{SETTLED, Target};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::names::{Index, Names};

/// What a step of a transition ends in.
pub(super) type Step<T = ()> = Result<T, Box<Diagnostic>>;

/// A cloud on its way to be like another.
pub(super) struct Transition<'t> {
    /// What it is by now.
    pub model: &'t mut Model,
    /// The names in it; kept up to date by hand, because reading all takes long.
    pub names: Names,
    /// What it is to be.
    pub target: &'t Target,
    /// What must go.
    pub doomed: &'t BTreeSet<Key>,
    /// Elastic IP addresses by what they are for, from before anything changed.
    pub elastic: BTreeMap<String, AllocationId>,
}

/// Makes `model` like the target. After an error it is somewhere on the way.
pub(super) fn transition(model: &mut Model, target: &Target, difference: &Difference) -> Step {
    let names = Names::of(model);
    let elastic = names.elastic.iter().map(|(role, id)| (role.to_owned(), id.clone())).collect();
    // The target keeps to its limits and the cloud will be like it; on the way there it may have too much for a moment.
    model.quotas = unlimited();
    let mut transition = Transition { model, names, target, doomed: &difference.doomed, elastic };
    transition.set_lans(Table::new())?;
    transition.remove()?;
    transition.names = Names::of(transition.model);
    transition.make_network()?;
    transition.make_peerings()?;
    transition.make_transit()?;
    transition.make_policy()?;
    transition.make_addresses()?;
    transition.make_volumes()?;
    transition.make_instances()?;
    transition.forget_volumes()?;
    transition.set_lans(target.model.lans.clone())?;
    transition.make_nat_gateways()?;
    transition.settle();
    transition.make_routes()?;
    transition.map_addresses()?;
    transition.power()?;
    transition.forget_dhcp_options()?;
    transition.settle();
    transition.make_flow_logs()?;
    model.quotas = target.model.quotas.clone();
    Ok(())
}

impl Transition<'_> {
    pub fn settle(&mut self) {
        self.wait(SETTLED);
    }

    pub fn wait(&mut self, seconds: u64) {
        let now = self.model.context.now;
        self.model.advance_to(now.plus(seconds));
    }

    /// Lans are given at once. They go first and come when everything has its name: a name may pass from one thing to another.
    fn set_lans(&mut self, lans: Table<String, Lan>) -> Step {
        if self.model.lans == lans {
            return Ok(());
        }
        let result = set_lans(self.model, lans);
        self.op("lans", result)
    }

    /// Whether a thing must go.
    pub fn goes(&self, kind: Kind, name: &str) -> bool {
        self.doomed.contains(&(kind, name.to_owned()))
    }

    /// Names of things that must go.
    pub fn going(&self, kind: Kind) -> Vec<String> {
        self.doomed.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.clone()).collect()
    }

    /// The result of an operation that nothing should refuse.
    pub fn op<T>(&self, what: &str, result: Result<T, ApiError>) -> Step<T> {
        result.map_err(|error| {
            let why = error.message.trim_end_matches('.');
            let message = format!("the running lab cannot become what the file says: {what}: {why}");
            let mut diagnostic = Diagnostic::general(Code::NotDescribable, message).maybe_hint(error.hint);
            diagnostic.aws = Some(error.code);
            Box::new(diagnostic)
        })
    }

    /// The thing here that has the name of a thing there.
    pub fn own<Id: Ord + Clone + Display>(&self, of: fn(&Names) -> &Index<Id>, there: &Id) -> Step<Id> {
        let name = of(&self.target.names).name(there);
        let here = name.and_then(|name| of(&self.names).id(name));
        here.cloned().ok_or_else(|| {
            let name = name.unwrap_or("?");
            Diagnostic::general(Code::NotDescribable, format!("the running lab cannot become what the file says: no `{name}`"))
                .into()
        })
    }

    pub fn own_vpc(&self, there: &VpcId) -> Step<VpcId> {
        self.own(|names| &names.vpcs, there)
    }

    pub fn own_subnet(&self, there: &SubnetId) -> Step<SubnetId> {
        self.own(|names| &names.subnets, there)
    }

    pub fn own_groups(&self, there: &[SecurityGroupId]) -> Step<Vec<SecurityGroupId>> {
        there.iter().map(|group| self.own(|names| &names.security_groups, group)).collect()
    }

    /// Whether an Elastic IP address may stay where the target has another: where any will do, and nobody wants this.
    pub fn suits(&self, is: Ipv4Addr, wanted: Ipv4Addr) -> bool {
        let fixed = &self.target.fixed;
        is == wanted || (!fixed.contains(&wanted) && !fixed.contains(&is))
    }

    /// Gives a thing the tags that it is to have.
    pub fn set_tags(&mut self, id: String, is: &Tags, wanted: &Tags) -> Step {
        let gone: Vec<_> = is.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key.clone(), None)).collect();
        if !gone.is_empty() {
            let result = delete_tags(self.model, DeleteTags { resources: vec![id.clone()], tags: gone });
            self.op("tags", result)?;
        }
        let new: Tags =
            wanted.iter().filter(|(key, value)| is.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if !new.is_empty() {
            let result = create_tags(self.model, CreateTags { resources: vec![id], tags: new });
            self.op("tags", result)?;
        }
        Ok(())
    }
}

/// Limits that nothing reaches.
fn unlimited() -> Quotas {
    let Ok(serde_json::Value::Object(mut quotas)) = serde_json::to_value(Quotas::default()) else { return Quotas::default() };
    quotas.values_mut().for_each(|limit| *limit = 1_000_000_000.into());
    serde_json::from_value(serde_json::Value::Object(quotas)).unwrap_or_default()
}
