//! A command line cut into words, as a shell cuts it: blanks between words, quotes and backslashes. Nothing is expanded:
//! whoever wants variables starts a shell (`sh -c '…'`).

use super::SentenceError;
use crate::code::Code;

/// Reads a command line: its words.
pub fn parse_command(text: &str) -> Result<Vec<String>, SentenceError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut all = text.char_indices();
    while let Some((at, c)) = all.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match all.next() {
                        Some((_, end)) if end == c => break,
                        // Within double quotes a backslash stands before what would otherwise mean something.
                        Some((_, '\\')) if c == '"' => match all.next() {
                            Some((_, next @ ('"' | '\\' | '$' | '`'))) => into.push(next),
                            Some((_, next)) => into.extend(['\\', next]),
                            None => return Err(open_quote(text, at)),
                        },
                        Some((_, other)) => into.push(other),
                        None => return Err(open_quote(text, at)),
                    }
                }
            }
            '\\' => match all.next() {
                Some((_, next)) => word.get_or_insert_default().push(next),
                None => {
                    let error = SentenceError::new(Code::BadCommand, at..text.len(), "nothing follows the backslash");
                    return Err(error.label("the end").hint("a backslash that is meant is written twice"));
                }
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.is_empty() {
        true => Err(SentenceError::new(Code::BadCommand, 0..text.len(), "a command line without words")
            .label("empty")
            .hint("leave the key out to run what the image runs")),
        false => Ok(words),
    }
}

fn open_quote(text: &str, at: usize) -> SentenceError {
    let quote = &text[at..=at];
    SentenceError::new(Code::BadCommand, at..text.len(), format!("the quote {quote} is not closed"))
        .label("begins here")
        .hint("close it, or give the words as a list: `[sh, -c, \"echo it's me\"]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        for (text, words) in [
            ("nginx -g 'daemon off;'", &["nginx", "-g", "daemon off;"][..]),
            (r#"sh -c "echo \"a b\" \n $HOME""#, &["sh", "-c", r#"echo "a b" \n $HOME"#]),
            (r"a\ b c''d ''", &["a b", "cd", ""]),
        ] {
            assert_eq!(parse_command(text).unwrap(), words, "{text}");
        }
        for text in ["", "  ", "echo 'a", "echo \"a\\", "a \\"] {
            assert!(parse_command(text).is_err(), "{text}");
        }
    }
}
