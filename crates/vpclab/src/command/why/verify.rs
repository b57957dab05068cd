//! `why --verify`: the packet sent too, and what was seen laid beside what is predicted.

use fabric::Fabric;
use fabric::walker::Verdict;
use model::{PortRange, Probe};
use proof::Options;
use proof::why::text::word;
use proof::why::{Asker, Question};
use serde::Serialize;

use crate::command::advice;
use crate::command::probing::{Pair, Prober, SOURCE_PORT, Seen};
use crate::command::target::Target;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// A prediction beside an observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether both say the same.
    pub agrees: bool,
    /// What was asked: a lab that is up, or one that was made for this.
    pub on: String,
    /// What is predicted for the client port that was used.
    pub predicted: Verdict,
    /// The same as `check` says it, where containers are at an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_result: Option<&'static str>,
    /// Where it is predicted to be dropped first.
    pub predicted_at: Option<String>,
    /// What was seen: `open`, `refused`, `filtered`, `reply filtered`, `no public address`.
    pub observed: &'static str,
    /// Where it was seen to be dropped.
    pub observed_at: Option<String>,
    /// What to type where the network is not to blame, but an instance's own system.
    pub hint: Option<String>,
}

/// Sends every packet by a prober of the same cloud.
pub fn verify(target: &Target, fabric: &Fabric, probe: &Probe, questions: &[&Question], mut prober: Prober) -> Result<Vec<Verified>> {
    let on = match &target.running {
        Some(running) => format!("in lab {}, which is up", running.name),
        None => "in a cloud made for this".to_owned(),
    };
    // The packet leaves from one port, and the prediction must speak of the same.
    let port = PortRange::one(SOURCE_PORT);
    let asker = Asker::new(&target.model, fabric, Options { ephemeral: port });
    let mut pairs = Vec::new();
    for question in questions {
        let to = fabric.destinations(&question.from, &question.to).ok().and_then(|all| all.first().copied());
        let pair = Pair {
            from: probe.source.to_string(),
            sender: question.from.clone(),
            end: question.to.clone(),
            to,
            to_name: probe.destination.to_string(),
        };
        pairs.push(pair);
    }
    let tries: Vec<_> = pairs.iter().zip(questions).map(|(pair, question)| (pair, question.packet)).collect();
    let seen = prober.probe_all(&tries)?;
    let mut all = Vec::new();
    for (question, seen) in questions.iter().zip(seen) {
        let answer = asker.answer(question).map_err(|e| Failure::usage(e.to_string()))?;
        let world = answer.world(&target.model, fabric);
        let predicted = answer.explanation.verdict;
        let first = answer.explanation.blockers().next();
        let predicted_at = first.map(|reason| reason.at.label(world.fabric));
        let observed_at = seen.at().map(|at| at.label(prober.fabric()));
        let same_place = match (&predicted_at, &observed_at) {
            (Some(predicted), Some(observed)) => predicted == observed,
            // An engine need not know where a packet was lost.
            _ => true,
        };
        let hint = advice::own_system(fabric, seen.at());
        let agrees = observed_verdict(&seen) == predicted && same_place;
        all.push(Verified { agrees, on: on.clone(), predicted, predicted_result: None, predicted_at, observed: seen.result(), observed_at, hint });
    }
    Ok(all)
}

/// A host that refuses got the request, and its answer came back.
fn observed_verdict(seen: &Seen) -> Verdict {
    match seen {
        Seen::Open(_) | Seen::Refused => Verdict::Allowed,
        Seen::Dropped { is_reply: true, .. } => Verdict::OneWay,
        Seen::Dropped { is_reply: false, .. } | Seen::NoPublicAddress => Verdict::Denied,
    }
}

/// For people; a disagreement cannot be overlooked.
pub fn print(verified: &Verified, output: &Output) {
    let at = |at: &Option<String>| at.as_ref().map_or_else(String::new, |at| format!(" at {at}"));
    let said = verified.predicted_result.unwrap_or(word(verified.predicted));
    let predicted = format!("{said}{}", at(&verified.predicted_at));
    let observed = format!("{}{}", verified.observed, at(&verified.observed_at));
    if verified.agrees && verified.observed == "no public address" {
        output.line("  agreed by     analyzer; nothing was sent: there is no address to send to");
        return;
    }
    if verified.agrees {
        output.line(format!("  agreed by     analyzer ({predicted}) and kernel ({observed}), {}", verified.on));
        return;
    }
    output.line("  !! DISAGREEMENT between the analyzer and the kernel");
    output.line(format!("  !! predicted  {predicted}"));
    output.line(format!("  !! observed   {observed}"));
    output.line(format!("  !! on         {}", verified.on));
    match &verified.hint {
        Some(hint) => output.hint(hint),
        None => output.line("  !! one of the two is wrong; please report it with the lab file"),
    }
}
