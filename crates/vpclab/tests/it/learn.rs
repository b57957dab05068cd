//! Lessons as a person takes them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::console::Desk;

const LESSONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lesson");

/// An empty folder of a test.
fn folder(name: &str) -> PathBuf {
    scratch_folder!("{name}")
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

/// A command of a lesson with what it shows.
struct Shown<'t> {
    command: &'t str,
    /// `None`: it needs a machine that runs labs.
    exit: Option<i32>,
    /// Texts of the output, in their order.
    texts: Vec<&'t str>,
    /// Texts that are not in it.
    absent: Vec<&'t str>,
}

/// What a lesson shows at its beginning, a wrong change with the line of the check that notices it, and what the solved lab
/// shows.
struct Walk<'t> {
    first: Vec<Shown<'t>>,
    wrong: (&'t str, &'t str),
    noticed: &'t str,
    solved: Vec<Shown<'t>>,
}

fn shown(text: &str) -> Vec<Shown<'_>> {
    let mut commands: Vec<Shown<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(Shown { command, exit: None, texts: Vec::new(), absent: Vec::new() });
            continue;
        }
        let last = commands.last_mut().expect("a command comes first");
        match line.split_once(' ') {
            _ if line == "machine" => {}
            Some(("exit", code)) => last.exit = Some(code.parse().expect("an exit code")),
            Some(("not", text)) => last.absent.push(text),
            _ => last.texts.push(line.trim()),
        }
    }
    commands
}

impl<'t> Walk<'t> {
    fn read(text: &'t str) -> Self {
        let (first, rest) = text.split_once("\n== wrong\n").expect("a wrong change");
        let (wrong, solved) = rest.split_once("\n== solved\n").expect("what the solved lab shows");
        let mut lines = wrong.trim().lines();
        let change = lines.next().and_then(|line| line.split_once(" => ")).expect("WAS => BECOMES");
        Self { first: shown(first), wrong: change, noticed: lines.next().expect("a line of the check"), solved: shown(solved) }
    }
}

/// Types a command in the folder of a lesson, and looks at what comes.
fn type_in(folder: &Path, language: &str, shown: &Shown<'_>) {
    let Some(exit) = shown.exit else { return };
    let programs = Path::new(env!("CARGO_BIN_EXE_vpclab")).parent().unwrap().display().to_string();
    let mut shell = Command::new("sh");
    shell.args(["-c", shown.command]).current_dir(folder).env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()));
    shell.env("NO_COLOR", "1").env("VPCLAB_HOME", folder.join("home")).env("VPCLAB_LANG", language).env_remove("VPCLAB_FILE");
    let done = shell.output().unwrap();
    let (command, printed) = (shown.command, out(&done));
    assert_eq!(done.status.code(), Some(exit), "{command}: {printed}{}", String::from_utf8_lossy(&done.stderr));
    // How wide a column is says nothing.
    let narrow = |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect::<String>();
    let all = narrow(&printed);
    let mut left = all.as_str();
    for text in shown.texts.iter().map(|text| narrow(text).trim_end().to_owned()) {
        let at = left.find(&text).unwrap_or_else(|| panic!("{command}: `{text}` is not (or not there) in:\n{printed}"));
        left = &left[at + text.len()..];
    }
    for text in &shown.absent {
        assert!(!printed.contains(text), "{command}: `{text}` is in:\n{printed}");
    }
}

/// Whether every condition of a check is told in Korean, with particles that fit.
fn assert_korean(checked: &str) {
    let conditions = checked.lines().filter(|line| line.starts_with("  예 ") || line.starts_with("  아니요"));
    for line in conditions {
        let sentence = line.trim().trim_start_matches("예").trim_start_matches("아니요");
        assert!(sentence.chars().any(|c| ('가'..='힣').contains(&c)), "{line}");
        assert!(!["은(는)", "이(가)", "을(를)", "와(과)", "(으)로", "(이)라"].iter().any(|both| sentence.contains(both)), "{line}");
    }
}

