//! Lessons as a person takes them.

mod console;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use console::Desk;

const LESSONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lesson");

/// An empty folder of a test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("learn-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn vpclab(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1").env("VPCLAB_HOME", folder.join("home"));
    command.env_remove("VPCLAB_LANG").env_remove("VPCLAB_FILE").stdin(std::process::Stdio::null()).output().unwrap()
}

fn out(done: &Output) -> String {
    String::from_utf8(done.stdout.clone()).unwrap()
}

fn solve(folder: &Path, lesson: &str) {
    std::fs::copy(format!("{LESSONS}/tests/solved/{lesson}.yaml"), folder.join(format!("{lesson}/{lesson}.cloud.yaml")))
        .unwrap();
}

#[test]
fn the_page_about_lessons_shows_what_happens() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lessons.md")).unwrap();
    assert!(Desk::new("lessons").follow("docs/lessons.md", &page) >= 10);
}

#[test]
fn the_list_has_every_lesson_in_its_order() {
    let folder = folder("list");
    let names = [
        "hub",
        "minimum-frame",
        "mac-learning",
        "arp",
        "broadcast",
        "router",
        "drop",
        "traceroute",
        "subnets",
        "nat",
        "handshake",
        "groups-and-acls",
        "public-and-internal",
        "container",
    ];
    assert_eq!(out(&vpclab(&folder, &["learn", "-o", "name"])).lines().collect::<Vec<_>>(), names);
    let korean = out(&vpclab(&folder, &["learn", "--lang", "ko", "-o", "csv"]));
    assert!(korean.lines().nth(1).unwrap().starts_with("hub,허브와 스위치,"), "{korean}");
}

#[test]
fn a_lesson_is_begun_checked_solved_and_checked_in_both_languages() {
    let folder = folder("course");
    for lesson in out(&vpclab(&folder, &["learn", "-o", "name"])).lines() {
        let begun = vpclab(&folder, &["learn", lesson]);
        assert!(
            begun.status.success() && out(&begun).contains(&format!("The lab file is {lesson}/{lesson}.cloud.yaml.")),
            "{}",
            out(&begun)
        );
        for language in ["en", "ko"] {
            let not_yet = vpclab(&folder, &["learn", "check", lesson, "--lang", language]);
            let heading = if language == "en" { "\nHINT\n" } else { "\n힌트\n" };
            assert_eq!(not_yet.status.code(), Some(1), "{lesson}");
            assert!(out(&not_yet).contains(heading), "{lesson}: {}", out(&not_yet));
        }
        solve(&folder, lesson);
        for language in ["en", "ko"] {
            let done = vpclab(&folder, &["learn", "check", lesson, "--lang", language]);
            let heading = if language == "en" { "\nANSWER\n" } else { "\n답\n" };
            assert_eq!(done.status.code(), Some(0), "{lesson}: {}", out(&done));
            assert!(out(&done).contains(heading), "{lesson}: {}", out(&done));
        }
    }
    let all = vpclab(&folder, &["learn", "check", "-o", "json"]);
    let reports: serde_json::Value = serde_json::from_str(&out(&all)).unwrap();
    assert_eq!(reports.as_array().unwrap().len(), 14);
    assert!(
        reports
            .as_array()
            .unwrap()
            .iter()
            .all(|report| report["done"] == true && !report["conditions"].as_array().unwrap().is_empty())
    );
}

