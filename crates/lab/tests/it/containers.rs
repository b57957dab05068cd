//! Containers of a lab file: what becomes of them in the cloud, and what an edit of them is.

use std::collections::BTreeMap;

use lab::{Files, Lab, load};
use model::container::*;
use model::{Context, InstanceId, Model, PortRange, Region, Timestamp, TrafficMatch};

struct Map(BTreeMap<&'static str, String>);

impl Files for Map {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        let text = self.0.get(name).ok_or("no such file")?;
        Ok((name.to_owned(), text.clone()))
    }
}

const CLOUD: &str = "vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: /24 } } } }\n";

fn read(text: &str) -> Lab {
    let env = "# settings\nFROM_FILE=1\nBOTH=file\n".to_owned();
    let files = Map(BTreeMap::from([("labs/lab.yaml", format!("{CLOUD}{text}")), ("db.env", env)]));
    load("labs/lab.yaml", &files).unwrap_or_else(|e| panic!("{e}"))
}

fn empty() -> Model {
    Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()))
}

fn made(text: &str) -> Model {
    let mut model = empty();
    read(text).apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    model
}

fn sole(model: &Model) -> (&InstanceId, &BTreeMap<String, ContainerSpec>) {
    model.containers.iter().next().unwrap()
}

/// Every change of an edit, as `plan` prints them; applied, nothing is left.
fn edit(before: &str, after: &str) -> String {
    let mut model = made(before);
    let lab = read(after);
    let changes = lab.apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(lab.plan(&model).unwrap(), vec![], "a plan after apply is empty");
    assert_eq!(model.containers.values().next().map(BTreeMap::len), made(after).containers.values().next().map(BTreeMap::len));
    changes.iter().map(|change| format!("{change}\n")).collect()
}

#[test]
fn every_key_arrives_in_the_model() {
    let model = made(
        "volumes: { data: { labels: { of: shop } } }
images: { own: build ./own, far: pull nginx:1.27 }
instances:
  i:
    subnet: a
    listen: tcp/22
    containers:
      web: nginx
      db:
        image: own
        publish: [8080->80, 127.0.0.1:9000, 53->5353/udp]
        entrypoint: [sh, -c]
        command: exec db --flag 'a b'
        env_file: db.env
        env: { BOTH: here, N: 1 }
        mounts: [ 'data:/data', './site:/site:ro', 'tmpfs:/run:size=1m', /own ]
        depends_on: web
        healthcheck: { cmd: ping, interval: 1m30s, retries: 15 }
        restart: on-failure:3
        memory: 512m
        cpus: 0.5
        networks: [back, front]
        cap_drop: all
        cap_add: [CAP_NET_ADMIN]
        stop_signal: quit
        user: \"1000:1000\"
        extra_hosts: { h: 10.0.0.1 }
",
    );
    let (id, containers) = sole(&model);
    assert_eq!(containers["web"], ContainerSpec { image: "nginx".into(), origin: containers["web"].origin.clone(), ..ContainerSpec::default() });
    assert_eq!(containers["web"].origin.to_string(), "labs/lab.yaml:9");
    let text = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let pairs = |all: &[(&str, &str)]| all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>();
    let db = &containers["db"];
    let wanted = ContainerSpec {
        image: "own".into(),
        entrypoint: Some(text(&["sh", "-c"])),
        command: Some(text(&["exec", "db", "--flag", "a b"])),
        publish: db.publish.clone(),
        environment: pairs(&[("BOTH", "here"), ("FROM_FILE", "1"), ("N", "1")]),
        mounts: db.mounts.clone(),
        user: Some("1000:1000".into()),
        depends_on: [("web".to_owned(), Readiness::Started)].into(),
        health_check: Some(HealthCheck {
            test: HealthTest::Shell("ping".into()),
            interval_milliseconds: Some(90_000),
            timeout_milliseconds: None,
            retries: Some(15),
            start_period_milliseconds: None,
        }),
        restart: RestartPolicy::OnFailure { retries: Some(3) },
        resources: Resources { memory_bytes: Some(512 << 20), nano_cpus: Some(500_000_000), ..Resources::default() },
        network: NetworkChoice::Named(text(&["back", "front"]).into_iter().collect()),
        extra_hosts: pairs(&[("h", "10.0.0.1")]),
        cap_add: ["NET_ADMIN".to_owned()].into(),
        cap_drop: ["ALL".to_owned()].into(),
        stop_signal: Some("SIGQUIT".into()),
        origin: db.origin.clone(),
        ..ContainerSpec::default()
    };
    assert_eq!(*db, wanted);
    let shown: Vec<String> = db.publish.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["8080->80", "127.0.0.1:9000->9000", "53->5353/udp"]);
    // Paths count from the file that has them.
    let shown: Vec<String> = db.mounts.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["data:/data", "/own", "tmpfs:/run:size=1048576b", "labs/./site:/site:ro"]);
    assert_eq!(model.container_images["own"].source, ImageSource::Build("labs/./own".into()));
    assert_eq!(model.volumes["data"].labels, pairs(&[("of", "shop")]));
    // A port at a loopback address is nobody else's to reach.
    let tcp = |port| TrafficMatch::Tcp(PortRange::one(port));
    assert_eq!(model.published_ports(id), [tcp(8080), TrafficMatch::Udp(PortRange::one(53))]);
}

