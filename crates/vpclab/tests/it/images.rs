//! `images` as a person types it: what goes in, what is shown of it, what goes out, and what is said of mistakes.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use container::Digest;
use container::tar::{Entry, Kind, Writer};
use serde_json::{Value, json};

use crate::registry::registry;

/// A home and a folder of this test's own.
struct Desk(tempfile::TempDir);

/// How a command ended.
#[derive(Debug, PartialEq)]
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        name.to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.arg("images").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["VPCLAB_FILE", "VPCLAB_LAB", "VPCLAB_REGISTRY_MIRRORS", "DOCKER_CONFIG"] {
            command.env_remove(name);
        }
        command.env("VPCLAB_HOME", self.path("home")).env("HOME", self.0.path()).env("NO_COLOR", "1");
        command
    }

    fn images(&self, arguments: &[&str]) -> Done {
        self.done(self.command(arguments).output().unwrap())
    }

    fn done(&self, output: std::process::Output) -> Done {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done { code: output.status.code().unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.images(&[arguments, &["-o", "json"]].concat());
        assert_eq!(done.code, 0, "{done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// The same from stdin.
    fn images_with(&self, arguments: &[&str], bytes: &[u8]) -> Done {
        let mut child =
            self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        self.done(child.wait_with_output().unwrap())
    }
}

fn yes(stdout: impl Into<String>) -> Done {
    Done { code: 0, stdout: stdout.into(), stderr: String::new() }
}

fn no(code: i32, stderr: impl Into<String>) -> Done {
    Done { code, stdout: String::new(), stderr: stderr.into() }
}

/// A tar of files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, data) in files {
        let entry = Entry { mtime: (1_700_000_000, 0), size: data.len() as u64, ..Entry::new(*path, Kind::File) };
        writer.append(&entry, *data).unwrap();
    }
    writer.finish().unwrap()
}

fn machine() -> String {
    container::oci::Platform::host().to_string()
}

/// A configuration with two layers and a step that made none.
fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let architecture = container::oci::Platform::host().architecture;
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "created": "2026-01-02T03:04:05Z",
        "config": {"Cmd": ["/bin/app"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [
            {"created": "2026-01-01T00:00:00Z", "created_by": "COPY base /"},
            {"created_by": "ENV PATH=/bin", "empty_layer": true},
            {"created": "2026-01-02T03:04:05Z", "created_by": "COPY app /bin/app \u{1b}[31m"},
        ],
    });
    config.to_string().into_bytes()
}

fn layers() -> Vec<Vec<u8>> {
    vec![tar(&[("base", b"base")]), tar(&[("bin/app", b"app")])]
}

/// What `docker save` writes, and the id of its image.
fn archive(name: &str) -> (Vec<u8>, String) {
    let (layers, config) = (layers(), config(&layers()));
    let manifest = json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["0.tar", "1.tar"]}]).to_string();
    let all: [(&str, &[u8]); 4] =
        [("config.json", &config), ("0.tar", &layers[0]), ("1.tar", &layers[1]), ("manifest.json", manifest.as_bytes())];
    (tar(&all), Digest::of(&config).hex())
}

