//! Variables and quotes in the words of instructions, as Docker's own small shell reads them.

use std::iter::Peekable;
use std::str::CharIndices;

/// Longest that a word may become, bytes: variables in variables grow fast.
const LONGEST: usize = 1 << 20;
/// Variables within variables' alternatives.
const DEPTH: usize = 32;
/// Longest value and pattern that are compared, bytes.
const PATTERN: usize = 1 << 10;

/// Why a word cannot be read, and the byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadWord {
    /// Byte.
    pub at: usize,
    /// What is wrong.
    pub why: String,
}

/// Replaces variables, and takes quotes and escapes away. `lookup` answers what a variable is; one that is not set is empty.
pub fn expand(
    text: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, BadWord> {
    let mut reader = Reader::new(text, escape, lookup);
    reader.until(None)
}

/// Replaces variables in a here-document, where quotes mean nothing.
pub fn expand_document(
    text: &str,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, BadWord> {
    let mut reader = Reader::new(text, escape, lookup);
    let mut all = String::new();
    while let Some((at, c)) = reader.rest.next() {
        match c {
            '$' => all.push_str(&reader.dollar(at)?),
            c if c == escape => match reader.rest.peek().copied() {
                Some((_, next)) if next == '$' || next == escape => {
                    reader.rest.next();
                    all.push(next);
                }
                _ => all.push(c),
            },
            c => all.push(c),
        }
        reader.bound(at, &all)?;
    }
    Ok(all)
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    escape: char,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
    /// Bytes that variables have brought so far.
    grown: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, escape: char, lookup: &'a dyn Fn(&str) -> Option<String>) -> Reader<'a> {
        Reader {
            text,
            rest: text.char_indices().peekable(),
            escape,
            lookup,
            depth: 0,
            grown: 0,
        }
    }

    fn bad<T>(&self, at: usize, why: impl Into<String>) -> Result<T, BadWord> {
        Err(BadWord {
            at,
            why: why.into(),
        })
    }

    fn bound(&self, at: usize, so_far: &str) -> Result<(), BadWord> {
        if so_far.len() > LONGEST || self.grown > 4 * LONGEST {
            return self.bad(
                at,
                format!(
                    "it becomes longer than {}",
                    crate::limits::size(LONGEST as u64)
                ),
            );
        }
        Ok(())
    }

    /// Reads to `end`, which is taken, or to the end of the text.
    fn until(&mut self, end: Option<char>) -> Result<String, BadWord> {
        let begin = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        let mut all = String::new();
        while let Some((at, c)) = self.rest.next() {
            match c {
                c if Some(c) == end => return Ok(all),
                '\'' => all.push_str(&self.single(at)?),
                '"' => all.push_str(&self.double(at)?),
                '$' => all.push_str(&self.dollar(at)?),
                c if c == self.escape => match self.rest.next() {
                    Some((_, next)) => all.push(next),
                    None => all.push(c),
                },
                c => all.push(c),
            }
            self.bound(at, &all)?;
        }
        match end {
            None => Ok(all),
            Some(end) => self.bad(begin.saturating_sub(1), format!("`{end}` is missing")),
        }
    }

    fn single(&mut self, begin: usize) -> Result<String, BadWord> {
        let mut all = String::new();
        for (_, c) in self.rest.by_ref() {
            if c == '\'' {
                return Ok(all);
            }
            all.push(c);
        }
        self.bad(begin, "the ' that ends the text is missing")
    }

    fn double(&mut self, begin: usize) -> Result<String, BadWord> {
        let mut all = String::new();
        while let Some((at, c)) = self.rest.next() {
            match c {
                '"' => return Ok(all),
                '$' => all.push_str(&self.dollar(at)?),
                c if c == self.escape => match self.rest.peek().copied() {
                    Some((_, next)) if matches!(next, '"' | '$') || next == self.escape => {
                        self.rest.next();
                        all.push(next);
                    }
                    _ => all.push(c),
                },
                c => all.push(c),
            }
            self.bound(at, &all)?;
        }
        self.bad(begin, "the \" that ends the text is missing")
    }

    /// Behind a `$`.
    fn dollar(&mut self, at: usize) -> Result<String, BadWord> {
        if self.rest.peek().is_some_and(|(_, c)| *c == '{') {
            self.rest.next();
            self.depth += 1;
            if self.depth > DEPTH {
                return self.bad(at, "variables are within variables too often");
            }
            let value = self.braces(at)?;
            self.depth -= 1;
            self.grown += value.len();
            return Ok(value);
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".into());
        }
        let value = (self.lookup)(&name).unwrap_or_default();
        self.grown += value.len();
        Ok(value)
    }

    /// A name, or one of a shell's special letters.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some((_, c)) = self.rest.peek().copied() {
            match c {
                '0'..='9' if name.is_empty() => {
                    self.rest.next();
                    return c.into();
                }
                '@' | '*' | '#' | '?' | '-' | '!' if name.is_empty() => return name,
                c if c.is_ascii_alphanumeric() || c == '_' => {
                    name.push(c);
                    self.rest.next();
                }
                _ => break,
            }
        }
        name
    }

    fn braces(&mut self, begin: usize) -> Result<String, BadWord> {
        let name = self.name();
        if name.is_empty() {
            return self.bad(begin, "a variable's name is missing behind `${`");
        }
        let value = (self.lookup)(&name);
        let Some((at, c)) = self.rest.next() else {
            return self.bad(begin, "`}` is missing");
        };
        match c {
            '}' => Ok(value.unwrap_or_default()),
            ':' => match self.rest.next() {
                Some((_, sign @ ('-' | '+' | '?'))) => {
                    self.alternative(begin, &name, sign, value.filter(|value| !value.is_empty()))
                }
                _ => self.bad(at, "`:` in a variable is followed by `-`, `+` or `?`"),
            },
            '-' | '+' | '?' => self.alternative(begin, &name, c, value),
            '#' | '%' => {
                let is_longest = self.rest.next_if(|(_, next)| *next == c).is_some();
                let pattern = self.pattern('}')?;
                let value = value.unwrap_or_default();
                self.fits(begin, &value, &pattern)?;
                Ok(if c == '#' { without_prefix(&value, &pattern, is_longest) } else { without_suffix(&value, &pattern, is_longest) })
            }
            '/' => {
                let everywhere = self.rest.next_if(|(_, next)| *next == '/').is_some();
                let pattern = self.pattern('/')?;
                let new = self.until(Some('}'))?;
                let value = value.unwrap_or_default();
                self.fits(begin, &value, &pattern)?;
                let value = replaced(&value, &pattern, &new, everywhere);
                self.bound(at, &value)?;
                Ok(value)
            }
            _ => self.bad(at, format!("`{c}` cannot be in a variable: `${{{name}…}}` goes on with `:-`, `:+`, `:?`, `#`, `%`, `/` or ends with `}}`")),
        }
    }

    /// Comparing with a pattern takes work that grows faster than the two do.
    fn fits(&self, begin: usize, value: &str, pattern: &[Glob]) -> Result<(), BadWord> {
        if value.len() > PATTERN || pattern.len() > PATTERN {
            return self.bad(
                begin,
                format!("values of more than {PATTERN} bytes are not compared with patterns"),
            );
        }
        Ok(())
    }

    fn alternative(
        &mut self,
        begin: usize,
        name: &str,
        sign: char,
        value: Option<String>,
    ) -> Result<String, BadWord> {
        let word = self.until(Some('}'))?;
        match (sign, value) {
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            ('?', None) if word.is_empty() => {
                self.bad(begin, format!("`{name}` is not set, and has to be"))
            }
            ('?', None) => self.bad(begin, format!("{name}: {word}")),
            (_, None) => Ok(word),
        }
    }

    /// A pattern up to `end`; variables in it are replaced, and what is quoted or escaped stands for itself.
    fn pattern(&mut self, end: char) -> Result<Vec<Glob>, BadWord> {
        let begin = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        let mut all = Vec::new();
        while let Some((at, c)) = self.rest.next() {
            match c {
                c if c == end => return Ok(all),
                '*' => all.push(Glob::Any),
                '?' => all.push(Glob::One),
                '$' => all.extend(self.dollar(at)?.chars().map(Glob::from)),
                '\'' => all.extend(self.single(at)?.chars().map(Glob::Is)),
                '"' => all.extend(self.double(at)?.chars().map(Glob::Is)),
                c if c == self.escape => match self.rest.next() {
                    Some((_, next)) => all.push(Glob::Is(next)),
                    None => break,
                },
                c => all.push(Glob::Is(c)),
            }
            if all.len() > LONGEST {
                return self.bad(at, "the pattern is too long");
            }
        }
        self.bad(begin.saturating_sub(1), format!("`{end}` is missing"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glob {
    Is(char),
    One,
    Any,
}

impl From<char> for Glob {
    fn from(c: char) -> Glob {
        match c {
            '*' => Glob::Any,
            '?' => Glob::One,
            c => Glob::Is(c),
        }
    }
}

/// How many characters from the front of `text` the pattern can take, as a set: `ends[n]` where n characters fit.
fn ends(text: &[char], pattern: &[Glob]) -> Vec<bool> {
    let mut now = vec![false; text.len() + 1];
    now[0] = true;
    for glob in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match glob {
                Glob::Any => now[at] || (at > 0 && next[at - 1]),
                Glob::One => at > 0 && now[at - 1],
                Glob::Is(c) => at > 0 && now[at - 1] && text[at - 1] == *c,
            };
        }
        now = next;
    }
    now
}

fn without_prefix(text: &str, pattern: &[Glob], is_longest: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let ends = ends(&chars, pattern);
    let found = if is_longest {
        ends.iter().rposition(|fits| *fits)
    } else {
        ends.iter().position(|fits| *fits)
    };
    chars[found.unwrap_or(0)..].iter().collect()
}

fn without_suffix(text: &str, pattern: &[Glob], is_longest: bool) -> String {
    let backwards: String = text.chars().rev().collect();
    let pattern: Vec<Glob> = pattern.iter().rev().copied().collect();
    without_prefix(&backwards, &pattern, is_longest)
        .chars()
        .rev()
        .collect()
}

fn replaced(text: &str, pattern: &[Glob], new: &str, everywhere: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut all, mut at, mut is_done) = (String::new(), 0, false);
    // As a shell: the longest that fits at the first place where anything does.
    while at < chars.len() && all.len() <= LONGEST {
        let length = if is_done {
            0
        } else {
            ends(&chars[at..], pattern)
                .iter()
                .rposition(|fits| *fits)
                .unwrap_or(0)
        };
        if length == 0 {
            all.push(chars[at]);
            at += 1;
        } else {
            all.push_str(new);
            at += length;
            is_done = !everywhere;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "HOME" => Some("/home/me".into()),
            "EMPTY" => Some(String::new()),
            "FILE" => Some("a/b/name.tar.gz".into()),
            "NAME" => Some("HOME".into()),
            _ => None,
        }
    }

    fn read(text: &str) -> Result<String, BadWord> {
        expand(text, '\\', &lookup)
    }

    #[test]
    fn words_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$HOME/x", "/home/me/x"),
            ("${HOME}x", "/home/mex"),
            ("$NONE.", "."),
            ("\\$HOME", "$HOME"),
            ("'$HOME'", "$HOME"),
            ("\"$HOME\"", "/home/me"),
            ("\"a\\\"b\\$c\\d\"", "a\"b$c\\d"),
            ("a\\ b", "a b"),
            ("$", "$"),
            ("$.", "$."),
            ("a$1b", "ab"),
            ("${NONE:-x}", "x"),
            ("${NONE-x}", "x"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${HOME:+x}", "x"),
            ("${NONE:+x}", ""),
            ("${EMPTY:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${NONE:-${OTHER:-$HOME}}", "/home/me"),
            ("${NONE:-'a}b'}", "a}b"),
            ("${FILE#*/}", "b/name.tar.gz"),
            ("${FILE##*/}", "name.tar.gz"),
            ("${FILE%.*}", "a/b/name.tar"),
            ("${FILE%%.*}", "a/b/name"),
            ("${FILE/a/X}", "X/b/name.tar.gz"),
            ("${FILE//a/X}", "X/b/nXme.tXr.gz"),
            ("${FILE//./}", "a/b/nametargz"),
            ("${FILE%\\*}", "a/b/name.tar.gz"),
            ("${HOME:?not set}", "/home/me"),
            ("ünï", "ünï"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, at, why) in [
            ("a'b", 1, "the ' that ends the text is missing"),
            ("a\"b", 1, "the \" that ends the text is missing"),
            ("a${b", 1, "`}` is missing"),
            ("a${", 1, "a variable's name is missing behind `${`"),
            ("${NONE:?it is needed}", 0, "NONE: it is needed"),
            ("${NONE?}", 0, "`NONE` is not set, and has to be"),
            (
                "${a:b}",
                3,
                "`:` in a variable is followed by `-`, `+` or `?`",
            ),
        ] {
            assert_eq!(
                read(text),
                Err(BadWord {
                    at,
                    why: why.into()
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn variables_in_variables_do_not_grow_without_end() {
        let big = "x".repeat(LONGEST);
        let error = expand("$A$A", '\\', &|_| Some(big.clone())).unwrap_err();
        assert!(error.why.contains("longer"), "{error:?}");
        assert!(read(&"${A:-".repeat(200)).is_err());
    }
}
