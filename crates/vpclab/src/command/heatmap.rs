//! A matrix as one page that needs nothing else: a map of how much gets through, and what, by a finger's touch.

use std::fmt::Write;

use super::gaps::Gaps;
use super::grid::Cell;
use super::sheet::Sheet;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:14px system-ui,sans-serif;margin:2em}\
table{border-collapse:collapse;margin:0 0 2em}\
th{font-weight:normal;text-align:left;padding:2px 8px;white-space:nowrap}\
thead th{writing-mode:vertical-rl;transform:rotate(180deg);vertical-align:bottom;padding:8px 2px}\
td{width:1.6em;height:1.6em;text-align:center;border:1px solid #8884}\
.x{background:#8881}\
.open{background:#1a7f37;color:#fff}.refused{background:#bf8700;color:#fff}.filtered{color:#888}\
.one-way{background:#cf222e;color:#fff}.partly{background:#8250df;color:#fff}.unknown{background:#6e7781;color:#fff}\
li span{display:inline-block;width:1.6em;text-align:center;margin-right:.5em}";

/// The page. The first map counts what was asked and gets through; one for each packet follows.
pub fn page(title: &str, sheet: &Sheet, gaps: &Gaps) -> String {
    let title = escaped(title);
    let labels = sheet.labels();
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>Rows send, columns receive.</p>\n<ul>\n"
    );
    for cell in Cell::ALL.into_iter().filter(|cell| sheet.cells().any(|(_, _, _, found)| found == *cell)) {
        let _ = writeln!(page, "<li><span class=\"{}\">{}</span>{}</li>", class(cell), cell.sign(), cell.word());
    }
    page.push_str("</ul>\n");
    for (number, line) in gaps.lines().iter().enumerate() {
        let _ = writeln!(page, "<p>{}</p>", if number == 0 { format!("<b>{}</b>", escaped(line)) } else { escaped(line) });
    }
    if sheet.titles.len() > 1 {
        let all = sheet.titles.len();
        table(&mut page, &format!("All of {all}: how many get through"), &labels, |from, to| overview(sheet, &labels, from, to));
    }
    for (number, title) in sheet.titles.iter().enumerate() {
        table(&mut page, title, &labels, |from, to| {
            let cell = sheet.cell(from, to, number)?;
            let tip = format!("{} → {} {title}: {}", labels[from].0, labels[to].0, cell.word());
            Some(format!("<td class=\"{}\" title=\"{}\">{}</td>", class(cell), escaped(&tip), cell.sign()))
        });
    }
    let groups: Vec<_> = labels.iter().filter(|(label, members)| members.len() > 1 && *label != members[0]).collect();
    if !groups.is_empty() {
        page.push_str("<h2>Groups</h2>\n<dl>\n");
        for (label, members) in groups {
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(label), escaped(&members.join(", ")));
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// How many of all that was asked get through, the darker the more; which, in its tip.
fn overview(sheet: &Sheet, labels: &[(String, &[String])], from: usize, to: usize) -> Option<String> {
    let found: Vec<(usize, Cell)> = (0..sheet.titles.len()).filter_map(|title| Some((title, sheet.cell(from, to, title)?))).collect();
    if found.is_empty() {
        return None;
    }
    let through: Vec<&str> = found.iter().filter(|(_, cell)| !matches!(cell, Cell::Filtered)).map(|(title, _)| sheet.titles[*title].as_str()).collect();
    let count = through.len();
    let shade = if count == 0 { 0.0 } else { 0.2 + 0.8 * count as f64 / found.len() as f64 };
    let what = if count == 0 { "nothing".to_owned() } else { through.join(" ") };
    let tip = escaped(&format!("{} → {}: {what}", labels[from].0, labels[to].0));
    let text = if count == 0 { "·".to_owned() } else { count.to_string() };
    Some(format!("<td style=\"background:rgba(26,127,55,{shade:.2})\" title=\"{tip}\">{text}</td>"))
}

fn table(page: &mut String, title: &str, labels: &[(String, &[String])], cell: impl Fn(usize, usize) -> Option<String>) {
    let _ = write!(page, "<h2>{}</h2>\n<table>\n<thead><tr><td></td>", escaped(title));
    for (label, _) in labels {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escaped(label));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (from, (label, _)) in labels.iter().enumerate() {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escaped(label));
        for to in 0..labels.len() {
            page.push_str(&cell(from, to).unwrap_or_else(|| "<td class=\"x\"></td>".to_owned()));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

fn class(cell: Cell) -> &'static str {
    match cell {
        Cell::Open => "open",
        Cell::Refused => "refused",
        Cell::Filtered => "filtered",
        Cell::OneWay => "one-way",
        Cell::Partly => "partly",
        Cell::Unknown => "unknown",
    }
}

/// Names come from files that anybody may have written.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_nothing_else_and_believes_no_name() {
        let names = [("<b>&\"".to_owned(), false), ("db".to_owned(), false)];
        let titles = vec!["tcp/80".to_owned(), "tcp/81".to_owned()];
        let sheet = Sheet::new(&names, titles).filled([(0, 1, 0, Cell::Open), (0, 1, 1, Cell::Filtered), (1, 0, 0, Cell::OneWay), (1, 0, 1, Cell::OneWay)]);
        let page = page("a & b", &sheet, &Gaps::default());
        assert!(!page.contains("<b>") && !page.contains("http") && !page.contains("<script") && !page.contains("src="), "{page}");
        assert!(page.contains("<h1>a &amp; b</h1>") && page.contains("<th scope=\"row\">&lt;b&gt;&amp;&quot;</th>"), "{page}");
        assert!(page.contains("title=\"&lt;b&gt;&amp;&quot; → db tcp/80: open\">●</td>"), "{page}");
        assert!(page.contains("title=\"&lt;b&gt;&amp;&quot; → db: tcp/80\">1</td>") && page.contains("title=\"db → &lt;b&gt;&amp;&quot;: tcp/80 tcp/81\">2</td>"), "{page}");
        for tag in ["table", "tr", "ul", "li", "h2", "tbody"] {
            assert_eq!(page.matches(&format!("<{tag}>")).count(), page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
