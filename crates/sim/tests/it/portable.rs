//! The simulator and all it stands on build on any system: no crate of theirs is Linux's, and no line asks which system it is.

use std::path::{Path, PathBuf};

/// Rooms that `vpclab sim` is made of.
const ROOMS: [&str; 8] = ["model", "fabric", "proof", "wire", "sim", "diagram", "lab", "screen"];

/// Rooms and crates that know Linux.
const LINUX: [&str; 12] =
    ["netlink", "sandbox", "linux", "container", "docker", "control", "heap", "rustix", "libc", "nix", "tokio", "hyper"];

fn room(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// Names below `[dependencies]` of a manifest.
fn dependencies(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(room(name).join("Cargo.toml")).expect("a manifest");
    let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_room_below_the_simulator_depends_on_linux() {
    let mut todo: Vec<String> = ROOMS.map(str::to_owned).to_vec();
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = todo.pop() {
        if seen.contains(&name) {
            continue;
        }
        let is_room = room(&name).join("Cargo.toml").exists();
        assert!(!LINUX.contains(&name.as_str()), "{name} is among the dependencies of the simulator's rooms");
        if is_room {
            todo.extend(dependencies(&name));
        }
        seen.push(name);
    }
    assert!(ROOMS.iter().all(|name| seen.iter().any(|seen| seen == name)) && seen.len() > ROOMS.len() + 5, "{seen:?}");
}

#[test]
fn no_line_of_them_asks_which_system_it_is_or_needs_one() {
    for name in ROOMS {
        let mut files = Vec::new();
        sources(&room(name).join("src"), &mut files);
        assert!(!files.is_empty(), "{name} has sources");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            // Containers are taken apart where there are any: on Linux, in modules that nobody else has.
            if name == "diagram" && file.to_string_lossy().contains("anatomy") {
                continue;
            }
            let text = if name == "diagram" { text.replace("#[cfg(target_os = \"linux\")]\n", "") } else { text };
            for word in ["target_os", "cfg(unix)", "std::os::", "std::process::Command", "SystemTime::now", "Instant::now"] {
                assert!(!text.contains(word), "{}: {word}", file.display());
            }
        }
    }
}
