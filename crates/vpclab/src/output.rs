//! How answers reach people and programs: data on stdout, everything else on stderr, colour only as a bonus.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::Global;
use crate::exit::{Failure, Result};

/// What `-o` may say; a command refuses what makes no sense for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// JSON with stable keys.
    Json,
    /// The same as YAML.
    Yaml,
    /// Names only, one a line.
    Name,
    /// Comma-separated values.
    Csv,
    /// Tables for documents.
    Markdown,
    /// A page that needs nothing else.
    Html,
    /// Test Anything Protocol.
    Tap,
    /// JUnit's XML.
    Junit,
    /// What AWS's own command prints: DescribeNetworkInsightsAnalyses.
    Aws,
}

/// Where a command prints.
pub struct Output {
    /// What the command makes: what was asked for, and JSON where that is YAML or a part of the JSON.
    pub format: Format,
    as_yaml: bool,
    query: Option<String>,
    colour: bool,
    quiet: bool,
    /// `-f FILE` or `--lab LAB` as it was typed: what is to be typed next needs it too.
    which: Option<String>,
    /// Why standard output took no more.
    failed: OnceLock<String>,
}

/// Commands that ask one lab.
const OF_A_LAB: [&str; 19] = [
    "capture", "check", "containers", "domains", "exec", "graph", "inspect", "logs", "ls", "matrix", "ping", "plan", "sim", "start", "stop", "test",
    "traceroute", "why", "lint",
];

impl Output {
    /// Decides about colour once: never into a file, never against `NO_COLOR`.
    pub fn new(global: &Global) -> Output {
        let asked = global.color;
        let colour = match asked {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal(),
        };
        let asked = if global.json { Format::Json } else { global.output };
        let as_yaml = asked == Format::Yaml;
        // A query is asked of JSON; nobody has to say that twice.
        let is_json = as_yaml || (global.query.is_some() && asked == Format::Table);
        let format = if is_json { Format::Json } else { asked };
        Output { format, as_yaml, query: global.query.clone(), colour, quiet: global.quiet, which: which(global), failed: OnceLock::new() }
    }

    /// Says nothing beside the data, and that without colours: where the terminal is somebody else's.
    pub fn silent() -> Output {
        Output { format: Format::Table, as_yaml: false, query: None, colour: false, quiet: true, which: None, failed: OnceLock::new() }
    }

    /// Refuses a query of what is not JSON.
    pub fn check_query(&self) -> Result<()> {
        if self.query.is_some() && !matches!(self.format, Format::Json | Format::Aws) {
            return Err(Failure::usage("--query asks JSON, and this prints none").hint("-o json, yaml or aws"));
        }
        Ok(())
    }

    /// Refuses a format that makes no sense for a command.
    pub fn only(&self, formats: &[Format]) -> Result<()> {
        if formats.contains(&self.format) {
            return Ok(());
        }
        let name = |format: &Format| format.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let mut known: Vec<String> = formats.iter().map(name).collect();
        if formats.contains(&Format::Json) {
            known.push(name(&Format::Yaml));
        }
        let asked = if self.as_yaml { Format::Yaml } else { self.format };
        Err(Failure::usage(format!("this command does not print as {}", name(&asked))).hint(format!("-o {}", known.join(", "))))
    }

    /// Whether only what was asked for is printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether escape sequences may be used.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// One line of data.
    pub fn line(&self, text: impl AsRef<str>) {
        self.written(writeln!(std::io::stdout(), "{}", text.as_ref()));
    }

