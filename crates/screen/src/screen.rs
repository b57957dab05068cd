//! A recording, where the user looks at it, and what keys do.

use std::net::IpAddr;
use std::time::Duration;

use sim::view::{Filter, View};
use sim::{NodeId, Reason, Time, World};

use crate::hits;
use crate::keys::Key;
use crate::map::Map;
use crate::packet;
use crate::past::Past;
use crate::prompt::{Prompt, Purpose};
use crate::rows::Rows;
use crate::script::Script;
use crate::state::{Notice, Pane, SPEEDS, State, Tags};

/// Lines that are typed are remembered so many back.
const MOST_HISTORY: usize = 200;

/// What only the owner of the terminal and of the script can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// End.
    Quit,
    /// Do something at a time. The answer is [`Screen::refuse`], or a screen of the new recording.
    Play {
        /// When: everything of this moment has happened.
        at: Time,
        /// What, as a line of a script without its time.
        text: String,
    },
    /// Take back what was played last.
    Undo,
}

/// What stays the same however often something is played.
#[derive(Debug, Clone)]
pub struct About {
    /// The lab's name.
    pub name: String,
    /// The first moment: what came before was not looked at.
    pub begin: Time,
    /// The last moment that was played.
    pub end: Time,
    /// How programs ended, a line each.
    pub said: Vec<String>,
    /// Colours may be used.
    pub colour: bool,
}

/// A recording on a screen.
pub struct Screen<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) world: &'a World,
    pub(crate) about: About,
    pub(crate) rows: Rows<'a>,
    pub(crate) map: Map,
    pub(crate) past: Past<'a>,
    pub(crate) state: State,
    /// Columns and lines, as they were drawn last.
    pub(crate) size: (u16, u16),
    find: Filter,
    breakpoints: Vec<Reason>,
}

impl<'a> Screen<'a> {
    /// Looks at a recording. A state of another recording of the same lab goes on as far as it means something here.
    pub fn new(view: &'a View<'a>, world: &'a World, script: &'a dyn Script, about: About, state: State) -> Self {
        let (rows, map, past) = (Rows::new(view), Map::new(view, world), Past::new(script));
        let mut screen = Self { view, world, about, rows, map, past, state, size: (80, 24), find: Filter::All, breakpoints: Vec::new() };
        let filter = screen.read(&screen.state.filter).unwrap_or(Filter::All);
        screen.rows.choose(screen.state.is_all, &filter);
        screen.find = screen.read(&screen.state.find).unwrap_or(Filter::All);
        screen.breakpoints = hits::reasons(view, &screen.state.breakpoints).unwrap_or_default();
        screen.state.clock = screen.state.clock.clamp(screen.about.begin, screen.about.end.max(screen.about.begin));
        screen.state.cursor = screen.state.cursor.min(screen.rows.len().saturating_sub(1));
        screen.state.pinned = screen.state.pinned.filter(|node| (node.0 as usize) < view.sim().nodes().count());
        screen
    }

