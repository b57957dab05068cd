//! `import compose`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::MadeArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `import compose`.
#[derive(Debug, Args)]
pub struct ComposeArgs {
    /// Compose file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The instance that gets the containers
    #[arg(long, value_name = "INSTANCE", default_value = "web-1")]
    pub instance: String,
    /// Only what belongs into a lab file that there is: no VPC, no subnet
    #[arg(long)]
    pub fragment: bool,
    /// A profile that is on; may be given several times
    #[arg(long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// File of variables; default: .env beside the compose file
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    #[command(flatten)]
    pub made: MadeArgs,
}

/// A compose file as a lab file, and on stderr what is not carried, each with its line.
pub fn run(arguments: &ComposeArgs, output: &Output) -> Result {
    let made = &arguments.made;
    if let Some(problem) = lab::decode::no_name(&arguments.instance, lab::source::Span { file: 0, start: 0, end: 0 }) {
        let failure = Failure::usage(format!("--instance: {}", problem.message));
        return Err(match problem.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        });
    }
    let unread = |path: &Path, e: std::io::Error| Failure::usage(format!("{} cannot be read: {e}", path.display()));
    let text = std::fs::read_to_string(&arguments.file).map_err(|e| unread(&arguments.file, e))?;
    let beside = arguments.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let variables = match &arguments.env_file {
        Some(path) => std::fs::read_to_string(path).map_err(|e| unread(path, e))?,
        None => std::fs::read_to_string(beside.join(".env")).unwrap_or_default(),
    };
    let mut variables = lab::compose::variables_of_file(&variables);
    // As compose does it: what is set outside wins.
    variables.extend(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))));
    let to_stdout = made.write == Path::new("-");
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let to = made.write.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    // On standard output it is taken to lie beside the compose file.
    let folder = if to_stdout || whole(&to) == whole(&beside) { ".".to_owned() } else { whole(&beside).display().to_string() };
    let name = whole(&beside).file_name().map_or_else(|| "compose".to_owned(), |name| name.to_string_lossy().into_owned());
    let request = lab::compose::Request {
        name: &arguments.file.display().to_string(),
        text: &text,
        variables,
        instance: &arguments.instance,
        lab: &lab::load::stem(&name),
        profiles: &arguments.profile,
        folder: &folder,
        is_fragment: arguments.fragment,
    };
    let composed = lab::compose::import(&request).map_err(|problems| Failure::usage(problems.render(output.colour())))?;
    if !to_stdout {
        if made.write.exists() && !made.force {
            return Err(Failure::usage(format!("{} exists", made.write.display())).hint("--force writes over it"));
        }
        std::fs::write(&made.write, &composed.text)
            .map_err(|e| Failure::usage(format!("{} cannot be written: {e}", made.write.display())))?;
    }
    if output.format == Format::Json {
        let note = |note: &lab::compose::Note| json!({"text": note.text, "file": request.name, "line": note.line});
        output.json(&json!({
            "lab": composed.lab,
            "file": if to_stdout { None } else { Some(made.write.display().to_string()) },
            "text": composed.text,
            "notes": composed.notes.iter().map(note).collect::<Vec<_>>(),
        }))?;
    } else {
        composed.notes.iter().for_each(|note| output.note(format!("{}:{}: {}", request.name, note.line, note.text)));
        match to_stdout {
            true => output.line(composed.text.trim_end()),
            false => {
                let count = composed.containers;
                let what = if count == 1 { "1 container".to_owned() } else { format!("{count} containers") };
                output.line(format!("{} written: {what} of {}", made.write.display(), arguments.instance));
                output.hint(format!("vpclab up {}", made.write.display()));
            }
        }
    }
    Ok(if made.strict && !composed.notes.is_empty() { exit::NO.into() } else { ExitCode::SUCCESS })
}
