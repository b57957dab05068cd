//! Every parameter of every operation, by the shapes: whatever is asked gets an answer or a refusal in AWS's form, never a failure, and
//! what there is afterwards is consistent.
//!
//! `VPCLAB_FUZZ_CALLS` is how many calls each operation gets (default 12), `VPCLAB_FUZZ_SEED` where they begin.

use std::collections::BTreeMap;

use door::Cloud;
use fabric::Fabric;
use lab::snapshot::{self, Snapshot};
use model::random::SplitMix64;
use model::{Model, Timestamp};
use query::endpoint::Authentication;
use query::sigv4::{Signer, sign};
use query::{Request, Response, Service, form, shapes};
use serde_json::{Value, json};

use crate::any_call::{Maker, Pairs};
use crate::world::{ACCOUNT, REGION, World};

const NOW: Timestamp = Timestamp(1_795_597_200);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A world in which nothing is signed and some of everything is there.
fn world() -> World {
    world_at(NOW)
}

fn world_at(now: Timestamp) -> World {
    let mut world = World::with(Authentication::Off { region: REGION.to_owned() }, now);
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24");
    let image = world.image();
    for (operation, arguments) in [
        ("RunInstances", json!({"ImageId": image, "MinCount": 2, "MaxCount": 2, "SubnetId": subnet})),
        ("CreateInternetGateway", json!({})),
        ("AllocateAddress", json!({"Domain": "vpc"})),
        ("CreateSecurityGroup", json!({"VpcId": vpc, "GroupName": "web", "Description": "d"})),
        ("CreateNetworkInterface", json!({"SubnetId": subnet})),
        ("CreateNatGateway", json!({"SubnetId": subnet, "ConnectivityType": "private"})),
        ("CreateKeyPair", json!({"KeyName": "web"})),
        ("iam:CreateUser", json!({"UserName": "dev"})),
        ("iam:CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":\"sts:AssumeRole\"}]}"})),
    ] {
        world.own(operation, arguments);
    }
    world
}

fn model(world: &World) -> &Model {
    world.regions.find(ACCOUNT, REGION).unwrap()
}

/// Ids that things have, as they stand in the cloud.
fn ids(model: &Model) -> Vec<String> {
    fn look(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                let tail = text.rsplit_once('-').map(|(_, tail)| tail);
                if tail.is_some_and(|tail| tail.len() == 17 && tail.bytes().all(|byte| byte.is_ascii_hexdigit())) {
                    found.push(text.clone());
                }
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, found)),
            Value::Object(fields) => fields.values().for_each(|field| look(field, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    look(&serde_json::to_value(model).unwrap(), &mut found);
    found.sort();
    found.dedup();
    found
}

fn request(service: &Service, action: &str, body: Vec<u8>) -> Request {
    let head = format!("Action={action}&Version={}&", service.version).into_bytes();
    let headers = vec![("Host".to_owned(), "127.0.0.1".to_owned())];
    Request { method: "POST".to_owned(), path: "/".to_owned(), headers, body: [head, body].concat(), ..Request::default() }
}

/// In AWS's form: an answer of its name, or a refusal with a code and a message, of the client's making.
fn check(response: &Response, action: &str, asked: &dyn Fn() -> String) {
    let (status, body) = (response.status, &response.body);
    assert!(body.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), "{action}: {body}\n{}", asked());
    match status {
        200 => assert!(body.contains(&format!("<{action}Response xmlns=")), "{action}: {body}\n{}", asked()),
        400..=499 => assert!(body.contains("<Code>") && body.contains("<Message>"), "{action}: {status} {body}\n{}", asked()),
        status => panic!("{action}: {status} {body}\n{}", asked()),
    }
}

/// What holds of every cloud: it says nothing that contradicts itself, it is the same after having been on disk, and packets can be asked of it.
fn check_model(model: &Model, after: &str) {
    let text = serde_json::to_string(model).unwrap();
    assert_eq!(serde_json::from_str::<Model>(&text).unwrap(), *model, "{after}");
    let taken = Snapshot { name: "x".to_owned(), source: "x".to_owned(), taken: NOW, notes: Vec::new(), model: model.clone(), claims: Vec::new(), rights: Vec::new(), account: None };
    let bytes = snapshot::write(taken).unwrap();
    snapshot::read(&bytes).unwrap_or_else(|problem| panic!("{after}: {problem:?}"));
    Fabric::compile(model);
}

/// The model as the clock alone makes it: what is due is no change of a call's, whether the call lets it happen or not.
fn at(world: &World) -> Model {
    let mut model = model(world).clone();
    model.advance_to(world.now);
    model
}

/// Refusals change nothing, but for launches and ends of several, of which some may have ended (INST-4).
fn check_refusal(before: &Model, model: &Model, action: &str, asked: &dyn Fn() -> String) {
    if action != "TerminateInstances" && before.generation != model.generation {
        panic!("{action} was refused and changed something\n{}", asked());
    }
}

