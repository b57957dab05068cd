//! What people read when a file is wrong: one snapshot a mistake, with place, caret, reason and hint.

use lab::{Files, load};
use model::{Context, Model, Region, Timestamp};

struct One(String);

impl Files for One {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        match name {
            "shop.yaml" => Ok((name.to_owned(), self.0.clone())),
            _ => Err("no such file".to_owned()),
        }
    }
}

const LAB: &str = "vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      public: { az: a, cidr: /24, route: igw }
      inside: { az: a, cidr: /24, route: nat@public }
security_groups:
  web: [ tcp/80 from anywhere ]
instances:
  web-1: { subnet: public, sg: web }
";

fn message(text: &str) -> String {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    match load("shop.yaml", &One(text.to_owned())).and_then(|lab| lab.apply(&mut model)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(problems) => problems.render(false),
    }
}

fn all(mistakes: &[(&str, String)]) -> String {
    mistakes.iter().map(|(what, text)| format!("## {what}\n{}\n", message(text))).collect()
}

/// The good lab with one piece replaced.
fn with(from: &str, to: &str) -> String {
    assert!(LAB.contains(from), "{from}");
    LAB.replacen(from, to, 1)
}

fn and(more: &str) -> String {
    format!("{LAB}{more}\n")
}

fn check(name: &str, mistakes: &[(&str, String)]) {
    let text = all(mistakes);
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, text) });
}

fn expect(claim: &str) -> String {
    and(&format!("expect:\n  - {claim}"))
}

fn rule(rule: &str) -> String {
    with("tcp/80 from anywhere", rule)
}

/// The lab with two more VPCs, and a rule that names a group of one of them.
fn two_vpcs(cidr: &str, peerings: &str) -> String {
    let far = format!("vpcs:\n  data: {{ cidr: {cidr} }}\n  edge: {{ cidr: 10.3.0.0/16 }}\n");
    let lab = rule("tcp/80 from sg:data/db").replacen("vpcs:\n", &far, 1);
    let lab = lab.replacen("  web: [ tcp/80 from sg:data/db ]", "  web: { vpc: shop, rules: [ tcp/80 from sg:data/db ] }\n  db: { vpc: data }", 1);
    format!("{lab}{peerings}")
}

fn entry(entry: &str) -> String {
    and(&format!("acls:\n  strict:\n    - {entry}"))
}

#[test]
fn the_good_lab_is_good() {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    load("shop.yaml", &One(LAB.to_owned())).unwrap().apply(&mut model).unwrap();
}

#[test]
fn yaml() {
    check("yaml", &[
        ("empty", String::new()),
        ("only comments", "# nothing\n".into()),
        ("two documents", "name: a\n---\nname: b\n".into()),
        ("tab", "vpcs:\n\tshop: {}\n".into()),
        ("bracket not closed", "instances:\n  a: { subnet: x\n".into()),
        ("quote not closed", "name: \"shop\nregion: x\n".into()),
        ("column", "vpcs:\n  shop:\n    cidr: 10.0.0.0/16\n   subnets: {}\n".into()),
        ("same key twice", and("instances: {}")),
        ("unknown alias", "vpcs: *nothing\n".into()),
        ("tag", "name: !Ref shop\n".into()),
        ("key is a list", "[a, b]: 1\n".into()),
        ("merge of a word", "vpcs:\n  <<: shop\n".into()),
        ("too deep", format!("a: {}{}", "[".repeat(60), "]".repeat(60))),
        ("include that is not there", and("include: base.yaml")),
        ("include of itself", and("include: shop.yaml")),
    ]);
}

