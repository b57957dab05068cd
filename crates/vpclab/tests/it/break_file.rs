//! A hidden mistake in a copy of a lab file: nothing runs, and nothing in the file says what it is.

use std::path::PathBuf;
use std::process::Command;

struct Place(PathBuf);

struct Done {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Place {
    /// A folder of this test's own with the shop in it.
    fn new(name: &str) -> Place {
        let folder = scratch_folder!("{name}");
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml"), folder.join("shop.yaml")).unwrap();
        Place(folder)
    }

    fn vpclab(&self, arguments: &str) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.current_dir(&self.0).env("NO_COLOR", "1").env("VPCLAB_HOME", self.0.join("home")).args(arguments.split_whitespace());
        let done = command.output().unwrap();
        Done { out: String::from_utf8(done.stdout).unwrap(), err: String::from_utf8(done.stderr).unwrap(), code: done.status.code() }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap()
    }
}

/// Lines that differ.
fn edits(one: &str, other: &str) -> usize {
    one.lines().filter(|line| !other.lines().any(|o| o == *line)).count()
}

#[test]
fn a_copy_is_broken_found_and_repaired() {
    let place = Place::new("repair");
    let made = place.vpclab("break -f shop.yaml --kind lost-rule --seed 4");
    assert_eq!((made.out.as_str(), made.code), ("shop.broken.yaml written: something is wrong in it (seed 4)\n", Some(0)), "{}", made.err);
    assert!(!place.0.join("home/run").join("daemon.sock").exists(), "no lab is needed");
    // The file itself is as it was, its copy differs by one ordinary edit and says nothing of it.
    let (whole, broken) = (place.read("shop.yaml"), place.read("shop.broken.yaml"));
    assert_eq!(whole, std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml")).unwrap());
    assert!(edits(&whole, &broken) == 1 && !broken.contains("break") && !broken.contains("gone"), "{broken}");
    assert_eq!(place.vpclab("test --engine proof -f shop.broken.yaml").code, Some(1), "a promise notices it");
    let check = place.vpclab("break check -f shop.broken.yaml");
    assert_eq!((check.out.as_str(), check.code), ("not repaired yet: shop.broken.yaml does not carry what it carried before\n", Some(1)));
    assert_eq!(place.vpclab("break hint -f shop.broken.yaml").out, "look at the security groups\n");
    let reveal = place.vpclab("break reveal -f shop.broken.yaml").out;
    assert!(reveal.starts_with("sg ") && reveal.contains(" is gone  shop.broken.yaml:"), "{reveal}");
    // Written over only when that is said.
    let again = place.vpclab("break -f shop.yaml --seed 5");
    assert_eq!((again.err.as_str(), again.code), ("error: shop.broken.yaml exists\nhint: --force writes over it\n", Some(2)));
    assert_eq!(place.read("shop.broken.yaml"), broken);
    // However it is repaired: here with a comment more than before.
    std::fs::write(place.0.join("shop.broken.yaml"), format!("# mended\n{whole}")).unwrap();
    let check = place.vpclab("break check -f shop.broken.yaml");
    assert!(check.code == Some(0) && check.out.starts_with("repaired, ") && check.out.contains(reveal.trim_end()), "{}{}", check.out, check.err);
    let none = place.vpclab("break check -f shop.broken.yaml");
    assert!(none.code == Some(2) && none.err.starts_with("error: no mistake was made in shop.broken.yaml\n"), "{}", none.err);
}

#[test]
fn a_mistake_is_taken_back_and_edits_since_are_not_lost_unasked() {
    let place = Place::new("undo");
    assert_eq!(place.vpclab("break -f shop.yaml --out hunt.yaml --seed 1").code, Some(0));
    let (whole, broken) = (place.read("shop.yaml"), place.read("hunt.yaml"));
    std::fs::write(place.0.join("hunt.yaml"), format!("{broken}# my notes\n")).unwrap();
    let refused = place.vpclab("break undo -f hunt.yaml");
    assert!(refused.code == Some(2) && refused.err.contains("was edited since"), "{}", refused.err);
    assert_eq!(place.vpclab("break undo -f hunt.yaml --force").code, Some(0));
    assert_eq!(place.read("hunt.yaml"), whole);
    assert_eq!(place.vpclab("break check -f hunt.yaml").code, Some(2));
}

#[test]
fn the_same_seed_makes_the_same_mistake_and_each_kind_is_felt() {
    let place = Place::new("kinds");
    for (name, seed) in [("a", 11), ("b", 11), ("c", 12), ("d", 13), ("e", 14)] {
        let made = place.vpclab(&format!("break -f shop.yaml --out {name}.yaml --seed {seed}"));
        assert_eq!(made.code, Some(0), "{}", made.err);
        let diff = place.vpclab(&format!("diff shop.yaml {name}.yaml --exit-code"));
        assert!(diff.code == Some(1) && !diff.out.contains("connectivity: no change"), "{}", diff.out);
    }
    assert_eq!(place.read("a.yaml"), place.read("b.yaml"));
    let all = ["a", "c", "d", "e"].map(|name| place.read(&format!("{name}.yaml")));
    assert!(all.iter().any(|text| *text != all[0]), "another seed makes another mistake");
    for kind in ["lost-rule", "wrong-rule", "lost-route", "swapped-route-table", "wrong-group", "lost-address"] {
        let made = place.vpclab(&format!("break -f shop.yaml --out {kind}.yaml --kind {kind} --seed 3"));
        assert_eq!(made.code, Some(0), "{kind}: {}", made.err);
    }
    let refused = place.vpclab("break -f shop.yaml --out x.yaml --kind lost-rout");
    assert!(refused.code == Some(2) && refused.err.contains("did you mean `lost-route`?"), "{}", refused.err);
    let own = place.vpclab("break -f shop.yaml --out shop.yaml --force");
    assert!(own.code == Some(2) && own.err.contains("never the file itself"), "{}", own.err);
}
