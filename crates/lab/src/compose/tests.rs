use super::*;
use crate::load::{Files, load};

struct One(String);

impl Files for One {
    fn read(&self, name: &str, from: Option<&str>) -> Result<(String, String), String> {
        match from {
            None => Ok((name.to_owned(), self.0.clone())),
            Some(_) => Ok((name.to_owned(), "A=1\n".into())),
        }
    }
}

fn request<'a>(text: &'a str, profiles: &'a [String]) -> Request<'a> {
    let variables = [("TAG", "1.27"), ("EMPTY", ""), ("FROM_ENV", "secret"), ("HOME", "/home/me")];
    Request {
        name: "compose.yaml",
        text,
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        instance: "web-1",
        lab: "shop",
        profiles,
        folder: ".",
        is_fragment: false,
    }
}

fn made(text: &str) -> Composed {
    let composed = import(&request(text, &[])).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let lab = load("lab.yaml", &One(composed.text.clone())).unwrap_or_else(|e| panic!("{}\n{e}", composed.text));
    let context = model::Context::seeded(1, model::Timestamp::default());
    let mut model = model::Model::new("000000000000", lab.region(), context);
    lab.apply(&mut model).unwrap_or_else(|e| panic!("{}\n{e}", composed.text));
    composed
}

/// What a service comes to, without the lines that every one has.
fn service(text: &str) -> String {
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    let composed = made(&format!("volumes: {{ data: {{}} }}\nservices:\n  other: {{ image: x }}\n  web:\n    image: nginx\n{indented}"));
    let (_, own) = composed.text.split_once("      web:\n        image: \"nginx\"\n").unwrap();
    own.lines().map(str::trim).filter(|line| *line != "networks: \"shop_default\"").collect::<Vec<_>>().join("\n")
}

#[test]
fn every_form_of_a_key_becomes_its_twin() {
    for (compose, lab) in [
        ("ports: [\"8080:80\", \"127.0.0.1:81:81\", 443:443, \"53:53/udp\", \"8000-8002:9000-9002\"]", "publish: [\"8080->80\", \"127.0.0.1:81->81\", \"443->443\", \"53->53/udp\", \"8000-8002->9000-9002\"]"),
        ("ports:\n  - target: 80\n    published: \"8080\"\n    host_ip: 127.0.0.1\n    protocol: tcp\n    mode: host", "publish: \"127.0.0.1:8080->80\""),
        ("ports: [\"80\"]", "publish: \"80->80\""),
        ("volumes: [\"data:/d:ro\", \"./x:/x\", \"../y:/y\", \"~/z:/z:Z\", /cache]", "mounts: [\"data:/d:ro\", \"./x:/x\", \"../y:/y\", \"/home/me/z:/z\", \"/cache\"]"),
        ("volumes:\n  - { type: bind, source: ./x, target: /x, read_only: true }\n  - { type: volume, source: data, target: /d, volume: { nocopy: true } }\n  - { type: tmpfs, target: /t, tmpfs: { size: 1m } }", "mounts: [\"./x:/x:ro\", \"data:/d:nocopy\", \"tmpfs:/t:size=1m\"]"),
        ("tmpfs: [/run, \"/tmp:size=64m\"]", "mounts: [\"tmpfs:/run\", \"tmpfs:/tmp:size=64m\"]"),
        ("environment: { A: 1, B: \"x y\", FROM_ENV: }", "env: { \"A\": \"1\", \"B\": \"x y\", \"FROM_ENV\": \"secret\" }"),
        ("environment: [A=1, \"B=x=y\", FROM_ENV]", "env: { \"A\": \"1\", \"B\": \"x=y\", \"FROM_ENV\": \"secret\" }"),
        ("command: nginx -g 'daemon off;'", "command: \"nginx -g 'daemon off;'\""),
        ("command: [nginx, -g]\nentrypoint: [\"/go\"]", "command: [\"nginx\", \"-g\"]\nentrypoint: [\"/go\"]"),
        ("depends_on: [other]", "depends_on: { other: started }"),
        ("depends_on: { other: { condition: service_healthy }, gone: { condition: service_started, required: false } }", "depends_on: { other: healthy }"),
        ("healthcheck: { test: [CMD, curl, x], interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s }", "healthcheck: { cmd: [\"CMD\", \"curl\", \"x\"], interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s }"),
        ("healthcheck: { test: curl x || exit 1 }", "healthcheck: { cmd: \"curl x || exit 1\" }"),
        ("healthcheck: { disable: true }", "healthcheck: none"),
        ("restart: unless-stopped", "restart: \"unless-stopped\""),
        ("restart: \"no\"", ""),
        ("restart: on-failure:3", "restart: \"on-failure:3\""),
        ("deploy: { resources: { limits: { cpus: '0.50', memory: 50M, pids: 10 } } }", "cpus: 0.50\nmemory: 50M\npids: 10"),
        ("mem_limit: 64m\ncpus: 0.5", "cpus: 0.5\nmemory: 64m"),
        ("cap_add: [NET_ADMIN]\ncap_drop: [ALL]\nprivileged: true\nread_only: true\ninit: true\ntty: true", "cap_add: \"NET_ADMIN\"\ncap_drop: \"ALL\"\nprivileged: true\nread_only: true\ninit: true\ntty: true"),
        ("user: \"1000:1000\"\nworking_dir: /app\nhostname: box\nstop_signal: SIGQUIT\nstop_grace_period: 1m", "user: \"1000:1000\"\nworking_dir: \"/app\"\nhostname: \"box\"\nstop_signal: \"SIGQUIT\"\nstop_timeout: 1m"),
        ("labels: [a=b]\nextra_hosts: [\"db:10.0.0.5\"]", "labels: { \"a\": \"b\" }\nextra_hosts: { \"db\": \"10.0.0.5\" }"),
        ("network_mode: service:other", "networks: \"container:other\""),
        ("network_mode: host\nports: [\"80:80\"]", "networks: \"host\""),
        ("env_file: [./a.env, { path: b.env, required: true }]", "env_file: [\"./a.env\", \"./b.env\"]"),
    ] {
        assert_eq!(service(compose), lab, "{compose}");
    }
}

