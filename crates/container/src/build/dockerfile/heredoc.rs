//! Here-documents of `RUN`, `COPY` and `ADD`.

/// The beginning of one: `<<EOF`, `<<-EOF`, `<<"EOF"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Ends it, alone on a line.
    pub name: String,
    /// Tabs at the beginnings of its lines go.
    pub strips_tabs: bool,
    /// Variables are replaced: its name was not quoted.
    pub expands: bool,
    /// Byte of the instruction's text.
    pub at: usize,
    /// Bytes of it.
    pub length: usize,
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// How it begins.
    pub head: Head,
    /// What is in it, each line with its end.
    pub content: String,
    /// Its first line in the file, from 1.
    pub number: usize,
}

/// The beginnings in an instruction's text: words of their own, not within quotes.
pub fn heads(text: &str, escape: char) -> Vec<Head> {
    let is_able = text.split([' ', '\t']).next().is_some_and(|word| {
        ["run", "copy", "add"]
            .iter()
            .any(|able| word.eq_ignore_ascii_case(able))
    });
    if !is_able || !text.contains("<<") {
        return Vec::new();
    }
    words(text, escape)
        .into_iter()
        .filter_map(|(at, word)| head(at, word))
        .collect()
}

/// Words with where they begin; what is within quotes belongs to one word.
pub fn words(text: &str, escape: char) -> Vec<(usize, &str)> {
    let mut all = Vec::new();
    let (mut begin, mut quote, mut is_escaped) = (None, None, false);
    for (at, c) in text.char_indices() {
        let is_space = matches!(c, ' ' | '\t');
        match (quote, begin) {
            _ if is_escaped => is_escaped = false,
            (Some(open), _) => match c {
                c if c == open => quote = None,
                c if c == escape && open == '"' => is_escaped = true,
                _ => {}
            },
            (None, Some(from)) if is_space => {
                all.push((from, &text[from..at]));
                begin = None;
            }
            (None, None) if is_space => {}
            (None, _) => {
                begin = begin.or(Some(at));
                match c {
                    '"' | '\'' => quote = Some(c),
                    c if c == escape => is_escaped = true,
                    _ => {}
                }
            }
        }
    }
    if let Some(from) = begin {
        all.push((from, &text[from..]));
    }
    all
}

fn head(at: usize, word: &str) -> Option<Head> {
    // A number in front is a file descriptor, as in a shell.
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (strips_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| rest.strip_prefix(quote)?.strip_suffix(quote));
    let name = quoted.unwrap_or(rest);
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_name.then(|| Head {
        name: name.to_owned(),
        strips_tabs,
        expands: quoted.is_none(),
        at,
        length: word.len(),
    })
}
