//! IPv6 on top of a random cloud, on things of it one by one, in lines that a lab file's reader takes for comments (see
//! [`super::beyond`]): in the words of scenarios' deltas, one thing a line, so that it is cut down with the rest.

use model::random::SplitMix64;

/// What such a line begins with.
pub const MARK: &str = "#6 ";
/// Subnets with their blocks and tables.
const SUBNETS: [(&str, &str, &str); 6] = [
    ("pub", "2001:db8:a:1::/64", "t-pub"),
    ("app", "2001:db8:a:2::/64", "t-app"),
    ("db", "2001:db8:a:3::/64", "t-db"),
    ("fw", "2001:db8:a:4::/64", "t-fw"),
    ("pub2", "2001:db8:b:1::/64", "t-pub2"),
    ("app2", "2001:db8:b:2::/64", "t-app2"),
];
/// Interfaces with their addresses.
const ADDRESSES: [(&str, &str); 8] = [
    ("web1", "2001:db8:a:1::11"),
    ("web2", "2001:db8:a:1::12"),
    ("app1", "2001:db8:a:2::11"),
    ("app2", "2001:db8:a:2::12"),
    ("db1", "2001:db8:a:3::11"),
    ("fw", "2001:db8:a:4::11"),
    ("far1", "2001:db8:b:1::11"),
    ("far2", "2001:db8:b:2::11"),
];

/// The lines of a seed for a lab, in a bit more than half of all clouds.
pub fn lines(seed: u64, lab: &str) -> String {
    let mut dice = SplitMix64(seed.wrapping_mul(0xa076_1d64_78bd_642f) ^ 0xe703_7ed1_a0b4_28db);
    let mut text = String::new();
    if !dice.chance(55) {
        return text;
    }
    // Things of the second level: a subnet may be called as an instance is.
    let has = |what: &str| lab.lines().any(|line| line.strip_prefix("  ").is_some_and(|line| line.starts_with(&format!("{what}:"))));
    let (has_peer, is_peered) = (has("b"), has("ab"));
    let mut say = |line: String| text.push_str(&format!("{MARK}{line}\n"));
    say("vpc a cidr6 + 2001:db8:a::/56".to_owned());
    if has_peer {
        say("vpc b cidr6 + 2001:db8:b::/56".to_owned());
    }
    let has_egress_only = dice.chance(75);
    if has_egress_only {
        say("eigw eigw-a = a".to_owned());
    }
    say("host six = 2001:db8:ffff::7".to_owned());
    let subnets: Vec<_> = SUBNETS.into_iter().filter(|(name, ..)| has_peer || !name.ends_with('2')).collect();
    for (name, block, _) in &subnets {
        say(format!("subnet {name} cidr6 = {block}"));
    }
    for (name, _, table) in subnets {
        let in_b = name.ends_with('2');
        let way_out: &[&str] = match (in_b, has_egress_only) {
            (true, _) => &["igw-b"],
            (false, true) => &["igw-a", "eigw-a", "eigw-a", "fw"],
            (false, false) => &["igw-a", "igw-a", "fw"],
        };
        let to = dice.pick(way_out);
        // What leads back to who passes it on goes round in a circle, of which IPv4's clouds have enough.
        if dice.chance(85) && !(name == "fw" && to == "fw") {
            say(format!("rt {table} + ::/0 > {to}"));
        }
        if !in_b && has_egress_only && dice.chance(25) {
            say(format!("rt {table} + 2001:db8:ffff::/48 > {}", dice.pick(&["igw-a", "eigw-a"])));
        }
        if is_peered && dice.chance(75) {
            say(format!("rt {table} + {} > ab", if in_b { "2001:db8:a::/56" } else { "2001:db8:b::/56" }));
        }
        // RT-4: inside of the VPC a route takes a whole subnet.
        if matches!(name, "app" | "pub") && dice.chance(20) {
            say(format!("rt {table} + 2001:db8:a:3::/64 > fw"));
        }
    }
    for (name, address) in ADDRESSES {
        if has(name) && dice.chance(90) {
            say(format!("eni {name} ip6 + {address}"));
        }
    }
    let groups: &[&str] = if has_peer { &["web", "db", "box", "far"] } else { &["web", "db", "box"] };
    for group in groups {
        for rule in dice.some(&IN) {
            say(format!("sg {group} in + {rule}"));
        }
        if dice.chance(85) {
            say(format!("sg {group} out + {}", dice.pick(&["all all ::/0", "all all ::/0", "tcp all ::/0", "icmpv6 all ::/0"])));
        }
    }
    for list in ["one", "two"] {
        if dice.chance(40) {
            let denied = dice.pick(&["tcp 80 ::/0", "icmpv6 all 2001:db8:a:2::/64", "udp 53 2001:db8:a::/56"]);
            say(format!("acl {list} in 150 deny {denied}"));
        }
        if dice.chance(80) {
            say(format!("acl {list} in 210 allow {} ::/0", dice.pick(&["all all", "all all", "tcp all"])));
            say(format!("acl {list} out 210 allow {} ::/0", dice.pick(&["all all", "all all", "tcp 1024-65535"])));
        }
    }
    text
}

/// Ingress rules.
const IN: [&str; 8] = [
    "tcp 22 ::/0",
    "tcp 80 2001:db8:a:1::/64",
    "udp 53 ::/0",
    "icmpv6 all ::/0",
    "icmpv6 128/0 2001:db8:a::/56",
    "all all ::/0",
    "tcp all 2001:db8:ffff::/48",
    "icmp all 0.0.0.0/0",
];

trait Some {
    fn some(&mut self, of: &[&'static str]) -> Vec<&'static str>;
}

impl Some for SplitMix64 {
    /// Up to three, none twice, in the order in which they stand.
    fn some(&mut self, of: &[&'static str]) -> Vec<&'static str> {
        let picked: Vec<&str> = (0..3).map(|_| self.pick(of)).collect();
        of.iter().copied().filter(|one| picked.contains(one)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::delta::Delta;

    #[test]
    fn lines_are_comments_and_the_same_for_ever() {
        let lab = "vpcs:\n  a:\n  b:\npeerings:\n  ab: [a, b]\ninstances:\n  web1: {}\n";
        let some = (1..20).map(|seed| lines(seed, lab)).find(|text| !text.is_empty()).unwrap();
        assert!(some.lines().all(|line| line.starts_with('#')), "{some}");
        assert!(some.contains("#6 vpc b cidr6 + 2001:db8:b::/56\n"), "{some}");
        assert!(some.lines().all(|line| Delta::parse(line.strip_prefix(MARK).unwrap()).is_ok()), "{some}");
        assert_eq!(lines(3, lab), lines(3, lab));
    }
}
