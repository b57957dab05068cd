//! What everybody finds at everybody: rows of places, or of groups that nobody tells apart, with one cell for each thing
//! that is sent.

use std::collections::{BTreeMap, BTreeSet};

use fabric::Fabric;
use fabric::called::shared;
use model::Model;
use proof::claim::{Party, Prover, is_pair};
use proof::who::{alike, short};
use proof::{Options, Reach, TrafficSet};
use serde_json::{Value, json};

use super::gaps::{Gaps, marked};
use super::grid::{Cell, Grid};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Members of a group that are listed below a table.
const LISTED: usize = 12;

/// Rows send, columns receive; both are the same places.
pub struct Sheet {
    /// What is sent, as people write it.
    pub titles: Vec<String>,
    rows: Vec<Row>,
    /// By sender and receiver: which of `kinds`; `None`: nobody is asked.
    pairs: Vec<Option<usize>>,
    /// A cell for each title.
    kinds: Vec<Vec<Option<Cell>>>,
}

/// One place, or several that are alike.
#[derive(Debug, Clone)]
struct Row {
    names: Vec<String>,
    is_outside: bool,
}

impl Sheet {
    /// Nothing known yet of some places; those of the second kind are outside.
    pub fn new(names: &[(String, bool)], titles: Vec<String>) -> Sheet {
        let rows: Vec<Row> = names.iter().map(|(name, is_outside)| Row { names: vec![name.clone()], is_outside: *is_outside }).collect();
        let pairs = vec![None; rows.len() * rows.len()];
        Sheet { titles, rows, pairs, kinds: Vec::new() }
    }

    /// Fills in what is known, by sender, receiver and title.
    pub fn filled(mut self, known: impl IntoIterator<Item = (usize, usize, usize, Cell)>) -> Sheet {
        let mut cells: BTreeMap<(usize, usize), Vec<Option<Cell>>> = BTreeMap::new();
        for (from, to, title, cell) in known {
            let of_pair = cells.entry((from, to)).or_insert_with(|| vec![None; self.titles.len()]);
            of_pair[title] = Some(match of_pair[title] {
                Some(known) if known != cell => Cell::Partly,
                _ => cell,
            });
        }
        let mut numbers: BTreeMap<Vec<Option<Cell>>, usize> = BTreeMap::new();
        for ((from, to), cells) in cells {
            let kind = *numbers.entry(cells).or_insert_with_key(|cells| {
                self.kinds.push(cells.clone());
                self.kinds.len() - 1
            });
            self.pairs[from * self.rows.len() + to] = Some(kind);
        }
        self
    }

    /// What the proof says. Places of one class with the same services are one row from the start.
    pub fn proved(model: &Model, fabric: &Fabric, asked: &[(String, TrafficSet)], expand: bool) -> Result<Sheet> {
        let failed = |e: fabric::engine::EngineError| Failure::environment(e.to_string());
        let reach = Reach::of(fabric, Options::default()).map_err(failed)?;
        let prover = Prover::new(model, fabric, &reach, Options::default(), &[]);
        let mut rows: Vec<(Row, Vec<&Party>)> = Vec::new();
        let mut known: BTreeMap<(usize, TrafficSet), usize> = BTreeMap::new();
        let sends = |party: &&Party| party.is_outside() || is_running(fabric, party);
        for party in prover.everybody().iter().filter(sends) {
            let class = party.place().map(|place| reach.class_of(place)).filter(|_| !expand && !party.is_outside());
            let next = rows.len();
            let row = class.map_or(next, |class| *known.entry((class, prover.answers(party))).or_insert(next));
            if row == next {
                rows.push((Row { names: Vec::new(), is_outside: party.is_outside() }, Vec::new()));
            }
            rows[row].0.names.push(party.name.clone());
            rows[row].1.push(party);
        }
        let mut cells = Vec::new();
        for (from, (_, senders)) in rows.iter().enumerate() {
            for (to, (_, receivers)) in rows.iter().enumerate() {
                let other = receivers.iter().find(|party| is_pair(senders[0], party));
                let Some(other) = other else { continue };
                let between = prover.between(senders[0], other).map_err(failed)?;
                let answers = prover.answers(other);
                for (title, (_, traffic)) in asked.iter().enumerate() {
                    cells.push((from, to, title, proved_cell(&traffic.over(other.family()), &between, &answers)));
                }
            }
        }
        let mut sheet = Sheet::new(&[], asked.iter().map(|(title, _)| title.clone()).collect());
        sheet.rows = rows.into_iter().map(|(row, _)| row).collect();
        sheet.pairs = vec![None; sheet.rows.len() * sheet.rows.len()];
        let sheet = sheet.filled(cells);
        Ok(if expand { sheet } else { sheet.grouped() })
    }

