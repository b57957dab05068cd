//! `why`: the same verdict as everybody's reach, fixes that do what they promise, and nothing that blocks left out.

use fabric::Fabric;
use fabric::walker::Verdict;
use model::selector::End;
use model::{Model, ProbePacket};
use proof::fault::faults;
use proof::why::text::{Style, headline, render};
use proof::why::{Asker, Effort, Question, Why, ask, why};
use proof::{Atoms, Options, Place, Reach};

use crate::support::{cloud, example};

const STYLE: Style = Style { width: 100, colour: false };

/// The question that two names mean.
fn question(model: &Model, fabric: &Fabric, from: &str, to: &str, packet: ProbePacket) -> Question {
    let end = |name: &str| match name {
        "internet" => End::Address(fabric.representative().unwrap().into()),
        _ => match name.parse() {
            Ok(address) => End::Address(address),
            Err(_) => model::Selector::Named(name.to_owned()).ends(model).unwrap().remove(0),
        },
    };
    let from = fabric.senders(&end(from)).unwrap().remove(0);
    Question { from, to: end(to), packet }
}

fn explained(model: &Model, from: &str, to: &str, packet: ProbePacket) -> Why {
    let fabric = Fabric::compile(model);
    let question = question(model, &fabric, from, to, packet);
    why(model, &fabric, &question, Options::default()).unwrap()
}

fn codes(why: &Why) -> Vec<&str> {
    why.blockers().map(|blocker| blocker.code.unwrap_or("-")).collect()
}

/// Every fix makes the packet allowed on a cloud that was not used to find it, and says truly what it opens.
fn assert_fixes_hold(model: &Model, question: &Question, why: &Why) {
    let fabric = Fabric::compile(model);
    for fix in &why.fixes {
        let mut changed = model.clone();
        for change in &fix.changes {
            change.apply(&mut changed).unwrap();
        }
        assert_eq!(fix.edits.len(), fix.changes.len());
        let after = Fabric::compile(&changed);
        let atoms = Atoms::of(&after, Options::default().ephemeral);
        let answer = ask(&changed, &after, question, atoms.reply_ports()).unwrap();
        let told = render(why, STYLE);
        assert_eq!(answer.explanation.verdict, Verdict::Allowed, "{:?} of\n{told}", fix.edits);
        assert_eq!(opened(&fabric, &after), fix.opens.as_ref().unwrap().pairs, "{:?} of\n{told}", fix.edits);
    }
}

/// Pairs that can say more to each other, counted one by one.
fn opened(before: &Fabric, after: &Fabric) -> usize {
    let key = |fabric: &Fabric, place: Place| match place {
        Place::Interface(index) => fabric.interfaces[index].id.to_string(),
        Place::Ipv6(interface) => format!("{} (IPv6)", fabric.interfaces[interface].id),
        Place::Outside(_, address) | Place::Internet(address) => address.to_string(),
    };
    let (old, new) = (Reach::of(before, Options::default()).unwrap(), Reach::of(after, Options::default()).unwrap());
    let find = |wanted: &str| old.indices().find(|(_, place)| key(before, *place) == wanted).map(|(index, _)| index);
    let mut count = 0;
    for (from, source) in new.indices() {
        for (to, destination) in new.indices() {
            let was = find(&key(after, source)).zip(find(&key(after, destination)));
            let was = was.map(|(from, to)| old.between(from, to).both).unwrap_or_default();
            count += usize::from(!new.between(from, to).both.is_subset(&was));
        }
    }
    count
}

