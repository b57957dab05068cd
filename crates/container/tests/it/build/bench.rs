//! A store and a build context of a test's own, and what is in an image that comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use container::build::{Build, BuildOptions, Context, Error, Progress, Workshop};
use container::engine::Engine;
use container::tar::{Entry, Kind, Reader};
use container::{Image, Limits, Store};

use crate::common;

/// No command is to be run.
pub struct Nowhere;

impl Workshop for Nowhere {
    fn place(&mut self) -> container::build::Result<(&Engine, &str)> {
        Err(Error::Context("nothing runs here".into()))
    }
}

pub struct Bench {
    pub folder: tempfile::TempDir,
    pub store: Store,
}

impl Bench {
    pub fn new(files: &[(&str, &str)]) -> Bench {
        let (folder, store) = common::store();
        let bench = Bench { folder, store };
        fs::create_dir(bench.context()).unwrap();
        files.iter().for_each(|(path, text)| bench.write(path, text));
        bench
    }

    pub fn context(&self) -> std::path::PathBuf {
        self.folder.path().join("context")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.context().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn build_with(&self, options: BuildOptions) -> (Result<Image, Error>, String) {
        self.build_of(Context::Folder(self.context()), options)
    }

    pub fn build_of(&self, context: Context, options: BuildOptions) -> (Result<Image, Error>, String) {
        let mut told = String::new();
        let built = Build { context, options }.run_in(&self.store, &mut Nowhere, &mut |progress: Progress| {
            told.push_str(&progress.line().unwrap_or_default());
        });
        (built, told)
    }

    pub fn build(&self) -> Image {
        let (image, told) = self.build_with(BuildOptions::default());
        image.unwrap_or_else(|error| panic!("{}\n{told}", error.diagnostic()))
    }

    pub fn dockerfile(&self, text: &str) -> Image {
        self.write("Dockerfile", text);
        self.build()
    }

    pub fn error(&self, text: &str) -> String {
        self.write("Dockerfile", text);
        let (built, told) = self.build_with(BuildOptions::default());
        match built {
            Err(error) => error.diagnostic(),
            Ok(image) => panic!("{:?}\n{told}", files(&self.store, &image)),
        }
    }
}

/// Every entry of all layers, with its data.
pub fn entries(store: &Store, image: &Image) -> Vec<(Entry, Vec<u8>)> {
    let mut all = Vec::new();
    for layer in &image.layers {
        let mut reader = Reader::new(store.blobs().open(&layer.digest).unwrap(), "layer", Limits::default());
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            all.push((entry, data));
        }
    }
    all
}

/// Paths with what is in them.
pub fn files(store: &Store, image: &Image) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let one = |(entry, data): (Entry, Vec<u8>)| {
        let content = match entry.kind {
            Kind::File => text(&data),
            Kind::Symlink | Kind::HardLink => format!("-> {}", text(&entry.link)),
            kind => format!("{kind:?}"),
        };
        (text(&entry.path), content)
    };
    entries(store, image).into_iter().map(one).collect()
}

pub fn paths(store: &Store, image: &Image) -> Vec<String> {
    files(store, image).into_keys().collect()
}
