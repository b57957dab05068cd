//! `learn`: lessons to take, one folder each, and the words that they use.

mod check;
mod glossary;
mod place;
mod reset;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Args, Subcommand};
use lesson::{LESSONS, Language, Lesson, Text};
use serde_json::json;

use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `learn`.
#[derive(Debug, Args)]
pub struct LearnArgs {
    /// Begin this lesson, by name or number, or read it again; without one list them all
    #[arg(value_name = "LESSON")]
    pub name: Option<String>,
    /// Folder for the lesson's lab file; default: one of the lesson's name. What is there is never overwritten
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Language: en, ko, or a locale such as ko_KR.UTF-8
    #[arg(long, global = true, env = "VPCLAB_LANG", default_value = "en", value_name = "CODE", value_parser = language())]
    pub lang: Language,
    /// What else to do
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What to do with a lesson that was begun.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Say whether the lab file does what the lesson asks for (exit 1: not yet)
    Check {
        /// Lesson; default: the one of this folder, else all that were begun in folders here
        #[arg(value_name = "LESSON")]
        name: Option<String>,
    },
    /// Put the lab file back to what it was at the beginning; a copy of what it is stays beside it
    Reset {
        /// Lesson; default: the one of this folder
        #[arg(value_name = "LESSON")]
        name: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// The words of networks, in English and Korean
    Glossary {
        /// Only words with this in them
        #[arg(value_name = "WORD")]
        word: Option<String>,
    },
}

/// A language on the command line.
pub fn language() -> impl TypedValueParser<Value = Language> {
    StringValueParser::new().try_map(|code| {
        Language::parse(&code).ok_or_else(|| format!("lessons are in: {}", Language::ALL.map(Language::code).join(", ")))
    })
}

/// Lists lessons, begins one, or does what the verb says.
pub fn run(arguments: &LearnArgs, global: &Global, output: &Output) -> Result {
    let language = arguments.lang;
    // `learn hub check` is as good as `learn check hub`.
    let meant = |name: &Option<String>| name.clone().or_else(|| arguments.name.clone());
    match &arguments.verb {
        None => match &arguments.name {
            None => list(language, output),
            Some(name) => begin(find(name, language)?, arguments.folder.as_deref(), language, output),
        },
        Some(Verb::Check { name }) => check::run(meant(name).as_deref(), global, language, output),
        Some(Verb::Reset { name, yes }) => reset::run(meant(name).as_deref(), *yes, global, language, output),
        Some(Verb::Glossary { word }) => glossary::run(meant(word).as_deref(), language, output),
    }
}

/// The lesson of a name or number. Errors: there is none.
fn find(name: &str, language: Language) -> Result<&'static Lesson> {
    lesson::find(name).ok_or_else(|| {
        let names: Vec<&str> = LESSONS.iter().map(|lesson| lesson.name).collect();
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let (count, list) = (names.len(), "vpclab learn");
            return match language {
                Language::English => Failure::usage(format!("there are lessons 1 to {count}")).hint(format!("{list} lists them")),
                Language::Korean => Failure::usage(format!("강의는 1번부터 {count}번까지 있습니다")).hint(format!("목록: {list} --lang ko")),
            };
        }
        let near = lab::diagnostic::nearest(name, names.iter().copied());
        // A word of the glossary names the lesson that deals with it.
        let about = || lesson::glossary::about(name).into_iter().map(|entry| entry.lesson).find(|lesson| !lesson.is_empty());
        match language {
            Language::English => Failure::usage(format!("no lesson is called `{name}`")).hint(match (near, about()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(lesson)) => format!("vpclab learn {lesson} deals with it"),
                (None, None) => format!("there are: {}", names.join(", ")),
            }),
            Language::Korean => Failure::usage(format!("`{name}`: 그런 이름의 강의가 없습니다")).hint(match (near, about()) {
                (Some(near), _) => format!("혹시 `{near}` 강의를 찾으시나요?"),
                (None, Some(lesson)) => format!("관련 강의: vpclab learn {lesson}"),
                (None, None) => format!("강의 목록: {}", names.join(", ")),
            }),
        }
    })
}

