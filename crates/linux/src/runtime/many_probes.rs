//! Many probes: those that can be told apart go together, the others alone, and every answer is what it would be alone.

use std::collections::BTreeSet;
use std::time::Duration;

use fabric::engine::{Answer, Drop, Engine as _, EngineError, ListenerState, Outcome, PacketProbe, Probe, Request, Traffic};

use super::engine::Engine;
use super::error::Result;
use super::exchange::SILENCE;
use super::volley::{Shot, Verdict, Volley, can_be_tagged};

/// How long the first volley waits in silence. What it does not decide is asked once more, with all patience.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);
/// Probes of one volley at most: what routers remember of them stays below what conntrack holds on a small machine.
const VOLLEY: usize = 16_384;
/// Descriptors of one volley at most, and what is left for everybody else in this process.
const DESCRIPTORS: u64 = 8_192;
const SPARE_DESCRIPTORS: u64 = 256;

type Answered = std::result::Result<Answer, EngineError>;

/// So many silent probes are asked once more each alone, which takes a second and a half, and more of them together.
const ASKED_ALONE: usize = 8;

impl Engine {
    /// Carries out many probes. Packet probes are in flight together, the order of answers is that of the requests.
    pub(crate) fn many_probes(&mut self, requests: &[Request]) -> Vec<Answered> {
        let mut answers = Vec::with_capacity(requests.len());
        while let [first, rest @ ..] = &requests[answers.len()..] {
            let together = |request: &&Request| packet_probe(request).is_some_and(can_be_tagged);
            let run = 1 + rest.iter().take_while(together).count();
            // A kept connection changes what later probes of the same flow mean: nothing overtakes it.
            if !together(&first) || self.keeps_connections() {
                answers.push(self.probe(first));
            } else {
                let from = answers.len();
                answers.extend(self.together(&requests[from..from + run]));
            }
        }
        answers
    }

    fn together(&mut self, requests: &[Request]) -> Vec<Answered> {
        let mut answers: Vec<Option<Answered>> = vec![None; requests.len()];
        let _ = sandbox::raise_descriptor_limit();
        self.stop_watching();
        // What listens for one probe would answer another that is to find the port closed.
        for listener in [ListenerState::Closed, ListenerState::Open] {
            let mut shots = Vec::new();
            for (index, request) in requests.iter().enumerate() {
                let Some(probe) = packet_probe(request).filter(|probe| probe.listener == listener) else { continue };
                match self.ends(probe) {
                    Err(error) => answers[index] = Some(Err(error)),
                    // Between addresses of one namespace nothing passes a device that could be watched.
                    Ok(ends) if ends.receiver.as_ref().is_some_and(|to| to.namespace == ends.sender.namespace) => {}
                    // A volley leaves the end of a handshake to the sender's kernel, whose routes may choose another
                    // interface than the one that is asked about; a connection of its own stays there.
                    Ok(ends) if is_tcp(probe) && ends.sender.is_one_of_several(self.fabric()) => {}
                    Ok(ends) => shots.push((index, Shot { ends, traffic: probe.traffic, listener })),
                }
            }
            let silent = self.volleys(shots, FIRST_PATIENCE, &mut answers, requests);
            // What a system itself did not send, a single probe sees; to ask many alone would take minutes.
            if silent.len() > ASKED_ALONE {
                self.volleys(silent, SILENCE, &mut answers, requests);
            }
        }
        let all = answers.into_iter().zip(requests);
        all.map(|(answer, request)| answer.unwrap_or_else(|| self.probe(request))).collect()
    }

    /// Sends probes in volleys and notes the answers; what was silent is handed back by an impatient call, and silence
    /// is the answer of a patient one. What stays without an answer is to be asked alone.
    fn volleys(
        &mut self,
        mut shots: Vec<(usize, Shot)>,
        patience: Duration,
        answers: &mut [Option<Answered>],
        requests: &[Request],
    ) -> Vec<(usize, Shot)> {
        let mut silent = Vec::new();
        while !shots.is_empty() {
            let rest = shots.split_off(next_volley(&shots, self.flows_at_once()));
            let (indices, volley): (Vec<usize>, Vec<Shot>) = std::mem::replace(&mut shots, rest).into_iter().unzip();
            // Where a volley cannot be sent, single probes say why.
            let Ok(verdicts) = self.volley(&volley, patience) else { continue };
            for ((index, shot), verdict) in indices.into_iter().zip(volley).zip(verdicts) {
                let outcome = match verdict {
                    Verdict::Is(outcome) => outcome,
                    Verdict::Silence(_) if patience < SILENCE => {
                        silent.push((index, shot));
                        continue;
                    }
                    Verdict::Silence(leg) => Outcome::Dropped(Drop { leg, at: None, code: None, reason: None }),
                    Verdict::Unclear => continue,
                };
                let outcome = self.met_by_a_service(&requests[index].probe, outcome);
                answers[index] = Some(Ok(Answer { outcome, captured: None }));
            }
        }
        silent
    }

    /// Flows that may be open at once: a share of what one interface may have (SG-31), which others use as well.
    fn flows_at_once(&mut self) -> usize {
        let ceiling = self.lab().options().flows_per_interface.map_or(VOLLEY, |flows| usize::try_from(flows / 4).unwrap_or(VOLLEY));
        ceiling.clamp(1, VOLLEY)
    }

    fn volley(&mut self, shots: &[Shot], patience: Duration) -> Result<Vec<Verdict>> {
        let (verdicts, flights) = Volley::prepare(self, shots)?.fly(self, patience)?;
        // Entries that stay are a nuisance for a few seconds; the verdicts hold all the same.
        let _ = self.forget(shots, &flights);
        Ok(verdicts)
    }
}

fn packet_probe(request: &Request) -> Option<&PacketProbe> {
    match &request.probe {
        Probe::Packet(probe) if request.capture.is_none() => Some(probe),
        _ => None,
    }
}

fn is_tcp(probe: &PacketProbe) -> bool {
    matches!(probe.traffic, Traffic::Tcp { .. })
}

/// How many of these fit into one volley: by flows, and by descriptors, of which the system gives a process so many.
fn next_volley(shots: &[(usize, Shot)], flows: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(DESCRIPTORS);
    let limit = usize::try_from(limit.saturating_sub(SPARE_DESCRIPTORS).clamp(64, DESCRIPTORS)).unwrap_or(64);
    let (mut places, mut servers) = (BTreeSet::new(), BTreeSet::new());
    let mut count = 0;
    for (_, shot) in shots.iter().take(flows) {
        let ends = [Some(&shot.ends.sender), shot.ends.receiver.as_ref()];
        places.extend(ends.into_iter().flatten().map(|place| (&place.namespace, &place.device)));
        servers.insert((shot.ends.to, shot.numbers()));
        // A place may need a watch and two ways to send.
        if 3 * places.len() + servers.len() > limit {
            break;
        }
        count += 1;
    }
    count.max(1)
}