#[test]
fn a_group_that_admits_nobody_is_told_with_near_misses_and_fixes() {
    let (model, fabric) = example("examples/why/a.yaml");
    let told = explained(&model, "web-1", "db-1", ProbePacket::Tcp(3_306));
    assert_eq!(told.verdict, Verdict::Denied);
    assert_eq!(codes(&told), ["ENI_SG_RULES_MISMATCH"]);
    assert_eq!(told.request.blockers[0].at, "sg-in:db-1");
    let blocked = told.request.hops.iter().find(|hop| hop.blocks).unwrap();
    let near: Vec<_> = blocked.near.iter().map(|near| (near.rule.short.as_str(), near.missed, near.text.as_str())).collect();
    assert_eq!(near, [("db#1", "peer", "web-1 is not in app"), ("db#2", "port", "port")]);
    assert!(told.reply.as_ref().unwrap().delivered);
    let edits: Vec<_> = told.fixes.iter().map(|fix| (fix.edits[0].subject.as_str(), fix.edits[0].text.as_str())).collect();
    assert!(edits.contains(&("sg db", "tcp/3306 from 10.0.1.10/32")), "{edits:?}");
    assert!(edits.contains(&("sg db", "tcp/3306 from sg:web")), "{edits:?}");
    assert!(edits.contains(&("web-1", "sg app")), "{edits:?}");
    let question = question(&model, &fabric, "web-1", "db-1", ProbePacket::Tcp(3_306));
    assert_fixes_hold(&model, &question, &told);
}

#[test]
fn an_answer_that_a_list_drops_is_one_way() {
    let (model, fabric) = example("examples/why/b.yaml");
    let told = explained(&model, "web-1", "db-1", ProbePacket::Tcp(3_306));
    assert_eq!(told.verdict, Verdict::OneWay);
    assert!(told.request.delivered);
    let reply = told.reply.as_ref().unwrap();
    assert_eq!(reply.blockers[0].at, "acl-in:web-a");
    let blocked = reply.hops.iter().find(|hop| hop.blocks).unwrap();
    assert_eq!(blocked.rule.as_ref().unwrap().short, "acl-web#90");
    assert_eq!(blocked.shadows.iter().map(|rule| rule.short.as_str()).collect::<Vec<_>>(), ["acl-web#100"]);
    assert_eq!(told.fixes[0].edits[0].text, "89 allow tcp/1024-65535 from 10.0.2.20/32");
    let question = question(&model, &fabric, "web-1", "db-1", ProbePacket::Tcp(3_306));
    assert_fixes_hold(&model, &question, &told);
}

#[test]
fn a_missing_route_on_each_side_is_two_blockers_and_one_fix_of_two_changes() {
    let (model, fabric) = example("examples/why/c.yaml");
    let told = explained(&model, "web-1", "db-9", ProbePacket::Tcp(3_306));
    assert_eq!(codes(&told), ["NO_ROUTE_TO_DESTINATION", "NO_ROUTE_TO_DESTINATION"]);
    let missing = told.request.hops.iter().find(|hop| hop.blocks).unwrap();
    assert_eq!(missing.goes_on_by.as_deref(), Some("peering pcx-12"));
    assert_eq!(missing.routes, ["10.0.0.0/16 local"]);
    assert_eq!(told.fixes.iter().map(|fix| fix.edits.len()).collect::<Vec<_>>(), [2, 2]);
    assert!(told.fixes[0].opens.as_ref().unwrap().only_this);
    let question = question(&model, &fabric, "web-1", "db-9", ProbePacket::Tcp(3_306));
    assert_fixes_hold(&model, &question, &told);
}