#[test]
fn shape() {
    check("shape", &[
        ("unknown key", with("subnets:", "subnts:")),
        ("unknown key far from all", and("zzzzzz: 1")),
        ("list for a mapping", and("outside: [a, b]")),
        ("mapping for a list", and("expect: { a: b, c: d }")),
        ("boolean for text", and("name: no")),
        ("octal", with("sg: web }", "sg: web, metadata: { hop_limit: 010 } }")),
        ("float for text", with("sg: web }", "sg: web, tags: { version: 1.10 } }")),
        ("base 60 for text", with("sg: web }", "sg: web, tags: { at: 22:30 } }")),
        ("no value", and("region:")),
        ("yes for a boolean", with("cidr: 10.0.0.0/16", "cidr: 10.0.0.0/16\n    dns_support: yes")),
        ("word for a number", with("sg: web }", "sg: web, count: three }")),
        ("number too large", with("sg: web }", "sg: web, metadata: { hop_limit: 300 } }")),
        ("bad name", and("outside: { 1st: 203.0.113.7 }")),
        ("reserved name", and("outside: { internet: 203.0.113.7 }")),
        ("an unknown key of identities", and("iam: { data: {} }")),
        ("bad address", and("outside: { office: 203.0.113 }")),
        ("host bits", with("10.0.0.0/16", "10.0.0.1/16")),
        ("size without slash", with("cidr: /24, route: igw", "cidr: 24, route: igw")),
        ("size out of range", with("cidr: /24, route: igw", "cidr: /29, route: igw")),
        ("bad listener", with("sg: web }", "sg: web, listen: [icmp] }")),
        ("nat without a subnet", with("nat@public", "nat")),
        ("several mistakes at once", with("route: igw", "rout: igw").replace("tcp/80 from", "tpc/80 from")),
    ]);
}

#[test]
fn rules() {
    check("rules", &[
        ("protocol", rule("tpc/80 from anywhere")),
        ("port alone", rule("80 from anywhere")),
        ("port of a service of UDP", rule("tcp/tftp from anywhere")),
        ("service with a slip", rule("tcp/htps from anywhere")),
        ("port out of range", rule("tcp/70000 from anywhere")),
        ("range backwards", rule("tcp/90-80 from anywhere")),
        ("space before the port", rule("tcp 80 from anywhere")),
        ("colon before the port", rule("tcp:80 from anywhere")),
        ("to without out", rule("tcp/80 to anywhere")),
        ("out with from", rule("out tcp/80 from anywhere")),
        ("no peer", rule("tcp/80 from")),
        ("two peers without comma", rule("tcp/80 from sg:web sg:web")),
        ("internet as a peer", rule("tcp/80 from internet")),
        ("deny", rule("deny tcp/80 from anywhere")),
        ("unknown group", rule("tcp/80 from sg:wbe")),
        ("group without sg", rule("tcp/80 from web")),
        ("space after the colon", rule("tcp/80 from sg: web")),
        ("host bits", rule("tcp/80 from 10.0.0.1/8")),
        ("acl without a number", entry("allow tcp/80 from anywhere")),
        ("acl without an action", entry("100 tcp/80 from anywhere")),
        ("acl number out of range", entry("40000 allow all from anywhere")),
        ("acl with a group", entry("100 allow tcp/80 from sg:web")),
    ]);
}

#[test]
fn claims() {
    check("claims", &[
        ("no", expect("internet -> web-1 any: no")),
        ("one string", expect("internet -> web-1 tcp/3306:open")),
        ("selector with a space", expect("subnet: public -> web-1 tcp/22: open")),
        ("no arrow", expect("internet to web-1 tcp/80: open")),
        ("no result", expect("internet -> web-1 tcp/80")),
        ("no ports", expect("internet -> web-1: open")),
        ("unknown result", expect("internet -> web-1 tcp/80: opne")),
        ("synonym", expect("internet -> web-1 tcp/22: denied")),
        ("unknown end", expect("web-2 -> web-1 tcp/80: open")),
        ("unknown blocker", expect("internet -> web-1 tcp/22: blocked by firewall")),
        ("anywhere", expect("anywhere -> web-1 tcp/80: open")),
        ("nobody", expect("-> web-1 tcp/80: open")),
        ("via before the colon", expect("web-1 -> internet tcp/80 via nat: open")),
    ]);
}

