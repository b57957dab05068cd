//! Runs a test as root of its own user and network namespace, whoever starts it, and opens more network
//! namespaces inside.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use netlink::rtnl::link::{self, Target};
use netlink::{Batch, Protocol, Socket};

const INSIDE: &str = "VPCLAB_LINUX_TEST_INSIDE";

/// Runs `body` in namespaces of its own: this very test, by its whole name, is started again there, in a new process.
pub fn in_own_namespaces(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut command = Command::new(std::env::current_exe().expect("this test's path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"]).env(INSIDE, "1");
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ];
    // JUSTIFICATION: a user namespace can only be entered by a process of one thread, so between fork and exec.
    // SAFETY: unshare, open and write are async-signal-safe; everything that allocates was made before.
    unsafe {
        command.pre_exec(move || {
            if libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) != 0 {
                return Err(io::Error::last_os_error());
            }
            for (path, text) in &maps {
                std::fs::write(path, text)?;
            }
            Ok(())
        });
    }
    let output = command.output().expect("start in a user and network namespace of its own");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "inside the namespace:\n{out}\n{err}");
    assert!(out.contains("1 passed"), "no test named {test} ran:\n{out}");
    print!("{out}");
}

/// A network namespace, held by its descriptor.
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// A new one, its loopback up.
    pub fn new() -> Namespace {
        let fd = on_new_thread(|| {
            // JUSTIFICATION: rustix calls unshare unsafe too.
            // SAFETY: CLONE_NEWNET alone affects only this thread's sockets to come.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "{}", io::Error::last_os_error());
            OwnedFd::from(File::open("/proc/thread-self/ns/net").expect("own namespace"))
        });
        let namespace = Namespace { fd };
        let mut batch = Batch::new();
        link::set_up(&mut batch, Target::Name("lo"), true);
        namespace.socket(Protocol::Route).execute(&batch).expect("loopback up");
        namespace
    }

    /// Runs something there.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        on_new_thread(|| {
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(self.fd.as_fd(), kind).expect("enter");
            body()
        })
    }

    /// A netlink socket that belongs there.
    pub fn socket(&self, protocol: Protocol) -> Socket {
        let fd = self.enter(|| Socket::open(protocol).expect("socket").into_fd());
        Socket::from_fd(fd).expect("adopted socket")
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn on_new_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(body).join().expect("thread"))
}
