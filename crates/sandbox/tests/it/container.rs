//! What a container is to those inside and to those who started it.

use std::io::{Read, Write};
use std::time::Duration;

use sandbox::container::spec::{Attach, ContainerMount, MountKind};
use sandbox::{ContainerNetwork, ContainerUser, ExitStatus};

use crate::common::pod::{Pod, read_both};
use crate::common::{self, eventually, output};

#[test]
fn it_runs_says_what_it_says_and_ends_as_it_ends() {
    let pod = Pod::new();
    let (status, said) = pod.run(&pod.shell("one", "echo out; echo err >&2; exit 7"));
    assert_eq!((status, said.as_str()), (ExitStatus::Code(7), "out\nerr\n"));
    let known = pod.lab.client.container_status("one").unwrap();
    let end = known.ended.clone().unwrap();
    assert_eq!((end.status, end.error), (ExitStatus::Code(7), None));
    assert!(known.started > 1_700_000_000_000_000_000 && end.finished > known.started);
    let mut logged = pod.logged("one");
    logged.sort();
    assert_eq!(logged, [("stderr".into(), "err\n".into()), ("stdout".to_owned(), "out\n".to_owned())]);
    assert_eq!(pod.lab.client.list_containers().unwrap(), [known]);
    assert!(pod.refusal(&pod.shell("one", "true")).is_already_exists());
    pod.lab.client.remove_container("one").unwrap();
    assert_eq!(pod.lab.client.list_containers().unwrap(), []);
    assert!(pod.lab.client.remove_container("one").unwrap_err().is_not_found());
    let (status, _) = pod.run(&pod.shell("two", "kill -USR1 $$; sleep 5"));
    // The first process of a namespace is not ended by signals of its own that it does not catch, like Docker's.
    assert_eq!(status, ExitStatus::Code(0));
    assert_eq!(pod.run(&pod.spec("three", ["false"])).0, ExitStatus::Code(1));
}