    /// Rows that nobody tells apart, together.
    pub fn grouped(self) -> Sheet {
        let count = self.rows.len();
        let pair = |from: usize, to: usize| self.pairs[from * count + to];
        let may = |one: usize, other: usize| {
            let (one, other) = (&self.rows[one], &self.rows[other]);
            // What is outside is alike only where it is one place at several addresses.
            one.is_outside == other.is_outside && (!one.is_outside || is_internet(one) && is_internet(other))
        };
        let groups = alike(count, may, pair);
        let mut rows = Vec::new();
        for group in &groups {
            let names = group.iter().flat_map(|row| self.rows[*row].names.clone()).collect();
            rows.push(Row { names, is_outside: self.rows[group[0]].is_outside });
        }
        let mut pairs = Vec::new();
        for (from, senders) in groups.iter().enumerate() {
            for (to, receivers) in groups.iter().enumerate() {
                pairs.push(match (from == to, senders.get(1)) {
                    (true, Some(second)) => pair(senders[0], *second),
                    _ => pair(senders[0], receivers[0]),
                });
            }
        }
        Sheet { titles: self.titles, rows, pairs, kinds: self.kinds }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// What one row finds at another.
    pub fn cell(&self, from: usize, to: usize, title: usize) -> Option<Cell> {
        self.pairs[from * self.rows.len() + to].and_then(|kind| self.kinds[kind][title])
    }

    /// What each row is called, and who is in it.
    pub fn labels(&self) -> Vec<(String, &[String])> {
        let mut taken = BTreeSet::new();
        let label = |row: &Row| {
            let names: Vec<&str> = row.names.iter().map(String::as_str).collect();
            let label = if row.is_outside { names[0].to_owned() } else { short(&names) };
            if taken.insert(label.clone()) && !label.ends_with(" places") {
                return label;
            }
            match names.len() {
                1 => label,
                more => format!("{} +{}", shared(names[0]), more - 1),
            }
        };
        self.rows.iter().map(label).collect::<Vec<_>>().into_iter().zip(self.rows.iter().map(|row| row.names.as_slice())).collect()
    }

    /// How many pairs a cell stands for.
    fn count(&self, from: usize, to: usize) -> usize {
        let (senders, receivers) = (self.rows[from].names.len(), self.rows[to].names.len());
        if from == to { senders * (senders - 1) } else { senders * receivers }
    }

    /// Prints it: tables for people, a row for every cell for programs; what its source lacks below, or in each row.
    pub fn print(&self, width: Option<usize>, gaps: &Gaps, output: &Output) -> Result<()> {
        match output.format {
            Format::Json => {
                let rows = self.cells().map(|(from, to, title, cell)| self.json(from, to, title, cell));
                output.json(&marked(rows, &gaps.listed()))?;
            }
            Format::Csv => {
                let row = |(from, to, title, cell): (usize, usize, usize, Cell)| {
                    let (senders, receivers) = (self.rows[from].names.join(";"), self.rows[to].names.join(";"));
                    vec![senders, receivers, self.count(from, to).to_string(), self.titles[title].clone(), cell.word().to_owned()]
                };
                output.table(&["from", "to", "pairs", "packet", "result"], &self.cells().map(row).collect::<Vec<_>>());
                gaps.note(output);
            }
            format => {
                self.tables(width, format == Format::Markdown, output);
                gaps.print(output);
            }
        }
        Ok(())
    }

    fn tables(&self, width: Option<usize>, is_markdown: bool, output: &Output) {
        let labels = self.labels();
        let names: Vec<&str> = labels.iter().map(|(label, _)| label.as_str()).collect();
        let mut used: BTreeSet<Cell> = BTreeSet::new();
        for (number, title) in self.titles.iter().enumerate() {
            let mut grid = Grid::new(&names);
            for (from, to, _, cell) in self.cells().filter(|(_, _, title, _)| *title == number) {
                grid.add(from, to, cell);
                used.insert(cell);
            }
            output.line(if is_markdown { grid.markdown(title) } else { grid.table(title, width) });
        }
        for (label, members) in labels.iter().filter(|(label, members)| members.len() > 1 && *label != members[0]) {
            output.line(format!("{label}: {}", match members {
                [first, .., last] if members.len() > LISTED => format!("{first} … {last} (--expand lists them)"),
                few => few.join(", "),
            }));
        }
        output.line(format!("{}; rows send, columns receive", used.into_iter().map(Cell::meaning).collect::<Vec<_>>().join("  ")));
    }

    /// Every cell that is asked: sender, receiver, title, what is found.
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, usize, Cell)> + '_ {
        let all = (0..self.len()).flat_map(move |from| (0..self.len()).map(move |to| (from, to)));
        all.flat_map(move |(from, to)| (0..self.titles.len()).filter_map(move |title| Some((from, to, title, self.cell(from, to, title)?))))
    }

    fn json(&self, from: usize, to: usize, title: usize, cell: Cell) -> Value {
        json!({
            "from": self.rows[from].names,
            "to": self.rows[to].names,
            "pairs": self.count(from, to),
            "packet": self.titles[title],
            "result": cell.word(),
        })
    }
}

