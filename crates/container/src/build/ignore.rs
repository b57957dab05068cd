//! Patterns of paths, and `.dockerignore`: what of a build context is not there.

/// A pattern as Docker reads them: `*`, `?`, `[a-z]`, `\`, and `**` for any number of folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Is(char),
    /// `?`.
    One,
    /// `*`.
    Name,
    /// `**`.
    All,
    /// `**/`: nothing, or anything that ends with a slash.
    Folders,
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads one. Errors are sentences.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' if rest.next_if_eq(&'*').is_some() => match rest.peek() {
                    Some('/') => {
                        rest.next();
                        Part::Folders
                    }
                    _ => Part::All,
                },
                '*' => Part::Name,
                '?' => Part::One,
                '\\' => Part::Is(rest.next().ok_or("a \\ at the end takes no meaning away")?),
                '[' => class(&mut rest)?,
                c => Part::Is(c),
            });
        }
        Ok(Pattern { parts })
    }

    /// Whether text is only itself.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Is(_)))
    }

    /// The text that a plain one is, and of any other what can be said of it.
    pub fn plain(&self) -> String {
        let letter = |part: &Part| match part {
            Part::Is(c) => Some(*c),
            _ => None,
        };
        self.parts.iter().filter_map(letter).collect()
    }

    /// Whether a whole path is what is meant.
    pub fn fits(&self, path: &str) -> bool {
        let text: Vec<char> = path.chars().collect();
        // `now[n]`: the parts so far can take the first n characters.
        let mut now = vec![false; text.len() + 1];
        now[0] = true;
        for part in &self.parts {
            let mut next = vec![false; text.len() + 1];
            let mut before = false;
            for at in 0..=text.len() {
                let last = at
                    .checked_sub(1)
                    .map(|last| (text[last], now[last], next[last]));
                next[at] = match part {
                    Part::All => now[at] || last.is_some_and(|(_, _, next)| next),
                    Part::Name => now[at] || last.is_some_and(|(c, _, next)| next && c != '/'),
                    Part::Folders => {
                        let ends = last.is_some_and(|(c, ..)| c == '/');
                        let fits = now[at] || (before && ends);
                        before |= now[at];
                        fits
                    }
                    Part::One => last.is_some_and(|(c, now, _)| now && c != '/'),
                    Part::Is(wanted) => last.is_some_and(|(c, now, _)| now && c == *wanted),
                    Part::Class { is_negated, ranges } => last.is_some_and(|(c, now, _)| {
                        let is_in = ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                        now && c != '/' && is_in != *is_negated
                    }),
                };
            }
            now = next;
        }
        now[text.len()]
    }

    /// Whether a path or a folder above it is what is meant.
    pub fn fits_with_parents(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.fits(path) || above.into_iter().any(|folder| self.fits(folder))
    }
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars>) -> Result<Part, String> {
    let is_negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let letter = |rest: &mut std::iter::Peekable<std::str::Chars>| match rest.next() {
        Some('\\') => rest.next(),
        other => other,
    };
    loop {
        match rest.peek() {
            Some(']') if !ranges.is_empty() => {
                rest.next();
                return Ok(Part::Class { is_negated, ranges });
            }
            None => return Err("a [ has no ]".into()),
            _ => {}
        }
        let from = letter(rest).ok_or("a [ has no ]")?;
        let to = match rest.next_if_eq(&'-') {
            Some(_) => letter(rest).ok_or("a [ has no ]")?,
            None => from,
        };
        ranges.push((from, to));
    }
}

/// A path without `.`, `..` and repeated slashes, and without a slash in front: what leads out leads to the top.
pub fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// `.dockerignore`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    /// In order; with whether it takes paths back in (`!`).
    patterns: Vec<(Pattern, bool)>,
}

