//! The frames of the simulator held to those of the kernel: the same acts in the same lab, the same places watched, and what
//! passed them compared in a canonical form.
//!
//! [`scene`] says what is done, [`on_sim`] and [`on_linux`] do it, [`canonical`] says what counts of a frame and what does not,
//! [`compare`] finds the first difference. Start at [`Both`].

pub mod canonical;
pub mod compare;
pub mod on_linux;
pub mod on_sim;
pub mod scene;

use std::collections::BTreeSet;
use std::time::Duration;

use fabric::engine::EngineError;
use linux::runtime::capture::{Hop, Kind};
use wire::Mac;

use self::canonical::{Known, Passed, Sequence};
use self::compare::Difference;
use self::on_linux::OnLinux;
use self::on_sim::OnSim;
use self::scene::{Act, Scene};
use crate::engine::{StartError, simulator};
use crate::fuzz::probes::{self, Named};
use crate::fuzz::Cloud;
use crate::linux_engine::LinuxEngine;

/// A machine with too much to do lets frames wait: what differs is looked at again, with so much silence before an act is over.
const AGAIN: [Duration; 2] = [Duration::from_millis(600), Duration::from_millis(2_500)];

/// An engine that acts.
pub trait Player {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Does something to its end; what passed the places meanwhile, in order.
    fn play(&mut self, act: &Act) -> Result<Vec<Passed>, EngineError>;
}

/// Why frames cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    /// This machine allows no lab.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The lab file is wrong, or has nothing to send.
    #[error("{0}")]
    Lab(String),
    /// An engine failed.
    #[error("{engine}, {scene}: {reason}")]
    Engine {
        /// Which.
        engine: &'static str,
        /// At what.
        scene: String,
        /// Why.
        reason: EngineError,
    },
}

/// What came of a scene.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Its name.
    pub scene: String,
    /// Flows that were compared, each at each place that it passed.
    pub flows: usize,
    /// Lines of them, as the simulator has them.
    pub lines: usize,
    /// Where the two part.
    pub difference: Option<Difference>,
    /// What the simulator has.
    pub sim: Vec<Sequence>,
    /// What the kernel has.
    pub linux: Vec<Sequence>,
}

/// Both engines with the same lab.
pub struct Both {
    sim: OnSim,
    linux: OnLinux,
    scenes: Vec<Scene>,
    stations: BTreeSet<Mac>,
}

impl Both {
    /// The lab of the scenes that come with the program. Errors: this machine allows no lab.
    pub fn built_in() -> Result<Self, FramesError> {
        let cloud = Cloud::of(scene::LAB, 1).map_err(FramesError::Lab)?;
        let scenes = scene::built_in(&cloud.fabric).map_err(FramesError::Lab)?;
        Self::start(&cloud, scenes)
    }

    /// Any lab, with up to `count` probes of a seed that spread over what decides. Errors: a lab that is none.
    pub fn of_lab(text: &str, seed: u64, count: usize) -> Result<Self, FramesError> {
        let cloud = Cloud::of(text, seed).map_err(FramesError::Lab)?;
        let (chosen, _) = probes::choose(&cloud, seed, count).map_err(|error| FramesError::Lab(error.to_string()))?;
        Self::start(&cloud, scenes(&cloud, &chosen))
    }

    /// Any lab, with these probes. Errors: a lab that is none.
    pub fn of_probes(text: &str, seed: u64, chosen: &[Named]) -> Result<Self, FramesError> {
        let cloud = Cloud::of(text, seed).map_err(FramesError::Lab)?;
        Self::start(&cloud, scenes(&cloud, chosen))
    }

    fn start(cloud: &Cloud, scenes: Vec<Scene>) -> Result<Self, FramesError> {
        let hops = Hop::all(&cloud.fabric);
        let failed = |engine| move |reason| FramesError::Engine { engine, scene: "the lab".to_owned(), reason };
        let sim = OnSim::start(simulator(), cloud, &hops).map_err(failed("sim"))?;
        let linux = LinuxEngine::start(linux::Options::default())?;
        let linux = OnLinux::start(linux, cloud, &hops).map_err(failed("linux"))?;
        let stations = cloud.fabric.interfaces.values().map(|own| Mac(own.mac.0)).collect();
        Ok(Self { sim, linux, scenes, stations })
    }

    /// Plays every scene on both; `heard` is told of each. Errors: an engine's.
    pub fn run(&mut self, mut heard: impl FnMut(&Compared)) -> Result<(), FramesError> {
        for scene in std::mem::take(&mut self.scenes) {
            let compared = self.compare(&scene)?;
            heard(&compared);
        }
        Ok(())
    }

    fn compare(&mut self, scene: &Scene) -> Result<Compared, FramesError> {
        let known = Known { ports: scene.known_ports(), stations: self.stations.clone() };
        let sim = played(&mut self.sim, scene, &known)?;
        let usual = self.linux.silence;
        let mut linux = played(&mut self.linux, scene, &known)?;
        for silence in AGAIN {
            if compare::first(&sim, &linux).is_none() {
                break;
            }
            self.linux.silence = silence;
            linux = played(&mut self.linux, scene, &known)?;
        }
        self.linux.silence = usual;
        let (flows, lines) = (sim.len(), sim.iter().map(|sequence| sequence.lines.len()).sum());
        let difference = compare::first(&sim, &linux);
        Ok(Compared { scene: scene.name.clone(), flows, lines, difference, sim, linux })
    }
}

/// The scenes of probes that can be one.
fn scenes(cloud: &Cloud, chosen: &[Named]) -> Vec<Scene> {
    chosen.iter().filter_map(|named| Scene::of_probe(&cloud.fabric, named)).collect()
}

/// What a scene comes to on an engine.
fn played(player: &mut dyn Player, scene: &Scene, known: &Known) -> Result<Vec<Sequence>, FramesError> {
    let mut passed = Vec::new();
    for act in &scene.acts {
        let engine = player.name();
        let failed = |reason| FramesError::Engine { engine, scene: scene.name.clone(), reason };
        passed.extend(player.play(act).map_err(failed)?);
    }
    let mut sequences = canonical::sequences(&passed, known);
    sequences.retain(|sequence| scene.is_about_neighbours() == (sequence.flow == canonical::NEIGHBOURS));
    Ok(sequences)
}

/// A place by name: of a gateway between two, by what is beyond.
fn label(hop: &Hop, link: Option<&str>) -> String {
    match (hop.kind, link) {
        (Kind::InternetGateway(_) | Kind::EgressOnlyInternetGateway(_), Some(link)) => format!("{} towards {link}", hop.name),
        _ => hop.name.clone(),
    }
}
