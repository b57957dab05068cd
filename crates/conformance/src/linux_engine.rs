//! The linux engine for scenarios: a holder of its own per scenario, and the services of the VPCs beside it.

use std::sync::Arc;

use control::{Services, Shared};
use fabric::engine::{Answer, EngineError, Request};
use fabric::flow_log::Harvest;
use fabric::{Engine, Fabric};
use linux::{Lab, Options};
use model::{Model, Timestamp};
use sandbox::{HolderSpec, SelfCommand};

use crate::engine::StartError;

/// Real packets. The program that links this must serve hidden starts first ([`sandbox::entry::dispatch`]).
pub struct LinuxEngine {
    options: Options,
    folder: tempfile::TempDir,
    running: Option<Running>,
}

struct Running {
    engine: linux::Engine,
    services: Option<Services>,
    model: Option<Arc<Model>>,
    fabric: Option<Arc<Fabric>>,
    now: Timestamp,
}

impl LinuxEngine {
    /// An engine without a lab yet. Errors: this machine allows no lab.
    pub fn start(options: Options) -> Result<LinuxEngine, StartError> {
        let failed = |reason: String| StartError { engine: "linux", reason };
        // Tens of thousands of connections in one scenario need as many descriptors.
        let _ = sandbox::raise_descriptor_limit();
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let mut engine = LinuxEngine { options, folder, running: None };
        engine.running().map_err(|error| failed(error.to_string()))?;
        Ok(engine)
    }

    /// The lab. Errors: none could be started.
    pub fn lab(&mut self) -> Result<&mut Lab, EngineError> {
        Ok(self.running()?.engine.lab())
    }

    fn running(&mut self) -> Result<&mut Running, EngineError> {
        if self.running.is_none() {
            let failed = |error: sandbox::Error| EngineError::Failed(error.to_string());
            let spec = HolderSpec {
                socket: self.folder.path().join("holder.sock"),
                lab_name: "conformance".to_owned(),
                log: self.folder.path().join("holder.log"),
                command: SelfCommand::current().map_err(failed)?,
            };
            let client = sandbox::launch(&spec).and_then(|handle| handle.client()).map_err(failed)?;
            // Nobody else knows of this lab: with its only user it goes, even when that is killed.
            client.end_with_me().map_err(failed)?;
            let engine = linux::Engine::new(Lab::empty(client, self.options));
            let running = Running { engine, services: None, model: None, fabric: None, now: Timestamp::default() };
            self.running = Some(running);
        }
        self.running.as_mut().ok_or_else(|| EngineError::Failed("no lab".to_owned()))
    }
}

impl Running {
    fn serve(&mut self) -> Result<(), EngineError> {
        let (Some(model), Some(fabric)) = (self.model.clone(), self.fabric.clone()) else { return Ok(()) };
        let shared = Shared { model, fabric, now: self.now, backing: None };
        let renewed = Services::renew(&mut self.services, self.engine.lab().client(), shared);
        renewed.map_err(|error| EngineError::Failed(error.to_string()))
    }
}

impl Engine for LinuxEngine {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn apply(&mut self, model: &Arc<Model>, fabric: &Arc<Fabric>) -> Result<(), EngineError> {
        let running = self.running()?;
        running.engine.apply(model, fabric)?;
        (running.model, running.fabric) = (Some(model.clone()), Some(fabric.clone()));
        running.now = running.now.max(model.context.now);
        running.serve()
    }

    fn advance_to(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let running = self.running()?;
        running.now = now;
        if let Some(services) = &running.services {
            services.set_now(now);
        }
        running.engine.advance_to(now)
    }

    fn probe(&mut self, request: &Request) -> Result<Answer, EngineError> {
        self.running()?.engine.probe(request)
    }

    fn probe_all(&mut self, requests: &[Request]) -> Vec<Result<Answer, EngineError>> {
        match self.running() {
            Ok(running) => running.engine.probe_all(requests),
            Err(error) => requests.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn flows(&mut self) -> Result<Harvest, EngineError> {
        self.running()?.engine.flows()
    }

    fn reset(&mut self) -> Result<(), EngineError> {
        self.end();
        Ok(())
    }
}

impl LinuxEngine {
    fn end(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.services = None;
        let socket = running.engine.lab().client().socket().to_owned();
        drop(running);
        if let Ok(client) = sandbox::Client::connect(&socket) {
            // A holder that is gone already has nothing left to end.
            let _ = client.shutdown();
        }
        let _ = std::fs::remove_file(socket);
    }
}

impl Drop for LinuxEngine {
    fn drop(&mut self) {
        self.end();
    }
}