#[test]
fn an_edit_replaces_containers_and_leaves_instances_and_volumes() {
    let lab = |volumes: &str, containers: &str| format!("{volumes}instances: {{ i: {{ subnet: a, containers: {{ {containers} }} }} }}\n");
    let data = "volumes: { data: {} }\n";
    let db = "db: { image: mariadb, env: { PASSWORD: one }, mounts: data:/data, memory: 1g }";
    let mut told = String::new();
    for (what, before, after) in [
        ("added", lab("", ""), lab(data, &format!("{db}, web: {{ image: nginx, publish: 80 }}"))),
        ("another image and port", lab("", "web: { image: nginx, publish: 80 }"), lab("", "web: { image: nginx:1.27, publish: 8080->80 }")),
        ("a secret", lab(data, db), lab(data, &db.replace("one", "two").replace("1g", "2g"))),
        ("removed, and its volume", lab(data, &format!("{db}, web: nginx")), lab("", "web: nginx")),
        ("moved in the file", lab(data, db), format!("\n\n{}", lab(data, db))),
        ("instance replaced", lab("", "web: nginx"), lab("", "web: nginx").replace("subnet: a", "subnet: a, private_ip: 10.0.0.77")),
        ("instance removed", lab("", "web: nginx"), "instances: { j: { subnet: a, containers: { web: nginx } } }\n".to_owned()),
        ("image elsewhere", lab("images: { own: pull nginx }\n", "web: own"), lab("images: { own: build . }\n", "web: own")),
        ("a port passes to the instance", lab("", "web: { image: x, publish: 80 }"), lab("", "web: x").replace("subnet: a", "subnet: a, listen: tcp/80")),
        ("and back", lab("", "web: x").replace("subnet: a", "subnet: a, listen: tcp/80"), lab("", "web: { image: x, publish: 80 }")),
    ] {
        told.push_str(&format!("## {what}\n{}\n", edit(&before, &after)));
    }
    assert!(!told.contains("two") && !told.contains("one"), "values of variables may be secrets");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("edits", told) });
}

#[test]
fn a_change_of_a_container_keeps_the_instance() {
    let lab = |image: &str| format!("instances: {{ i: {{ subnet: a, containers: {{ web: {image} }} }} }}\n");
    let mut model = made(&lab("nginx"));
    let before = (model.instances.clone(), model.generation);
    read(&lab("httpd")).apply(&mut model).unwrap();
    assert_eq!(model.instances.keys().collect::<Vec<_>>(), before.0.keys().collect::<Vec<_>>());
    assert!(model.generation > before.1, "who runs the lab must learn of it");
    assert_eq!(sole(&model).1["web"].image, "httpd");
}

