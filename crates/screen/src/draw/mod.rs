//! A screen as it is drawn: a header, the panes with what happened between them, a line for keys and typing. Only what is
//! seen is formatted. Colour is never the only sign: signs and words say the same.

mod canvas;
mod events;
mod layout;
mod overlay;
mod packet;
mod status;
mod tables;
mod topology;

use ratatui_core::layout::{Position, Rect};
use ratatui_core::terminal::Frame;

use crate::screen::Screen;
use crate::state::Pane;
use canvas::Canvas;

pub use layout::{LEAST, Layout};
pub use overlay::is_short;

impl Screen<'_> {
    /// Whether a pane is seen at the size that was drawn last.
    pub fn sees(&self, pane: Pane) -> bool {
        Layout::new(self.size, &self.state).is_some_and(|layout| layout.panes.iter().any(|(seen, _)| *seen == pane))
    }

    /// Says how large the terminal is, before it is drawn.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        self.size = (columns, lines);
    }

    /// Draws all of it.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        self.size = (area.width, area.height);
        let colour = self.about.colour;
        let cursor = {
            let mut canvas = Canvas::new(frame.buffer_mut(), colour);
            canvas.clear(area);
            self.paint(&mut canvas, area)
        };
        if let Some((x, y)) = cursor {
            frame.set_cursor_position(Position { x, y });
        }
    }

    /// Where the cursor of a typed line is.
    fn paint(&mut self, canvas: &mut Canvas<'_>, area: Rect) -> Option<(u16, u16)> {
        let Some(layout) = Layout::new((area.width, area.height), &self.state) else {
            overlay::too_small(canvas, area);
            return None;
        };
        status::header(self, canvas, layout.header);
        for (pane, area) in &layout.panes {
            match pane {
                Pane::Events => events::list(self, canvas, *area),
                Pane::Topology => topology::tree(self, canvas, *area),
                Pane::Packet => packet::frame(self, canvas, *area, layout.is_wide),
                Pane::Tables => tables::of_node(self, canvas, *area),
            }
        }
        if let Some(area) = layout.detail {
            events::detail(self, canvas, area);
        }
        for (x, y, height) in &layout.walls {
            canvas.wall(*x, *y, *height);
        }
        let cursor = status::line(self, canvas, layout.status);
        overlay::notice(self, canvas, area);
        if self.state.is_helping {
            overlay::keys(self, canvas, area);
        }
        cursor
    }
}
