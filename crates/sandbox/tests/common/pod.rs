//! An instance with an image for containers: a few programs of this machine, with what they are linked to, in one
//! layer that belongs to the instance's root.

use std::io::Read;
use std::path::{Path, PathBuf};

use sandbox::container::StartedContainer;
use sandbox::container::spec::{Attach, ContainerStreams, LogSpec};
use sandbox::{ContainerRoot, ContainerSpec, Error, ExitStatus, ProcessSpec, SelfCommand, Stdio};

use super::Lab;

const PROGRAMS: &str = "sh cat ls sleep true false id hostname readlink grep head tail stat mkdir touch seq dd env stty tty \
                        chown chmod wc date rm ln sed mount umount cut sort tr uname nproc mv cp fold mknod chroot unshare nsenter setpriv";

pub struct Pod {
    pub lab: Lab,
    pub folder: PathBuf,
}

impl Pod {
    pub fn new() -> Pod {
        Pod::on(Lab::with_instance("i"))
    }

    pub fn on(lab: Lab) -> Pod {
        let folder = lab.directory.path().join("containers");
        std::fs::create_dir(&folder).unwrap();
        let pod = Pod { lab, folder };
        pod.layer("image", "");
        pod
    }

    /// A layer with the programs if it is called `image`, and what a shell line makes in it.
    pub fn layer(&self, name: &str, line: &str) -> PathBuf {
        let layer = self.folder.join(name);
        std::fs::create_dir(&layer).unwrap();
        // Its own file is what runs for a script that names `/proc/self/exe`.
        let own = std::env::current_exe().unwrap().display().to_string();
        let programs = format!(
            "mkdir -p bin etc tmp root dev proc sys usr var; chmod 1777 tmp; ln -s ../bin usr/bin; \
             files=; for one in {PROGRAMS}; do files=\"$files $(ls /usr/bin/$one /bin/$one 2>/dev/null | head -n 1)\"; done; cp -L $files bin/; \
             cp -L --parents $(ldd bin/* {own} 2>/dev/null | grep -o '/[^ ]*\\.so[^ ]*' | sort -u) .; \
             printf 'root:x:0:0:root:/root:/bin/sh\\nann:x:1000:1000::/home/ann:/bin/sh\\n' > etc/passwd; \
             printf 'root:x:0:\\nann:x:1000:\\nwheel:x:10:ann\\n' > etc/group; echo image > etc/which;"
        );
        let script = format!(
            "set -e; {} {line}",
            if name == "image" { &programs } else { "" }
        );
        let status = sandbox::program_with_instance_ids(
            &SelfCommand::current().unwrap(),
            &layer,
            Path::new("/bin/sh"),
            &["-c", &script],
        )
        .status()
        .unwrap();
        assert!(status.success(), "{status}");
        layer
    }

    pub fn spec<S: Into<String>>(
        &self,
        key: &str,
        args: impl IntoIterator<Item = S>,
    ) -> ContainerSpec {
        let own = self.folder.join(key);
        let _ = std::fs::create_dir(&own);
        let root = ContainerRoot {
            lower: vec![self.folder.join("image")],
            upper: own.join("upper"),
            work: own.join("work"),
            read_only: false,
        };
        let mut process = ProcessSpec::new(args);
        process
            .environment
            .push(("PATH".into(), "/usr/bin:/bin".into()));
        let mut spec = ContainerSpec::new(key, "i", root, process);
        spec.log = Some(LogSpec {
            path: own.join("log.json"),
            max_bytes: 0,
            max_files: 1,
        });
        spec
    }

    pub fn shell(&self, key: &str, line: &str) -> ContainerSpec {
        self.spec(key, ["sh", "-c", line])
    }

    pub fn start(&self, spec: &ContainerSpec) -> StartedContainer {
        self.lab
            .client
            .start_container(spec, Attach::default())
            .unwrap_or_else(|error| panic!("{error}\n{}", self.lab.log()))
    }

    /// Runs to its end; how it ended and what it said on both streams.
    pub fn run(&self, spec: &ContainerSpec) -> (ExitStatus, String) {
        let attach = Attach {
            output: true,
            errors: true,
            input: false,
        };
        let started = self
            .lab
            .client
            .start_container(spec, attach)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.lab.log()));
        let output = read_both(started.streams);
        let status = self
            .lab
            .client
            .wait_container(&spec.key)
            .unwrap()
            .wait()
            .unwrap();
        (status, output)
    }

    /// What a container of this line says; it succeeds and is removed.
    pub fn says(&self, spec: &ContainerSpec) -> String {
        let (status, output) = self.run(spec);
        assert_eq!(status, ExitStatus::Code(0), "{output}");
        self.lab.client.remove_container(&spec.key).unwrap();
        output
    }

    /// What a command in a container says.
    pub fn exec(&self, key: &str, line: &str) -> (ExitStatus, String) {
        let (mut read, write) = std::io::pipe().unwrap();
        let errors = write.try_clone().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut spec = sandbox::ContainerExecSpec::new(["sh", "-c", line]);
        spec.environment.push(("PATH".into(), "/bin".into()));
        let streams = Stdio::Descriptors([null.into(), write.into(), errors.into()]);
        let process = self
            .lab
            .client
            .exec_in_container(key, spec, streams)
            .unwrap();
        let mut output = String::new();
        read.read_to_string(&mut output).unwrap();
        (process.wait().unwrap(), output)
    }

    /// Texts of a container's log.
    pub fn logged(&self, key: &str) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.folder.join(key).join("log.json")).unwrap();
        let entry = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            (
                entry["stream"].as_str().unwrap().to_owned(),
                entry["log"].as_str().unwrap().to_owned(),
            )
        };
        text.lines().map(entry).collect()
    }

    /// Why it does not start.
    pub fn refusal(&self, spec: &ContainerSpec) -> Error {
        match self.lab.client.start_container(spec, Attach::default()) {
            Err(error) => error,
            Ok(_) => panic!("{} started", spec.key),
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // What instances own a plain removal cannot remove.
        let pidfd = &self.lab.handle.pidfd;
        let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
        super::wait_ended(&self.lab.handle, std::time::Duration::from_secs(10));
        let _ = sandbox::remove_tree(&self.folder, &SelfCommand::current().unwrap());
    }
}

pub fn read_both(streams: ContainerStreams) -> String {
    let reader = streams.errors.map(|errors| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            std::fs::File::from(errors).read_to_end(&mut text).unwrap();
            text
        })
    });
    let mut text = Vec::new();
    if let Some(output) = streams.output {
        std::fs::File::from(output).read_to_end(&mut text).unwrap();
    }
    text.extend(
        reader
            .map(|reader| reader.join().unwrap())
            .unwrap_or_default(),
    );
    String::from_utf8_lossy(&text).into_owned()
}