#[test]
fn what_a_lesson_tells_to_type_is_understood() {
    let folder = folder("commands");
    // What needs a running lab or an image is somebody else's to try.
    let needs_a_machine = ["doctor", "up", "exec", "anatomy", "down"];
    for lesson in out(&vpclab(&folder, &["learn", "-o", "name"])).lines() {
        let text = vpclab(&folder, &["learn", lesson, "-o", "json"]);
        let text: serde_json::Value = serde_json::from_str(&out(&text)).unwrap();
        let commands: Vec<&str> =
            text["commands"].as_array().unwrap().iter().map(|command| command.as_str().unwrap()).collect();
        for command in commands {
            if needs_a_machine.iter().any(|word| command.starts_with(&format!("vpclab {word}"))) {
                continue;
            }
            let path = format!(
                "{}:{}",
                Path::new(env!("CARGO_BIN_EXE_vpclab")).parent().unwrap().display(),
                std::env::var("PATH").unwrap()
            );
            let mut shell = Command::new("sh");
            shell
                .args(["-c", command])
                .current_dir(folder.join(lesson))
                .env("PATH", path)
                .env("VPCLAB_HOME", folder.join("home"));
            let done = shell.env("NO_COLOR", "1").output().unwrap();
            let code = done.status.code();
            assert!(matches!(code, Some(0 | 1)), "{lesson}: {command}: {code:?} {}", String::from_utf8_lossy(&done.stderr));
            assert!(!done.stdout.is_empty(), "{lesson}: {command}");
        }
    }
}

#[test]
fn beginning_again_leaves_the_learners_file_alone() {
    let folder = folder("again");
    vpclab(&folder, &["learn", "hub"]);
    let file = folder.join("hub/hub.cloud.yaml");
    std::fs::write(&file, "name: mine\n").unwrap();
    let again = vpclab(&folder, &["learn", "hub"]);
    assert!(again.status.success() && out(&again).contains("it was there and stays as it is"), "{}", out(&again));
    // Within the folder as well, where no second one is made.
    let within = vpclab(&folder.join("hub"), &["learn", "hub"]);
    assert!(within.status.success() && !folder.join("hub/hub").exists());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "name: mine\n");
}

#[test]
fn a_file_that_is_no_lab_is_not_done_and_says_where_it_is_wrong() {
    let folder = folder("wrong");
    vpclab(&folder, &["learn", "hub", "elsewhere"]);
    let file = folder.join("elsewhere/hub.cloud.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("-- box", "-- bix")).unwrap();
    let checked = vpclab(&folder, &["learn", "check", "-f", "elsewhere/hub.cloud.yaml"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(out(&checked).contains("bix") && out(&checked).contains("hub.cloud.yaml:"), "{}", out(&checked));
    let json = vpclab(&folder, &["learn", "check", "-f", "elsewhere/hub.cloud.yaml", "-o", "json"]);
    let reports: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(reports[0]["done"], false);
    assert!(reports[0]["error"].as_str().unwrap().contains("bix"));
}

#[test]
fn a_reset_wants_a_yes_and_keeps_a_copy() {
    let folder = folder("reset");
    vpclab(&folder, &["learn", "nat"]);
    let file = folder.join("nat/nat.cloud.yaml");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(out(&vpclab(&folder, &["learn", "reset"])).contains("is as at the beginning"));
    std::fs::write(&file, "name: mine\n").unwrap();
    let refused = vpclab(&folder, &["learn", "reset", "nat"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "name: mine\n");
    for copy in ["nat/nat.cloud.yaml.1", "nat/nat.cloud.yaml.2"] {
        std::fs::write(&file, "name: mine\n").unwrap();
        assert!(vpclab(&folder, &["learn", "nat", "reset", "-y"]).status.success());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
        assert_eq!(std::fs::read_to_string(folder.join(copy)).unwrap(), "name: mine\n");
    }
}

#[test]
fn unknown_lessons_words_and_places_are_said_to_be_so() {
    let folder = folder("unknown");
    for (arguments, said) in [
        (&["learn", "hubb"][..], "did you mean `hub`"),
        (&["learn", "check"], "no lesson was begun here"),
        (&["learn", "check", "hub"], "lesson hub was not begun here"),
        (&["learn", "glossary", "blockchain"], "no word of the glossary"),
        (&["learn", "--lang", "tlh"], "invalid value 'tlh'"),
    ] {
        let done = vpclab(&folder, arguments);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    assert!(out(&vpclab(&folder, &["learn", "glossary", "hub"])).starts_with("hub (허브)\n"));
}