#[test]
fn pid_1_is_the_program_and_the_instance_sees_it() {
    let pod = Pod::new();
    let mut spec = pod.spec("one", ["sleep", "1000"]);
    spec.hostname = "web".into();
    let started = pod.start(&spec);
    let (status, said) = pod.exec("one", "cat /proc/1/comm; hostname; test $(ls /proc | grep -c '^[0-9]') -le 5");
    assert_eq!((status, said.as_str()), (ExitStatus::Code(0), "sleep\nweb\n"), "1 and those of the pipe");
    let pid = started.instance_pid;
    assert_eq!(output(&pod.lab, "i", &format!("cat /proc/{pid}/comm; tr '\\0' ' ' < /proc/{pid}/cmdline")), "sleep\nsleep 1000 ");
    let parent = output(&pod.lab, "i", &format!("cat /proc/$(cut -d' ' -f4 /proc/{pid}/stat)/comm"));
    assert_eq!(parent, "container-shim\n".chars().take(15).collect::<String>().trim_end().to_owned() + "\n");
    assert_eq!(pod.lab.client.container_processes("one").unwrap(), [pid]);
    assert_eq!(output(&pod.lab, "i", "hostname"), "i-host\n");
    let exit = pod.lab.client.wait_container("one").unwrap();
    pod.lab.client.signal_container("one", libc::SIGKILL).unwrap();
    assert_eq!(exit.wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
    assert!(pod.lab.client.signal_container("one", libc::SIGKILL).unwrap_err().is_not_found());
    assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
}

#[test]
fn what_it_writes_lands_in_its_own_layer() {
    let pod = Pod::new();
    let top = pod.layer("top", "mkdir etc; echo top > etc/which; echo own > etc/new");
    let mut spec = pod.shell("one", "cat /etc/which /etc/new; echo written > /etc/which; rm /etc/new; mkdir /d; cat /etc/which");
    spec.root.lower.push(top.clone());
    assert_eq!(pod.says(&spec), "top\nown\nwritten\n");
    let upper = spec.root.upper.clone();
    let kept = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    assert_eq!(kept(upper.join("etc/which")), "written\n");
    assert!(std::fs::symlink_metadata(upper.join("etc/new")).is_ok(), "a mark for removed");
    assert_eq!((kept(top.join("etc/which")), kept(top.join("etc/new"))), ("top\n".into(), "own\n".into()));
    // Another start on the same layer goes on from there.
    spec.process.args = ["sh", "-c", "cat /etc/which; ls -d /d; ls /etc/new"].map(String::from).into();
    let (status, said) = pod.run(&spec);
    assert!(said.starts_with("written\n/d\n") && status != ExitStatus::Code(0), "{said}");
    // Nothing of how it is built is left in the layer but places to mount on.
    assert!(!upper.join("dev/null").exists() && !upper.join("proc/self").exists());
}

#[test]
fn many_layers_lie_on_each_other_in_their_order() {
    let pod = Pod::new();
    // One by one each layer is a process of its own: all are made below one folder.
    let made = pod.layer("many", "for i in $(seq 1 200); do mkdir -p $i/etc; echo $i > $i/etc/which; echo > $i/etc/of-$i; done");
    let mut spec = pod.shell("one", "cat /etc/which; ls /etc | grep -c of-");
    spec.root.lower.extend((1..=200).map(|number| made.join(number.to_string())));
    assert_eq!(pod.says(&spec), "200\n200\n");
}

#[test]
fn a_read_only_root_refuses_writes_and_its_mounts_do_not() {
    let pod = Pod::new();
    let mut spec = pod.shell(
        "one",
        "echo x > /etc/which || echo refused; echo y > /data/f && cat /data/f; echo z > /dev/shm/f; cat /etc/hosts; \
         echo w > /mem/f && stat -f -c %T /mem; ls -d /made/by",
    );
    spec.root.read_only = true;
    spec.process.working_directory = "/made/by".into();
    spec.files.insert("/etc/hosts".into(), "10.0.0.1 db\n".into());
    let volume = MountKind::Volume { source: pod.folder.join("volume"), copy: true };
    let memory = MountKind::Tmpfs { size_bytes: Some(1 << 20), mode: None };
    for (kind, target) in [(volume, "/data"), (memory, "/mem")] {
        spec.mounts.push(ContainerMount { kind, target: target.into(), read_only: false });
    }
    let said = pod.says(&spec);
    assert!(said.ends_with("cannot create /etc/which: Read-only file system\n"), "{said}");
    assert!(said.starts_with("refused\ny\n10.0.0.1 db\ntmpfs\n/made/by\n"), "{said}");
    assert_eq!(std::fs::read_to_string(pod.folder.join("volume/f")).unwrap(), "y\n");
}

#[test]
fn volumes_begin_with_the_images_content_and_outlive_containers() {
    let pod = Pod::new();
    pod.layer("seed", "mkdir -p data/sub; echo seed > data/sub/file; chmod 700 data/sub; ln -s sub/file data/link");
    let volume = |read_only| ContainerMount {
        kind: MountKind::Volume { source: pod.folder.join("volume"), copy: true },
        target: "/data".into(),
        read_only,
    };
    let mut spec = pod.shell("one", "cat /data/link; stat -c %a /data/sub; echo more > /data/more");
    spec.root.lower.push(pod.folder.join("seed"));
    spec.mounts.push(volume(false));
    assert_eq!(pod.says(&spec), "seed\n700\n");
    let mut spec = pod.shell("two", "cat /data/more /data/link; touch /data/x || echo refused");
    spec.mounts.push(volume(true));
    assert!(pod.says(&spec).starts_with("more\nseed\nrefused\n"));
}

#[test]
fn binds_show_files_and_folders_of_the_host() {
    let pod = Pod::new();
    let shared = pod.lab.directory.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("file"), "host\n").unwrap();
    let bind = |source: std::path::PathBuf, target: &str, read_only| ContainerMount {
        kind: MountKind::Bind { source, recursive: true, propagation: Default::default() },
        target: target.into(),
        read_only,
    };
    let mut spec = pod.shell("one", "cat /in/file /etc/one; touch /in/x || echo refused; umount /in; ls /in");
    spec.mounts.push(bind(shared.clone(), "/in", true));
    spec.mounts.push(bind(shared.join("file"), "/etc/one", false));
    assert!(pod.says(&spec).starts_with("host\nhost\nrefused\nfile\n"));
    assert!(!shared.join("x").exists());
    let mut spec = pod.shell("two", "true");
    spec.mounts.push(bind(shared.join("missing"), "/in", true));
    assert!(pod.refusal(&spec).to_string().contains("missing"));
    let mut spec = pod.shell("three", "true");
    spec.mounts.push(bind(shared, "/proc/sys", true));
    assert!(pod.refusal(&spec).to_string().contains("inside /proc"));
    // What was refused is forgotten.
    assert_eq!(pod.lab.client.list_containers().unwrap(), []);
}