    /// Takes in what came of writing to standard output. A closed pipe (`| head`) is the reader's way to say that it has enough;
    /// anything else is a failure of the command.
    pub fn written(&self, result: std::io::Result<()>) {
        if let Err(error) = result
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.failed.get_or_init(|| error.to_string());
        }
    }

    /// Whether standard output has everything. Errors: it took not all of it (a full disk).
    pub fn finish(&self) -> Result<()> {
        self.written(std::io::stdout().flush());
        match self.failed.get() {
            Some(why) => Err(Failure::environment(format!("standard output: {why}"))),
            None => Ok(()),
        }
    }

    /// A value as JSON; the part of it that `--query` asks for, as YAML when asked for.
    pub fn json<T: Serialize>(&self, value: &T) -> Result<()> {
        match &self.query {
            None => self.data(value),
            Some(query) => {
                let failed = |e: jmespath::JmespathError| Failure::usage(format!("--query: {}", e.to_string().trim_end()));
                self.data(&jmespath::compile(query).and_then(|query| query.search(value)).map_err(failed)?)
            }
        }
    }

    fn data<T: Serialize>(&self, value: &T) -> Result<()> {
        let text = if self.as_yaml {
            serde_saphyr::to_string(value).map_err(|e| e.to_string())
        } else {
            serde_json::to_string_pretty(value).map_err(|e| e.to_string())
        };
        self.line(text.map_err(Failure::environment)?.trim_end());
        Ok(())
    }

    /// Rows under headings; CSV when asked for.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        match self.format {
            Format::Csv => {
                for row in std::iter::once(headings.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()).chain(rows.iter().cloned()) {
                    self.line(row.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(","));
                }
            }
            Format::Markdown => {
                let line = |cells: &mut dyn Iterator<Item = &str>| {
                    let cells: Vec<String> = cells.map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|").replace('\n', " ")).collect();
                    self.line(format!("| {} |", cells.join(" | ")));
                };
                line(&mut headings.iter().copied());
                self.line(format!("|{}", "---|".repeat(headings.len())));
                rows.iter().for_each(|row| line(&mut row.iter().map(String::as_str)));
            }
            Format::Name => rows.iter().filter_map(|row| row.first()).for_each(|name| self.line(in_one_line(name))),
            _ => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
                table.set_header(headings.iter().map(|h| h.to_uppercase()));
                rows.iter().for_each(|row| {
                    table.add_row(row.iter().map(|cell| in_one_line(cell)));
                });
                for line in table.to_string().lines() {
                    self.line(line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()));
                }
            }
        }
    }

    /// A remark beside the data.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "note: {}", text.as_ref());
        }
    }

    /// What to type next, beside the data.
    pub fn hint(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "hint: {}", self.with_lab(text.as_ref()));
        }
    }

    /// What to type next, of the lab that was asked.
    fn with_lab(&self, hint: &str) -> String {
        let rest = hint.strip_prefix("vpclab ").filter(|_| !hint.contains(" -f ") && !hint.contains("--lab"));
        let rest = rest.filter(|rest| rest.split_whitespace().next().is_some_and(|verb| OF_A_LAB.contains(&verb)));
        match (&self.which, rest) {
            (Some(which), Some(rest)) => format!("vpclab {which} {rest}"),
            _ => hint.to_owned(),
        }
    }

    /// A failure: what, why, what to type next.
    pub fn failure(&self, failure: &Failure) {
        let error = if std::io::stderr().is_terminal() && self.colour { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
        let message = &failure.message;
        // Diagnostics of a file bring their own heading.
        let mut text = if message.starts_with("error") { message.trim_end().to_owned() } else { format!("{error}: {message}") };
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\nhint: {}", self.with_lab(hint)));
        }
        // A closed pipe is no reason to panic.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// The lab that was named on the command line; what the environment says stays true for the next command.
fn which(global: &Global) -> Option<String> {
    let lab = global.lab.as_ref().filter(|_| global.typed.lab).map(|lab| ("--lab", lab.clone()));
    let file = global.file.as_ref().filter(|file| file.as_os_str() != "-" && global.typed.file);
    let (flag, word) = lab.or_else(|| file.map(|file| ("-f", file.display().to_string())))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@' | ':' | '+');
    let quoted = if word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) };
    Some(format!("{flag} {quoted}"))
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Reads a JMESPath expression as far as its grammar goes; it is compiled again where it is used.
pub fn query(text: &str) -> std::result::Result<String, String> {
    jmespath::compile(text).map(|_| text.to_owned()).map_err(|e| e.to_string().trim_end().to_owned())
}

/// As one line that cannot steer a terminal, whatever a tag holds: control characters are written as Rust writes them.
fn in_one_line(cell: &str) -> std::borrow::Cow<'_, str> {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if !cell.contains(steers) {
        return cell.into();
    }
    let shown = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
    cell.chars().map(shown).collect::<String>().into()
}

/// RFC 4180.
fn csv_cell(cell: &str) -> String {
    if cell.contains(['"', ',', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
