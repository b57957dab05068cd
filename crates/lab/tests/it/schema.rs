//! What `vpclab schema` prints is what editors check by: it takes every example and refuses what the reader refuses.
//!
//! The checker here knows the keywords that the schema uses and stops at any other, so that nothing passes unlooked at.
//! A validator of all of JSON Schema would bring forty crates for this one test.

use lab::source::Sources;
use lab::yaml::{Node, Value as Yaml};
use lab::load;
use serde_json::{Map, Value, json};

use crate::texts::One;

/// A node as editors read YAML 1.2.
fn json_of(node: &Node) -> Value {
    match &node.value {
        Yaml::Scalar { text, plain: true } => match text.as_str() {
            "" | "~" | "null" => Value::Null,
            "true" => true.into(),
            "false" => false.into(),
            number => number
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| number.parse::<f64>().map(Value::from))
                .unwrap_or_else(|_| number.into()),
        },
        Yaml::Scalar { text, .. } => text.as_str().into(),
        Yaml::Sequence(all) => all.iter().map(json_of).collect(),
        Yaml::Mapping(all) => {
            Value::Object(all.iter().map(|(key, value)| (key.text().unwrap_or_default().to_owned(), json_of(value))).collect())
        }
    }
}

fn parse(text: &str) -> Value {
    let mut sources = Sources::default();
    let file = sources.add("lab.yaml", text.to_owned());
    json_of(&lab::yaml::parse(&sources, file).unwrap_or_else(|e| panic!("{e:?}\n{text}")))
}

/// The first thing wrong with a value, with its path.
fn check(schema: &Value, value: &Value, path: &str, root: &Value) -> Result<(), String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err(format!("{path}: nothing may stand here")),
        Value::Object(schema) => schema,
        other => panic!("{other} is no schema"),
    };
    for (keyword, wanted) in schema {
        let fine = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "examples" | "default" | "items" | "properties" => true,
            "$ref" => {
                let target = root.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap_or_else(|| panic!("{wanted}"));
                check(target, value, path, root)?;
                true
            }
            "type" => match wanted {
                Value::String(one) => is_a(value, one),
                Value::Array(any) => any.iter().any(|one| is_a(value, one.as_str().unwrap())),
                other => panic!("type {other}"),
            },
            "anyOf" => {
                let mut all = wanted.as_array().unwrap().iter().map(|one| check(one, value, path, root));
                all.any(|one| one.is_ok())
            }
            "not" => check(wanted, value, path, root).is_err(),
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "pattern" => value.as_str().is_none_or(|text| regex::Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
            "format" => value.as_str().is_none_or(|text| match wanted.as_str().unwrap() {
                "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
                "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
                other => panic!("format {other}"),
            }),
            "minimum" => value.as_f64().is_none_or(|is| is >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|is| is <= wanted.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|is| is.len() as u64 >= wanted.as_u64().unwrap()),
            "minProperties" => value.as_object().is_none_or(|is| is.len() as u64 >= wanted.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|is| is.len() as u64 <= wanted.as_u64().unwrap()),
            "required" => value
                .as_object()
                .is_none_or(|is| wanted.as_array().unwrap().iter().all(|key| is.contains_key(key.as_str().unwrap()))),
            "propertyNames" => {
                let names = value.as_object().into_iter().flat_map(Map::keys);
                names.map(|name| check(wanted, &json!(name), &format!("{path}/{name}"), root)).collect::<Result<Vec<_>, _>>()?;
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let more = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)));
                for (key, value) in more {
                    check(wanted, value, &format!("{path}/{key}"), root)?;
                }
                true
            }
            other => panic!("the schema says `{other}`, which this test does not know"),
        };
        if !fine {
            return Err(format!("{path}: {value} is not {keyword} {wanted}"));
        }
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (key, value) in value.as_object().into_iter().flatten() {
            if let Some(one) = properties.get(key) {
                check(one, value, &format!("{path}/{key}"), root)?;
            }
        }
    }
    if let Some(one) = schema.get("items") {
        for (at, value) in value.as_array().into_iter().flatten().enumerate() {
            check(one, value, &format!("{path}/{at}"), root)?;
        }
    }
    Ok(())
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    }
}

fn validate(text: &str) -> Result<(), String> {
    let schema = lab::schema();
    check(&schema, &parse(text), "", &schema)
}

fn examples() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_schema_takes_every_example() {
    let examples = examples();
    assert!(examples.len() >= 5);
    for (name, text) in examples {
        assert_eq!(validate(&text), Ok(()), "{name}");
    }
}

/// A lab with nearly every key.
const ALL: &str = include_str!("../../../../fuzz/seeds/lab/keys");

