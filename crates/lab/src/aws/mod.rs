//! Reads what `aws ec2 describe-…` wrote into a model: the ids, states and tags of the account, as they are.
//!
//! Start at [`read`]. `json` makes values with places of text, `calls` sorts them by the call that answered them,
//! `field` reads fields. `network`, `policy`, `interface`, `connect` and `transit` fill the model's tables, one resource
//! after the other; `consistency` and `contradiction` compare what they say of each other. An account that exists is a
//! fact and no request, so no quota is met and no operation asked. What the dump lacks is treated as absent and noted
//! ([`Note`]).

mod calls;
mod connect;
mod consistency;
mod contradiction;
mod field;
mod interface;
pub(crate) mod json;
mod network;
mod note;
mod policy;
mod time;
mod transit;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use model::{Context, Destination, Model, Region, RouteTableId, Timestamp};

use self::calls::Calls;
use self::field::{Item, Reader};
pub use self::note::{Note, NoteKind};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Sources, Span};

/// Files of one dump at most.
pub const MAX_FILES: usize = 10_000;
/// Bytes of all files of a dump at most.
pub const MAX_BYTES: u64 = 512 << 20;

/// JSON values of all files of a dump at most: numbers, texts, lists and objects, as they come.
pub const MAX_VALUES: usize = 24_000_000;
/// Rules of security groups and entries of network ACLs at most; a rule for a prefix list counts as each of its entries.
pub const MAX_RULES: usize = 400_000;
/// Network interfaces at most.
pub const MAX_INTERFACES: usize = 200_000;

/// One file of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpFile {
    /// Its path as the user knows it; folders named like a region or below `accounts` say where it belongs.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// An account as its dump describes it.
#[derive(Debug, Clone)]
pub struct Import {
    /// What is there.
    pub model: Model,
    /// What is not, or is not known, in the order of files.
    pub notes: Vec<Note>,
}

impl Import {
    /// Whether verdicts about this model may differ from those about the account.
    pub fn is_incomplete(&self) -> bool {
        self.notes.iter().any(|note| note.kind.leaves_a_gap())
    }
}

/// Reads a dump. Errors: broken JSON, fields that cannot be, facts that exclude each other, or nothing to read.
pub fn read(files: Vec<DumpFile>, now: Timestamp) -> Result<Import, Diagnostics> {
    let mut sources = Sources::default();
    for file in files {
        sources.add(file.name, file.text);
    }
    let mut left = MAX_VALUES;
    let mut parsed = Vec::new();
    let mut broken = Vec::new();
    for file in 0..u32::try_from(sources.len()).unwrap_or(u32::MAX) {
        match json::parse(&sources, file, &mut left) {
            Ok(json) => parsed.push(json),
            Err(problem) => broken.push(*problem),
        }
    }
    if !broken.is_empty() {
        return Err(Diagnostics::new(sources, broken));
    }
    read_answers(&sources, &parsed, Vec::new(), now)
}

/// Reads answers whose places are in `sources`; `notes` are remarks about how they came to be.
pub(crate) fn read_answers(sources: &Sources, parsed: &[json::Json], notes: Vec<Note>, now: Timestamp) -> Result<Import, Diagnostics> {
    let mut reader = Reader { sources, problems: Vec::new(), notes };
    let calls = Calls::sort(parsed, &mut reader);
    if calls.is_empty() && reader.problems.is_empty() {
        let message = "no file here is the answer of an `aws ec2 describe-…` call";
        let hint = "such as: aws ec2 describe-vpcs > DIR/vpcs.json; then subnets, route tables, …";
        reader.problem(Diagnostic::general(Code::NoDump, message).hint(hint));
    }
    let account = calls.account(&mut reader);
    // Synthetic ids are derived from the ids of the account, never drawn; the context only carries the clock.
    let model = Model::new(&account, Region::default(), Context::seeded(0, now));
    let mut dump = Dump { reader, model, calls, places: BTreeMap::new(), blackholes: BTreeSet::new(), rules: 0 };
    dump.everything();
    let Dump { reader: Reader { problems, mut notes, .. }, model, .. } = dump;
    if !problems.is_empty() {
        return Err(Diagnostics::new(sources.clone(), problems));
    }
    notes.sort_by(|a, b| (a.kind, &a.origin, &a.text).cmp(&(b.kind, &b.origin, &b.text)));
    notes.dedup();
    Ok(Import { model, notes })
}

/// A dump while it becomes a model.
struct Dump<'s, 'j> {
    reader: Reader<'s>,
    model: Model,
    calls: Calls<'j>,
    /// Where each resource stands, by its id.
    places: BTreeMap<String, Span>,
    /// Routes that lead nowhere in the account either.
    blackholes: BTreeSet<(RouteTableId, Destination)>,
    /// Rules and entries by now.
    rules: usize,
}

impl Dump<'_, '_> {
    fn everything(&mut self) {
        self.vpcs();
        self.subnets();
        self.gateways();
        self.dhcp_options();
        self.prefix_lists();
        self.security_groups();
        self.network_acls();
        self.network_interfaces();
        self.instances();
        self.nat_gateways();
        self.addresses();
        self.peerings();
        self.endpoints();
        self.served();
        self.transit_gateways();
        self.route_tables();
        self.region();
        self.consistency();
        self.guests();
    }

    /// Counts what was read. `false`: that is more than may be, which is said once; whoever reads stops there.
    fn counts(&mut self, rules: usize, item: &Item<'_>, list: &str) -> bool {
        let was_full = self.rules > MAX_RULES;
        self.rules = self.rules.saturating_add(rules);
        let is_full = self.rules > MAX_RULES;
        if is_full && !was_full {
            let message = format!("{}.{list}: more than {MAX_RULES} rules and entries in all, each entry of a prefix list counted", item.path);
            self.reader.problem(Diagnostic::new(Code::DumpTooLarge, item.span(), message).label("one too many").hint("one folder for each account and region"));
        }
        !is_full
    }

    /// Notes where a resource stands. `false`: it was described before.
    fn place(&mut self, id: impl ToString, item: &Item<'_>) -> bool {
        self.places.insert(id.to_string(), item.span()).is_none()
    }

    fn place_of(&self, id: impl ToString) -> Span {
        self.places.get(&id.to_string()).copied().unwrap_or_default()
    }

    /// The region that most subnets are in, else the one that a folder names.
    fn region(&mut self) {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for subnet in self.model.subnets.values() {
            *count.entry(calls::region_of_zone(&subnet.availability_zone)).or_default() += 1;
        }
        let most = count.iter().max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name))).map(|(name, _)| (*name).to_owned());
        if let Some(region) = most.or_else(|| self.calls.region()) {
            self.model.region = Region(region);
        }
    }
}

/// An id that follows from another text: the same dump gives the same ids.
pub(crate) fn derived<Id: FromStr>(prefix: &str, from: &str) -> Option<Id> {
    format!("{prefix}-{:016x}f", hash(from)).parse().ok()
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