#[test]
fn what_is_loaded_is_listed_inspected_and_removed() {
    let desk = Desk::new();
    let nothing = desk.images(&["ls"]);
    assert_eq!(
        (nothing.code, nothing.stderr.as_str()),
        (0, "hint: no images; vpclab images pull NAME brings one, and load FILE takes what docker save wrote\n")
    );
    let (bytes, id) = archive("shop/web:1");
    let (short, file) = (&id[..12], desk.file("web.tar", &bytes));
    let size = desk_size(&desk, &file);
    assert_eq!(desk.images(&["load", "web.tar"]), yes(format!("loaded shop/web:1: {short}, 2 layers, {size}\n")));
    assert_eq!(
        desk.images_with(&["load", "-", "-t", "mine"], &bytes),
        yes(format!("loaded mine:latest, shop/web:1: {short}, 2 layers, {size}\n"))
    );
    let listed = desk.images(&["ls"]).stdout;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["REPOSITORY", "TAG", "ID", "CREATED", "SIZE"]);
    assert_eq!(lines[1][..3], ["mine", "latest", short]);
    assert_eq!(lines[2][..3], ["shop/web", "1", short]);
    assert!(lines[1].contains(&"ago") && !listed.contains("2026-01-02T"), "for people: {listed}");
    assert!(desk.images(&["ls", "-o", "csv"]).stdout.contains("2026-01-02T03:04:05Z"), "for programs");
    assert_eq!(desk.images(&["ls", "-o", "name"]), yes("mine:latest\nshop/web:1\n"));
    let all = desk.json(&["ls"]);
    assert_eq!(all[0]["names"], json!(["docker.io/library/mine:latest", "docker.io/shop/web:1"]));
    assert_eq!(
        (&all[0]["id"], &all[0]["layers"], &all[0]["platform"]),
        (&json!(format!("sha256:{id}")), &json!(2), &json!(machine()))
    );
    // By name and by the beginning of the id it is the same.
    let inspected = desk.json(&["inspect", "shop/web:1"]);
    assert_eq!(inspected, desk.json(&["inspect", &short[..5]]));
    assert_eq!(inspected["config"]["Cmd"], json!(["/bin/app"]));
    assert_eq!(inspected["layers"][1]["diff_id"], json!(Digest::of(&layers()[1])));
    // A name goes, then the image with its last one.
    assert_eq!(desk.images(&["rm", "mine"]), yes("untagged mine:latest\n"));
    let last = desk.images(&["rm", short]);
    assert_eq!((last.code, last.stdout), (0, format!("untagged shop/web:1\ndeleted {short}\n")));
    assert!(last.stderr.starts_with("note: ") && last.stderr.ends_with(" freed\n"), "{}", last.stderr);
    assert_eq!(desk.json(&["ls"]), json!([]));
}

/// What is said of the image's size; it depends on how long digests are, and not on the test.
fn desk_size(desk: &Desk, file: &str) -> String {
    let other = Desk::new();
    std::fs::copy(desk.path(file), other.path(file)).unwrap();
    let loaded = other.json(&["load", file]);
    container::limits::size(loaded[0]["size"].as_u64().unwrap())
}

#[test]
fn names_are_given_and_taken() {
    let desk = Desk::new();
    let (bytes, id) = archive("web:1");
    let short = &id[..12];
    desk.file("web.tar", &bytes);
    desk.images(&["load", "web.tar"]);
    assert_eq!(
        desk.images(&["tag", "web:1", "localhost:5000/shop/web:2"]),
        yes(format!("localhost:5000/shop/web:2 is {short}\n"))
    );
    assert_eq!(desk.json(&["tag", short, "web:1"])["names"].as_array().unwrap().len(), 2);
    let many = desk.images(&["rm", short]);
    assert_eq!(
        many,
        no(2, format!("error: image {short} has 2 names: web:1, localhost:5000/shop/web:2\nhint: --force removes all of them\n"))
    );
    let forced = desk.images(&["rm", "--force", short]);
    assert_eq!(forced.stdout, format!("untagged web:1\nuntagged localhost:5000/shop/web:2\ndeleted {short}\n"));
    // One that is not there keeps none of the others.
    desk.images(&["load", "web.tar"]);
    let mixed = desk.images(&["rm", "nope", "web:1"]);
    assert_eq!((mixed.code, mixed.stdout), (1, format!("untagged web:1\ndeleted {short}\n")));
    assert!(mixed.stderr.contains("error: no image is named `nope`\n"), "{}", mixed.stderr);
}

#[test]
fn history_is_told_from_the_end_without_what_would_change_a_terminal() {
    let desk = Desk::new();
    desk.file("web.tar", &archive("web").0);
    desk.images(&["load", "web.tar"]);
    let told = desk.images(&["history", "web"]).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].ends_with(r"COPY app /bin/app \u{1b}[31m"), "{told}");
    assert!(lines[1].contains(" ago ") && lines[2].starts_with("- "), "{told}");
    assert!(lines[2].contains(" 0 B ") && lines[2].ends_with("ENV PATH=/bin"), "{told}");
    let steps = desk.json(&["history", "web"]);
    assert_eq!(steps[2]["layer"], json!(Digest::of(&layers()[0])));
    assert_eq!((&steps[1]["layer"], &steps[1]["size"]), (&Value::Null, &json!(0)));
}