fn text(lesson: &Lesson, language: Language) -> Result<Text<'static>> {
    lesson
        .text(language)
        .ok_or_else(|| Failure::environment(format!("lesson {} cannot be read in this language", lesson.name)))
}

fn list(language: Language, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown, Format::Name])?;
    let texts = LESSONS.iter().map(|lesson| Ok((lesson, text(lesson, language)?))).collect::<Result<Vec<_>>>()?;
    if output.format == Format::Json {
        let all = texts.iter().zip(1..).map(|((lesson, text), number)| {
            json!({"number": number, "lesson": lesson.name, "title": text.title, "about": text.summary})
        });
        output.json(&all.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |(lesson, text): &(&Lesson, Text<'_>)| [lesson.name, text.title, text.summary].map(str::to_owned).to_vec();
    let mut rows: Vec<_> = texts.iter().map(row).collect();
    if !matches!(output.format, Format::Table | Format::Wide) {
        output.table(&["lesson", "title", "about"], &rows);
        return Ok(ExitCode::SUCCESS);
    }
    rows.iter_mut().zip(1..).for_each(|(row, number)| row.insert(0, format!("{number:2}")));
    output.table(
        match language {
            Language::English => &["no", "lesson", "title", "about"],
            Language::Korean => &["번호", "강의", "제목", "내용"],
        },
        &rows,
    );
    output.hint(match language {
        Language::English => "vpclab learn 1 begins the first one; a name does as well".to_owned(),
        Language::Korean => "첫 강의는 vpclab learn 1로 시작합니다. 번호 대신 이름을 써도 됩니다".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

fn begin(lesson: &Lesson, folder: Option<&Path>, language: Language, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let text = text(lesson, language)?;
    let (path, is_new) = place::begin(lesson, folder, language)?;
    let number = LESSONS.iter().take_while(|other| other.name != lesson.name).count() + 1;
    if output.format == Format::Json {
        output.json(&json!({
            "number": number,
            "lesson": lesson.name,
            "title": text.title,
            "about": text.summary,
            "text": text.body,
            "commands": text.commands().collect::<Vec<_>>(),
            "question": text.question,
            "task": text.task,
            "file": path.display().to_string(),
            "new": is_new,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (question, task) = match language {
        Language::English => ("QUESTION", "TASK"),
        Language::Korean => ("질문", "할 일"),
    };
    let heading = |text: &str| if output.colour() { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
    output.line(heading(&format!("{number}/{}  {}", LESSONS.len(), text.title)));
    output.line(format!("{}\n\n{}\n", text.summary, text.body));
    output.line(format!("{}\n{}\n", heading(question), text.question));
    output.line(format!("{}\n{}\n", heading(task), text.task));
    for line in where_to(&path, is_new, language) {
        output.line(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the file is, and what to type next.
fn where_to(path: &Path, is_new: bool, language: Language) -> Vec<String> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).map(|folder| folder.display().to_string());
    let enter = folder.map_or_else(String::new, |folder| format!("cd {folder}; "));
    match language {
        Language::English => vec![
            if is_new {
                format!("The lab file is {shown}.")
            } else {
                format!("The lab file is {shown}; it was there and stays as it is.")
            },
            format!("Type: {enter}then the commands above, and `vpclab learn check` when you are done."),
        ],
        Language::Korean => vec![
            if is_new {
                format!("랩 파일은 {shown}입니다.")
            } else {
                format!("랩 파일은 {shown}입니다. 이미 있던 파일이라 그대로 두었습니다.")
            },
            match enter.as_str() {
                "" => "위의 명령을 차례로 입력해 보고, 다 고쳤으면 `vpclab learn check`로 확인하세요.".to_owned(),
                enter => format!(
                    "먼저 `{}` 명령으로 폴더에 들어가 위의 명령을 입력해 보고, 다 고쳤으면 `vpclab learn check`로 확인하세요.",
                    enter.trim_end_matches("; ")
                ),
            },
        ],
    }
}