#[test]
fn variables_are_replaced_as_compose_replaces_them() {
    for (written, expected) in [
        ("a:${TAG}", "a:1.27"),
        ("a:$TAG", "a:1.27"),
        ("a:${NONE:-2}", "a:2"),
        ("a:${NONE-2}", "a:2"),
        ("a:${EMPTY:-2}", "a:2"),
        ("a${EMPTY-2}", "a"),
        ("a${TAG:+b}", "ab"),
        ("a${NONE:+b}", "a"),
        ("a:${NONE:-${TAG}}", "a:1.27"),
        ("a:${TAG?needed}", "a:1.27"),
    ] {
        let composed = made(&format!("services: {{ web: {{ image: '{written}' }} }}"));
        assert!(composed.text.contains(&format!("image: \"{expected}\"")), "{written}: {}", composed.text);
    }
    let composed = made("services:\n  web:\n    image: nginx\n    command: echo $$HOME $NONE\n");
    assert!(composed.text.contains("command: \"echo $HOME \""), "{}", composed.text);
    assert_eq!(composed.notes, [Note { line: 4, text: "variable NONE is not set: nothing stands in its place".into() }]);
    let file = "# c\nA=1\nexport B='x y' # c\nC=\"q\"\nD=plain # c\n\nE\n";
    let expected = [("A", "1"), ("B", "x y"), ("C", "q"), ("D", "plain")];
    assert_eq!(variables_of_file(file), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn a_whole_file_comes_to_a_lab_that_can_come_up() {
    let composed = made(
        "name: My Shop\nx-common: &common\n  restart: always\nservices:\n  web:\n    <<: *common\n    build: { context: ./web, dockerfile: D, args: { V: 1 }, target: app }\n    ports: [\"8080:80\"]\n    depends_on: { db: { condition: service_healthy } }\n    networks: { front: { aliases: [www, web] }, back: }\n  db:\n    image: mariadb:${TAG}\n    volumes: [data:/var/lib/mysql]\n    networks: [back]\n    ulimits: { nofile: 10 }\n  tools: { image: x, profiles: [debug] }\nvolumes: { data: { driver: local, labels: { a: b } } }\nnetworks: { front: , back: { internal: true } }\n",
    );
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("whole", composed.text) });
    let notes: Vec<String> = composed.notes.iter().map(|note| format!("{}: {}", note.line, note.text)).collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("notes", notes.join("\n")) });
    assert_eq!((composed.lab.as_str(), composed.containers), ("my-shop", 2));
}

