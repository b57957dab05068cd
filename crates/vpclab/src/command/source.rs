//! Where a command's cloud comes from: the lab file given, here or in a parent folder.

use std::path::{Path, PathBuf};

use lab::{Files, Lab};
use model::{Context, Model};

use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Account of every lab.
const ACCOUNT: &str = "000000000000";

/// The lab file meant: as given, else the one here or in a parent folder.
pub fn find(given: Option<&Path>, global: &Global) -> Result<PathBuf> {
    find_if_any(given, global)?.ok_or_else(|| {
        let failure = Failure::usage("no lab file here or in a parent folder (vpclab.yaml, *.cloud.yaml)");
        failure.hint("say which one with -f FILE, or write one: vpclab init")
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

/// Reads a lab file.
pub fn load(path: &Path, output: &Output) -> Result<Lab> {
    lab::load(&path.to_string_lossy(), &Disk).map_err(|e| Failure::usage(e.render(output.colour())))
}

/// Whether two paths lead to one file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

/// The name of the lab in a file, from the file's own name where its content cannot be read.
pub fn name_of(path: &Path) -> String {
    lab::load(&path.to_string_lossy(), &Disk).map_or_else(|_| lab::load::stem(&path.to_string_lossy()), |lab| lab.name)
}

/// A cloud without anything, in which the lab's ids are the same every time.
pub fn empty(lab: &Lab) -> Model {
    // FNV-1a: two labs have different ids, one lab has the same ids on every machine.
    let seed = lab.name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Model::new(ACCOUNT, lab.region(), Context::seeded(seed, control::host::now()))
}

/// The cloud that a lab file describes.
pub fn cloud(lab: &Lab, output: &Output) -> Result<Model> {
    let mut model = empty(lab);
    lab.apply(&mut model).map_err(|e| Failure::usage(e.render(output.colour())))?;
    Ok(model)
}

/// A hint: the nearest of the names there are, or all of them.
pub fn did_you_mean(word: &str, what: &str, names: &[&str]) -> String {
    lab::diagnostic::known_names(word, what, names.iter().copied())
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
}
