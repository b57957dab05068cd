//! What a lab file asks for, made in an empty cloud of its own: operations, resource by resource.
//!
//! Every rule of AWS is met here and every refusal shown at the line that caused it. How a cloud that exists comes
//! to be like this one is told in `change`.

mod address;
mod carve;
pub(crate) mod choice;
mod container;
mod flow_log;
mod instance;
mod ipv6;
mod lan;
mod network;
mod policy;
mod route;
mod transit;
mod vpn;

pub(crate) use route::passing_interface;
pub(crate) use transit::PRIVATE_ASNS;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::{ApiError, Context, Model, NetworkInterfaceId, Tags, VpcId};

use self::choice::{Addresses, Kept};
use self::ipv6::Ipv6Plan;
use crate::code::Code;
use crate::decode::Pairs;
use crate::diagnostic::{Diagnostic, Diagnostics, known_names};
use crate::file::Promise;
use crate::load::Lab;
use crate::names::Names;
use crate::source::{Located, Span};

/// Seconds of model time in which everything that was asked for settles.
pub(crate) const SETTLED: u64 = 300;

/// What follows from a first mistake need not be said for each thing.
const MAX_PROBLEMS: usize = 100;

/// A cloud as the file wants it.
#[derive(Debug)]
pub(crate) struct Target {
    /// The cloud.
    pub model: Model,
    /// Its names.
    pub names: Names,
    /// Elastic IP addresses that must be these; the others may be any.
    pub fixed: BTreeSet<Ipv4Addr>,
}

/// Makes the cloud that the file asks for, with the account and clock of `like` and, where the file leaves a choice,
/// the choice of `like`.
pub(crate) fn build(lab: &Lab, like: &Model) -> Result<Target, Diagnostics> {
    let kept = match like.region == lab.region() {
        true => Kept::of(like),
        false => Kept::default(),
    };
    let mut model = Model::new(&like.account_id, lab.region(), Context::seeded(0, like.context.now));
    let gateways = address::nat_paths(lab);
    let addresses = Addresses::new(lab, &kept, &gateways);
    let ipv6 = Ipv6Plan::new(lab, &kept.ipv6);
    let fixed = choice::pinned_public(lab);
    let mut build = Build {
        lab,
        model: &mut model,
        names: Names::default(),
        kept,
        addresses,
        ipv6,
        fixed,
        reserved: (String::new(), BTreeSet::new()),
        blackholes: BTreeMap::new(),
        problems: Vec::new(),
    };
    build.everything();
    let identities = crate::identity::build(lab, &like.account_id);
    build.problems.extend(identities.problems);
    let Build { fixed, problems, .. } = build;
    match problems.is_empty() {
        true => Ok(Target { names: Names::of(&model), model, fixed }),
        false => Err(Diagnostics::new(lab.sources.clone(), problems)),
    }
}

struct Build<'l, 'm> {
    lab: &'l Lab,
    model: &'m mut Model,
    names: Names,
    kept: Kept,
    addresses: Addresses,
    ipv6: Ipv6Plan,
    fixed: BTreeSet<Ipv4Addr>,
    /// Public addresses that nobody may draw, because somebody is to have them later, held by a place of this name.
    reserved: (String, BTreeSet<Ipv4Addr>),
    /// What `blackhole` routes lead to, by VPC: interfaces that are gone at the end.
    blackholes: BTreeMap<VpcId, NetworkInterfaceId>,
    problems: Vec<Diagnostic>,
}

impl Build<'_, '_> {
    fn everything(&mut self) {
        self.quotas();
        self.outside();
        self.reserve_public_addresses();
        self.prefix_lists();
        self.key_pairs();
        self.vpcs();
        // Rules may name groups of a VPC on the other side of a peering that is active (SG-13).
        self.settle();
        self.peerings();
        self.transit_gateways();
        self.settle();
        self.security_groups();
        self.acls();
        self.volumes();
        self.instances();
        self.lans();
        self.vpn_gateways();
        self.nat_gateways();
        self.settle();
        self.failed_nat_gateways();
        self.endpoints();
        self.settle();
        self.route_tables();
        self.propagations();
        self.transit_routes();
        self.public_addresses();
        self.give_back_reserved();
        self.power();
        self.settle();
        self.flow_logs();
        self.claims();
    }