fn is_internet(row: &Row) -> bool {
    row.names.iter().all(|name| name == "internet" || name.starts_with("internet ("))
}

fn is_running(fabric: &Fabric, party: &Party) -> bool {
    let fabric::engine::Sender::Interface(id) = &party.who else { return true };
    fabric.interface_by_id(id).is_some_and(|index| fabric.interfaces[index].status.is_running())
}

/// What some requests find, all of them together.
fn proved_cell(traffic: &TrafficSet, between: &proof::Between, answers: &TrafficSet) -> Cell {
    let arrives = traffic.intersection(&between.request);
    let answered = traffic.intersection(&between.both);
    match (arrives.is_empty(), answered.is_empty()) {
        (true, _) => Cell::Filtered,
        (false, true) if arrives == *traffic => Cell::OneWay,
        (false, false) if answered == *traffic && !traffic.intersection(answers).is_empty() => Cell::Open,
        (false, false) if answered == *traffic => Cell::Refused,
        _ => Cell::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two web servers that reach each other and a database, which reaches nobody; the internet reaches the servers.
    fn sheet() -> Sheet {
        let names = [("db", false), ("web-1", false), ("web-2", false), ("internet", true)].map(|(name, out)| (name.to_owned(), out));
        let open = [(1, 0), (2, 0), (1, 2), (2, 1), (3, 1), (3, 2)];
        let pairs = (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to);
        let cell = |pair| if open.contains(&pair) { Cell::Open } else { Cell::Filtered };
        Sheet::new(&names, vec!["tcp/80".to_owned()]).filled(pairs.map(|pair| (pair.0, pair.1, 0, cell(pair))))
    }

    #[test]
    fn rows_that_nobody_tells_apart_are_one() {
        let sheet = sheet().grouped();
        let labels: Vec<String> = sheet.labels().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["db", "2 web", "internet"]);
        assert_eq!(sheet.cell(1, 1, 0), Some(Cell::Open), "they reach each other");
        assert_eq!((sheet.cell(0, 0, 0), sheet.cell(2, 2, 0)), (None, None), "nobody asks itself");
        assert_eq!(sheet.json(1, 1, 0, Cell::Open)["pairs"], 2);
        assert_eq!(sheet.json(2, 1, 0, Cell::Open), json!({"from": ["internet"], "to": ["web-1", "web-2"], "pairs": 2, "packet": "tcp/80", "result": "open"}));
    }

    #[test]
    fn groups_without_a_common_word_are_told_apart_by_their_first() {
        let names = ["a", "b", "c", "d"].map(|name| (name.to_owned(), false));
        let pairs = [(0, 1), (1, 0), (2, 3), (3, 2)];
        let open = pairs.map(|(from, to)| (from, to, 0, Cell::Open));
        let all = (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to && !pairs.contains(&(*from, *to)));
        let sheet = Sheet::new(&names, vec!["icmp/echo".to_owned()]).filled(all.map(|(from, to)| (from, to, 0, Cell::Filtered)).chain(open)).grouped();
        let labels: Vec<String> = sheet.labels().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["a +1", "c +1"]);
    }
}
