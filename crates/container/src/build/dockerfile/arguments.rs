//! What stands behind an instruction's name: words, lists, pairs and commands.

use super::flags::{self, Flag, skip};
use super::form::{Form, form};
use super::heredoc;
use super::instruction::{Command, From, Instruction, Word};
use super::line::{Line, Source};
use super::parse::trigger;
use crate::build::error::Mistake;

/// Reads one instruction.
pub(super) struct Parser<'a> {
    pub source: &'a Source,
    pub line: &'a Line,
    pub escape: char,
}

impl Parser<'_> {
    /// A mistake of `length` bytes at `at`; an empty hint is none.
    pub fn wrong<T>(&self, at: usize, length: usize, why: impl Into<String>, hint: &str) -> Result<T, Mistake> {
        let mistake = self.source.mistake(self.line, at, length, why);
        Err(if hint.is_empty() { mistake } else { mistake.with_hint(hint) })
    }

    fn wrong_word<T>(&self, word: &Word, why: impl Into<String>, hint: &str) -> Result<T, Mistake> {
        self.wrong(word.at, word.text.len().max(1), why, hint)
    }

    /// All of it.
    pub fn instruction(&self) -> Result<Instruction, Mistake> {
        let text = &self.line.text;
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let form = match form(&text[..end]) {
            Ok(form) => form,
            Err(near) => {
                let hint = near.map(|near| format!("did you mean {near}?")).unwrap_or_default();
                return self.wrong(0, end, format!("unknown instruction: {}", &text[..end]), &hint);
            }
        };
        let name = form.name;
        let nothing = || self.wrong(0, end, format!("{name} requires at least one argument"), form.example);
        let from = skip(text, end);
        if from >= text.len() {
            return nothing();
        }
        let (flags, rest) = match form.flags {
            [] => (Vec::new(), from),
            known => flags::take(self.source, self.line, from, self.escape, known)?,
        };
        if rest >= text.len() && !(name == "HEALTHCHECK" && flags.is_empty()) {
            return nothing();
        }
        let whole = || Word { text: text[rest..].to_owned(), at: rest };
        Ok(match name {
            "FROM" => Instruction::From(self.from(&flags, rest, form)?),
            "ARG" => Instruction::Arg(self.arg(rest, form)?),
            "ENV" => Instruction::Env(self.pairs(rest, form)?),
            "LABEL" => Instruction::Label(self.pairs(rest, form)?),
            "RUN" => Instruction::Run(Box::new(self.run(&flags, rest)?)),
            "CMD" => Instruction::Cmd(self.command(rest)),
            "ENTRYPOINT" => Instruction::Entrypoint(self.command(rest)),
            "COPY" => Instruction::Copy(Box::new(self.copy(&flags, rest, form)?)),
            "ADD" => Instruction::Add(Box::new(self.copy(&flags, rest, form)?)),
            "WORKDIR" => Instruction::Workdir(whole()),
            "USER" => Instruction::User(self.only(rest, form)?),
            "VOLUME" => Instruction::Volume(self.list(rest)),
            "EXPOSE" => Instruction::Expose(self.words(rest)),
            "STOPSIGNAL" => Instruction::StopSignal(self.only(rest, form)?),
            "HEALTHCHECK" => Instruction::Healthcheck(self.health(&flags, rest, form)?),
            "SHELL" => match json(&text[rest..]) {
                Some(words) if !words.is_empty() => Instruction::Shell(words),
                _ => {
                    let why = "SHELL requires the arguments to be in JSON form";
                    return self.wrong(rest, text.len() - rest, why, form.example);
                }
            },
            "ONBUILD" => {
                let inner = Line::alone(&text[rest..], self.line.number);
                // Its mistakes are told at once, where they are written, and not to whom builds on top.
                trigger(self.source, inner)
                    .map_err(|mistake| Mistake { place: self.source.place(self.line, rest, text.len() - rest), ..mistake })?;
                Instruction::OnBuild(whole())
            }
            _ => Instruction::Maintainer(whole()),
        })
    }

    fn words(&self, from: usize) -> Vec<Word> {
        let words = heredoc::words(&self.line.text[from..], self.escape);
        words.into_iter().map(|(at, text)| Word { text: text.to_owned(), at: from + at }).collect()
    }

    /// One word and no more.
    fn only(&self, from: usize, form: &Form) -> Result<Word, Mistake> {
        let why = format!("{} requires exactly one argument", form.name);
        match &self.words(from)[..] {
            [one] => Ok(one.clone()),
            [_, more, ..] => self.wrong_word(more, why, form.example),
            [] => self.wrong(from, 1, why, form.example),
        }
    }

    /// Words, or a list as JSON.
    pub fn list(&self, from: usize) -> Vec<Word> {
        match json(&self.line.text[from..]) {
            Some(words) => words.into_iter().map(|text| Word { text, at: from }).collect(),
            None => self.words(from),
        }
    }

    /// A line for a shell, or a list as JSON.
    pub fn command(&self, from: usize) -> Command {
        let text = &self.line.text[from..];
        match json(text) {
            Some(words) => Command::Exec(words),
            None => Command::Shell(text.to_owned()),
        }
    }

    fn from(&self, flags: &[Flag], from: usize, form: &Form) -> Result<From, Mistake> {
        let platform = flags.last().map(|flag| flag.text(self.source, self.line)).transpose()?;
        let words = self.words(from);
        let name = match &words[..] {
            [_] => None,
            [_, word, name] if word.text.eq_ignore_ascii_case("as") => Some(name),
            [_, word, rest @ ..] => {
                let what = rest.last().unwrap_or(word);
                let length = what.at + what.text.len() - word.at;
                return self.wrong(word.at, length, "FROM requires either one or three arguments", form.example);
            }
            [] => return self.wrong(0, 4, "FROM requires an image", form.example),
        };
        if let Some(name) = name {
            let is_legal = name.text.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !is_legal {
                let hint = "a letter first, then letters, digits, `-`, `_` and `.`";
                return self.wrong_word(name, format!("`{}` cannot be the name of a stage", name.text), hint);
            }
        }
        let name = name.map(|name| Word { text: name.text.to_ascii_lowercase(), at: name.at });
        Ok(From { platform, image: words[0].clone(), name })
    }

    fn arg(&self, from: usize, form: &Form) -> Result<Vec<(Word, Option<Word>)>, Mistake> {
        let one = |word: Word| {
            let (name, value) = match pair(&word) {
                Some((name, value)) => (name, Some(value)),
                None => (word.clone(), None),
            };
            match is_variable(&name.text) {
                true => Ok((name, value)),
                false => self.wrong_word(&word, format!("`{}` cannot be the name of a variable", name.text), form.example),
            }
        };
        self.words(from).into_iter().map(one).collect()
    }

    /// `NAME=VALUE …`, or the old form with one name and all the rest as its value.
    fn pairs(&self, from: usize, form: &Form) -> Result<Vec<(Word, Word)>, Mistake> {
        let (name, words) = (form.name, self.words(from));
        let Some(first) = words.first() else {
            return self.wrong(from, 1, format!("{name} requires at least one argument"), form.example);
        };
        if !first.text.contains('=') {
            let Some(second) = words.get(1) else {
                return self.wrong_word(first, format!("{name} must have two arguments"), form.example);
            };
            let value = Word { text: self.line.text[second.at..].to_owned(), at: second.at };
            return Ok(vec![(first.clone(), value)]);
        }
        let one = |word: &Word| match pair(word) {
            Some((key, _)) if key.text.is_empty() => {
                self.wrong_word(word, format!("{name} names can not be blank"), form.example)
            }
            Some(pair) => Ok(pair),
            None => {
                let why = format!("can't find = in `{}`: {name} is NAME=VALUE for each", word.text);
                self.wrong_word(word, why, "a value with spaces is written in quotes")
            }
        };
        words.iter().map(one).collect()
    }
}

/// `NAME=VALUE` as two words.
fn pair(word: &Word) -> Option<(Word, Word)> {
    let (name, value) = word.text.split_once('=')?;
    let value = Word { text: value.to_owned(), at: word.at + name.len() + 1 };
    Some((Word { text: name.to_owned(), at: word.at }, value))
}

/// A list of texts as JSON; anything else is none.
fn json(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text.trim()).ok()).flatten()
}

/// Whether a variable may be called so.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
