//! Mistakes in lab files: each is one edit, the file stays legal where it says so, and nothing else of it moves.

use std::collections::{BTreeMap, BTreeSet};

use lab::slip::{Slip, slips};
use lab::Lab;

use crate::texts::One;

fn load(text: &str) -> Result<Lab, lab::Diagnostics> {
    lab::load("lab.yaml", &One(text.to_owned()))
}

fn is_legal(text: &str) -> bool {
    load(text).is_ok_and(|lab| {
        let mut model = model::Model::new("000000000000", lab.region(), model::Context::seeded(1, model::Timestamp(1_800_000_000)));
        lab.apply(&mut model).is_ok()
    })
}

const SHOP: &str = "vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      web: { az: a, cidr: /24, route: igw, acl: strict }
      db:
        cidr: /24
        route: inside           # by the inspector
    route_tables:
      inside:
        routes:
          10.0.0.0/24: instance box
          0.0.0.0/0: nat@web
security_groups:
  web: [ \"tcp/80,443 from anywhere\", tcp/22 from sg:db ]
  db:
    - tcp/3306 from sg:web, sg:db   # the shop
    - tcp/22 from sg:web
  box:
    - all from 10.0.0.0/16
acls:
  strict:
    - 100 allow all from anywhere
    - 100 allow out all to anywhere
instances:
  web: { subnet: web, sg: web, public_ip: true }
  db:  { subnet: db, sg: db }
  box: { subnet: web, sg: box, source_dest_check: false, forward: true }
";

fn edits() -> Vec<(Slip, String)> {
    slips(&load(SHOP).unwrap()).into_iter().map(|slip| (slip.clone(), slip.edited(SHOP))).collect()
}

#[test]
fn a_mistake_is_one_edit_in_the_line_it_names() {
    let all = edits();
    assert!(all.len() > 30, "{}", all.len());
    for (slip, text) in &all {
        assert_ne!(text, SHOP, "{slip:?}");
        let (was, is): (Vec<&str>, Vec<&str>) = (SHOP.lines().collect(), text.lines().collect());
        let line = slip.line as usize - 1;
        assert_eq!(was[..line], is[..line], "{slip:?}");
        let after = was.len() - line - 1;
        assert!(is.ends_with(&was[was.len() - after..]), "{slip:?}\n{text}");
        assert!(is.len().abs_diff(was.len()) <= 1, "{slip:?}");
    }
}

#[test]
fn most_mistakes_are_legal_lab_files_and_every_kind_has_one_that_is() {
    let mut legal: BTreeMap<&str, usize> = BTreeMap::new();
    let all = edits();
    for (slip, text) in &all {
        *legal.entry(slip.kind).or_default() += usize::from(is_legal(text));
    }
    let kinds: BTreeSet<&str> = legal.iter().filter(|(_, count)| **count > 0).map(|(kind, _)| *kind).collect();
    let wanted = [
        "denying-entry", "lost-address", "lost-entry", "lost-route", "lost-rule", "no-forwarding", "source-dest-check", "swapped-acl",
        "swapped-route-table", "wrong-group", "wrong-rule", "wrong-target",
    ];
    assert_eq!(kinds, BTreeSet::from(wanted), "{legal:?}");
    assert!(legal.values().sum::<usize>() * 10 >= all.len() * 8, "{legal:?} of {}", all.len());
}

#[test]
fn what_is_cut_takes_its_comma_or_its_line_with_it() {
    let all: BTreeMap<String, String> = edits().into_iter().map(|(slip, text)| (format!("{}: {}", slip.subject, slip.text), text)).collect();
    let cut = |what: &str, from: &str, to: &str| {
        assert_eq!(SHOP.matches(from).count(), 1, "{from}");
        assert_eq!(all.get(what).unwrap_or_else(|| panic!("{what}: {:#?}", all.keys())), &SHOP.replacen(from, to, 1), "{what}");
    };
    cut("sg web: the rule `tcp/80,443 from anywhere` is gone", "\"tcp/80,443 from anywhere\", ", "");
    cut("sg web: the rule `tcp/22 from sg:db` is gone", ", tcp/22 from sg:db", "");
    cut("sg db: the rule `tcp/22 from sg:web` is gone", "    - tcp/22 from sg:web\n", "");
    cut("sg box: the rule `all from 10.0.0.0/16` is gone", "- all from 10.0.0.0/16", "[]");
    cut("sg db: the rule `tcp/3306 from sg:web, sg:db` says `tcp/3306 from sg:db`", "tcp/3306 from sg:web, sg:db", "tcp/3306 from sg:db");
    cut("subnet db: its route says `none` instead of `inside`", "route: inside ", "route: none ");
    cut("subnet web: it has the default acl instead of `strict`", ", acl: strict", "");
    cut("rtb inside: the route 10.0.0.0/24 -> instance box is gone", "          10.0.0.0/24: instance box\n", "");
    cut("box: its source/dest check is on", "source_dest_check: false, ", "");
    let before = "    - 99 deny tcp/1024-65535 from anywhere\n    - 100 allow all from";
    cut("acl strict: the entry `99 deny tcp/1024-65535 from anywhere` stands before `100 allow all from anywhere`", "    - 100 allow all from", before);
}
