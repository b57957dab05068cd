//! What the files behind an image look like, so that a change of them is seen without building or loading anything.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::context::{DOCKERFILE, read_inside};
use super::dockerfile::line::LONGEST;
use super::error::{Error, Result};
use super::ignore::Ignore;
use crate::digest::Digest;
use crate::store::Store;

/// Files of a context that are looked at; what is beyond them is not.
const MOST: usize = 100_000;

/// Differs when a build of `folder` may come out another than before: by names, lengths, permissions and times of the files
/// that `.dockerignore` leaves in, and by the images that `FROM` names.
pub fn of_build(store: &Store, folder: &Path, dockerfile: Option<&str>) -> Result<String> {
    let name = dockerfile.unwrap_or(DOCKERFILE);
    let read = |name: &str| Ok::<_, Error>(read_inside(folder, name, LONGEST as u64)?.map(|text| String::from_utf8_lossy(&text).into_owned()));
    let own = read(&format!("{name}.dockerignore"))?;
    let ignored = own.map_or_else(|| read(".dockerignore"), |text| Ok(Some(text)))?.unwrap_or_default();
    let ignore = Ignore::parse(&ignored).map_err(|(line, why)| Error::Context(format!(".dockerignore:{line}: {why}")))?;
    let recipe = read(name)?.unwrap_or_default();
    let mut lines = vec![recipe.clone()];
    for line in recipe.lines().map(str::trim_start) {
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"))
            && let Some(base) = words.find(|word| !word.starts_with("--"))
            && let Ok(image) = store.find(base)
        {
            lines.push(image.id.to_string());
        }
    }
    walk(folder, "", &ignore, &mut lines)?;
    Ok(Digest::of(lines.join("\n").as_bytes()).to_string())
}

/// The same of an archive, or of the folder of an OCI layout.
pub fn of_archive(path: &Path) -> Result<String> {
    let mut lines = Vec::new();
    match path.is_dir() {
        true => walk(path, "", &Ignore::default(), &mut lines)?,
        false => lines.push(looks(&fs::metadata(path).map_err(Error::io(format!("looking at {}", path.display())))?)),
    }
    Ok(Digest::of(lines.join("\n").as_bytes()).to_string())
}

fn looks(found: &fs::Metadata) -> String {
    // A folder's length and time change with files that are ignored.
    let (bytes, time) = if found.is_dir() { (0, (0, 0)) } else { (found.len(), (found.mtime(), found.mtime_nsec())) };
    format!("{:o} {bytes} {}.{}", found.mode(), time.0, time.1)
}

fn walk(folder: &Path, path: &str, ignore: &Ignore, lines: &mut Vec<String>) -> Result<()> {
    let reading = || Error::io::<std::io::Error>(format!("reading {}", folder.display()));
    let mut names: Vec<_> = fs::read_dir(folder).map_err(reading())?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let inner = if path.is_empty() { name.to_string_lossy().into_owned() } else { format!("{path}/{}", name.to_string_lossy()) };
        let is_ignored = ignore.ignores(&inner);
        if lines.len() >= MOST || (is_ignored && !ignore.takes_back()) {
            continue;
        }
        // Somebody may have removed it meanwhile.
        let Ok(found) = fs::symlink_metadata(folder.join(&name)) else { continue };
        if !is_ignored {
            lines.push(format!("{inner} {}", looks(&found)));
        }
        if found.is_dir() {
            walk(&folder.join(&name), &inner, ignore, lines)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_with_files_that_a_build_sees_and_with_no_other() {
        let temporary = tempfile::tempdir().unwrap();
        let store = Store::open(&temporary.path().join("store")).unwrap();
        let folder = temporary.path().join("context");
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::create_dir_all(folder.join("out")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("Dockerfile", "FROM scratch\nCOPY src /\n");
        write(".dockerignore", "out\n");
        write("src/a", "1");
        let stamp = || of_build(&store, &folder, None).unwrap();
        let first = stamp();
        assert_eq!(stamp(), first);
        write("out/log", "x");
        assert_eq!(stamp(), first, "it is ignored");
        write("src/a", "12");
        let second = stamp();
        assert_ne!(second, first);
        write("src/b", "");
        assert_ne!(stamp(), second);
        let archive = temporary.path().join("a.tar");
        fs::write(&archive, "1").unwrap();
        let first = of_archive(&archive).unwrap();
        fs::write(&archive, "12").unwrap();
        assert_ne!(of_archive(&archive).unwrap(), first);
        assert!(of_archive(&temporary.path().join("none")).is_err());
    }
}
