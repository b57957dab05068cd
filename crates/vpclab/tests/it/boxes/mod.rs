//! A desk for tests of containers: a home of its own, an image of this machine's own programs, a lab that goes with it.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use crate::home::{Home, image};

const LAB: &str = "\
name: boxes
vpcs:
  main:
    cidr: 10.0.0.0/16
    subnets:
      a: { cidr: 10.0.1.0/24 }
security_groups:
  web:
    - tcp/8080 from 10.0.1.0/24
instances:
  web-1: { subnet: a, sg: [web]CONTAINERS }
  db-1: { subnet: a }
";

/// A home of this test's own, with a lab that goes with it.
pub struct Desk(Home);

impl std::ops::Deref for Desk {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

impl Desk {
    /// With a lab of two instances, web-1 with these containers.
    pub fn new(containers: &str) -> Desk {
        Desk::with(&LAB.replace("CONTAINERS", containers))
    }

    /// With this lab file.
    pub fn with(lab: &str) -> Desk {
        let desk = Desk(Home::with_lab(lab));
        let passwd = ("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
        desk.write("root.tar", image("sh cat sleep id hostname touch", &[passwd, ("data/seed", 0o644, "seed\n")]));
        assert_eq!(desk.run(&["images", "import", "root.tar", "app", "--cmd", "echo hello"]).code, 0);
        desk
    }

    /// Another lab file with these containers of web-1.
    pub fn rewrite(&self, containers: &str) {
        self.write("lab.yaml", LAB.replace("CONTAINERS", containers));
    }

    /// Waits for a line of `containers ls -a` to say so.
    pub fn until(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = self.yes(&["containers", "ls", "-a"]);
            if shown.contains(what) {
                return;
            }
            assert!(Instant::now() < deadline, "never {what}: {shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
