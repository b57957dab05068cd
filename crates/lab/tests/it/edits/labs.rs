//! Random lab files: few names, so that two files often speak of the same things, and most of the format's keys.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use proptest::prelude::*;

/// A lab file. Debug prints it as people read it.
#[derive(Clone)]
pub struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

/// Any lab; it shrinks towards the simplest one.
pub fn lab() -> impl Strategy<Value = Text> {
    proptest::collection::vec(any::<u8>(), 400).prop_map(|bytes| Text(write(Choices { bytes, next: 0 })))
}

struct Choices {
    bytes: Vec<u8>,
    next: usize,
}

impl Choices {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        byte
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.byte() as usize % of.len()]
    }

    /// True about so many times of a hundred.
    fn maybe(&mut self, percent: u8) -> bool {
        self.byte() as u32 * 100 / 256 >= u32::from(100 - percent)
    }

    /// Adds `key: value` with one of the values, or nothing.
    fn key(&mut self, percent: u8, key: &str, values: &[&str], to: &mut Vec<String>) {
        if self.maybe(percent) {
            to.push(format!("{key}: {}", self.pick(values)));
        }
    }
}

const SUBNETS: [&str; 3] = ["a", "b", "c"];

fn write(mut c: Choices) -> String {
    let mut text = String::new();
    if c.maybe(4) {
        text.push_str("region: us-east-1\n");
    }
    let raised = c.pick(&["20", "30"]);
    let _ = writeln!(text, "quotas: {{ addresses_per_region: {raised}, vpcs_per_region: 5 }}");
    let _ = writeln!(text, "outside:\n  office: {}", c.pick(&["203.0.113.7", "203.0.113.8", "[203.0.113.7, 203.0.113.9]"]));
    if c.maybe(40) {
        let _ = writeln!(text, "  home: {}", c.pick(&["198.51.100.1", "203.0.113.20", "[198.51.100.1, \"2001:db8:ffff::9\"]"]));
    }
    let _ = writeln!(
        text,
        "prefix_lists:\n  offices: {}",
        c.pick(&[
            "[203.0.113.0/24]",
            "[203.0.113.0/25, 198.51.100.0/24]",
            "{ entries: [198.51.100.0/24], max_entries: 5 }",
            // No block that a VPC may have kept lies in it: whose block stays is nothing that packets should tell.
            "[\"2001:db8:ffff::/48\"]",
        ])
    );
    if c.maybe(40) {
        let _ = writeln!(text, "key_pairs: {{ me: {} }}", c.pick(&["ssh-ed25519 AAAA me", "ssh-ed25519 BBBB me"]));
    }
    let has_key = text.contains("key_pairs");
    let vpcs: Vec<(&str, usize)> =
        [("shop", 1), ("data", 2), ("edge", 3)].into_iter().filter(|(name, _)| *name == "shop" || c.maybe(50)).collect();
    let linked: Vec<&str> = vpcs.iter().map(|(name, _)| *name).filter(|_| c.maybe(35)).collect();
    let is_hub = c.maybe(50);
    let attached: Vec<&str> = vpcs.iter().map(|(name, _)| *name).filter(|_| is_hub && c.maybe(80)).collect();
    text.push_str("vpcs:\n");
    let mut placed: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut with_ipv6: BTreeSet<String> = BTreeSet::new();
    for (name, number) in &vpcs {
        let subnets = vpc(&mut c, name, *number, (linked.contains(name), attached.contains(name)), &mut with_ipv6, &mut text);
        placed.push((name, subnets));
    }
    transit(&mut c, &attached, &placed, &mut text);
    let mut more = String::new();
    let peered = links(&mut c, &placed, &mut more);
    policy(&mut c, &placed, &peered, &mut text);
    text.push_str(&more);
    let volume = c.pick(&["data", "more"]);
    let _ = writeln!(text, "volumes: {{ {volume}: {} }}", c.pick(&["{}", "{ labels: { of: shop } }"]));
    let _ = writeln!(text, "images: {{ own: {} }}", c.pick(&["pull nginx", "build ./own"]));
    instances(&mut c, &placed, &with_ipv6, has_key, volume, &mut text);
    lans(&mut c, &linked, &mut text);
    text
}