#[test]
fn names_and_refusals() {
    check("names_and_refusals", &[
        ("unknown subnet", with("subnet: public", "subnet: pubic")),
        ("unknown group", with("sg: web", "sg: wbe")),
        ("unknown nat", with("nat@public", "nat@pubic")),
        ("unknown table", with("route: igw", "route: igv")),
        ("unknown acl", with("route: igw", "acl: strict")),
        ("unknown key pair", with("sg: web }", "sg: web, key: me }")),
        ("unknown like", and("  web-2: { like: web-3 }")),
        ("like and one private address", with("sg: web }", "sg: web, private_ip: 10.0.0.9 }").replacen("0.0.9 }\n", "0.0.9 }\n  web-2: { like: web-1 }\n", 1)),
        ("like and one public address", with("sg: web }", "sg: web, public_ip: 52.95.110.1 }").replacen("110.1 }\n", "110.1 }\n  web-2: { like: web-1, subnet: inside }\n", 1)),
        ("count and one address", with("sg: web }", "sg: web, private_ip: 10.0.0.9, count: 2 }")),
        ("like in a circle", and("  a: { like: b }\n  b: { like: a }")),
        ("place and instance", and("outside: { web-1: 203.0.113.7 }")),
        ("no subnet", and("  web-2: { sg: web }")),
        ("no room", with("cidr: /24, route: igw", "cidr: /16, route: igw")),
        ("unknown zone", with("az: a, cidr: /24, route: igw", "az: z, cidr: /24, route: igw")),
        ("VPC too large", with("10.0.0.0/16", "10.0.0.0/8")),
        ("address outside the subnet", with("sg: web }", "sg: web, private_ip: 10.9.9.9 }")),
        ("reserved address", with("sg: web }", "sg: web, private_ip: 10.0.0.1 }")),
        ("unknown type", with("sg: web }", "sg: web, type: x9.huge }")),
        ("group of a VPC that is not peered", two_vpcs("10.1.0.0/16", "")),
        ("group of a VPC that others are peered with", two_vpcs("10.1.0.0/16", "peerings: { other: [data, edge] }\n")),
        ("group of a VPC along a peering that fails", two_vpcs("10.0.0.0/24", "peerings: { both: [shop, data] }\n")),
    ]);
}

/// The good lab with IPv6 in its VPC and in one subnet, one piece of it replaced.
fn dual(from: &str, to: &str) -> String {
    let lab = with("cidr: 10.0.0.0/16", "cidr: 10.0.0.0/16\n    ipv6: 2001:db8:0:100::/56").replacen("public: { az: a,", "public: { az: a, ipv6: true,", 1);
    assert!(lab.contains(from), "{from}");
    lab.replacen(from, to, 1)
}

