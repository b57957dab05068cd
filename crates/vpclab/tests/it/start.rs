//! `init` and `explain` as a person types them.

use std::path::Path;
use std::process::{Command, Output};

fn vpclab(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1").env_remove("VPCLAB_FILE").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A new empty folder.
fn folder(name: &str) -> std::path::PathBuf {
    scratch_folder!("{name}")
}

#[test]
fn what_init_writes_is_legal_and_keeps_its_promises() {
    let here = folder("init");
    let names = text(&vpclab(&here, &["init", "--template", "list", "-o", "name"]).stdout);
    assert!(names.lines().count() >= 5, "{names}");
    for name in names.lines() {
        let file = format!("{name}.yaml");
        let done = vpclab(&here, &["init", "--template", name, &file]);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        let written = std::fs::read_to_string(here.join(&file)).unwrap();
        assert!(written.contains(&format!("vpclab test -f {file}")) || !written.contains("vpclab test"), "{written}");
        let tried = vpclab(&here, &["test", "-f", &file, "--engine", "proof"]);
        assert_eq!(tried.status.code(), Some(0), "{name}: {}{}", text(&tried.stdout), text(&tried.stderr));
    }
    let done = vpclab(&here, &["init"]);
    assert_eq!(text(&done.stdout), "vpclab.yaml: template shop. Try: vpclab test -f vpclab.yaml\n");
    assert_eq!(text(&vpclab(&here, &["validate"]).stdout), "shop is legal\n", "the file that every command finds");
}

#[test]
fn init_overwrites_nothing() {
    let here = folder("init-twice");
    std::fs::write(here.join("vpclab.yaml"), "mine\n").unwrap();
    let done = vpclab(&here, &["init"]);
    assert_eq!(done.status.code(), Some(2));
    assert_eq!(text(&done.stderr), "error: vpclab.yaml is there already; nothing is overwritten\nhint: vpclab init OTHER.yaml, or - to look at it first\n");
    assert_eq!(std::fs::read_to_string(here.join("vpclab.yaml")).unwrap(), "mine\n");
    // A dangling link is something that is there, too.
    std::os::unix::fs::symlink(here.join("elsewhere.yaml"), here.join("link.yaml")).unwrap();
    assert_eq!(vpclab(&here, &["init", "link.yaml"]).status.code(), Some(2));
    assert!(!here.join("elsewhere.yaml").exists());
    assert!(text(&vpclab(&here, &["init", "-"]).stdout).contains("security_groups:"));
}

#[test]
fn init_writes_the_file_that_f_names() {
    let here = folder("init-f");
    let done = vpclab(&here, &["init", "-f", "mine.yaml"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(here.join("mine.yaml").is_file() && !here.join("vpclab.yaml").exists());
    let again = vpclab(&here, &["init", "-f", "mine.yaml"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("mine.yaml is there already"), "{}", text(&again.stderr));
    let two = vpclab(&here, &["init", "-f", "mine.yaml", "other.yaml"]);
    assert_eq!(two.status.code(), Some(2));
    assert!(text(&two.stderr).contains("two files: other.yaml and -f mine.yaml"), "{}", text(&two.stderr));
    assert!(!here.join("other.yaml").exists());
}

#[test]
fn init_says_what_is_wrong_with_what_was_typed() {
    let here = folder("init-wrong");
    for (arguments, wanted) in [
        (&["init", "-t", "three-teir"][..], "did you mean `three-tier`?"),
        (&["init", "-t", "x"][..], "there are shop, three-tier, "),
        (&["init", "deep/down/lab.yaml"][..], "mkdir -p deep/down"),
        (&["init", "-o", "json"][..], "does not print as json"),
    ] {
        let done = vpclab(&here, arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}");
        assert!(text(&done.stderr).contains(wanted), "{arguments:?}: {}", text(&done.stderr));
    }
    assert_eq!(std::fs::read_dir(&here).unwrap().count(), 0);
}

#[test]
fn explain_tells_title_reason_and_example_however_the_code_is_written() {
    let here = folder("explain");
    let wanted = "VL0312: an unknown security group\n\nNo group of this name in the lab. Groups inside a VPC are `vpc/name` from \
                  outside it.\n\n    - tcp/3306 from sg:web\n";
    for written in ["VL0312", "vl0312", "312", "[VL0312]"] {
        let done = vpclab(&here, &["explain", written]);
        assert_eq!((text(&done.stdout).as_str(), done.status.code()), (wanted, Some(0)), "{written}");
    }
    let all = text(&vpclab(&here, &["explain", "-o", "name"]).stdout);
    assert!(all.lines().count() > 60 && all.lines().all(|code| vpclab(&here, &["explain", code]).status.success()));
    let json: serde_json::Value = serde_json::from_slice(&vpclab(&here, &["explain", "VL0501", "--json"]).stdout).unwrap();
    assert_eq!(json["title"], "the cloud refuses");
}

#[test]
fn explain_guesses_which_code_was_meant() {
    let here = folder("explain-wrong");
    for (written, wanted) in [("VL0309", "did you mean `VL0308`?"), ("VL0l01", "did you mean `VL0001`?"), ("VL9999", "lists all"), ("subnet", "lists all")] {
        let done = vpclab(&here, &["explain", written]);
        assert_eq!(done.status.code(), Some(2));
        let error = text(&done.stderr);
        assert!(error.contains(wanted) && error.contains(&format!("`{written}` is not an error code")), "{error}");
    }
}
