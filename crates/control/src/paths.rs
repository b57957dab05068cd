//! Where a user's labs live on disk: state, sockets, logs.

use std::path::{Path, PathBuf};

use container::engine::private;
use model::InstanceId;

/// The folders of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Everything lies below this.
    pub home: PathBuf,
}

/// No folder can be named: neither `VPCLAB_HOME` nor `XDG_STATE_HOME` nor `HOME` is set.
#[derive(Debug, thiserror::Error)]
#[error("there is no place for state: set HOME or VPCLAB_HOME")]
pub struct NoHome;

/// The longest path that a unix socket's address holds, bytes (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// The one name that no lab can have: the daemon's socket lies where those of the labs do.
pub const RESERVED: &str = "daemon";

/// First letters of what is being removed; no lab is called so.
const ASIDE: &str = ".vpclab-gone-";

impl Paths {
    /// `VPCLAB_HOME`, else `$XDG_STATE_HOME/vpclab`, else `~/.local/state/vpclab`.
    pub fn of_user() -> Result<Paths, NoHome> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = set("VPCLAB_HOME")
            .or_else(|| set("XDG_STATE_HOME").map(|state| state.join("vpclab")))
            .or_else(|| set("HOME").map(|home| home.join(".local/state/vpclab")));
        Ok(Paths { home: home.ok_or(NoHome)? })
    }

    /// The state store.
    pub fn store(&self) -> PathBuf {
        self.home.join("state.redb")
    }

    /// The daemon's socket.
    pub fn daemon_socket(&self) -> PathBuf {
        self.short("daemon.sock")
    }

    /// What the daemon complains about.
    pub fn daemon_log(&self) -> PathBuf {
        self.home.join("daemon.log")
    }

    /// The socket of a lab's holder.
    pub fn holder_socket(&self, lab: &str) -> PathBuf {
        self.short(&format!("{lab}.sock"))
    }

    /// Where Docker's clients are answered for a lab, or for one of its instances by the name of its file.
    pub fn docker_socket(&self, lab: &str, instance: Option<&str>) -> PathBuf {
        let wanted = match instance {
            None => self.logs(lab).join("docker.sock"),
            Some(name) => self.logs(lab).join("docker").join(format!("{name}.sock")),
        };
        if wanted.as_os_str().len() <= LONGEST_SOCKET {
            return wanted;
        }
        let number = linux::naming::number(&format!("{lab}/{}", instance.unwrap_or_default()));
        self.beside().join(format!("docker-{number:08x}.sock"))
    }

    /// Makes the folder of a socket of a lab's, for this user only. Errors: the lab's own is not there: the lab goes, and nobody would
    /// remove what is made now.
    pub fn make_parent(&self, lab: &str, socket: &Path) -> std::io::Result<()> {
        std::fs::symlink_metadata(self.logs(lab))?;
        let Some(parent) = socket.parent().filter(|parent| *parent != self.logs(lab)) else { return Ok(()) };
        match parent.parent() == Some(&self.logs(lab)) {
            true => private::make(parent),
            false => private::make_all(parent),
        }
    }

    /// Labs that have a holder's socket, alive or not, by name.
    pub fn holders(&self) -> Vec<String> {
        let socket = self.daemon_socket();
        let entries = socket.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let labs = names.filter_map(|name| name.strip_suffix(".sock").map(str::to_owned)).filter(|name| name != RESERVED);
        // A long name's socket lies elsewhere; those of one folder are asked for where they are looked for.
        let mut labs: Vec<String> = labs.filter(|name| self.holder_socket(name).parent() == socket.parent()).collect();
        labs.sort();
        labs
    }

    /// What a lab's holder complains about.
    pub fn holder_log(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("holder.log")
    }

    /// Where the output of a lab's commands goes, and its disks.
    pub fn logs(&self, lab: &str) -> PathBuf {
        self.home.join("labs").join(lab)
    }

    /// The identities of a lab's accounts.
    pub fn accounts(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("accounts")
    }

    /// What clients of AWS were answered and is not on record yet.
    pub fn journal(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("journal")
    }

    /// Where clients of AWS are answered for a lab, so that the next daemon answers them there too.
    pub fn door(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("door.json")
    }

    /// Images of containers, of all labs.
    pub fn images(&self) -> PathBuf {
        self.home.join("images")
    }

    /// What instances of a lab wrote: a folder by id for each that ran something.
    pub fn disks(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("disks")
    }

    /// Records of a lab's flow logs, and the folders that stand for their destinations.
    pub fn flow_logs(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("flow-logs")
    }

    /// Volumes and snapshots of EBS: a folder by id for each that holds something.
    pub fn volumes(&self, lab: &str) -> PathBuf {
        self.logs(lab).join("ebs")
    }

    /// Puts what a lab left on disk out of the way, to be removed; where it is. `None`: it left nothing. Volumes of containers
    /// that have names stay where `keep_volumes` says so.
    pub fn set_aside(&self, lab: &str, keep_volumes: bool) -> std::io::Result<Option<PathBuf>> {
        let folder = self.logs(lab);
        let volumes = container::engine::lab::volumes(&folder).list().unwrap_or_default();
        if keep_volumes && volumes.iter().any(|volume| !volume.is_anonymous) {
            let anonymous: Vec<String> = volumes.into_iter().filter(|volume| volume.is_anonymous).map(|volume| volume.name).collect();
            return self.set_aside_but_volumes(lab, &anonymous);
        }
        let mut refusal = None;
        // Earlier ones may still be there.
        for number in 0..1_000 {
            let aside = self.home.join("labs").join(format!("{ASIDE}{number}-{lab}"));
            match std::fs::rename(&folder, &aside) {
                Ok(()) => return Ok(Some(aside)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    /// The same entry by entry. The holder's log goes last: while it is there, the next daemon knows that this was not done.
    fn set_aside_but_volumes(&self, lab: &str, anonymous: &[String]) -> std::io::Result<Option<PathBuf>> {
        let folder = self.logs(lab);
        let names = (0..1_000).map(|number| self.home.join("labs").join(format!("{ASIDE}{number}-{lab}")));
        let aside = names.into_iter().find(|path| std::fs::create_dir(path).is_ok());
        let aside = aside.ok_or_else(|| std::io::Error::other(format!("no folder can be made beside {}", folder.display())))?;
        let volumes = container::engine::lab::volumes(&folder);
        for name in anonymous {
            std::fs::rename(volumes.root().join(name), aside.join(format!("volume-{name}")))?;
        }
        let mut entries = std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
        entries.retain(|path| path != volumes.root());
        entries.sort_by_key(|path| *path == self.holder_log(lab));
        for path in entries {
            if let Some(name) = path.file_name() {
                std::fs::rename(&path, aside.join(name))?;
            }
        }
        Ok(Some(aside))
    }

    /// What was put aside and is not removed yet.
    pub fn aside(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home.join("labs")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE))).map(|entry| entry.path()).collect()
    }

    /// Removes what the instances of a lab wrote.
    pub fn remove_disks(&self, lab: &str) -> sandbox::Result<()> {
        sandbox::remove_tree(&self.volumes(lab), &sandbox::SelfCommand::current()?)?;
        sandbox::remove_tree(&self.disks(lab), &sandbox::SelfCommand::current()?)
    }

    /// Whether a lab of this name left something on disk. Every lab has had a holder; a folder in which none wrote may be
    /// anybody's, where the user has chosen home.
    pub fn has_left(&self, lab: &str) -> bool {
        std::fs::symlink_metadata(self.holder_log(lab)).is_ok_and(|found| found.is_file())
    }

    /// Labs that left something on disk, by name.
    pub fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.home.join("labs")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut labs: Vec<String> = names.filter(|name| self.has_left(name)).collect();
        labs.sort();
        labs
    }

    /// What user data and `run:` lines of an instance printed. By id: several instances may have one name, and a name may be no file's.
    pub fn instance_log(&self, lab: &str, instance: &InstanceId) -> PathBuf {
        self.logs(lab).join(format!("{instance}.log"))
    }

    /// Removes what instances of a lab printed that are none of `known`.
    pub fn sweep_instance_logs(&self, lab: &str, known: impl Fn(&InstanceId) -> bool) {
        for entry in std::fs::read_dir(self.logs(lab)).into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.strip_suffix(".log")?.parse::<InstanceId>().ok());
            if id.is_some_and(|id| !known(&id)) {
                // What stays is removed with the lab.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// The file whose lock says that a daemon lives.
    pub fn daemon_lock(&self) -> PathBuf {
        self.home.join("daemon.lock")
    }

    /// Makes the folders of state and sockets, for this user only.
    ///
    /// Errors: a folder that another user owns or can write to, which could be a trap.
    pub fn make_folders(&self) -> std::io::Result<()> {
        private::make_all(&self.home)?;
        self.daemon_socket().parent().map_or(Ok(()), private::make_all)
    }

    /// Makes the folders of a lab too.
    pub fn make(&self, lab: &str) -> std::io::Result<()> {
        self.make_folders()?;
        private::make_all(&self.logs(lab))
    }

    /// A socket below home, or, where home's path is too long for one, in a folder of this user's below /tmp.
    fn short(&self, name: &str) -> PathBuf {
        let wanted = self.home.join("run").join(name);
        if wanted.as_os_str().len() <= LONGEST_SOCKET {
            return wanted;
        }
        self.beside().join(name)
    }

    /// Where sockets are whose paths below home would be too long.
    fn beside(&self) -> PathBuf {
        let uid = rustix::process::getuid().as_raw();
        Path::new("/tmp").join(format!("vpclab-{uid}-{:08x}", linux::naming::number(&self.home.to_string_lossy())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_with_names_stay_when_a_lab_goes_unless_they_are_to_go_too() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { home: home.path().to_owned() };
        let folder = paths.logs("shop");
        std::fs::create_dir_all(folder.join("containers")).unwrap();
        std::fs::write(paths.holder_log("shop"), "").unwrap();
        let volumes = container::engine::lab::volumes(&folder);
        volumes.create(Some("data"), &Default::default()).unwrap();
        let anonymous = volumes.ensure(&volumes.lock().unwrap(), None, &Default::default()).unwrap();
        std::fs::write(volumes.files("data").join("kept"), "x").unwrap();
        let aside = paths.set_aside("shop", true).unwrap().unwrap();
        assert!(volumes.files("data").join("kept").exists() && volumes.find(&anonymous.name).is_err());
        assert!(aside.join("containers").exists() && aside.join(format!("volume-{}", anonymous.name)).exists());
        assert!(!paths.has_left("shop") && paths.aside() == [aside]);
        assert!(paths.set_aside("shop", false).unwrap().is_some());
        assert!(!folder.exists());
    }

    #[test]
    fn what_instances_printed_goes_when_they_are_known_no_more() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { home: home.path().to_owned() };
        std::fs::create_dir_all(paths.logs("shop")).unwrap();
        let [known, gone]: [InstanceId; 2] = ["i-1", "i-2"].map(|id| id.parse().unwrap());
        let of = |id| paths.instance_log("shop", id);
        for log in [of(&known), of(&gone), paths.holder_log("shop")] {
            std::fs::write(log, "x").unwrap();
        }
        paths.sweep_instance_logs("shop", |id| *id == known);
        assert!(of(&known).exists() && paths.holder_log("shop").exists() && !of(&gone).exists());
    }

    #[test]
    fn a_folder_of_a_lab_that_went_is_not_made_again() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths { home: home.path().to_owned() };
        let (own, instance) = (paths.docker_socket("shop", None), paths.docker_socket("shop", Some("web")));
        let engine = container::engine::lab::folder(&paths.logs("shop"));
        for socket in [&own, &instance] {
            assert_eq!(paths.make_parent("shop", socket).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        }
        assert!(engine.lock().is_err() && container::engine::lab::volumes(&paths.logs("shop")).lock().is_err());
        assert!(std::fs::read_dir(home.path()).unwrap().next().is_none());
        paths.make("shop").unwrap();
        for socket in [&own, &instance] {
            paths.make_parent("shop", socket).unwrap();
            assert!(socket.parent().unwrap().is_dir());
        }
        engine.lock().unwrap();
    }

    #[test]
    fn a_socket_path_always_fits() {
        let paths = Paths { home: PathBuf::from("/x".repeat(80)) };
        assert!(paths.daemon_socket().as_os_str().len() <= LONGEST_SOCKET);
        for instance in [None, Some("web-1")] {
            assert!(paths.docker_socket("shop", instance).as_os_str().len() <= LONGEST_SOCKET);
        }
        assert!(paths.docker_socket("shop", None) != paths.docker_socket("shop", Some("web-1")));
        assert!(paths.daemon_socket() != Paths { home: PathBuf::from("/y".repeat(80)) }.daemon_socket());
    }
}
