//! Labs that are played: hosts at a hub that speak at once, and a VPC whose group drops.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::Fabric;
use lab::load::Files;
use model::{Context, Model, Timestamp};
use ratatui_core::backend::TestBackend;
use ratatui_core::terminal::Terminal;
use screen::screen::About;
use screen::{Key, Performance, Screen, Script, State};
use sim::app::{ConnectSpec, PingSpec};
use sim::host::Host;
use sim::view::View;
use sim::{Bounds, Span, Stop, Time, World};

/// Three at a hub, a router, two at a switch behind it.
pub const ROOM: &str = "
lans:
  room:
    hubs: [hub-1]
    switches: [sw-1]
    routers:
      r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24 } }
    hosts:
      pc-1: { address: 10.0.1.11/24, gateway: 10.0.1.1 }
      pc-2: { address: 10.0.1.12/24, gateway: 10.0.1.1 }
      pc-3: { address: 10.0.2.11/24, gateway: 10.0.2.1, serve: [http] }
      pc-4: { address: 10.0.2.12/24, gateway: 10.0.2.1 }
    links:
      - pc-1, pc-2, r-1:eth0 -- hub-1
      - pc-3, pc-4, r-1:eth1 -- sw-1
";

/// What a host does.
#[derive(Clone)]
pub enum Deed {
    Ping(&'static str, &'static str),
    Connect(&'static str, &'static str, u16),
    /// The link between two fails.
    Cut(&'static str, &'static str),
}

/// A lab and what is done in it when.
pub struct Played {
    pub name: &'static str,
    model: Arc<Model>,
    deeds: Vec<(Time, Deed)>,
}

struct Text<'t>(&'t str);

impl Files for Text<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.to_owned()))
    }
}

impl Played {
    pub fn new(name: &'static str, text: &str, deeds: &[(Time, Deed)]) -> Self {
        let lab = lab::load(name, &Text(text)).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp::default()));
        lab.apply(&mut model).unwrap_or_else(|error| panic!("{}", error.render(false)));
        Self { name, model: Arc::new(model), deeds: deeds.to_vec() }
    }

    /// Two at a hub send at once, and collide; then one asks somebody behind the router, whose link fails.
    pub fn room() -> Self {
        let ms = |n| Time::ZERO + Span::milliseconds(n);
        let deeds = [
            (Time::ZERO, Deed::Ping("pc-1", "pc-2")),
            (Time::ZERO, Deed::Ping("pc-2", "pc-1")),
            (ms(20), Deed::Connect("pc-1", "pc-3", 80)),
            (ms(40), Deed::Cut("sw-1", "pc-4")),
            (ms(50), Deed::Ping("pc-1", "pc-4")),
        ];
        Self::new("room", ROOM, &deeds)
    }

    /// The bastion asks the database, whose group lets only the web servers in.
    pub fn shop() -> Self {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml")).unwrap();
        Self::new("shop", &text, &[(Time::ZERO, Deed::Connect("bastion", "db-1", 3306))])
    }

    /// To its end.
    pub fn record(&self, until: Time) -> Box<dyn Performance> {
        let mut playing = self.begin(Bounds::default()).unwrap();
        assert!(playing.advance(until, 1_000_000));
        playing
    }

    /// A screen of it, passed to whoever looks.
    pub fn look<R>(&self, colour: bool, look: impl FnOnce(&mut Screen<'_>) -> R) -> R {
        let end = Time::ZERO + Span::seconds(8);
        let played = self.record(end);
        let world = played.world();
        let view = View::new(&world.cloud.simulator).with_fabric(world.cloud.fabric());
        let about = About { name: self.name.to_owned(), begin: Time::ZERO, end, said: vec!["said".to_owned()], colour };
        let mut screen = Screen::new(&view, world, self, about, State::new(Time::ZERO));
        look(&mut screen)
    }
}

impl Script for Played {
    fn begin(&self, bounds: Bounds) -> Option<Box<dyn Performance>> {
        let fabric = Arc::new(Fabric::compile(&self.model));
        let mut world = World::new(Arc::clone(&self.model), fabric, 1, bounds).ok()?;
        world.serve_listeners();
        Some(Box::new(Playing { world, todo: self.deeds.clone().into() }))
    }
}

struct Playing {
    world: World,
    todo: VecDeque<(Time, Deed)>,
}

impl Playing {
    fn perform(&mut self, deed: &Deed) {
        let find = |world: &World, name: &str| world.cloud.simulator.find(name).unwrap_or_else(|| panic!("{name}"));
        let address = |world: &World, name: &str| -> IpAddr { world.place(find(world, name)).addresses[0] };
        match *deed {
            Deed::Ping(from, to) => {
                let (node, to) = (find(&self.world, from), address(&self.world, to));
                self.world.simulator().with(node, |host: &mut Host, context| host.ping(context, PingSpec::new(to))).unwrap();
            }
            Deed::Connect(from, to, port) => {
                let (node, to) = (find(&self.world, from), address(&self.world, to));
                self.world.simulator().with(node, |host: &mut Host, context| host.connect(context, ConnectSpec::new(to, port))).unwrap();
            }
            Deed::Cut(a, b) => {
                let ends = (find(&self.world, a), find(&self.world, b));
                let link = self.world.cloud.simulator.link_between(ends.0, ends.1).unwrap();
                self.world.simulator().set_link(link, false);
            }
        }
    }
}

impl Performance for Playing {
    fn world(&self) -> &World {
        &self.world
    }

    fn advance(&mut self, until: Time, budget: u64) -> bool {
        let begin = self.world.cloud.simulator.happened();
        loop {
            let left = budget.saturating_sub(self.world.cloud.simulator.happened() - begin);
            let next = self.todo.front().map(|(at, _)| *at).filter(|at| *at <= until);
            if self.world.simulator().run_until(next.unwrap_or(until), left) == Stop::Budget {
                return false;
            }
            let Some((_, deed)) = next.and_then(|_| self.todo.pop_front()) else { return true };
            self.perform(&deed);
        }
    }
}

/// What a screen shows at a size, when all that it needs has been played again.
pub fn shown(screen: &mut Screen<'_>, columns: u16, lines: u16) -> String {
    let buffer = drawn(screen, columns, lines);
    let line = |y: u16| {
        let cells = (0..columns).map(|x| buffer.buffer()[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\n")
}

/// The same with its looks.
pub fn drawn(screen: &mut Screen<'_>, columns: u16, lines: u16) -> TestBackend {
    screen.resize(columns, lines);
    while !screen.work(10_000) {}
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    terminal.backend().clone()
}

/// Types: characters as they are, other keys by name in angle brackets.
pub fn press(screen: &mut Screen<'_>, keys: &str) {
    let mut left = keys;
    while let Some(c) = left.chars().next() {
        let named = left.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (key, rest) = match named {
            Some((name, rest)) => (called(name), rest),
            None => (Key::Char(c), &left[c.len_utf8()..]),
        };
        left = rest;
        screen.press(key);
    }
}

fn called(name: &str) -> Key {
    match name {
        "enter" => Key::Enter,
        "tab" => Key::Tab,
        "esc" => Key::Escape,
        "down" => Key::Down,
        "up" => Key::Up,
        "left" => Key::Left,
        "right" => Key::Right,
        "end" => Key::End,
        "home" => Key::Home,
        "bs" => Key::Backspace,
        other => panic!("{other}"),
    }
}