/// A lan whose router is linked to VPCs, some twice.
fn lans(c: &mut Choices, linked: &[&str], text: &mut String) {
    if linked.is_empty() {
        return;
    }
    let inside = c.pick(&["192.168.7.1/24", "192.168.8.1/24", "[192.168.7.1/24, 192.168.9.1/24]"]);
    let mut interfaces = vec![format!("eth0: {inside}")];
    let mut links = vec!["desk, r-1:eth0 -- sw-1".to_owned()];
    for (at, vpc) in linked.iter().flat_map(|vpc| [vpc, vpc]).enumerate() {
        if at % 2 == 1 && !c.maybe(30) {
            continue;
        }
        let port = at + 1;
        interfaces.push(format!("eth{port}: {}", c.pick(&["[]", "192.168.10.1/30"])));
        links.push(format!("r-1:eth{port} -- vpc:{vpc}{}", c.pick(&["", " 50M 10ms", " announce 10.9.0.0/16", " down"])));
    }
    let _ = writeln!(text, "lans:\n  branch:\n    switches: [sw-1]\n    hosts: {{ desk: 192.168.7.10/24 }}");
    let _ = writeln!(text, "    routers: {{ r-1: {{ interfaces: {{ {} }} }} }}\n    links:", interfaces.join(", "));
    links.iter().for_each(|link| {
        let _ = writeln!(text, "      - {link}");
    });
}

/// A transit gateway that these VPCs are attached to, and now and then a second one.
fn transit(c: &mut Choices, attached: &[&str], placed: &[(&str, Vec<&str>)], text: &mut String) {
    let [first, rest @ ..] = attached else { return };
    let attachments: Vec<String> = attached
        .iter()
        .map(|vpc| {
            let has_b = placed.iter().any(|(name, subnets)| name == vpc && subnets.contains(&"b"));
            let mut forms = vec!["", "a", "{ subnets: a, security_group_referencing: false }", "{ tags: { of: hub } }"];
            forms.extend(has_b.then_some("b"));
            format!("{vpc}: {}", c.pick(&forms))
        })
        .collect();
    let _ = writeln!(text, "transit_gateways:\n  hub:\n    attachments: {{ {} }}", attachments.join(", "));
    let mut keys = Vec::new();
    c.key(20, "asn", &["64600", "4200000000"], &mut keys);
    c.key(20, "routes", &["true", "false"], &mut keys);
    c.key(15, "tags", &["{ of: net }"], &mut keys);
    c.key(15, "vpn_ecmp", &["false", "true"], &mut keys);
    let has_default = !c.maybe(10);
    if !has_default {
        keys.push("default_route_table: false".to_owned());
    }
    for key in keys {
        let _ = writeln!(text, "    {key}");
    }
    let mut tables = Vec::new();
    if c.maybe(40) {
        let serves = c.pick(&["[]", first, rest.first().unwrap_or(first)]).to_owned();
        let knows = c.pick(&["[]", first, rest.last().unwrap_or(first)]).to_owned();
        let routes = format!("10.9.0.0/16: {}", c.pick(&["blackhole", first]));
        tables.push(format!("spokes: {{ associations: {serves}, propagations: {knows}, routes: {{ {routes} }} }}"));
    }
    if has_default && c.maybe(30) {
        let routes = format!("{}: {}", c.pick(&["10.9.0.0/16", "0.0.0.0/0"]), c.pick(&["blackhole", first]));
        let more = c.pick(&["", ", propagations: []", ", tags: { a: b }"]);
        tables.push(format!("default: {{ routes: {{ {routes} }}{more} }}"));
    }
    if !tables.is_empty() {
        let _ = writeln!(text, "    route_tables: {{ {} }}", tables.join(", "));
    }
    if c.maybe(25) {
        let _ = writeln!(text, "  rim: {{ attachments: [{first}], peerings: hub, route_tables: {{ default: {{ routes: {{ 10.9.0.0/16: tgw hub }} }} }} }}");
    }
}

