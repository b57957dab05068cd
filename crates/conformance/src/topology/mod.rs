//! From a topology and its deltas to a model, through the model's own operations.
//!
//! [`World`] is a model with the names of its things. What a topology builds stands finished at second 0; quotas do
//! not apply to it, but to the calls of the scenario.

mod apply;
mod build;
mod flow_log;
mod identity;
mod label;
mod names;
mod parts;
mod routes;
mod settle;
mod transit;

use fabric::Fabric;
use model::{ApiError, Context, Model, Region, Timestamp};

use crate::scenario::Fault;
use crate::scenario::delta::Delta;
use crate::scenario::topology::Topology;

pub use identity::Identities;
pub use label::{component, path};
pub use names::{Names, Table};

/// Account of every scenario.
pub const ACCOUNT: &str = "111122223333";

/// Second 0 of every scenario: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600);

/// A model and the names of its things.
#[derive(Debug, Clone)]
pub struct World {
    /// The cloud.
    pub model: Model,
    /// Names of what the topology and the deltas made.
    pub names: Names,
    /// Who may call.
    pub identities: Identities,
    /// Endpoint services whose addresses a prefix list gives: list, service.
    services: Vec<(String, String)>,
}

/// Why a delta could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Nothing has this name.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Something else has this name.
    #[error("there is a {what} `{name}` already")]
    Taken {
        /// Kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An operation refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// An operation on identities refused.
    #[error(transparent)]
    Identity(#[from] iam::Error),
    /// The delta contradicts the topology.
    #[error("{0}")]
    Contradiction(String),
}

impl World {
    /// Builds a topology. Errors: the line of the topology and what went wrong there.
    pub fn build(topology: &Topology) -> Result<Self, Fault> {
        let region = topology.region.clone().map_or_else(Region::default, Region);
        let mut world = Self {
            model: Model::new(ACCOUNT, region, Context::seeded(1, START)),
            names: Names::new(),
            identities: Identities::new(),
            services: Vec::new(),
        };
        build::build(&mut world, topology)?;
        Ok(world)
    }

    /// A cloud that stands already, its things by their `Name` tags; the internet gateway of VPC `a` is `igw-a`.
    pub fn of(model: Model) -> Self {
        let names = Names::by_tags(&Fabric::compile(&model));
        Self { model, names, identities: Identities::new(), services: Vec::new() }
    }

    /// Applies a delta; what it starts is finished at once. Errors leave the world in an undefined state.
    pub fn apply(&mut self, delta: &Delta) -> Result<(), WorldError> {
        let before = self.model.clone();
        let quotas = std::mem::replace(&mut self.model.quotas, settle::unlimited());
        let applied = apply::apply(self, delta);
        settle::finish_what_began(&mut self.model, &before);
        self.model.quotas = quotas;
        applied
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> u64 {
        self.model.context.now.0 - START.0
    }
}
