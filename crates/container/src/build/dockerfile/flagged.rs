//! Instructions that are told more by flags: `RUN`, `COPY`, `ADD` and `HEALTHCHECK`.

use super::arguments::Parser;
use super::flags::{Flag, skip};
use super::form::Form;
use super::instruction::{Command, Copy, Health, Origin, Run, Word};
use crate::build::error::Mistake;
use crate::engine::time::parse_span;

impl Parser<'_> {
    /// `RUN`.
    pub(super) fn run(&self, flags: &[Flag], from: usize) -> Result<Run, Mistake> {
        let mut run = Run { command: self.command(from), at: from, mounts: Vec::new(), network: None };
        for flag in flags {
            match flag.name.as_str() {
                "mount" => run.mounts.push(flag.text(self.source, self.line)?),
                "network" => run.network = Some(flag.text(self.source, self.line)?),
                _ => match flag.text(self.source, self.line)?.text.as_str() {
                    "sandbox" => {}
                    other => {
                        let why = format!("--security={other} is not there: commands of a build are containers like others");
                        return self.wrong(flag.at, flag.length, why, "leave it out, or --security=sandbox");
                    }
                },
            }
        }
        if let (Command::Shell(line), [first, ..]) = (&run.command, &self.line.heredocs[..]) {
            // Alone on its line it is the script itself; otherwise the shell reads it.
            let is_all = self.line.heredocs.len() == 1 && line.trim().len() == first.head.length;
            run.command = Command::Shell(match is_all {
                true => first.content.clone(),
                false => self
                    .line
                    .heredocs
                    .iter()
                    .fold(line.clone(), |all, document| format!("{all}\n{}{}", document.content, document.head.name)),
            });
        }
        Ok(run)
    }

    /// `COPY` and `ADD`.
    pub(super) fn copy(&self, flags: &[Flag], from: usize, form: &Form) -> Result<Copy, Mistake> {
        let words = self.list(from);
        let Some((target, sources)) = words.split_last().filter(|(_, sources)| !sources.is_empty()) else {
            let length = self.line.text.len() - from;
            return self.wrong(from, length, format!("{} requires at least two arguments", form.name), form.example);
        };
        let origin = |word: &Word| match self.line.heredocs.iter().find(|document| document.head.at == word.at) {
            Some(document) => Origin::Document(document.clone()),
            None => Origin::Path(word.clone()),
        };
        let mut copy = Copy {
            sources: sources.iter().map(origin).collect(),
            target: target.clone(),
            from: None,
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            exclude: Vec::new(),
            checksum: None,
            unpack: None,
        };
        for flag in flags {
            let text = || flag.text(self.source, self.line);
            let boolean = || flag.boolean(self.source, self.line);
            match flag.name.as_str() {
                "from" => copy.from = Some(text()?),
                "chown" => copy.chown = Some(text()?),
                "chmod" => copy.chmod = Some(text()?),
                "exclude" => copy.exclude.push(text()?),
                "checksum" => copy.checksum = Some(text()?),
                "link" => copy.link = boolean()?,
                "parents" => copy.parents = boolean()?,
                "unpack" => copy.unpack = Some(boolean()?),
                _ => {
                    return self.wrong(
                        flag.at,
                        flag.length,
                        "--keep-git-dir is of no use: git repositories are not fetched",
                        "leave it out",
                    );
                }
            }
        }
        Ok(copy)
    }

    /// `HEALTHCHECK`.
    pub(super) fn health(&self, flags: &[Flag], from: usize, form: &Form) -> Result<Health, Mistake> {
        let text = &self.line.text;
        let end = text[from..].find(char::is_whitespace).map_or(text.len(), |length| from + length);
        let rest = skip(text, end);
        let kind = text[from..end].to_ascii_uppercase();
        match kind.as_str() {
            "NONE" if rest < text.len() || !flags.is_empty() => {
                self.wrong(from, text.len() - from, "HEALTHCHECK NONE takes no arguments", "HEALTHCHECK NONE")
            }
            "NONE" => Ok(Health::None),
            "CMD" if rest < text.len() => {
                let (mut spans, mut retries) = ([None; 4], None);
                for flag in flags {
                    let word = flag.text(self.source, self.line)?;
                    let names = ["interval", "timeout", "start-period", "start-interval"];
                    match names.iter().position(|name| *name == flag.name) {
                        Some(at) => spans[at] = Some(self.span(flag, &word)?),
                        None => match word.text.parse::<u32>() {
                            Ok(count) if count >= 1 => retries = Some(count),
                            _ => {
                                return self.wrong(flag.at, flag.length, "--retries is a number, at least 1", "--retries=3");
                            }
                        },
                    }
                }
                let [interval, timeout, start_period, start_interval] = spans;
                let command = self.command(rest);
                Ok(Health::Check { command, interval, timeout, start_period, start_interval, retries })
            }
            "CMD" => self.wrong(from, 3, "missing command after HEALTHCHECK CMD", form.example),
            _ => self.wrong(from, end - from, format!("unknown type in HEALTHCHECK: {}", &text[from..end]), form.example),
        }
    }

    fn span(&self, flag: &Flag, word: &Word) -> Result<i64, Mistake> {
        let span = parse_span(&word.text).map(|span| span.as_nanos());
        let is_free = flag.name == "start-period";
        match span.and_then(|span| i64::try_from(span).ok()) {
            Some(0) if is_free => Ok(0),
            Some(span) if span >= 1_000_000 => Ok(span),
            Some(_) => self.wrong(flag.at, flag.length, format!("--{} cannot be less than 1ms", flag.name), "such as 5s"),
            None => self.wrong(flag.at, flag.length, format!("`{}` is no span of time", word.text), "such as 5s, 1m30s or 500ms"),
        }
    }
}
