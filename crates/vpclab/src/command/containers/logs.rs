//! `containers logs`, and `logs -c`: what a container printed.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use container::engine::Moment;
use container::engine::logs::{Filter, Line, Reader, Stream};
use serde_json::json;

use super::{Place, failed};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// `containers logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Go on printing until it ends; -f means it too, where no file comes behind it
    #[arg(long)]
    pub follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<String>,
    /// Not before: a time (2026-11-26T10:00:00Z), seconds since 1970, or a span before now (10m)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Not after, written in the same way
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The time in front of each line
    #[arg(short, long)]
    pub timestamps: bool,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Container: name, id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

/// Prints the log: what went to standard error there goes there here.
pub fn run(arguments: &LogsArgs, place: &Place, output: &Output) -> Result {
    let now = Moment::now();
    let moment = |option: &str, text: &Option<String>| {
        let read = |text: &String| {
            let wrong = || Failure::usage(format!("{option} `{text}` is no time")).hint("such as 10m, 2026-11-26T10:00:00Z or 1795658400");
            Moment::parse_or_ago(text, now).ok_or_else(wrong)
        };
        text.as_ref().map(read).transpose()
    };
    let tail = match arguments.tail.as_deref() {
        None | Some("all") => None,
        Some(text) => Some(text.parse::<usize>().map_err(|_| Failure::usage(format!("--tail `{text}` is no number of lines")).hint("--tail 20, or all"))?),
    };
    let filter = Filter { since: moment("--since", &arguments.since)?, until: moment("--until", &arguments.until)?, tail };
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    let mut reader = Reader::new(&place.engine.folder.log(&record.id), filter);
    let mut printer = Printer { timestamps: arguments.timestamps, is_json: output.format == Format::Json, in_line: false };
    let mut is_open = printer.print(&reader.begin().map_err(|error| failed(&error))?);
    while arguments.follow && is_open && !reader.is_over(Moment::now()) {
        // Asked before the log is read: what it printed last is not missed.
        let current = place.engine.folder.read(&record.id).map_err(|error| failed(&error))?;
        let lives = current.is_some_and(|record| {
            let is_known = place.engine.client.container_status(record.id.as_str()).is_ok_and(|status| status.ended.is_none());
            is_known || record.state.status == container::engine::Status::Restarting
        });
        let lines = reader.more().map_err(|error| failed(&error))?;
        is_open = printer.print(&lines);
        if !lives {
            break;
        }
        if lines.is_empty() {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Printer {
    timestamps: bool,
    is_json: bool,
    /// The last one was the beginning of a long line.
    in_line: bool,
}

impl Printer {
    /// Whether the reader is still there.
    fn print(&mut self, lines: &[Line]) -> bool {
        let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
        for line in lines {
            let text = if self.is_json {
                let stream = if line.stream == Stream::Stdout { "stdout" } else { "stderr" };
                format!("{}\n", json!({"time": line.time, "stream": stream, "log": line.log}))
            } else if self.timestamps && !self.in_line {
                format!("{} {}", line.time, line.log)
            } else {
                line.log.clone()
            };
            self.in_line = !line.log.ends_with('\n');
            let to: &mut dyn Write = if line.stream == Stream::Stderr && !self.is_json { &mut err } else { &mut out };
            if to.write_all(text.as_bytes()).is_err() {
                return false;
            }
        }
        out.flush().is_ok()
    }
}

/// `logs -c CONTAINER INSTANCE`.
pub fn of_container(arguments: &crate::command::logs::LogsArgs, container: &str, global: &crate::cli::Global, output: &Output) -> Result {
    let place = Place::open(global)?;
    let logs = LogsArgs {
        follow: arguments.follow,
        tail: arguments.tail.map(|lines| lines.to_string()),
        since: None,
        until: None,
        timestamps: false,
        instance: Some(arguments.name.clone()),
        container: container.to_owned(),
    };
    run(&logs, &place, output)
}
