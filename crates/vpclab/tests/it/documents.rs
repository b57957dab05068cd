//! What the documents show is what happens.

use crate::console::{Desk, Step, matches, steps};

#[test]
fn shown_lines_are_compared_except_where_they_say_otherwise() {
    let same = |shown: &str, seen: &str| matches(&shown.lines().collect::<Vec<_>>(), &seen.lines().collect::<Vec<_>>());
    assert!(same("a\nb", "a\nb\n"));
    assert!(!same("a\nb", "a") && !same("a", "a\nb") && !same("", "a"));
    assert!(same("64 bytes: time=… ms", "64 bytes: time=0.12 ms") && !same("64 bytes: time=… ms", "64 bytes: time=0.12 s"));
    assert!(same("i-…: … up", "i-01: now up") && !same("i-…: … up", "i-01 now up"));
    assert!(same("a\n…\nz", "a\nz") && same("a\n…\nz", "a\nb\nc\nz") && !same("a\n…\nz", "a\nb\nc"));
    assert!(!same("ab…ba", "aba"), "parts do not overlap");
}

#[test]
fn a_document_is_read_as_files_and_commands() {
    let document = "text\n```yaml file=a.yaml\nname: a\n```\n```console\n$ cat a.yaml\nname: a\n$ true\n```\n```sh\nnot run\n```\n";
    let run = |command: &str, shown: &[&str], line| Step::Run { command: command.into(), shown: shown.iter().map(|s| s.to_string()).collect(), line };
    let expected = [Step::File { name: "a.yaml".into(), text: "name: a\n".into() }, run("cat a.yaml", &["name: a"], 6), run("true", &[], 8)];
    assert_eq!(steps(document), expected);
    assert_eq!(Desk::new("self").follow("document", document), 2);
}

#[test]
#[should_panic(expected = "document:2: $ echo a")]
fn a_document_that_shows_something_else_fails() {
    Desk::new("wrong").follow("document", "```console\n$ echo a\nb\n```\n");
}

