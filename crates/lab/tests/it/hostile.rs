//! Whatever a file holds, reading it ends soon, without a panic, and within bounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lab::{Code, Diagnostics, Files, Lab, load};
use model::{Context, Model, Region, Timestamp};
use proptest::prelude::*;

struct Map(BTreeMap<String, String>);

impl Files for Map {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        self.0.get(name).map(|text| (name.to_owned(), text.clone())).ok_or_else(|| "no such file".to_owned())
    }
}

fn read(text: &str) -> Result<Lab, Diagnostics> {
    load("a.yaml", &Map([("a.yaml".to_owned(), text.to_owned())].into()))
}

fn read_and_apply(text: &str) {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    match read(text).and_then(|lab| lab.apply(&mut model)) {
        Ok(_) => {}
        Err(problems) => assert!(!problems.list.is_empty() && !problems.render(true).is_empty()),
    }
}

fn quickly<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    // Generous: debug builds on a busy machine. What is caught here is a square or worse, which takes minutes.
    assert!(start.elapsed() < Duration::from_secs(30), "{what} took {:?}", start.elapsed());
    result
}

#[test]
fn files_that_double_at_every_level_are_refused() {
    let files = (0..40).map(|n| (format!("{n}.yaml"), format!("include: [{0}.yaml, {0}.yaml]\n", n + 1)));
    let files = files.chain([("40.yaml".to_owned(), "name: last\n".to_owned())]);
    let error = quickly("including", || load("0.yaml", &Map(files.collect()))).unwrap_err();
    assert_eq!(error.list[0].code, Code::IncludeCycle, "{error}");
}

#[test]
fn files_that_include_each_other_are_refused() {
    let files = [("a.yaml", "include: b.yaml"), ("b.yaml", "include: a.yaml")];
    let error = load("a.yaml", &Map(files.map(|(n, t)| (n.to_owned(), t.to_owned())).into())).unwrap_err();
    assert_eq!(error.list[0].code, Code::IncludeCycle, "{error}");
}

#[test]
fn a_long_chain_of_like_is_refused() {
    let mut text = "instances:\n  i0: { subnet: a }\n".to_owned();
    for n in 1..20_000 {
        text.push_str(&format!("  i{n}: {{ like: i{} }}\n", n - 1));
    }
    // In file order each link is whole when the next one needs it; backwards the chain is as long as it looks.
    let backwards: Vec<&str> = text.lines().skip(1).collect();
    let backwards = format!("instances:\n{}\n", backwards.into_iter().rev().collect::<Vec<_>>().join("\n"));
    let error = quickly("a chain", || read(&backwards)).unwrap_err();
    assert_eq!(error.list[0].code, Code::LikeCycle);
    quickly("a chain in file order", || read(&text)).unwrap();
}

#[test]
fn like_cannot_fill_the_memory() {
    let run = "x, ".repeat(2_000);
    let mut text = format!("instances:\n  i: {{ subnet: a, run: [{run}] }}\n");
    for n in 0..2_000 {
        text.push_str(&format!("  i{n}: {{ like: i }}\n"));
    }
    let error = quickly("copying", || read(&text)).unwrap_err();
    assert_eq!(error.list[0].code, Code::TooManyAliases, "{error}");
}

#[test]
fn many_counts_end_at_a_limit() {
    let mut text = "instances:\n".to_owned();
    for n in 0..200 {
        text.push_str(&format!("  i{n}: {{ subnet: a, count: 5000 }}\n"));
    }
    let error = quickly("counting", || read(&text)).unwrap_err();
    assert_eq!(error.list[0].code, Code::OutOfRange, "{error}");
}

#[test]
fn large_files_are_read_in_time() {
    let mut text = "outside:\n".to_owned();
    for n in 0..100_000 {
        text.push_str(&format!("  host-{n}: 203.0.113.7\n"));
    }
    assert_eq!(quickly("many places", || read(&text)).unwrap_err().list[0].code, Code::OutOfRange);
    let mut text = "vpcs:\n".to_owned();
    for n in 0..100_000 {
        text.push_str(&format!("  vpc-{n}: {{ cidr: 10.0.0.0/16, wrong: 1 }}\n"));
    }
    let error = quickly("many errors", || read(&text)).unwrap_err();
    assert!(quickly("drawing", || error.render(false)).lines().count() < 500);
}

fn code(text: &str) -> Code {
    quickly("reading", || read(text)).unwrap_err().list[0].code
}

/// Applies a text that is refused, quickly, and draws what is said.
fn refused(what: &str, text: &str) -> Diagnostics {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    let error = quickly(what, || read(text).and_then(|lab| lab.apply(&mut model))).expect_err(what);
    let drawn = quickly("drawing", || error.render(false));
    assert!(drawn.len() < 200_000, "{what}: {} bytes of text", drawn.len());
    error
}

