//! Builds without commands: which files come into an image and which never do, what is found again, and what is refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::{entry, gzip, link, tar};
use container::build::{Build, BuildOptions, Cancel, Context, Error, Progress, Workshop};
use container::engine::Engine;
use container::tar::{Entry, Kind, Reader};
use container::{Digest, Image, Limits, Store};

/// No command is to be run.
struct Nowhere;

impl Workshop for Nowhere {
    fn place(&mut self) -> container::build::Result<(&Engine, &str)> {
        Err(Error::Context("nothing runs here".into()))
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Bench {
        let (folder, store) = common::store();
        let bench = Bench { folder, store };
        fs::create_dir(bench.context()).unwrap();
        files
            .iter()
            .for_each(|(path, text)| bench.write(path, text));
        bench
    }

    fn context(&self) -> std::path::PathBuf {
        self.folder.path().join("context")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.context().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn build_with(&self, options: BuildOptions) -> (Result<Image, Error>, String) {
        self.build_of(Context::Folder(self.context()), options)
    }

    fn build_of(&self, context: Context, options: BuildOptions) -> (Result<Image, Error>, String) {
        let mut told = String::new();
        let built = Build { context, options }.run_in(
            &self.store,
            &mut Nowhere,
            &mut |progress: Progress| {
                told.push_str(&progress.line().unwrap_or_default());
            },
        );
        (built, told)
    }

    fn build(&self) -> Image {
        let (image, told) = self.build_with(BuildOptions::default());
        image.unwrap_or_else(|error| panic!("{}\n{told}", error.diagnostic()))
    }

    fn dockerfile(&self, text: &str) -> Image {
        self.write("Dockerfile", text);
        self.build()
    }

    fn error(&self, text: &str) -> String {
        self.write("Dockerfile", text);
        let (built, told) = self.build_with(BuildOptions::default());
        match built {
            Err(error) => error.diagnostic(),
            Ok(image) => panic!("{:?}\n{told}", files(&self.store, &image)),
        }
    }
}

/// Every entry of all layers, with its data.
fn entries(store: &Store, image: &Image) -> Vec<(Entry, Vec<u8>)> {
    let mut all = Vec::new();
    for layer in &image.layers {
        let mut reader = Reader::new(
            store.blobs().open(&layer.digest).unwrap(),
            "layer",
            Limits::default(),
        );
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut data = Vec::new();
            reader.read_to_end(&mut data).unwrap();
            all.push((entry, data));
        }
    }
    all
}

/// Paths with what is in them.
fn files(store: &Store, image: &Image) -> BTreeMap<String, String> {
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

fn paths(store: &Store, image: &Image) -> Vec<String> {
    files(store, image).into_keys().collect()
}

#[test]
fn files_are_copied_as_docker_copies_them() {
    let bench = Bench::new(&[
        ("a.txt", "a"),
        ("b.txt", "b"),
        ("dir/c", "c"),
        ("dir/deep/d", "d"),
        ("x.md", "x"),
    ]);
    for (copy, expected) in [
        ("COPY a.txt /", "a.txt"),
        ("COPY a.txt /b", "b"),
        ("COPY a.txt /b/", "b/ b/a.txt"),
        ("COPY *.txt /t/", "t/ t/a.txt t/b.txt"),
        ("COPY ?.md x", "x"),
        ("COPY dir /to", "to/ to/c to/deep/ to/deep/d"),
        ("COPY dir/ /to/", "to/ to/c to/deep/ to/deep/d"),
        (
            "COPY [\"a.txt\", \"/with space/\"]",
            "with space/ with space/a.txt",
        ),
        (
            "COPY a.txt dir /all/",
            "all/ all/a.txt all/c all/deep/ all/deep/d",
        ),
        (
            "COPY --parents dir/deep/d a.txt /p/",
            "p/ p/a.txt p/dir/ p/dir/deep/ p/dir/deep/d",
        ),
        ("COPY --parents ./dir/./deep/d /p/", "p/ p/deep/ p/deep/d"),
        (
            "COPY --exclude=*.txt --exclude=dir/deep . /e/",
            "e/ e/Dockerfile e/dir/ e/dir/c e/x.md",
        ),
        ("WORKDIR /work\nCOPY a.txt .", "work/ work/a.txt"),
        (
            "WORKDIR /work\nWORKDIR sub\nCOPY a.txt ../",
            "work/ work/a.txt work/sub/",
        ),
        ("ARG N=a\nCOPY ${N}.txt /$N", "a"),
    ] {
        let image = bench.dockerfile(&format!("FROM scratch\n{copy}\n"));
        assert_eq!(paths(&bench.store, &image).join(" "), expected, "{copy}");
    }
}

#[test]
fn documents_written_in_the_dockerfile_become_files() {
    let bench = Bench::new(&[]);
    let text =
        "FROM scratch\nARG A=1\nCOPY <<one <<-\"two\" /d/\na=$A \\$A\none\n\t\tb=$A\n\ttwo\n";
    let image = bench.dockerfile(text);
    let found = files(&bench.store, &image);
    assert_eq!(
        (found["d/one"].as_str(), found["d/two"].as_str()),
        ("a=1 $A\n", "b=$A\n")
    );
}

#[test]
fn owners_and_modes_are_those_that_are_asked_for() {
    let bench = Bench::new(&[
        ("passwd", "app:x:7:8::/:/bin/sh\n"),
        ("group", "app:x:9:\nweb:x:33:\n"),
        ("f", "f"),
    ]);
    let begin = "FROM scratch\nCOPY passwd group /etc/\n";
    for (flags, owner, mode) in [
        ("", (0, 0), 0o644),
        ("--chown=app", (7, 9), 0o644),
        ("--chown=app:web --chmod=4711", (7, 33), 0o4711),
        ("--chown=5", (5, 5), 0o644),
        ("--chown=5:web", (5, 33), 0o644),
    ] {
        fs::set_permissions(bench.context().join("f"), fs::Permissions::from_mode(0o644)).unwrap();
        let image = bench.dockerfile(&format!("{begin}COPY {flags} f /f\n"));
        let all = entries(&bench.store, &image);
        let (entry, _) = all.iter().find(|(entry, _)| entry.path == b"f").unwrap();
        assert_eq!(
            ((entry.uid, entry.gid), entry.mode),
            (owner, mode),
            "{flags}"
        );
    }
    for (flags, why) in [
        ("--chown=nobody", "the image has no user `nobody`"),
        ("--chown=1:x", "no group `x`"),
        ("--chmod=9", "octal"),
    ] {
        let error = bench.error(&format!("{begin}COPY {flags} f /f\n"));
        assert!(
            error.contains(why) && error.contains("Dockerfile:3:"),
            "{error}"
        );
    }
}

#[test]
fn nothing_from_outside_of_the_context_comes_in() {
    let bench = Bench::new(&[("in/f", "inside")]);
    fs::write(bench.folder.path().join("secret"), "outside").unwrap();
    symlink("../secret", bench.context().join("up")).unwrap();
    symlink(
        bench.folder.path().join("secret"),
        bench.context().join("absolute"),
    )
    .unwrap();
    symlink("..", bench.context().join("parent")).unwrap();
    symlink("/", bench.context().join("root")).unwrap();
    symlink("in/f", bench.context().join("fine")).unwrap();
    symlink("loop", bench.context().join("loop")).unwrap();
    for source in [
        "../secret",
        "/../secret",
        "up",
        "absolute",
        "parent/secret",
        "root/etc/passwd",
        "in/../../secret",
        "loop",
    ] {
        let error = bench.error(&format!("FROM scratch\nCOPY {source} /x\n"));
        assert!(
            error.contains("Dockerfile:2:6") && !error.contains("outside"),
            "{source}: {error}"
        );
    }
    // A link that is named is what it leads to; one in a folder stays a link, wherever it leads.
    let image = bench.dockerfile("FROM scratch\nCOPY fine /fine\nCOPY . /all/\n");
    let found = files(&bench.store, &image);
    assert_eq!(found["fine"], "inside");
    assert_eq!(found["all/up"], "-> ../secret");
    assert!(
        found.values().all(|content| content != "outside"),
        "{found:?}"
    );
    // `parent` is the context itself, as the file system's root is its own parent.
    let image = bench.dockerfile("FROM scratch\nCOPY parent/in /x\n");
    assert_eq!(files(&bench.store, &image)["x/f"], "inside");
}

#[test]
fn an_archive_as_context_leads_nowhere_else_either() {
    let bench = Bench::new(&[]);
    let dockerfile = |text: &str| (entry("Dockerfile", Kind::File), text.as_bytes().to_vec());
    let context = |entries: &[(Entry, Vec<u8>)]| {
        let all: Vec<(Entry, &[u8])> = entries
            .iter()
            .map(|(entry, data)| (entry.clone(), &data[..]))
            .collect();
        Context::Archive(Box::new(std::io::Cursor::new(gzip(&tar(&all)))))
    };
    let copy = dockerfile("FROM scratch\nCOPY x /x\n");
    let fine = context(&[
        copy.clone(),
        (entry("x", Kind::File), b"x".to_vec()),
        (entry(".wh.name", Kind::File), Vec::new()),
    ]);
    let (image, _) = bench.build_of(fine, BuildOptions::default());
    assert_eq!(paths(&bench.store, &image.unwrap()), ["x"]);
    let device = Entry {
        device: (1, 3),
        ..entry("x", Kind::CharacterDevice)
    };
    for (what, entries) in [
        (
            "a path that leads out",
            vec![copy.clone(), (entry("../x", Kind::File), Vec::new())],
        ),
        (
            "a link that leads out",
            vec![
                copy.clone(),
                (link("x", Kind::Symlink, "/etc/passwd"), Vec::new()),
            ],
        ),
        (
            "a hard link that leads out",
            vec![
                copy.clone(),
                (link("x", Kind::HardLink, "/etc/passwd"), Vec::new()),
            ],
        ),
        (
            "a hard link through ..",
            vec![
                copy.clone(),
                (link("x", Kind::HardLink, "../../etc/passwd"), Vec::new()),
            ],
        ),
        (
            "a folder behind a link",
            vec![
                copy.clone(),
                (link("d", Kind::Symlink, "/tmp"), Vec::new()),
                (entry("d/x", Kind::File), Vec::new()),
            ],
        ),
        ("a device", vec![copy.clone(), (device, Vec::new())]),
        (
            "a Dockerfile that leads out",
            vec![(
                link("Dockerfile", Kind::Symlink, "/etc/hostname"),
                Vec::new(),
            )],
        ),
        ("no Dockerfile", vec![(entry("x", Kind::File), Vec::new())]),
    ] {
        let (built, told) = bench.build_of(context(&entries), BuildOptions::default());
        assert!(built.is_err(), "{what}: {told}");
    }
}

#[test]
fn archives_are_unpacked_by_add_and_bombs_are_not() {
    let mut bench = Bench::new(&[("plain.txt", "no archive")]);
    let inner = tar(&[
        (entry("d/", Kind::Directory), b""),
        (entry("d/f", Kind::File), b"data"),
        (link("d/l", Kind::HardLink, "d/f"), b""),
    ]);
    fs::write(bench.context().join("a.tar.gz"), gzip(&inner)).unwrap();
    fs::write(bench.context().join("a.tar"), &inner).unwrap();
    for (add, expected) in [
        ("ADD a.tar.gz /to/", "to/ to/d/ to/d/f to/d/l"),
        ("ADD a.tar /to", "to/ to/d/ to/d/f to/d/l"),
        ("ADD --unpack=false a.tar /to", "to"),
        ("ADD plain.txt /to", "to"),
        ("COPY a.tar.gz /to/", "to/ to/a.tar.gz"),
    ] {
        let image = bench.dockerfile(&format!("FROM scratch\n{add}\n"));
        assert_eq!(paths(&bench.store, &image).join(" "), expected, "{add}");
        if add.starts_with("ADD a") {
            assert_eq!(files(&bench.store, &image)["to/d/l"], "-> to/d/f");
        }
    }
    for (name, entries) in [
        ("up", vec![(entry("../f", Kind::File), &b""[..])]),
        (
            "hard",
            vec![(link("f", Kind::HardLink, "../../etc/passwd"), &b""[..])],
        ),
        (
            "behind",
            vec![
                (link("d", Kind::Symlink, "/etc"), &b""[..]),
                (entry("d/f", Kind::File), &b""[..]),
            ],
        ),
        ("whiteout", vec![(entry(".wh.etc", Kind::File), &b""[..])]),
    ] {
        fs::write(bench.context().join("bad.tar"), tar(&entries)).unwrap();
        let error = bench.error("FROM scratch\nADD bad.tar /\n");
        assert!(error.contains("refused"), "{name}: {error}");
    }
    let cut = &inner[..inner.len() - 1_024];
    fs::write(bench.context().join("bad.tar"), cut).unwrap();
    assert!(
        bench
            .error("FROM scratch\nADD bad.tar /\n")
            .contains("cut off")
    );
    fs::write(bench.context().join("a.tar.xz"), b"\xfd7zXZ\0").unwrap();
    assert!(bench.error("FROM scratch\nADD a.tar.xz /\n").contains("xz"));
    // A megabyte of zeros is a thousand bytes of gzip.
    let bomb = tar(&[(entry("zeros", Kind::File), &vec![0; 1 << 20])]);
    fs::write(bench.context().join("bomb.tar.gz"), gzip(&bomb)).unwrap();
    bench.store.limits.bytes = 100_000;
    let error = bench.error("FROM scratch\nADD bomb.tar.gz /\n");
    assert!(
        error.contains("more than 100.0 kB") && error.contains("Dockerfile:2"),
        "{error}"
    );
}

#[test]
fn a_url_is_fetched_and_its_checksum_counts() {
    let bench = Bench::new(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dir/file.txt", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let count = stream.read(&mut request).unwrap();
            let is_there = request[..count].starts_with(b"GET /dir/file.txt ");
            let status = if is_there { "200 OK" } else { "404 Not Found" };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"hello").unwrap();
        }
    });
    let right = Digest::of(b"hello");
    let image = bench.dockerfile(&format!(
        "FROM scratch\nADD --checksum={right} {url} /to/\n"
    ));
    let all = entries(&bench.store, &image);
    let (found, data) = all
        .iter()
        .find(|(entry, _)| entry.path == b"to/file.txt")
        .unwrap();
    assert_eq!(
        (found.mode, found.mtime.0, &data[..]),
        (0o600, 784_111_777, &b"hello"[..])
    );
    let wrong = Digest::of(b"other");
    let error = bench.error(&format!(
        "FROM scratch\nADD --checksum={wrong} {url} /to/\n"
    ));
    assert!(error.contains("not what its digest promises"), "{error}");
    let error = bench.error(&format!("FROM scratch\nADD {url}x /to/\n"));
    assert!(error.contains("404"), "{error}");
    server.join().unwrap();
    for (line, why) in [
        ("COPY http://a.example/x /", "COPY takes no URL"),
        (
            "ADD https://a.example/x.git /",
            "git repositories are not fetched",
        ),
        (
            "ADD --checksum=sha256:12 Dockerfile /",
            "--checksum is for URLs",
        ),
    ] {
        let error = bench.error(&format!("FROM scratch\n{line}\n"));
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn what_is_ignored_is_not_there() {
    let bench = Bench::new(&[
        ("a.log", "1"),
        ("keep.log", "2"),
        ("src/x", "3"),
        ("src/y.log", "4"),
        (".dockerignore", "**/*.log\n!keep.log\nDockerfile\n"),
    ]);
    let image = bench.dockerfile("FROM scratch\nCOPY . /\n");
    assert_eq!(
        paths(&bench.store, &image),
        [".dockerignore", "keep.log", "src/", "src/x"]
    );
    assert!(
        bench
            .error("FROM scratch\nCOPY a.log /\n")
            .contains("left out by .dockerignore")
    );
    // The one that is named after the Dockerfile goes before.
    bench.write("Dockerfile.dockerignore", "src\n");
    let image = bench.dockerfile("FROM scratch\nCOPY *.log /l/\n");
    assert_eq!(paths(&bench.store, &image), ["l/", "l/a.log", "l/keep.log"]);
}

#[test]
fn the_same_files_are_found_again_whatever_their_times() {
    let bench = Bench::new(&[("a", "1"), ("b", "2")]);
    bench.write(
        "Dockerfile",
        "FROM scratch\nENV A=1\nCOPY a /a\nLABEL l=x\nCOPY b /b\nCMD [\"/a\"]\n",
    );
    let (first, told) = bench.build_with(BuildOptions::default());
    let first = first.unwrap();
    assert!(
        told.starts_with("Step 1/6 : FROM scratch\n ---> ") && !told.contains("Using cache"),
        "{told}"
    );
    assert!(
        told.ends_with(&format!("Successfully built {}\n", first.id.short())),
        "{told}"
    );
    // The time of a file is not what it is.
    bench.write("a", "1");
    fs::File::open(bench.context().join("a"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let (again, told) = bench.build_with(BuildOptions::default());
    assert_eq!(again.unwrap().id, first.id);
    assert_eq!(told.matches("Using cache").count(), 5, "{told}");
    let steps: Vec<_> = first
        .config
        .history
        .as_ref()
        .unwrap()
        .iter()
        .map(|step| step.empty_layer)
        .collect();
    assert_eq!(steps, [true, false, true, false, true]);
    // What comes after a change is done anew, what comes before is not.
    bench.write("b", "3");
    let (changed, told) = bench.build_with(BuildOptions::default());
    assert_ne!(changed.unwrap().id, first.id);
    assert_eq!(told.matches("Using cache").count(), 3, "{told}");
    fs::set_permissions(bench.context().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    let (_, told) = bench.build_with(BuildOptions::default());
    assert_eq!(told.matches("Using cache").count(), 1, "{told}");
    let (_, told) = bench.build_with(BuildOptions {
        no_cache: true,
        ..BuildOptions::default()
    });
    assert!(!told.contains("Using cache"), "{told}");
    // Pruning keeps the way to images that are kept.
    bench.store.prune(false, &[first.id].into()).unwrap();
    bench.write("b", "2");
    fs::set_permissions(bench.context().join("a"), fs::Permissions::from_mode(0o644)).unwrap();
    let (again, told) = bench.build_with(BuildOptions::default());
    assert_eq!(
        (again.unwrap().id, told.matches("Using cache").count()),
        (first.id, 5),
        "{told}"
    );
    bench.store.prune(true, &Default::default()).unwrap();
    assert!(bench.store.blobs().all().unwrap().is_empty());
    let (_, told) = bench.build_with(BuildOptions::default());
    assert!(!told.contains("Using cache"), "{told}");
}

#[test]
fn with_a_source_date_two_stores_make_the_same_image() {
    let ids = [1, 2].map(|_| {
        let bench = Bench::new(&[
            ("a", "1"),
            (
                "Dockerfile",
                "FROM scratch\nWORKDIR /w\nCOPY a /x/\nENV A=1\n",
            ),
        ]);
        let options = BuildOptions {
            source_date_epoch: Some(1_700_000_000),
            ..BuildOptions::default()
        };
        let image = bench.build_with(options).0.unwrap();
        assert_eq!(
            image.config.created.as_deref(),
            Some("2023-11-14T22:13:20.000000000Z")
        );
        image.id
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn only_the_stages_that_are_needed_are_built() {
    let bench = Bench::new(&[("a", "1"), ("b", "2")]);
    bench.write(
        "Dockerfile",
        "ARG base=first\nFROM scratch AS first\nCOPY a /a\nFROM scratch AS never\nCOPY not-there /x\nFROM ${base} AS second\nCOPY b /b\n\
         FROM scratch\nCOPY --from=second / /all/\nCOPY --from=0 /a /zero\nLABEL a=b\nFROM nonsense/that-is:nowhere AS last\n",
    );
    let target = |name: &str| {
        bench.build_with(BuildOptions {
            target: Some(name.into()),
            ..BuildOptions::default()
        })
    };
    let (image, told) = target("3");
    let found = files(&bench.store, &image.unwrap());
    let expected = [
        ("all/", "Directory"),
        ("all/a", "1"),
        ("all/b", "2"),
        ("zero", "1"),
    ];
    assert_eq!(
        found,
        expected
            .map(|(path, content)| (path.to_owned(), content.to_owned()))
            .into()
    );
    assert!(
        told.starts_with("Step 1/9 : ARG base=first\nStep 2/9 : FROM scratch AS first\n")
            && !told.contains("never"),
        "{told}"
    );
    assert_eq!(files(&bench.store, &target("SECOND").0.unwrap()).len(), 2);
    let error = target("secnd").0.unwrap_err().to_string();
    assert!(error.contains("did you mean second?"), "{error}");
}

#[test]
fn arguments_are_seen_where_they_are_declared() {
    let bench = Bench::new(&[]);
    bench.write(
        "Dockerfile",
        "ARG G=global\nFROM scratch\nARG A=default\nARG G\nARG TARGETARCH\nENV E=$A.$G.$NONE.$TARGETARCH\nARG E=hidden\nLABEL e=$E no=$HTTP_PROXY\nFROM scratch AS second\nENV X=${A:-none}${G:-none}\n",
    );
    let given = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let options = BuildOptions {
        arguments: given(&[("A", "given"), ("UNUSED", "x")]),
        target: Some("0".into()),
        ..BuildOptions::default()
    };
    let (image, told) = bench.build_with(options);
    let process = image.unwrap().config.config.unwrap();
    let machine = container::oci::Platform::host().architecture;
    assert_eq!(
        process.env.unwrap().last().unwrap(),
        &format!("E=given.global..{machine}")
    );
    assert_eq!(
        process.labels.unwrap()["e"],
        format!("given.global..{machine}"),
        "the image's variables are above those of the build"
    );
    assert!(
        told.contains("[Warning] One or more build-args [UNUSED] were not consumed"),
        "{told}"
    );
    let process = bench
        .build_with(BuildOptions::default())
        .0
        .unwrap()
        .config
        .config
        .unwrap();
    assert_eq!(process.env.unwrap().last().unwrap(), "X=nonenone");
}

#[test]
fn an_image_says_what_its_dockerfile_says() {
    let bench = Bench::new(&[]);
    let text = "FROM scratch\nMAINTAINER me\nENV A=1 B=\"two words\"\nENV C three words\nEXPOSE 80 53/udp 8000-8001\nVOLUME /data [\nVOLUME [\"/x\"]\n\
                USER app:web\nWORKDIR /w\nSTOPSIGNAL SIGQUIT\nSHELL [\"/bin/bash\", \"-c\"]\nHEALTHCHECK --interval=2s --retries=4 CMD curl x\n\
                ONBUILD COPY . /app\nCMD echo hello\nENTRYPOINT [\"/go\"]\n";
    let image = bench.dockerfile(&text.replace("VOLUME /data [\n", "VOLUME /data\n"));
    let process = image.config.config.clone().unwrap();
    assert_eq!(image.config.author.as_deref(), Some("me"));
    assert_eq!(
        process.env.unwrap()[1..],
        ["A=1", "B=two words", "C=three words"]
    );
    let keys = |map: Option<BTreeMap<String, serde_json::Value>>| {
        map.unwrap().into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        keys(process.exposed_ports),
        ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]
    );
    assert_eq!(keys(process.volumes), ["/data", "/x"]);
    assert_eq!(
        (process.user.as_deref(), process.working_dir.as_deref()),
        (Some("app:web"), Some("/w"))
    );
    assert_eq!(process.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!(process.cmd.unwrap(), ["/bin/bash", "-c", "echo hello"]);
    assert_eq!(process.entrypoint.unwrap(), ["/go"]);
    let check = process.healthcheck.unwrap();
    assert_eq!(
        (check.test.unwrap(), check.interval, check.retries),
        (
            vec!["CMD-SHELL".into(), "curl x".into()],
            Some(2_000_000_000),
            Some(4)
        )
    );
    assert_eq!(process.on_build.unwrap(), ["COPY . /app"]);
    // Whoever builds on top runs the trigger, and has it no more; a new entrypoint takes the old command away.
    let (_, _) = (
        bench
            .store
            .tag(&image.id.to_string(), &"base:1".parse().unwrap())
            .unwrap(),
        (),
    );
    bench.write("file", "f");
    let image = bench.dockerfile("FROM base:1\nENTRYPOINT [\"/other\"]\n");
    let process = image.config.config.clone().unwrap();
    assert_eq!((process.on_build, process.cmd), (None, None));
    assert!(paths(&bench.store, &image).contains(&"app/file".to_owned()));
    let (_, told) = bench.build_with(BuildOptions::default());
    assert!(told.contains("# Executing 1 build trigger\n"), "{told}");
}

#[test]
fn links_of_the_image_lead_to_places_of_the_image() {
    let bench = Bench::new(&[("f", "f"), ("usr/lib/x", "x"), ("root/lib/y", "y")]);
    symlink("/usr/lib", bench.context().join("lib")).unwrap();
    symlink("../../../usr", bench.context().join("u")).unwrap();
    let begin = "FROM scratch\nCOPY usr /usr\nCOPY l* u /\nCOPY . /\n";
    let image = bench.dockerfile(&format!(
        "{begin}COPY f /lib/\nCOPY f /u/lib/new/\nCOPY root/ /\nCOPY --link f /lib\n"
    ));
    let found = paths(&bench.store, &image);
    for path in ["usr/lib/f", "usr/lib/new/f", "usr/lib/y"] {
        assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
    }
    let last = entries(&bench.store, &image);
    assert_eq!(last.last().unwrap().0.path, b"lib", "--link follows none");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let bench = Bench::new(&[("a", ""), ("b", "")]);
    for (text, place, why) in [
        ("", "1:1", "is empty"),
        ("FORM x\n", "1:1", "did you mean FROM?"),
        ("RUN x\n", "1:1", "FROM comes first"),
        ("FROM scratch\nRUNN x\n", "2:1", "did you mean RUN?"),
        (
            "FROM scratch\n# c\nENV A\n",
            "3:5",
            "must have two arguments",
        ),
        ("FROM scratch\nENV A=1 B\n", "2:9", "can't find ="),
        (
            "FROM scratch\nENV A=1 \\\n  # comment\n\n  B='x\n",
            "5:5",
            "ends the text is missing",
        ),
        ("FROM scratch\nLABEL a=${b:z}\n", "2:12", "is followed by"),
        ("FROM scratch as\n", "1:14", "one or three arguments"),
        ("FROM $X\n", "1:6", "base name should not be blank"),
        (
            "FROM scratch\nCOPY --frm=x a b\n",
            "2:6",
            "did you mean --from?",
        ),
        ("FROM scratch\nCOPY --from=5 a b\n", "2:13", "no stage 5"),
        (
            "FROM scratch\nCOPY nope /\n",
            "2:6",
            "not in the build context",
        ),
        ("FROM scratch\nCOPY a\n", "2:6", "at least two arguments"),
        ("FROM scratch\nCOPY a b x\n", "2:10", "more than one source"),
        (
            "FROM scratch\nCOPY a /a\nCOPY a b /a/\n",
            "3:10",
            "is a file of the image",
        ),
        (
            "FROM scratch\nCOPY a /a\nCOPY a /a/b/c\n",
            "3:8",
            "no folder",
        ),
        ("FROM scratch\nEXPOSE 99999\n", "2:8", "99999"),
        ("FROM scratch\nSTOPSIGNAL SIGNO\n", "2:12", "no signal"),
        (
            "FROM scratch\nHEALTHCHECK --interval=1 CMD x\n",
            "2:13",
            "no span of time",
        ),
        ("FROM scratch\nHEALTHCHECK MAYBE\n", "2:13", "unknown type"),
        ("FROM scratch\nSHELL bash\n", "2:7", "JSON form"),
        (
            "FROM scratch\nONBUILD FROM x\n",
            "2:9",
            "cannot be in ONBUILD",
        ),
        ("FROM scratch\nCOPY <<EOF /x\nno end\n", "2:6", "has no end"),
        ("FROM scratch\nRUN x\n", "2:1", "nothing to run"),
        (
            "FROM scratch\nRUN --mount=type=secret,target=/x x\n",
            "2:13",
            "no secrets",
        ),
        (
            "FROM scratch\nRUN --security=insecure x\n",
            "2:5",
            "--security=insecure is not there",
        ),
        (
            "FROM scratch AS a\nFROM scratch AS A\n",
            "2:17",
            "a stage `a` already",
        ),
        ("# escape=x\nFROM scratch\n", "1:1", "the escape is"),
    ] {
        let error = bench.error(text);
        assert!(
            error.contains(&format!("Dockerfile:{place}\n")) && error.contains(why),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn directives_change_how_lines_are_read() {
    let bench = Bench::new(&[("a", "1")]);
    let image = bench.dockerfile(
        "# syntax=docker/dockerfile:1\n# escape=`\n\nFROM scratch\nENV P=C:\\x\nCOPY a `\n  /b\n",
    );
    assert_eq!(
        image
            .config
            .config
            .as_ref()
            .unwrap()
            .env
            .as_ref()
            .unwrap()
            .last()
            .unwrap(),
        "P=C:\\x"
    );
    assert_eq!(paths(&bench.store, &image), ["b"]);
}

#[test]
fn a_build_that_was_given_up_leaves_nothing() {
    let bench = Bench::new(&[
        ("a", "1"),
        ("Dockerfile", "FROM scratch\nCOPY a /a\nCOPY a /b\n"),
    ]);
    let cancel = Cancel::default();
    let options = BuildOptions {
        cancel: cancel.clone(),
        names: vec!["x".parse().unwrap()],
        ..BuildOptions::default()
    };
    let built = Build {
        context: Context::Folder(bench.context()),
        options,
    }
    .run_in(&bench.store, &mut Nowhere, &mut |progress| {
        if matches!(progress, Progress::Step { number: 3, .. }) {
            cancel.cancel();
        }
    });
    assert!(matches!(built, Err(Error::Cancelled)));
    assert!(bench.store.images().unwrap().is_empty());
    assert!(
        fs::read_dir(bench.store.root().join("work"))
            .unwrap()
            .next()
            .is_none()
    );
    bench.store.prune(false, &Default::default()).unwrap();
    assert!(bench.store.blobs().all().unwrap().is_empty());
}

#[test]
fn two_builds_at_once_do_the_work_once() {
    let bench = Bench::new(&[(
        "Dockerfile",
        "FROM scratch\nCOPY . /a\nCOPY . /b\nCOPY . /c\n",
    )]);
    for number in 0..200 {
        bench.write(&format!("d/{number}"), &"x".repeat(4_000));
    }
    let ids: Vec<Digest> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.build().id)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_dockerfile_alone_or_an_archive_comes_by_a_stream() {
    let bench = Bench::new(&[]);
    let (context, recipe) = Context::detect(&b"FROM scratch\nLABEL a=1\n"[..]).unwrap();
    assert!(matches!(context, Context::Empty));
    let (image, _) = bench.build_of(
        context,
        BuildOptions {
            recipe,
            ..BuildOptions::default()
        },
    );
    assert_eq!(
        image.unwrap().config.config.unwrap().labels.unwrap()["a"],
        "1"
    );
    let bytes = tar(&[(entry("other", Kind::File), b"FROM scratch\nCOPY other /\n")]);
    let (context, recipe) = Context::detect(std::io::Cursor::new(bytes)).unwrap();
    assert!(recipe.is_none());
    let (image, _) = bench.build_of(
        context,
        BuildOptions {
            dockerfile: Some("other".into()),
            ..BuildOptions::default()
        },
    );
    assert_eq!(paths(&bench.store, &image.unwrap()), ["other"]);
}

#[test]
fn what_the_context_cannot_give_is_refused_and_not_waited_for() {
    let bench = Bench::new(&[]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.context().join("pipe"),
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    let image = bench.dockerfile("FROM scratch\nCOPY pipe /pipe\n");
    assert_eq!(files(&bench.store, &image)["pipe"], "Fifo");
    fs::write(bench.context().join(".wh.x"), "").unwrap();
    assert!(bench.error("FROM scratch\nCOPY . /\n").contains(".wh."));
    assert!(Path::new("/dev/null").exists());
}
