//! What passes the places of a lab, frame by frame: the simulator's against the kernel's.
#![cfg(target_os = "linux")]

use conformance::frames::Both;
use conformance::fuzz::lab_of;

/// Lines that were compared, and what differs, in words.
fn compared(mut both: Both) -> (usize, Vec<String>) {
    let (mut lines, mut differences) = (0, Vec::new());
    both.run(|compared| {
        lines += compared.lines;
        let told = compared.difference.as_ref().map(|difference| difference.told("sim", "linux"));
        differences.extend(told.map(|told| format!("{}\n{told}", compared.scene)));
    })
    .unwrap();
    (lines, differences)
}

#[test]
fn simulator_and_kernel_send_the_same_frames() {
    let (lines, differences) = compared(Both::built_in().unwrap());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(lines >= 500, "{lines} lines were compared");
}

/// `VPCLAB_FUZZ_SEED=N` begins elsewhere, `VPCLAB_FUZZ_LABS=N` takes more clouds.
#[test]
fn probes_of_random_clouds_are_the_same_frames_on_both() {
    let number = |name: &str, usual: u64| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let (first, labs) = (number("VPCLAB_FUZZ_SEED", 1), number("VPCLAB_FUZZ_LABS", 2));
    for seed in first..first + labs {
        let (lines, differences) = compared(Both::of_lab(&lab_of(seed), seed, 15).unwrap());
        assert!(differences.is_empty(), "seed {seed}\n{}", differences.join("\n"));
        assert!(lines > 0, "seed {seed}: nothing passed");
    }
}

/// Clouds whose probes once were other frames: a system with two interfaces that asks itself, a datagram for a group, a service
/// behind an endpoint.
#[test]
fn clouds_that_differed_once_do_so_no_more() {
    for seed in [107, 3, 202, 555, 777] {
        let (lines, differences) = compared(Both::of_lab(&lab_of(seed), seed, 15).unwrap());
        assert!(differences.is_empty() && lines > 0, "seed {seed}\n{}", differences.join("\n"));
    }
}