#[test]
fn a_file_that_is_too_large_is_not_looked_at() {
    assert_eq!(code(&format!("name: a\n{}", "# ten megabytes\n".repeat(10 << 16))), Code::TooLarge);
    assert_eq!(code(&"[".repeat(10 << 20)), Code::TooLarge);
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{a: ", "- ", "[{a: ", "? "] {
        assert_eq!(code(&open.repeat(1_000_000 / open.len())), Code::TooDeep, "{open}");
    }
    let mut lines = String::new();
    (0..200).for_each(|n| lines.push_str(&format!("{}a:\n", " ".repeat(n))));
    assert_eq!(code(&lines), Code::TooDeep);
}

#[test]
fn aliases_cannot_fill_the_memory() {
    let mut levels = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    (1..30).for_each(|n| levels.push_str(&format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)));
    assert_eq!(code(&levels), Code::TooManyAliases);
    // One long text, repeated: few nodes and much memory.
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(50_000));
    assert_eq!(code(&long), Code::TooManyAliases);
}

#[test]
fn copies_cannot_fill_the_memory() {
    let run = format!("instances:\n  i: {{ subnet: a, count: 5000, run: [\"{}\"] }}\n", "x".repeat(1 << 20));
    assert_eq!(code(&run), Code::OutOfRange);
    let data = format!("instances:\n  i: {{ subnet: a, count: 200, user_data: \"{}\" }}\n", "x".repeat(1 << 20));
    assert_eq!(code(&data), Code::BadUserData);
    let text = "instances:\n  i: { subnet: a, count: 5000, user_data: { file: long.sh } }\n";
    let files = Map([("a.yaml".to_owned(), text.to_owned()), ("long.sh".to_owned(), "x".repeat(8 << 20))].into());
    let error = quickly("reading", || load("a.yaml", &files)).unwrap_err();
    assert_eq!((error.list[0].code, error.list.len()), (Code::BadUserData, 1), "said once");
}

#[test]
fn one_line_may_be_as_long_as_a_file() {
    let many = |one: &str| {
        format!(
            "{{ vpcs: {{ v: {{ cidr: 10.0.0.0/16 }} }}, outside: {{ {} }} }}",
            (0..60_000).map(|n| one.replace('#', &n.to_string())).collect::<String>()
        )
    };
    assert_eq!(refused("wrong addresses", &many("h#: 1.2.3, ")).list[0].code, Code::NotAnAddress);
    assert_eq!(refused("booleans", &many("h#: yes, ")).list[0].code, Code::NotAnAddress);
    let claims = format!("{{ expect: [ {} ] }}", "{ subnet: a -> b tcp/1: open }, ".repeat(60_000));
    refused("claims", &claims);
    refused("a broken line", &format!("{}]", "sg: a from b, ".repeat(300_000)));
    refused("a tab", &format!("\t{}", "sg: a from b, ".repeat(300_000)));
}

#[test]
fn huge_blocks_and_many_subnets_are_refused_or_made_in_time() {
    for cidr in ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/15", "0.0.0.0/16", "255.255.255.255/32", "224.0.0.0/16"] {
        refused(cidr, &format!("vpcs: {{ v: {{ cidr: {cidr}, subnets: {{ a: {{ cidr: /28 }} }} }} }}\n"));
    }
    let subnets = |count: usize| (0..count).map(|n| format!("s{n}: {{ cidr: /28 }}, ")).collect::<String>();
    let few = format!("vpcs: {{ v: {{ cidr: 10.0.0.0/16, subnets: {{ {} }} }} }}\n", subnets(1_000));
    assert_eq!(refused("over the quota", &few).list[0].code, Code::Refused);
    let raised = format!("quotas: {{ subnets_per_vpc: 20000 }}\n{few}");
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    quickly("a thousand subnets", || read(&raised).unwrap().apply(&mut model)).unwrap();
    assert_eq!(model.subnets.len(), 1_000);
    let much = format!(
        "quotas: {{ subnets_per_vpc: 20000 }}\nvpcs: {{ v: {{ cidr: 10.0.0.0/16, subnets: {{ {} }} }} }}\n",
        subnets(5_000)
    );
    assert_eq!(refused("no room", &much).list[0].code, Code::NoRoom);
    assert_eq!(refused("no limit", "quotas: { vpcs_per_region: 18446744073709551615 }\n").list[0].code, Code::OutOfRange);
}