fn vpc<'a>(
    c: &mut Choices,
    name: &str,
    number: usize,
    (is_linked, is_attached): (bool, bool),
    with_ipv6: &mut BTreeSet<String>,
    text: &mut String,
) -> Vec<&'a str> {
    let second = c.maybe(10);
    let primary = format!("10.{}{number}.0.0/16", if second { 1 } else { 2 });
    let more = if c.maybe(25) { format!(", 10.{}{number}.0.0/16", c.pick(&["5", "6"])) } else { String::new() };
    let _ = writeln!(text, "  {name}:\n    cidr: [{primary}{more}]");
    let mut keys = Vec::new();
    c.key(10, "igw", &["true", "auto"], &mut keys);
    let pinned = format!("2001:db8:0:{number}00::/56");
    let both = format!("[\"{pinned}\", true]");
    let ipv6 = if c.maybe(55) { c.pick(&["true", "true", &pinned, &both]).to_owned() } else { String::new() };
    let (has_ipv6, is_pinned) = (!ipv6.is_empty(), ipv6.contains(':'));
    if has_ipv6 {
        keys.push(format!("ipv6: {ipv6}"));
        c.key(10, "eigw", &["true"], &mut keys);
    }
    c.key(15, "dns_hostnames", &["true"], &mut keys);
    c.key(
        15,
        "dhcp",
        &["none", "{ domain_name: lab.internal, ntp_servers: [10.0.0.1] }", "{ domain_name_servers: [AmazonProvidedDNS] }"],
        &mut keys,
    );
    c.key(20, "tags", &["{ team: a }", "{ team: b, cost: one }"], &mut keys);
    for key in keys {
        let _ = writeln!(text, "    {key}");
    }
    let has_table = c.maybe(50);
    let has_gateway = c.maybe(40);
    let has_acl = c.maybe(50);
    let subnets: Vec<&str> = SUBNETS.into_iter().filter(|subnet| *subnet == "a" || c.maybe(65)).collect();
    text.push_str("    subnets:\n");
    for (at, subnet) in subnets.iter().enumerate() {
        let pinned = format!("10.{}{number}.2{at}.0/24", if second { 1 } else { 2 });
        let block = c.pick(&["/24", "/26", "/24", &pinned]).to_owned();
        let mut keys = vec![format!("cidr: {block}")];
        c.key(50, "az", &["a", "c"], &mut keys);
        let mut routes = vec!["igw", "nat@a", "none"];
        routes.extend(has_table.then_some("t1"));
        routes.extend(has_gateway.then_some("nat@n1"));
        routes.extend(is_attached.then_some("tgw hub"));
        if has_ipv6 {
            routes.extend(["eigw", "[nat@a, eigw]"]);
        }
        c.key(80, "route", &routes, &mut keys);
        if has_ipv6 && c.maybe(75) {
            let block = format!("2001:db8:0:{number}0{at}::/64");
            keys.push(format!("ipv6: {}", if is_pinned { c.pick(&["true", &block]) } else { "true" }));
            c.key(20, "assign_ipv6", &["false", "true"], &mut keys);
            with_ipv6.insert(format!("{name}/{subnet}"));
        }
        c.key(25, "public_ips", &["true", "false"], &mut keys);
        c.key(10, "tags", &["{ tier: front }"], &mut keys);
        if has_acl {
            c.key(40, "acl", &["strict", "default"], &mut keys);
        }
        let _ = writeln!(text, "      {subnet}: {{ {} }}", keys.join(", "));
    }
    if has_table {
        let mut routes = vec![format!("0.0.0.0/0: {}", c.pick(&["igw", "nat@a", "blackhole"]))];
        if c.maybe(40) {
            routes.push(format!("198.51.100.0/24: {}", c.pick(&["blackhole", "igw", "nat@a"])));
        }
        if has_ipv6 && c.maybe(60) {
            routes.push(format!("\"::/0\": {}", c.pick(&["eigw", "igw", "blackhole"])));
        }
        if has_ipv6 && c.maybe(20) {
            routes.push(format!("\"2001:db8:ffff::/48\": {}", c.pick(&["igw", "eigw"])));
        }
        if is_attached && c.maybe(60) {
            routes.push(c.pick(&["10.0.0.0/8: tgw hub", "10.9.0.0/16: tgw hub"]).to_owned());
        }
        if is_linked && c.maybe(40) {
            routes.push(format!("{}: vpn", c.pick(&["192.168.7.0/24", "192.168.8.0/24", "203.0.113.0/24"])));
        }
        let rest = c.pick(&["", ", main: true", ", tags: { of: t1 }", ""]);
        let rest = if c.maybe(20) { format!("{rest}, propagation: {}", c.pick(&["false", "true"])) } else { rest.to_owned() };
        let _ = writeln!(text, "    route_tables:\n      t1: {{ routes: {{ {} }}{rest} }}", routes.join(", "));
    }
    if has_gateway {
        let kind = c.pick(&["", ", private: true", ", eip: 52.95.110.1", ", tags: { a: b }"]);
        let kind = if number > 1 { kind.replace("52.95.110.1", &format!("52.95.110.{number}")) } else { kind.to_owned() };
        let subnet = subnets[c.byte() as usize % subnets.len()];
        let _ = writeln!(text, "    nat_gateways: {{ n1: {{ subnet: {subnet}{kind} }} }}");
    }
    if has_acl {
        let _ = writeln!(text, "    acls:\n      strict:");
        for number in [100, 110, 120] {
            if c.maybe(70) {
                let rule = c.pick(&[
                    "allow all from anywhere",
                    "deny tcp/22 from office",
                    "allow tcp/80,443 from anywhere",
                    "allow tcp/80 from ::/0",
                    "allow tcp/1024-65535 from vpc:shop",
                ]);
                let _ = writeln!(text, "        - {number} {rule}");
            }
        }
        let _ = writeln!(text, "        - {} allow out all to anywhere", c.pick(&["100", "90"]));
        if c.maybe(20) {
            let _ = writeln!(text, "      default: [ 100 allow all from anywhere, 100 allow out tcp/80 to anywhere ]");
        }
    }
    subnets
}

