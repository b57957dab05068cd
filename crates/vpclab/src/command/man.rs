//! `man`: manual pages, and the reference as one page. Both are made from the tree that reads the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};

use crate::cli::Cli;
use crate::exit::{Failure, Result};
use crate::output::Output;
use crate::reference;

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for one page a command, such as ~/.local/share/man/man1; default: the page of vpclab on standard output
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The whole reference, lab file included, as Markdown
    #[arg(long, conflicts_with = "folder")]
    pub markdown: bool,
}

/// Prints or writes pages.
pub fn run(arguments: &ManArgs, output: &Output) -> Result {
    let mut command = Cli::command();
    command.build();
    match &arguments.folder {
        _ if arguments.markdown => output.line(reference::markdown().trim_end()),
        None => {
            let page = page(&command).map_err(|e| Failure::environment(e.to_string()))?;
            output.line(String::from_utf8_lossy(&page).trim_end());
        }
        Some(folder) => {
            let failed = |e: std::io::Error| Failure::usage(format!("{}: {e}", folder.display()));
            std::fs::create_dir_all(folder).map_err(failed)?;
            let written = write(&command, "vpclab", folder).map_err(failed)?;
            output.line(format!("{written} pages in {}", folder.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of one command in roff.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// Writes the page of a command and those of the commands below it; returns how many.
fn write(command: &Command, name: &str, folder: &Path) -> std::io::Result<usize> {
    std::fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    let mut written = 1;
    for one in command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help") {
        written += write(one, &format!("{name}-{}", one.get_name()), folder)?;
    }
    Ok(written)
}
