//! From lines to instructions.

use super::flags::{self, Flag, nearest, skip};
use super::heredoc;
use super::instruction::{Command, Copy, From, Health, Instruction, Origin, Run, Step, Word};
use super::line::{self, Directives, Line, Source};
use crate::build::error::Mistake;
use crate::engine::time::parse_span;

/// All instructions.
pub const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// Those that a change of an image may use (`commit --change`).
pub const CHANGES: [&str; 12] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// As it is written.
    pub source: Source,
    /// What its head says.
    pub directives: Directives,
    /// `ARG` before the first `FROM`.
    pub globals: Vec<Step>,
    /// Its stages; at least one.
    pub stages: Vec<Stage>,
}

/// From a `FROM` to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What it begins with.
    pub from: From,
    /// Where that is written.
    pub line: Line,
    /// All else.
    pub steps: Vec<Step>,
}

impl Dockerfile {
    /// How many instructions it has, as the classic builder counts them.
    pub fn count(&self) -> usize {
        self.globals.len()
            + self
                .stages
                .iter()
                .map(|stage| 1 + stage.steps.len())
                .sum::<usize>()
    }
}

/// Reads a Dockerfile; `name` is what it is called in errors.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Dockerfile, Mistake> {
    let (source, directives, lines) = line::read(name, bytes)?;
    let (mut globals, mut stages): (Vec<Step>, Vec<Stage>) = (Vec::new(), Vec::new());
    for line in lines {
        let instruction = Parser {
            source: &source,
            line: &line,
            escape: directives.escape,
        }
        .instruction()?;
        match (instruction, stages.last_mut()) {
            (Instruction::From(from), _) => {
                if let Some(name) = &from.name {
                    let is_taken = stages.iter().any(|stage| {
                        stage
                            .from
                            .name
                            .as_ref()
                            .is_some_and(|other| other.text == name.text)
                    });
                    if is_taken {
                        let why = format!("there is a stage `{}` already", name.text);
                        return Err(source.mistake(&line, name.at, name.text.len(), why));
                    }
                }
                stages.push(Stage {
                    from,
                    line,
                    steps: Vec::new(),
                });
            }
            (instruction, Some(stage)) => stage.steps.push(Step { instruction, line }),
            (instruction @ Instruction::Arg(_), None) => globals.push(Step { instruction, line }),
            (_, None) => {
                let length = line
                    .text
                    .find(char::is_whitespace)
                    .unwrap_or(line.text.len());
                let mistake = source.mistake(&line, 0, length, "no build stage in current context: FROM comes first (only ARG may be before it)");
                return Err(Mistake {
                    hint: Some("FROM IMAGE".into()),
                    ..mistake
                });
            }
        }
    }
    if stages.is_empty() {
        let line = Line::alone(source.lines.first().map_or("", String::as_str), 1);
        let why = if globals.is_empty() {
            "the Dockerfile is empty: there is no instruction in it"
        } else {
            "the Dockerfile has no FROM"
        };
        return Err(Mistake {
            hint: Some("FROM IMAGE".into()),
            ..source.mistake(&line, 0, line.text.len(), why)
        });
    }
    Ok(Dockerfile {
        source,
        directives,
        globals,
        stages,
    })
}

/// Reads one instruction that changes an image's configuration and nothing else.
pub fn change(text: &str) -> Result<Step, Mistake> {
    let source = Source {
        name: "--change".into(),
        lines: vec![text.trim().to_owned()],
    };
    let line = Line::alone(text.trim(), 1);
    one(&source, line, &CHANGES, "cannot be a change")
}

/// Reads an instruction that stands in another one or in an image: `ONBUILD`.
pub fn trigger(source: &Source, line: Line) -> Result<Step, Mistake> {
    let known: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| !matches!(*name, "FROM" | "ONBUILD" | "MAINTAINER"))
        .collect();
    one(source, line, &known, "cannot be in ONBUILD")
}

fn one(source: &Source, line: Line, known: &[&str], why: &str) -> Result<Step, Mistake> {
    let word = line.text.split_whitespace().next().unwrap_or_default();
    if !known.iter().any(|name| name.eq_ignore_ascii_case(word)) {
        let mistake = source.mistake(
            &line,
            0,
            word.len(),
            format!("{} {why}", if word.is_empty() { "nothing" } else { word }),
        );
        let hint = match nearest(word, known).filter(|near| !near.eq_ignore_ascii_case(word)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write one of {}", known.join(", ")),
        };
        return Err(Mistake {
            hint: Some(hint),
            ..mistake
        });
    }
    let instruction = Parser {
        source,
        line: &line,
        escape: '\\',
    }
    .instruction()?;
    Ok(Step { instruction, line })
}

