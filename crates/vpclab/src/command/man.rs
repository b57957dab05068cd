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
    /// A command, such as `sim` or `sim ping`, whose page goes to standard output; or a folder for one page a command, such as
    /// ~/.local/share/man/man1 or ./man. Default: the page of vpclab on standard output
    #[arg(value_name = "COMMAND|FOLDER")]
    pub words: Vec<PathBuf>,
    /// The whole reference, lab file included, as Markdown
    #[arg(long, conflicts_with = "words")]
    pub markdown: bool,
}

/// Prints or writes pages.
pub fn run(arguments: &ManArgs, output: &Output) -> Result {
    let mut command = Cli::command();
    command.build();
    let printed = |command: &Command| {
        let page = page(command).map_err(|e| Failure::environment(e.to_string()))?;
        output.line(String::from_utf8_lossy(&page).trim_end());
        Ok::<_, Failure>(())
    };
    match arguments.words.as_slice() {
        _ if arguments.markdown => output.line(reference::markdown().trim_end()),
        [] => printed(&command)?,
        words if named(&command, words).is_some() => printed(named(&command, words).unwrap_or(&command))?,
        [folder] if folder.is_dir() || folder.components().count() > 1 || folder.is_absolute() => {
            let failed = |e: std::io::Error| Failure::usage(format!("{}: {e}", folder.display()));
            std::fs::create_dir_all(folder).map_err(failed)?;
            let written = write(&command, "vpclab", folder).map_err(failed)?;
            output.line(format!("{written} pages in {}", folder.display()));
        }
        words => {
            let text = words.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ");
            let names: Vec<&str> = command.get_subcommands().filter(|one| !one.is_hide_set()).map(Command::get_name).collect();
            let failure = Failure::usage(format!("`{text}` is no command, and no folder that is there"));
            let near = lab::diagnostic::nearest(&text, names).map_or_else(|| "vpclab --help lists commands".to_owned(), |near| format!("did you mean `{near}`?"));
            return Err(failure.hint(format!("{near} A new folder is written ./{text}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The command that words name, one below the other.
fn named<'c>(root: &'c Command, words: &[PathBuf]) -> Option<&'c Command> {
    words.iter().try_fold(root, |command, word| command.find_subcommand(word))
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
