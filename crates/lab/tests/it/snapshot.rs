//! A snapshot is its source again, byte for byte of every answer; and no file, whoever made it, is believed.

use std::path::Path;

use fabric::Fabric;
use fabric::engine::Sender;
use lab::aws::{Note, NoteKind};
use lab::snapshot::{self, Problem, Snapshot};
use lab::load;
use model::random::SplitMix64;
use model::selector::End;
use model::{Context, Model, Origin, ProbePacket, Timestamp};
use proof::why::{Asker, Effort, Question};
use proof::{Options, Place};

use crate::clouds;
use crate::dumps;
use crate::texts::BesideExamples;

fn of_lab(name: &str, text: String) -> Snapshot {
    let lab = load(name, &BesideExamples(text)).unwrap_or_else(|e| panic!("{e}"));
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp(1_700_000_000)));
    lab.apply(&mut model).unwrap_or_else(|e| panic!("{e}"));
    let account = lab.identities(&model.account_id).unwrap_or_else(|e| panic!("{e}"));
    let (source, notes) = (name.to_owned(), vec![Note { kind: NoteKind::Assumed, text: "nothing".into(), origin: Origin::default() }]);
    Snapshot { name: lab.name.clone(), source, taken: Timestamp(1_700_000_001), notes, model, claims: lab.claims(), rights: lab.rights(), account: Some(account) }
}

fn examples() -> Vec<Snapshot> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["examples", "examples/why"].map(|folder| root.join(folder));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    paths.sort();
    let all: Vec<_> = paths.iter().map(|path| of_lab(&path.to_string_lossy(), std::fs::read_to_string(path).unwrap())).collect();
    assert!(all.len() > 5, "{paths:?}");
    all
}

fn dump() -> Snapshot {
    let import = dumps::read(dumps::files()).unwrap_or_else(|e| panic!("{e}"));
    Snapshot { name: "dump".into(), source: "dump".into(), taken: Timestamp(1), notes: import.notes, model: import.model, claims: Vec::new(), rights: Vec::new(), account: None }
}

/// Every answer of `why` about some pairs of a cloud, as JSON.
fn answers(model: &Model, pairs: usize) -> Vec<String> {
    let fabric = Fabric::compile(model);
    let asker = Asker::new(model, &fabric, Options::default());
    let places = Place::all(&fabric);
    let all = places.iter().flat_map(|from| places.iter().map(move |to| (*from, *to)));
    let meant = all.filter(|(from, to)| from != to && !(from.is_outside() && to.is_outside()));
    let told = meant.step_by(7).take(pairs).enumerate().map(|(number, (from, to))| {
        let packet = ProbePacket::Tcp([80, 22, 443, 3306][number % 4]);
        let question = Question { from: from.sender(&fabric), to: to.end(&fabric), packet };
        match asker.why(&question, Effort { fixes: number == 4 }) {
            Ok(why) => serde_json::to_string(&why).unwrap(),
            Err(error) => error.to_string(),
        }
    });
    told.collect()
}

#[test]
fn what_is_read_is_what_was_written_and_answers_are_the_same_byte_for_byte() {
    let random = (1..=12).map(|seed| of_lab("random.yaml", clouds::lab(seed)));
    let mut asked = 0;
    for snapshot in examples().into_iter().chain([dump()]).chain(random) {
        let bytes = snapshot::write(snapshot.clone()).unwrap();
        assert!(snapshot::is_meant(&bytes));
        let read = snapshot::read(&bytes).unwrap();
        assert!(read == snapshot, "{} differs", snapshot.source);
        let (before, after) = (answers(&snapshot.model, 9), answers(&read.model, 9));
        assert_eq!(before, after, "{}", snapshot.source);
        asked += after.len();
        // What is written again is the same file.
        assert!(snapshot::write(read).unwrap() == bytes, "{}", snapshot.source);
    }
    assert!(asked > 100, "{asked}");
}