#[test]
fn the_schema_takes_every_short_and_long_form() {
    assert_eq!(validate(ALL), Ok(()));
    for text in [
        "vpcs:\n",
        "vpcs: { v: { cidr: 10.0.0.0/16, igw: auto, dhcp: none } }",
        "instances: { i: { user_data: { file: a.sh }, tags: { port: 22 } } }",
        "acls: { a: { vpc: v, rules: [100 allow all from anywhere] } }",
        "peerings: { p: { vpcs: [a, b], routes: true, dns: false } }",
        "prefix_lists: { l: 10.0.0.0/8 }",
        "expect: [a -> b tcp/1, { a -> b tcp/2: open }]",
        "outside: { o: \"2001:db8::1\" }",
        "volumes: { a: , b: {}, c: { labels: [x=y] } }\nimages: { web: build ./web, db: pull mariadb:11 }",
        "instances: { i: { containers: { web: nginx, db: { image: x, publish: [80, 8080->80, 53->53/udp], command: [sleep, 10] } } } }",
        "instances: { i: { containers: { w1: { image: x, restart: no, cpus: 0.5, memory: 1.5g, healthcheck: none, env: [A=b] } } } }",
        "instances: { i: { containers: { w1: { image: x, depends_on: { db: healthy }, healthcheck: { cmd: [CMD, a], interval: 1m30s } } } } }",
    ] {
        assert_eq!(validate(text), Ok(()), "{text}");
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    for (text, place) in [
        ("subnts: {}", "/subnts"),
        ("vpcs: [a, b]", "/vpcs"),
        ("vpcs: { v: { cidr: 10.0.0.0, subnets: {} } }", "/vpcs/v"),
        ("vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 24 } } } }", "/vpcs/v/subnets/a"),
        ("vpcs: { v: { cidr: 10.0.0.0/16, subnets: { a: { cidr: /24, rout: igw } } } }", "/vpcs/v/subnets/a/rout"),
        ("vpcs: { 1st: { cidr: 10.0.0.0/16 } }", "/vpcs/1st"),
        ("vpcs: { v: { cidr: 10.0.0.0/16, igw: maybe } }", "/vpcs/v/igw"),
        ("instances: { i: { count: three } }", "/instances/i/count"),
        ("instances: { i: { public_ip: perhaps } }", "/instances/i/public_ip"),
        ("instances: { i: { private_ip: 10.0.0 } }", "/instances/i/private_ip"),
        ("instances: { i: { listen: [icmp] } }", "/instances/i/listen"),
        ("instances: { i: { metadata: { hop_limit: 300 } } }", "/instances/i/metadata"),
        ("instances: { i: { source_dest_check: \"no\" } }", "/instances/i/source_dest_check"),
        ("instances: { i: { tags: { public: true } } }", "/instances/i/tags/public"),
        ("expect: { a: b, c: d }", "/expect"),
        ("expect: [ { a -> b any: true } ]", "/expect/0"),
        ("iam: { data: {} }", "/iam"),
        ("iam: { policies: { p: [] } }", "/iam"),
        ("iam: { roles: { r: { trust: [] , polices: x } } }", "/iam"),
        ("lans: [a]", "/lans"),
        ("lans: { l: { hub: [h] } }", "/lans/l/hub"),
        ("lans: { l: { hubs: { h1: 10 } } }", "/lans/l/hubs"),
        ("lans: { l: { switches: [1st] } }", "/lans/l/switches"),
        ("lans: { l: { hosts: { p1: 10.0.1.10 } } }", "/lans/l/hosts/p1"),
        ("lans: { l: { hosts: { p1: { address: 10.0.1.10/24, mac: 02:00 } } } }", "/lans/l/hosts/p1"),
        ("lans: { l: { routers: { r1: { protocols: bgp } } } }", "/lans/l/routers/r1/protocols"),
        ("lans: { l: { routers: { r1: { filter: [drop all] } } } }", "/lans/l/routers/r1/filter"),
        ("lans: { l: { hosts: { p1: { address: 10.0.1.10/24, serve: gopher } } } }", "/lans/l/hosts/p1"),
        ("lans: { l: { links: [p1 - s1] } }", "/lans/l/links/0"),
        ("volumes: [data]", "/volumes"),
        ("images: { web: nginx }", "/images/web"),
        ("instances: { i: { containers: { web: { publish: 80 }, db: { image: x, ports: 80 } } } }", "/instances/i/containers"),
        ("instances: { i: { containers: { web: { image: x, publish: \"*\" } } } }", "/instances/i/containers"),
        ("instances: { i: { containers: { web: { image: x, restart: sometimes } } } }", "/instances/i/containers"),
        ("instances: { i: { containers: { web: { image: x, memory: 512 } } } }", "/instances/i/containers"),
        ("quotas: { vpcs_per_region: -1 }", "/quotas/vpcs_per_region"),
        ("security_groups: { g: { vpc: v, ruls: [] } }", "/security_groups/g"),
    ] {
        let error = validate(text).expect_err(text);
        assert!(error.starts_with(place), "{text}: {error}");
        assert!(load("lab.yaml", &One(text.to_owned())).is_err(), "the reader takes {text}");
    }
}
