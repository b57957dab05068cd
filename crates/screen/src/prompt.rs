//! A line that is typed at the bottom of the screen.

use crate::keys::Key;

/// Longest line, characters.
const LONGEST: usize = 1_000;

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A time to go to.
    Time,
    /// Words to find.
    Find,
    /// Words that say what is listed.
    Filter,
    /// Reasons to stop at.
    Breakpoints,
    /// Something to do in the lab.
    Action,
}

impl Purpose {
    /// What stands before the line.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Time => "time: ",
            Self::Find => "/",
            Self::Filter => "filter: ",
            Self::Breakpoints => "break at reasons: ",
            Self::Action => ":",
        }
    }
}

/// A line with a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub purpose: Purpose,
    text: Vec<char>,
    at: usize,
    /// How far back in what was typed before; 0: the line itself.
    back: usize,
}

impl Prompt {
    /// A line that begins with a text.
    pub fn new(purpose: Purpose, text: &str) -> Self {
        let text: Vec<char> = text.chars().take(LONGEST).collect();
        Self { purpose, at: text.len(), text, back: 0 }
    }

    /// What was typed.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What stands before the cursor.
    pub fn before(&self) -> String {
        self.text[..self.at].iter().collect()
    }

    /// Types. `history` is what was typed before at such a line, the latest last.
    pub fn press(&mut self, key: Key, history: &[String]) {
        match key {
            Key::Char(c) if !c.is_control() && self.text.len() < LONGEST => {
                self.text.insert(self.at, c);
                self.at += 1;
            }
            Key::Backspace if self.at > 0 => {
                self.at -= 1;
                self.text.remove(self.at);
            }
            Key::Delete if self.at < self.text.len() => {
                self.text.remove(self.at);
            }
            Key::DeleteLine => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            Key::DeleteWord => {
                let before = &self.text[..self.at];
                let blanks = before.iter().rev().take_while(|c| c.is_whitespace()).count();
                let word = before[..self.at - blanks].iter().rev().take_while(|c| !c.is_whitespace()).count();
                self.text.drain(self.at - blanks - word..self.at);
                self.at -= blanks + word;
            }
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = (self.at + 1).min(self.text.len()),
            Key::Home => self.at = 0,
            Key::End => self.at = self.text.len(),
            Key::Up if self.back < history.len() => self.recall(self.back + 1, history),
            Key::Down if self.back > 0 => self.recall(self.back - 1, history),
            _ => {}
        }
    }

    /// Takes in a text as if it were typed, of several lines the first; whether there were more.
    pub fn paste(&mut self, text: &str) -> bool {
        let mut lines = text.trim_matches(['\r', '\n']).split(['\r', '\n']).filter(|line| !line.is_empty());
        for c in lines.next().unwrap_or_default().chars() {
            self.press(Key::Char(if c == '\t' { ' ' } else { c }), &[]);
        }
        lines.next().is_some()
    }

    fn recall(&mut self, back: usize, history: &[String]) {
        let line = history.len().checked_sub(back).and_then(|at| history.get(at)).map_or("", String::as_str);
        self.text = line.chars().collect();
        (self.at, self.back) = (self.text.len(), back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str, keys: &[Key]) -> (String, String) {
        let mut prompt = Prompt::new(Purpose::Action, text);
        keys.iter().for_each(|key| prompt.press(*key, &[]));
        (prompt.before(), prompt.text())
    }

    #[test]
    fn a_word_or_all_before_the_cursor_goes_at_once() {
        for (text, keys, before, left) in [
            ("ping a b", &[Key::DeleteWord][..], "ping a ", "ping a "),
            ("ping a  ", &[Key::DeleteWord], "ping ", "ping "),
            ("ping a b", &[Key::DeleteWord, Key::DeleteWord, Key::DeleteWord, Key::DeleteWord], "", ""),
            ("ping a b", &[Key::Left, Key::Left, Key::DeleteWord], "ping ", "ping  b"),
            ("ping a b", &[Key::Left, Key::DeleteLine], "", "b"),
            ("", &[Key::DeleteLine, Key::DeleteWord], "", ""),
        ] {
            assert_eq!(typed(text, keys), (before.to_owned(), left.to_owned()), "{text} {keys:?}");
        }
    }

    #[test]
    fn of_what_is_pasted_the_first_line_is_typed() {
        for (text, line, more) in [("ping a b", "ping a b", false), ("ping a b\nq\nq\n", "ping a b", true), ("\r\nping\ta\r\n", "ping a", false), ("", "", false)] {
            let mut prompt = Prompt::new(Purpose::Action, "");
            assert_eq!((prompt.paste(text), prompt.text().as_str()), (more, line), "{text:?}");
        }
    }
}
