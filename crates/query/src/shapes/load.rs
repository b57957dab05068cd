//! Reading a service's text file; its lines are described at its top. The files are part of the program, so a line that
//! cannot be read is a defect of the program and ends it with the line.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Enum, Member, Operation, Paging, Protocol, Service, Shape, ShapeId, Text};

type Words<'a> = std::str::SplitAsciiWhitespace<'a>;

/// A type without a line of its own: its name and its shape.
type Primitive = (&'static str, fn() -> Shape);

/// They come first, in this order.
const PRIMITIVES: &[Primitive] = &[
    ("string", || Shape::String),
    ("integer", || Shape::Number { min: i32::MIN as i64, max: i32::MAX as i64 }),
    ("long", || Shape::Number { min: i64::MIN, max: i64::MAX }),
    ("boolean", || Shape::Boolean),
    ("double", || Shape::Double),
    ("float", || Shape::Double),
    ("timestamp", || Shape::Timestamp),
    ("blob", || Shape::Blob),
];

/// Reads a file.
pub fn read(text: &'static str) -> Service {
    let places = Places::of(text);
    let mut service = Service {
        name: "",
        version: "",
        protocol: Protocol::Query,
        namespace: "",
        operations: Vec::new(),
        errors: Vec::new(),
        others: Vec::new(),
        shapes: PRIMITIVES.iter().map(|(_, shape)| shape()).collect(),
    };
    for line in text.lines() {
        take(&mut service, &places, line).unwrap_or_else(|| panic!("shapes of {}: {line}", service.name));
    }
    service
}

fn take(service: &mut Service, places: &Places, line: &'static str) -> Option<()> {
    if let Some(member) = line.strip_prefix(' ') {
        let Some(Shape::Structure(members)) = service.shapes.last_mut() else { return None };
        members.push(read_member(places, member.split_ascii_whitespace())?);
        return Some(());
    }
    let (kind, rest) = line.split_once(' ')?;
    let mut words = rest.split_ascii_whitespace();
    match kind {
        "#" => {}
        "service" => {
            (service.name, service.version) = (words.next()?, words.next()?);
            service.protocol = if words.next()? == "ec2" { Protocol::Ec2 } else { Protocol::Query };
            service.namespace = words.next()?;
        }
        "operation" => service.operations.push(read_operation(places, words)?),
        "page" => {
            let operation = words.next()?;
            let last = service.operations.last_mut().filter(|last| last.name == operation)?;
            last.page = Some(read_page(words)?);
        }
        "error" => service.errors.push((words.next()?, words.next()?.parse().ok()?)),
        "names" => service.others = words.collect(),
        _ => service.shapes.push(read_shape(places, kind, rest)?),
    }
    Some(())
}

fn read_operation(places: &Places, mut words: Words<'static>) -> Option<Operation> {
    Some(Operation {
        name: words.next()?,
        tier: words.next()?.parse().ok()?,
        input: places.of_word(words.next()?)?,
        output: places.of_word(words.next()?)?,
        wrapper: given(words.next()?),
        page: None,
    })
}

fn read_page(mut words: Words<'static>) -> Option<Paging> {
    Some(Paging {
        token_parameter: words.next()?,
        limit: words.next()?,
        token: words.next()?,
        more: given(words.next()?),
        list: words.next()?,
        identity: words.collect(),
    })
}

fn read_shape(places: &Places, kind: &str, rest: &'static str) -> Option<Shape> {
    let mut words = rest.split_ascii_whitespace();
    words.next()?;
    Some(match kind {
        "enum" => Shape::Enum(Enum { values: rest.split_once('\t')?.1 }),
        "text" => Shape::Text(Text {
            min: bound(words.next()?, 0)?,
            max: bound(words.next()?, usize::MAX)?,
            pattern: given(words.next()?),
            compiled: OnceLock::new(),
        }),
        "number" => {
            let is_long = words.next()? == "long";
            let (low, high) = if is_long { (i64::MIN, i64::MAX) } else { (i32::MIN.into(), i32::MAX.into()) };
            Shape::Number { min: bound(words.next()?, low)?, max: bound(words.next()?, high)? }
        }
        "list" => Shape::List {
            item_name: words.next()?,
            item: places.of_name(words.next()?)?,
            min: bound(words.next()?, 0)?,
            max: bound(words.next()?, usize::MAX)?,
        },
        "map" => Shape::Map {
            key_name: words.next()?,
            key: places.of_name(words.next()?)?,
            value_name: words.next()?,
            value: places.of_name(words.next()?)?,
        },
        "structure" => Shape::Structure(Vec::new()),
        _ => return None,
    })
}

fn read_member(places: &Places, mut words: Words<'static>) -> Option<Member> {
    let name = words.next()?;
    let shape = places.of_name(words.next()?)?;
    let (is_required, is_token, is_secret) = (false, false, false);
    let mut member = Member { name, asked: name, answered: name, shape, is_required, is_token, is_secret };
    for word in words {
        match (word, word.split_at(1)) {
            ("!", _) => member.is_required = true,
            ("token", _) => member.is_token = true,
            ("secret", _) => member.is_secret = true,
            (_, (">", asked)) => member.asked = asked,
            (_, ("<", answered)) => member.answered = answered,
            _ => return None,
        }
    }
    Some(member)
}

fn given(word: &'static str) -> Option<&'static str> {
    (word != "-").then_some(word)
}

fn bound<N: std::str::FromStr>(word: &'static str, absent: N) -> Option<N> {
    match given(word) {
        None => Some(absent),
        Some(number) => number.parse().ok(),
    }
}

/// Where each name's shape will stand: types are used before their lines come.
struct Places(HashMap<&'static str, ShapeId>);

impl Places {
    fn of(text: &'static str) -> Self {
        let kinds = ["enum ", "text ", "number ", "list ", "map ", "structure "];
        let lines = text.lines().filter_map(|line| kinds.iter().find_map(|kind| line.strip_prefix(kind)));
        let named = lines.filter_map(|rest| rest.split_ascii_whitespace().next());
        let names = PRIMITIVES.iter().map(|(name, _)| *name).chain(named);
        Self(names.zip(0..).map(|(name, index)| (name, ShapeId(index))).collect())
    }

    fn of_name(&self, name: &str) -> Option<ShapeId> {
        self.0.get(name).copied()
    }

    /// The place of a word that may say that there is none.
    fn of_word(&self, word: &'static str) -> Option<Option<ShapeId>> {
        match given(word) {
            None => Some(None),
            Some(name) => self.of_name(name).map(Some),
        }
    }
}
