//! The answer for people: verdict first, both ends, each way stage by stage, fixes or what it hangs on. Plain text of a
//! given width; colour only marks what the words say too.

mod wrap;

use fabric::Direction;
use fabric::walker::Verdict;

use super::gap::Gap;
use super::view::{Depends, Exposure, Fix, Header, Hop, Leg, Place, Rule, Why};

use wrap::{paint, put, visible, wrapped, wrapped_from};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns there are.
    pub width: usize,
    /// Whether escape sequences may be used.
    pub colour: bool,
}

/// A line in two parts: the right one stands in a column of its own, or on the next line where it does not fit.
struct Line {
    mark: Mark,
    left: String,
    right: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    No,
    Assumed,
    Unknown,
    None,
}

/// The first line.
pub fn headline(why: &Why, style: Style) -> String {
    let verdict = headword(why);
    let question = format!("{} -> {} {}", end(&why.from), end(&why.to), why.packet);
    let text = match why.summary.is_empty() {
        true => question,
        false => format!("{question}     {}", why.summary),
    };
    let colour = match why.verdict {
        Verdict::Allowed => "32",
        Verdict::OneWay => "33",
        Verdict::Denied => "31",
    };
    let mark = if why.incomplete { " (incomplete)" } else { "" };
    let whole = format!("{verdict}{mark}  {text}");
    let lines = wrapped(&whole, style.width, 4);
    lines.replacen(verdict, &paint(verdict, colour, style), 1)
}

/// The verdict in capitals; where a container refuses, or does not answer, that.
fn headword(why: &Why) -> &'static str {
    match (why.verdict, why.result) {
        (Verdict::Denied, Some("refused")) => "REFUSED",
        (Verdict::Denied, Some("unanswered")) => "UNANSWERED",
        (verdict, _) => word(verdict),
    }
}

/// The verdict in capitals.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "ALLOWED",
        Verdict::OneWay => "ONE-WAY",
        Verdict::Denied => "DENIED",
    }
}

/// Everything.
pub fn render(why: &Why, style: Style) -> String {
    let mut text = headline(why, style);
    text.push('\n');
    ends(why, style, &mut text);
    text.push('\n');
    leg("request", &why.request, style, &mut text);
    if let Some(reply) = &why.reply {
        leg("reply", reply, style, &mut text);
    }
    for (position, next) in why.next.iter().enumerate() {
        let label = if position == 0 { "next" } else { "" };
        put(&mut text, style, &format!("  {label:12}  {next}"), 16);
    }
    let is_inside = why.result.is_some() && why.fixes.is_empty();
    if why.verdict != Verdict::Allowed && !is_inside {
        fixes(&why.fixes, style, &mut text);
    }
    if let Some(depends) = &why.depends {
        self::depends(depends, style, &mut text);
    }
    if let Some(same) = &why.same_for {
        put(
            &mut text,
            style,
            &format!("  same for      {} (class {})", same.label, same.class),
            16,
        );
    }
    if let Some(all) = &why.all_ports {
        put(&mut text, style, &format!("  all ports     {all}"), 16);
    }
    for note in &why.notes {
        put(&mut text, style, &format!("  note: {note}"), 8);
    }
    if why.incomplete {
        gaps(&why.gaps, style, &mut text);
    }
    text
}

/// Gaps that are listed; the others are counted.
const LISTED_GAPS: usize = 5;

fn gaps(gaps: &[Gap], style: Style, text: &mut String) {
    let heading = "  incomplete    what the source lacks is treated as absent; the real cloud may differ";
    put(text, style, heading, 16);
    for gap in gaps.iter().take(LISTED_GAPS) {
        put(text, style, &format!("    {gap}"), 8);
    }
    if gaps.len() > LISTED_GAPS {
        put(text, style, &format!("    and {} more (-o json lists them)", gaps.len() - LISTED_GAPS), 8);
    }
}

fn end(place: &Place) -> &str {
    match place.kind {
        "address" => &place.address,
        _ => &place.name,
    }
}