#[test]
fn what_cannot_run_is_refused_with_dockers_codes() {
    let pod = Pod::new();
    let codes: Vec<i32> = ["no-such", "/etc/no-such", "/etc/which", "/etc"]
        .iter()
        .enumerate()
        .map(|(number, name)| pod.refusal(&pod.spec(&format!("c{number}"), [*name])).docker_code())
        .collect();
    assert_eq!(codes, [127, 127, 126, 126]);
    let error = pod.refusal(&pod.spec("c", ["no-such"]));
    assert!(error.to_string().contains("executable file not found in $PATH"), "{error}");
    let mut spec = pod.shell("c", "true");
    spec.instance = "other".into();
    assert!(pod.refusal(&spec).is_not_found());
    let mut spec = pod.shell("c", "true");
    spec.process.user.name = Some("eve".into());
    assert!(pod.refusal(&spec).to_string().contains("unable to find user eve"));
    assert_eq!(pod.says(&pod.spec("c", ["true"])), "");
}

#[test]
fn the_environment_is_what_was_given_and_home_comes_from_the_image() {
    let pod = Pod::new();
    let mut spec = pod.spec("one", ["env"]);
    spec.process.environment.push(("B".into(), "2 = two".into()));
    spec.process.environment.push(("A".into(), "1".into()));
    assert_eq!(pod.says(&spec), "PATH=/usr/bin:/bin\nB=2 = two\nA=1\nHOME=/root\n");
    let mut spec = pod.shell("two", "id -u; id -g; id -G; pwd; echo $HOME; touch /tmp/x; echo ok > /dev/stdout");
    spec.process.user = ContainerUser { name: Some("ann".into()), ..ContainerUser::default() };
    spec.process.working_directory = "/srv/app".into();
    let said = pod.says(&spec);
    match pod.lab.client.stats().unwrap().instance_ids {
        1 => assert!(said.starts_with("0\n0\n") && said.ends_with("/srv/app\n/home/ann\nok\n"), "{said}"),
        _ => assert_eq!(said, "1000\n1000\n1000 10\n/srv/app\n/home/ann\nok\n"),
    }
}

#[test]
fn commands_run_in_the_same_namespaces_and_end_with_the_container() {
    let pod = Pod::new();
    let spec = pod.shell("one", "for n in mnt uts ipc net pid cgroup; do readlink /proc/self/ns/$n; done; exec sleep 1000");
    let attach = Attach { output: true, ..Attach::default() };
    let started = pod.lab.client.start_container(&spec, attach).unwrap();
    let same = pod.exec("one", "for n in mnt uts ipc net pid cgroup; do readlink /proc/self/ns/$n; done").1;
    let mut first = vec![0; same.len()];
    let mut stream = std::fs::File::from(started.streams.output.unwrap());
    stream.read_exact(&mut first).unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), same);
    assert_eq!(same.lines().count(), 6);
    assert_eq!(pod.exec("one", "exit 9").0, ExitStatus::Code(9));
    assert_eq!(pod.exec("one", "echo a; echo b >&2; kill -TERM $$"), (ExitStatus::Signal(libc::SIGTERM), "a\nb\n".into()));
    let client = &pod.lab.client;
    let spec = |args: &[&str]| sandbox::ContainerExecSpec::new(args.iter().copied());
    let codes = [&["no-such"][..], &["/etc/which"]].map(|args| {
        client.exec_in_container("one", spec(args), sandbox::Stdio::Null).unwrap_err().docker_code()
    });
    assert_eq!(codes, [127, 126]);
    let sleeper = client.exec_in_container("one", spec(&["sleep", "1000"]), sandbox::Stdio::Null).unwrap();
    assert_eq!(pod.lab.client.container_processes("one").unwrap().len(), 2);
    assert_eq!(output(&pod.lab, "i", &format!("cat /proc/{}/comm", sleeper.pid)), "sleep\n");
    let mut other = client.exec_in_container("one", spec(&["sleep", "1000"]), sandbox::Stdio::Null).unwrap();
    client.signal(other.id, libc::SIGINT).unwrap();
    assert_eq!(other.wait_timeout(Duration::from_secs(10)).unwrap(), Some(ExitStatus::Signal(libc::SIGINT)));
    client.signal_container("one", libc::SIGKILL).unwrap();
    assert_eq!(sleeper.wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
    client.wait_container("one").unwrap().wait().unwrap();
    let late = client.exec_in_container("one", spec(&["true"]), sandbox::Stdio::Null);
    assert!(late.unwrap_err().is_not_found());
}

