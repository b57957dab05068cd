//! Text that fits: cut and wrapped by the columns that its characters take.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A text of exactly so many columns: filled with spaces, or cut with `…` at its end. Control characters become `·`.
pub fn fit(text: &str, columns: usize) -> String {
    let mut fitted = cut(text, columns);
    fitted.push_str(&" ".repeat(columns.saturating_sub(width(&fitted))));
    fitted
}

/// A text of at most so many columns.
pub fn cut(text: &str, columns: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    if width(&text) <= columns {
        return text;
    }
    let (mut kept, mut used) = (String::new(), 0);
    for c in text.chars() {
        let own = c.width().unwrap_or(0);
        if used + own + 1 > columns {
            break;
        }
        kept.push(c);
        used += own;
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// The same set to the right.
pub fn fit_right(text: &str, columns: usize) -> String {
    let kept = cut(text, columns);
    format!("{}{kept}", " ".repeat(columns.saturating_sub(width(&kept))))
}

/// Lines of at most so many columns, broken between words where that is possible. Lines that begin with spaces stay whole,
/// since carets below them point at places; they are cut.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with(' ') || line.contains('│') || width(line) <= columns {
            lines.push(cut(line, columns));
            continue;
        }
        let mut current = String::new();
        for word in line.split(' ') {
            if !current.is_empty() && width(&current) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
            while width(&current) > columns {
                let (mut head, mut used) = (0, 0);
                for (at, c) in current.char_indices() {
                    used += c.width().unwrap_or(0);
                    if used > columns && at > 0 {
                        break;
                    }
                    head = at + c.len_utf8();
                }
                // One character that is wider than the line.
                if head == current.len() {
                    break;
                }
                let rest = current.split_off(head);
                lines.push(std::mem::replace(&mut current, rest));
            }
        }
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_exactly_the_columns_it_gets() {
        for (text, columns, fitted) in
            [("abc", 5, "abc  "), ("abcdef", 4, "abc…"), ("허브와", 5, "허브…"), ("허브와", 4, "허… "), ("a\tb", 3, "a·b"), ("abc", 0, "")]
        {
            assert_eq!(fit(text, columns), fitted);
            assert_eq!(width(&fit(text, columns)), columns);
        }
        assert_eq!(fit_right("1 ms", 6), "  1 ms");
    }

    #[test]
    fn a_sentence_is_broken_between_words_and_a_word_only_where_it_must_be() {
        assert_eq!(wrap("no route fits it", 8), ["no route", "fits it"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("허브", 1), ["허", "브"], "a character wider than the line stands alone");
        assert_eq!(wrap("", 4), Vec::<String>::new());
    }
}
