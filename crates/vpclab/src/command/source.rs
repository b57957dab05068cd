//! Where a command's cloud comes from: the lab file given, here or in a parent folder; a folder of AWS's own output; what
//! `terraform show -json` wrote; or a snapshot of one of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lab::aws::{DumpFile, Import, MAX_BYTES, MAX_FILES, Note};
use lab::snapshot::{self, Problem, Snapshot};
use lab::{Code, Files, Lab, terraform};
use model::{Claim, Context, Model};
use serde::de::IgnoredAny;

use super::gaps::Gaps;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Account of every lab.
const ACCOUNT: &str = "000000000000";

/// The lab file meant: as given, else the one here or in a parent folder.
pub fn find(given: Option<&Path>, global: &Global) -> Result<PathBuf> {
    find_if_any(given, global)?.ok_or_else(|| {
        let failure = Failure::usage("no lab file here or in a parent folder (vpclab.yaml, *.cloud.yaml)");
        // Not every command takes a file by position: it took the word for something else.
        failure.hint(match std::env::args().skip(1).find(|word| word.ends_with(".yaml") && Path::new(word).is_file()) {
            Some(file) => format!("-f {file} says that it is the lab file"),
            None => "say which one with -f FILE, or write one: vpclab init".to_owned(),
        })
    })
}

/// As [`find`]; `None` where there is none. Errors: several.
pub fn find_if_any(given: Option<&Path>, global: &Global) -> Result<Option<PathBuf>> {
    if let Some(path) = given.or(global.file.as_deref()) {
        return Ok(Some(path.to_owned()));
    }
    let here = std::env::current_dir().map_err(|e| Failure::environment(format!("the current folder cannot be read: {e}")))?;
    for folder in here.ancestors() {
        let plain = folder.join("vpclab.yaml");
        if plain.is_file() {
            return Ok(Some(plain));
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut named: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.to_string_lossy().ends_with(".cloud.yaml")).collect();
        named.sort();
        match named.as_slice() {
            [] => {}
            [one] => return Ok(Some(one.clone())),
            several => {
                let list: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                return Err(Failure::usage(format!("several lab files: {}", list.join(", "))).hint("say which one with -f FILE"));
            }
        }
    }
    Ok(None)
}

/// A cloud that a file or folder describes.
pub struct Described {
    /// The lab's name.
    pub name: String,
    /// What there is.
    pub model: Model,
    /// What is promised.
    pub claims: Vec<Claim>,
    /// What is promised about rights.
    pub rights: Vec<iam::Claim>,
    /// Who may do what, where that is known without a lab file.
    pub identities: Option<iam::Account>,
    /// The lab file behind it; `None`: a folder of AWS's output, a plan of Terraform, or a snapshot.
    pub lab: Option<Lab>,
    /// What is missing; whoever answers marks the answer with it.
    pub gaps: Gaps,
    /// What was found to be missing, or taken to be so, when the source was read.
    pub notes: Vec<Note>,
}

/// What a lab file says, a folder of `aws ec2 describe-…` output, a plan of Terraform, or a snapshot of these; what was taken
/// to be so in a plan is said on the way.
pub fn describe(path: &Path, output: &Output) -> Result<Described> {
    let described = read(path, output)?;
    described.notes.iter().filter(|note| !note.kind.leaves_a_gap()).for_each(|note| output.note(note.to_string()));
    Ok(described)
}

fn read(path: &Path, output: &Output) -> Result<Described> {
    if is_snapshot(path) {
        let Snapshot { name, source, taken, notes, model, claims, rights, account } = snapshot(path)?;
        output.note(format!("{} is a snapshot of {source}, taken {}", path.display(), taken.iso8601()));
        return Ok(Described { name, model, claims, rights, identities: account, lab: None, gaps: Gaps::of(&notes), notes });
    }
    if is_plan(path) {
        let Import { model, notes } = plan(path, output)?;
        let (name, gaps) = (lab::load::stem(&path.to_string_lossy()), Gaps::of(&notes));
        return Ok(Described { name, model, claims: Vec::new(), rights: Vec::new(), identities: None, lab: None, gaps, notes });
    }
    if !path.is_dir() {
        let lab = load(path, output)?;
        let (name, model, claims, rights) = (lab.name.clone(), cloud(&lab, output)?, lab.claims(), lab.rights());
        return Ok(Described { name, model, claims, rights, identities: None, lab: Some(lab), gaps: Gaps::default(), notes: Vec::new() });
    }
    let Import { model, mut notes } = dump(path, output)?;
    // The rest is told by `import`.
    notes.retain(|note| note.kind.leaves_a_gap());
    Ok(Described { name: dump_name(path), model, claims: Vec::new(), rights: Vec::new(), identities: None, lab: None, gaps: Gaps::of(&notes), notes })
}

