//! Transit gateways on top of a random cloud: a third VPC as part of the lab file, and gateways, attachments, tables and routes in
//! lines that a lab file's reader takes for comments (see [`super::beyond`]).

use std::fmt::Write;

use model::random::SplitMix64;

/// What such a line begins with.
pub const MARK: &str = "#t ";

/// Tables of the VPCs.
const TABLES: [(&str, &[&str]); 3] = [("a", &["t-pub", "t-app", "t-db", "t-fw"]), ("b", &["t-pub2", "t-app2"]), ("c", &["t-c1", "t-c2"])];

/// The lab file with transit gateways, for about half of all seeds.
pub fn extended(seed: u64, lab: String) -> String {
    let mut dice = SplitMix64(seed.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ 0x94d0_49bb_1331_11eb);
    if !dice.chance(50) {
        return lab;
    }
    // Things of the second level: a subnet may be called as an instance is.
    let has = |what: &str| lab.lines().any(|line| line.strip_prefix("  ").is_some_and(|line| line.starts_with(&format!("{what}:"))));
    let (has_b, speaks_ipv6) = (has("b"), lab.contains("#6 vpc a cidr6"));
    // Two VPCs may have one block.
    let block = if dice.chance(12) { 2 } else { 3 };
    let mut text = third_vpc(&mut dice, lab, block);
    let mut say = |line: String| {
        let _ = writeln!(text, "{MARK}{line}");
    };
    if speaks_ipv6 {
        ipv6_of_third(&mut say);
    }
    if dice.chance(35) {
        list_of_third(&mut dice, speaks_ipv6, &mut say);
    }
    let mut hub = vec!["a"];
    let by = dice.pick(&["pub", "app", "db", "fw"]);
    let mut subnets = vec![by];
    if has_b && dice.chance(85) {
        hub.push("b");
        subnets.push(dice.pick(&["pub2", "app2"]));
    }
    let by = dice.pick(&["c1", "c1,c2", "c1,c2", "c2"]);
    let has_rim = dice.chance(30);
    if !has_rim {
        hub.push("c");
        subnets.push(by);
    }
    say(format!("tgw hub = {}", subnets.join(",")));
    if has_rim {
        say(format!("tgw rim = {by}"));
        say("tgw hub peer rim".to_owned());
        for (table, other) in [("hub", "rim"), ("rim", "hub")] {
            if dice.chance(90) {
                say(format!("tgwrt {table} = {other}"));
            }
        }
        let blocks = [("rim", "10.1.0.0/16", "hub"), ("rim", "10.2.0.0/16", "hub"), ("hub", "10.3.0.0/16", "rim"), ("hub", "10.9.0.0/16", "rim")];
        for (table, block, to) in blocks {
            if dice.chance(80) {
                say(format!("tgwrt {table} + {block} > {to}"));
            }
        }
        if dice.chance(20) {
            say("tgwrt rim + 10.9.0.0/16 > hub".to_owned());
        }
        if speaks_ipv6 {
            say("tgwrt hub + 2001:db8:c::/56 > rim".to_owned());
            say("tgwrt rim + 2001:db8:a::/48 > hub".to_owned());
        }
    }
    tables(&mut dice, &hub, &mut say);
    routes(&mut dice, &hub, has_rim.then_some("c"), block, speaks_ipv6, &mut say);
    if speaks_ipv6 && dice.chance(20) {
        say(format!("tgw hub ipv6 {} off", dice.pick(&hub)));
    }
    text
}

/// A VPC with a subnet in each of two zones.
fn third_vpc(dice: &mut SplitMix64, lab: String, block: u8) -> String {
    let subnets = format!(
        "  c:\n    cidr: 10.{block}.0.0/16\n    subnets:\n      c1: {{ az: a, cidr: 10.{block}.1.0/24, route: t-c1 }}\n      \
         c2: {{ az: c, cidr: 10.{block}.2.0/24, route: t-c2 }}\n    route_tables:\n      t-c1: {{ routes: {{}} }}\n      t-c2: {{ routes: {{}} }}\n"
    );
    let mut rules: Vec<&str> = (0..4)
        .map(|_| dice.pick(&["tcp/22 from anywhere", "icmp from 10.1.0.0/16", "all from sg:cee", "udp/53 from anywhere", "tcp/80 from 10.0.0.0/8"]))
        .collect();
    rules.sort_unstable();
    rules.dedup();
    let group = format!("  cee: {{ vpc: c, rules: {rules:?} }}\n");
    let instances = "  cc1: { subnet: c/c1, sg: cee }\n  cc2: { subnet: c/c2, sg: cee }\n";
    let after = |lab: &str, line: &str, more: &str| lab.replacen(&format!("\n{line}\n"), &format!("\n{line}\n{more}"), 1);
    after(&after(&after(&lab, "vpcs:", &subnets), "security_groups:", &group), "instances:", instances)
}

