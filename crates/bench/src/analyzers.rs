//! The proof beside two analyzers that others wrote, on the same account in the words of each, in one run. Their pairs must
//! be ours: a difference is an error, not a line of the table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::aws::DumpFile;
use model::{ProbePacket, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::answer::Answer;
use crate::cli::Result;
use crate::figure::{Figure, table};
use crate::machine::load;
use crate::peer::analyzer::{AWS_VPC_ANALYZER, Analyzer, Ended, NETWORK_CONFIG_ANALYZER, Said};
use crate::translation::Common;
use crate::translation::describe::{References, describe};
use crate::translation::kubernetes::kubernetes;

/// What is asked; the first is timed, the others only compared, and on small accounts only: they take one of the analyzers
/// as long as the first.
const ASKED: [(&str, ProbePacket); 4] = [
    ("tcp/443", ProbePacket::Tcp(443)),
    ("tcp/22", ProbePacket::Tcp(22)),
    ("tcp/8050", ProbePacket::Tcp(8_050)),
    ("udp/53", ProbePacket::Udp(53)),
];

/// Interfaces of the largest account on which all of them are compared.
const SMALL: usize = 50;

/// Who is asked, and what was left out of its input.
struct Peer {
    analyzer: Analyzer,
    python: PathBuf,
    most: f64,
    /// It took too long for a smaller account.
    gave_up: bool,
}

/// Measures and prints. `most`: seconds of the processor that one run of an analyzer may take.
pub fn measure(sizes: &[usize], runs: usize, environments: &Path, most: f64) -> Result {
    for references in [true, false] {
        let mut peers = Vec::new();
        for analyzer in [AWS_VPC_ANALYZER, NETWORK_CONFIG_ANALYZER] {
            match analyzer.python(environments) {
                Some(python) => peers.push(Peer { analyzer, python, most, gave_up: false }),
                None => println!("{} is left out: not below {}; `make bench-peers`", analyzer.name, environments.display()),
            }
        }
        let (mut rows, mut versions) = (Vec::new(), BTreeMap::new());
        for size in sizes {
            one(*size, references, runs, &mut peers, &mut rows, &mut versions)?;
        }
        let rules = if references { "rules name groups and blocks" } else { "rules name blocks only" };
        let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let versions = versions.join(" and ");
        let title = format!("All pairs beside {versions}; {rules}; median of {runs} runs, processor time; load {}", load());
        let head = [
            "interfaces",
            "rules",
            "pairs open: tcp/443, any",
            "analyzer",
            "reads s",
            "answers s",
            "proof answers ms",
            "ratio",
            "process s",
            "own process ms",
            "ratio",
            "same pairs",
        ];
        table(&title, &head, &rows);
    }
    Ok(())
}

fn one(
    size: usize,
    references: bool,
    runs: usize,
    peers: &mut [Peer],
    rows: &mut Vec<Vec<String>>,
    versions: &mut BTreeMap<&'static str, String>,
) -> Result {
    let common = Common::of(size, references);
    let packets = ASKED.map(|(_, packet)| packet);
    let folder = tempfile::tempdir()?;
    let [groups, addresses, pods] = ["groups", "addresses", "pods"].map(|name| folder.path().join(name));
    write(&groups, &describe(&common.model, References::Groups))?;
    write(&addresses, &describe(&common.model, References::Addresses))?;
    write(&pods, &kubernetes(&common.model))?;
    let expected = Answer::of(&common.model, &packets)?;
    for peer in peers.iter_mut().filter(|peer| !peer.gave_up) {
        let is_aws = peer.analyzer.name == AWS_VPC_ANALYZER.name;
        let input = if is_aws { &addresses } else { &pods };
        let asked = if is_aws && size > SMALL { 1 } else { ASKED.len() };
        let names: Vec<&str> = ASKED.iter().take(asked).map(|(name, _)| *name).collect();
        let (mut reads, mut answers, mut whole) = (Figure::default(), Figure::default(), Figure::default());
        let (mut own_answers, mut own_whole) = (Figure::default(), Figure::default());
        let mut compared = 0;
        for _ in 0..runs {
            // Ours right before, so that what else the machine does weighs on both.
            let start = processor();
            std::hint::black_box(Answer::of(&common.model, &packets[..1])?);
            own_answers.values.push(processor() - start);
            own_whole.values.push(own_process(&groups, expected.pairs(0))?);
            match peer.analyzer.run(&peer.python, input, &names, peer.most)? {
                Ended::Said(said) => {
                    compared = compare(&said, &expected, peer.analyzer.name, size)?;
                    versions.insert(peer.analyzer.name, said.version.clone());
                    reads.values.push(said.load);
                    answers.values.push(said.answer);
                    whole.values.push(said.whole);
                }
                Ended::TooLong(spent) => {
                    (peer.gave_up, whole.values) = (true, vec![spent]);
                    break;
                }
            }
        }
        let mut row = vec![
            size.to_string(),
            common.rules().to_string(),
            format!("{}, {}", expected.pairs(0), expected.pairs(ASKED.len())),
            peer.analyzer.name.to_owned(),
        ];
        if peer.gave_up {
            let spent = whole.median();
            let none = || "–".to_owned();
            // How much of it went to reading nobody knows: the whole process is all that can be compared.
            row.extend([none(), none(), milliseconds(&own_answers), none(), format!("> {spent:.0}")]);
            row.extend([milliseconds(&own_whole), format!("> {:.0}", spent / own_whole.median()), none()]);
        } else {
            row.extend([reads.show(3), answers.show(3), milliseconds(&own_answers)]);
            row.push(format!("{:.0}", answers.ratio(&own_answers)));
            row.extend([whole.show(2), milliseconds(&own_whole), format!("{:.0}", whole.ratio(&own_whole))]);
            row.push(format!("yes, {compared} questions"));
        }
        rows.push(row);
    }
    Ok(())
}

fn milliseconds(figure: &Figure) -> String {
    Figure { values: figure.values.iter().map(|seconds| seconds * 1e3).collect() }.show(2)
}

fn write(folder: &Path, files: &BTreeMap<&'static str, Value>) -> Result {
    std::fs::create_dir(folder)?;
    for (name, json) in files {
        std::fs::write(folder.join(name), json.to_string())?;
    }
    Ok(())
}

/// Every pair of every question; how many questions. Errors: the first pair that differs.
fn compare(said: &Said, expected: &Answer, name: &str, size: usize) -> Result<usize> {
    for (packet, theirs) in &said.pairs {
        let question = ASKED.iter().position(|(name, _)| name == packet).unwrap_or(ASKED.len());
        let ours = expected.lines(question);
        if ours.len() != theirs.len() {
            return Err(format!("{name}, {size} interfaces, {packet}: {} lines for {}", theirs.len(), ours.len()).into());
        }
        for (from, (own, other)) in ours.iter().zip(theirs).enumerate() {
            if let Some(to) = own.bytes().zip(other.bytes()).position(|(own, other)| own != other) {
                let digit = |line: &str| line.as_bytes()[to] as char;
                let place = format!("{name}, {size} interfaces, {packet}: from {from} to {to} (in the order of their ids)");
                return Err(format!("{place} it says {}, the proof {}", digit(other), digit(own)).into());
            }
        }
    }
    Ok(said.pairs.len())
}

/// Seconds of the processor that this process has used, all threads.
fn processor() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// This program from its start to its answer, on the folder that the command line would have written; seconds.
fn own_process(folder: &Path, pairs: usize) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?).arg("analyze").arg(folder).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim().split_once(' ') {
        Some((open, took)) if open == pairs.to_string() => Ok(took.parse()?),
        _ => Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// The part of it that reads and answers; prints how many pairs are open, and seconds.
pub fn inside(folder: &Path) -> Result {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        files.push(DumpFile { name, text: std::fs::read_to_string(&path)? });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let import = lab::aws::read(files, Timestamp(0)).map_err(|problems| problems.to_string())?;
    let pairs = Answer::of(&import.model, &[ASKED[0].1])?.pairs(0);
    println!("{pairs} {}", processor());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_differs_is_named_and_an_answer_of_another_size_refused() {
        let common = Common::of(10, true);
        let expected = Answer::of(&common.model, &ASKED.map(|(_, packet)| packet)).expect("proved");
        let mut pairs: BTreeMap<String, Vec<String>> =
            ASKED.iter().enumerate().map(|(question, (name, _))| ((*name).to_owned(), expected.lines(question))).collect();
        pairs.insert("any".to_owned(), expected.lines(ASKED.len()));
        let mut said = Said { version: String::new(), answer: 0.0, load: 0.0, whole: 0.0, pairs };
        assert_eq!(compare(&said, &expected, "peer", 10).expect("the same"), 5);
        let line = &mut said.pairs.get_mut("tcp/22").expect("asked")[3];
        *line = line.replacen('0', "?", 1);
        let problem = compare(&said, &expected, "peer", 10).expect_err("differs").to_string();
        assert!(problem.contains("tcp/22: from 3 to ") && problem.contains("says ?, the proof 0"), "{problem}");
        said.pairs.get_mut("any").expect("asked").pop();
        assert!(compare(&said, &expected, "peer", 10).expect_err("shorter").to_string().contains("9 lines for 10"));
    }
}