#[test]
fn ipv6() {
    check("ipv6", &[
        ("block of another family for a VPC", with("cidr: 10.0.0.0/16", "cidr: 2001:db8::/56")),
        ("IPv4 at ipv6", dual("ipv6: 2001:db8:0:100::/56", "ipv6: 10.0.0.0/16")),
        ("yes", dual("ipv6: 2001:db8:0:100::/56", "ipv6: yes")),
        ("length of a VPC's block", dual("ipv6: 2001:db8:0:100::/56", "ipv6: 2001:db8:0:100::/57")),
        ("host bits of a VPC's block", dual("ipv6: 2001:db8:0:100::/56", "ipv6: 2001:db8:0:101::/56")),
        ("Terraform's word", dual("ipv6: 2001:db8:0:100::/56", "assign_generated_ipv6_cidr_block: true")),
        ("subnet of a VPC without it", with("public: { az: a,", "public: { az: a, ipv6: true,")),
        ("subnet's length", dual("ipv6: true,", "ipv6: 2001:db8:0:100::/60,")),
        ("subnet's size", dual("ipv6: true,", "ipv6: /60,")),
        ("subnet outside its VPC", dual("ipv6: true,", "ipv6: 2001:db8:0:200::/64,")),
        ("host bits of a subnet", dual("ipv6: true,", "ipv6: \"2001:db8:0:100::1/64\",")),
        ("two subnets, one block", dual("ipv6: true,", "ipv6: 2001:db8:0:101::/64,").replacen("inside: { az: a,", "inside: { az: a, ipv6: 2001:db8:0:101::/64,", 1)),
        ("no /64 left", dual("2001:db8:0:100::/56", "2001:db8:0:100::/60").replacen("    subnets:\n", &format!("    subnets:\n{}", (0..16).map(|n| format!("      more-{n}: {{ cidr: /28, ipv6: true }}\n")).collect::<String>()), 1)),
        ("addresses at launch without a block", with("public: { az: a,", "public: { az: a, assign_ipv6: true,")),
        ("address of a subnet without it", dual("subnet: public, sg", "subnet: inside, ipv6: true, sg")),
        ("address of another subnet", dual("sg: web }", "sg: web, ipv6: 2001:db8:0:200::1 }")),
        ("reserved address", dual("sg: web }", "sg: web, ipv6: \"::1\" }")),
        ("IPv6 as a private address", dual("sg: web }", "sg: web, private_ip: 2001:db8:0:100::1 }")),
        ("one address for three", dual("sg: web }", "sg: web, count: 3, ipv6: \"::10\" }")),
        ("address beside interfaces", dual("sg: web }", "ipv6: true, interfaces: [ { subnet: public } ] }")),
        ("route without IPv6", table_of(LAB, "::/0: igw")),
        ("route to an egress-only gateway without IPv6", with("route: igw", "route: eigw")),
        ("NAT for IPv6", table_of(&dual("igw", "igw"), "::/0: nat@public")),
        ("egress-only for IPv4", table_of(&dual("igw", "igw"), "0.0.0.0/0: eigw")),
        ("egress-only gateway that is not to be", dual("ipv6: 2001:db8:0:100::/56", "ipv6: true\n    eigw: false").replacen("route: igw", "route: eigw", 1)),
        ("host bits of a route", table_of(&dual("igw", "igw"), "2001:db8::1/32: igw")),
        ("AWS's words", table_of(&dual("igw", "igw"), "::/0: egress_only_internet_gateway")),
        ("AWS's words at a subnet", dual("route: igw", "route: internet_gateway")),
        ("two ways for one family", dual("route: nat@public", "route: [igw, eigw]")),
        ("icmp from IPv6", rule("icmp/echo from 2001:db8::/32")),
        ("icmpv6 in a list, from IPv4", entry("100 allow icmpv6 from 10.0.0.0/8")),
        ("host bits of a peer", rule("tcp/80 from 2001:db8::1/32")),
        ("over what", expect("web-1 -> internet tcp/443 over six: allowed")),
        ("over nothing", expect("web-1 -> internet tcp/443 over: allowed")),
        ("a family without a word", expect("web-1 -> internet tcp/443 ipv6: allowed")),
        ("an option for a family", expect("web-1 -> internet tcp/443 -6: allowed")),
    ]);
}

/// A lab with a route table that has one route.
fn table_of(lab: &str, route: &str) -> String {
    lab.replacen("    subnets:", &format!("    route_tables:\n      own:\n        routes:\n          {route}\n    subnets:"), 1)
}

#[test]
fn a_comma_between_ports_in_brackets_is_told_once() {
    check(
        "commas",
        &[
            ("ports of a rule", rule("tcp/80,443 from anywhere")),
            ("three ports, and another rule", rule("tcp/22,80,443 from 10.0.0.0/8, udp/53 from anywhere")),
            ("an entry", and("acls:\n  strict: [ 100 allow tcp/80,443 from anywhere ]")),
        ],
    );
}

/// The good lab with containers in its instance, and a volume.
fn containers(containers: &str) -> String {
    let more = format!("sg: web, listen: tcp/22, containers: {{ {containers} }} }}");
    format!("{}volumes: {{ db-data: {{}} }}\n", with("sg: web }", &more))
}