fn ipv6_of_third(say: &mut impl FnMut(String)) {
    say("vpc c cidr6 + 2001:db8:c::/56".to_owned());
    for number in [1, 2] {
        say(format!("subnet c{number} cidr6 = 2001:db8:c:{number}::/64"));
        say(format!("eni cc{number} ip6 + 2001:db8:c:{number}::11"));
    }
    say("sg cee in + tcp 22 ::/0".to_owned());
    say("sg cee in + icmpv6 all 2001:db8:a::/56".to_owned());
    say("sg cee out + all all ::/0".to_owned());
}

fn list_of_third(dice: &mut SplitMix64, speaks_ipv6: bool, say: &mut impl FnMut(String)) {
    say(format!("acl cee = {}", dice.pick(&["c1", "c2", "c1,c2"])));
    let denied = dice.pick(&["tcp 80 0.0.0.0/0", "icmp all 10.1.1.0/24", "udp 53 10.0.0.0/8", "tcp 1024-65535 10.1.0.0/24"]);
    say(format!("acl cee in 90 deny {denied}"));
    say(format!("acl cee out 90 deny {}", dice.pick(&["tcp 22 10.1.0.0/16", "icmp all 10.0.0.0/8", "udp 53 10.3.0.0/16"])));
    for (number, block) in [(200, "0.0.0.0/0"), (210, "::/0")].into_iter().filter(|(_, block)| speaks_ipv6 || !block.contains(':')) {
        say(format!("acl cee in {number} allow all all {block}"));
        say(format!("acl cee out {number} allow {} {block}", dice.pick(&["all all", "all all", "tcp all"])));
    }
}

/// A second table, static routes, blackholes, and sometimes an attachment without a table.
fn tables(dice: &mut SplitMix64, attached: &[&'static str], say: &mut impl FnMut(String)) {
    let mut all = vec!["hub"];
    if dice.chance(35) {
        say("tgwrt apart new hub".to_owned());
        all.push("apart");
        for vpc in attached {
            if dice.chance(50) {
                say(format!("tgwrt apart = {vpc}"));
            }
            if dice.chance(60) {
                say(format!("tgwrt apart knows {vpc}"));
            }
        }
    } else if dice.chance(15) {
        say(format!("tgwrt hub without {}", dice.pick(attached)));
    }
    for table in all {
        let mut destinations = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let destination = dice.pick(&["0.0.0.0/0", "0.0.0.0/0", "10.9.0.0/16", "203.0.113.0/24", "10.3.1.0/24", "10.2.0.0/16", "10.1.1.0/24", "198.18.0.0/15"]);
            // Static routes to other gateways stand already.
            if dice.chance(40) && destinations.insert(destination) && destination != "10.9.0.0/16" {
                let to = if dice.chance(25) { "blackhole" } else { dice.pick(attached) };
                say(format!("tgwrt {table} + {destination} > {to}"));
            }
        }
        if dice.chance(25) && attached.contains(&"c") {
            say(format!("tgwrt {table} + 10.9.0.0/16 > c"));
        }
        if dice.chance(20) {
            say(format!("tgwrt {table} forgets {}", dice.pick(attached)));
        }
    }
}

fn routes(
    dice: &mut SplitMix64,
    hub: &[&'static str],
    rim: Option<&'static str>,
    block: u8,
    speaks_ipv6: bool,
    say: &mut impl FnMut(String),
) {
    for (vpc, tables) in TABLES {
        let gateway = match vpc {
            _ if hub.contains(&vpc) => "hub",
            _ if rim == Some(vpc) => "rim",
            _ => continue,
        };
        let blocks: &[&str] = match vpc {
            "a" => &["10.3.0.0/16", "10.3.0.0/16", "10.2.0.0/16", "10.0.0.0/8", "10.9.0.0/16", "198.18.0.0/15"],
            "b" => &["10.1.0.0/16", "10.0.0.0/8", "10.3.0.0/16", "203.0.113.0/24"],
            _ => &["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"],
        };
        let ipv6: &[&str] = match vpc {
            "c" => &["2001:db8:a::/56", "2001:db8::/32"],
            "b" => &["2001:db8:c::/56"],
            _ => &["2001:db8:c::/56", "2001:db8:c:1::/64"],
        };
        for table in tables {
            for _ in 0..2 {
                let destination = dice.pick(blocks);
                // RT-3: the local route stays.
                let is_local = vpc == "c" && destination == format!("10.{block}.0.0/16");
                if dice.chance(70) && !is_local {
                    say(format!("rt {table} + {destination} > {gateway}"));
                }
            }
            if speaks_ipv6 && dice.chance(70) {
                say(format!("rt {table} + {} > {gateway}", dice.pick(ipv6)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::delta::Delta;

    #[test]
    fn half_of_all_clouds_have_transit_gateways_and_every_line_is_a_delta() {
        let all: Vec<String> = (0..60).map(|seed| extended(seed, super::super::clouds::lab(seed))).collect();
        let lines = |text: &str| text.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect::<Vec<_>>();
        let with = all.iter().filter(|text| !lines(text).is_empty()).count();
        assert!((20..=40).contains(&with), "{with} of 60");
        for line in all.iter().flat_map(|text| lines(text)) {
            assert!(Delta::parse(&line).is_ok(), "{line}");
        }
        assert_eq!(all[7], extended(7, super::super::clouds::lab(7)));
    }
}
