//! What becomes of containers when something around them ends, and that nothing is left of thousands of them.

use std::io::Read;
use std::time::{Duration, Instant};

use sandbox::client::Client;
use sandbox::container::spec::Attach;
use sandbox::{ExitStatus, InstanceSpec};

use crate::common::pod::Pod;
use crate::common::{eventually, output};

/// Plays the caller that is killed: started by the test below as a process of its own.
#[test]
fn caller_of_a_container_that_will_be_killed() {
    let (Ok(socket), Ok(spec)) = (std::env::var("SANDBOX_TEST_SOCKET"), std::env::var("SANDBOX_TEST_CONTAINER")) else {
        return;
    };
    let client = Client::connect(socket.as_ref()).unwrap();
    let spec = serde_json::from_str(&spec).unwrap();
    let _held = client.start_container(&spec, Attach { output: true, errors: true, input: false }).unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn a_killed_caller_leaves_its_container_its_log_and_its_exit_code() {
    let pod = Pod::new();
    let spec = pod.shell("one", "echo begun; while ! test -e /stop; do sleep 0.02; done; echo done; exit 6");
    // A process of its own, so that it can be killed with all that it holds; started anew, so that it holds nothing of other tests.
    let mut caller = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "container_faults::caller_of_a_container_that_will_be_killed"])
        .env("SANDBOX_TEST_SOCKET", pod.lab.client.socket())
        .env("SANDBOX_TEST_CONTAINER", serde_json::to_string(&spec).unwrap())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("it has begun", || std::fs::read_to_string(pod.folder.join("one/log.json")).is_ok_and(|log| log.contains("begun")));
    caller.kill().unwrap();
    caller.wait().unwrap();
    assert_eq!(pod.exec("one", "echo > /stop").0, ExitStatus::Code(0));
    assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Code(6));
    let texts: Vec<String> = pod.logged("one").into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["begun\n", "done\n"]);
}

