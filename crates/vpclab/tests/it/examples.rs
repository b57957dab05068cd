//! The lab files in `examples/`: legal, true on every engine, and each true because of the line that it is about.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
const ENGINES: [&str; 2] = ["proof", "linux"];

fn vpclab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", scratch!("home")).output().unwrap()
}

fn examples() -> Vec<PathBuf> {
    let paths = std::fs::read_dir(EXAMPLES).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    paths.sort();
    assert!(paths.len() >= 5, "{paths:?}");
    paths
}

/// The lines of `test` that begin with `FAIL`, without what follows the word.
fn broken(file: &Path, engine: &str) -> Vec<String> {
    let done = vpclab(&["test", "-f", file.to_str().unwrap(), "--engine", engine]);
    let out = String::from_utf8(done.stdout).unwrap();
    let broken: Vec<String> = out.lines().filter_map(|line| line.strip_prefix("FAIL ")).map(str::to_owned).collect();
    assert_eq!(done.status.code(), Some(i32::from(!broken.is_empty())), "{out}{}", String::from_utf8_lossy(&done.stderr));
    assert!(out.lines().last().unwrap().ends_with(&format!("{} failed", broken.len())), "{out}");
    broken
}

#[test]
fn every_example_is_legal_and_says_what_it_shows() {
    for path in examples() {
        let done = vpclab(&["validate", path.to_str().unwrap()]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (text, name) = (std::fs::read_to_string(&path).unwrap(), path.file_name().unwrap().to_str().unwrap());
        assert!(text.starts_with(&format!("# {name}: ")), "{name} starts with its name");
        let comment: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.join("\n").contains(&format!("vpclab test -f {name}")), "{name} says how to try it");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{name} fits on a screen");
    }
}

#[test]
fn every_example_keeps_its_promises_on_every_engine() {
    for path in examples() {
        for engine in ENGINES {
            assert_eq!(broken(&path, engine), Vec::<String>::new(), "{} on {engine}", path.display());
        }
    }
}

/// One edit of an example, and the claims that it breaks.
struct Edit {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    breaks: &'static [&'static str],
}

#[test]
fn each_promise_holds_because_of_the_line_that_it_is_about() {
    let edits = [
        // Zone c has lost its way out; zone a keeps its own, yet the claim speaks of both.
        Edit {
            file: "three-tier.yaml",
            from: "app-c: { az: c, cidr: /24, route: nat@web-c }",
            to: "app-c: { az: c, cidr: /24, route: none }",
            breaks: &["app-1, app-2 -> internet tcp/443: allowed via nat"],
        },
        Edit {
            file: "three-tier.yaml",
            from: "tcp/5432 from sg:app, sg:db ",
            to: "tcp/5432 from sg:app, sg:web ",
            breaks: &["db-1 -> db-2 tcp/5432: open", "web-1, web-2 -> db-1, db-2 tcp/5432: blocked by sg:db"],
        },
        // The answer of core finds no way back.
        Edit {
            file: "peering.yaml",
            from: "          10.1.0.0/16: peering shop-core\n",
            to: "",
            breaks: &["web-1 -> api-1 tcp/443: open", "api-1 -> web-1, ledger-1 tcp/443: open"],
        },
        // With a peering of their own the ends would reach each other.
        Edit {
            file: "peering.yaml",
            from: "  shop-core:   [shop, core]",
            to: "  ends: { vpcs: [shop, ledger], routes: true }\n  shop-core:   [shop, core]",
            breaks: &["ledger-1 -> 10.1.0.10 tcp/443: no route"],
        },
        // What spokes know of each other leads further than the blackhole.
        Edit {
            file: "transit-gateway.yaml",
            from: "        propagations: [shared]\n",
            to: "        propagations: [shared, orders, payments]\n",
            breaks: &["order-1 -> payment-1 tcp/443: blocked by tgw", "payment-1 -> order-1 tcp/443: blocked by tgw"],
        },
        // Answers of the internet stop at the NAT gateway's subnet.
        Edit {
            file: "transit-gateway.yaml",
            from: "routes: { 0.0.0.0/0: igw, 10.0.0.0/8: tgw hub }",
            to: "routes: { 0.0.0.0/0: igw }",
            breaks: &["order-1, payment-1 -> internet tcp/443: allowed via nat"],
        },
        Edit {
            file: "middlebox.yaml",
            from: "source_dest_check: false",
            to: "source_dest_check: true",
            breaks: &["app-1 -> db-1 tcp/5432: open", "app-1 -> internet tcp/443: allowed via nat"],
        },
        Edit {
            file: "middlebox.yaml",
            from: ", forward: true",
            to: "",
            breaks: &["app-1 -> db-1 tcp/5432: open", "app-1 -> internet tcp/443: allowed via nat"],
        },
        // One way round: questions pass the inspector by, answers reach it, and it remembers no question. What arrives
        // is exposed, answered or not.
        Edit {
            file: "middlebox.yaml",
            from: "          10.0.3.0/24: instance inspector      # to the database\n",
            to: "",
            breaks: &["app-1 -> db-1 tcp/5432: open", "app-1 -> db-1 tcp/22: blocked by sg:inspector"],
        },
        // The second defence gone, the mistake in the first one does harm.
        Edit {
            file: "bastion.yaml",
            from: "route: nat@public, acl: internal",
            to: "route: nat@public",
            breaks: &["web-1 -> db-1 tcp/22: blocked by acl:internal"],
        },
        // The mistake mended, the first defence would have been enough; the claim names the second, which comes first.
        Edit { file: "bastion.yaml", from: "tcp/22 from anywhere ", to: "tcp/22 from sg:bastion ", breaks: &[] },
        // Stateless: without an entry for answers there are none.
        Edit {
            file: "bastion.yaml",
            from: "    - 100 allow out tcp/1024-65535 to 192.168.0.0/24 ",
            to: "    - 100 deny out tcp/1024-65535 to 192.168.0.0/24 ",
            breaks: &["bastion -> web-1, db-1 tcp/22: open", "web-1 -> db-1 tcp/3306: open"],
        },
        // Without the condition the right is one over everything.
        Edit {
            file: "iam.yaml",
            from: " if StringEquals ec2:ResourceTag/env dev",
            to: "",
            breaks: &["user dev ec2:StopInstances on instance web: denied"],
        },
        Edit {
            file: "iam.yaml",
            from: "policies: AdministratorAccess, boundary: no-more-than-ec2",
            to: "policies: AdministratorAccess",
            breaks: &["user contractor iam:*: denied"],
        },
        Edit {
            file: "iam.yaml",
            from: "emergency: { trust: user dev,",
            to: "emergency: { trust: user contractor,",
            breaks: &["user dev sts:AssumeRole on role emergency: allowed"],
        },
    ];
    for (index, edit) in edits.iter().enumerate() {
        let text = std::fs::read_to_string(format!("{EXAMPLES}/{}", edit.file)).unwrap();
        assert_eq!(text.matches(edit.from).count(), 1, "{}: `{}` is not there once", edit.file, edit.from);
        let path = PathBuf::from(scratch!("edit-{index}-{}", edit.file));
        std::fs::write(&path, text.replace(edit.from, edit.to)).unwrap();
        for engine in ENGINES {
            assert_eq!(broken(&path, engine), edit.breaks, "{} with `{}` on {engine}", edit.file, edit.to);
        }
    }
}
