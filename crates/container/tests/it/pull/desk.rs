//! A registry with one image, what to ask it with, and what a store has after that.

use std::time::Duration;

use container::oci;
use container::registry::{Failure, Pulled, Settings, Unwatched, pull};
use container::{Error, Reference, Store};

use crate::common::server::*;
use crate::common::*;

pub fn settings() -> Settings {
    impatient(Duration::from_secs(5))
}

pub fn take(store: &Store, name: &str, settings: &Settings) -> container::Result<Pulled> {
    pull(store, &name.parse().unwrap(), settings, &Unwatched)
}

pub fn layer(name: &str) -> Vec<u8> {
    files(&[(name, name.as_bytes())])
}

/// One image of some layers, tagged `1`.
pub fn shelf(layers: &[Vec<u8>]) -> Shelf {
    let mut shelf = Shelf::default();
    let manifest = shelf.image(layers, gzip);
    shelf.tag("1", oci::MANIFEST, manifest);
    shelf
}

pub fn failure(error: Error) -> Failure {
    match error {
        Error::Registry(failure) => failure,
        other => panic!("{other}"),
    }
}

pub fn names(store: &Store) -> Vec<String> {
    store.images().unwrap().iter().flat_map(|image| &image.names).map(Reference::to_string).collect()
}

/// Nothing of a pull that failed shows, and nothing is left once it is pruned.
pub fn is_empty(store: &Store) {
    assert_eq!(store.images().unwrap(), []);
    store.prune(false, &Default::default()).unwrap();
    let left: Vec<String> = all_files(store.root())
        .into_iter()
        .filter(|path| path.starts_with("blobs/sha256/") || path.starts_with("partial/"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
