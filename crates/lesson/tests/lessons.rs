//! Every lesson can be begun, is not done at its beginning, and can be solved; in every language it says the same things.
#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

use lab::Files;
use lesson::{Condition, LESSONS, Language, Lesson, Text, Trial};
use model::{Context, Model, Timestamp};

/// One lab file, in memory.
struct Memory<'t>(&'t str);

impl Files for Memory<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.to_owned()))
    }
}

fn cloud(name: &str, text: &str) -> Model {
    let lab = lab::load(&format!("{name}.cloud.yaml"), &Memory(text))
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp::default()));
    lab.apply(&mut model).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    model
}

fn solved(lesson: &Lesson) -> String {
    let path = format!("{}/tests/solved/{}.yaml", env!("CARGO_MANIFEST_DIR"), lesson.name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn findings(lesson: &Lesson, lab: &str) -> Vec<(Condition, lesson::Finding)> {
    let trial = Trial::new(cloud(lesson.name, lab));
    let conditions = lesson.conditions().unwrap();
    conditions.into_iter().map(|condition| (condition.clone(), trial.finding(&condition))).collect()
}

fn text(lesson: &Lesson, language: Language) -> Text<'static> {
    lesson.text(language).unwrap_or_else(|| panic!("{} ({language})", lesson.name))
}

#[test]
fn no_lesson_is_done_at_its_beginning() {
    for lesson in LESSONS {
        let findings = findings(lesson, lesson.lab);
        assert!(findings.iter().any(|(_, finding)| !finding.holds), "{}: {findings:#?}", lesson.name);
    }
}

#[test]
fn every_lesson_can_be_solved() {
    for lesson in LESSONS {
        for (condition, finding) in findings(lesson, &solved(lesson)) {
            assert!(finding.holds, "{}: {condition}: {}", lesson.name, finding.seen.en);
        }
    }
}

#[test]
fn a_lab_with_nothing_in_it_solves_no_lesson() {
    for lesson in LESSONS {
        let findings = findings(lesson, "name: empty\n");
        assert!(findings.iter().filter(|(_, finding)| finding.holds).count() == 0, "{}: {findings:#?}", lesson.name);
    }
}

#[test]
fn a_lesson_says_in_every_language_the_same_commands() {
    for lesson in LESSONS {
        let english = text(lesson, Language::English);
        let korean = text(lesson, Language::Korean);
        assert!(english.commands().count() >= 2, "{}", lesson.name);
        assert_eq!(english.commands().collect::<Vec<_>>(), korean.commands().collect::<Vec<_>>(), "{}", lesson.name);
        let is_korean = |part: &str| part.chars().any(|c| ('가'..='힣').contains(&c));
        for part in [korean.title, korean.summary, korean.body, korean.question, korean.task, korean.hint, korean.answer] {
            assert!(is_korean(part), "{}: {part}", lesson.name);
        }
    }
}

#[test]
fn a_lesson_fits_on_a_screen_or_two_and_its_lines_in_a_terminal() {
    for lesson in LESSONS {
        for language in Language::ALL {
            let text = text(lesson, language);
            assert!(text.body.lines().count() <= 40, "{} ({language})", lesson.name);
            // A Korean letter is as wide as two others. A command stays on its line, however long.
            let width = |line: &str| line.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum::<usize>();
            let parts = [text.summary, text.body, text.question, text.task, text.hint, text.answer];
            for line in parts.iter().flat_map(|part| part.lines()).filter(|line| !line.starts_with("    $ ")) {
                assert!(width(line) <= 100, "{} ({language}): {line}", lesson.name);
            }
        }
    }
}

#[test]
fn tricks_that_look_like_a_solution_are_seen_through() {
    // A lesson, what is written in its first or solved file, what a trickster writes, and the condition that notices.
    let of = |name: &str| lesson::find(name).unwrap();
    for (name, from_solved, was, becomes, noticed) in [
        ("minimum-frame", false, "hubs: { hub-1: 10M }", "switches: [hub-1]", "collision-domains 1"),
        ("mac-learning", true, "pc-3, spy -- sw-1", "pc-3 -- sw-1", "shared pc-1 spy"),
        // Enough for two of them, not for all.
        ("mac-learning", false, "table: 1", "table: 3", "private pc-3 pc-1 spy"),
        (
            "nat",
            false,
            "isp: { interfaces: { eth0: 203.0.113.1/30, eth1: 198.51.100.1/24 } }",
            "isp: { interfaces: { eth0: 203.0.113.1/30, eth1: 198.51.100.1/24 }, routes: [192.168.0.0/24 via 203.0.113.2] }",
            "seen-as laptop server 80 203.0.113.2",
        ),
        ("groups-and-acls", false, ", acl: front", "", "claim internet -> web-1 tcp/22: blocked by acl:front"),
        ("groups-and-acls", false, "out tcp/80 to", "out all to", "claim web-1 -> internet tcp/25: blocked by acl:front"),
        ("public-and-internal", true, "route: nat@public", "route: none", "claim db-1 -> internet tcp/443: allowed via nat"),
        (
            "traceroute",
            true,
            "10.0.3.0/24 via 10.9.2.2]",
            "10.0.3.0/24 via 10.9.2.2, default via 10.9.1.1]",
            "unreachable pc 10.0.77.7",
        ),
        ("container", true, "8080->80", "8080->8080", "publishes web-1 8080 80"),
        ("broadcast", true, "r-1:eth1 -- sw-2", "r-1:eth1, sw-1 -- sw-2", "broadcast-domains 2"),
    ] {
        let lesson = of(name);
        let before = if from_solved { solved(lesson) } else { lesson.lab.to_owned() };
        let tricked = before.replace(was, becomes);
        assert_ne!(tricked, before, "{name}: {was}");
        let findings = findings(lesson, &tricked);
        let finding =
            findings.iter().find(|(condition, _)| condition.to_string() == noticed).unwrap_or_else(|| panic!("{noticed}"));
        assert!(!finding.1.holds, "{name}: {noticed}: {findings:#?}");
    }
}
