//! What passes the places of a lab, frame by frame: the simulator's against the kernel's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed test")]

sandbox::reexec_in_tests!();

use conformance::frames::{Both, Compared};

/// What differs, in words.
fn told(compared: &Compared) -> Option<String> {
    let difference = compared.difference.as_ref()?;
    Some(format!("{}\n{}", compared.scene, difference.told("sim", "linux")))
}

#[test]
fn simulator_and_kernel_send_the_same_frames() {
    let (mut differences, mut lines) = (Vec::new(), 0);
    Both::built_in().unwrap().run(|compared| {
        lines += compared.lines;
        if std::env::var_os("SHOW").is_some() {
            for (sim, linux) in compared.sim.iter().zip(&compared.linux) {
                eprintln!("{} | {} {}\n  sim   {:#?}\n  linux {:#?}", compared.scene, sim.place, sim.flow, sim.lines, linux.lines);
            }
        }
        differences.extend(told(compared));
    }).unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(lines >= 500, "{lines} lines were compared");
}
