//! The engines by name, what each of them serves, and how it starts.

#[cfg(target_os = "linux")]
mod services;

use fabric::{Engine, Stage, Walker};

use crate::scenario::Kind;

/// An engine by the name it has on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineName {
    /// Stage by stage through the fabric.
    Proof,
    /// Simulated frames between devices that ask the stages.
    Sim,
    /// Real packets.
    Linux,
}

/// Why an engine does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("engine {engine} does not start here: {reason}")]
pub struct StartError {
    /// The engine.
    pub engine: &'static str,
    /// Why.
    pub reason: String,
}

impl EngineName {
    /// All engines.
    pub const ALL: [Self; 3] = [Self::Proof, Self::Sim, Self::Linux];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Sim => "sim",
            Self::Linux => "linux",
        }
    }

    /// The engine with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.as_str() == name)
    }

    /// Whether scenarios of this kind are run at all; of a kind that is served, every scenario must pass.
    pub fn serves(self, kind: Kind) -> bool {
        match (self, kind) {
            // A proof sends no packets, and a flow log counts them.
            (Self::Proof, kind) => kind != Kind::FlowLog,
            // No packet shows what an analyzer says.
            (Self::Sim | Self::Linux, kind) => kind != Kind::Analyzer,
        }
    }

    /// Starts the engine. Errors: this machine lacks what it needs.
    pub fn start(self) -> Result<Box<dyn Engine>, StartError> {
        match self {
            Self::Proof => Ok(Box::new(walker())),
            Self::Sim => Ok(Box::new(simulator())),
            #[cfg(target_os = "linux")]
            Self::Linux => Ok(Box::new(crate::linux_engine::LinuxEngine::start(linux::Options::default())?)),
            #[cfg(not(target_os = "linux"))]
            Self::Linux => Err(StartError { engine: "linux", reason: "it needs Linux".to_owned() }),
        }
    }
}

/// What the simulator's chance comes from: scenarios and tests are to repeat.
const SEED: u64 = 1;

/// The engine that asks the stages one by one, with what VPCs offer their instances where this system has it.
fn walker() -> Walker {
    #[cfg(target_os = "linux")]
    return Walker::new().with_services(Box::new(services::InVpc::default()));
    #[cfg(not(target_os = "linux"))]
    Walker::new()
}

/// The engine that sends frames between simulated devices, with the same services.
pub(crate) fn simulator() -> sim::SimEngine {
    #[cfg(target_os = "linux")]
    return sim::SimEngine::new(SEED).with_services(Box::new(services::InVpc::default()));
    #[cfg(not(target_os = "linux"))]
    sim::SimEngine::new(SEED)
}

/// The proof engine with one stage turned around. For tests.
pub fn proof_with_inverted(stage: Stage) -> Box<dyn Engine> {
    Box::new(walker().with_inverted(stage))
}
