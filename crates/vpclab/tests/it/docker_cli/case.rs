//! Cases as a terminal shows them, and whether what was said fits.
//!
//! `$ LINE` for a shell; below it what it prints, a line each, `! LINE` for a line that is somewhere on standard error, `? CODE` where it is
//! not 0, `@ WORD` before it for what it needs. In a line, `<id>` and its like stand for what differs from run to run; `...` is any number of lines.

use std::path::Path;

use regex::Regex;

/// One line and what is known to come of it.
#[derive(Debug, Default)]
pub struct Case {
    pub place: String,
    pub needs: Option<String>,
    pub line: String,
    pub out: Vec<String>,
    pub errors: Vec<String>,
    /// None: any.
    pub code: Option<i32>,
}

/// Reads a file of them.
pub fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut all, mut needs) = (Vec::<Case>::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(word) = line.strip_prefix("@ ") {
            needs = Some(word.to_owned());
        } else if let Some(command) = line.strip_prefix("$ ") {
            let place = format!("{}:{number}", path.file_name().unwrap().to_string_lossy());
            all.push(Case { place, needs: needs.take(), line: command.to_owned(), code: Some(0), ..Case::default() });
        } else if let Some(case) = all.last_mut() {
            if let Some(error) = line.strip_prefix("! ") {
                case.errors.push(error.to_owned());
            } else if let Some(code) = line.strip_prefix("? ") {
                case.code = code.parse().ok();
            } else {
                case.out.push(line.to_owned());
            }
        } else {
            assert!(line.starts_with('#') || line.is_empty(), "{}:{number}: no case yet", path.display());
        }
    }
    all
}

/// A line with its placeholders as an expression.
fn expression(line: &str) -> Regex {
    let mut text = regex::escape(line.trim_end());
    for (word, stands_for) in [
        ("<id>", "[0-9a-f]{64}"),
        ("<short>", "[0-9a-f]{12}"),
        ("<time>", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.][0-9]{9}Z"),
        ("<size>", r"[0-9.]+ ?[kKMG]?i?B"),
        ("<n>", "[0-9]+"),
        ("<*>", ".*"),
    ] {
        text = text.replace(&regex::escape(word), stands_for);
    }
    Regex::new(&format!("^{text}$")).unwrap()
}

fn fit(wanted: &[String], lines: &[&str]) -> bool {
    match wanted {
        [] => lines.is_empty(),
        [any, rest @ ..] if any == "..." => (0..=lines.len()).any(|skipped| fit(rest, &lines[skipped..])),
        [first, rest @ ..] => lines.split_first().is_some_and(|(line, more)| expression(first).is_match(line.trim_end()) && fit(rest, more)),
    }
}

impl Case {
    /// What does not fit; none: all does.
    pub fn differs(&self, code: i32, out: &str, errors: &str) -> Option<String> {
        let lines: Vec<&str> = out.lines().collect();
        let is_right = self.code.is_none_or(|wanted| wanted == code)
            && fit(&self.out, &lines)
            && self.errors.iter().all(|wanted| errors.lines().any(|line| expression(wanted).is_match(line.trim_end())));
        let show = |mark: &str, text: &str| text.lines().map(|line| format!("    {mark}{line}\n")).collect::<String>();
        (!is_right).then(|| {
            format!(
                "{}: $ {}\n  wanted {:?}\n{}{}  got {code}\n{}{}",
                self.place,
                self.line,
                self.code,
                show("", &self.out.join("\n")),
                show("! ", &self.errors.join("\n")),
                show("", out),
                show("! ", errors)
            )
        })
    }
}

#[test]
fn a_case_that_differs_is_seen() {
    let case = Case { out: vec!["...".into(), "a <n> <short>".into()], errors: vec!["<*>bad".into()], code: Some(1), ..Case::default() };
    let good = "first\na 12 0123456789ab\n";
    assert_eq!(case.differs(1, good, "x\nvery bad\n"), None);
    for (code, out, errors) in [(0, good, "bad"), (1, "a 12 0123456789ab\nlast", "bad"), (1, "a x 0123456789ab", "bad"), (1, good, "bad one"), (1, "", "bad")] {
        assert!(case.differs(code, out, errors).is_some(), "{code} {out} {errors}");
    }
    assert!(Case { code: Some(0), ..Case::default() }.differs(0, "more\n", "").is_some());
}