fn policy(c: &mut Choices, placed: &[(&str, Vec<&str>)], peered: &[&str], text: &mut String) {
    text.push_str("security_groups:\n");
    for (vpc, _) in placed {
        for group in ["web", "db"] {
            let mut rules = Vec::new();
            // Groups of the other side (SG-13): all peerings are of `shop`. Once in a while nothing is peered: refused.
            for far in peered {
                let far = match *vpc {
                    "shop" => far,
                    _ if vpc == far => "shop",
                    _ => continue,
                };
                if c.maybe(40) {
                    let far_rules = ["tcp/22 from sg:FAR-web", "all from sg:FAR-db", "out tcp/80 to sg:FAR-web", "icmp from sg:FAR-db"];
                    let rule = c.pick(&far_rules);
                    rules.push(rule.replace("FAR", &format!("{far}/{far}")));
                }
            }
            if *vpc != "shop" && !peered.contains(vpc) && c.maybe(3) {
                rules.push("tcp/22 from sg:shop/shop-web".to_owned());
            }
            for _ in 0..3 {
                if c.maybe(60) {
                    let other = if group == "web" { "sg:SELF-db" } else { "sg:SELF-web" };
                    let rule = c.pick(&[
                        "tcp/22 from office",
                        "tcp/80,443 from anywhere",
                        "udp/53 from subnet:SELF/a",
                        "tcp/22 from OTHER",
                        "icmp from anywhere",
                        "icmpv6 from anywhere",
                        "tcp/80 from ::/0, 10.0.0.0/8",
                        "out tcp/443 to 2001:db8:ffff::/48",
                        "tcp/80 from pl:offices",
                        "out tcp/80 to anywhere",
                        "out all to OTHER",
                        "all from vpc:SELF",
                    ]);
                    rules.push(rule.replace("OTHER", other).replace("SELF", vpc));
                }
            }
            let more = c.pick(&["", "", ", description: other words", ", tags: { of: group }"]);
            let _ = writeln!(
                text,
                "  {vpc}-{group}: {{ vpc: {vpc}, rules: [{}]{more} }}",
                rules.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>().join(", ")
            );
        }
    }
    if placed.len() == 1 && c.maybe(20) {
        text.push_str("  default: [ tcp/80 from anywhere, out udp/53 to anywhere ]\n");
    }
}