    /// Where the user looks.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The rows that are listed.
    pub fn rows(&self) -> &Rows<'a> {
        &self.rows
    }

    /// How many performances were begun for tables.
    pub fn replays(&self) -> u64 {
        self.past.begun()
    }

    /// Goes to the first row of an event or of a later one.
    pub fn go_to_event(&mut self, event: usize) {
        if let Some(row) = self.rows.of_event(event) {
            self.go(row);
        }
    }

    /// Goes to a time; rows that begin later have not happened yet.
    pub fn go_to_time(&mut self, time: Time) {
        self.state.clock = time.clamp(self.about.begin, self.about.end.max(self.about.begin));
        self.state.cursor = self.rows.at_time(self.state.clock);
    }

    /// Says that what was typed cannot be; the line stays, to be mended.
    pub fn refuse(&mut self, text: impl Into<String>) {
        self.state.notice = Some(Notice { text: text.into(), is_error: true });
        self.state.overlay_top = 0;
    }

    /// Says something until the next key.
    pub fn say(&mut self, text: impl Into<String>) {
        self.state.notice = Some(Notice { text: text.into(), is_error: false });
        self.state.overlay_top = 0;
    }

    /// The line that was typed is done with.
    pub fn close_prompt(&mut self) {
        if let Some(prompt) = self.state.prompt.take() {
            let entry = (prompt.purpose, prompt.text());
            if !entry.1.is_empty() && self.state.history.last() != Some(&entry) {
                self.state.history.push(entry);
            }
            let excess = self.state.history.len().saturating_sub(MOST_HISTORY);
            self.state.history.drain(..excess);
        }
    }

    /// The node whose tables are shown.
    pub fn table_node(&self) -> Option<NodeId> {
        let own = || (!self.rows.is_empty()).then(|| self.rows.event(self.state.cursor).node);
        self.state.pinned.or_else(own).or_else(|| self.map.branches.first().map(|branch| branch.node))
    }

    /// Plays again what is needed for the tables that are seen, at most so many events. Whether nothing is left to do.
    pub fn work(&mut self, budget: u64) -> bool {
        let Some(node) = self.table_node().filter(|_| self.sees(Pane::Tables)) else { return true };
        let (rows, cursor) = (&self.rows, self.state.cursor.min(self.rows.len()));
        let begin = self.about.begin;
        let earlier = (0..cursor).rev().map(|row| rows.time(row)).take_while(|time| *time >= begin);
        self.past.want(node, self.state.clock, earlier);
        self.past.work(budget)
    }

    /// Lets time pass for a run. Whether anything changed.
    pub fn tick(&mut self, passed: Duration) -> bool {
        if !self.state.is_running {
            return false;
        }
        const SECOND: u128 = 1_000_000_000;
        self.state.debt += passed.as_nanos().min(SECOND) * u128::from(SPEEDS[self.state.speed]);
        let mut steps = self.state.debt / SECOND;
        self.state.debt %= SECOND;
        let changes = steps > 0;
        while steps > 0 && self.state.is_running {
            steps -= 1;
            self.run_one();
        }
        changes
    }

    fn run_one(&mut self) {
        if !self.step(true) {
            self.state.is_running = false;
            return self.say("the end of what was played");
        }
        self.stop_at_breakpoint();
    }

    fn stop_at_breakpoint(&mut self) {
        let row = self.rows.get(self.state.cursor);
        if let Some(reason) = self.breakpoints.iter().find(|reason| hits::has_reason(self.view, &row, &[**reason])).copied() {
            self.state.is_running = false;
            self.say(format!("breakpoint: {reason} ({})", reason.sentence()));
        }
    }

    fn go(&mut self, row: usize) {
        self.state.cursor = row;
        self.state.clock = self.rows.time(row).max(self.about.begin);
    }

    /// One row on or back; whether there is one.
    fn step(&mut self, forward: bool) -> bool {
        if self.rows.is_empty() {
            return false;
        }
        let cursor = self.state.cursor;
        // Between two events the one that is marked lies behind, or, before the first, ahead.
        let (is_ahead, is_between) = (self.rows.time(cursor) > self.state.clock, self.rows.time(cursor) < self.state.clock);
        let next = match forward {
            true if is_ahead => Some(cursor),
            true => Some(cursor + 1).filter(|next| *next < self.rows.len()),
            false if is_between => Some(cursor),
            false => cursor.checked_sub(1),
        };
        if let Some(next) = next {
            self.go(next);
        }
        next.is_some()
    }

    fn find_row(&mut self, forward: bool, what: &str, is: impl Fn(&Self, &sim::view::fold::Row) -> bool) {
        let found = self.rows.find(Some(self.state.cursor).filter(|_| !self.rows.is_empty()), forward, |row| is(self, row));
        match found {
            Some(row) => self.go(row),
            None => {
                let way = if forward { "after" } else { "before" };
                self.say(format!("no {what} {way} this"));
            }
        }
    }

    fn find_match(&mut self, forward: bool) {
        if self.find.is_all() {
            return self.say("nothing is looked for: / and filter words, such as `verb drop` or `node sw-1 and arp`");
        }
        let what = format!("match of `{}`", self.state.find);
        self.find_row(forward, &what, |screen, row| screen.find.wants(screen.view, row));
    }

    /// Reads filter words. Errors: what to say about them.
    fn read(&self, words: &str) -> Result<Filter, String> {
        let sim = self.view.sim();
        let addresses = |name: &str| -> Vec<IpAddr> { sim.find(name).map_or_else(Vec::new, |node| self.world.place(node).addresses) };
        Filter::parse(words, self.view, &addresses).map_err(|misread| misread.to_string())
    }

    /// A key was pressed.
    pub fn press(&mut self, key: Key) -> Option<Ask> {
        let is_long = self.state.notice.as_ref().is_some_and(|notice| !crate::draw::is_short(notice, self.size.0));
        if is_long && self.state.prompt.is_none() && matches!(key, Key::Up | Key::Down) {
            self.scroll_overlay(key);
            return None;
        }
        self.state.notice = None;
        if self.state.is_helping {
            match key {
                Key::Up | Key::Down => self.scroll_overlay(key),
                _ => self.state.is_helping = false,
            }
            return None;
        }
        if self.state.prompt.is_some() {
            return self.type_key(key);
        }
        let was_running = std::mem::replace(&mut self.state.is_running, false);
        self.state.debt = 0;
        match key {
            Key::Char('q') => return Some(Ask::Quit),
            Key::Char('?') => (self.state.is_helping, self.state.overlay_top) = (true, 0),
            Key::Right | Key::Char('l') => {
                self.step(true);
            }
            Key::Left | Key::Char('h') => {
                self.step(false);
            }
            Key::Down | Key::Char('j') => self.move_in_pane(1),
            Key::Up | Key::Char('k') => self.move_in_pane(-1),
            Key::PageDown => self.page(true),
            Key::PageUp => self.page(false),
            Key::Home | Key::Char('g') => self.first(),
            Key::End | Key::Char('G') => self.go_to_time(self.about.end),
            Key::Tab => self.focus(1),
            Key::BackTab => self.focus(Pane::ALL.len() - 1),
            Key::Enter => self.pin(),
            Key::Char('z') => self.state.is_zoomed = !self.state.is_zoomed,
            Key::Char('d') => self.find_row(true, "drop", |screen, row| hits::is_loss(&screen.view.events().at(row.event))),
            Key::Char('D') => self.find_row(false, "drop", |screen, row| hits::is_loss(&screen.view.events().at(row.event))),
            Key::Char('c') => self.find_row(true, "collision", |screen, row| hits::is_collision(&screen.view.events().at(row.event))),
            Key::Char('C') => self.find_row(false, "collision", |screen, row| hits::is_collision(&screen.view.events().at(row.event))),
            Key::Char('n') => self.find_match(true),
            Key::Char('N') => self.find_match(false),
            Key::Char('a') => self.list(!self.state.is_all, None),
            Key::Char('o') => {
                self.state.tags = match self.state.tags {
                    Tags::Off => Tags::Collision,
                    Tags::Collision => Tags::Broadcast,
                    Tags::Broadcast => Tags::Off,
                };
            }
            Key::Char('r' | ' ') => self.state.is_running = !was_running,
            Key::Char('R') => self.run_to_breakpoint(),
            Key::Char('+' | '=') => {
                self.state.speed = (self.state.speed + 1).min(SPEEDS.len() - 1);
                self.state.is_running = was_running;
            }
            Key::Char('-') => {
                self.state.speed = self.state.speed.saturating_sub(1);
                self.state.is_running = was_running;
            }
            Key::Char('p') => self.programs(),
            Key::Char('u') => return Some(Ask::Undo),
            Key::Char('t') => self.ask(Purpose::Time, ""),
            Key::Char('/') => self.ask(Purpose::Find, ""),
            Key::Char('f') => self.ask(Purpose::Filter, &self.state.filter.clone()),
            Key::Char('b') => self.ask(Purpose::Breakpoints, &self.state.breakpoints.clone()),
            Key::Char(':') => self.ask(Purpose::Action, ""),
            _ => {}
        }
        None
    }

    /// A text was pasted. It goes into the line that is typed; where none is, nothing of it is taken for keys.
    pub fn paste(&mut self, text: &str) {
        self.state.notice = None;
        match self.state.prompt.as_mut().map(|prompt| prompt.paste(text)) {
            Some(true) => self.say("of several lines the first was taken; a script is played by `sim run FILE`, or `sim tui run FILE`"),
            Some(false) => {}
            None => self.say("pasted text goes into a line: type : first, and then paste an action"),
        }
    }

    fn scroll_overlay(&mut self, key: Key) {
        let top = self.state.overlay_top;
        self.state.overlay_top = if key == Key::Up { top.saturating_sub(1) } else { top.saturating_add(1) };
    }

    fn ask(&mut self, purpose: Purpose, text: &str) {
        self.state.prompt = Some(Prompt::new(purpose, text));
    }

    fn first(&mut self) {
        self.state.clock = self.about.begin;
        if self.rows.is_empty() { self.state.cursor = 0 } else { self.go(0) }
    }

    fn page(&mut self, forward: bool) {
        let page = (usize::from(self.size.1) / 3).max(1);
        if self.rows.is_empty() {
            return;
        }
        let last = self.rows.len() - 1;
        let cursor = self.state.cursor;
        self.go(if forward { (cursor + page).min(last) } else { cursor.saturating_sub(page) });
    }

    fn focus(&mut self, by: usize) {
        let at = Pane::ALL.iter().position(|pane| *pane == self.state.focus).unwrap_or(0);
        self.state.focus = Pane::ALL[(at + by) % Pane::ALL.len()];
        match self.state.focus {
            Pane::Packet | Pane::Tables => self.state.lower = self.state.focus,
            Pane::Topology => {
                let node = self.table_node();
                self.state.map_line = node.and_then(|node| self.map.line(node)).unwrap_or(0);
            }
            Pane::Events => {}
        }
    }

    fn move_in_pane(&mut self, by: isize) {
        let moved = |at: usize, count: usize| at.saturating_add_signed(by).min(count.saturating_sub(1));
        match self.state.focus {
            Pane::Events => {
                self.step(by > 0);
            }
            Pane::Topology => self.state.map_line = moved(self.state.map_line, self.map.branches.len()),
            Pane::Packet => {
                let count = if self.rows.is_empty() { 0 } else { packet::parts(self.view, &self.rows.get(self.state.cursor)).len() };
                self.state.packet_line = moved(self.state.packet_line.min(count.saturating_sub(1)), count);
            }
            Pane::Tables => self.state.tables_top = self.state.tables_top.saturating_add_signed(by),
        }
    }

    fn pin(&mut self) {
        let node = match self.state.focus {
            Pane::Topology => self.map.branches.get(self.state.map_line).map(|branch| branch.node),
            _ => self.table_node(),
        };
        if self.state.pinned.is_some() && self.state.pinned == node {
            self.state.pinned = None;
        } else {
            self.state.pinned = node;
        }
        (self.state.lower, self.state.tables_top) = (Pane::Tables, 0);
    }

    fn programs(&mut self) {
        let said = if self.about.said.is_empty() { "no program was started: type : and an action".to_owned() } else { self.about.said.join("\n") };
        self.say(said);
    }

    fn run_to_breakpoint(&mut self) {
        if self.breakpoints.is_empty() {
            return self.say("no breakpoints: b and reasons, such as queue-full or no-route");
        }
        let found = self.rows.find(Some(self.state.cursor).filter(|_| !self.rows.is_empty()), true, |row| hits::has_reason(self.view, row, &self.breakpoints));
        match found {
            Some(row) => {
                self.go(row);
                self.stop_at_breakpoint();
            }
            None => self.say("no breakpoint after this"),
        }
    }

    /// Lists other rows, and stays where it is.
    fn list(&mut self, is_all: bool, filter: Option<(String, Filter)>) {
        let event = (!self.rows.is_empty()).then(|| self.rows.get(self.state.cursor).event);
        let filter = match filter {
            Some((words, filter)) => {
                self.state.filter = words;
                filter
            }
            None => self.read(&self.state.filter).unwrap_or(Filter::All),
        };
        self.state.is_all = is_all;
        self.rows.choose(is_all, &filter);
        let clock = self.state.clock;
        let same = event.and_then(|event| self.rows.of_event(event));
        self.state.cursor = same.filter(|row| self.rows.time(*row) <= clock).unwrap_or_else(|| self.rows.at_time(clock));
    }

    fn type_key(&mut self, key: Key) -> Option<Ask> {
        match key {
            Key::Escape => self.state.prompt = None,
            Key::Enter => return self.enter(),
            _ => {
                if let Some(prompt) = &mut self.state.prompt {
                    let purpose = prompt.purpose;
                    let history: Vec<String> = self.state.history.iter().filter(|(of, _)| *of == purpose).map(|(_, text)| text.clone()).collect();
                    prompt.press(key, &history);
                }
            }
        }
        None
    }

    fn enter(&mut self) -> Option<Ask> {
        let prompt = self.state.prompt.as_ref()?;
        let (purpose, text) = (prompt.purpose, prompt.text().trim().to_owned());
        if text.is_empty() && !matches!(purpose, Purpose::Filter | Purpose::Breakpoints) {
            self.state.prompt = None;
            return None;
        }
        let done = match purpose {
            Purpose::Action => return Some(Ask::Play { at: self.state.clock, text }),
            Purpose::Time => self.time(&text).map(|time| self.go_to_time(time)),
            Purpose::Find => self.read(&text).map(|filter| {
                (self.state.find, self.find) = (text, filter);
                self.find_match(true);
            }),
            Purpose::Filter => self.read(&text).map(|filter| self.list(self.state.is_all, Some((text, filter)))),
            Purpose::Breakpoints => hits::reasons(self.view, &text).map(|reasons| (self.state.breakpoints, self.breakpoints) = (text, reasons)),
        };
        match done {
            Ok(()) => self.close_prompt(),
            Err(message) => self.refuse(message),
        }
        None
    }

    fn time(&self, text: &str) -> Result<Time, String> {
        let (sign, digits) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (&text[..1], rest.trim_start()),
            None => ("", text),
        };
        // As the screen shows it, too: `1.204 ms`, `12 µs`.
        let digits = digits.replace(' ', "").replace('µ', "u");
        let nanoseconds = lab::sentence::parse_time(&digits).map_err(|error| match error.hint {
            Some(hint) => format!("{}\nhint: {hint}", error.message),
            None => error.message,
        })?;
        let clock = self.state.clock.0;
        Ok(match sign {
            "+" => Time(clock.saturating_add(nanoseconds)),
            "-" => Time(clock.saturating_sub(nanoseconds)),
            _ => Time(nanoseconds),
        })
    }
}
