//! `graph`: the lab as a picture. What the picture shows is decided in the room `diagram`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use model::Model;
use sim::lan::domains::count;

use super::meant::{by_position, file_of_environment};
use super::picture_file;
use super::running::Running;
use super::sim::domains;
use super::source;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Lab file; default: the one here, else the lab that is up (with -l LAB always)
    #[arg(value_name = "FILE")]
    pub positional: Option<PathBuf>,
    /// What to draw; default: by the ending of -w FILE (.svg, .mmd, .md, .txt), else tree
    #[arg(long, short = 'k', value_enum, value_name = "KIND")]
    pub kind: Option<Kind>,
    /// Where to write it; `-` is standard output
    #[arg(long, short = 'w', default_value = "-", value_name = "FILE")]
    pub write: PathBuf,
    /// Write it over whatever is there; without this, over what vpclab drew alone
    #[arg(long)]
    pub force: bool,
}

/// Kinds of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Lines for a terminal.
    Tree,
    /// A picture for browsers and documents, light and dark.
    Svg,
    /// A flowchart for documents that render Mermaid.
    Mermaid,
}

impl Kind {
    fn of_ending(path: &Path) -> Option<Kind> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "svg" => Some(Kind::Svg),
            "mmd" | "mermaid" | "md" => Some(Kind::Mermaid),
            "txt" => Some(Kind::Tree),
            _ => None,
        }
    }
}

/// Draws a lab: as its file says, or as it runs.
pub fn run(arguments: &GraphArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide])?;
    let model = &model(arguments, global, output)?;
    let to_stdout = arguments.write == Path::new("-");
    let kind = match (arguments.kind, to_stdout) {
        (Some(kind), _) => kind,
        (None, true) => Kind::Tree,
        (None, false) => Kind::of_ending(&arguments.write).ok_or_else(|| {
            Failure::usage(format!("the ending of {} is no kind of picture", arguments.write.display()))
                .hint("--kind svg, mermaid or tree; or a name that ends in .svg, .mmd, .md or .txt")
        })?,
    };
    let text = match kind {
        Kind::Tree => diagram::tree(model),
        Kind::Svg => with_lans(model),
        // A Markdown document shows what stands in a fence.
        Kind::Mermaid if !to_stdout && arguments.write.extension().is_some_and(|e| e == "md") => {
            format!("```mermaid\n{}```\n", diagram::mermaid(model))
        }
        Kind::Mermaid => diagram::mermaid(model),
    };
    if to_stdout {
        output.line(text.trim_end_matches('\n'));
    } else {
        picture_file::write(&arguments.write, &text, arguments.force)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The cloud, and its lans with their domains.
fn with_lans(model: &Model) -> String {
    let counted: Vec<_> = model.lans.iter().map(|(name, lan)| (name.as_str(), lan, count(lan))).collect();
    let drawn: Vec<_> = counted.iter().map(|(name, lan, domains)| domains::drawn(name, lan, domains)).collect();
    diagram::svg_with(model, &drawn)
}

/// What a file or folder describes, with a word about what it lacks.
fn drawn(path: &Path, output: &Output) -> Result<Arc<Model>> {
    let described = source::describe(path, output)?;
    described.gaps.note(output);
    Ok(Arc::new(described.model))
}

/// A file that is named is drawn as it is written, a lab that is named as it runs; else the lab file here, else the only
/// lab that is up.
fn model(arguments: &GraphArgs, global: &Global, output: &Output) -> Result<Arc<Model>> {
    let global = &by_position(global, arguments.positional.as_deref());
    let file = match &global.lab {
        Some(_) if !global.typed.file => file_of_environment(global)?,
        _ => source::find_if_any(None, global)?,
    };
    match file {
        Some(path) if !path.exists() => match path.to_str().filter(|name| *name != "-").map(Running::find).transpose()?.flatten() {
            Some(running) => Ok(running.model),
            None => drawn(&path, output),
        },
        Some(path) => drawn(&path, output),
        None => Ok(Running::open(global)?.model),
    }
}