#[test]
fn like_and_count_copy_containers() {
    let model = made("instances:\n  web: { subnet: a, count: 3, containers: { web: { image: x, publish: 80 } } }\n  b: { like: web, count: 1, containers: { web: { memory: 1g } } }\n");
    assert_eq!(model.containers.len(), 4);
    for containers in model.containers.values() {
        assert_eq!(containers["web"].publish.len(), 1);
    }
    let limited = model.containers.values().filter(|containers| containers["web"].resources.memory_bytes.is_some());
    assert_eq!(limited.count(), 1);
}

#[test]
fn what_is_written_of_a_model_makes_it_again() {
    let text = include_str!("../../../../fuzz/seeds/lab/keys").split("expect:").next().unwrap();
    let files = |text: &str| Map(BTreeMap::from([("lab.yaml", text.to_owned())]));
    let mut model = empty();
    load("lab.yaml", &files(text)).unwrap_or_else(|e| panic!("{e}")).apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    assert!(model.containers.values().any(|all| all.len() == 2));
    let exported = lab::export(&model, "again");
    let again = load("lab.yaml", &files(&exported.text)).unwrap_or_else(|e| panic!("{e}"));
    let left = again.plan(&model).unwrap_or_else(|e| panic!("{e}"));
    let left: Vec<String> = left.iter().map(ToString::to_string).filter(|line| line.contains("container") || line.contains("volume")).collect();
    assert_eq!(left, Vec::<String>::new(), "{}", exported.text);
    let mut twin = empty();
    again.apply(&mut twin).unwrap_or_else(|e| panic!("{e}"));
    let all = |model: &Model| -> Vec<(String, String)> {
        let containers = model.containers.values().flatten();
        let plain = |spec: &ContainerSpec| ContainerSpec { origin: Default::default(), ..spec.clone() };
        containers.map(|(name, spec)| (name.clone(), serde_json::to_string(&plain(spec)).unwrap())).collect()
    };
    assert_eq!(all(&model), all(&twin));
}

#[test]
fn images_say_in_one_way_where_they_come_from() {
    let text = "images:
  short: build ./own
  long: { build: { context: ./own, dockerfile: D, args: { V: 1 }, target: app } }
  folder: { build: ./own }
  file: { archive: own.tar }
  far: { pull: nginx:1.27 }
instances: { i: { subnet: a, containers: { web: long } } }
";
    let model = made(text);
    let source = |name: &str| model.container_images[name].source.clone();
    let own = || "labs/./own".to_owned();
    assert_eq!((source("short"), source("folder")), (ImageSource::Build(own()), ImageSource::Build(own())));
    assert_eq!((source("file"), source("far")), (ImageSource::Archive("labs/own.tar".into()), ImageSource::Pull("nginx:1.27".into())));
    let build = source("long").build().unwrap();
    assert_eq!((build.context, build.dockerfile.as_deref(), build.target.as_deref()), (own(), Some("D"), Some("app")));
    assert_eq!(build.arguments, BTreeMap::from([("V".to_owned(), "1".to_owned())]));
    // What is written of it again is read as the same.
    let exported = lab::export(&model, "again").text;
    let files = Map(BTreeMap::from([("again.yaml", exported.clone())]));
    let mut again = empty();
    load("again.yaml", &files).unwrap_or_else(|e| panic!("{exported}\n{e}")).apply(&mut again).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again.container_images["long"].source, source("long"));
    for (wrong, why) in [
        ("{ build: ., pull: x }", "an image comes in one way"),
        ("{}", "an image comes in one way"),
        ("{ build: { target: x } }", "the build has no context"),
        ("{ build: { contxt: x } }", "did you mean `context`?"),
        ("{ pull: UPPER }", "lower case"),
    ] {
        let files = Map(BTreeMap::from([("lab.yaml", format!("{CLOUD}images: {{ web: {wrong} }}\n"))]));
        let problems = load("lab.yaml", &files).unwrap_err().to_string();
        assert!(problems.contains(why), "{wrong}: {problems}");
    }
}