#[test]
fn many_rows_are_in_many_parts_and_come_back_in_order() {
    let mut snapshot = examples().remove(0);
    // Copies of one row: to launch so many takes long.
    let own = snapshot.model.network_interfaces.values().next().unwrap().clone();
    snapshot.model.network_interfaces.extend((0..13_000).map(|number| {
        let id: model::NetworkInterfaceId = format!("eni-{number:017x}").parse().unwrap();
        (id.clone(), model::NetworkInterface { id, ..own.clone() })
    }));
    let bytes = snapshot::write(snapshot.clone()).unwrap();
    let head = String::from_utf8_lossy(&bytes[..4_000]).into_owned();
    assert_eq!(head.matches("network-interfaces").count(), 3, "{head}");
    assert!(snapshot::read(&bytes).unwrap() == snapshot);
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_damaged() {
    let bytes = snapshot::write(dump()).unwrap();
    for length in (0..bytes.len()).step_by(bytes.len() / 400 + 1) {
        match snapshot::read(&bytes[..length]) {
            Err(Problem::Damaged(_)) => {}
            Err(Problem::NotOne) => assert!(length < snapshot::MAGIC.len(), "{length}"),
            other => panic!("{length} bytes: {other:?}"),
        }
    }
    for place in (snapshot::MAGIC.len()..bytes.len()).step_by(bytes.len() / 2_000 + 1) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        assert!(matches!(snapshot::read(&changed), Err(Problem::Damaged(_) | Problem::Foreign { .. })), "byte {place}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(snapshot::read(&longer), Err(Problem::Damaged(text)) if text == "1 bytes too many at its end"));
}

/// A file whose parts were changed by somebody who knows how checksums are made.
fn forged(bytes: &[u8], change: impl Fn(&mut serde_json::Value, &mut Vec<u8>)) -> Vec<u8> {
    let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).take(2).collect();
    let mut head: serde_json::Value = serde_json::from_slice(&bytes[ends[0] + 1..ends[1]]).unwrap();
    let mut body = bytes[ends[1] + 1..].to_vec();
    change(&mut head, &mut body);
    let mut at: usize = 0;
    for part in head["parts"].as_array_mut().unwrap() {
        let length = part["bytes"].as_u64().unwrap() as usize;
        let end = at.saturating_add(length).min(body.len());
        part["crc32"] = crc32fast::hash(&body[at.min(end)..end]).into();
        at = end;
    }
    let line = head.to_string();
    let mut forged = format!("vpclab-snapshot 2 {:08x}\n{line}\n", crc32fast::hash(line.as_bytes())).into_bytes();
    forged.extend(body);
    forged
}

#[test]
fn another_builds_file_is_told_from_a_damaged_one() {
    let bytes = snapshot::write(dump()).unwrap();
    let same = forged(&bytes, |_, _| {});
    assert!(same == bytes);
    let other = forged(&bytes, |head, _| head["shape"] = "0".into());
    let problem = snapshot::read(&other).unwrap_err();
    assert!(matches!(&problem, Problem::Foreign { source_name, .. } if source_name == "dump"), "{problem:?}");
    assert_eq!(problem.code().to_string(), "VL0702");
    let newer = [b"vpclab-snapshot 3 ".as_slice(), &bytes[18..]].concat();
    assert!(matches!(snapshot::read(&newer), Err(Problem::Foreign { .. })));
}

#[test]
fn counts_that_cannot_be_ask_for_no_memory() {
    let bytes = snapshot::write(dump()).unwrap();
    for (key, value) in [("rows", u64::MAX), ("rows", 0), ("rows", 1 << 40), ("bytes", u64::MAX), ("bytes", 1 << 50)] {
        for part in 0..3 {
            let lying = forged(&bytes, |head, _| head["parts"][part][key] = value.into());
            assert!(matches!(snapshot::read(&lying), Err(Problem::Damaged(_))), "{key} {value} of part {part}");
        }
    }
    // The same part twice, and none.
    let twice = forged(&bytes, |head, body| {
        let parts = head["parts"].as_array_mut().unwrap();
        let (part, length) = (parts[1].clone(), body.len());
        let (first, second) = (parts[0]["bytes"].as_u64().unwrap() as usize, parts[1]["bytes"].as_u64().unwrap() as usize);
        assert!(first + second <= length);
        let copy = body[first..first + second].to_vec();
        body.splice(first..first, copy);
        parts.insert(1, part);
    });
    assert!(matches!(snapshot::read(&twice), Err(Problem::Damaged(_))));
    let none = forged(&bytes, |head, body| {
        head["parts"] = serde_json::json!([]);
        body.clear();
    });
    assert_eq!(snapshot::read(&none), Err(Problem::Damaged("it has no model".into())));
}

#[test]
fn a_cloud_that_lacks_what_it_refers_to_is_refused() {
    type Change = fn(&mut Model);
    let cases: [(Change, &str); 7] = [
        (|model| model.subnets.clear(), "which is not in it"),
        (|model| model.vpcs.clear(), "which is not in it"),
        (|model| model.network_acls.clear(), "has no network ACL"),
        (|model| model.route_tables.clear(), "has no route table"),
        (|model| model.network_interfaces.values_mut().for_each(|i| i.private_ip_addresses.clear()), "has no address"),
        (|model| model.vpcs.values_mut().for_each(|vpc| vpc.cidr_blocks.clear()), "has no block"),
        (
            |model| {
                let rule = model.security_groups.values_mut().find_map(|group| group.ingress.first_mut()).unwrap();
                rule.traffic = model::TrafficMatch::Tcp(model::PortRange { from: 9, to: 3 });
            },
            "go downwards",
        ),
    ];
    for (change, text) in cases {
        let mut snapshot = examples().remove(0);
        change(&mut snapshot.model);
        match snapshot::read(&snapshot::write(snapshot).unwrap()) {
            Err(Problem::Contradictory(why)) => assert!(why.contains(text), "{why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

/// Whoever forges a file gets an error, or answers about the cloud that the file tells: never an end of the program.
#[test]
fn forged_bytes_make_no_panic() {
    let rounds = std::env::var("VPCLAB_FORGED").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let originals: Vec<Vec<u8>> = examples().into_iter().chain([dump()]).map(|s| snapshot::write(s).unwrap()).collect();
    let mut dice = SplitMix64(11);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..rounds {
        let original = &originals[dice.below(originals.len())];
        let seed = dice.below(usize::MAX);
        let changed = forged(original, |_, body| {
            let mut dice = SplitMix64(seed as u64);
            for _ in 0..1 + dice.below(3) {
                let place = dice.below(body.len());
                body[place] = match dice.below(4) {
                    0 => dice.below(256) as u8,
                    1 => body[place] ^ (1 << dice.below(8)),
                    2 => 0,
                    _ => body[dice.below(body.len())],
                };
            }
        });
        match snapshot::read(&changed) {
            Ok(snapshot) => {
                read += 1;
                let fabric = Fabric::compile(&snapshot.model);
                let asker = Asker::new(&snapshot.model, &fabric, Options::default());
                let places = Place::all(&fabric);
                let (from, to) = (places[dice.below(places.len())], places[dice.below(places.len())]);
                if from != to && !(from.is_outside() && to.is_outside()) {
                    let question = Question { from: from.sender(&fabric), to: to.end(&fabric), packet: ProbePacket::Tcp(443) };
                    let _ = asker.why(&question, Effort { fixes: read % 32 == 0 });
                }
                // Whoever holds the first address is found, however strange the file.
                let first = fabric.interfaces.values().next().map(|interface| interface.id.clone());
                if let Some(id) = first {
                    let _ = fabric.destinations(&Sender::Interface(id.clone()), &End::Interface { interface: id, instance: None });
                }
            }
            Err(_) => refused += 1,
        }
    }
    // A file of which nothing is ever read, or everything, would show nothing.
    assert!(read > rounds / 10 && refused > rounds / 50, "{read} read, {refused} refused");
}

#[test]
fn containers_that_no_operation_would_let_in_are_a_contradiction() {
    let mut snapshot = examples().into_iter().find(|snapshot| !snapshot.model.containers.is_empty()).unwrap();
    let spec = snapshot.model.containers.values_mut().next().unwrap().values_mut().next().unwrap();
    spec.publish[0].host = model::PortRange { from: 90, to: 80 };
    assert!(matches!(snapshot::read(&snapshot::write(snapshot).unwrap()), Err(Problem::Contradictory(_))));
}
