//! How wide text is, without a font at hand: widths of DejaVu Sans, one of the widest that a viewer may choose, so
//! that what fits here fits everywhere. Units are pixels.

use unicode_width::UnicodeWidthChar;

/// Size and weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    pub(super) size: i32,
    pub(super) bold: bool,
}

impl Font {
    pub(super) const TITLE: Font = Font { size: 22, bold: true };
    pub(super) const HEADING: Font = Font { size: 15, bold: true };
    pub(super) const NAME: Font = Font { size: 13, bold: true };
    pub(super) const BODY: Font = Font { size: 12, bold: false };
    pub(super) const SMALL: Font = Font { size: 11, bold: false };
    pub(super) const TINY: Font = Font { size: 10, bold: false };

    /// Width of a text, rounded up.
    pub(super) fn width(self, text: &str) -> i32 {
        let thousandths: i32 = text.chars().map(character).sum();
        let thousandths = if self.bold { thousandths * 11 / 10 } else { thousandths };
        (thousandths * self.size + 999) / 1_000
    }

    /// The text if it fits, else its start and an ellipsis.
    pub(super) fn fit(self, text: &str, width: i32) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        let mut kept = String::new();
        for next in text.chars() {
            kept.push(next);
            if self.width(&format!("{kept}…")) > width {
                kept.pop();
                break;
            }
        }
        format!("{}…", kept.trim_end())
    }

    /// Lines that fit, cut between words; at most `most`, the last ends with an ellipsis if there was more.
    pub(super) fn wrap(self, text: &str, width: i32, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                last.push_str(" …");
            }
        }
        lines.into_iter().map(|line| self.fit(&line, width)).collect()
    }
}

/// Thousandths of the font's size.
fn character(character: char) -> i32 {
    match character {
        'i' | 'j' | 'l' | 'I' | 'J' | '\'' | '|' => 290,
        ' ' | '.' | ',' | ':' | ';' | '/' | '!' => 335,
        '-' | '(' | ')' | '[' | ']' | 'f' | 't' | 'r' => 410,
        's' | 'c' | 'z' | 'L' | 'F' | '_' | '?' => 560,
        'm' | 'M' | 'W' | '@' | '%' | '…' | '→' => 1_000,
        'w' | 'O' | 'Q' | 'G' | 'D' | 'N' | 'H' | '<' | '>' | '+' | '=' | '#' | '&' => 840,
        'A'..='Z' => 700,
        ' '..='~' => 640,
        other => match other.width() {
            Some(2) => 1_050,
            Some(0) => 0,
            _ => 720,
        },
    }
}

/// Text as XML: markup escaped, what XML 1.0 forbids left out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut() {
        let font = Font::NAME;
        assert_eq!(font.fit("web-1", 200), "web-1");
        let cut = font.fit("a-name-that-goes-on-and-on", 80);
        assert!(cut.ends_with('…') && font.width(&cut) <= 80, "{cut}");
        assert!(font.width("서버") > font.width("ab"));
    }

    #[test]
    fn lines_are_cut_between_words() {
        let lines = Font::SMALL.wrap("tcp/80,443 from anywhere and from everywhere else", 120, 9);
        assert!(lines.len() > 1 && lines.iter().all(|line| Font::SMALL.width(line) <= 120), "{lines:?}");
        assert_eq!(lines.join(" "), "tcp/80,443 from anywhere and from everywhere else");
        let short = Font::SMALL.wrap("one two three four five six seven eight", 60, 2);
        assert!(short.len() == 2 && short[1].ends_with('…'), "{short:?}");
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escape("<a href=\"x\">&\u{1}\n"), "&lt;a href=&quot;x&quot;&gt;&amp; ");
    }
}
