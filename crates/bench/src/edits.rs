//! What an edit costs a proof that stands, against compiling and proving everything anew in the same run.

use std::time::Instant;

use fabric::Fabric;
use model::{Model, NetworkAclId, PortRange, SecurityGroupId, TrafficMatch};
use proof::matrix::{Edit, Standing};
use proof::{Options, Reach};

use crate::account::Account;
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;

/// Edits of one kind in a run, each of another group or list.
const EDITS: usize = 20;

/// Measures and prints. Every edit is taken over, all its rows made again, and all pairs counted.
pub fn measure(runs: usize, interfaces: usize) -> Result {
    let vpcs = (interfaces / 1_000).max(1);
    let account = Account { interfaces, vpcs, groups: vpcs * 100, rules: interfaces, own_sets: false };
    let mut model = account.world().model;
    let groups = some(&model.security_groups.keys().cloned().collect::<Vec<_>>());
    let lists = some(&model.network_acls.keys().cloned().collect::<Vec<_>>());
    let mut standing = Standing::of(&Fabric::compile(&model), Options::default())?;
    let mut rows = Vec::new();
    for (name, most, of_lists, edit) in [
        ("an ingress rule more", Some(0.005), false, ingress as fn(&mut Model, &Which)),
        ("an egress rule more", Some(0.005), false, egress),
        ("a list's first entry turned round", Some(0.05), true, turn),
        ("a rule for a port that no rule knew", None, false, new_port),
    ] {
        let (mut took, mut anew, mut how) = (Figure::default(), Figure::default(), std::collections::BTreeMap::new());
        for run in 0..runs {
            let all: Vec<Which> = match of_lists {
                true => lists.iter().cloned().map(Which::List).collect(),
                false => groups.iter().cloned().map(Which::Group).collect(),
            };
            // What is proved anew is slow; two of each run tell enough.
            for which in all.iter().take(if most.is_some() { EDITS } else { 2 }) {
                edit(&mut model, which);
                let which = match which {
                    Which::Group(id) => Edit::Rules(id.clone()),
                    Which::List(id) => Edit::Entries(id.clone()),
                };
                let start = Instant::now();
                let taken = standing.take(&model, &which)?;
                std::hint::black_box(standing.totals());
                took.values.push(start.elapsed().as_secs_f64());
                let taken = format!("{taken:?}");
                *how.entry(taken.split('(').next().unwrap_or_default().to_owned()).or_insert(0usize) += 1;
            }
            if run == 0 || runs < 4 {
                let start = Instant::now();
                let fabric = Fabric::compile(&model);
                let totals = Reach::of(&fabric, Options::default())?.totals();
                anew.values.push(start.elapsed().as_secs_f64());
                let said = standing.totals();
                if (totals.pairs, totals.exposed) != (said.pairs, said.exposed) {
                    return Err(format!("{name}: said {said:?}, proved anew {totals:?}").into());
                }
            }
        }
        let target = most.map_or_else(|| "–".to_owned(), |most: f64| format!("≤ {most} s: {}", verdict(took.median(), most)));
        let worst = took.values.iter().copied().fold(0.0, f64::max);
        rows.push(vec![name.to_owned(), took.show(4), format!("{worst:.4}"), target, anew.show(3), format!("{how:?}")]);
    }
    table(
        &format!("An edit in {interfaces} interfaces, {vpcs} VPCs; load {}", load()),
        &["edit", "all pairs again s", "worst s", "target", "compiled and proved anew s", "how"],
        &rows,
    );
    Ok(())
}

/// What is edited.
#[derive(Clone)]
enum Which {
    Group(SecurityGroupId),
    List(NetworkAclId),
}

/// Some of all, evenly.
fn some<T: Clone>(all: &[T]) -> Vec<T> {
    all.iter().step_by((all.len() / EDITS).max(1)).take(EDITS).cloned().collect()
}

/// A rule of another group's once more, in this one.
fn borrow(model: &Model) -> Option<model::SecurityGroupRule> {
    model.security_groups.values().flat_map(|group| &group.ingress).find(|rule| rule.traffic == TrafficMatch::All).cloned()
}

fn ingress(model: &mut Model, which: &Which) {
    let (Which::Group(id), Some(rule)) = (which, borrow(model)) else { return };
    model.security_groups.entry(id.clone()).and_modify(|group| group.ingress.push(rule));
}

fn egress(model: &mut Model, which: &Which) {
    let (Which::Group(id), Some(rule)) = (which, borrow(model)) else { return };
    model.security_groups.entry(id.clone()).and_modify(|group| group.egress.push(rule));
}

fn new_port(model: &mut Model, which: &Which) {
    let (Which::Group(id), Some(mut rule)) = (which, borrow(model)) else { return };
    let known = model.security_groups.get(id).map_or(0, |group| group.ingress.len() as u16);
    rule.traffic = TrafficMatch::Tcp(PortRange::one(40_001 + 2 * known));
    model.security_groups.entry(id.clone()).and_modify(|group| group.ingress.push(rule));
}

fn turn(model: &mut Model, which: &Which) {
    let Which::List(id) = which else { return };
    model.network_acls.entry(id.clone()).and_modify(|acl| {
        if let Some(first) = acl.ingress.first_mut() {
            first.allow ^= true;
        }
    });
}
