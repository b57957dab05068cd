//! Where text goes, and how it looks: with colours, or without.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};

use crate::text;

/// How something looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As text does.
    Plain,
    /// What matters more.
    Strong,
    /// What matters less, or has not happened yet.
    Faint,
    /// The chosen line.
    Chosen,
    /// Bytes of the chosen line, the node of the event.
    Marked,
    /// Something is lost.
    Loss,
    /// Two sent at once.
    Collision,
    /// Something arrived or goes on.
    Good,
    /// A name.
    Name,
    /// A group of links, by its number.
    Group(usize),
}

/// A buffer to write to.
pub struct Canvas<'b> {
    buffer: &'b mut Buffer,
    colour: bool,
}

impl<'b> Canvas<'b> {
    /// Writes to a buffer, with colours or without.
    pub fn new(buffer: &'b mut Buffer, colour: bool) -> Self {
        Self { buffer, colour }
    }

    fn style(&self, look: Look) -> Style {
        const GROUPS: [Color; 6] = [Color::Cyan, Color::Yellow, Color::Magenta, Color::Green, Color::Blue, Color::Red];
        let (modifier, colour) = match look {
            Look::Plain => (Modifier::empty(), None),
            Look::Strong => (Modifier::BOLD, None),
            Look::Faint => (Modifier::DIM, None),
            Look::Chosen => (Modifier::REVERSED, None),
            Look::Marked => (Modifier::REVERSED.union(Modifier::BOLD), None),
            Look::Loss => (Modifier::BOLD, Some(Color::Red)),
            Look::Collision => (Modifier::BOLD, Some(Color::Yellow)),
            Look::Good => (Modifier::empty(), Some(Color::Green)),
            Look::Name => (Modifier::empty(), Some(Color::Cyan)),
            Look::Group(number) => (Modifier::empty(), Some(GROUPS[number % GROUPS.len()])),
        };
        let style = Style::default().add_modifier(modifier);
        match colour.filter(|_| self.colour) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        for y in area.top()..area.bottom() {
            self.write(area.x, y, area.width, &" ".repeat(usize::from(area.width)), Look::Plain);
        }
        self.buffer.set_style(area, Style::reset());
    }

    /// Writes at most so many columns. Returns the columns that it took.
    pub fn write(&mut self, x: u16, y: u16, width: u16, content: &str, look: Look) -> u16 {
        if width == 0 || !self.buffer.area.contains((x, y).into()) {
            return 0;
        }
        let content = text::cut(content, usize::from(width));
        let style = self.style(look);
        let (end, _) = self.buffer.set_stringn(x, y, &content, usize::from(width), style);
        end.saturating_sub(x)
    }

    /// A line of an area; what is behind its end is empty.
    pub fn line(&mut self, area: Rect, row: u16, content: &str, look: Look) {
        if row < area.height {
            self.write(area.x, area.y + row, area.width, &text::fit(content, usize::from(area.width)), look);
        }
    }

    /// Pieces of different looks in a line of an area.
    pub fn pieces(&mut self, area: Rect, row: u16, pieces: &[(String, Look)]) {
        let (mut x, mut left) = (area.x, area.width);
        for (content, look) in pieces.iter().filter(|_| row < area.height) {
            let taken = self.write(x, area.y + row, left, content, *look);
            (x, left) = (x + taken, left.saturating_sub(taken));
        }
    }

    /// The line above a pane, heavy where keys go to. Returns the area below it.
    pub fn title(&mut self, area: Rect, title: &str, has_focus: bool) -> Rect {
        let (bar, look) = if has_focus { ("━", Look::Strong) } else { ("─", Look::Faint) };
        self.line(area, 0, &bar.repeat(usize::from(area.width)), look);
        let look = if has_focus { Look::Strong } else { Look::Plain };
        if area.width > 4 {
            self.write(area.x + 1, area.y, area.width - 2, &format!(" {title} "), look);
        }
        Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(1))
    }

    /// A line between two panes.
    pub fn wall(&mut self, x: u16, y: u16, height: u16) {
        for at in 0..height {
            self.write(x, y + at, 1, if at == 0 { "┬" } else { "│" }, Look::Faint);
        }
    }
}

/// The first line of a list that is seen, so that a line is in the middle where that is possible.
pub fn top(line: usize, count: usize, height: usize) -> usize {
    line.saturating_sub(height / 2).min(count.saturating_sub(height))
}