fn ends(why: &Why, style: Style, text: &mut String) {
    let both = [&why.from, &why.to];
    let name = both
        .iter()
        .map(|place| place.name.chars().count())
        .max()
        .unwrap_or(0);
    let id = |place: &Place| place.interface_id.clone().unwrap_or_default();
    let ids = both.iter().map(|place| id(place).len()).max().unwrap_or(0);
    let address = |place: &Place| match &place.public_address {
        Some(public) if *public != place.address => format!("{} ({public})", place.address),
        _ => place.address.clone(),
    };
    let addresses = both
        .iter()
        .map(|place| address(place).len())
        .max()
        .unwrap_or(0);
    for place in both {
        let mut line = format!("  {:name$}  ", place.name);
        if ids > 0 {
            line.push_str(&format!("{:ids$}  ", id(place)));
        }
        line.push_str(&format!("{:addresses$}", address(place)));
        if let (Some(subnet), Some(vpc)) = (&place.subnet, &place.vpc) {
            line.push_str(&format!(
                "  subnet {subnet}  vpc {vpc}  sg {}",
                place.security_groups.join(", ")
            ));
        } else if place.kind == "container" {
            line.push_str("  container");
        } else if place.kind == "lan" {
            line.push_str("  in a lan, behind the virtual private gateway");
        } else if place.name == place.address && place.kind == "address" {
            line.push_str("  nobody that this lab names");
        }
        if let Some(state) = place.state.as_ref().filter(|state| *state != "running") {
            line.push_str(&format!("  {state}"));
        }
        put(text, style, line.trim_end(), 4 + name);
    }
}

fn leg(name: &str, leg: &Leg, style: Style, text: &mut String) {
    put(text, style, &format!("  {name:7}  {}", sent(&leg.sent)), 11);
    let mut lines = Vec::new();
    let shown = leg.hops.iter().filter(|hop| is_shown(hop));
    let shown: Vec<&Hop> = shown.collect();
    let names = shown
        .iter()
        .map(|hop| hop.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(22);
    for hop in &shown {
        self::hop(hop, names, style, &mut lines);
    }
    // What blocks after every stage, such as that nobody waits for the answer.
    for blocker in &leg.blockers {
        if !leg
            .hops
            .iter()
            .any(|hop| hop.blocks && hop.at == blocker.at)
        {
            lines.push(Line {
                mark: Mark::No,
                left: format!("{:9}  {}", blocker.at, blocker.text),
                right: blocker.code.unwrap_or_default().to_owned(),
            });
        }
    }
    if shown.is_empty() && leg.blockers.is_empty() {
        lines.push(Line {
            mark: Mark::Ok,
            left: "nothing decides on this way: neighbours talk directly".to_owned(),
            right: String::new(),
        });
    }
    if let Some(ports) = &leg.lost_ports {
        lines.push(plain(format!("   lost only to client ports {ports}")));
    }
    columns(&lines, style, text);
}

/// `10.0.1.10 -> 10.0.2.20  tcp/3306`; of an answer the port that it comes from and those that it goes to.
fn sent(header: &Header) -> String {
    let (from, to) = (&header.source, &header.destination);
    match (&header.source_port, &header.destination_port) {
        (Some(_), Some(port)) if !port.contains('-') => {
            format!("{from} -> {to}  {}/{port}", header.protocol)
        }
        (Some(port), Some(range)) => {
            format!("{from} -> {to}  {}/{port} -> {range}", header.protocol)
        }
        _ => format!("{from} -> {to}  {}", header.protocol),
    }
}

/// Ends and interfaces that run go without saying.
fn is_shown(hop: &Hop) -> bool {
    hop.blocks
        || match hop.stage.as_str() {
            "interface" | "local-delivery" | "exempt" | "internet" => false,
            "guest" => hop.text != "sends" && hop.text != "receives",
            _ => true,
        }
}

fn stage(hop: &Hop) -> &'static str {
    match (hop.stage.as_str(), hop.direction) {
        ("security-group", Some(Direction::Egress)) => "sg out",
        ("security-group", _) => "sg in",
        ("network-acl", Some(Direction::Egress)) => "nacl out",
        ("network-acl", _) => "nacl in",
        ("route-table", _) => "route",
        ("internet-gateway", _) => "igw",
        ("nat-gateway", _) => "nat",
        ("peering", _) => "peering",
        ("transit-gateway", _) => "tgw",
        ("vpc-endpoint", _) => "endpoint",
        ("egress-only-internet-gateway", _) => "eigw",
        ("vpn-gateway", _) => "vgw",
        ("interface", _) => "interface",
        ("source-dest-check", _) => "check",
        ("guest", _) => "guest",
        ("internet", _) => "internet",
        ("docker-publish", _) => "publish",
        ("docker-bridge", _) => "bridge",
        ("docker-icc", _) => "icc",
        ("docker-masquerade", _) => "masq",
        ("capability", _) => "rights",
        ("listener", _) => "listener",
        _ => "fabric",
    }
}

