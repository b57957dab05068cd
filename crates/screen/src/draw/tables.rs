//! The tables of a node at the time that is looked at. A table that is too wide for the pane has each row as a paragraph.

use ratatui_core::layout::Rect;
use sim::Table;

use super::canvas::{Canvas, Look};
use crate::screen::Screen;
use crate::state::Pane;
use crate::text::{fit, width};

/// Rows of one table that are shown.
const MOST_ROWS: usize = 10_000;

/// The tables of the node of the event, or of the one that was chosen.
pub fn of_node(screen: &mut Screen<'_>, canvas: &mut Canvas<'_>, area: Rect) {
    let Some(node) = screen.table_node() else {
        canvas.title(area, "Tables", screen.state.focus == Pane::Tables);
        return;
    };
    let (name, clock) = (screen.view.sim().name(node), screen.state.clock);
    let star = if screen.state.pinned.is_some() { "*" } else { "" };
    let title = format!("Tables of {name}{star} at {clock}");
    let area = canvas.title(area, &title, screen.state.focus == Pane::Tables);
    let Some(tables) = screen.past.tables(node, clock) else {
        return canvas.line(area, 0, "playing again up to this time …", Look::Faint);
    };
    let lines = lines(tables, usize::from(area.width));
    let height = usize::from(area.height);
    screen.state.tables_top = screen.state.tables_top.min(lines.len().saturating_sub(height));
    if lines.is_empty() {
        return canvas.line(area, 0, "its tables are empty", Look::Faint);
    }
    for (row, (text, look)) in lines.iter().skip(screen.state.tables_top).take(height).enumerate() {
        canvas.line(area, row as u16, text, *look);
    }
    let below = lines.len().saturating_sub(screen.state.tables_top + height);
    if below > 0 && height > 0 {
        let more = format!(" {below} more ↓ ");
        let columns = width(&more) as u16;
        if columns < area.width {
            canvas.write(area.right() - columns, area.bottom() - 1, columns, &more, Look::Strong);
        }
    }
}

/// Tables as lines; those without rows are left out.
pub fn lines(tables: &[Table], columns: usize) -> Vec<(String, Look)> {
    let mut lines = Vec::new();
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        lines.push((table.name.to_owned(), Look::Strong));
        let widths: Vec<usize> = (0..table.columns.len())
            .map(|at| table.rows.iter().take(MOST_ROWS).map(|row| width(&row[at])).max().unwrap_or(0).max(width(table.columns[at])))
            .collect();
        let rows = table.rows.iter().take(MOST_ROWS);
        if widths.iter().sum::<usize>() + 2 * widths.len() <= columns {
            let aligned = |cells: &mut dyn Iterator<Item = &str>| {
                let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| fit(cell, *width)).collect();
                format!("  {}", cells.join("  ")).trim_end().to_owned()
            };
            lines.push((aligned(&mut table.columns.iter().map(|column| column.to_uppercase()).collect::<Vec<_>>().iter().map(String::as_str)), Look::Faint));
            rows.for_each(|row| lines.push((aligned(&mut row.iter().map(String::as_str)), Look::Plain)));
        } else {
            rows.for_each(|row| paragraph(&table.columns, row, columns, &mut lines));
        }
        if table.rows.len() > MOST_ROWS {
            lines.push((format!("  {} more rows", table.rows.len() - MOST_ROWS), Look::Faint));
        }
    }
    lines
}

/// `cwnd 14600, rto 1 s, …`, as many to a line as fit; what is empty is left out.
fn paragraph(columns: &[&str], row: &[String], most: usize, lines: &mut Vec<(String, Look)>) {
    let mut current = "- ".to_owned();
    let mut is_empty = true;
    for (at, (column, cell)) in columns.iter().zip(row).enumerate().filter(|(_, (_, cell))| !cell.is_empty()) {
        let said = if at == 0 { cell.clone() } else { format!("{column} {cell}") };
        if !is_empty && width(&current) + 2 + width(&said) > most {
            lines.push((current + ",", Look::Plain));
            current = "  ".to_owned();
        } else if !is_empty {
            current += ", ";
        }
        current += &said;
        is_empty = false;
    }
    lines.push((current, Look::Plain));
}
