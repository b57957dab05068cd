//! Builds as a person types them: commands run in containers of an instance that is made for the build, or of a lab's.
#![cfg(target_os = "linux")]

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::home::{Done, Home, image};

const LAB: &str = "\
name: yard
vpcs:
  main: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 10.0.1.0/24 } } }
images:
  app: { build: { context: ./app, args: { WORD: lab } } }
  root: archive root.tar
instances:
  web-1:
    subnet: a
    containers:
      job: { image: app, command: cat /word }
      plain: { image: root, command: [sh, -c, 'echo plain'] }
";

/// A home and a working folder of this test's own.
struct Desk(Home);

impl std::ops::Deref for Desk {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk(Home::new());
        let folders = ["etc/", "old/", "tmp/"].map(|folder| (folder, 0o1777, ""));
        let files = ["old/gone", "old/kept"].map(|file| (file, 0o644, "old"));
        desk.write("root.tar", image("sh cat sleep mkdir rm ls", &[&folders[..], &files].concat()));
        assert_eq!(desk.run(&["images", "import", "root.tar", "base"]).code, 0);
        desk
    }

    fn yes(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.stdout, done.stderr);
        done
    }

    /// What is in an image: every path of its layers, whiteouts too.
    fn paths(&self, image: &str) -> Vec<String> {
        let store = container::Store::open(&self.path("home/images")).unwrap();
        let image = store.find(image).unwrap();
        let mut all = Vec::new();
        for layer in &image.layers[1..] {
            let mut reader = container::tar::Reader::new(store.blobs().open(&layer.digest).unwrap(), "layer", container::Limits::default());
            while let Some(entry) = reader.next_entry().unwrap() {
                all.push(String::from_utf8(entry.path).unwrap());
            }
        }
        all
    }

    fn left_of_builds(&self) -> usize {
        std::fs::read_dir(self.path("home/builds")).map_or(0, Iterator::count)
    }

    /// A build whose command has begun and does not end.
    fn begun(&self) -> Child {
        let mut child = self.command(&["images", "build", "-t", "slow", "slow"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
        let begun = lines.find(|line| line.as_ref().is_ok_and(|line| line == "begun"));
        assert!(begun.is_some(), "the command never began");
        // Whoever reads no more must not end it.
        std::thread::spawn(move || lines.for_each(drop));
        child
    }
}

/// Ids are other ones every time.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line = |line: &str| line.split(' ').map(|word| if is_id(word) { "ID" } else { word }).collect::<Vec<_>>().join(" ");
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn three_stages_are_built_told_and_found_again() {
    let desk = Desk::new();
    desk.write("src/word", "word\n");
    desk.write(
        "Dockerfile",
        "ARG BASE=base\nFROM $BASE AS compile\nARG WHO=world\nWORKDIR /src\nCOPY src .\nRUN echo \"hello $WHO\" > out && cat word >> out && echo compiled\n\
         FROM base AS never\nRUN exit 9\nFROM base\nRUN <<EOF\nset -e\nmkdir /app\nrm /old/gone\necho done >&2\nEOF\n\
         COPY --from=compile /src/out /app/out\nENV X=1\nCMD [\"cat\", \"/app/out\"]\n",
    );
    let first = desk.yes(&["images", "build", "-t", "mine:1", "-t", "mine:2", "--build-arg", "WHO=you", "--iidfile", "id", "."]);
    let told = [
        "Step 1/11 : ARG BASE=base",
        "Step 2/11 : FROM $BASE AS compile",
        " ---> ID",
        "Step 3/11 : ARG WHO=world",
        " ---> ID",
        "Step 4/11 : WORKDIR /src",
        " ---> ID",
        "Step 5/11 : COPY src .",
        " ---> ID",
        "Step 6/11 : RUN echo \"hello $WHO\" > out && cat word >> out && echo compiled",
        " ---> Running in ID",
        "compiled",
        " ---> Removed intermediate container ID",
        " ---> ID",
        "Step 7/11 : FROM base",
        " ---> ID",
        "Step 8/11 : RUN <<EOF",
        " ---> Running in ID",
        "done",
        " ---> Removed intermediate container ID",
        " ---> ID",
        "Step 9/11 : COPY --from=compile /src/out /app/out",
        " ---> ID",
        "Step 10/11 : ENV X=1",
        " ---> ID",
        "Step 11/11 : CMD [\"cat\", \"/app/out\"]",
        " ---> ID",
        "Successfully built ID",
        "Successfully tagged mine:1",
        "Successfully tagged mine:2",
    ];
    let shown = without_ids(&first.stderr);
    assert_eq!(shown.lines().collect::<Vec<_>>(), told);
    assert_eq!(std::fs::read_to_string(desk.path("id")).unwrap(), first.stdout.trim());
    assert_eq!(desk.left_of_builds(), 0);
    // What was removed is hidden, what was mounted is not there, and nothing else came in.
    assert_eq!(desk.paths("mine:1"), ["app/", "old/", "old/.wh.gone", "app/out"]);
    let again = desk.yes(&["images", "build", "-q", "-t", "mine:1", "--build-arg", "WHO=you", "."]);
    assert_eq!((again.stdout, again.stderr.as_str()), (first.stdout, ""));
    let other = desk.yes(&["images", "build", "--build-arg", "WHO=other", "--target", "compile", "."]);
    assert!(other.stderr.contains("Running in") && other.stderr.contains(" ---> Using cache"), "{}", other.stderr);
    // A source date makes the same image wherever it is built; so does a second store.
    let dated = |desk: &Desk| {
        let output = desk.command(&["images", "build", "-q", "--no-cache", "."]).env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(dated(&desk), dated(&desk));
}

#[test]
fn a_command_that_fails_ends_the_build_with_its_code_and_place() {
    let desk = Desk::new();
    desk.write("app/Dockerfile", "FROM base\nRUN echo before; exit 7\nRUN echo never\n");
    let failed = desk.run(&["images", "build", "-q", "-t", "bad", "app"]);
    let expected = "before\nerror: The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7\n  ┌─ Dockerfile:2:5\n2 │ RUN echo before; exit 7\n  │     ^^^^^^^^^^^^^^^^^^^\n";
    assert_eq!((failed.code, failed.stderr.as_str()), (1, expected));
    assert!(!desk.yes(&["images", "ls"]).stdout.contains("bad"));
    for (arguments, why) in [
        (&["images", "build", "nowhere"][..], "the build context nowhere cannot be read"),
        (&["images", "build", "-f", "app/Nofile", "app"], "the Dockerfile app/Nofile cannot be read"),
        (&["images", "build", "app/Dockerfile"], "neither a folder nor an archive"),
        (&["images", "build", "https://a.example/x.git"], "is elsewhere"),
        (&["images", "build", "-t", "UPPER", "app"], "lower case"),
        (&["images", "build", "--target", "x", "app"], "target stage \"x\" could not be found"),
        (&["images", "build", "."], "there is no Dockerfile in the build context"),
    ] {
        let done = desk.run(arguments);
        assert!(done.code == 2 && done.stderr.contains(why), "{arguments:?}: {} {}", done.code, done.stderr);
    }
}

#[test]
fn builds_that_are_interrupted_or_killed_leave_nothing() {
    let desk = Desk::new();
    desk.write("slow/Dockerfile", "FROM base\nRUN echo begun; sleep 1000\n");
    let mut child = desk.begun();
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(desk.left_of_builds(), 0);
    let mut child = desk.begun();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(desk.left_of_builds(), 1, "its folder, and nobody in it");
    desk.write("quick/Dockerfile", "FROM base\nRUN echo quick\n");
    let deadline = Instant::now() + Duration::from_secs(30);
    // The holder of the killed one ends when it notices.
    loop {
        let done = desk.run(&["images", "build", "--no-cache", "quick"]);
        if done.code == 0 && desk.left_of_builds() == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{}", done.stderr);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!desk.yes(&["images", "ls"]).stdout.contains("slow"));
}

#[test]
fn a_lab_builds_what_its_file_says_and_containers_become_images() {
    let desk = Desk::new();
    desk.write("lab.yaml", LAB);
    let missing = desk.run(&["validate", "lab.yaml"]);
    assert!(missing.code == 2 && missing.stderr.contains("there is no folder ./app"), "{}", missing.stderr);
    desk.write("app/Dockerfile", "FROM base\nARG WORD\nRUN echo $WORD > /word\n");
    desk.yes(&["validate", "lab.yaml"]);
    let up = desk.yes(&["up", "lab.yaml"]);
    assert!(up.stderr.contains("image app: RUN echo $WORD > /word"), "{}", up.stderr);
    desk.yes(&["containers", "wait", "job", "plain"]);
    assert_eq!(desk.yes(&["containers", "logs", "job"]).stdout, "lab\n");
    assert_eq!(desk.yes(&["containers", "logs", "plain"]).stdout, "plain\n");
    assert!(desk.yes(&["images", "ls"]).stdout.contains("yard-app"));
    // Nothing to do, nothing built.
    assert!(!desk.yes(&["up", "lab.yaml"]).stderr.contains("image app"));
    // A command of a build runs in the lab where there is one.
    desk.write("other/Dockerfile", "FROM base\nRUN cat /etc/hostname\n");
    let built = desk.yes(&["images", "build", "other"]);
    assert!(built.stderr.contains("note: RUN runs in web-1 of lab yard"), "{}", built.stderr);
    let id = desk.yes(&["containers", "run", "--name", "writer", "base", "sh", "-c", "echo made > /made; rm /old/kept"]);
    assert_eq!(id.stdout, "");
    desk.yes(&["containers", "commit", "-m", "why", "-c", "CMD [\"cat\", \"/made\"]", "writer", "copy:1"]);
    assert_eq!(desk.paths("copy:1"), ["made", "old/", "old/.wh.kept"]);
    assert_eq!(desk.yes(&["containers", "run", "--rm", "copy:1"]).stdout, "made\n");
    let wrong = desk.run(&["containers", "commit", "-c", "RUN x", "writer"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("RUN cannot be a change"), "{}", wrong.stderr);
}

#[test]
fn a_compose_file_becomes_a_lab_that_comes_up() {
    let desk = Desk::new();
    desk.write("web/Dockerfile", "FROM base\nRUN echo composed > /word\nCMD [\"sh\", \"-c\", \"cat /word; exec sleep 1000\"]\n");
    desk.write(".env", "PORT=8080\n");
    desk.write(
        "compose.yaml",
        "services:\n  web:\n    build: ./web\n    ports: [\"${PORT}:80\"]\n    depends_on: { first: { condition: service_completed_successfully } }\n    ulimits: { nofile: 9 }\n  first: { image: base, command: [sh, -c, 'exit 0'] }\n",
    );
    let made = desk.yes(&["import", "compose", "compose.yaml", "--instance", "box-1", "-w", "lab.yaml"]);
    assert!(made.stdout.starts_with("lab.yaml written: 2 containers of box-1"), "{}", made.stdout);
    assert!(made.stderr.contains("note: compose.yaml:6: web: `ulimits` is not carried"), "{}", made.stderr);
    desk.yes(&["up", "lab.yaml"]);
    let shown = desk.yes(&["containers", "ls"]).stdout;
    assert!(shown.contains("web") && shown.contains("8080->80/tcp"), "{shown}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while desk.yes(&["containers", "logs", "web"]).stdout != "composed\n" {
        assert!(Instant::now() < deadline, "it never spoke");
        std::thread::sleep(Duration::from_millis(50));
    }
}
