//! Random clouds as lab files: legal by construction, and with most of what decides about a packet.

use std::fmt::Write;

use model::random::SplitMix64;

/// The lab file of a seed; the same text for ever.
pub fn lab(seed: u64) -> String {
    let mut dice = SplitMix64(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5851_f42d_4c95_7f2d);
    // Of its own, so that what is rare comes on top of clouds that are known already.
    let mut rare = SplitMix64(seed.wrapping_mul(0x9e6c_63d0_876a_3f6b) ^ 0x1405_7b7e_f767_814f);
    // As above: clouds without an endpoint stay what they were.
    let mut served = SplitMix64(seed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ 0x2f1b_3c5d_7a89_4e06);
    let has_endpoint = served.chance(40);
    let store = if has_endpoint { "  store: 52.219.144.10\n" } else { "" };
    let mut text = format!("# seed {seed}\nquotas: {{ addresses_per_region: 20 }}\noutside:\n  office: 203.0.113.7\n  home: 198.51.100.40\n{store}vpcs:\n");
    let has_peer = dice.chance(60);
    let is_peered = has_peer && dice.chance(85);
    first_vpc(&mut dice, &mut rare, is_peered, &mut text);
    if has_peer {
        second_vpc(&mut dice, is_peered, &mut text);
    }
    if is_peered {
        text.push_str("peerings:\n  ab: [a, b]\n");
    }
    if has_endpoint {
        // `store` is one of the service's hosts.
        let tables = served.pick(&["[t-pub, t-app]", "[t-app, t-db]", "[t-pub, t-app, t-db]", "[t-db, t-fw]"]);
        let _ = writeln!(text, "endpoints:\n  s3: {{ vpc: a, service: s3, route_tables: {tables} }}");
    }
    acls(&mut dice, &mut text);
    groups(&mut dice, has_peer, is_peered, &mut text);
    instances(&mut dice, &mut rare, has_peer, &mut text);
    text
}

/// Public, application, database and inspection subnets, each with a table of its own.
fn first_vpc(dice: &mut SplitMix64, rare: &mut SplitMix64, is_peered: bool, text: &mut String) {
    text.push_str("  a:\n    cidr: 10.1.0.0/16\n    igw: true\n    subnets:\n");
    let blocks = [("pub", "10.1.0.0/24"), ("app", "10.1.1.0/24"), ("db", "10.1.2.0/24"), ("fw", "10.1.3.0/24")];
    for (name, block) in blocks {
        let acl = if dice.chance(35) { format!(", acl: {}", dice.pick(&["one", "two"])) } else { String::new() };
        let _ = writeln!(text, "      {name}: {{ az: a, cidr: {block}, route: t-{name}{acl} }}");
    }
    text.push_str("    nat_gateways:\n      n: { subnet: pub }\n");
    let has_private_nat = rare.chance(20);
    if has_private_nat {
        text.push_str("      p: { subnet: app, private: true }\n");
    }
    text.push_str("    route_tables:\n");
    if rare.chance(20) {
        let block = rare.pick(&["10.1.0.0/24", "10.1.1.0/24", "10.1.2.0/24"]);
        let _ = writeln!(text, "      t-edge: {{ edge: igw, routes: {{ {block}: instance fw }} }}");
    }
    for (name, _) in blocks {
        let mut routes = Vec::new();
        let way_out: &[&str] = match name {
            "pub" => &["igw", "igw", "igw", "blackhole"],
            "fw" => &["igw", "nat@n", "nat@n"],
            _ => &["nat@n", "nat@n", "igw", "instance fw", "blackhole"],
        };
        if dice.chance(85) {
            routes.push(format!("0.0.0.0/0: {}", dice.pick(way_out)));
        }
        // RT-4: inside of the VPC a route takes a whole subnet.
        for (other, block) in blocks {
            if name != "fw" && other != "fw" && other != name && dice.chance(20) {
                routes.push(format!("{block}: instance fw"));
            }
        }
        if dice.chance(15) {
            routes.push(format!("203.0.113.0/24: {}", dice.pick(&["blackhole", "igw", "nat@n"])));
        }
        if has_private_nat && matches!(name, "db" | "fw") && rare.chance(60) {
            let block = rare.pick(&["10.2.1.0/24", "198.51.100.0/24"]);
            routes.push(format!("{block}: nat@p"));
        }
        if is_peered && dice.chance(70) {
            let block = dice.pick(&["10.2.0.0/16", "10.2.0.0/16", "10.2.1.0/24"]);
            routes.push(format!("{block}: peering ab"));
        }
        // One target a destination: the first one.
        let mut destinations = std::collections::BTreeSet::new();
        routes.retain(|route| destinations.insert(route.split(": ").next().unwrap_or_default().to_owned()));
        let _ = writeln!(text, "      t-{name}: {{ routes: {{ {} }} }}", routes.join(", "));
    }
}

fn second_vpc(dice: &mut SplitMix64, is_peered: bool, text: &mut String) {
    text.push_str("  b:\n    cidr: 10.2.0.0/16\n    igw: true\n    subnets:\n");
    text.push_str("      pub2: { az: a, cidr: 10.2.0.0/24, route: t-pub2 }\n");
    text.push_str("      app2: { az: a, cidr: 10.2.1.0/24, route: t-app2 }\n    route_tables:\n");
    for name in ["pub2", "app2"] {
        let mut routes = Vec::new();
        if name == "pub2" || dice.chance(20) {
            routes.push("0.0.0.0/0: igw".to_owned());
        }
        if is_peered && dice.chance(75) {
            let block = dice.pick(&["10.1.0.0/16", "10.1.0.0/16", "10.1.1.0/24", "198.51.100.0/24"]);
            routes.push(format!("{block}: peering ab"));
        }
        let _ = writeln!(text, "      t-{name}: {{ routes: {{ {} }} }}", routes.join(", "));
    }
}

