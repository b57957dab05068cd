//! `logs`: what user data and `run:` commands of an instance printed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::running::Running;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Instance: name, id or address
    pub name: String,
    /// Of this container of the instance
    #[arg(short, long, value_name = "CONTAINER")]
    pub container: Option<String>,
    /// Go on printing until interrupted; -f means it too, where no file comes behind it
    #[arg(long)]
    pub follow: bool,
    /// Only the last lines
    #[arg(long, short = 'n', value_name = "LINES")]
    pub tail: Option<usize>,
}

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Prints the log.
pub fn run(arguments: &LogsArgs, global: &Global, output: &Output) -> Result {
    if let Some(container) = &arguments.container {
        return super::containers::of_container(arguments, container, global, output);
    }
    let running = Running::open(global)?;
    let instance = running.instance(&arguments.name);
    let instance = instance.map_err(|failure| super::containers::or_container(failure, "logs", &arguments.name, &running))?;
    let name = &running.fabric.instances.values().find(|i| i.id == instance.id).map_or_else(|| arguments.name.clone(), |i| i.name.clone());
    let path = running.daemon().paths().instance_log(&running.name, &instance.id);
    let unreadable = |e: std::io::Error| Failure::environment(format!("{}: {e}", path.display()));
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !arguments.follow => {
            let has_command = running.model.guests.get(&instance.id).is_some_and(|guest| !guest.run.is_empty());
            if !has_command && instance.user_data.is_none() {
                eprintln!("note: {name} has no `run:` and no user data, so nothing was printed");
            }
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => wait_for(&path).map_err(unreadable)?,
        Err(error) => return Err(unreadable(error)),
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(unreadable)?;
    let from = arguments.tail.map_or(0, |lines| last_lines(&text, lines));
    let mut out = std::io::stdout();
    // A reader that closes the pipe has seen enough; a full disk is said in the end.
    let mut write = |bytes: &[u8]| {
        let written = out.write_all(bytes).and_then(|()| out.flush());
        let is_open = written.is_ok();
        output.written(written);
        is_open
    };
    let mut open = write(&text[from..]);
    while arguments.follow && open {
        text.clear();
        file.read_to_end(&mut text).map_err(unreadable)?;
        if text.is_empty() {
            std::thread::sleep(PAUSE);
            let length = file.metadata().map_err(unreadable)?.len();
            if length < file.stream_position().map_err(unreadable)? {
                file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
            }
        }
        open = write(&text);
    }
    Ok(ExitCode::SUCCESS)
}

fn wait_for(path: &std::path::Path) -> std::io::Result<File> {
    loop {
        match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
}

/// Where the last `lines` lines begin.
fn last_lines(text: &[u8], lines: usize) -> usize {
    let end = text.strip_suffix(b"\n").map_or(text.len(), <[u8]>::len);
    match lines {
        0 => text.len(),
        _ => text[..end].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(lines - 1).map_or(0, |(at, _)| at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_begin_after_a_line_end() {
        for (text, lines, expected) in [("a\nb\nc\n", 2, "b\nc\n"), ("a\nb", 1, "b"), ("a\n", 5, "a\n"), ("a\nb\n", 0, ""), ("", 3, "")] {
            assert_eq!(&text[last_lines(text.as_bytes(), lines)..], expected, "{lines} of {text:?}");
        }
    }
}