#[test]
fn an_allowed_packet_says_what_it_hangs_on() {
    let (model, _) = example("examples/why/d.yaml");
    let told = explained(&model, "web-1", "db-1", ProbePacket::Tcp(3_306));
    assert_eq!(headline(&told, STYLE), "ALLOWED  web-1 -> db-1 tcp/3306");
    let depends = told.depends.as_ref().unwrap();
    assert_eq!((depends.only_through[0].rule.short.as_str(), depends.only_through[0].closes.as_ref().unwrap().pairs), ("db#1", 12));
    assert!(depends.also_admitted_by.is_empty());
    assert_eq!(told.same_for.as_ref().unwrap().label, "4 web x 3 db");
    assert_eq!(told.all_ports.as_ref().unwrap().to_string(), "tcp/22,3306 icmp/8");
    // A second rule that admits the same takes the first one's place.
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/why/d.yaml")).unwrap();
    let doubled = text.replace("    - tcp/3306 from sg:web", "    - tcp/3306 from sg:web\n    - tcp/3306 from 10.0.1.0/24");
    let (model, _) = cloud("doubled.yaml", &doubled);
    let told = explained(&model, "web-1", "db-1", ProbePacket::Tcp(3_306));
    let depends = told.depends.unwrap();
    assert!(depends.only_through.iter().all(|only| !only.rule.short.starts_with("db#")), "{depends:?}");
    assert_eq!(depends.also_admitted_by.iter().map(|rule| rule.short.as_str()).collect::<Vec<_>>(), ["db#2"]);
}

#[test]
fn a_public_address_that_is_missing_is_one_blocker_among_the_others() {
    let (model, fabric) = example("examples/shop.yaml");
    let told = explained(&model, "internet", "db-1", ProbePacket::Tcp(3_306));
    assert_eq!(codes(&told), ["IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS", "ENI_SG_RULES_MISMATCH", "-"]);
    let question = question(&model, &fabric, "internet", "db-1", ProbePacket::Tcp(3_306));
    assert!(!told.fixes.is_empty(), "{}", render(&told, STYLE));
    assert!(told.fixes.iter().all(|fix| fix.edits.len() == 3));
    assert_fixes_hold(&model, &question, &told);
}

#[test]
fn an_answer_must_come_through_to_every_port_that_a_client_may_send_from() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/why/b.yaml")).unwrap();
    let (model, fabric) = cloud("some.yaml", &text.replace("tcp/1024-65535", "tcp/61000-65535"));
    let question = question(&model, &fabric, "web-1", "db-1", ProbePacket::Tcp(3_306));
    let told = why(&model, &fabric, &question, Options::default()).unwrap();
    assert_eq!(told.verdict, Verdict::OneWay);
    assert_eq!(told.reply.unwrap().lost_ports.as_deref(), Some("61000-65535"));
    let linux = Options { ephemeral: model::PortRange { from: 32_768, to: 60_999 } };
    assert_eq!(why(&model, &fabric, &question, linux).unwrap().verdict, Verdict::Allowed);
}

/// Every mistake that the examples offer, every pair, the ports that they speak of: `why` agrees with `Reach`, tells a
/// blocker for everything that is not allowed, and its fixes hold.
#[test]
fn whatever_is_broken_the_verdict_is_that_of_reach_and_every_fix_holds() {
    let (mut asked, mut fixed) = (0, 0);
    for path in ["examples/shop.yaml", "examples/why/b.yaml", "examples/why/c.yaml", "examples/peering.yaml", "examples/middlebox.yaml"] {
        let (model, _) = example(path);
        let all = faults(&model);
        // A sample that is the same every time: all of them take minutes.
        for fault in all.iter().step_by(all.len() / 6 + 1) {
            let mut broken = model.clone();
            if fault.apply(&mut broken).is_err() {
                continue;
            }
            let fabric = Fabric::compile(&broken);
            let reach = Reach::of(&fabric, Options::default()).unwrap();
            let asker = Asker::new(&broken, &fabric, Options::default());
            for (number, (from, source)) in reach.indices().enumerate() {
                for (to, destination) in reach.indices() {
                    if from == to || (source.is_outside() && destination.is_outside()) {
                        continue;
                    }
                    for packet in [ProbePacket::Tcp(443), ProbePacket::Tcp(3_306), ProbePacket::ECHO] {
                        let question = Question { from: source.sender(&fabric), to: destination.end(&fabric), packet };
                        // Fixes of a few; verdicts of all.
                        let with_fixes = (number + asked) % 23 == 0;
                        let told = asker.why(&question, Effort { fixes: with_fixes }).unwrap();
                        let between = reach.between(from, to);
                        let expected = match (between.request.contains(packet), between.both.contains(packet)) {
                            (false, _) => Verdict::Denied,
                            (true, false) => Verdict::OneWay,
                            (true, true) => Verdict::Allowed,
                        };
                        assert_eq!(told.verdict, expected, "{path}: {}\n{}", fault.text, render(&told, STYLE));
                        assert_eq!(told.verdict == Verdict::Allowed, told.blockers().next().is_none());
                        assert_fixes_hold(&broken, &question, &told);
                        asked += 1;
                        fixed += told.fixes.len();
                    }
                }
            }
        }
    }
    assert!(asked > 1_000 && fixed > 30, "{asked} questions, {fixed} fixes");
}

