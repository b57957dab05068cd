//! `init`: a lab file to start from, never over one that is there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// The files of `examples/`, the first one the default.
const TEMPLATES: &[(&str, &str)] = &[
    ("shop", include_str!("../../../../examples/shop.yaml")),
    ("three-tier", include_str!("../../../../examples/three-tier.yaml")),
    ("bastion", include_str!("../../../../examples/bastion.yaml")),
    ("peering", include_str!("../../../../examples/peering.yaml")),
    ("middlebox", include_str!("../../../../examples/middlebox.yaml")),
    ("dual-stack", include_str!("../../../../examples/dual-stack.yaml")),
    ("transit-gateway", include_str!("../../../../examples/transit-gateway.yaml")),
    ("iam", include_str!("../../../../examples/iam.yaml")),
];

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// File to write; `-` = standard output; default: that of -f, else vpclab.yaml
    #[arg(value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// Which lab; `list` shows them
    #[arg(short, long, default_value = TEMPLATES[0].0, value_name = "NAME")]
    pub template: String,
}

/// Writes a lab file, or lists what there is.
pub fn run(arguments: &InitArgs, global: &Global, output: &Output) -> Result {
    if arguments.template == "list" {
        return list(output);
    }
    output.only(&[Format::Table])?;
    let Some((name, text)) = TEMPLATES.iter().find(|(name, _)| *name == arguments.template) else {
        let names = TEMPLATES.iter().map(|(name, _)| *name);
        let hint = match lab::diagnostic::nearest(&arguments.template, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
        };
        return Err(Failure::usage(format!("no template is called `{}`", arguments.template)).hint(hint));
    };
    let path = match (&arguments.path, &global.file) {
        (Some(path), Some(file)) if path != file => {
            let failure = Failure::usage(format!("two files: {} and -f {}", path.display(), file.display()));
            return Err(failure.hint("one of them is enough"));
        }
        (Some(path), _) | (None, Some(path)) => path.as_path(),
        (None, None) => Path::new("vpclab.yaml"),
    };
    let text = for_file(name, text, path);
    if path == Path::new("-") {
        output.line(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    write_new(path, &text)?;
    output.line(format!("{}: template {name}. Try: vpclab test -f {}", path.display(), path.display()));
    Ok(ExitCode::SUCCESS)
}

fn list(output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Csv, Format::Name])?;
    if output.format == Format::Json {
        let all: Vec<_> =
            TEMPLATES.iter().map(|(name, text)| serde_json::json!({ "name": name, "about": about(text) })).collect();
        output.json(&all)?;
    } else {
        let rows: Vec<_> = TEMPLATES.iter().map(|(name, text)| vec![(*name).to_owned(), about(text).to_owned()]).collect();
        output.table(&["template", "about"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// The first sentence of a template's first line: `# shop.yaml: the workshop's … subnets.  vpclab test -f shop.yaml`.
fn about(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    let line = line.split_once(": ").map_or(line, |(_, rest)| rest);
    line.split("  ").next().unwrap_or(line).trim_end_matches('.')
}

/// The template under its new file's name. A lab is called like its file; `vpclab.yaml` says nothing, so the file does.
fn for_file(template: &str, text: &str, path: &Path) -> String {
    let file = match path.file_name() {
        Some(file) if path != Path::new("-") => file.to_string_lossy().into_owned(),
        _ => "FILE".to_owned(),
    };
    let original = format!("{template}.yaml");
    let mut lines: Vec<String> =
        text.lines().map(|line| if line.starts_with('#') { line.replace(&original, &file) } else { line.to_owned() }).collect();
    let is_named = lines.iter().any(|line| line.starts_with("name:"));
    let first = lines.iter().position(|line| !line.starts_with('#')).unwrap_or(0);
    if !is_named && matches!(file.as_str(), "vpclab.yaml" | "FILE") {
        lines.insert(first, format!("name: {template}"));
    }
    lines.join("\n") + "\n"
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} is there already; nothing is overwritten", path.display()))
                .hint("vpclab init OTHER.yaml, or - to look at it first")
        }
        std::io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new("."));
            Failure::usage(format!("{}: there is no such folder", folder.display()))
                .hint(format!("mkdir -p {}", folder.display()))
        }
        _ => Failure::usage(format!("{}: {error}", path.display())),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a lab file helps nobody.
        let _ = std::fs::remove_file(path);
        Failure::environment(format!("{}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_template() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
        let files =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "yaml"));
        // One that includes another cannot be written as one file.
        let alone = |path: &PathBuf| !std::fs::read_to_string(path).unwrap().contains("\ninclude:");
        let mut names: Vec<String> = files.filter(alone).map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        let mut templates: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
        templates.sort_unstable();
        assert_eq!(templates, names);
        assert!(TEMPLATES.iter().all(|(_, text)| (10..120).contains(&about(text).len())), "each says what it is");
    }
}