/// From start to end, as a learner does: the lesson is begun, every command typed, the lab changed in a wrong way and refused
/// with a hint, put back, changed as it should be, and put back again.
fn walk(lesson: &str, language: &str) {
    let folder = folder(&format!("walk-{language}-{lesson}"));
    let text = std::fs::read_to_string(format!("{LESSONS}/tests/shown/{lesson}.txt")).unwrap();
    let walk = Walk::read(&text);
    let begun = vpclab(&folder, &["learn", lesson, "--lang", language, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&out(&begun)).unwrap();
    let commands: Vec<&str> = told["commands"].as_array().unwrap().iter().filter_map(|command| command.as_str()).collect();
    assert_eq!(commands, walk.first.iter().map(|shown| shown.command).collect::<Vec<_>>(), "{lesson}");
    let place = folder.join(lesson);
    walk.first.iter().for_each(|shown| type_in(&place, language, shown));

    let check = |code: i32| {
        let checked = vpclab(&place, &["learn", "check", "--lang", language]);
        assert_eq!(checked.status.code(), Some(code), "{lesson}: {}{}", out(&checked), String::from_utf8_lossy(&checked.stderr));
        out(&checked)
    };
    let file = place.join(format!("{lesson}.cloud.yaml"));
    let first = std::fs::read_to_string(&file).unwrap();
    let reset = || {
        assert!(vpclab(&place, &["learn", "reset", "-y", "--lang", language]).status.success(), "{lesson}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), first, "{lesson}");
    };
    let (was, becomes) = walk.wrong;
    assert!(first.contains(was), "{lesson}: {was}");
    std::fs::write(&file, first.replace(was, becomes)).unwrap();
    let refused = check(1);
    match language {
        "ko" => {
            assert_korean(&refused);
            assert!(refused.contains("\n힌트\n"), "{lesson}: {refused}");
        }
        _ => assert!(refused.contains(walk.noticed) && refused.contains("\nHINT\n"), "{lesson}: {refused}"),
    }
    reset();
    check(1);
    std::fs::copy(format!("{LESSONS}/tests/solved/{lesson}.yaml"), &file).unwrap();
    let done = check(0);
    if language == "ko" {
        assert_korean(&done);
    }
    walk.solved.iter().for_each(|shown| type_in(&place, language, shown));
    reset();
}

#[test]
fn every_lesson_is_walked_from_start_to_end_in_english() {
    let folder = folder("walk-list-en");
    out(&vpclab(&folder, &["learn", "-o", "name"])).lines().for_each(|lesson| walk(lesson, "en"));
}

#[test]
fn every_lesson_is_walked_from_start_to_end_in_korean() {
    let folder = folder("walk-list-ko");
    out(&vpclab(&folder, &["learn", "-o", "name", "--lang", "ko"])).lines().for_each(|lesson| walk(lesson, "ko"));
}

#[test]
fn a_number_is_a_name_of_a_lesson() {
    let folder = folder("number");
    let begun = vpclab(&folder, &["learn", "1"]);
    assert!(begun.status.success() && out(&begun).starts_with("1/14  Hub or switch\n"), "{}", out(&begun));
    assert!(folder.join("hub/hub.cloud.yaml").is_file());
    assert_eq!(vpclab(&folder, &["learn", "check", "1"]).status.code(), Some(1));
    assert!(vpclab(&folder, &["learn", "reset", "1"]).status.success());
    let listed = out(&vpclab(&folder, &["learn"]));
    assert!(listed.lines().nth(14).unwrap().trim_start().starts_with("14  container "), "{listed}");
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
        (&["learn", "15"], "there are lessons 1 to 14"),
        (&["learn", "switch"], "vpclab learn mac-learning deals with it"),
        (&["learn", "blockchain"], "there are: hub, minimum-frame"),
        (&["learn", "hubb", "--lang", "ko"], "혹시 `hub` 강의를"),
        (&["learn", "check", "--lang", "ko"], "시작한 강의가 없습니다"),
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
