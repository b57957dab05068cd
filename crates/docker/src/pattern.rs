//! Go's `path.Match`, by which images are filtered: `*` and `?` are anything but `/`, `[a-z]` one of these, `\\` takes the next
//! letter as it is.

/// One letter of a pattern.
enum Part {
    /// Any number of letters but `/`.
    Any,
    /// Any letter but `/`.
    One,
    /// A letter between two of these, or between none.
    Class { is_negated: bool, ranges: Vec<(char, char)> },
    /// This letter.
    Letter(char),
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Part::Any | Part::One => c != '/',
            Part::Class { is_negated, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *is_negated,
            Part::Letter(letter) => *letter == c,
        }
    }
}

/// Whether all of a text fits; nothing fits a pattern that is none.
pub fn is_match(pattern: &str, text: &str) -> bool {
    let Some(parts) = parts(pattern) else { return false };
    let text: Vec<char> = text.chars().collect();
    let (mut part, mut at) = (0, 0);
    // The last `*`, and how far it reaches: where what is behind it does not fit, it takes one letter more. Earlier ones need
    // not, as none goes beyond a `/`; so no pattern takes longer than its length times the text's.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match parts.get(part) {
            None if at == text.len() => return true,
            Some(Part::Any) => {
                star = Some((part, at));
                part += 1;
                continue;
            }
            Some(one) if text.get(at).is_some_and(|c| one.fits(*c)) => {
                (part, at) = (part + 1, at + 1);
                continue;
            }
            _ => {}
        }
        match star {
            Some((place, reach)) if text.get(reach).is_some_and(|c| *c != '/') => {
                star = Some((place, reach + 1));
                (part, at) = (place + 1, reach + 1);
            }
            _ => return false,
        }
    }
}

fn parts(pattern: &str) -> Option<Vec<Part>> {
    let mut letters = pattern.chars().peekable();
    let mut parts = Vec::new();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Letter(letters.next()?),
            '[' => {
                let is_negated = letters.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || letters.peek() != Some(&']') {
                    let from = of_class(letters.next()?, &mut letters)?;
                    let to = match letters.next_if_eq(&'-') {
                        Some(_) => of_class(letters.next()?, &mut letters)?,
                        None => from,
                    };
                    ranges.push((from, to));
                }
                letters.next();
                Part::Class { is_negated, ranges }
            }
            other => Part::Letter(other),
        });
    }
    Some(parts)
}

/// A letter of a class; `-` and `]` are none without a `\\` in front.
fn of_class(letter: char, rest: &mut impl Iterator<Item = char>) -> Option<char> {
    match letter {
        '\\' => rest.next(),
        '-' | ']' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gos_path_match() {
        for (pattern, text, expected) in [
            ("busy*", "busybox", true),
            ("busy*", "busybox:latest", true),
            ("busy*", "library/busybox", false),
            ("*/busybox", "library/busybox", true),
            ("*:latest", "busybox:latest", true),
            ("busybo?", "busybox", true),
            ("[a-c]usy*", "busybox", true),
            ("[^a-c]usy*", "busybox", false),
            ("busybox", "busybox:1", false),
            ("a\\*", "a*", true),
            ("[", "[", false),
        ] {
            assert_eq!(is_match(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_that_are_none_fit_nothing_and_long_ones_take_no_longer() {
        for (pattern, text, expected) in [
            ("a/*b", "a/b/b", false),
            ("*/*/c", "a/b/c", true),
            ("*a*a*c", "xaxaxc", true),
            ("[\\]]", "]", true),
            ("[a-", "a", false),
            ("[]a]", "]", false),
            ("a\\", "a", false),
            ("", "", true),
        ] {
            assert_eq!(is_match(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!is_match(&format!("{}b", "*a".repeat(2_000)), &"a".repeat(4_000)));
    }
}