#[test]
fn a_fragment_has_no_cloud() {
    let composed = import(&Request { is_fragment: true, folder: "/srv/shop", ..request("services: { web: { build: ., volumes: [./x:/x] } }", &[]) }).unwrap();
    let expected = "# Made of compose.yaml by vpclab import compose.\nimages:\n  web: \"build /srv/shop\"\ninstances:\n  web-1:\n    containers:\n      web:\n        image: \"web\"\n        mounts: \"/srv/shop/x:/x\"\n        networks: \"shop_default\"\n";
    assert_eq!(composed.text, expected);
}

#[test]
fn profiles_that_are_on_take_services_in() {
    let text = "services: { web: { image: x }, tools: { image: y, profiles: [debug] } }";
    assert_eq!(import(&request(text, &[])).unwrap().containers, 1);
    assert_eq!(import(&request(text, &["debug".to_owned()])).unwrap().containers, 2);
}

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    for (text, line, why) in [
        ("", 1, "nothing in the compose file"),
        ("services:\n  web: { imge: x }\n", 2, "did you mean `image`?"),
        ("servces: {}\n", 1, "did you mean `services`?"),
        ("services:\n  web: {}\n", 2, "neither image nor build"),
        ("services:\n  web: { image: X }\n", 2, "not an image"),
        ("services:\n  web: { image: x, ports: [\"a:b\"] }\n", 2, "no published port"),
        ("services:\n  web: { image: x, volumes: [\"dat:/d\"] }\nvolumes: { data: }\n", 2, "did you mean `data`?"),
        ("services:\n  web: { image: x, depends_on: [bd] }\n  db: { image: x }\n", 2, "did you mean `db`?"),
        ("services:\n  web: { image: x, networks: [bak] }\nnetworks: { back: }\n", 2, "did you mean `back`?"),
        ("services:\n  web: { image: x, extends: { service: y } }\n", 2, "`extends` is not read"),
        ("include: [a.yaml]\nservices: { web: { image: x } }\n", 1, "`include` is not read"),
        ("services:\n  web: { image: \"${TAG\" }\n", 2, "has no `}`"),
        ("services:\n  web: { image: \"x${9}\" }\n", 2, "without a variable's name"),
        ("services:\n  web: { image: \"${NONE:?set it}\" }\n", 2, "variable NONE: set it"),
        ("services:\n  web: { image: x, healthcheck: { test: [curl] } }\n", 2, "CMD, CMD-SHELL or NONE"),
        ("services:\n  web: { image: x, stop_grace_period: soon }\n", 2, "no span of time"),
        ("services:\n  web: { image: x, mem_limit: lots }\n", 2, "no size"),
        ("services:\n  w: { image: x }\n", 2, "cannot be the name"),
        ("services: [a]\n", 1, "is a mapping"),
    ] {
        let problems = import(&request(text, &[])).unwrap_err().render(false);
        assert!(problems.contains(&format!("compose.yaml:{line}:")) && problems.contains(why), "{text}: {problems}");
    }
}

#[test]
fn what_cannot_be_carried_is_said_with_its_line() {
    let text = "services:\n  web:\n    image: x\n    container_name: shop-web\n    ulimits: { nofile: 1 }\n    dns: 1.1.1.1\n    scale: 3\n    deploy: { replicas: 2 }\n    logging: { driver: none }\n    extra_hosts: [\"host:host-gateway\"]\n    secrets: [a]\nsecrets: { a: { file: ./a } }\n";
    let composed = made(text);
    let lines: Vec<u32> = composed.notes.iter().map(|note| note.line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 8, 9, 10, 11, 12], "{:?}", composed.notes);
}

proptest::proptest! {
    #[test]
    fn no_pieces_make_it_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "services:", "\n", "  ", "    ", "web:", " ", "image: x", "build: .", "build: {", "}", "[", "]", "ports: ", "\"8080:80\"", "8000-8001:80", "volumes: ", "data:/d", "tmpfs: ",
        "environment: ", "A=1", "${", "$", "$$", ":-", "?", "'", "\"", "<<: *a", "&a", "*a", "- ", ",", "networks: ", "depends_on: ", "healthcheck: ", "test: ", "deploy: ", "x-a: ", "é", "#", "null",
        "profiles: ", "extra_hosts: ", "mem_limit: ", "1g", "network_mode: ", "service:", "restart: ", "always",
    ]), 0..60)) {
        let text = pieces.concat();
        match import(&request(&text, &[])) {
            Ok(composed) => proptest::prop_assert!(composed.containers > 0),
            Err(problems) => proptest::prop_assert!(!problems.render(false).is_empty()),
        }
    }
}
