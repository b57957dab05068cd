//! Whether containers of one network reach each other (`com.docker.network.bridge.enable_icc`).

use crate::dock::{Cause, Fate, Network, Stage, Step};

/// Decides between two containers of a network.
pub fn decide(network: &Network) -> Step {
    match network.icc {
        true => Step::passes(Stage::DockerIcc, &network.bridge, "containers of it reach each other"),
        false => Step::stops(
            Stage::DockerIcc,
            &network.bridge,
            Fate::Dropped,
            Cause::IccOff,
            format!("containers of network {} do not reach each other (icc off)", network.name),
        )
        .next("ask it by its published port, or put both into another network"),
    }
}