#[test]
fn programs_begin_with_no_signal_ignored_or_blocked() {
    let pod = Pod::new();
    let masks = |status: &str| {
        let mask = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        // The kernel's two real-time signals that libc keeps to itself are above these.
        [mask("SigBlk:"), mask("SigIgn:")].map(|mask| u64::from_str_radix(&mask, 16).unwrap() & 0x7fff_ffff)
    };
    assert_eq!(masks(&pod.says(&pod.shell("first", "cat /proc/self/status"))), [0, 0]);
    pod.lab.client.start_container(&pod.shell("one", "exec sleep 1000"), Attach::default()).unwrap();
    assert_eq!(masks(&pod.exec("one", "cat /proc/self/status").1), [0, 0]);
}

#[test]
fn signals_that_the_launcher_ignores_are_not_ignored_in_containers() {
    common::pass_under_ignored_signals(&[
        "container::programs_begin_with_no_signal_ignored_or_blocked",
        "container::commands_run_in_the_same_namespaces_and_end_with_the_container",
    ]);
}

fn read_until(source: &mut std::fs::File, seen: &mut String, wanted: &str) {
    let mut buffer = [0; 512];
    while !seen.contains(wanted) {
        match source.read(&mut buffer) {
            Ok(count) if count > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
            end => panic!("{end:?} after {seen:?}"),
        }
    }
}

#[test]
fn a_terminal_is_one_and_can_be_resized() {
    let pod = Pod::new();
    let mut spec = pod.shell("one", "tty; stty size; read line; stty size; echo got $line; ls -l /dev/console | cut -c1; exit 3");
    spec.process.terminal = Some((33, 101));
    spec.process.stdin_open = true;
    let attach = Attach { input: true, output: true, errors: false };
    let streams = pod.lab.client.start_container(&spec, attach).unwrap().streams;
    let (mut input, mut output) = (std::fs::File::from(streams.input.unwrap()), std::fs::File::from(streams.output.unwrap()));
    let mut seen = String::new();
    read_until(&mut output, &mut seen, "/dev/pts/0\r\n33 101\r\n");
    pod.lab.client.resize_container("one", 50, 120).unwrap();
    input.write_all(b"hello\n").unwrap();
    read_until(&mut output, &mut seen, "50 120\r\ngot hello\r\nc\r\n");
    assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Code(3));
    assert!(pod.logged("one").iter().any(|(stream, text)| stream == "stdout" && text == "got hello\r\n"));

    let mut spec = pod.spec("two", ["sleep", "1000"]);
    spec.process.terminal = None;
    pod.start(&spec);
    assert!(pod.lab.client.resize_container("two", 1, 1).unwrap_err().to_string().contains("no terminal"));
    let terminal = sandbox::Stdio::Terminal { rows: 10, columns: 20 };
    let mut command = sandbox::ContainerExecSpec::new(["sh", "-c", "tty; stty size; exit 4"]);
    command.environment.push(("PATH".into(), "/bin".into()));
    let mut process = pod.lab.client.exec_in_container("two", command, terminal).unwrap();
    let mut seen = String::new();
    let mut master = std::fs::File::from(process.terminal.take().unwrap());
    read_until(&mut master, &mut seen, "/dev/pts/0\r\n10 20\r\n");
    assert_eq!(process.wait().unwrap(), ExitStatus::Code(4));
}

#[test]
fn input_reaches_it_and_its_end_too() {
    let pod = Pod::new();
    let mut spec = pod.spec("one", ["cat"]);
    (spec.process.stdin_open, spec.process.stdin_once) = (true, true);
    let attach = Attach { input: true, output: true, errors: true };
    let streams = pod.lab.client.start_container(&spec, attach).unwrap().streams;
    let text = "0123456789abcdef\n".repeat(100_000);
    let mut input = std::fs::File::from(streams.input.unwrap());
    let sent = text.clone();
    let writer = std::thread::spawn(move || input.write_all(sent.as_bytes()).unwrap());
    let said = read_both(sandbox::container::spec::ContainerStreams { input: None, output: streams.output, errors: streams.errors });
    writer.join().unwrap();
    assert!(said == text, "{} bytes of {}", said.len(), text.len());
    assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Code(0));

    // Without it, callers come and go.
    let mut spec = pod.spec("two", ["cat"]);
    spec.process.stdin_open = true;
    pod.start(&spec);
    for word in ["one\n", "two\n"] {
        let streams = pod.lab.client.attach_container("two", Attach { input: true, output: true, errors: false }).unwrap();
        std::fs::File::from(streams.input.unwrap()).write_all(word.as_bytes()).unwrap();
        let mut echoed = [0; 4];
        std::fs::File::from(streams.output.unwrap()).read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, word.as_bytes());
    }
    assert_eq!(pod.says(&pod.spec("three", ["cat"])), "", "no input: /dev/null");
}