fn acls(dice: &mut SplitMix64, text: &mut String) {
    text.push_str("acls:\n");
    for name in ["one", "two"] {
        let _ = writeln!(text, "  {name}:\n    vpc: a\n    rules:");
        for number in [90, 100] {
            if dice.chance(60) {
                let what = dice.pick(&[
                    "deny tcp/80 from anywhere",
                    "deny icmp from 10.1.1.0/24",
                    "deny udp from 10.1.0.0/16",
                    "allow tcp/22 from 203.0.113.0/24",
                    "deny all from 203.0.113.7/32",
                    "deny tcp/1024-65535 from 10.1.2.0/24",
                ]);
                let _ = writeln!(text, "      - {number} {what}");
            }
            if dice.chance(40) {
                let what = dice.pick(&[
                    "deny out tcp/1024-65535 to 10.1.0.0/24",
                    "deny out icmp to anywhere",
                    "deny out udp/53 to 10.1.0.0/16",
                    "deny out tcp/22 to 10.2.0.0/16",
                    "allow out all to 10.1.0.0/16",
                ]);
                let _ = writeln!(text, "      - {number} {what}");
            }
        }
        let _ = writeln!(text, "      - 200 allow {} from anywhere", dice.pick(&["all", "all", "all", "tcp"]));
        let _ = writeln!(text, "      - 200 allow out {} to anywhere", dice.pick(&["all", "all", "all", "udp"]));
    }
}

fn groups(dice: &mut SplitMix64, has_peer: bool, is_peered: bool, text: &mut String) {
    text.push_str("security_groups:\n");
    let mut all = vec![("web", "a"), ("db", "a"), ("box", "a")];
    if has_peer {
        all.push(("far", "b"));
    }
    for (name, vpc) in all {
        let mut rules = Vec::new();
        for _ in 0..4 {
            let rule = match (name, is_peered) {
                ("box", _) => dice.pick(&["all from anywhere", "all from 10.1.0.0/16", "tcp from anywhere", "icmp from anywhere"]),
                ("far", _) => dice.pick(&["tcp/22 from anywhere", "icmp from 10.1.0.0/16", "all from sg:far", "udp/53 from anywhere"]),
                (_, true) if dice.chance(20) => dice.pick(&["all from 10.2.1.0/24", "tcp/80 from 10.2.0.0/16"]),
                _ => dice.pick(&[
                    "tcp/22 from anywhere",
                    "tcp/80 from sg:web",
                    "tcp/80 from 10.1.0.0/24",
                    "udp/53 from anywhere",
                    "udp/53 from sg:db",
                    "icmp from anywhere",
                    "all from sg:box",
                    "tcp/20-30 from office",
                ]),
            };
            rules.push(rule);
        }
        if dice.chance(25) {
            rules.push(dice.pick(&["out tcp to anywhere", "out udp to 10.0.0.0/8", "out all to 10.1.0.0/16", "out icmp to anywhere"]));
        }
        rules.sort_unstable();
        rules.dedup();
        let rules: Vec<String> = rules.iter().map(|rule| format!("{rule:?}")).collect();
        let _ = writeln!(text, "  {name}: {{ vpc: {vpc}, rules: [{}] }}", rules.join(", "));
    }
}

fn instances(dice: &mut SplitMix64, rare: &mut SplitMix64, has_peer: bool, text: &mut String) {
    text.push_str("instances:\n");
    let public = |dice: &mut SplitMix64| dice.pick(&["true", "eip", "false"]);
    for (name, subnet) in [("web1", "a/pub"), ("web2", "a/pub"), ("app1", "a/app"), ("app2", "a/app"), ("db1", "a/db")] {
        if name.ends_with('2') && dice.chance(40) {
            continue;
        }
        let group = dice.pick(&["web", "db", "[web, db]"]);
        let public = public(dice);
        let stopped = if rare.chance(8) { ", stopped: true" } else { "" };
        let _ = match rare.chance(15) {
            false => writeln!(text, "  {name}: {{ subnet: {subnet}, sg: {group}, public_ip: {public}{stopped} }}"),
            true => {
                let more = if rare.chance(50) { "2" } else { "1" };
                let interface = format!("{{ subnet: {subnet}, sg: {group}, public_ip: {public}, secondary_ips: {more} }}");
                writeln!(text, "  {name}: {{ interfaces: [ {interface} ]{stopped} }}")
            }
        };
    }
    let (check, forward) = (dice.pick(&["false", "false", "false", "true"]), dice.pick(&["true", "true", "true", "false"]));
    let _ = writeln!(
        text,
        "  fw: {{ subnet: a/fw, sg: box, public_ip: {}, source_dest_check: {check}, forward: {forward}{} }}",
        public(dice),
        if rare.chance(20) { ", masquerade: true" } else { "" }
    );
    if dice.chance(25) {
        let (one, other) = (dice.pick(&["pub", "app"]), dice.pick(&["app", "db"]));
        let _ = writeln!(text, "  two: {{ sg: web, interfaces: [ {{ subnet: a/{one} }}, {{ subnet: a/{other} }} ] }}");
    }
    if has_peer {
        let _ = writeln!(text, "  far1: {{ subnet: b/pub2, sg: far, public_ip: {} }}", public(dice));
        let _ = writeln!(text, "  far2: {{ subnet: b/app2, sg: far, public_ip: {} }}", public(dice));
    }
}