/// What a mistake took from a pair, `why` gives back: every mistake that the examples offer, the first pairs that lose.
#[test]
fn what_a_mistake_broke_has_a_fix() {
    let mut repaired = 0;
    for path in ["examples/shop.yaml", "examples/peering.yaml", "examples/middlebox.yaml"] {
        let (model, sound) = example(path);
        let before = Reach::of(&sound, Options::default()).unwrap();
        for fault in faults(&model) {
            let mut broken = model.clone();
            if fault.apply(&mut broken).is_err() {
                continue;
            }
            let fabric = Fabric::compile(&broken);
            let after = Reach::of(&fabric, Options::default()).unwrap();
            // A mistake that changes which hosts stand for the internet is another cloud to ask.
            if before.places() != after.places() {
                continue;
            }
            let pairs = after.indices().flat_map(|(from, source)| {
                after.indices().map(move |(to, destination)| (from, source, to, destination))
            });
            let lost = pairs.filter_map(|(from, source, to, destination)| {
                let lost = before.between(from, to).both.difference(&after.between(from, to).both);
                lost.lowest().map(|packet| (source, destination, packet))
            });
            let asker = Asker::new(&broken, &fabric, Options::default());
            for (source, destination, packet) in lost.take(1) {
                let question = Question { from: source.sender(&fabric), to: destination.end(&fabric), packet };
                let told = asker.why(&question, Effort { fixes: true }).unwrap();
                assert!(!told.fixes.is_empty(), "{path}: {}: {}\n{}", fault.subject, fault.text, render(&told, STYLE));
                assert_fixes_hold(&broken, &question, &told);
                repaired += 1;
            }
        }
    }
    assert!(repaired > 60, "{repaired}");
}

/// What a fix says is what the lab file understands: put behind the line that it names, it does what it promises.
#[test]
fn fixes_are_lines_of_the_lab_file() {
    for (path, to) in [("examples/why/a.yaml", "db-1"), ("examples/why/b.yaml", "db-1")] {
        let text = std::fs::read_to_string(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (model, _) = example(path);
        let told = explained(&model, "web-1", to, ProbePacket::Tcp(3_306));
        let mut tried = 0;
        for fix in told.fixes.iter().filter(|fix| fix.edits[0].subject.starts_with("sg ") || fix.edits[0].subject.starts_with("acl ")) {
            let edit = &fix.edits[0];
            let line: usize = edit.origin.as_ref().unwrap().rsplit(':').next().unwrap().parse().unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            match edit.sign {
                '+' => {
                    let depth = lines[line - 1].len() - lines[line - 1].trim_start().len() + 2;
                    lines.insert(line, format!("{}- {}", " ".repeat(depth), edit.text));
                }
                _ => {
                    assert!(lines[line - 1].contains(&edit.text), "{} of {}", edit.text, lines[line - 1]);
                    lines.remove(line - 1);
                }
            }
            let (edited, _) = cloud("edited.yaml", &lines.join("\n"));
            assert_eq!(explained(&edited, "web-1", to, ProbePacket::Tcp(3_306)).verdict, Verdict::Allowed, "{}", edit.text);
            tried += 1;
        }
        assert!(tried >= 2, "{path}: {tried}");
    }
}