/// Peerings and endpoints; returns the VPCs that `shop` is peered with.
fn links(c: &mut Choices, placed: &[(&str, Vec<&str>)], text: &mut String) -> Vec<&'static str> {
    let has = |name: &str| placed.iter().any(|(vpc, _)| *vpc == name);
    let mut peerings = Vec::new();
    let mut peered = Vec::new();
    if has("data") && c.maybe(60) {
        peered.push("data");
        peerings.push(format!(
            "  ab: {{ vpcs: {}{} }}",
            c.pick(&["[shop, data]", "[data, shop]"]),
            c.pick(&["", ", routes: true", ", dns: true"])
        ));
    }
    if has("edge") && c.maybe(60) {
        peered.push("edge");
        peerings.push(format!("  se: {{ vpcs: [shop, edge]{} }}", c.pick(&["", ", routes: true"])));
    }
    if !peerings.is_empty() {
        let _ = writeln!(text, "peerings:\n{}", peerings.join("\n"));
    }
    let mut endpoints = Vec::new();
    if c.maybe(35) {
        endpoints.push(format!("  s3: {{ vpc: shop, service: s3, route_tables: {} }}", c.pick(&["[a]", "[]"])));
    }
    if c.maybe(35) {
        let more = c.pick(&["", ", private_dns: false", ", sg: [shop-web]", ", sg: [shop-web, shop-db]"]);
        let service = c.pick(&["ssm", "sqs"]);
        endpoints.push(format!("  ssm: {{ vpc: shop, service: {service}, subnets: [shop/a]{more} }}"));
    }
    if !endpoints.is_empty() {
        let _ = writeln!(text, "endpoints:\n{}", endpoints.join("\n"));
    }
    peered
}

