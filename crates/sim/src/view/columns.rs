//! Text in columns.

/// A column is at most so wide; a longer cell moves the rest of its line.
const WIDEST: usize = 76;

/// Rows of cells with each column as wide as its widest cell, two spaces apart; columns in `right` are set to the right.
pub fn aligned<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let rows: Vec<&[String]> = rows.iter().map(<[String; N]>::as_slice).collect();
    lines(&rows, right)
}

/// The same for any number of columns.
pub fn lines(rows: &[&[String]], right: &[usize]) -> String {
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| self::width(cell)).max().unwrap_or(0).min(WIDEST)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let fill = " ".repeat(widths[column].saturating_sub(self::width(cell)));
            let gap = if column == 0 { "" } else { "  " };
            match right.contains(&column) {
                true => line += &format!("{gap}{fill}{cell}"),
                false => line += &format!("{gap}{cell}{fill}"),
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Columns of a terminal that a text takes: Hangul, kana and Chinese characters are two wide.
pub fn width(text: &str) -> usize {
    let width = |c| match c {
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' => 2,
        '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' => 2,
        _ => 1,
    };
    text.chars().map(width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_a_terminal_shows_it() {
        let rows = [["계층", "a"].map(str::to_owned), ["7", "b"].map(str::to_owned)];
        assert_eq!(aligned(&rows, &[]), "계층  a\n7     b\n");
    }
}