impl Ignore {
    /// Reads the file. Errors: the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Ignore, (usize, String)> {
        let mut patterns = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (at, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (line, is_taken_back) = match line.strip_prefix('!') {
                Some(rest) => (rest.trim(), true),
                None => (line, false),
            };
            if line.is_empty() {
                if is_taken_back {
                    return Err((at + 1, "behind ! there is no pattern".into()));
                }
                continue;
            }
            let cleaned = clean(line);
            // `.` is everything; Docker leaves it without effect, so that a build has a context.
            if cleaned.is_empty() {
                continue;
            }
            let pattern =
                Pattern::new(&cleaned).map_err(|why| (at + 1, format!("`{line}`: {why}")))?;
            patterns.push((pattern, is_taken_back));
        }
        Ok(Ignore { patterns })
    }

    /// Whether a path, relative to the context, is not there. The last pattern that fits decides.
    pub fn ignores(&self, path: &str) -> bool {
        let mut is_ignored = false;
        for (pattern, is_taken_back) in &self.patterns {
            if is_ignored == *is_taken_back && pattern.fits_with_parents(path) {
                is_ignored = !is_taken_back;
            }
        }
        is_ignored
    }

    /// Whether something below an ignored folder may be there all the same.
    pub fn takes_back(&self) -> bool {
        self.patterns
            .iter()
            .any(|(_, is_taken_back)| *is_taken_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(file: &str, paths: &[&str]) -> Vec<bool> {
        let ignore = Ignore::parse(file).unwrap();
        paths.iter().map(|path| ignore.ignores(path)).collect()
    }

    #[test]
    fn the_examples_of_dockers_documentation_hold() {
        let file = "# comment\n*/temp*\n*/*/temp*\ntemp?\n";
        for (path, expected) in [
            ("somedir/temporary.txt", true),
            ("somedir/temp", true),
            ("somedir/subdir/temporary.txt", true),
            ("tempa", true),
            ("tempb", true),
            ("temp", false),
            ("tempab", false),
            ("a/b/c/temp", false),
            ("somedir/temp/inside", true),
            ("comment", false),
        ] {
            assert_eq!(ignored(file, &[path]), [expected], "{path}");
        }
        assert_eq!(
            ignored("**/*.go", &["a.go", "x/y/a.go", "a.c"]),
            [true, true, false]
        );
        assert_eq!(
            ignored("*.md\n!README.md", &["a.md", "README.md", "x/a.md"]),
            [true, false, false]
        );
        let paths = ["README.md", "README-secret.md", "README-x.md", "other.md"];
        assert_eq!(
            ignored("*.md\n!README*.md\nREADME-secret.md", &paths),
            [false, true, false, true]
        );
        assert_eq!(
            ignored("*.md\nREADME-secret.md\n!README*.md", &paths),
            [false, false, false, true]
        );
        // "/foo/bar" and "foo/bar" are the same, as are "foo/bar/".
        for file in [
            "/foo/bar",
            "foo/bar",
            "foo/bar/",
            "./foo//bar",
            "x/../foo/bar",
        ] {
            assert_eq!(
                ignored(file, &["foo/bar", "foo/bar/baz", "foo"]),
                [true, true, false],
                "{file}"
            );
        }
        assert_eq!(
            ignored(
                "*\n!src\nsrc/target",
                &["a", "src", "src/a", "src/target/x"]
            ),
            [true, false, false, true]
        );
        assert_eq!(
            ignored("**\n!Dockerfile", &["a/b", "Dockerfile"]),
            [true, false]
        );
        assert_eq!(ignored(".", &["a"]), [false]);
        assert_eq!(ignored("  spaced  \n", &["spaced"]), [true]);
    }

    #[test]
    fn patterns_have_classes_and_escapes() {
        for (pattern, path, expected) in [
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[^a]", "/", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a**b", "a/x/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "axb", false),
            ("**/x", "ax", false),
            ("a/**", "a/b/c", true),
            ("a*c", "a/c", false),
            ("?", "/", false),
            ("ü?", "üx", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).unwrap().fits(path),
                expected,
                "{pattern} {path}"
            );
        }
        for wrong in ["[a", "[", "a\\", "[]"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Ignore::parse("a\n!\n").unwrap_err().0, 2);
    }
}
