//! From the start of the process to an answer about one pair of a large account, from a snapshot; and an answer once the
//! account is loaded.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use fabric::Fabric;
use fabric::walker::Verdict;
use lab::snapshot::{self, Snapshot};
use model::{Model, ProbePacket, Timestamp};
use proof::why::{Asker, Effort, Question};
use proof::{Options, Place};

use crate::account::Account;
use crate::cli::Result;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;

/// Questions of one pair, each with another pair.
const QUESTIONS: usize = 2_000;
/// Pairs that are looked at for one that is allowed and one that is not.
const LOOKED_AT: usize = 200_000;
/// An answer once everything is loaded may take this long, microseconds.
const LOADED: f64 = 100.0;
/// An answer from the start of the process may take this long, seconds.
const STARTED: f64 = 0.5;

/// Measures and prints.
pub fn measure(program: &Path, runs: usize) -> Result {
    let program = std::fs::canonicalize(program).map_err(|error| format!("{}: {error}", program.display()))?;
    let account = |interfaces, vpcs, groups, rules| Account { interfaces, vpcs, groups, rules, own_sets: false };
    let accounts = [
        ("10,000 interfaces, 6,000 rules", account(10_000, 10, 600, 6_000)),
        ("100,000 interfaces, 100,000 rules", account(100_000, 100, 10_000, 100_000)),
    ];
    let folder = tempfile::tempdir()?;
    let (mut files, mut loaded, mut started) = (Vec::new(), Vec::new(), Vec::new());
    for (name, account) in accounts {
        let model = account.world().model;
        let file = folder.path().join(format!("{}.snapshot", account.interfaces));
        files.push(file_row(name, &model, &file, runs)?);
        let fabric = Fabric::compile(&model);
        let asker = Asker::new(&model, &fabric, Options::default());
        let places = Place::all(&fabric);
        let pair = |number: usize| (places[number * 7919 % places.len()], places[(number * 104_729 + 1) % places.len()]);
        let question = |(from, to): (Place, Place)| Question { from: from.sender(&fabric), to: to.end(&fabric), packet: ProbePacket::Tcp(443) };
        let is_meant = |(from, to): &(Place, Place)| from != to && !from.is_outside() && !to.is_outside();
        // Where the receiver has no address that the sender could ask, a cloud in which it has one is made for the answer.
        let knows = |question: &Question| fabric.destinations(&question.from, &question.to).is_ok();
        let all = || (0..LOOKED_AT).map(pair).filter(is_meant).map(question).filter(knows);
        loaded.push(loaded_row(name, &asker, all().take(QUESTIONS), runs)?);
        for (word, wanted) in [("allowed", Verdict::Allowed), ("denied", Verdict::Denied)] {
            let is_so = |question: &Question| asker.answer(question).is_ok_and(|answer| answer.explanation.verdict == wanted);
            let Some(found) = all().find(is_so) else { return Err(format!("{name}: no pair is {word}").into()) };
            for more in [[].as_slice(), &["--brief"]] {
                started.push(started_row(name, word, &program, &file, &found, more, runs)?);
            }
        }
    }
    let load = load();
    table(&format!("The file; load {load}"), &["account", "MiB", "write s", "read s"], &files);
    table(&format!("An answer once loaded, µs, of {QUESTIONS} pairs; load {load}"), &["account", "mean of a run", "target"], &loaded);
    table(
        &format!("Process start to answer, seconds; load {load}"),
        &["account", "pair", "command", "wall", "CPU", "target"],
        &started,
    );
    Ok(())
}

fn file_row(name: &str, whole: &Model, file: &Path, runs: usize) -> Result<Vec<String>> {
    let (mut write, mut read) = (Figure::default(), Figure::default());
    let mut size = 0;
    for _ in 0..runs {
        let (model, notes, claims) = (whole.clone(), Vec::new(), Vec::new());
        let (name, source, taken) = ("account".into(), "bench".into(), Timestamp(0));
        let snapshot = Snapshot { name, source, taken, notes, model, claims, account: None, rights: Vec::new() };
        let start = Instant::now();
        let bytes = snapshot::write(snapshot)?;
        std::fs::write(file, &bytes)?;
        write.values.push(start.elapsed().as_secs_f64());
        size = bytes.len();
        drop(bytes);
        let start = Instant::now();
        let again = snapshot::read(&std::fs::read(file)?)?;
        read.values.push(start.elapsed().as_secs_f64());
        if again.model != *whole {
            return Err("what is read is not what was written".into());
        }
    }
    let size = format!("{:.1}", size as f64 / 1_048_576.0);
    Ok(vec![name.to_owned(), size, write.show(3), read.show(3)])
}

fn loaded_row(name: &str, asker: &Asker<'_>, questions: impl Iterator<Item = Question>, runs: usize) -> Result<Vec<String>> {
    let questions: Vec<Question> = questions.collect();
    let mut figure = Figure::default();
    for _ in 0..runs {
        let start = Instant::now();
        for question in &questions {
            std::hint::black_box(asker.why(question, Effort { fixes: false })?);
        }
        figure.values.push(start.elapsed().as_secs_f64() / questions.len() as f64 * 1e6);
    }
    Ok(vec![name.to_owned(), figure.show(1), format!("≤ {LOADED} µs: {}", verdict(figure.median(), LOADED))])
}

fn started_row(
    name: &str,
    word: &str,
    program: &Path,
    file: &Path,
    question: &Question,
    more: &[&str],
    runs: usize,
) -> Result<Vec<String>> {
    use fabric::engine::Sender;
    use model::selector::End;
    let (Sender::Interface(from), End::Interface { interface: to, .. }) = (&question.from, &question.to) else {
        return Err("the pair is not one of interfaces".into());
    };
    let home = tempfile::tempdir()?;
    let (mut wall, mut cpu) = (Figure::default(), Figure::default());
    for _ in 0..runs {
        let mut command = Command::new(program);
        command.arg("why").arg("-f").arg(file).args([from.as_str(), to.as_str(), "tcp/443"]).args(more);
        command.env("VPCLAB_HOME", home.path()).stdin(Stdio::null());
        let (start, spent) = (Instant::now(), children()?);
        let output = command.output()?;
        wall.values.push(start.elapsed().as_secs_f64());
        cpu.values.push(children()? - spent);
        let told = String::from_utf8_lossy(&output.stdout);
        if !told.starts_with(&word.to_uppercase()) {
            return Err(format!("{word} was expected: {told}{}", String::from_utf8_lossy(&output.stderr)).into());
        }
    }
    let command = if more.is_empty() { "why".to_owned() } else { format!("why {}", more.join(" ")) };
    let target = format!("≤ {STARTED} s: {}", verdict(wall.median(), STARTED));
    Ok(vec![name.to_owned(), word.to_owned(), command, wall.show(3), cpu.show(2), target])
}

/// Seconds of processor time of the children that have ended (proc(5), cutime and cstime, in hundredths).
fn children() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may hold anything but ends at the last bracket.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(13) + ticks(14)) / 100.0)
}
