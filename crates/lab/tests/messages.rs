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
        ("not built yet", and("lans: { data: {} }")),
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