#[test]
fn a_killed_shim_ends_its_container_and_that_is_said() {
    let pod = Pod::new();
    let started = pod.start(&pod.shell("one", "trap '' TERM; echo up; while :; do sleep 0.05; done"));
    let other = pod.lab.client.exec_in_container("one", sandbox::ContainerExecSpec::new(["sleep", "1000"]), sandbox::Stdio::Null);
    let other = other.unwrap();
    let pid = started.instance_pid;
    output(&pod.lab, "i", &format!("kill -9 $(cut -d' ' -f4 /proc/{pid}/stat)"));
    let exit = pod.lab.client.wait_container("one").unwrap();
    assert_eq!(exit.wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
    assert_eq!(other.wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
    let end = pod.lab.client.container_status("one").unwrap().ended.unwrap();
    assert_eq!(end.error.as_deref(), Some("its shim was killed"));
    eventually("its processes are gone", || pod.lab.shell("i", &format!("test -e /proc/{pid}")).0 != ExitStatus::Code(0));
    assert_eq!(pod.says(&pod.spec("two", ["true"])), "");
}

#[test]
fn containers_of_an_instance_that_stops_get_their_grace_first() {
    let pod = Pod::new();
    let polite = |key: &str, signal: &str, number| {
        let mut spec = pod.shell(key, &format!("trap 'echo bye; exit 0' {signal}; echo up; while :; do sleep 0.05; done"));
        spec.stop_signal = number;
        pod.start(&spec);
    };
    polite("one", "TERM", libc::SIGTERM);
    polite("two", "QUIT", libc::SIGQUIT);
    let texts = |key: &str| pod.logged(key).into_iter().map(|(_, text)| text).collect::<Vec<_>>().concat();
    eventually("both are up", || texts("one") == "up\n" && texts("two") == "up\n");
    let begun = Instant::now();
    pod.lab.client.stop_instances(&["i"], Duration::from_secs(20)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(14));
    for key in ["one", "two"] {
        assert!(texts(key).ends_with("bye\n"), "{key}");
        let end = pod.lab.client.container_status(key).unwrap().ended.unwrap();
        assert_eq!((end.status, end.error), (ExitStatus::Code(0), None));
    }
    // Those that do not listen are ended, and the instance's own programs still hear that it stops.
    pod.lab.client.start_instance(InstanceSpec::new("i", "again")).unwrap();
    let log = pod.lab.directory.path().join("own");
    let own = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    pod.lab.client.spawn("i", sandbox::ExecSpec::new(["sh", "-c", own]), &log).unwrap();
    pod.start(&pod.spec("three", ["sleep", "1000"]));
    eventually("all are up", || std::fs::read_to_string(&log).is_ok_and(|text| text == "up\n"));
    let begun = Instant::now();
    pod.lab.client.stop_instances(&["i"], Duration::from_secs(4)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(std::fs::read_to_string(&log).unwrap().ends_with("bye\n"));
    let end = pod.lab.client.container_status("three").unwrap().ended.unwrap();
    assert_eq!(end.status, ExitStatus::Signal(libc::SIGKILL));
    // Without grace.
    pod.lab.client.start_instance(InstanceSpec::new("i", "again")).unwrap();
    pod.start(&pod.spec("four", ["sleep", "1000"]));
    let exit = pod.lab.client.wait_container("four").unwrap();
    pod.lab.client.stop_instances(&["i"], Duration::ZERO).unwrap();
    assert_eq!(exit.wait().unwrap(), ExitStatus::Signal(libc::SIGKILL));
    assert!(pod.lab.client.container_status("four").unwrap().ended.unwrap().error.is_some());
    assert!(pod.refusal(&pod.spec("five", ["true"])).is_not_found());
}

#[test]
fn many_quick_containers_leave_nothing() {
    let pod = Pod::new();
    let rounds = std::env::var("VPCLAB_CONTAINERS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let holder = pod.lab.handle.pid;
    let descriptors = || std::fs::read_dir(format!("/proc/{holder}/fd")).map(Iterator::count);
    let children = || std::fs::read_to_string(format!("/proc/{holder}/task/{holder}/children")).unwrap().split_whitespace().count();
    let mut times = Vec::new();
    let mut once = |number: usize| {
        let spec = pod.spec("one", ["true"]);
        let begun = Instant::now();
        let attach = Attach { output: number.is_multiple_of(2), ..Attach::default() };
        pod.lab.client.start_container(&spec, attach).unwrap();
        assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Code(0));
        times.push(begun.elapsed());
        pod.lab.client.remove_container("one").unwrap();
    };
    (0..10).for_each(&mut once);
    // Shims of the last ones may still be on their way out.
    eventually("no child is left but the init", || children() == 1);
    let before = descriptors().ok();
    (0..rounds).for_each(&mut once);
    eventually("no child is left but the init", || children() == 1);
    // An ordinary user may not look at its own holder's.
    eventually("no descriptor is left", || descriptors().ok() == before);
    assert_eq!(pod.lab.client.list_containers().unwrap(), []);
    times.sort();
    let at = |share: usize| times[times.len() * share / 100];
    println!("start to exit of `true`: p50 {:?}, p90 {:?}, of {}", at(50), at(90), times.len());
    assert_eq!(pod.lab.log(), "");
}

#[test]
fn many_containers_at_once_run_beside_each_other() {
    let pod = Pod::new();
    let threads: Vec<_> = (0..20)
        .map(|number| {
            let spec = pod.shell(&format!("c{number}"), &format!("echo {number}; cat /proc/1/comm; exit {number}"));
            let client = Client::connect(pod.lab.client.socket()).unwrap();
            std::thread::spawn(move || {
                let started = client.start_container(&spec, Attach { output: true, ..Attach::default() }).unwrap();
                let mut said = String::new();
                std::fs::File::from(started.streams.output.unwrap()).read_to_string(&mut said).unwrap();
                (said, client.wait_container(&spec.key).unwrap().wait().unwrap())
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), (format!("{number}\nsh\n"), ExitStatus::Code(number as i32)));
    }
    assert_eq!(pod.lab.client.list_containers().unwrap().len(), 20);
}

#[test]
fn a_full_disk_of_logs_does_not_stop_a_container() {
    let pod = Pod::new();
    let mut spec = pod.shell("one", "dd if=/dev/zero bs=100k count=10 2>/dev/null | tr '\\0' 'x'; exit 4");
    spec.log.as_mut().unwrap().path = "/dev/full".into();
    let (status, said) = pod.run(&spec);
    assert_eq!((status, said.len()), (ExitStatus::Code(4), 1_024_000));
    assert!(pod.lab.log().contains("output is lost"), "{}", pod.lab.log());
    spec.key = "two".into();
    spec.log.as_mut().unwrap().path = "/no/such/folder/log".into();
    assert!(pod.refusal(&spec).to_string().contains("opening the log"));
}

#[test]
fn a_caller_that_never_reads_holds_up_nobody_else() {
    let pod = Pod::new();
    let line = "dd if=/dev/zero bs=100k count=100 2>/dev/null | tr '\\0' 'x'";
    let stalled = pod.lab.client.start_container(&pod.shell("one", line), Attach { output: true, ..Attach::default() }).unwrap();
    let (status, said) = pod.run(&pod.shell("two", line));
    assert_eq!((status, said.len()), (ExitStatus::Code(0), 10_240_000));
    // It waits for its reader, and goes on with it.
    assert!(pod.lab.client.container_status("one").unwrap().ended.is_none());
    let mut bytes = Vec::new();
    std::fs::File::from(stalled.streams.output.unwrap()).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 10_240_000);
    assert_eq!(pod.lab.client.wait_container("one").unwrap().wait().unwrap(), ExitStatus::Code(0));
}
