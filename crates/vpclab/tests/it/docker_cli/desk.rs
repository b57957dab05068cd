//! A lab of one instance with an image called `busybox` and a door for Docker's clients, in a home of its own.

use std::path::PathBuf;

use crate::home::{Home, image};

const LAB: &str = "\
name: desk
vpcs: { main: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 10.0.1.0/24 } } } }
instances: { web-1: { subnet: a } }
";

/// Programs of this machine that stand in for busybox's.
const PROGRAMS: &str = "sh echo pwd printf cat ls sleep true false id hostname touch env grep cut wc mkdir rm date head tail test";

pub struct Desk {
    home: Home,
    /// Whether the image is a real busybox.
    pub is_busybox: bool,
}

impl std::ops::Deref for Desk {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Desk {
    pub fn new() -> Desk {
        let real = std::env::var_os("VPCLAB_CLIENT_IMAGES").map(|folder| PathBuf::from(folder).join("busybox.tar"));
        let desk = Desk { home: Home::with_lab(LAB), is_busybox: real.is_some() };
        match real {
            Some(archive) => desk.yes(&["images", "load", archive.to_str().unwrap()]),
            None => {
                let users = ("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
                let files = [users, ("etc/group", 0o644, "root:x:0:\n"), ("tmp/", 0o1777, "")];
                desk.write("root.tar", image(PROGRAMS, &files));
                desk.yes(&["images", "import", "root.tar", "busybox", "--cmd", "sh", "-e", "PATH=/bin"])
            }
        };
        desk.yes(&["up"]);
        desk
    }

    /// `DOCKER_HOST` of its instance.
    pub fn host(&self) -> String {
        let said: serde_json::Value = serde_json::from_str(&self.yes(&["serve", "web-1", "-o", "json"])).unwrap();
        said["DOCKER_HOST"].as_str().unwrap().to_owned()
    }

    /// The socket in it.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(self.host().strip_prefix("unix://").unwrap())
    }
}
