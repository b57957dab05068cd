//! Commands that probe go to the lab that is up under the file's name.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::time::Duration;

use control::api::Wanted;
use model::claim::Claim;
use model::{Context, Model, Timestamp};

use crate::shop::{Disk, SHOP, Shop, text};

fn model_of(path: &Path) -> (String, Model, Vec<Claim>) {
    let lab = lab::load(&path.to_string_lossy(), &Disk).unwrap();
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp::default()));
    assert!(lab.apply(&mut model).is_ok());
    (lab.name.clone(), model, lab.claims())
}

/// What a command prints on both streams, and its exit code.
fn said(own: &Shop, arguments: &[&str]) -> (String, String, Option<i32>) {
    let done = own.vpclab(arguments);
    (text(&done.stdout), text(&done.stderr), done.status.code())
}

#[test]
fn probes_go_to_the_lab_that_is_up_and_a_file_that_was_changed_is_noticed() {
    let own = Shop::empty();
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let path = own.home.path().join("shop.yaml");
    let file = path.to_str().expect("path").to_owned();
    std::fs::write(&path, &shop).expect("file");
    let (name, model, claims) = model_of(&path);
    let wanted = Wanted { base_generation: None, file: Some(path.clone()), model, claims, rights: Vec::new() };
    own.daemon.bring(&name, &wanted, Duration::from_secs(60)).expect("up");

    assert_eq!(said(&own, &["test", "-f", &file]).0.lines().last(), Some("8 passed, 0 failed"));
    let (out, error, code) = said(&own, &["check", "-f", &file, "web-1", "db-1", "tcp/3306"]);
    assert_eq!((out.as_str(), error.as_str(), code), ("web-1 -> 192.168.0.132: open\n", "", Some(0)));
    assert_eq!(said(&own, &["matrix", "-f", &file, "--engine", "proof,linux"]).0, "proof and linux disagree on 0 of 140 probes\n");

    // Where no file is, the only lab that is up is meant.
    assert_eq!(said(&own, &["test", "tcp/22"]).0.lines().last(), Some("3 passed, 0 failed"));
    assert_eq!(said(&own, &["check", "web-1", "db-1:3306"]).0, "web-1 -> 192.168.0.132: open\n");

    // The file moves on, the lab does not.
    std::fs::write(&path, shop.replace("tcp/3306 from sg:web", "tcp/3307 from sg:web")).expect("file");
    for engine in ["linux", "proof"] {
        let (out, error, code) = said(&own, &["check", "-f", &file, "web-1", "db-1", "tcp/3306", "--engine", engine]);
        assert_eq!((out.as_str(), code), ("web-1 -> 192.168.0.132: open\n", Some(0)), "{engine}");
        let said = format!("note: lab shop is up and is what is asked; {file} has ");
        assert!(error.starts_with(&said), "{error}");
    }

    // Down, the file alone speaks.
    own.daemon.take_down(&name).expect("down");
    let (out, error, code) = said(&own, &["check", "-f", &file, "web-1", "db-1", "tcp/3306"]);
    assert_eq!((out.as_str(), error.as_str(), code), ("web-1 -> 192.168.0.132: filtered at sg-in:db-1\n", "", Some(1)));
    let (out, error, code) = said(&own, &["check", "web-1", "db-1", "tcp/3306"]);
    assert!(out.is_empty() && error.contains("no lab file here") && code == Some(2), "{out}{error}");
}
