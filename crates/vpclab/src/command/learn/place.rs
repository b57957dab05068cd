//! Where the lab file of a lesson lies, and putting it there.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use lesson::{LESSONS, Language, Lesson};

use crate::cli::Global;
use crate::exit::{Failure, Result};

/// A lesson that somebody takes.
pub struct Begun {
    /// The lesson.
    pub lesson: &'static Lesson,
    /// Its lab file.
    pub path: PathBuf,
}

/// The file's name: commands in its folder find it without being told.
fn file_name(lesson: &Lesson) -> String {
    format!("{}.cloud.yaml", lesson.name)
}

/// Puts the lab file where a lesson is taken, unless one is there. The file, and whether it is new.
pub fn begin(lesson: &Lesson, folder: Option<&Path>, language: Language) -> Result<(PathBuf, bool)> {
    let here = PathBuf::from(file_name(lesson));
    if folder.is_none() && here.is_file() {
        return Ok((here, false));
    }
    let folder = folder.unwrap_or(Path::new(lesson.name));
    let path = folder.join(file_name(lesson));
    std::fs::create_dir_all(folder).map_err(|error| {
        let other = match language {
            Language::English => format!("vpclab learn {} FOLDER", lesson.name),
            Language::Korean => format!("다른 폴더에: vpclab learn {} 폴더", lesson.name),
        };
        Failure::usage(format!("{}: {error}", folder.display())).hint(other)
    })?;
    Ok(match write_new(&path, lesson.lab)? {
        true => (path, true),
        false => (path, false),
    })
}

/// Writes a file that is not there yet; whether it was so.
pub fn write_new(path: &Path, text: &str) -> Result<bool> {
    let failed = |error: std::io::Error| Failure::environment(format!("{}: {error}", path.display()));
    let mut file = match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a lab file helps nobody.
        let _ = std::fs::remove_file(path);
        failed(error)
    })?;
    Ok(true)
}

/// The lessons that are meant: the one of the name, of the file after -f, or of this folder; else all in folders here. Never
/// none. Errors: none was begun.
pub fn begun(name: Option<&str>, global: &Global, language: Language) -> Result<Vec<Begun>> {
    let named = name.map(|name| super::find(name, language)).transpose()?;
    if let Some(path) = &global.file {
        let of_file =
            || LESSONS.iter().find(|lesson| path.file_name().is_some_and(|file| file == file_name(lesson).as_str()));
        let lesson = named.or_else(of_file).ok_or_else(|| {
            let file = path.display();
            match language {
                Language::English => Failure::usage(format!("which lesson is {file} of?")).hint("name it: vpclab learn check LESSON -f FILE"),
                Language::Korean => {
                    Failure::usage(format!("{file}: 어느 강의의 파일인가요?")).hint("강의 이름을 적으세요: vpclab learn check 강의 -f 파일")
                }
            }
        })?;
        return Ok(vec![Begun { lesson, path: path.clone() }]);
    }
    let candidates = || LESSONS.iter().filter(|lesson| named.is_none_or(|named| named.name == lesson.name));
    let at = |path: fn(&Lesson) -> PathBuf| {
        let begun = candidates().map(|lesson| Begun { lesson, path: path(lesson) });
        begun.filter(|begun| begun.path.is_file()).collect::<Vec<_>>()
    };
    let here = at(|lesson| PathBuf::from(file_name(lesson)));
    let found = if here.is_empty() { at(|lesson| Path::new(lesson.name).join(file_name(lesson))) } else { here };
    if found.is_empty() {
        return Err(none_begun(named, language));
    }
    Ok(found)
}

fn none_begun(named: Option<&Lesson>, language: Language) -> Failure {
    let name = named.map(|lesson| lesson.name);
    match language {
        Language::English => {
            let what = name.map_or_else(|| "no lesson was begun here".to_owned(), |name| format!("lesson {name} was not begun here"));
            Failure::usage(what).hint(format!("vpclab learn {} begins one; in another folder, say -f FILE", name.unwrap_or("LESSON")))
        }
        Language::Korean => {
            let what = name.map_or_else(|| "여기에서 시작한 강의가 없습니다".to_owned(), |name| format!("여기에서 시작한 강의가 아닙니다: {name}"));
            Failure::usage(what).hint(format!("시작: vpclab learn {}. 다른 폴더에 있다면 -f 파일", name.unwrap_or("강의")))
        }
    }
}
