//! A lab that runs, started and ended as the product does it: holder, namespaces, filters, inits, services.

use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{Services, Shared};
use fabric::Fabric;
use linux::Lab;
use model::{Model, Timestamp};
use sandbox::{Client, HolderSpec, SelfCommand};

use crate::cli::Result;

/// A lab behind its holder.
pub struct Running {
    /// The lab.
    pub lab: Lab,
    /// What it holds.
    pub model: Arc<Model>,
    /// Process id of the holder.
    pub holder: i32,
    services: Option<Services>,
    folder: tempfile::TempDir,
}

/// What the steps of `up` took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    /// Model to fabric.
    pub compile: Duration,
    /// The holder and its namespaces.
    pub holder: Duration,
    /// Fabric to kernel: plan, instances, links, filters, routes.
    pub apply: Duration,
    /// Name service, metadata, time.
    pub services: Duration,
}

impl Steps {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.compile + self.holder + self.apply + self.services
    }
}

impl Running {
    /// Brings a lab up.
    pub fn up(model: &Arc<Model>) -> Result<(Running, Steps)> {
        let mut steps = Steps::default();
        let folder = tempfile::tempdir()?;
        let start = Instant::now();
        let fabric = Arc::new(Fabric::compile(model));
        steps.compile = start.elapsed();

        let start = Instant::now();
        let spec = HolderSpec {
            socket: folder.path().join("holder.sock"),
            lab_name: "bench".to_owned(),
            log: folder.path().join("holder.log"),
            command: SelfCommand::current()?,
        };
        let handle = sandbox::launch(&spec)?;
        let client = handle.client()?;
        client.end_with_me()?;
        steps.holder = start.elapsed();

        let start = Instant::now();
        let (disks, volumes) = (folder.path().join("disks"), folder.path().join("volumes"));
        let places = control::volumes::Places { disks: &disks, volumes: &volumes };
        let specs = control::instance::specs(model, &fabric, &std::env::current_exe()?, places);
        let mut lab = Lab::empty(client, linux::runtime::lab::options());
        lab.apply_with(&fabric, &specs)?;
        steps.apply = start.elapsed();

        let start = Instant::now();
        let mut services = None;
        let shared = Shared { model: model.clone(), fabric, now: Timestamp(0), backing: None };
        Services::renew(&mut services, lab.client(), shared)?;
        steps.services = start.elapsed();
        Ok((Running { lab, model: model.clone(), holder: handle.pid, services, folder }, steps))
    }

    /// Ends it; returns when every process of it is gone.
    pub fn down(self) -> Result<Duration> {
        let start = Instant::now();
        drop(self.services);
        // The lab's own client is the one with which the holder ends: asked first, dropped last.
        Client::connect(self.lab.client().socket())?.shutdown()?;
        drop(self.lab);
        let elapsed = start.elapsed();
        self.folder.close()?;
        Ok(elapsed)
    }
}
