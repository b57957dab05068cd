//! What is found again instead of being made twice, and what a build that was given up leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::bench::{Bench, Nowhere};
use container::Digest;
use container::build::{Build, BuildOptions, Cancel, Context, Error, Progress};

#[test]
fn the_same_files_are_found_again_whatever_their_times() {
    let bench = Bench::new(&[("a", "1"), ("b", "2")]);
    bench.write("Dockerfile", "FROM scratch\nENV A=1\nCOPY a /a\nLABEL l=x\nCOPY b /b\nCMD [\"/a\"]\n");
    let (first, told) = bench.build_with(BuildOptions::default());
    let first = first.unwrap();
    assert!(told.starts_with("Step 1/6 : FROM scratch\n ---> ") && !told.contains("Using cache"), "{told}");
    assert!(told.ends_with(&format!("Successfully built {}\n", first.id.short())), "{told}");
    // The time of a file is not what it is.
    bench.write("a", "1");
    fs::File::open(bench.context().join("a")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let (again, told) = bench.build_with(BuildOptions::default());
    assert_eq!(again.unwrap().id, first.id);
    assert_eq!(told.matches("Using cache").count(), 5, "{told}");
    let steps: Vec<_> = first.config.history.as_ref().unwrap().iter().map(|step| step.empty_layer).collect();
    assert_eq!(steps, [true, false, true, false, true]);
    // What comes after a change is done anew, what comes before is not.
    bench.write("b", "3");
    let (changed, told) = bench.build_with(BuildOptions::default());
    assert_ne!(changed.unwrap().id, first.id);
    assert_eq!(told.matches("Using cache").count(), 3, "{told}");
    fs::set_permissions(bench.context().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    let (_, told) = bench.build_with(BuildOptions::default());
    assert_eq!(told.matches("Using cache").count(), 1, "{told}");
    let (_, told) = bench.build_with(BuildOptions { no_cache: true, ..BuildOptions::default() });
    assert!(!told.contains("Using cache"), "{told}");
    // Pruning keeps the way to images that are kept.
    bench.store.prune(false, &[first.id].into()).unwrap();
    bench.write("b", "2");
    fs::set_permissions(bench.context().join("a"), fs::Permissions::from_mode(0o644)).unwrap();
    let (again, told) = bench.build_with(BuildOptions::default());
    assert_eq!((again.unwrap().id, told.matches("Using cache").count()), (first.id, 5), "{told}");
    bench.store.prune(true, &Default::default()).unwrap();
    assert!(bench.store.blobs().all().unwrap().is_empty());
    let (_, told) = bench.build_with(BuildOptions::default());
    assert!(!told.contains("Using cache"), "{told}");
}

#[test]
fn with_a_source_date_two_stores_make_the_same_image() {
    let ids = [1, 2].map(|_| {
        let bench = Bench::new(&[("a", "1"), ("Dockerfile", "FROM scratch\nWORKDIR /w\nCOPY a /x/\nENV A=1\n")]);
        let options = BuildOptions { source_date_epoch: Some(1_700_000_000), ..BuildOptions::default() };
        let image = bench.build_with(options).0.unwrap();
        assert_eq!(image.config.created.as_deref(), Some("2023-11-14T22:13:20.000000000Z"));
        image.id
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_build_that_was_given_up_leaves_nothing() {
    let bench = Bench::new(&[("a", "1"), ("Dockerfile", "FROM scratch\nCOPY a /a\nCOPY a /b\n")]);
    let cancel = Cancel::default();
    let options = BuildOptions { cancel: cancel.clone(), names: vec!["x".parse().unwrap()], ..BuildOptions::default() };
    let built =
        Build { context: Context::Folder(bench.context()), options }.run_in(&bench.store, &mut Nowhere, &mut |progress| {
            if matches!(progress, Progress::Step { number: 3, .. }) {
                cancel.cancel();
            }
        });
    assert!(matches!(built, Err(Error::Cancelled)));
    assert!(bench.store.images().unwrap().is_empty());
    assert!(fs::read_dir(bench.store.root().join("work")).unwrap().next().is_none());
    bench.store.prune(false, &Default::default()).unwrap();
    assert!(bench.store.blobs().all().unwrap().is_empty());
}

#[test]
fn two_builds_at_once_do_the_work_once() {
    let bench = Bench::new(&[("Dockerfile", "FROM scratch\nCOPY . /a\nCOPY . /b\nCOPY . /c\n")]);
    for number in 0..200 {
        bench.write(&format!("d/{number}"), &"x".repeat(4_000));
    }
    let ids: Vec<Digest> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.build().id)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