#[test]
fn containers_that_cannot_be_read() {
    let one = |keys: &str| containers(&format!("web: {{ image: nginx, {keys} }}"));
    check("containers_words", &[
        ("no image", containers("web: { publish: 80 }")),
        ("nothing", containers("web:")),
        ("image with capitals", containers("web: { image: Nginx }")),
        ("image with a scheme", containers("web: https://quay.io/a")),
        ("name of one letter", containers("w: nginx")),
        ("compose's words", one("ports: 80, environment: { A: b }, mem_limit: 1g")),
        ("port with a slip", one("publish: 8080->htps")),
        ("port range", one("publish: [80-90->80]")),
        ("port as listen has it", one("publish: udp/53")),
        ("port in base 60", one("publish: [ 22:22 ]")),
        ("port at an IPv6 address", one("publish: \"[::1]:80->80\"")),
        ("mount without a place", one("mounts: [ db-data ]")),
        ("mount in two words", one("mounts: [ db-data: /data ]")),
        ("mount of an unknown volume", one("mounts: [ db-dat:/data ]")),
        ("mount that is no path", one("mounts: [ site/html:/data ]")),
        ("mount at a relative path", one("mounts: [ \"db-data:data:ro\" ]")),
        ("mount option", one("mounts: [ db-data:/data:r ]")),
        ("two mounts at one place", one("mounts: [ db-data:/data, ./d:/data/ ]")),
        ("duration", one("healthcheck: { cmd: curl x, interval: 2, timeout: 3 seconds }")),
        ("health words", one("healthcheck: { test: curl x }")),
        ("health of nothing", one("healthcheck: { cmd: none, interval: 2s }")),
        ("size", one("memory: 512, shm_size: 1q")),
        ("too little memory", one("memory: 512k")),
        ("processors", one("cpus: many, pids: 0")),
        ("restart", one("restart: alway")),
        ("restart as a boolean", one("restart: yes")),
        ("capability", one("cap_add: NET_ADMN")),
        ("command with an open quote", one("command: \"echo 'a\"")),
        ("command that is a boolean", one("command: true")),
        ("environment without a value", one("env: [ A=1, B, A=2 ]")),
        ("environment with a boolean", one("env: { DEBUG: true }")),
        ("environment file", one("env_file: web.env")),
        ("user, host, signal, folder", one("user: \"a b\", hostname: -web, stop_signal: SIGSTOPP, working_dir: srv")),
    ]);
}

#[test]
fn containers_that_cannot_be_together() {
    check("containers_together", &[
        ("one port", containers("aa: { image: x, publish: 8080->80 }, bb: { image: x, publish: [8000-9000, 127.0.0.1:53->53/udp] }")),
        ("port of the instance", containers("aa: { image: x, publish: 22 }")),
        ("unknown container", containers("web: { image: x, depends_on: [bd] }, db: x")),
        ("only container", containers("web: { image: x, depends_on: other }")),
        ("container of another instance", containers("web: { image: x, depends_on: db }").replacen("volumes:", "  web-2: { subnet: public, containers: { db: x } }\nvolumes:", 1)),
        ("circle", containers("aa: { image: x, depends_on: bb }, bb: { image: x, depends_on: { cc: healthy } }, cc: { image: x, networks: \"container:aa\" }")),
        ("never healthy", containers("web: { image: x, depends_on: { db: healthy } }, db: { image: x, healthcheck: none }")),
        ("waits for a word", containers("web: { image: x, depends_on: { db: helthy } }, db: x")),
        ("host network", containers("web: { image: x, networks: host, publish: 80 }")),
        ("two kinds of network", containers("web: { image: x, networks: [back, none] }")),
        ("copied by like, said once", containers("web: { image: x, mounts: nowhere:/data }").replacen("volumes:", "  web-2: { like: web-1 }\nvolumes:", 1)),
        ("images", and("images: { nginx: nginx:1.27, db: pull, app: biuld ./app, other: pull Nginx, Upper: build . }")),
        ("volume's keys", and("volumes: { data: { driver: nfs } }")),
    ]);
}

/// The good lab with a lan of a hub, a switch, a bridge, two routers and three hosts, one piece of it replaced.
fn lan(from: &str, to: &str) -> String {
    const LAN: &str = "lans:
  room:
    hubs: { hub-1: 10M }
    switches: [sw-1]
    bridges: [br-1]
    routers:
      r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24, serial0: [] }, routes: [default via 10.0.2.2] }
      r-2: { interfaces: { eth0: 10.0.2.2/24, serial0: [] } }
    hosts:
      pc-1: 10.0.1.10/24
      pc-2: { address: 10.0.1.11/24, gateway: 10.0.1.1, listen: tcp/80 }
      pc-3: dhcp
    links:
      - pc-1, pc-2 -- sw-1
      - r-1:eth0 -- sw-1