    fn settle(&mut self) {
        let now = self.model.context.now;
        self.model.advance_to(now.plus(SETTLED));
    }

    fn problem(&mut self, diagnostic: Diagnostic) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(diagnostic);
        }
    }

    /// Whether so much is wrong that more would help nobody.
    fn gives_up(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// The result of an operation; a refusal is shown where the file caused it.
    fn op<T>(&mut self, span: Span, result: Result<T, ApiError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let message = error.message.trim_end_matches('.').to_owned();
                let mut diagnostic = Diagnostic::new(Code::Refused, span, message).maybe_hint(error.hint);
                diagnostic.aws = Some(error.code);
                self.problem(diagnostic);
                None
            }
        }
    }

    fn origin(&self, span: Span) -> model::Origin {
        self.lab.sources.origin(span)
    }

    fn unknown<T>(&mut self, code: Code, what: &str, name: &Located<String>, known: Vec<String>) -> Option<T> {
        // A thing of the file that could not be made has had its own error; that it is missing now only follows.
        let (_, own) = path(&name.value);
        if self.gives_up() || (!self.problems.is_empty() && known.iter().any(|known| known == own)) {
            return None;
        }
        let hint = known_names(&name.value, what, known.iter().map(String::as_str));
        let problem = Diagnostic::new(code, name.span, format!("no {what} is called `{}`", name.value));
        self.problem(problem.label("not found").hint(hint));
        None
    }

    /// Ends that claims name must exist: a set that matches nothing proves nothing.
    fn claims(&mut self) {
        if !self.problems.is_empty() {
            return;
        }
        let mut known = BTreeSet::new();
        let traffic = self.lab.file.expect.iter().filter_map(|promise| match promise {
            Promise::Traffic(phrase) => Some(phrase),
            Promise::Right(_) => None,
        });
        for phrase in traffic {
            for (selector, span) in &phrase.selectors {
                // Claims name the same few ends again and again.
                if self.gives_up() || !known.insert((selector.to_string(), span.file)) {
                    continue;
                }
                match selector.ends(self.model) {
                    Ok(ends) if !ends.is_empty() => {}
                    Ok(_) => {
                        let problem = Diagnostic::new(Code::UnknownEnd, *span, format!("`{selector}` selects nothing"));
                        self.problem(problem.label("empty").hint("a claim about nobody cannot be tested"));
                    }
                    Err(_) if let Some((lan, device)) = self.lan_of(&selector.to_string()) => {
                        // A host may get its address when it runs.
                        if device.interfaces().is_none() {
                            let message = format!("`{selector}` is a {} of the lan `{lan}`: it has no address", device.kind());
                            self.problem(Diagnostic::new(Code::UnknownEnd, *span, message).label("no end of a claim").hint("hosts and routers of lans are, instances and outside places"));
                        }
                    }
                    Err(error) => {
                        let text = selector.to_string();
                        let word = text.rsplit(':').next().unwrap_or(&text);
                        let near = crate::diagnostic::nearest(word, error.known.iter().map(String::as_str));
                        let hint = near.map(|near| format!("did you mean `{near}`?"));
                        let problem = Diagnostic::new(Code::UnknownEnd, *span, error.to_string());
                        self.problem(problem.label("not found").maybe_hint(hint));
                    }
                }
            }
        }
    }
}

/// The `Name` tag and what the file adds.
fn tags(name: &str, more: &Pairs<Located<String>>) -> Tags {
    let mut tags: Tags = more.0.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
    tags.insert("Name".to_owned(), name.to_owned());
    tags
}

/// `vpc/name`, or a name alone.
fn path(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((vpc, name)) => (Some(vpc), name),
        None => (None, text),
    }
}