struct Parser<'a> {
    source: &'a Source,
    line: &'a Line,
    escape: char,
}

impl Parser<'_> {
    fn wrong<T>(
        &self,
        at: usize,
        length: usize,
        why: impl Into<String>,
        hint: &str,
    ) -> Result<T, Mistake> {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        Err(Mistake {
            hint,
            ..self.source.mistake(self.line, at, length, why)
        })
    }

    fn instruction(&self) -> Result<Instruction, Mistake> {
        let text = &self.line.text;
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let name = text[..end].to_ascii_uppercase();
        let from = skip(text, end);
        let flags: &[&str] = match name.as_str() {
            "FROM" => &["platform"],
            "RUN" => &["mount", "network", "security"],
            "COPY" => &["from", "chown", "chmod", "link", "parents", "exclude"],
            "ADD" => &[
                "chown",
                "chmod",
                "link",
                "exclude",
                "checksum",
                "unpack",
                "keep-git-dir",
            ],
            "HEALTHCHECK" => &[
                "interval",
                "timeout",
                "start-period",
                "start-interval",
                "retries",
            ],
            name if NAMES.contains(&name) => &[],
            _ => {
                let hint = nearest(&name, &NAMES).map(|near| format!("did you mean {near}?"));
                return self.wrong(
                    0,
                    end,
                    format!("unknown instruction: {}", &text[..end]),
                    &hint.unwrap_or_default(),
                );
            }
        };
        if from >= text.len() {
            return self.wrong(
                0,
                end,
                format!("{name} requires at least one argument"),
                example(&name),
            );
        }
        let (flags, rest) = match flags {
            [] => (Vec::new(), from),
            known => flags::take(self.source, self.line, from, self.escape, known)?,
        };
        if rest >= text.len() && !(name == "HEALTHCHECK" && flags.is_empty()) {
            return self.wrong(
                0,
                end,
                format!("{name} requires at least one argument"),
                example(&name),
            );
        }
        let whole = || Word {
            text: text[rest..].to_owned(),
            at: rest,
        };
        Ok(match name.as_str() {
            "FROM" => Instruction::From(self.from(&flags, rest)?),
            "ARG" => Instruction::Arg(self.arg(rest)?),
            "ENV" => Instruction::Env(self.pairs(rest, "ENV")?),
            "LABEL" => Instruction::Label(self.pairs(rest, "LABEL")?),
            "RUN" => Instruction::Run(Box::new(self.run(&flags, rest)?)),
            "CMD" => Instruction::Cmd(self.command(rest)),
            "ENTRYPOINT" => Instruction::Entrypoint(self.command(rest)),
            "COPY" => Instruction::Copy(Box::new(self.copy(&flags, rest, "COPY")?)),
            "ADD" => Instruction::Add(Box::new(self.copy(&flags, rest, "ADD")?)),
            "WORKDIR" => Instruction::Workdir(whole()),
            "USER" => Instruction::User(self.only(rest, "USER")?),
            "VOLUME" => Instruction::Volume(self.list(rest)),
            "EXPOSE" => Instruction::Expose(self.words(rest)),
            "STOPSIGNAL" => Instruction::StopSignal(self.only(rest, "STOPSIGNAL")?),
            "HEALTHCHECK" => Instruction::Healthcheck(self.health(&flags, rest)?),
            "SHELL" => match json(&text[rest..]) {
                Some(words) if !words.is_empty() => Instruction::Shell(words),
                _ => {
                    return self.wrong(
                        rest,
                        text.len() - rest,
                        "SHELL requires the arguments to be in JSON form",
                        "SHELL [\"/bin/sh\", \"-c\"]",
                    );
                }
            },
            "ONBUILD" => {
                let inner = Line::alone(&text[rest..], self.line.number);
                // Its mistakes are told at once, where they are written, and not to whom builds on top.
                trigger(self.source, inner).map_err(|mistake| Mistake {
                    place: self.source.place(self.line, rest, text.len() - rest),
                    ..mistake
                })?;
                Instruction::OnBuild(whole())
            }
            _ => Instruction::Maintainer(whole()),
        })
    }

    fn words(&self, from: usize) -> Vec<Word> {
        let words = heredoc::words(&self.line.text[from..], self.escape);
        words
            .into_iter()
            .map(|(at, text)| Word {
                text: text.to_owned(),
                at: from + at,
            })
            .collect()
    }

    /// One word and no more.
    fn only(&self, from: usize, name: &str) -> Result<Word, Mistake> {
        let words = self.words(from);
        match &words[..] {
            [one] => Ok(one.clone()),
            [_, more, ..] => self.wrong(
                more.at,
                more.text.len(),
                format!("{name} requires exactly one argument"),
                example(name),
            ),
            [] => self.wrong(
                from,
                1,
                format!("{name} requires exactly one argument"),
                example(name),
            ),
        }
    }

    /// Words, or a list as JSON.
    fn list(&self, from: usize) -> Vec<Word> {
        match json(&self.line.text[from..]) {
            Some(words) => words
                .into_iter()
                .map(|text| Word { text, at: from })
                .collect(),
            None => self.words(from),
        }
    }

    fn command(&self, from: usize) -> Command {
        let text = &self.line.text[from..];
        match json(text) {
            Some(words) => Command::Exec(words),
            None => Command::Shell(text.to_owned()),
        }
    }

    fn from(&self, flags: &[Flag], from: usize) -> Result<From, Mistake> {
        let platform = flags
            .last()
            .map(|flag| flag.text(self.source, self.line))
            .transpose()?;
        let words = self.words(from);
        let name = match &words[..] {
            [_] => None,
            [_, word, name] if word.text.eq_ignore_ascii_case("as") => Some(name.clone()),
            [_, word, rest @ ..] => {
                let what = rest.last().unwrap_or(word);
                let length = what.at + what.text.len() - word.at;
                return self.wrong(
                    word.at,
                    length,
                    "FROM requires either one or three arguments",
                    "FROM IMAGE [AS NAME]",
                );
            }
            [] => return self.wrong(0, 4, "FROM requires an image", "FROM IMAGE [AS NAME]"),
        };
        if let Some(name) = &name {
            let is_legal = name.text.starts_with(|c: char| c.is_ascii_alphabetic())
                && name
                    .text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if !is_legal {
                let hint = "a letter first, then letters, digits, `-`, `_` and `.`";
                return self.wrong(
                    name.at,
                    name.text.len(),
                    format!("`{}` cannot be the name of a stage", name.text),
                    hint,
                );
            }
        }
        let name = name.map(|name| Word {
            text: name.text.to_ascii_lowercase(),
            ..name
        });
        Ok(From {
            platform,
            image: words[0].clone(),
            name,
        })
    }

    fn arg(&self, from: usize) -> Result<Vec<(Word, Option<Word>)>, Mistake> {
        let one = |word: Word| {
            let (name, value) = match word.text.split_once('=') {
                Some((name, value)) => (
                    name.to_owned(),
                    Some(Word {
                        text: value.to_owned(),
                        at: word.at + name.len() + 1,
                    }),
                ),
                None => (word.text.clone(), None),
            };
            if !is_variable(&name) {
                return self.wrong(
                    word.at,
                    word.text.len(),
                    format!("`{name}` cannot be the name of a variable"),
                    "ARG NAME[=DEFAULT]",
                );
            }
            Ok((
                Word {
                    text: name,
                    at: word.at,
                },
                value,
            ))
        };
        self.words(from).into_iter().map(one).collect()
    }

    /// `NAME=VALUE …`, or the old form with one name and all the rest as its value.
    fn pairs(&self, from: usize, name: &str) -> Result<Vec<(Word, Word)>, Mistake> {
        let words = self.words(from);
        let Some(first) = words.first() else {
            return self.wrong(
                from,
                1,
                format!("{name} requires at least one argument"),
                example(name),
            );
        };
        let empty = |word: &Word| {
            self.wrong(
                word.at,
                word.text.len().max(1),
                format!("{name} names can not be blank"),
                example(name),
            )
        };
        if !first.text.contains('=') {
            let Some(second) = words.get(1) else {
                return self.wrong(
                    first.at,
                    first.text.len(),
                    format!("{name} must have two arguments"),
                    example(name),
                );
            };
            let value = Word {
                text: self.line.text[second.at..].to_owned(),
                at: second.at,
            };
            return Ok(vec![(first.clone(), value)]);
        }
        let one = |word: &Word| match word.text.split_once('=') {
            Some(("", _)) => empty(word),
            Some((key, value)) => {
                let value = Word {
                    text: value.to_owned(),
                    at: word.at + key.len() + 1,
                };
                Ok((
                    Word {
                        text: key.to_owned(),
                        at: word.at,
                    },
                    value,
                ))
            }
            None => {
                let why = format!(
                    "can't find = in `{}`: {name} is NAME=VALUE for each",
                    word.text
                );
                self.wrong(
                    word.at,
                    word.text.len(),
                    why,
                    "a value with spaces is written in quotes",
                )
            }
        };
        words.iter().map(one).collect()
    }

    fn run(&self, flags: &[Flag], from: usize) -> Result<Run, Mistake> {
        let mut run = Run {
            command: self.command(from),
            at: from,
            mounts: Vec::new(),
            network: None,
        };
        for flag in flags {
            match flag.name.as_str() {
                "mount" => run.mounts.push(flag.text(self.source, self.line)?),
                "network" => run.network = Some(flag.text(self.source, self.line)?),
                _ => match flag.text(self.source, self.line)?.text.as_str() {
                    "sandbox" => {}
                    other => {
                        let why = format!(
                            "--security={other} is not there: commands of a build are containers like others"
                        );
                        return self.wrong(
                            flag.at,
                            flag.length,
                            why,
                            "leave it out, or --security=sandbox",
                        );
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
                    .fold(line.clone(), |all, document| {
                        format!("{all}\n{}{}", document.content, document.head.name)
                    }),
            });
        }
        Ok(run)
    }

    fn copy(&self, flags: &[Flag], from: usize, name: &str) -> Result<Copy, Mistake> {
        let words = self.list(from);
        let Some((target, sources)) = words
            .split_last()
            .filter(|(_, sources)| !sources.is_empty())
        else {
            let length = self.line.text.len() - from;
            return self.wrong(
                from,
                length,
                format!("{name} requires at least two arguments"),
                example(name),
            );
        };
        let origin = |word: &Word| match self
            .line
            .heredocs
            .iter()
            .find(|document| document.head.at == word.at)
        {
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

    fn health(&self, flags: &[Flag], from: usize) -> Result<Health, Mistake> {
        let text = &self.line.text;
        let end = text[from..]
            .find(char::is_whitespace)
            .map_or(text.len(), |length| from + length);
        let rest = skip(text, end);
        let kind = text[from..end].to_ascii_uppercase();
        match kind.as_str() {
            "NONE" if rest < text.len() || !flags.is_empty() => self.wrong(
                from,
                text.len() - from,
                "HEALTHCHECK NONE takes no arguments",
                "HEALTHCHECK NONE",
            ),
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
                                return self.wrong(
                                    flag.at,
                                    flag.length,
                                    "--retries is a number, at least 1",
                                    "--retries=3",
                                );
                            }
                        },
                    }
                }
                let [interval, timeout, start_period, start_interval] = spans;
                let command = self.command(rest);
                Ok(Health::Check {
                    command,
                    interval,
                    timeout,
                    start_period,
                    start_interval,
                    retries,
                })
            }
            "CMD" => self.wrong(
                from,
                3,
                "missing command after HEALTHCHECK CMD",
                example("HEALTHCHECK"),
            ),
            _ => self.wrong(
                from,
                end - from,
                format!("unknown type in HEALTHCHECK: {}", &text[from..end]),
                example("HEALTHCHECK"),
            ),
        }
    }

    fn span(&self, flag: &Flag, word: &Word) -> Result<i64, Mistake> {
        let span = parse_span(&word.text).map(|span| span.as_nanos());
        let is_free = flag.name == "start-period";
        match span.and_then(|span| i64::try_from(span).ok()) {
            Some(0) if is_free => Ok(0),
            Some(span) if span >= 1_000_000 => Ok(span),
            Some(_) => self.wrong(
                flag.at,
                flag.length,
                format!("--{} cannot be less than 1ms", flag.name),
                "such as 5s",
            ),
            None => self.wrong(
                flag.at,
                flag.length,
                format!("`{}` is no span of time", word.text),
                "such as 5s, 1m30s or 500ms",
            ),
        }
    }
}