#[test]
fn what_is_saved_is_what_was_loaded() {
    let desk = Desk::new();
    let (bytes, id) = archive("web:1");
    desk.file("web.tar", &bytes);
    desk.images(&["load", "web.tar"]);
    let saved = desk.images(&["save", "web:1", "-w", "out.tar"]);
    assert!(saved.code == 0 && saved.stdout.starts_with("out.tar written: 1 image, "), "{saved:?}");
    assert_eq!(desk.images(&["save", "web:1", "-w", "out.tar"]), no(2, "error: out.tar exists\nhint: --force writes over it\n"));
    assert_eq!(desk.images(&["save", "web:1", "-w", "."]), no(2, "error: . is a folder\nhint: -w ./image.tar\n"));
    assert_eq!(desk.images(&["save", "web:1", "--force", "-w", "out.tar"]).code, 0);
    // To a pipe the same bytes go.
    let piped = desk.command(&["save", &id[..12], "-w", "-"]).output().unwrap();
    assert_eq!(piped.stdout, std::fs::read(desk.path("out.tar")).unwrap());
    let other = Desk::new();
    let loaded = other.images_with(&["load", "-"], &piped.stdout);
    assert!(loaded.stdout.starts_with(&format!("loaded web:1: {}", &id[..12])), "{loaded:?}");
    assert_eq!(other.json(&["inspect", "web:1"]), desk.json(&["inspect", "web:1"]));
}

#[test]
fn a_root_file_system_becomes_an_image() {
    let desk = Desk::new();
    desk.file("root.tar", &tar(&[("etc/hostname", b"x")]));
    let imported = desk.images(&["import", "root.tar", "base:1", "--cmd", "exec app", "-e", "A=b c"]);
    assert!(imported.code == 0 && imported.stdout.starts_with("imported base:1: "), "{imported:?}");
    let config = &desk.json(&["inspect", "base:1"])["config"];
    assert_eq!((&config["Cmd"], &config["Env"]), (&json!(["/bin/sh", "-c", "exec app"]), &json!(["A=b c"])));
    assert_eq!(
        desk.images(&["import", "root.tar", "b", "-e", "=x"]),
        no(2, "error: `=x` is not a variable\nhint: --env NAME=VALUE\n")
    );
    // Each of the two kinds of archive knows the other command.
    desk.file("web.tar", &archive("web").0);
    let other = desk.images(&["import", "web.tar", "b"]);
    assert_eq!(
        other,
        no(2, "error: web.tar: it is an archive of images, and no root file system\nhint: vpclab images load web.tar\n")
    );
    let other = desk.images(&["load", "root.tar"]);
    assert!(
        other.code == 2 && other.stderr.ends_with("\nhint: if it is a root file system: vpclab images import root.tar NAME\n"),
        "{other:?}"
    );
}

#[test]
fn prune_asks_only_where_names_are_lost() {
    let desk = Desk::new();
    desk.file("web.tar", &archive("web:1").0);
    desk.images(&["load", "web.tar"]);
    desk.file("root.tar", &tar(&[("a", b"a")]));
    // Another image takes the name.
    desk.images(&["import", "root.tar", "web:1"]);
    let removed = desk.json(&["prune"]);
    assert_eq!((&removed["untagged"], removed["deleted"].as_array().unwrap().len()), (&json!([]), 1));
    assert!(removed["bytes"].as_u64().unwrap() > 3000);
    assert_eq!(
        desk.images(&["prune"]),
        Done { code: 0, stdout: String::new(), stderr: "note: there is nothing to remove\n".into() }
    );
    assert_eq!(
        desk.images(&["prune", "--all"]),
        no(2, "error: this removes all images (1)\nhint: --yes says that it is meant\n")
    );
    assert!(desk.images(&["prune", "--all", "--yes"]).stdout.starts_with("untagged web:1\n"));
    assert_eq!(desk.json(&["ls"]), json!([]));
    // The beginning of a layer that nobody went on with.
    std::fs::create_dir_all(desk.path("home/images/partial")).unwrap();
    std::fs::write(desk.path("home/images/partial").join("0".repeat(64)), [0; 5000]).unwrap();
    assert_eq!(desk.images(&["prune"]).stderr, "note: 5.0 kB freed\n");
}