/// Whether a path is meant as a snapshot: the first bytes say so, whatever its name.
fn is_snapshot(path: &Path) -> bool {
    use std::io::Read;
    let mut first = [0; snapshot::MAGIC.len()];
    // A pipe is read once: what comes through one is a lab file.
    let file = Some(path).filter(|path| path.is_file()).and_then(|path| std::fs::File::open(path).ok());
    file.is_some_and(|mut file| file.read_exact(&mut first).is_ok()) && snapshot::is_meant(&first)
}

/// Reads a snapshot. Errors: those of [`snapshot::read`], with the command that makes it anew.
fn snapshot(path: &Path) -> Result<Snapshot> {
    use std::io::Read;
    // The model lives as long as the process, which answers and ends.
    let _kept = heap::keep();
    let failed = |e: String| Failure::usage(format!("{} cannot be read: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let size = file.metadata().map_or(0, |data| data.len()).min(snapshot::MAX_BYTES);
    let mut bytes = Vec::with_capacity(size as usize + 1);
    // One byte more than may be tells what is too large.
    file.take(snapshot::MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
    let read = snapshot::read(&bytes);
    read.map_err(|problem| {
        let source = match &problem {
            Problem::Foreign { source_name, .. } if !source_name.is_empty() => source_name.clone(),
            _ => "SOURCE".to_owned(),
        };
        let failure = failed(format!("{problem} [{}]", problem.code()));
        failure.hint(format!("make it anew: vpclab snapshot -f {source} -w {} --force", path.display()))
    })
}

/// Whether a path is meant as a plan or state of Terraform, not as a lab file: JSON is YAML too, so the content decides.
pub fn is_plan(path: &Path) -> bool {
    path.file_name().is_some_and(|name| terraform::is_meant(&name.to_string_lossy())) && path.is_file() && !is_lab_in_json(path)
}

/// Whether a file is JSON whose first level has a key of lab files. What is no JSON is left to the reader of plans: it says
/// where it breaks.
fn is_lab_in_json(path: &Path) -> bool {
    use std::io::{BufReader, Read};
    let Ok(file) = std::fs::File::open(path) else { return false };
    // Values are passed over as they come: a large plan takes no memory here.
    let keys: serde_json::Result<BTreeMap<String, IgnoredAny>> =
        serde_json::from_reader(BufReader::new(file.take(terraform::MAX_BYTES)));
    keys.is_ok_and(|keys| LAB_KEYS.iter().any(|key| keys.contains_key(*key)))
}

/// Keys that a lab file has and neither a plan nor a state.
const LAB_KEYS: [&str; 6] = ["vpcs", "instances", "security_groups", "include", "expect", "iam"];

/// Reads what `terraform show -json` wrote.
pub fn plan(path: &Path, output: &Output) -> Result<Import> {
    use std::io::Read;
    // The model lives as long as the process, which answers and ends.
    let _kept = heap::keep();
    let failed = |e: String| Failure::usage(format!("{} cannot be read: {e}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    // One byte more than may be tells what is too large.
    let read = file.take(terraform::MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))? as u64;
    if read > terraform::MAX_BYTES {
        return Err(failed(format!("a plan has at most {} MiB [{}]", terraform::MAX_BYTES >> 20, Code::DumpTooLarge)));
    }
    let text = String::from_utf8(bytes).map_err(|e| failed(format!("{e} [{}]", Code::NotUtf8)))?;
    terraform::read(DumpFile { name: path.display().to_string(), text }, control::host::now()).map_err(|e| Failure::usage(e.render(output.colour())))
}

/// The name of a lab made of a folder.
pub fn dump_name(path: &Path) -> String {
    let real = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = real.file_name().map_or_else(|| "aws".to_owned(), |name| name.to_string_lossy().into_owned());
    let fine: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    if fine.starts_with(|c: char| c.is_ascii_alphabetic()) { fine } else { format!("aws-{fine}") }
}

/// Reads a folder of `aws ec2 describe-…` output, folders in it included.
pub fn dump(path: &Path, output: &Output) -> Result<Import> {
    let mut files = Vec::new();
    let mut left = MAX_BYTES;
    collect(path, 0, &mut left, &mut files)?;
    if files.is_empty() {
        let failure = Failure::usage(format!("{} holds no .json file", path.display()));
        return Err(failure.hint("such as: aws ec2 describe-vpcs > DIR/vpcs.json; then subnets, route-tables, …"));
    }
    lab::aws::read(files, control::host::now()).map_err(|e| Failure::usage(e.render(output.colour())))
}

/// Folders of a dump nest so deep at most: `aws_configs/accounts/ID/REGION`, and some more.
const MAX_FOLDERS: usize = 8;

fn collect(folder: &Path, depth: usize, left: &mut u64, files: &mut Vec<DumpFile>) -> Result<()> {
    use std::io::Read;
    let failed = |path: &Path, e: std::io::Error| Failure::usage(format!("{} cannot be read: {e}", path.display()));
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = entries.map_err(|e| failed(folder, e))?.into_iter().map(|entry| entry.path()).collect();
    // The order of a folder is the file system's affair; ours is the same everywhere.
    paths.sort();
    for path in paths {
        if path.is_dir() && depth < MAX_FOLDERS {
            collect(&path, depth + 1, left, files)?;
        }
        if !path.is_file() || path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("json")) {
            continue;
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|e| failed(&path, e))?;
        // One byte more than may be tells what is too large.
        let read = file.take(*left + 1).read_to_end(&mut bytes).map_err(|e| failed(&path, e))? as u64;
        if read > *left || files.len() >= MAX_FILES {
            let message = format!("{}: a dump has at most {MAX_FILES} files and {} MiB in all [{}]", path.display(), MAX_BYTES >> 20, Code::DumpTooLarge);
            return Err(Failure::usage(message));
        }
        *left -= read;
        let text = String::from_utf8(bytes).map_err(|e| Failure::usage(format!("{}: {e} [{}]", path.display(), Code::NotUtf8)))?;
        files.push(DumpFile { name: path.display().to_string(), text });
    }
    Ok(())
}

/// Reads a lab file.
pub fn load(path: &Path, output: &Output) -> Result<Lab> {
    if is_snapshot(path) {
        let failure = Failure::usage(format!("{} is a snapshot, not a lab file", path.display()));
        return Err(failure.hint("why, matrix, who, what, test, lint, diff and graph read it with -f"));
    }
    if is_plan(path) {
        let failure = Failure::usage(format!("{} is what terraform show -json writes, not a lab file", path.display()));
        let file = path.display();
        return Err(failure.hint(format!("a lab file is made of it: vpclab import terraform {file} -w {}.yaml", lab::load::stem(&path.to_string_lossy()))));
    }
    if path.is_dir() {
        let failure = Failure::usage(format!("{} is a folder, not a lab file", path.display()));
        let folder = path.display();
        return Err(failure.hint(format!("of AWS's output a lab file is made: vpclab import aws {folder} -w {}.yaml", dump_name(path))));
    }
    lab::load(&path.to_string_lossy(), &Disk).map_err(|e| Failure::usage(e.render(output.colour())))
}

/// Whether two paths lead to one file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

/// The name of the lab in a file, from the file's own name where its content cannot be read.
pub fn name_of(path: &Path) -> String {
    if path.is_dir() {
        return dump_name(path);
    }
    lab::load(&path.to_string_lossy(), &Disk).map_or_else(|_| lab::load::stem(&path.to_string_lossy()), |lab| lab.name)
}

/// A cloud without anything, in which the lab's ids are the same every time.
pub fn empty(lab: &Lab) -> Model {
    nothing(&lab.name, lab.region())
}

/// An empty cloud for a lab of this name.
pub fn nothing(name: &str, region: model::Region) -> Model {
    // FNV-1a: two labs have different ids, one lab has the same ids on every machine.
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Model::new(ACCOUNT, region, Context::seeded(seed, control::host::now()))
}

/// The cloud that a lab file describes.
pub fn cloud(lab: &Lab, output: &Output) -> Result<Model> {
    let mut model = empty(lab);
    lab.apply(&mut model).map_err(|e| Failure::usage(e.render(output.colour())))?;
    Ok(model)
}

/// A hint: the nearest of the names there are, or all of them.
pub fn did_you_mean(word: &str, what: &str, names: &[&str]) -> String {
    // Two instances may have a container of one name.
    let mut seen = std::collections::BTreeSet::new();
    lab::diagnostic::known_names(word, what, names.iter().copied().filter(|name| seen.insert(*name)))
}

/// Files of the disk; an include is meant from the folder of the file that includes it. `-` is standard input.
pub struct Disk;

impl Files for Disk {
    fn read(&self, name: &str, from: Option<&str>) -> std::result::Result<(String, String), String> {
        use std::io::Read;
        let mut text = String::new();
        // One byte more than a lab file may have tells one that is too large; a device cannot fill the memory.
        let most = lab::yaml::MAX_BYTES as u64 + 1;
        if name == "-" && from.is_none() {
            std::io::stdin().take(most).read_to_string(&mut text).map_err(|e| e.to_string())?;
            return Ok(("<stdin>".to_owned(), text));
        }
        let beside = from.and_then(|from| Path::new(from).parent()).map_or_else(PathBuf::new, Path::to_owned);
        let path = beside.join(name);
        let file = std::fs::File::open(&path).map_err(|e| e.to_string())?;
        file.take(most).read_to_string(&mut text).map_err(|e| e.to_string())?;
        Ok((path.display().to_string(), text))
    }

    /// The daemon works elsewhere: it needs the whole path.
    fn place(&self, name: &str, from: Option<&str>) -> String {
        let beside = from.and_then(|from| Path::new(from).parent()).map_or_else(PathBuf::new, Path::to_owned);
        let path = beside.join(name);
        std::path::absolute(&path).unwrap_or(path).display().to_string()
    }

    fn is_there(&self, place: &str) -> bool {
        Path::new(place).exists()
    }
}
