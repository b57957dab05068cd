//! What an instance is to those inside and to those who run commands in it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use sandbox::client::Client;
use sandbox::{
    Bind, Error, ExecSpec, ExitStatus, InstanceSpec, NetnsSpec, RootBase, Stdio, Tool,
    process::set_terminal_size,
};

use crate::common::{self, Lab, PATIENCE, eventually, output, path, run};

#[test]
fn exit_codes_signals_and_output_come_back() {
    let lab = Lab::with_instance("one");
    assert_eq!(
        lab.shell("one", "echo out; echo err >&2; exit 7"),
        (ExitStatus::Code(7), "out\nerr\n".into())
    );
    assert_eq!(
        lab.shell("one", "kill -USR1 $$").0,
        ExitStatus::Signal(libc::SIGUSR1)
    );
    assert_eq!(ExitStatus::Signal(15).shell_code(), 143);
}

#[test]
fn what_cannot_run_is_refused_with_the_errno_and_the_instance_lives() {
    let lab = Lab::with_instance("one");
    let errno = |spec: ExecSpec| match lab.client.exec("one", spec, Stdio::Null) {
        Err(Error::Refused(fault)) => fault.errno,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        errno(ExecSpec::new(["no-such-program"])),
        Some(libc::ENOENT)
    );
    assert_eq!(errno(ExecSpec::new(["/etc"])), Some(libc::EACCES));
    let lost = ExecSpec {
        working_directory: Some("/nowhere".into()),
        ..ExecSpec::new(["true"])
    };
    assert_eq!(errno(lost), Some(libc::ENOENT));
    assert_eq!(errno(ExecSpec::new(Vec::<String>::new())), None);
    assert_eq!(errno(ExecSpec::new(["a\0b"])), None);
    assert!(
        lab.client
            .exec("two", ExecSpec::new(["true"]), Stdio::Null)
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(output(&lab, "one", "echo fine"), "fine\n");
}

#[test]
fn commands_start_with_a_clean_environment_and_default_signals() {
    let lab = Lab::with_instance("one");
    let mut spec = ExecSpec::new(["env"]);
    spec.environment.insert("MINE".into(), "1".into());
    let (_, environment) = run(&lab.client, "one", spec);
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "HOME", "HOSTNAME", "LANG", "LOGNAME", "MINE", "PATH", "SHELL", "TERM", "USER"
        ]
    );
    // Read by a program that changes no signal itself.
    let (_, status) = run(
        &lab.client,
        "one",
        ExecSpec::new(["cat", "/proc/self/status"]),
    );
    let mask = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() & 0x7fff_ffff
    };
    assert_eq!((mask("SigBlk:"), mask("SigIgn:")), (0, 0));
    let open = run(&lab.client, "one", ExecSpec::new(["ls", "/proc/self/fd"])).1;
    assert_eq!(open, "0\n1\n2\n3\n", "3 is the directory that ls reads");
}

#[test]
fn signals_that_the_launcher_ignores_are_not_ignored_inside() {
    common::pass_under_ignored_signals(&[
        "instance::commands_start_with_a_clean_environment_and_default_signals",
        "instance::the_terminals_ctrl_c_ends_the_foreground_program",
    ]);
}

#[test]
fn a_terminal_works_and_can_be_resized() {
    let lab = Lab::with_instance("one");
    let spec = ExecSpec::new([
        "sh",
        "-c",
        "tty; stty size; read line; stty size; echo got $line; exit 3",
    ]);
    let mut process = lab
        .client
        .exec(
            "one",
            spec,
            Stdio::Terminal {
                rows: 33,
                columns: 101,
            },
        )
        .unwrap();
    let mut master = std::fs::File::from(process.terminal.take().unwrap());
    let mut seen = String::new();
    let mut read_until = |master: &mut std::fs::File, wanted: &str| {
        let mut buffer = [0; 512];
        while !seen.contains(wanted) {
            match master.read(&mut buffer) {
                Ok(count) if count > 0 => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
                end => panic!("{end:?} after {seen:?}"),
            }
        }
    };
    read_until(&mut master, "/dev/pts/0\r\n33 101\r\n");
    set_terminal_size(&master, 50, 120).unwrap();
    master.write_all(b"hello\n").unwrap();
    read_until(&mut master, "50 120\r\ngot hello\r\n");
    assert_eq!(process.wait().unwrap(), ExitStatus::Code(3));
}

#[test]
fn the_terminals_ctrl_c_ends_the_foreground_program() {
    let lab = Lab::with_instance("one");
    let terminal = Stdio::Terminal {
        rows: 24,
        columns: 80,
    };
    let mut process = lab
        .client
        .exec("one", ExecSpec::new(["cat"]), terminal)
        .unwrap();
    let mut master = std::fs::File::from(process.terminal.take().unwrap());
    master.write_all(b"x\n").unwrap();
    let mut echoed = [0; 6];
    master.read_exact(&mut echoed).unwrap();
    master.write_all(&[3]).unwrap();
    assert_eq!(
        process.wait_timeout(PATIENCE).unwrap(),
        Some(ExitStatus::Signal(libc::SIGINT))
    );
}

