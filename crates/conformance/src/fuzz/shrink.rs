//! A difference cut down: what can go from the lab file while the engines still differ on the probe, goes.
//!
//! Works on the text: a line with all that is indented below it, then one part between commas of a line. What is not a
//! lab any more, or lacks an end of the probe, is simply no step.

use std::time::{Duration, Instant};

use super::{Contender, Difference, Fate, Quarrel, differ_alone};

/// Labs tried for one difference, each of which every engine brings up.
const MOST_TRIES: usize = 400;
/// How long one difference may take: a lab that loses the probe in silence is waited for each time.
const MOST_TIME: Duration = Duration::from_secs(180);

/// The difference with the smallest lab that was found; `None` if the probe alone does not show it.
pub fn shrink(whole: &Difference, contenders: &[Contender<'_>]) -> Option<Difference> {
    let until = Instant::now() + MOST_TIME;
    let alone = |text: &str| differ_alone(text, whole.seed, &whole.probe, contenders);
    let Quarrel { said, kind } = alone(&whole.lab)?;
    let mut best = Difference { said, kind, fate: Fate::CutDown, ..whole.clone() };
    let mut tries = 0;
    loop {
        let before = best.lab.len();
        for cut in [without_line as Cut, without_part as Cut] {
            let mut place = 0;
            while tries < MOST_TRIES && Instant::now() < until {
                let Some(smaller) = cut(&best.lab, place) else { break };
                tries += 1;
                match alone(&smaller) {
                    // What follows has moved to this place.
                    Some(quarrel) if quarrel.kind == best.kind => best = Difference { lab: smaller, said: quarrel.said, ..best },
                    _ => place += 1,
                }
            }
        }
        if best.lab.len() == before || tries >= MOST_TRIES || Instant::now() >= until {
            return Some(best);
        }
    }
}

/// The text with one thing less, the `place`-th of its kind; `None` = there are not so many.
type Cut = fn(&str, usize) -> Option<String>;

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn without_line(text: &str, place: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.get(place)?;
    let below = lines[place + 1..].iter().take_while(|line| indent(line) > indent(first)).count();
    let rest = lines.iter().enumerate().filter(|(number, _)| !(place..=place + below).contains(number));
    Some(rest.map(|(_, line)| format!("{line}\n")).collect())
}

/// Parts are what stands between `{`, `[` or a comma and the next comma or closing bracket of the same depth.
fn without_part(text: &str, place: usize) -> Option<String> {
    let mut open: Vec<usize> = Vec::new();
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '{' | '[' => open.push(at + 1),
            ',' => {
                if let Some(start) = open.last_mut() {
                    parts.push((*start, at + 1));
                    *start = at + 1;
                }
            }
            '}' | ']' => parts.extend(open.pop().filter(|start| !text[*start..at].trim().is_empty()).map(|start| (start, at))),
            _ => {}
        }
    }
    parts.sort_unstable();
    let (start, end) = *parts.get(place)?;
    Some(format!("{}{}", &text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_with_what_is_below_it() {
        assert_eq!(without_line("a:\n  b:\n    c: 1\n  d: 2\n", 1).as_deref(), Some("a:\n  d: 2\n"));
        assert_eq!(without_line("a: 1\n", 1), None);
    }

    #[test]
    fn a_part_goes_with_its_comma() {
        let text = "a: { b: [\"1, 2\", 3], c: d }";
        let cut: Vec<String> = (0..).map_while(|place| without_part(text, place)).collect();
        assert_eq!(cut, ["a: { c: d }", "a: { b: [ 3], c: d }", "a: { b: [\"1, 2\",], c: d }", "a: { b: [\"1, 2\", 3],}"]);
    }
}
