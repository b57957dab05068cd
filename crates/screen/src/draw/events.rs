//! The list of events, in the words of `sim`'s own list, and the current one in full.

use ratatui_core::layout::Rect;
use sim::view::list::Line;

use super::canvas::{Canvas, Look, top};
use crate::hits;
use crate::screen::Screen;
use crate::state::Pane;
use crate::text::{cut, fit, fit_right, wrap};

const TIME: usize = 13;
const VERB: usize = 10;
/// From so many columns a line says why, too.
const SAYS_WHY: usize = 120;

/// The rows around the current one.
pub fn list(screen: &Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let (rows, state) = (&screen.rows, &screen.state);
    let many = rows.len();
    let mut title = match many {
        0 => "Events: none".to_owned(),
        _ => format!("Events {}/{many}", state.cursor + 1),
    };
    if state.is_all {
        title += ", sent and received apart (a)";
    }
    if !state.filter.is_empty() {
        title += &format!(", only {} (f)", state.filter);
    }
    let area = canvas.title(area, &title, state.focus == Pane::Events);
    if many == 0 {
        let text = if state.filter.is_empty() { "nothing happened yet: type : and an action, such as ping A B" } else { "no event is such: f changes the filter" };
        return canvas.line(area, 0, text, Look::Plain);
    }
    let height = usize::from(area.height);
    let first = top(state.cursor, many, height);
    let width = usize::from(area.width);
    let rest = width.saturating_sub(2 + TIME + 1 + VERB + 2);
    let place = (rest * 2 / 5).min(44);
    let says_why = width >= SAYS_WHY;
    let what = if says_why { (rest - place) / 2 } else { rest - place };
    let mut above = first.checked_sub(1).map(|row| Line::new(screen.view, &rows.get(row)));
    for (at, row) in (first..many.min(first + height)).enumerate() {
        let line = Line::new(screen.view, &rows.get(row));
        let is_same = line.frame.is_some() && above.as_ref().is_some_and(|above| above.what == line.what);
        let event = rows.event(row);
        let (is_loss, is_collision) = (hits::is_loss(&event), hits::is_collision(&event));
        let sign = match () {
            () if is_loss => 'x',
            () if is_collision => '!',
            () => ' ',
        };
        let is_chosen = row == state.cursor;
        let look = match () {
            () if is_chosen => Look::Chosen,
            () if rows.time(row) > state.clock => Look::Faint,
            () if is_loss => Look::Loss,
            () if is_collision => Look::Collision,
            () => Look::Plain,
        };
        let time = fit_right(&sim::Time(line.time_nanoseconds).to_string(), TIME);
        let said = match () {
            () if line.what.is_empty() => line.why.clone(),
            () if is_same => "\"".to_owned(),
            () => line.what.clone(),
        };
        let mark = if is_chosen { '▶' } else { ' ' };
        let mut text = format!("{mark}{sign}{time} {} {} {}", fit(&line.place(), place), fit(line.verb.word(), VERB), fit(&said, what));
        if says_why && !line.what.is_empty() {
            text += &format!(" {}", line.why);
        }
        canvas.line(area, at as u16, &text, look);
        above = Some(line);
    }
}

/// The current event: where, at which layer, what, why.
pub fn detail(screen: &Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    if screen.rows.is_empty() {
        canvas.title(area, "no event", false);
        return;
    }
    let line = Line::new(screen.view, &screen.rows.get(screen.state.cursor));
    let frame = line.frame.map_or_else(String::new, |frame| format!(", frame {frame}"));
    let title = format!("{} {} ({}), layer {} {}{frame}", line.verb, line.place(), line.reason, line.layer, line.layer().name());
    let below = canvas.title(area, &title, false);
    let text = match (line.what.as_str(), line.why.as_str()) {
        (what, "") => what.to_owned(),
        ("", why) => format!("why: {why}"),
        (what, why) => format!("{what}\nwhy: {why}"),
    };
    let (width, height) = (usize::from(below.width), usize::from(below.height));
    let lines = wrap(&text, width);
    for (at, line) in lines.iter().take(height).enumerate() {
        let is_cut = at + 1 == height && lines.len() > height;
        let line = if is_cut { format!("{}…", cut(line, width.saturating_sub(1)).trim_end_matches('…')) } else { line.clone() };
        let event = screen.rows.event(screen.state.cursor);
        let look = if line.starts_with("why:") && hits::is_loss(&event) { Look::Loss } else { Look::Plain };
        canvas.line(below, at as u16, &line, look);
    }
}