#[test]
fn ten_megabytes_are_neither_lost_nor_do_they_block() {
    let pod = Pod::new();
    let line = "dd if=/dev/zero bs=1000 count=10000 2>/dev/null | tr '\\0' 'x' | fold -w 1000; echo";
    // Nobody attached: all of it is in the log.
    let (expected, key) = (10_000 * 1001, "one");
    pod.start(&pod.shell(key, line));
    assert_eq!(pod.lab.client.wait_container(key).unwrap().wait().unwrap(), ExitStatus::Code(0));
    let logged: usize = pod.logged(key).iter().map(|(_, text)| text.len()).sum();
    assert_eq!(logged, expected);
    // Attached: all of it arrives, and is in the log.
    let (status, said) = pod.run(&pod.shell("two", line));
    assert_eq!((status, said.len()), (ExitStatus::Code(0), expected));
    // Attached and gone: the container does not notice.
    let attach = Attach { output: true, errors: true, input: false };
    drop(pod.lab.client.start_container(&pod.shell("three", line), attach).unwrap());
    assert_eq!(pod.lab.client.wait_container("three").unwrap().wait().unwrap(), ExitStatus::Code(0));
    assert_eq!(pod.logged("three").iter().map(|(_, text)| text.len()).sum::<usize>(), expected);
}

#[test]
fn a_program_waits_at_its_gate_and_others_are_served_meanwhile() {
    let pod = Pod::new();
    let client = &pod.lab.client;
    let gate = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let begin = |key: &str, gate| client.begin_start(&pod.shell(key, "echo ran"), Attach::default(), Some(gate)).unwrap();
    let (theirs, ours) = gate();
    let one = begin("one", theirs);
    // The same connection, from here and from another thread; answers come in another order than questions.
    assert_eq!(pod.run(&pod.shell("two", "echo two")), (ExitStatus::Code(0), "two\n".into()));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| one.finish().unwrap());
        for _ in 0..20 {
            client.ping().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!waiting.is_finished());
        assert_eq!(pod.logged("one"), []);
        rustix::io::write(&ours, b"x").unwrap();
        assert_eq!(waiting.join().unwrap().exit.wait().unwrap(), ExitStatus::Code(0));
    });
    assert_eq!(pod.logged("one"), [("stdout".to_owned(), "ran\n".to_owned())]);
    // A starter that dies or fails opens no gate: nothing ran, and the name is free.
    let (theirs, ours) = gate();
    let three = begin("three", theirs);
    drop(ours);
    let refused = three.finish().unwrap_err().to_string();
    assert!(refused.contains("gave up before its network was made"), "{refused}");
    assert_eq!(pod.logged("three"), []);
    assert!(client.container_status("three").unwrap_err().is_not_found());
    assert_eq!(pod.run(&pod.shell("three", "true")).0, ExitStatus::Code(0));
}

#[test]
fn networks_are_its_own_the_instances_none_or_anothers() {
    let pod = Pod::new();
    let client = &pod.lab.client;
    client.create_container_netns("i/one", "i", false).unwrap();
    assert!(client.create_container_netns("i/one", "i", false).unwrap_err().is_already_exists());
    assert!(client.create_container_netns("x", "no-such", false).unwrap_err().is_not_found());
    let inode = |key: &str| client.list_netnses().unwrap().iter().find(|known| known.key == key).unwrap().inode;
    let mut one = pod.shell("one", "exec sleep 1000");
    one.network = ContainerNetwork::Own { netns: "i/one".into() };
    one.sysctls.insert("net.ipv4.ip_default_ttl".into(), "77".into());
    pod.start(&one);
    let of = |key: &str| pod.exec(key, "readlink /proc/self/ns/net").1;
    assert_eq!(of("one"), format!("net:[{}]\n", inode("i/one")));
    assert_eq!(client.container_status("one").unwrap().network_inode, inode("i/one"));
    assert_eq!(pod.exec("one", "cat /proc/sys/net/ipv4/ip_default_ttl; ls /sys/class/net").1, "77\nlo\n");
    let networks = [("two", ContainerNetwork::Host), ("three", ContainerNetwork::Container { key: "one".into() })];
    for (key, network) in networks.into_iter().chain([("four", ContainerNetwork::None)]) {
        let mut spec = pod.shell(key, "exec sleep 1000");
        spec.network = network;
        pod.start(&spec);
    }
    assert_eq!(of("two"), output(&pod.lab, "i", "readlink /proc/self/ns/net"));
    assert_eq!(of("three"), of("one"));
    let alone = of("four");
    assert!(alone != of("one") && alone != of("two"));
    // From outside it is a namespace like any other.
    let socket = sandbox::SocketSpec::tcp_listener("i/one", "127.0.0.1:80".parse().unwrap());
    client.open_socket(socket).unwrap();
    let mut spec = pod.shell("five", "true");
    spec.network = ContainerNetwork::Container { key: "nobody".into() };
    assert!(pod.refusal(&spec).is_not_found());
}