";
    let lan = format!("{LAN}      - r-1:serial0 -- r-2:serial0 ppp\n");
    assert!(lan.contains(from), "{from}");
    and(&lan.replacen(from, to, 1))
}

fn link(sentence: &str) -> String {
    lan("- r-1:eth0 -- sw-1", &format!("- {sentence}"))
}

fn host(host: &str) -> String {
    lan("pc-3: dhcp", &format!("pc-3: {host}"))
}

fn router(more: &str) -> String {
    lan("serial0: [] }, routes: [default via 10.0.2.2] }", &format!("serial0: [] }}, {more} }}"))
}

#[test]
fn lans() {
    check("lans", &[
        ("unknown key", lan("hubs:", "hub:")),
        ("list of hosts", lan("pc-3: dhcp", "- pc-3")),
        ("rate without a unit", lan("hub-1: 10M", "hub-1: 10")),
        ("rate in small letters", lan("hub-1: 10M", "hub-1: 10m")),
        ("no rate", lan("hub-1: 10M", "hub-1: 0M")),
        ("a switch that forgets at once", lan("[sw-1]", "{ sw-1: { ageing: 0s } }")),
        ("name twice", lan("[sw-1]", "[sw-1, hub-1]")),
        ("name of an instance", lan("pc-3:", "web-1:")),
        ("name of a device of another lan", lan("lans:", "lans:\n  first: { hosts: { pc-1: 10.9.0.1/24 } }")),
        ("name of an outside place", lan("pc-3:", "office:").replace("lans:", "outside: { office: 203.0.113.7 }\nlans:")),
        ("a claim about a switch", lan("lans:", "expect: [sw-1 -> web-1 tcp/80: open]\nlans:")),
        ("a device called vpc", lan("[sw-1]", "[sw-1, vpc]")),
    ]);
}

#[test]
fn lan_hosts_and_routers() {
    check("lan_hosts_and_routers", &[
        ("address without a prefix", host("10.0.1.12")),
        ("address of the network", host("10.0.1.0/24")),
        ("broadcast address", host("10.0.1.255/24")),
        ("group's address", host("224.0.0.9/24")),
        ("word for an address", host("dchp")),
        ("dhcp and an address", host("{ address: 10.0.1.12/24, dhcp: true }")),
        ("address and interfaces", host("{ address: 10.0.1.12/24, interfaces: { eth1: dhcp } }")),
        ("one address twice", host("[10.0.1.12/24, 10.0.1.12/24]")),
        ("gateway outside the block", host("{ address: 10.0.1.12/24, gateway: 10.0.2.1 }")),
        ("its own gateway", host("{ address: 10.0.1.12/24, gateway: 10.0.1.12 }")),
        ("gateway of another family", host("{ address: 10.0.1.12/24, gateway: 'fd00::1' }")),
        ("two gateways", host("{ address: 10.0.1.12/24, gateway: [10.0.1.1, 10.0.1.2] }")),
        ("mac with dashes", host("{ address: 10.0.1.12/24, mac: 02-00-00-00-00-0A }")),
        ("short mac", host("{ address: 10.0.1.12/24, mac: '02:00' }")),
        ("mac of a group", host("{ address: 10.0.1.12/24, mac: 01:00:5e:00:00:09 }")),
        ("port twice", host("{ address: 10.0.1.12/24, listen: tcp/80, serve: http }")),
        ("unknown service", host("{ address: 10.0.1.12/24, serve: htpp }")),
        ("dhcp of another network", host("{ address: 10.0.1.12/24, serve: dhcp 10.0.9.100-10.0.9.199 }")),
        ("dhcp range backwards", host("{ address: 10.0.1.12/24, serve: dhcp 10.0.1.199-10.0.1.100 }")),
        ("name of an interface", host("{ interfaces: { a-very-long-interface: dhcp } }")),
        ("route without via", router("routes: [10.0.3.0/24 10.0.2.2]")),
        ("route to a host's bits", router("routes: [10.0.3.1/24 via 10.0.2.2]")),
        ("next hop out of reach", router("routes: [10.0.3.0/24 via 10.0.9.2]")),
        ("route out of nowhere", router("routes: [10.0.3.0/24 dev serial1]")),
        ("unknown protocol", router("protocols: [ospff]")),
        ("nat at no interface", router("nat: eht1")),
        ("filter's first word", router("filter: [drop tcp/23]")),
        ("filter's interface", router("filter: [deny tcp/23 in eth9]")),
        ("filter of two families", router("filter: [\"deny all from 10.0.0.0/8 to fd00::/64\"]")),
    ]);
}