/// A list of texts as JSON; anything else is none.
fn json(text: &str) -> Option<Vec<String>> {
    text.starts_with('[')
        .then(|| serde_json::from_str(text.trim()).ok())
        .flatten()
}

/// Whether a variable may be called so.
pub fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn example(name: &str) -> &'static str {
    match name {
        "FROM" => "FROM IMAGE [AS NAME]",
        "ARG" => "ARG NAME[=DEFAULT]",
        "ENV" => "ENV NAME=VALUE",
        "LABEL" => "LABEL NAME=VALUE",
        "RUN" => "RUN COMMAND",
        "CMD" => "CMD [\"program\", \"argument\"]",
        "ENTRYPOINT" => "ENTRYPOINT [\"program\", \"argument\"]",
        "COPY" => "COPY SOURCE TARGET",
        "ADD" => "ADD SOURCE TARGET",
        "WORKDIR" => "WORKDIR /path",
        "USER" => "USER name[:group]",
        "VOLUME" => "VOLUME /path",
        "EXPOSE" => "EXPOSE 80/tcp",
        "STOPSIGNAL" => "STOPSIGNAL SIGTERM",
        "HEALTHCHECK" => "HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE",
        "SHELL" => "SHELL [\"/bin/sh\", \"-c\"]",
        "ONBUILD" => "ONBUILD RUN COMMAND",
        _ => "",
    }
}