fn document(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_tour_shows_what_happens() {
    let commands = Desk::new("tour").follow("docs/tour.md", &document("docs/tour.md"));
    assert!(commands > 30, "{commands}");
}

#[test]
fn the_page_about_why_shows_what_happens() {
    let page = document("docs/why.md");
    let commands = Desk::new("why").follow("docs/why.md", &page);
    assert!(commands >= 9, "{commands}");
    // Every code that a drop can have is explained there.
    let codes = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../fabric/src/reason.rs")).unwrap();
    let codes = codes.split_once("explanation_codes! {").unwrap().1.split_once("\n}").unwrap().0;
    for code in codes.split('"').skip(1).step_by(2) {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn the_page_about_lans_shows_what_happens() {
    let page = document("docs/lans.md");
    let commands = Desk::new("lans").follow("docs/lans.md", &page);
    assert!(commands >= 8, "{commands}");
    // The classroom is there as a file too.
    let is_classroom = |step: &Step| matches!(step, Step::File { name, text } if name == "classroom.yaml" && *text == document("docs/classroom.yaml"));
    assert!(steps(&page).iter().any(is_classroom));
}

#[test]
fn the_page_about_identities_shows_what_happens() {
    let page = document("docs/iam.md");
    let commands = Desk::new("iam").follow("docs/iam.md", &page);
    assert!(commands >= 6, "{commands}");
    // Every key of a lab file's identities is told.
    let schema: serde_json::Value = lab::schema();
    let keys = |kind: &str| schema.pointer(&format!("/$defs/{kind}/properties")).and_then(|keys| keys.as_object()).map(|keys| keys.keys().cloned().collect::<Vec<_>>());
    for key in keys("Iam").unwrap() {
        assert!(page.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn the_page_about_flow_logs_shows_what_happens() {
    let commands = Desk::new("flow-logs").follow("docs/flow-logs.md", &document("docs/flow-logs.md"));
    assert!(commands >= 8, "{commands}");
}

#[test]
fn the_page_about_transit_gateways_shows_what_happens() {
    let page = document("docs/transit-gateways.md");
    let commands = Desk::new("transit-gateways").follow("docs/transit-gateways.md", &page);
    assert!(commands >= 8, "{commands}");
    // Every key is told.
    let schema: serde_json::Value = lab::schema();
    for kind in ["TransitGateway", "TransitAttachment", "TransitPeering", "TransitRouteTable"] {
        let kind = &schema["$defs"][kind];
        let forms = kind["anyOf"].as_array().map_or(vec![kind], |forms| forms.iter().collect());
        let keys: Vec<&String> = forms.iter().filter_map(|form| form["properties"].as_object()).flat_map(|keys| keys.keys()).collect();
        assert!(!keys.is_empty(), "{kind}");
        for key in keys {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
    }
}

#[test]
fn the_page_about_ipv6_shows_what_happens() {
    let commands = Desk::new("ipv6").follow("docs/ipv6.md", &document("docs/ipv6.md"));
    assert!(commands >= 8, "{commands}");
}

#[test]
fn the_page_about_the_simulator_shows_what_happens() {
    let commands = Desk::new("simulator").follow("docs/simulator.md", &document("docs/simulator.md"));
    assert!(commands >= 12, "{commands}");
}

#[test]
fn the_chapter_about_a_container_taken_apart_shows_what_happens() {
    let desk = Desk::new("containers");
    let commands = desk.follow("docs/containers.md", &document("docs/containers.md"));
    assert!(commands >= 20, "{commands}");
}

#[test]
fn the_readmes_show_what_happens() {
    for name in ["README.md", "README.ko.md"] {
        let commands = Desk::new("readme").follow(name, &document(name));
        assert!(commands > 10, "{name}: {commands}");
    }
}

#[test]
fn the_pipeline_shows_what_happens() {
    assert_eq!(Desk::new("ci").follow("docs/ci.md", &document("docs/ci.md")), 5);
}

#[test]
fn both_readmes_show_the_same_commands() {
    assert_eq!(lines_of(&steps(&document("README.md"))), lines_of(&steps(&document("README.ko.md"))));
}

/// Commands and what they show, without their places.
fn lines_of(steps: &[Step]) -> Vec<(String, Vec<String>)> {
    let line = |step: &Step| match step {
        Step::File { name, text } => (name.clone(), vec![text.clone()]),
        Step::Run { command, shown, .. } => (command.clone(), shown.clone()),
    };
    steps.iter().map(line).collect()
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let root = format!("{}/../..", env!("CARGO_MANIFEST_DIR"));
    for name in ["README.md", "README.ko.md", "docs/tour.md", "docs/concepts.md", "docs/reference.md", "docs/ci.md", "docs/containers.md", "docs/why.md", "docs/lans.md", "docs/flow-logs.md", "docs/iam.md", "docs/transit-gateways.md"] {
        let text = document(name);
        let folder = std::path::Path::new(name).parent().unwrap();
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = std::path::Path::new(&root).join(if file.is_empty() { name.into() } else { folder.join(file) });
            assert!(path.exists(), "{name}: {target}");
            let is_heading = |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == anchor;
            assert!(anchor.is_empty() || std::fs::read_to_string(&path).unwrap().lines().any(is_heading), "{name}: {target}");
        }
    }
}

#[test]
fn every_test_that_the_page_about_isolation_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = document("docs/isolation.md");
    let table = page.split("## Which test tries what").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, place, tests] = cells[..] else { panic!("{row}") };
        let words: Vec<&str> = place.split(", ").map(|word| word.trim_matches('`')).collect();
        let [room, file] = words[..] else { panic!("{row}") };
        let folder = root.join(room);
        let text = match file {
            "--lib" => sources(&folder.join("src")),
            file => match file.strip_prefix("--test ") {
                Some(program) => file_of_tests(&folder.join("tests"), program),
                None => file_of_tests(&folder.join("tests/it"), file),
            },
        };
        for test in tests.split(", ").map(|word| word.trim_matches('`')) {
            assert!(text.contains(&format!("#[test]\nfn {test}()")) || text.contains(&format!("#[test]\n    fn {test}()")), "{row}: {test}");
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}

/// A file of tests with what lies below it.
fn file_of_tests(folder: &std::path::Path, name: &str) -> String {
    let own = std::fs::read_to_string(folder.join(format!("{name}.rs"))).ok();
    let below = folder.join(name).is_dir().then(|| sources(&folder.join(name)));
    assert!(own.is_some() || below.is_some(), "{} has no {name}", folder.display());
    own.unwrap_or_default() + &below.unwrap_or_default()
}

/// All sources below a folder.
fn sources(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).unwrap() }).collect()
}

#[test]
fn the_demo_leaves_the_example_running_and_says_how_to_look_around() {
    let desk = Desk::new("demo");
    let out = desk.run("sh examples/demo.sh vpclab examples/shop.yaml; echo \"exit $?\"");
    for expected in ["8 passed, 0 failed\n", "192.168.0.132", ": open\n", "filtered at sg-in:db-1", "vpclab exec ", "vpclab graph ", "vpclab forward ", "vpclab down ", "exit 0\n"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert_eq!(desk.run("vpclab exec web-1 -- hostname"), "web-1\n");
    let again = desk.run("sh examples/demo.sh vpclab examples/shop.yaml; echo \"exit $?\"");
    assert!(again.contains("no changes") && again.ends_with("exit 0\n"), "{again}");
    // What it says works as it stands there.
    for line in out.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.contains(" exec ")) {
        // Whoever runs this test may have something at the port already.
        let line = line.replace(" 8080 ", " 0 ");
        let line = line.split(" # ").next().unwrap();
        assert!(desk.run(&format!("{line}; echo \"exit $?\"")).ends_with("exit 0\n"), "{line}");
    }
}

#[test]
fn the_demo_shows_the_line_to_type_where_user_namespaces_are_forbidden_and_plays_in_the_simulator() {
    let desk = Desk::new("forbidden");
    // A user namespace of its own, in which no further one may be made.
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces";
    let out = desk.run(&format!("unshare -Ur sh -c '{forbid} && exec sh examples/demo.sh vpclab examples/shop.yaml'; echo \"exit $?\""));
    for expected in ["hint: sudo sysctl -w user.max_user_namespaces=", "simulator", "8 passed, 0 failed\n", ": open\n", ": filtered\n"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(out.ends_with("exit 0\n"), "{out}");
}