#[test]
fn what_is_over_a_limit_of_aws_ends_soon() {
    let lab = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: /17, route: igw }, b: { cidr: /18 } } } }\n";
    let many = |count: usize, one: &str| (0..count).map(|n| one.replace('#', &n.to_string())).collect::<String>();
    for (what, more) in [
        ("VPCs", format!("vpcs:\n{}", many(12_000, "  v#: { cidr: 10.0.0.0/16 }\n"))),
        (
            "instances",
            format!(
                "quotas: {{ interfaces_per_region: 500 }}\n{lab}instances: {{ i: {{ subnet: a, count: 5000 }}, j: {{ subnet: b, count: 5000 }} }}\n"
            ),
        ),
        ("elastic addresses", format!("{lab}instances: {{ i: {{ subnet: a, count: 500, public_ip: eip }} }}\n")),
        ("groups", format!("{lab}security_groups:\n{}", many(12_000, "  g#: []\n"))),
        ("rules", format!("{lab}security_groups:\n  g:\n{}", many(12_000, "    - tcp/# from 10.0.0.0/8\n"))),
        ("peers", format!("{lab}security_groups:\n  g:\n{}", many(12_000, "    - tcp/1 from sg:g#\n"))),
        ("entries", format!("{lab}acls:\n  g:\n{}", many(12_000, "    - # allow tcp/1 from 10.0.0.0/8\n"))),
        (
            "routes",
            format!(
                "vpcs: {{ v: {{ cidr: 10.0.0.0/16, subnets: {{ a: {{ cidr: /24 }} }}, route_tables: {{ t: {{ routes: {{ {} }} }} }} }} }}\n",
                many(12_000, "0.0.0.0/0#: x#, ")
            ),
        ),
        ("tables", format!("vpcs: {{ v: {{ cidr: 10.0.0.0/16, route_tables: {{ {} }} }} }}\n", many(12_000, "t#: {}, "))),
        ("lists", format!("prefix_lists:\n{}", many(12_000, "  l#: [10.0.0.0/8]\n"))),
        ("list entries", format!("prefix_lists:\n  l:\n{}", many(12_000, "    - 10.0.0.#/32\n"))),
        ("places", format!("outside:\n{}", many(12_000, "  h#: 203.0.113.1\n"))),
        ("keys", format!("key_pairs:\n{}", many(12_000, "  k#: not-a-key\n"))),
        ("unknown subnets", format!("{lab}instances:\n{}", many(12_000, "  i#: { subnet: x# }\n"))),
        ("unknown groups", format!("{lab}instances:\n{}", many(12_000, "  i#: { subnet: a, sg: x# }\n"))),
        ("unknown ends", format!("{lab}expect:\n{}", many(12_000, "  - x# -> y# tcp/1: open\n"))),
        ("peerings", format!("{lab}peerings:\n{}", many(12_000, "  p#: [v, w#]\n"))),
        ("endpoints", format!("{lab}endpoints:\n{}", many(12_000, "  e#: { service: x# }\n"))),
        ("quotas", format!("quotas:\n{}", many(12_000, "  q#: 1\n"))),
    ] {
        let error = refused(what, &more);
        assert!(error.list.len() <= 60_000, "{what}");
    }
}

#[test]
fn many_claims_about_many_instances_are_checked_in_time() {
    let claims: String =
        (0..50_000).map(|n| format!("  - i-{} -> i-{} tcp/{}: open\n", n % 300 + 1, n % 299 + 1, n % 65_000 + 1)).collect();
    let lab = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: /17 } } } }\ninstances: { i: { subnet: a, count: 300 } }\n";
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    quickly("claims", || read(&format!("{lab}expect:\n{claims}")).unwrap().apply(&mut model)).unwrap();
}

const SHOP: &str = include_str!("../../../../examples/shop.yaml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,200}") {
        read_and_apply(&text);
    }

    #[test]
    fn any_text_of_yaml_signs_gets_an_answer(text in "[a-z0-9 \\n\\t:,\\-\\[\\]{}&*!|>'\"%@#.?/]{0,120}") {
        read_and_apply(&text);
    }

    #[test]
    fn a_lab_with_a_piece_changed_gets_an_answer(at in 0..SHOP.len(), length in 0usize..12, piece in "[a-z0-9 \\n:,\\-\\[\\]{}&*/.]{0,8}") {
        let (start, end) = (floor(at), floor((at + length).min(SHOP.len())));
        read_and_apply(&format!("{}{piece}{}", &SHOP[..start], &SHOP[end..]));
    }

    #[test]
    fn a_lab_with_two_words_swapped_gets_an_answer(a in 0usize..200, b in 0usize..200) {
        let mut words: Vec<&str> = SHOP.split_inclusive([' ', '\n']).collect();
        let (a, b) = (a % words.len(), b % words.len());
        words.swap(a, b);
        read_and_apply(&words.concat());
    }
}

fn floor(mut at: usize) -> usize {
    while !SHOP.is_char_boundary(at) {
        at -= 1;
    }
    at
}