fn instances(c: &mut Choices, placed: &[(&str, Vec<&str>)], with_ipv6: &BTreeSet<String>, has_key: bool, volume: &str, text: &mut String) {
    text.push_str("instances:\n");
    for name in ["web", "db", "app", "fw"] {
        if name != "web" && !c.maybe(75) {
            continue;
        }
        let (vpc, subnets) = &placed[c.byte() as usize % placed.len()];
        let subnet = subnets[c.byte() as usize % subnets.len()];
        let mut keys = Vec::new();
        let two = name == "fw" && c.maybe(60);
        if !two {
            keys.push(format!("subnet: {vpc}/{subnet}"));
        }
        let groups = c.pick(&["SELF-web", "SELF-db", "[SELF-web, SELF-db]"]).replace("SELF", vpc);
        keys.push(format!("sg: {groups}"));
        if two {
            let second = subnets[c.byte() as usize % subnets.len()];
            let more = c.pick(&[
                "",
                ", secondary_ips: 1",
                ", secondary_ips: 2",
                ", source_dest_check: false",
                ", public_ip: eip",
                ", name: inner, tags: { x: y }",
            ]);
            keys.push(format!("interfaces: [ {{ subnet: {vpc}/{subnet} }}, {{ subnet: {vpc}/{second}{more} }} ]"));
            c.key(40, "public_ip", &["eip", "false"], &mut keys);
            if with_ipv6.contains(&format!("{vpc}/{second}")) && c.maybe(40) {
                let last = keys.last_mut().unwrap();
                *last = last.replace(" } ]", &format!(", ipv6: {} }} ]", c.pick(&["true", "2", "false"])));
            }
        } else if with_ipv6.contains(&format!("{vpc}/{subnet}")) && c.maybe(50) {
            let own = format!("\"::{name}\"").replace("web", "ebb").replace("fw", "f0");
            keys.push(format!("ipv6: {}", if name == "app" { c.pick(&["true", "2", "false"]) } else { c.pick(&["true", "2", "false", &own]) }));
        }
        if !two && name == "app" {
            c.key(50, "count", &["1", "2", "3"], &mut keys);
            c.key(50, "public_ip", &["true", "eip", "false"], &mut keys);
        } else if !two {
            let pinned = if name == "web" { "52.95.110.10" } else { "52.95.110.11" };
            c.key(70, "public_ip", &["true", "eip", "false", pinned, "52.95.110.12"], &mut keys);
        }
        c.key(30, "type", &["t3.small", "m5.large", "m5.xlarge"], &mut keys);
        if has_key {
            c.key(30, "key", &["me"], &mut keys);
        }
        c.key(50, "listen", &["[tcp/80]", "[tcp/22, udp/53]"], &mut keys);
        c.key(20, "run", &["[sleep 1]", "[sleep 1, sleep 2]"], &mut keys);
        c.key(20, "user_data", &["one", "two"], &mut keys);
        c.key(15, "forward", &["true", "false"], &mut keys);
        c.key(15, "source_dest_check", &["false", "true"], &mut keys);
        c.key(20, "stopped", &["true", "false"], &mut keys);
        c.key(20, "metadata", &["{ tokens: required, hop_limit: 2 }", "{ enabled: false }", "{ tags: true }"], &mut keys);
        c.key(30, "tags", &["{ role: front }", "{ role: back, more: yes-please }"], &mut keys);
        if c.maybe(40) {
            // A port has one owner: what the instance listens on may pass to a container by an edit, and back.
            let listens = keys.iter().any(|key| key.starts_with("listen:"));
            keys.push(format!("containers: {{ {} }}", containers(c, volume, listens).join(", ")));
        }
        let _ = writeln!(text, "  {name}: {{ {} }}", keys.join(", "));
    }
}

/// Containers of one instance; some of them wait for `front`, which is always there.
fn containers(c: &mut Choices, volume: &str, listens: bool) -> Vec<String> {
    let mut all = Vec::new();
    for name in ["front", "back", "side"] {
        if name != "front" && !c.maybe(50) {
            continue;
        }
        let mut keys = vec![format!("image: {}", c.pick(&["nginx", "own", "quay.io/a/b:1"]))];
        if name == "front" {
            let ports: [&str; 4] = match listens {
                true => ["8080->80", "[8080->80, 5353->53/udp]", "127.0.0.1:8080->80", "9000-9002"],
                false => ["8080->80", "[80, 53->53/udp]", "127.0.0.1:80", "80-90->8080-8090"],
            };
            c.key(60, "publish", &ports, &mut keys);
        } else {
            c.key(30, "depends_on", &["front", "{ front: healthy }"], &mut keys);
            c.key(20, "networks", &["back", "host", "\"container:front\""], &mut keys);
        }
        c.key(30, "mounts", &[&format!("{volume}:/data"), "[/own, ./a:/b:ro]"], &mut keys);
        c.key(30, "env", &["{ A: x }", "[A=y, B=z]"], &mut keys);
        c.key(20, "restart", &["always", "on-failure:2"], &mut keys);
        c.key(20, "memory", &["64m", "1g"], &mut keys);
        c.key(20, "command", &["sleep 1", "[sleep, 2]"], &mut keys);
        c.key(20, "healthcheck", &["{ cmd: ping, interval: 2s }", "{ retries: 5 }"], &mut keys);
        all.push(format!("{name}: {{ {} }}", keys.join(", ")));
    }
    all
}