#[test]
fn files_can_change_while_it_runs() {
    let pod = Pod::new();
    let mut spec = pod.shell("one", "exec sleep 1000");
    spec.files.insert("/etc/hosts".into(), "10.0.0.1 db\n".into());
    spec.files.insert("/etc/resolv.conf".into(), "nameserver 10.0.0.2\n".into());
    pod.start(&spec);
    assert_eq!(pod.exec("one", "cat /etc/hosts /etc/resolv.conf").1, "10.0.0.1 db\nnameserver 10.0.0.2\n");
    pod.lab.client.write_container_file("one", "/etc/hosts", "x\n").unwrap();
    assert_eq!(pod.exec("one", "cat /etc/hosts; echo own >> /etc/hosts; cat /etc/hosts").1, "x\nx\nown\n");
    assert!(pod.lab.client.write_container_file("one", "/etc/passwd", "x").is_err());
    // A place to mount on is all that the layer has of it.
    assert_eq!(std::fs::metadata(spec.root.upper.join("etc/hosts")).unwrap().len(), 0);
}

#[test]
fn an_init_passes_signals_on_and_reaps() {
    let pod = Pod::new();
    let mut spec = pod.shell("one", "(sleep 0.1 &); trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    spec.init = true;
    let attach = Attach { output: true, ..Attach::default() };
    let mut stream = std::fs::File::from(pod.lab.client.start_container(&spec, attach).unwrap().streams.output.unwrap());
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "ready\n");
    assert_eq!(pod.exec("one", "cat /proc/1/comm").1, "init\n");
    eventually("no process is left unreaped", || !pod.exec("one", "cat /proc/[0-9]*/stat 2>/dev/null").1.contains(") Z "));
    pod.lab.client.signal_container("one", libc::SIGTERM).unwrap();
    read_until(&mut stream, &mut seen, "bye\n");
    assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Code(5));
    let mut spec = pod.spec("two", ["sleep", "1000"]);
    spec.init = true;
    pod.start(&spec);
    pod.lab.client.signal_container("two", libc::SIGTERM).unwrap();
    assert_eq!(pod.lab.client.wait_container("two").unwrap().wait().unwrap(), ExitStatus::Code(143), "as tini has it");
    let mut spec = pod.spec("three", ["no-such"]);
    spec.init = true;
    assert_eq!(pod.refusal(&spec).docker_code(), 127);
}

#[test]
fn a_paused_container_does_nothing_until_it_goes_on() {
    let pod = Pod::new();
    pod.start(&pod.shell("one", "(while :; do echo child; sleep 0.02; done) & while :; do echo first; sleep 0.02; done"));
    let length = || std::fs::metadata(pod.folder.join("one/log.json")).unwrap().len();
    eventually("it writes", || length() > 500);
    pod.lab.client.pause_container("one").unwrap();
    assert!(pod.lab.client.pause_container("one").unwrap_err().to_string().contains("already paused"));
    assert!(pod.lab.client.container_status("one").unwrap().paused);
    let exec = pod.lab.client.exec_in_container("one", sandbox::ContainerExecSpec::new(["true"]), sandbox::Stdio::Null);
    assert!(exec.unwrap_err().to_string().contains("is paused"));
    // What was written before it stopped may still be under way; after a while nothing is.
    let mut before = length();
    eventually("it is silent", || {
        std::thread::sleep(Duration::from_millis(200));
        before == std::mem::replace(&mut before, length())
    });
    pod.lab.client.unpause_container("one").unwrap();
    eventually("it writes again", || length() > before + 500);
    assert!(pod.lab.client.unpause_container("one").unwrap_err().to_string().contains("not paused"));
}