fn hop(hop: &Hop, names: usize, style: Style, lines: &mut Vec<Line>) {
    let decided = match &hop.rule {
        Some(rule) if rule.kind == "security-group" => format!("{}  {}", rule.short, rule.text),
        Some(rule) if rule.kind == "network-acl" => entry(rule),
        Some(rule) if rule.kind == "route" && !hop.blocks => rule.text.clone(),
        Some(rule) if rule.kind == "state" => rule.text.clone(),
        _ => hop.text.clone(),
    };
    let origin = hop
        .rule
        .as_ref()
        .and_then(|rule| rule.origin.clone())
        .unwrap_or_default();
    let right = match hop.code {
        Some(code) if origin.is_empty() => code.to_owned(),
        Some(code) => format!("{code}  {origin}"),
        None => origin,
    };
    lines.push(Line {
        mark: match (hop.blocks, hop.assumed, hop.unknown) {
            (true, ..) => Mark::No,
            (_, _, true) => Mark::Unknown,
            (_, true, _) => Mark::Assumed,
            _ => Mark::Ok,
        },
        left: format!("{:9}  {:names$}  {decided}", stage(hop), hop.name),
        right,
    });
    // Docker's stages say it in words.
    let is_told = hop.stage.starts_with("docker-");
    if let Some(after) = hop.after.as_ref().filter(|_| !is_told) {
        lines.push(plain(format!(
            "   becomes:  {}",
            changed(&hop.before, after)
        )));
    }
    for (position, near) in hop.near.iter().enumerate() {
        let label = if position == 0 { "near:" } else { "" };
        let text = format!(
            "   {label:8}  {}  {}   ({})",
            near.rule.short,
            rule_text(&near.rule),
            near.text
        );
        lines.push(Line {
            mark: Mark::None,
            left: text,
            right: near.rule.origin.clone().unwrap_or_default(),
        });
    }
    for (position, rule) in hop.shadows.iter().enumerate() {
        let label = if position == 0 { "shadows:" } else { "" };
        lines.push(Line {
            mark: Mark::None,
            left: format!("   {label:8}  {}", entry(rule)),
            right: rule.origin.clone().unwrap_or_default(),
        });
    }
    if !hop.routes.is_empty() {
        lines.push(plain(format!("   routes:   {}", hop.routes.join(" | "))));
    }
    if !hop.reachable_by.is_empty() {
        lines.push(plain(format!(
            "   reachable by: {}",
            hop.reachable_by.join("; ")
        )));
    }
    if let Some(by) = &hop.goes_on_by {
        let mark = paint("~~", "33", style);
        lines.push(plain(format!("{mark} as if by {by} from here")));
    }
}

fn plain(left: String) -> Line {
    Line {
        mark: Mark::None,
        left,
        right: String::new(),
    }
}

fn rule_text(rule: &Rule) -> &str {
    match rule.number {
        // The number stands before.
        Some(_) => rule
            .text
            .split_once(' ')
            .map_or(rule.text.as_str(), |(_, rest)| rest),
        None => &rule.text,
    }
}

/// `#90 deny tcp/1024-65535 from 10.0.2.0/24`.
fn entry(rule: &Rule) -> String {
    match rule.number {
        Some(_) => format!("#{}", rule.text),
        None => "no entry matches, and the last one (*) denies".to_owned(),
    }
}

/// What a translation changed: `source 10.0.1.10 -> 198.51.100.5`.
fn changed(before: &Header, after: &Header) -> String {
    let mut parts = Vec::new();
    for (name, was, is) in [
        ("source", &before.source, &after.source),
        ("destination", &before.destination, &after.destination),
    ] {
        if was != is {
            parts.push(format!("{name} {was} -> {is}"));
        }
    }
    if parts.is_empty() {
        return "another client port".to_owned();
    }
    parts.join(", ")
}

/// Lines whose right parts stand in one column as far as they fit.
fn columns(lines: &[Line], style: Style, text: &mut String) {
    const INDENT: usize = 4;
    const MARK: usize = 4;
    let left = |line: &Line| INDENT + MARK + visible(&line.left);
    let room = |line: &Line| left(line) + 3 + visible(&line.right) <= style.width;
    let column = lines
        .iter()
        .filter(|line| !line.right.is_empty() && room(line))
        .map(left)
        .max()
        .unwrap_or(0)
        + 3;
    for line in lines {
        let mark = match line.mark {
            Mark::Ok => paint("ok", "32", style),
            Mark::No => paint("NO", "31", style),
            Mark::Assumed => paint("ok", "33", style),
            Mark::Unknown => paint("??", "33", style),
            Mark::None => "  ".to_owned(),
        };
        let body = wrapped_from(
            &line.left,
            style.width,
            INDENT + MARK,
            hanging(&line.left) + INDENT + MARK,
        );
        text.push_str(&format!("    {mark}  {body}"));
        if !line.right.is_empty() {
            let last = body.lines().last().map_or(0, visible);
            let last = if body.contains('\n') {
                last
            } else {
                last + INDENT + MARK
            };
            let column = if column + visible(&line.right) <= style.width {
                column.max(last + 3)
            } else {
                last + 3
            };
            if column + visible(&line.right) <= style.width {
                text.push_str(&" ".repeat(column - last));
            } else {
                text.push('\n');
                text.push_str(&" ".repeat(
                    (INDENT + MARK + 11).min(style.width.saturating_sub(visible(&line.right))),
                ));
            }
            text.push_str(&line.right);
        }
        text.push('\n');
    }
}

