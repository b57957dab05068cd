//! What an edit costs a proof that stands, against compiling and proving everything anew in the same run.

use std::collections::BTreeMap;
use std::time::Instant;

use fabric::Fabric;
use model::route_table::{Associated, RouteTableAssociation};
use model::{NetworkAclId, PortRange, RouteTableId, SecurityGroupId, SubnetId, TrafficMatch};
use proof::matrix::{Edit, Standing};
use proof::{Options, Reach};
use rustix::time::{ClockId, clock_gettime};

use crate::account::Account;
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;
use crate::world::World;

/// Edits of one kind in a run, each of another group, list, table or subnet.
const EDITS: usize = 20;

/// A kind of edit.
struct Kind {
    name: &'static str,
    /// Seconds.
    most: Option<f64>,
    /// How many in a run.
    edits: usize,
    edit: fn(&mut World, &Which) -> Option<Edit>,
}

/// What is edited.
struct Which {
    /// The VPC, by its number.
    vpc: usize,
    group: SecurityGroupId,
    list: NetworkAclId,
}

/// Measures and prints. Every edit is taken over, all its rows made again, and all pairs counted.
pub fn measure(runs: usize, interfaces: usize) -> Result {
    let vpcs = (interfaces / 1_000).max(1);
    let account = Account { interfaces, vpcs, groups: vpcs * 100, rules: interfaces, own_sets: false };
    let mut world = account.world();
    (0..vpcs).for_each(|vpc| ways_out(&mut world, vpc));
    let groups = some(&world.model.security_groups.keys().cloned().collect::<Vec<_>>());
    let lists = some(&world.model.network_acls.keys().cloned().collect::<Vec<_>>());
    let vpcs_of_edits = some(&(0..vpcs).collect::<Vec<_>>());
    let mut all = Vec::new();
    for ((group, list), vpc) in groups.into_iter().zip(lists).zip(vpcs_of_edits.into_iter().cycle()) {
        all.push(Which { vpc, group, list });
    }
    let mut standing = Standing::of(&Fabric::compile(&world.model), Options::default())?;
    let mut rows = Vec::new();
    let slow = (interfaces <= 10_000).then(slow);
    for Kind { name, most, edits, edit } in kinds().into_iter().chain(slow) {
        let (mut took, mut spent, mut anew, mut how) = (Figure::default(), Figure::default(), Figure::default(), BTreeMap::new());
        for run in 0..runs {
            for which in all.iter().take(edits) {
                let Some(edit) = edit(&mut world, which) else { continue };
                let (start, before) = (Instant::now(), cpu());
                let taken = standing.take(&world.model, &edit)?;
                std::hint::black_box(standing.totals());
                took.values.push(start.elapsed().as_secs_f64());
                spent.values.push(cpu() - before);
                let taken = format!("{taken:?}");
                *how.entry(taken.split('(').next().unwrap_or_default().to_owned()).or_insert(0usize) += 1;
            }
            if run == 0 || runs < 4 {
                let start = Instant::now();
                let fabric = Fabric::compile(&world.model);
                let totals = Reach::of(&fabric, Options::default())?.totals();
                anew.values.push(start.elapsed().as_secs_f64());
                let said = standing.totals();
                if (totals.pairs, totals.exposed) != (said.pairs, said.exposed) {
                    return Err(format!("{name}: said {said:?}, proved anew {totals:?}").into());
                }
            }
        }
        let target = most.map_or_else(|| "–".to_owned(), |most: f64| format!("≤ {most} s: {}", verdict(took.median(), most)));
        eprintln!("{name}: {} s, of processors {} s", took.show(4), spent.show(4));
        let worst = took.values.iter().copied().fold(0.0, f64::max);
        let exposed = standing.totals().exposed;
        rows.push(vec![
            name.to_owned(),
            took.show(4),
            spent.show(4),
            format!("{worst:.4}"),
            target,
            anew.show(3),
            format!("{how:?}"),
            exposed.to_string(),
        ]);
    }
    table(
        &format!("An edit in {interfaces} interfaces, {vpcs} VPCs; load {}", load()),
        &["edit", "all pairs again s", "of processors s", "worst s", "target", "compiled and proved anew s", "how", "pairs exposed then"],
        &rows,
    );
    Ok(())
}

fn kinds() -> Vec<Kind> {
    let kind = |name, most, edits, edit| Kind { name, most, edits, edit };
    let route = |name, edit| kind(name, Some(0.05), EDITS, edit);
    vec![
        kind("an ingress rule more", Some(0.005), EDITS, ingress),
        kind("an egress rule more", Some(0.005), EDITS, egress),
        kind("the egress rules restricted", Some(0.005), EDITS, restrict),
        kind("a list's first entry turned round", Some(0.05), EDITS, turn),
        route("a default route to a NAT gateway", |world, which| routed(world, which, "0.0.0.0/0", "nat")),
        route("the default route to a middlebox instead", |world, which| routed(world, which, "0.0.0.0/0", "eni-fw")),
        route("the default route to an internet gateway instead", |world, which| routed(world, which, "0.0.0.0/0", "igw")),
        route("the route to a peer taken away", |world, which| peer(world, which, false)),
        route("the route to a peer put back", |world, which| peer(world, which, true)),
        route("a route to a peering connection that is gone", |world, which| {
            routed(world, which, "172.31.0.0/16", "pcx-gone")
        }),
        route("a subnet's block to an instance that forwards nothing", |world, which| {
            let block = format!("10.{}.32.0/20", which.vpc);
            routed(world, which, &block, "eni-idle")
        }),
        route("a block inside a subnet to the NAT gateway", |world, which| {
            let block = format!("10.{}.48.0/26", which.vpc);
            routed(world, which, &block, "nat")
        }),
        route("a public block to the internet gateway", |world, which| {
            let block = format!("203.0.{}.0/24", which.vpc);
            routed(world, which, &block, "igw")
        }),
        route("a subnet associated with another table", associate),
        kind("a rule for a port that no rule knew", None, 2, new_port),
    ]
}

