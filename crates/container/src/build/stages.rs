//! Which stages there are, which image each begins with, and which are needed.

use std::collections::{BTreeMap, BTreeSet};

use super::BuildOptions;
use super::dockerfile::Dockerfile;
use super::dockerfile::flags::nearest;
use super::dockerfile::instruction::{Instruction, Word};
use super::dockerfile::parse::Stage;
use super::error::{Error, Result};
use super::reading::Reading;
use crate::oci::Platform;

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// Another stage, by its number.
    Stage(usize),
    /// An image, for a machine if it says so.
    Image(String, Option<String>),
}

/// Stages in order.
pub struct Plan {
    /// What each stage begins with.
    pub bases: Vec<Base>,
    /// Numbers of stages that are built, in order; the last one is the image.
    pub needed: Vec<usize>,
    /// What `ARG` before the first `FROM` says, with what was given.
    pub globals: BTreeMap<String, String>,
    /// Names of arguments that somebody declared.
    pub declared: BTreeSet<String>,
}

/// Arguments that every Dockerfile has without declaring them; they are in no history and no cache.
pub const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What `ARG` may ask of the machines: for whom, and by whom.
pub fn platforms(target: &Platform, build: &Platform) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (prefix, platform) in [("TARGET", target), ("BUILD", build)] {
        all.insert(format!("{prefix}PLATFORM"), platform.to_string());
        all.insert(format!("{prefix}OS"), platform.os.clone());
        all.insert(format!("{prefix}ARCH"), platform.architecture.clone());
        all.insert(format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default());
    }
    all
}

/// Looks at all stages.
pub fn plan(file: &Dockerfile, options: &BuildOptions) -> Result<Plan> {
    let host = Platform::host();
    let platforms = platforms(options.platform.as_ref().unwrap_or(&host), &host);
    let (mut globals, mut declared) = (BTreeMap::new(), BTreeSet::new());
    for step in &file.globals {
        let Instruction::Arg(all) = &step.instruction else {
            continue;
        };
        for (name, default) in all {
            let lookup = |name: &str| globals.get(name).or_else(|| platforms.get(name)).cloned();
            let reading = Reading { source: &file.source, line: &step.line, escape: file.directives.escape, lookup: &lookup };
            let default = reading.optional(default.as_ref())?;
            declared.insert(name.text.clone());
            let given = options.arguments.get(&name.text).cloned().or(default).or_else(|| platforms.get(&name.text).cloned());
            if let Some(value) = given {
                globals.insert(name.text.clone(), value);
            }
        }
    }
    let lookup = |name: &str| globals.get(name).or_else(|| platforms.get(name)).cloned();
    let mut bases = Vec::new();
    for (number, stage) in file.stages.iter().enumerate() {
        let reading = Reading { source: &file.source, line: &stage.line, escape: file.directives.escape, lookup: &lookup };
        let image = reading.word(&stage.from.image)?;
        let platform = reading.optional(stage.from.platform.as_ref())?.filter(|text| !text.is_empty());
        if image.is_empty() {
            let mistake = reading.mistake(&stage.from.image, "base name should not be blank");
            let hint = format!("`{}` is empty: give it a default with ARG before the first FROM", stage.from.image.text);
            return Err(mistake.with_hint(hint).into());
        }
        bases.push(match by_name(&file.stages[..number], &image) {
            Some(other) => Base::Stage(other),
            None if image == "scratch" => Base::Scratch,
            None => Base::Image(image, platform),
        });
        for step in &stage.steps {
            if let Instruction::Arg(all) = &step.instruction {
                declared.extend(all.iter().map(|(name, _)| name.text.clone()));
            }
        }
    }
    let last = match &options.target {
        None => file.stages.len() - 1,
        Some(target) => target_stage(file, target)?,
    };
    let mut needed = BTreeSet::new();
    let mut pending = vec![last];
    while let Some(number) = pending.pop() {
        if !needed.insert(number) {
            continue;
        }
        if let Base::Stage(other) = &bases[number] {
            pending.push(*other);
        }
        for from in sources(&file.stages[number]) {
            pending.extend(by_name_or_number(&file.stages[..number], &from.text));
        }
    }
    Ok(Plan { bases, needed: needed.into_iter().collect(), globals, declared })
}

fn target_stage(file: &Dockerfile, target: &str) -> Result<usize> {
    if let Some(number) = by_name_or_number(&file.stages, target) {
        return Ok(number);
    }
    let names = names(&file.stages);
    let why = match (nearest(target, &names), names.is_empty()) {
        (Some(near), _) => {
            format!("target stage \"{target}\" could not be found: did you mean {near}?")
        }
        (None, false) => format!("target stage \"{target}\" could not be found: there are {}", names.join(", ")),
        (None, true) => format!("target stage \"{target}\" could not be found: no stage has a name (FROM IMAGE AS NAME)"),
    };
    Err(Error::Option { option: "--target", why })
}

/// What a stage copies or mounts from elsewhere than the build context.
fn sources(stage: &Stage) -> Vec<Word> {
    let mut all = Vec::new();
    for step in &stage.steps {
        match &step.instruction {
            Instruction::Copy(copy) => all.extend(copy.from.clone()),
            Instruction::Run(run) => {
                for mount in &run.mounts {
                    let from = mount.text.split(',').find_map(|part| part.strip_prefix("from="));
                    all.extend(from.map(|from| Word { text: from.to_owned(), at: mount.at }));
                }
            }
            _ => {}
        }
    }
    all
}

/// What stages are called.
pub fn names(stages: &[Stage]) -> Vec<&str> {
    let names = stages.iter().filter_map(|stage| stage.from.name.as_ref());
    names.map(|name| name.text.as_str()).collect()
}

fn by_name(stages: &[Stage], name: &str) -> Option<usize> {
    stages.iter().rposition(|stage| stage.from.name.as_ref().is_some_and(|own| own.text.eq_ignore_ascii_case(name)))
}

/// The stage that `--from` or `--target` means.
pub fn by_name_or_number(stages: &[Stage], text: &str) -> Option<usize> {
    by_name(stages, text).or_else(|| text.parse().ok().filter(|number| *number < stages.len()))
}
