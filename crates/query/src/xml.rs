//! Writing XML: elements and text are all that answers have, which is less than a library's calls would take.

/// What most documents need, bytes.
const ROOM: usize = 4 << 10;

/// A document that grows.
pub struct Writer(String);

impl Writer {
    /// A document with its declaration, and room for so many bytes that are known to come.
    pub fn with_room_for(expected: usize) -> Self {
        let mut document = String::with_capacity(expected + ROOM);
        document.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        Self(document)
    }

    /// A part of a document.
    pub fn bare() -> Self {
        Self(String::with_capacity(ROOM))
    }

    /// A part that was written before.
    pub fn piece(&mut self, piece: &str) {
        self.0.push_str(piece);
    }

    /// Begins an element.
    pub fn open(&mut self, name: &str) {
        self.tag("<", name, ">");
    }

    /// Begins the root element, which names the namespace.
    pub fn open_in(&mut self, name: &str, namespace: &str) {
        self.tag("<", name, " xmlns=\"");
        self.escape(namespace);
        self.0.push_str("\">");
    }

    /// Ends an element.
    pub fn close(&mut self, name: &str) {
        self.tag("</", name, ">");
    }

    /// An element without content.
    pub fn empty(&mut self, name: &str) {
        self.tag("<", name, "/>");
    }

    /// An element with text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        self.escape(text);
        self.close(name);
    }

    /// The document.
    pub fn finish(self) -> String {
        self.0
    }

    fn tag(&mut self, before: &str, name: &str, after: &str) {
        [before, name, after].into_iter().for_each(|part| self.0.push_str(part));
    }

    /// Text in which nothing is markup. What XML 1.0 §2.2 cannot carry at all becomes U+FFFD; a carriage return is
    /// written by number, or a reader would take it for the end of a line (§2.11).
    fn escape(&mut self, text: &str) {
        if text.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'%' | b'\''..=b';' | b'=' | b'?'..=b'~')) {
            return self.0.push_str(text);
        }
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#xD;"),
                character if is_allowed(character) => self.0.push(character),
                _ => self.0.push('\u{FFFD}'),
            }
        }
    }
}

/// Whether XML 1.0 can carry the character (§2.2, `Char`).
pub fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup_and_every_character_can_be_read() {
        for (text, written) in [
            ("a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;"),
            ("line\r\nline\t", "line&#xD;\nline\t"),
            ("\0\u{1}\u{1F}\u{FFFE}", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("한글 😀", "한글 😀"),
        ] {
            let mut xml = Writer::with_room_for(0);
            xml.text("a", text);
            assert!(xml.finish().ends_with(&format!("\n<a>{written}</a>")), "{text:?}");
        }
    }
}