#[test]
fn lan_links() {
    check("lan_links", &[
        ("unknown end", link("pc-4 -- sw-1")),
        ("unknown interface", link("r-1:eth2 -- sw-1")),
        ("which interface", link("r-1 -- sw-1")),
        ("interface of a switch", link("pc-3 -- sw-1:port7")),
        ("linked twice", link("pc-1 -- hub-1")),
        ("to itself", link("pc-3 -- pc-3")),
        ("third port of a bridge", link("pc-3, hub-1, r-1:eth0 -- br-1")),
        ("one dash", link("pc-3 - sw-1")),
        ("no spaces", link("pc-3--sw-1")),
        ("one end", link("pc-3")),
        ("three ends", link("pc-3 -- hub-1 -- sw-1")),
        ("many with many", link("pc-3, hub-1 -- sw-1, br-1")),
        ("space after the colon", link("r-1: eth0 -- sw-1")),
        ("commas in brackets", lan("bridges: [br-1]", "bridges: [br-1]\n    links: [pc-1, pc-2 -- sw-1]").split("    links:\n").next().unwrap_or_default().to_owned()),
        ("no rate", link("pc-3 -- sw-1 0M")),
        ("absurd rate", link("pc-3 -- sw-1 401G")),
        ("below one bit", link("pc-3 -- sw-1 0.5b")),
        ("another rate at a hub", link("pc-3 -- hub-1 100M")),
        ("delay too long", link("pc-3 -- sw-1 11s")),
        ("metres alone", link("pc-3 -- sw-1 100m")),
        ("loss above all", link("pc-3 -- sw-1 loss 101%")),
        ("loss without %", link("pc-3 -- sw-1 loss 1")),
        ("misspelt word", link("pc-3 -- sw-1 dwn")),
        ("a word twice", link("pc-3 -- sw-1 1M 2M")),
        ("mtu too small", link("pc-3 -- sw-1 mtu 60")),
        ("serial at a switch", link("pc-3 -- sw-1 ppp")),
        ("unknown VPC", link("r-1:eth1 -- vpc:shp")),
        ("host at a VPC", link("pc-3 -- vpc:shop")),
        ("VPC to VPC", link("vpc:shop -- vpc:shop")),
    ]);
}

#[test]
fn lan_balancers() {
    let balancer = |balancer: &str| lan("    links:", &format!("    balancers: {{ lb: {balancer} }}\n    links:"));
    check("lan_balancers", &[
        ("no virtual address", balancer("{ address: 10.0.1.2/24, ports: tcp/80, to: pc-1 }")),
        ("no ports", balancer("{ address: 10.0.1.2/24, virtual: 10.0.1.100, to: pc-1 }")),
        ("nobody", balancer("{ address: 10.0.1.2/24, virtual: 10.0.1.100, ports: tcp/80 }")),
        ("unknown host", balancer("{ address: 10.0.1.2/24, virtual: 10.0.1.100, ports: tcp/80, to: [pc-1, pc-9] }")),
        ("a switch", balancer("{ address: 10.0.1.2/24, virtual: 10.0.1.100, ports: tcp/80, to: [sw-1] }")),
        ("group's address", balancer("{ address: 10.0.1.2/24, virtual: 224.0.0.9, ports: tcp/80, to: [pc-1] }")),
    ]);
}

#[test]
fn the_good_lan_is_good() {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    load("shop.yaml", &One(lan("lans:", "lans:"))).unwrap().apply(&mut model).unwrap();
}