#[test]
fn mistakes_are_answered_with_what_to_type() {
    let desk = Desk::new();
    desk.file("web.tar", &archive("shop/web:1").0);
    let empty = desk.images(&["inspect", "web"]);
    assert_eq!(empty, no(1, "error: no image is named `web`\nhint: there is none yet: vpclab images pull NAME, or load FILE\n"));
    desk.images(&["load", "web.tar"]);
    std::fs::create_dir(desk.path("folder")).unwrap();
    desk.file("text", b"hello");
    for (arguments, code, said) in [
        (&["load", "nope.tar"][..], 2, "error: nope.tar cannot be read: No such file or directory (os error 2)\n"),
        (&["load", "text"], 2, "error: text: it is no tar archive, or cut off in its first header\n"),
        (&["load", "folder"], 2, "error: folder: it has neither `manifest.json`"),
        (
            &["load", "web.tar", "-t", "A"],
            2,
            "error: `A` is not an image reference: `A`: names are in lower case\nhint: a name is such as ",
        ),
        (
            &["load", "web.tar", "--platform", "arm64"],
            2,
            "error: `arm64` is not a platform\nhint: such as linux/amd64 or linux/arm64/v8\n",
        ),
        (&["inspect", "shop/wbe:1"], 1, "error: no image is named `shop/wbe:1`\nhint: did you mean `shop/web:1`"),
        (&["inspect", "a b"], 2, "error: `a b` is not an image reference: ' ' cannot be in a reference\n"),
        (&["tag", "shop/web:1", "x@y"], 2, "error: `x@y` is not an image reference: "),
        (&["inspect", "shop/web:1", "-o", "csv"], 2, "error: this command does not print as csv\n"),
        (&["rm"], 2, "error: the following required arguments were not provided:\n"),
        (&["pul", "nginx"], 2, "error: unrecognized subcommand 'pul'\n"),
        (&["push", "shop/wbe:1"], 1, "error: no image is named `shop/wbe:1`\nhint: did you mean `shop/web:1`"),
        (&["pull", "https://quay.io/a"], 2, "error: `https://quay.io/a` is not an image reference: a reference has no scheme"),
        (&["pull", "a", "--mirror", "http://x"], 2, "error: `http://x`: a mirror is a host without a scheme; "),
    ] {
        let done = desk.images(arguments);
        assert!(done.code == code && done.stderr.starts_with(said) && done.stdout.is_empty(), "{arguments:?}: {done:?}");
    }
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back() {
    let (host, _files) = registry();
    let desk = Desk::new();
    let (bytes, id) = archive("web:1");
    desk.file("web.tar", &bytes);
    desk.images(&["load", "web.tar"]);
    let name = format!("{host}/shop/web:1");
    let digest = desk.json(&["inspect", "web:1"])["manifest"].as_str().unwrap().to_owned();
    let unnamed = desk.images(&["push", &name]);
    assert!(unnamed.code == 1 && unnamed.stderr.starts_with(&format!("error: no image is named `{name}`\n")), "{unnamed:?}");
    desk.images(&["tag", "web:1", &name]);
    let pushed = desk.images(&["push", &name]);
    assert_eq!((pushed.code, pushed.stdout), (0, format!("pushed {name}: 3 blobs sent; {digest}\n")));
    // A line for each blob, since this is no terminal.
    assert_eq!(pushed.stderr.lines().count(), 3, "{}", pushed.stderr);
    assert_eq!(desk.images(&["push", "-q", &name]), yes(format!("pushed {name}: 0 blobs sent, 3 were there; {digest}\n")));
    let other = Desk::new();
    let pulled = other.images(&["pull", &name]);
    assert!(pulled.code == 0 && pulled.stdout.starts_with(&format!("pulled {name}: {}, 2 layers, ", &id[..12])), "{pulled:?}");
    assert_eq!(pulled.stderr.lines().count(), 3, "{}", pulled.stderr);
    assert_eq!(other.images(&["pull", &name]), yes(format!("{name} is up to date: {}\n", &id[..12])));
    let value = other.json(&["pull", &name]);
    assert_eq!((&value["new"], &value["digest"], &value["source"]), (&json!(false), &json!(digest), &json!(host)));
    let by_digest = format!("{host}/shop/web@{digest}");
    assert_eq!(other.images(&["pull", "-q", "-o", "name", &by_digest]), yes(format!("{by_digest}\n")));
    // Of a mirror the name is the registry's.
    let third = Desk::new();
    let mirrored = third.command(&["pull", "-q", "shop/web:1"]).env("VPCLAB_REGISTRY_MIRRORS", &host).output().unwrap();
    let mirrored = third.done(mirrored);
    assert!(mirrored.stdout.starts_with(&format!("pulled shop/web:1 from {host}: {}", &id[..12])), "{mirrored:?}");
}

#[test]
fn what_a_registry_refuses_ends_with_its_code_and_a_way_out() {
    let (host, files) = registry();
    let desk = Desk::new();
    let missing = desk.images(&["pull", &format!("{host}/shop/web")]);
    let hint = "hint: without a tag `latest` is meant, which not every image has: NAME:TAG\n";
    assert_eq!(missing, no(1, format!("error: {host} has no image {host}/shop/web:latest\n{hint}")));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = desk.images(&["pull", &format!("{gone}/a")]);
    assert!(
        unreachable.code == 3 && unreachable.stderr.starts_with(&format!("error: {gone} cannot be reached: ")),
        "{unreachable:?}"
    );
    // Without a password, with a helper that would know, with the password.
    let private = format!("{host}/private/web:1");
    let login = desk.images(&["pull", &private]);
    assert_eq!(login.code, 3);
    assert!(
        login.stderr.ends_with(&format!("hint: docker login {host} writes ~/.docker/config.json, which is read here too\n")),
        "{login:?}"
    );
    let config = |folder: &Path, text: String| {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("config.json"), text).unwrap();
    };
    config(&desk.path(".docker"), r#"{"auths": {}, "credsStore": "desktop"}"#.into());
    let helped = desk.images(&["pull", &private]);
    assert!(
        helped.stderr.contains("hint: the credentials are kept by docker-credential-desktop, and no helper is asked"),
        "{helped:?}"
    );
    config(&desk.path("other"), format!(r#"{{"auths": {{"{host}": {{"auth": "bWU6eA=="}}}}}}"#));
    desk.file("web.tar", &archive(&private).0);
    desk.images(&["load", "web.tar"]);
    let with = |arguments: &[&str]| desk.done(desk.command(arguments).env("DOCKER_CONFIG", desk.path("other")).output().unwrap());
    assert_eq!(with(&["push", "-q", &private]).code, 0);
    assert_eq!(with(&["pull", "-q", &private]).code, 0);
    config(&desk.path("other"), r#"{"auths": {"a": {"auth": "s3cret"}}"#.into());
    let broken = with(&["pull", &private]);
    assert!(
        broken.code == 2 && broken.stderr.contains("it is not a configuration of docker") && !broken.stderr.contains("s3cret"),
        "{broken:?}"
    );
    // Bytes that are not the promised ones.
    std::fs::remove_dir_all(desk.path(".docker")).unwrap();
    let public = format!("{host}/shop/lie:1");
    desk.images(&["tag", &private, &public]);
    desk.images(&["push", "-q", &public]);
    let layer = format!("/v2/shop/lie/blobs/{}", Digest::of(&layers()[1]));
    files.lock().unwrap().get_mut(&layer).unwrap()[0] ^= 1;
    let other = Desk::new();
    let lie = other.images(&["pull", "-q", &public]);
    assert!(lie.code == 2 && lie.stderr.contains(" is not what its digest promises: "), "{lie:?}");
    assert_eq!(other.json(&["ls"]), json!([]));
}