/// Where the second part of a line begins.
fn hanging(left: &str) -> usize {
    let lead = left.len() - left.trim_start().len();
    if lead > 0 { lead + 10 } else { 11 }
}

fn fixes(fixes: &[Fix], style: Style, text: &mut String) {
    let Some(first) = fixes.first() else {
        put(
            text,
            style,
            "  fix       none found: no change that was tried makes it allowed",
            12,
        );
        return;
    };
    let least = first.edits.len();
    let together = match least {
        1 => String::new(),
        many => format!("{many} changes together; "),
    };
    put(
        text,
        style,
        &format!(
            "  fix ({together}each verified by re-analysis; fewest changes, then least exposure first)"
        ),
        7,
    );
    let mut lines = Vec::new();
    for (number, fix) in (1..).zip(fixes) {
        for (position, edit) in fix.edits.iter().enumerate() {
            let lead = if position == 0 {
                format!("{number}  ")
            } else {
                "   ".to_owned()
            };
            let last = position + 1 == fix.edits.len();
            let opens = if last { effect(fix) } else { String::new() };
            let origin = edit
                .origin
                .as_ref()
                .map_or_else(String::new, |origin| format!("  ({origin})"));
            lines.push((
                format!(
                    "    {lead}{}: {} {}{origin}",
                    edit.subject, edit.sign, edit.text
                ),
                opens,
            ));
        }
    }
    let fits = |(left, right): &(String, String)| visible(left) + 3 + visible(right) <= style.width;
    let counted = || lines.iter().filter(|line| !line.1.is_empty());
    let column = counted().map(|(left, _)| visible(left)).max().unwrap_or(0) + 3;
    // All in one column, or each on a line of its own.
    let is_wide = counted().all(|line| fits(line) && column + visible(&line.1) <= style.width);
    for (left, right) in &lines {
        if right.is_empty() {
            put(text, style, left, 9);
        } else if is_wide {
            text.push_str(&format!(
                "{left}{}{right}\n",
                " ".repeat(column - visible(left))
            ));
        } else {
            put(text, style, left, 9);
            put(text, style, &format!("       {right}"), 9);
        }
    }
}

/// `opens 12 pairs (4 web x 3 db), closes 2 pairs (…)`.
fn effect(fix: &Fix) -> String {
    let opens = fix.opens.as_ref().map(opens).unwrap_or_default();
    match &fix.closes {
        Some(Exposure {
            pairs: 1, label, ..
        }) => format!("{opens}, and closes 1 pair ({label})"),
        Some(Exposure { pairs, label, .. }) => {
            format!("{opens}, and closes {pairs} pairs ({label})")
        }
        None => opens,
    }
}

fn opens(opens: &Exposure) -> String {
    match opens {
        Exposure {
            only_this: true,
            pairs: 1,
            ..
        } => "opens this pair only".to_owned(),
        Exposure {
            only_this: true, ..
        } => "opens this pair only, both ways".to_owned(),
        Exposure { pairs: 0, .. } => "opens no pair for every client port".to_owned(),
        Exposure {
            pairs: 1, label, ..
        } => format!("opens 1 pair ({label})"),
        Exposure { pairs, label, .. } => format!("opens {pairs} pairs ({label})"),
    }
}

fn closes(closes: &Exposure) -> String {
    match closes {
        Exposure {
            only_this: true, ..
        }
        | Exposure { pairs: 0 | 1, .. } => "remove it and this pair closes".to_owned(),
        Exposure { pairs, label, .. } => format!("remove it and {pairs} pairs close: {label}"),
    }
}

fn depends(depends: &Depends, style: Style, text: &mut String) {
    for (position, only) in depends.only_through.iter().enumerate() {
        let label = if position == 0 { "only through" } else { "" };
        let rule = match only.rule.kind {
            "route" => format!("{} {}", only.rule.name, only.rule.text),
            _ => format!("{} {}", only.rule.short, rule_text(&only.rule)),
        };
        let closes = only
            .closes
            .as_ref()
            .map(|c| format!(" ({})", closes(c)))
            .unwrap_or_default();
        put(text, style, &format!("  {label:12}  {rule}{closes}"), 16);
    }
    if depends.only_through.is_empty() {
        put(text, style, "  only through  no single rule", 16);
    }
    let others: Vec<String> = depends
        .also_admitted_by
        .iter()
        .map(|rule| format!("{} {}", rule.short, rule_text(rule)))
        .collect();
    let others = if others.is_empty() {
        "-".to_owned()
    } else {
        others.join(", ")
    };
    put(text, style, &format!("  also by       {others}"), 16);
}
