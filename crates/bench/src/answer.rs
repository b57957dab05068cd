//! Every ordered pair of interfaces, as the proof answers: for some packets one by one, and for anything at all.

use fabric::Fabric;
use fabric::index::RowIndex;
use model::{Model, ProbePacket};
use proof::matrix::{Look, Row};
use proof::{Options, Place, Reach};

use crate::cli::Result;

/// Who reaches whom: a bit a pair, by the interfaces' positions in the order of their ids.
pub struct Answer {
    count: usize,
    /// For each packet asked about, then for anything.
    bits: Vec<Vec<u64>>,
}

impl Answer {
    /// Compiles, proves everything, and notes what was asked. A pair is open when requests arrive and their answers too.
    pub fn of(model: &Model, asked: &[ProbePacket]) -> Result<Self> {
        let fabric = Fabric::compile(model);
        let reach = Reach::of(&fabric, Options::default())?;
        let count = model.network_interfaces.len();
        let mut sorted: Vec<_> = fabric.interfaces.iter().collect();
        sorted.sort_by_key(|(_, interface)| &interface.id);
        let mut position_of = vec![0; sorted.len()];
        sorted.iter().enumerate().for_each(|(position, (index, _))| position_of[index.as_usize()] = position);
        let of_place = |place: &Place| match place {
            Place::Interface(interface) => Some(position_of[interface.as_usize()]),
            _ => None,
        };
        let places: Vec<Option<usize>> = reach.places().iter().map(of_place).collect();
        let members = |class: &proof::Class| class.members.iter().filter_map(|place| places[place.as_usize()]).collect();
        let mut matrix = Matrix {
            reach: &reach,
            asked,
            by_atom: reach
                .atoms()
                .iter()
                .map(|atom| (0..asked.len()).filter(|number| atom.traffic.contains(asked[*number])).collect())
                .collect(),
            members: reach.classes().iter().map(members).collect(),
            answer: Self { count, bits: vec![vec![0; (count * count).div_ceil(64)]; asked.len() + 1] },
        };
        reach.rows(&mut matrix);
        Ok(matrix.answer)
    }

    fn open(&mut self, question: usize, from: usize, to: usize) {
        // Nobody asks itself over the network.
        if from != to {
            let bit = from * self.count + to;
            self.bits[question][bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Ordered pairs that are open, of one question; the last is anything.
    pub fn pairs(&self, question: usize) -> usize {
        self.bits[question].iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The pairs of one question: a line for each sender, a digit for each receiver.
    pub fn lines(&self, question: usize) -> Vec<String> {
        let digit = |bit: usize| if self.bits[question][bit / 64] >> (bit % 64) & 1 == 1 { '1' } else { '0' };
        (0..self.count).map(|from| (0..self.count).map(|to| digit(from * self.count + to)).collect()).collect()
    }
}

struct Matrix<'r> {
    reach: &'r Reach,
    asked: &'r [ProbePacket],
    /// Questions that each atom answers.
    by_atom: Vec<Vec<usize>>,
    /// Interfaces of each class.
    members: Vec<Vec<usize>>,
    answer: Answer,
}

impl Matrix<'_> {
    fn classes(&mut self, question: usize, from: usize, to: usize) {
        for from in &self.members[from] {
            for to in &self.members[to] {
                self.answer.open(question, *from, *to);
            }
        }
    }
}

impl Look for Matrix<'_> {
    fn row(&mut self, atom: usize, row: &Row<'_>) {
        for number in 0..self.by_atom[atom].len() {
            let question = self.by_atom[atom][number];
            row.both().for_each(|from| self.classes(question, from, row.to));
        }
    }

    fn any(&mut self, row: &Row<'_>) {
        row.both().for_each(|from| self.classes(self.asked.len(), from, row.to));
    }

    fn alone(&mut self, from: usize, to: usize) {
        let Some(between) = self.reach.between_classes(from, to) else { return };
        for question in 0..self.asked.len() {
            if between.both.contains(self.asked[question]) {
                self.classes(question, from, to);
            }
        }
        if !between.both.is_empty() {
            self.classes(self.asked.len(), from, to);
        }
    }
}