/// What passes a middlebox is asked pair by pair, of the walker: too much of it to wait for in a large account.
fn slow() -> Kind {
    let edit = |world: &mut World, which: &Which| {
        let block = format!("10.{}.64.0/20", which.vpc);
        routed(world, which, &block, "eni-fw")
    };
    Kind { name: "a subnet's block to a middlebox that forwards", most: None, edits: 1, edit }
}

/// A gateway to the internet, a NAT gateway, a middlebox, an instance that is none, a table that nobody uses.
fn ways_out(world: &mut World, vpc: usize) {
    let name = vpc.to_string();
    world.igw(&name, &name);
    world.nat(&name, &format!("{vpc}s0"), &format!("10.{vpc}.0.5"), Some(&format!("198.51.100.{vpc}")));
    for (role, address) in [("fw", 6), ("idle", 7)] {
        world.instance(&format!("{role}{vpc}"), &format!("{vpc}s0"), &format!("10.{vpc}.0.{address}"), &format!("{vpc}x0"));
    }
    world.check(&format!("fw{vpc}"), false);
    world.forward(&format!("fw{vpc}"));
    world.table(&format!("{vpc}other"), &name);
}

/// Some of all, evenly.
fn some<T: Clone>(all: &[T]) -> Vec<T> {
    all.iter().step_by((all.len() / EDITS).max(1)).take(EDITS).cloned().collect()
}

/// A rule of another group's.
fn borrow(world: &World) -> Option<model::SecurityGroupRule> {
    let rules = || world.model.security_groups.values().flat_map(|group| &group.ingress);
    rules().find(|rule| rule.traffic == TrafficMatch::All).cloned()
}

fn ingress(world: &mut World, which: &Which) -> Option<Edit> {
    let rule = borrow(world)?;
    world.model.security_groups.get_mut(&which.group)?.ingress.push(rule);
    Some(Edit::Rules(which.group.clone()))
}

fn egress(world: &mut World, which: &Which) -> Option<Edit> {
    let rule = borrow(world)?;
    world.model.security_groups.get_mut(&which.group)?.egress.push(rule);
    Some(Edit::Rules(which.group.clone()))
}

/// What let everything out lets out to one group's members now.
fn restrict(world: &mut World, which: &Which) -> Option<Edit> {
    let rule = borrow(world)?;
    world.model.security_groups.get_mut(&which.group)?.egress = vec![rule];
    Some(Edit::Rules(which.group.clone()))
}

fn new_port(world: &mut World, which: &Which) -> Option<Edit> {
    let mut rule = borrow(world)?;
    let group = world.model.security_groups.get_mut(&which.group)?;
    rule.traffic = TrafficMatch::Tcp(PortRange::one(40_001 + 2 * group.ingress.len() as u16));
    group.ingress.push(rule);
    Some(Edit::Rules(which.group.clone()))
}

fn turn(world: &mut World, which: &Which) -> Option<Edit> {
    world.model.network_acls.get_mut(&which.list)?.ingress.first_mut()?.allow ^= true;
    Some(Edit::Entries(which.list.clone()))
}

/// A route of the VPC's table; the target is a kind, the VPC's own of which is meant.
fn routed(world: &mut World, which: &Which, destination: &str, target: &str) -> Option<Edit> {
    let table = which.vpc.to_string();
    match target {
        kind @ ("igw" | "nat") => world.route(&table, destination, &format!("{kind}-{table}")),
        "pcx-gone" => world.route(&table, destination, target),
        target => world.route(&table, destination, &format!("{target}{table}")),
    }
    table_id(&table).map(Edit::Routes)
}

/// The route to the VPC that comes after.
fn peer(world: &mut World, which: &Which, back: bool) -> Option<Edit> {
    let next = which.vpc + 1;
    let (block, target) = (format!("10.{next}.0.0/16"), format!("pcx-{next}"));
    match back {
        true => world.route(&which.vpc.to_string(), &block, &target),
        false => world.unroute(&which.vpc.to_string(), &block),
    }
    table_id(&which.vpc.to_string()).map(Edit::Routes)
}

fn associate(world: &mut World, which: &Which) -> Option<Edit> {
    let subnet: SubnetId = format!("subnet-{}s5", which.vpc).parse().ok()?;
    let (own, other) = (table_id(&which.vpc.to_string())?, table_id(&format!("{}other", which.vpc))?);
    let to = Associated::Subnet(subnet.clone());
    let associations = &mut world.model.route_tables.get_mut(&own)?.associations;
    let at = associations.iter().position(|association| association.to == to)?;
    let association: RouteTableAssociation = associations.remove(at);
    world.model.route_tables.get_mut(&other)?.associations.push(association);
    Some(Edit::Association(subnet))
}

/// Seconds of CPU that the process has used, all threads.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn table_id(name: &str) -> Option<RouteTableId> {
    format!("rtb-{name}").parse().ok()
}