#[test]
fn whatever_is_asked_is_answered_or_refused_in_form_and_the_cloud_stays_sound() {
    let calls = number("VPCLAB_FUZZ_CALLS", 12);
    let mut maker = Maker { random: SplitMix64(number("VPCLAB_FUZZ_SEED", 1)), known: Vec::new() };
    let mut world = world();
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let mut answered = 0;
    for round in 0..calls {
        for service in shapes::services() {
            for operation in service.operations() {
                if maker.known.is_empty() || maker.random.chance(3) {
                    maker.known = ids(model(&world));
                }
                let pairs: Pairs = maker.form(service, operation);
                let asked = || format!("round {round}: {}", pairs.iter().map(|(n, v)| format!("{n}={}", v.chars().take(80).collect::<String>())).collect::<Vec<_>>().join("&"));
                let bytes = maker.bytes(&pairs);
                let before = at(&world);
                let response = world.send(&request(service, operation.name, bytes));
                check(&response, operation.name, &asked);
                *codes.entry(response.code.clone().unwrap_or_else(|| "answered".to_owned())).or_default() += 1;
                match response.status {
                    200 => answered += 1,
                    _ if service.name == "ec2" => check_refusal(&before, &at(&world), operation.name, &asked),
                    _ => {}
                }
            }
        }
        check_model(model(&world), &format!("round {round}"));
        world.now = world.now.plus(maker.random.below(400) as u64);
        if model(&world).instances.values().all(|instance| instance.state != model::InstanceState::Running) {
            // Nothing is left to be asked about: a new one, later.
            world = world_at(world.now);
        }
    }
    let total: usize = codes.values().sum();
    assert!(answered * 33 > total, "too few calls got through to tell anything: {answered} of {total}: {codes:?}");
    assert!(codes.len() > 25, "{codes:?}");
    println!("{answered} of {total} answered; {codes:?}");
}

#[test]
fn names_that_nobody_has_and_forms_that_are_none_are_refused() {
    let mut world = world();
    let ec2 = shapes::service("ec2").unwrap();
    for action in ["", "CreateVpcs", "createvpc", &"A".repeat(70_000), "%FF", "한", "CreateVpc%00", "__proto__"] {
        check(&world.send(&request(ec2, action, Vec::new())), action, &String::new);
    }
    let deep = format!("Filter{}=x", ".1".repeat(5_000));
    let wide: String = (0..20_000).map(|number| format!("Filter.{number}.Name=x&")).collect();
    let repeated = "VpcId.1=vpc-1&".repeat(2_000);
    for body in [deep, wide, repeated, "&".repeat(100_000), "=".repeat(1_000), "a".repeat(1 << 20), "Filter.1.Name.Name.Name=x".to_owned()] {
        check(&world.send(&request(ec2, "DescribeVpcs", body.into_bytes())), "DescribeVpcs", &String::new);
    }
    for (method, query, status) in [("GET", "Action=DescribeVpcs&Version=2016-11-15", 200), ("PUT", "Action=DescribeVpcs&Version=2016-11-15", 405), ("GET", "", 400)] {
        let request = Request { method: method.to_owned(), path: "/".to_owned(), query: query.to_owned(), ..Request::default() };
        assert_eq!(world.send(&request).status, status, "{method} {query}");
    }
}

/// A signed call, as `wrong` leaves it.
fn signed(world: &World, at: Timestamp, service: &str, wrong: impl FnOnce(&mut Request)) -> Request {
    let form = form::write([("Action", "DescribeVpcs"), ("Version", "2016-11-15")]);
    let headers = vec![("Host".to_owned(), "127.0.0.1".to_owned())];
    let mut request = Request { method: "POST".to_owned(), path: "/".to_owned(), headers, body: form.into_bytes(), ..Request::default() };
    let signer = Signer { access_key_id: &world.owner.id, secret_access_key: &world.owner.secret, session_token: None, region: REGION, service };
    sign(&mut request, signer, at);
    wrong(&mut request);
    request
}

#[test]
fn what_is_not_signed_as_it_must_be_is_refused_and_every_byte_of_a_signature_counts() {
    let mut world = World::new();
    let now = world.now;
    let good = signed(&world, now, "ec2", |_| {});
    assert_eq!(world.send(&good).status, 200);
    for (what, at, expected) in [
        ("early", now.plus(16 * 60), "RequestExpired"),
        ("late", Timestamp(now.0 - 16 * 60), "RequestExpired"),
        ("nearly late", Timestamp(now.0 - 14 * 60), ""),
    ] {
        let request = signed(&world, at, "ec2", |_| {});
        assert_eq!(world.send(&request).code.unwrap_or_default(), expected, "{what}");
    }
    let authorization = good.header("authorization").unwrap().to_owned();
    let mut random = SplitMix64(5);
    for _ in 0..300 {
        let mut bytes = authorization.clone().into_bytes();
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => drop(bytes.remove(at)),
            1 => bytes[at] = bytes[at].wrapping_add(1 + random.below(20) as u8) & 0x7f,
            _ => bytes.insert(at, b'a' + random.below(26) as u8),
        }
        let changed = String::from_utf8_lossy(&bytes).into_owned();
        let mut request = good.clone();
        request.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).for_each(|(_, value)| *value = changed.clone());
        let response = world.send(&request);
        // Blanks between the parts say nothing.
        let compact = |text: &str| text.split_whitespace().collect::<String>();
        let is_same = compact(&changed) == compact(&authorization);
        assert!(is_same || (400..500).contains(&response.status), "{changed}: {} {}", response.status, response.body);
    }
    for (what, wrong) in [
        ("body", (|request: &mut Request| request.body.push(b'&')) as fn(&mut Request)),
        ("path", |request| request.path = "/x".to_owned()),
        ("query", |request| request.query = "a=b".to_owned()),
        ("host", |request| request.headers[0].1 = "elsewhere".to_owned()),
        ("method", |request| request.method = "GET".to_owned()),
        ("twice", |request| request.headers.extend(request.headers.clone())),
        ("no headers", |request| request.headers.clear()),
    ] {
        let request = signed(&world, now, "ec2", wrong);
        let response = world.send(&request);
        assert!((400..500).contains(&response.status), "{what}: {} {}", response.status, response.body);
    }
}