#[test]
fn host_names_files_and_binds_are_as_described() {
    let lab = Lab::launch();
    let shared = path(&lab, "shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("in"), "from the host").unwrap();
    let mut spec = InstanceSpec::new("one", "web-1");
    spec.sysctls
        .push(("net/ipv4/ip_default_ttl".into(), "77".into()));
    spec.root
        .files
        .insert("/etc/hosts".into(), "10.0.0.1 db-1\n".into());
    spec.root
        .files
        .insert("/etc/resolv.conf".into(), "nameserver 10.0.0.2\n".into());
    spec.root
        .files
        .insert("/etc/new/deep/file".into(), "x".into());
    spec.root
        .files
        .insert("/var/lib/cloud/user-data".into(), "y".into());
    spec.root.environment.insert("LAB".into(), "shop".into());
    spec.root.binds.push(Bind {
        source: shared.clone(),
        target: "/srv/shared".into(),
        read_only: true,
    });
    lab.client.start_instance(spec).unwrap();
    let said = output(
        &lab,
        "one",
        "hostname; cat /etc/hosts /etc/resolv.conf /etc/new/deep/file /var/lib/cloud/user-data /srv/shared/in; \
         echo $LAB; cat /proc/sys/net/ipv4/ip_default_ttl; pwd",
    );
    assert_eq!(
        said,
        "web-1\n10.0.0.1 db-1\nnameserver 10.0.0.2\nxyfrom the hostshop\n77\n/root\n"
    );
    assert_ne!(
        lab.shell("one", "echo > /srv/shared/out").0,
        ExitStatus::Code(0)
    );
    assert_ne!(
        lab.shell(
            "one",
            "mount -o remount,rw,bind /srv/shared && touch /srv/shared/out && ls /host-root"
        )
        .0,
        ExitStatus::Code(0)
    );
    assert_eq!(
        output(
            &lab,
            "one",
            "echo a > /etc/hosts; mkdir /etc/mine; echo b > /usr/local/bin/c; cat /etc/hosts"
        ),
        "a\n"
    );
    assert!(
        !std::path::Path::new("/etc/mine").exists()
            && !std::path::Path::new("/usr/local/bin/c").exists()
    );
}

#[test]
fn tools_are_found_before_or_after_the_hosts_own() {
    let lab = Lab::launch();
    let tool = path(&lab, "tool");
    std::fs::write(&tool, "#!/bin/sh\necho tool as ${0##*/}\n").unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut spec = InstanceSpec::new("one", "one");
    for (name, preferred) in [("cat", true), ("ls", false), ("surely-absent", false)] {
        spec.root.tools.push(Tool {
            name: name.into(),
            executable: tool.clone(),
            preferred,
        });
    }
    lab.client.start_instance(spec).unwrap();
    assert_eq!(
        output(&lab, "one", "cat; surely-absent"),
        "tool as cat\ntool as surely-absent\n"
    );
    assert_eq!(output(&lab, "one", "ls -d /etc"), "/etc\n");
}

#[test]
fn layers_lie_on_each_other_and_stay_as_they_were() {
    let lab = Lab::launch();
    let layers: Vec<_> = ["low", "high"].map(|name| path(&lab, name)).into();
    for (layer, text) in layers.iter().zip(["low", "high"]) {
        std::fs::create_dir_all(layer.join("data")).unwrap();
        std::fs::write(layer.join("data/which"), text).unwrap();
        std::fs::write(layer.join(format!("data/{text}")), "").unwrap();
    }
    let mut spec = InstanceSpec::new("one", "one");
    spec.root.base = RootBase::Layers {
        lower: layers.clone(),
        upper: None,
    };
    for name in ["/usr", "/bin", "/lib", "/lib64"] {
        if std::path::Path::new(name).exists() {
            spec.root.binds.push(Bind {
                source: name.into(),
                target: name.into(),
                read_only: true,
            });
        }
    }
    lab.client.start_instance(spec).unwrap();
    assert_eq!(
        output(
            &lab,
            "one",
            "cat /data/which; ls /data; echo new > /new; cat /new"
        ),
        "highhigh\nlow\nwhich\nnew\n"
    );
    assert!(!layers[1].join("new").exists());
}

#[test]
fn a_stopped_instance_starts_again_in_the_same_network() {
    let lab = Lab::with_instance("one");
    output(
        &lab,
        "one",
        "echo 1 > /proc/sys/net/ipv4/ip_forward; touch /tmp/x",
    );
    let before = lab.client.list_netnses().unwrap();
    let sleeper = lab
        .client
        .exec("one", ExecSpec::new(["sleep", "1000"]), Stdio::Null)
        .unwrap();
    assert!(lab.client.remove_netnses(&["one"]).is_err());
    lab.client
        .stop_instances(&["one", "unknown"], Duration::ZERO)
        .unwrap();
    assert_eq!(sleeper.wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
    assert_eq!(lab.client.list_instances().unwrap(), []);
    assert_eq!(lab.client.list_netnses().unwrap(), before);
    lab.client
        .start_instance(InstanceSpec::new("one", "again"))
        .unwrap();
    assert_eq!(lab.client.list_netnses().unwrap(), before);
    assert_eq!(
        output(
            &lab,
            "one",
            "cat /proc/sys/net/ipv4/ip_forward; ls /tmp; hostname; echo 0 > /proc/sys/net/ipv4/ip_forward"
        ),
        "1\nagain\n"
    );
    for door in ["ls /proc/1/fd", "ls /proc/1/root/"] {
        assert_ne!(lab.shell("one", door).0, ExitStatus::Code(0), "{door}");
    }
    let taken = lab
        .client
        .start_instance(InstanceSpec::new("one", "x"))
        .unwrap_err();
    assert!(taken.is_already_exists(), "{taken}");
}

#[test]
fn programs_get_their_grace_and_no_more() {
    let lab = Lab::with_instance("good");
    lab.client
        .start_instance(InstanceSpec::new("bad", "bad"))
        .unwrap();
    let log = path(&lab, "log");
    let polite = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    lab.client
        .spawn("good", ExecSpec::new(["sh", "-c", polite]), &log)
        .unwrap();
    let other = path(&lab, "other");
    lab.client
        .spawn("bad", ExecSpec::new(["sh", "-c", stubborn]), &other)
        .unwrap();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    eventually("both are ready", || {
        read(&log) == "ready\n" && read(&other) == "ready\n"
    });
    let start = Instant::now();
    lab.client
        .stop_instances(&["good"], 2 * PATIENCE)
        .unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert!(read(&log).ends_with("bye\n"), "{}", read(&log));
    let start = Instant::now();
    lab.client
        .stop_instances(&["bad"], Duration::from_millis(300))
        .unwrap();
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < PATIENCE,
        "{took:?}"
    );
}

#[test]
fn orphans_are_reaped_and_ended_commands_remembered() {
    let lab = Lab::with_instance("one");
    output(
        &lab,
        "one",
        "for i in 1 2 3 4 5 6 7 8; do (sleep 0.01 & ) ; done",
    );
    eventually("no process is left", || {
        !output(&lab, "one", "cat /proc/[0-9]*/stat 2>/dev/null; true").contains(" Z ")
    });
    let list = lab.client.list_processes().unwrap();
    assert_eq!(list[0].status, Some(ExitStatus::Code(0)));
    assert_eq!(
        lab.client.attach(list[0].process).unwrap().wait().unwrap(),
        ExitStatus::Code(0)
    );
    assert!(
        lab.client
            .signal(list[0].process, libc::SIGTERM)
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn failures_in_a_batch_leave_the_others_up() {
    let lab = Lab::launch();
    lab.client.create_netns(NetnsSpec::lab("router")).unwrap();
    let mut bad = InstanceSpec::new("bad", "bad");
    bad.sysctls.push(("net/no/such".into(), "1".into()));
    let specs = [
        InstanceSpec::new("a", "a"),
        bad,
        InstanceSpec::new("router", "r"),
        InstanceSpec::new("b", ""),
        InstanceSpec::new("c", "c"),
    ];
    let failures = lab.client.start_instances(&specs).unwrap();
    assert_eq!(failures.keys().collect::<Vec<_>>(), ["b", "bad", "router"]);
    eventually("the failed one is gone", || {
        lab.client.list_instances().unwrap().len() == 2
    });
    let keys: Vec<_> = lab
        .client
        .list_netnses()
        .unwrap()
        .into_iter()
        .map(|one| one.key)
        .collect();
    assert_eq!(keys, ["a", "c", "router"]);
    assert_eq!(output(&lab, "c", "echo up"), "up\n");
}

#[test]
fn a_root_that_cannot_be_built_ends_the_instance_and_says_why() {
    let lab = Lab::launch();
    let mut spec = InstanceSpec::new("one", "one");
    spec.root.binds.push(Bind {
        source: "/no/such/thing".into(),
        target: "/x".into(),
        read_only: true,
    });
    lab.client.start_instance(spec).unwrap();
    let error = lab
        .client
        .exec("one", ExecSpec::new(["true"]), Stdio::Null)
        .unwrap_err();
    assert!(error.to_string().contains("/no/such/thing"), "{error}");
    eventually("it ends", || {
        lab.client.list_instances().unwrap().is_empty()
    });
    lab.client
        .start_instance(InstanceSpec::new("one", "one"))
        .unwrap();
    assert_eq!(output(&lab, "one", "echo up"), "up\n");
}

#[test]
fn threads_of_one_caller_share_a_connection() {
    let lab = Lab::with_instance("one");
    let client: &Client = &lab.client;
    std::thread::scope(|scope| {
        for code in 1..9 {
            scope.spawn(move || {
                for _ in 0..5 {
                    let spec =
                        ExecSpec::new(["sh".to_owned(), "-c".to_owned(), format!("exit {code}")]);
                    assert_eq!(
                        client
                            .exec("one", spec, Stdio::Null)
                            .unwrap()
                            .wait()
                            .unwrap(),
                        ExitStatus::Code(code)
                    );
                }
            });
        }
    });
}
