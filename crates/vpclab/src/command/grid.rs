//! A square of places with one sign in each cell, readable at any size: names above the columns while they fit, else
//! numbers, and blocks of columns below each other where even those do not.

use std::fmt::Write;

/// What one place finds at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// A service answered.
    Open,
    /// The host answered that nothing listens.
    Refused,
    /// Nothing came back.
    Filtered,
    /// The request arrives, its answer is lost.
    OneWay,
    /// Not the same for all addresses of the two places, or for all that is sent.
    Partly,
    /// Nothing came back, and nobody reported why.
    Unknown,
}

impl Cell {
    /// All, in the order of the legend.
    pub const ALL: [Cell; 6] = [Cell::Open, Cell::Refused, Cell::Filtered, Cell::OneWay, Cell::Partly, Cell::Unknown];

    /// What the sign means.
    pub fn meaning(self) -> String {
        format!("{} {}", self.sign(), self.word())
    }

    /// The same in a word or a few.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Filtered => "filtered",
            Self::OneWay => "reply filtered",
            Self::Partly => "some of it only",
            Self::Unknown => "silence without a reason",
        }
    }

    /// The sign itself.
    pub fn sign(self) -> char {
        match self {
            Self::Open => '●',
            Self::Refused => '○',
            Self::Filtered => '·',
            Self::OneWay => '→',
            Self::Partly => '◐',
            Self::Unknown => '?',
        }
    }
}

/// Rows send, columns receive.
pub struct Grid<'a> {
    names: &'a [&'a str],
    cells: Vec<Option<Cell>>,
}

impl<'a> Grid<'a> {
    /// Nothing known yet.
    pub fn new(names: &'a [&'a str]) -> Grid<'a> {
        Grid { names, cells: vec![None; names.len() * names.len()] }
    }

    /// Adds an answer; several for one cell are one sign when they are the same.
    pub fn add(&mut self, from: usize, to: usize, cell: Cell) {
        let at = &mut self.cells[from * self.names.len() + to];
        *at = Some(match *at {
            Some(known) if known != cell => Cell::Partly,
            _ => cell,
        });
    }

    fn sign(&self, from: usize, to: usize) -> char {
        // Nobody is asked about himself, and the outside not about the outside.
        self.cells[from * self.names.len() + to].map_or(' ', Cell::sign)
    }

    /// Whether no cell is anything but filtered.
    fn is_closed(&self) -> bool {
        self.cells.iter().flatten().all(|cell| *cell == Cell::Filtered)
    }

    /// For a terminal of this width; `None`: as wide as it gets.
    pub fn table(&self, title: &str, width: Option<usize>) -> String {
        if self.is_closed() {
            return format!("{title}: filtered everywhere\n");
        }
        let count = self.names.len();
        let widest = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let limit = width.unwrap_or(usize::MAX);
        let by_name: usize = widest + self.names.iter().map(|name| 2 + name.chars().count()).sum::<usize>();
        let mut text = format!("{title}\n");
        if by_name <= limit.min(200) {
            let head: String = self.names.iter().map(|name| format!("  {name}")).collect();
            let _ = writeln!(text, "{:widest$}{head}", "");
            for (from, name) in self.names.iter().enumerate() {
                let cell = |(to, name): (usize, &&str)| format!("  {:<width$}", self.sign(from, to), width = name.chars().count());
                let row: String = self.names.iter().enumerate().map(cell).collect();
                let _ = writeln!(text, "{}", format!("{name:widest$}{row}").trim_end());
            }
            return text;
        }
        let digits = count.to_string().len();
        let room = limit.saturating_sub(widest + digits + 1) / (digits + 1);
        for columns in (0..count).collect::<Vec<_>>().chunks(room.max(10)) {
            let head: String = columns.iter().map(|to| format!(" {:>digits$}", to + 1)).collect();
            let _ = writeln!(text, "{:widest$} {:digits$}{head}", "", "");
            for (from, name) in self.names.iter().enumerate() {
                let row: String = columns.iter().map(|to| format!(" {:>digits$}", self.sign(from, *to))).collect();
                let _ = writeln!(text, "{}", format!("{name:widest$} {:>digits$}{row}", from + 1).trim_end());
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// For a document.
    pub fn markdown(&self, title: &str) -> String {
        let escaped = |name: &str| name.replace('|', "\\|");
        let mut text = format!("### {title}\n\n| from \\ to |");
        self.names.iter().for_each(|name| text.push_str(&format!(" {} |", escaped(name))));
        text.push_str("\n|---|");
        text.push_str(&":-:|".repeat(self.names.len()));
        text.push('\n');
        for (from, name) in self.names.iter().enumerate() {
            let row: String = (0..self.names.len()).map(|to| format!(" {} |", self.sign(from, to))).collect();
            let _ = writeln!(text, "| {} |{row}", escaped(name));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_above_the_columns_while_they_fit() {
        let mut grid = Grid::new(&["web", "db-10"]);
        grid.add(0, 1, Cell::Open);
        grid.add(1, 0, Cell::Filtered);
        assert_eq!(grid.table("tcp/80", Some(100)), "tcp/80\n       web  db-10\nweb         ●\ndb-10  ·\n");
    }

    #[test]
    fn many_columns_are_numbered_and_cut_into_blocks() {
        let names: Vec<String> = (0..120).map(|number| format!("instance-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut grid = Grid::new(&names);
        grid.add(3, 119, Cell::Refused);
        let text = grid.table("tcp/80", Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let marked: Vec<&str> = text.lines().filter(|line| line.contains('○')).collect();
        assert_eq!(marked.len(), 1);
        assert!(marked[0].starts_with("instance-3     4 "), "{}", marked[0]);
        // The sign stands below its column's number.
        let block = text.split("\n\n").last().unwrap();
        let (head, row) = (block.lines().next().unwrap(), marked[0]);
        assert_eq!(head.chars().position(|c| c == '○'), None);
        assert_eq!(head.trim_end().chars().count(), row.chars().count(), "column 120 is the last");
        assert!(grid.table("tcp/80", None).lines().all(|line| !line.is_empty()), "one block without a limit");
    }

    #[test]
    fn cells_that_differ_by_address_say_so() {
        let mut grid = Grid::new(&["a", "b"]);
        grid.add(0, 1, Cell::Open);
        grid.add(0, 1, Cell::Open);
        grid.add(1, 0, Cell::Open);
        grid.add(1, 0, Cell::Filtered);
        assert_eq!(grid.markdown("udp/53"), "### udp/53\n\n| from \\ to | a | b |\n|---|:-:|:-:|\n| a |   | ● |\n| b | ◐ |   |\n");
    }

    #[test]
    fn a_port_that_nobody_reaches_takes_one_line() {
        let mut grid = Grid::new(&["a", "b"]);
        grid.add(0, 1, Cell::Filtered);
        assert_eq!(grid.table("tcp/1", None), "tcp/1: filtered everywhere\n");
        grid.add(1, 0, Cell::Unknown);
        assert!(grid.table("tcp/1", None).contains('?'));
    }
}
