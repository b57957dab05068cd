//! Every file of tests belongs to a program.

use std::path::Path;

#[test]
fn no_file_of_tests_is_forgotten_by_the_program_of_its_room() {
    let mut rooms = 0;
    for room in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap() {
        let folder = room.unwrap().path().join("tests/it");
        let Ok(program) = std::fs::read_to_string(folder.join("main.rs")) else { continue };
        rooms += 1;
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_module = entry.join("mod.rs").exists() || entry.extension().is_some_and(|ending| ending == "rs");
            let name = entry.file_stem().unwrap().to_str().unwrap();
            let is_declared = name == "main" || program.lines().any(|line| line.ends_with(&format!("mod {name};")));
            assert!(!is_module || is_declared, "{}: no `mod {name};` in main.rs: it never runs", entry.display());
        }
    }
    assert!(rooms > 0);
}
