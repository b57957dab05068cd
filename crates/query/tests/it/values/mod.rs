//! Values for shapes by a seed: every member of every structure, lists of none to two.

use query::shapes::{Service, Shape, ShapeId};
use serde_json::{Map, Value};

/// A source of values.
pub struct Values {
    state: u64,
    /// Structures that are being made: each is left out inside itself.
    within: Vec<ShapeId>,
}

impl Values {
    /// A source whose values repeat for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1), within: Vec::new() }
    }

    /// A number below `end` (SplitMix64).
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A value of a shape.
    pub fn of(&mut self, service: &Service, id: ShapeId) -> Value {
        const TEXTS: [&str; 6] = ["vpc-1", "a<b>&\"c\" ]]>", " lead and trail ", "line\r\nline", "한글 😀", "0"];
        match service.shape(id) {
            Shape::String => TEXTS[self.below(6) as usize].into(),
            Shape::Text(bounds) => {
                let long_enough = |text: &str| text.repeat(bounds.min.div_ceil(text.len()).max(1));
                let texts = ["web-1", "a", "1", "/", "v1"].map(long_enough);
                let fits = texts.into_iter().find(|text| text.len() <= bounds.max && bounds.fits(text));
                fits.unwrap_or_else(|| panic!("no text is like {bounds:?}")).into()
            }
            Shape::Enum(choices) => {
                let values: Vec<_> = choices.values().collect();
                values[self.below(values.len() as u64) as usize].into()
            }
            Shape::Number { min, max } => {
                let span = max.abs_diff(*min);
                let above = self.below(span.saturating_add(1));
                min.wrapping_add_unsigned(above).into()
            }
            Shape::Double => (self.below(400) as f64 / 4.0).into(),
            Shape::Boolean => (self.below(2) == 0).into(),
            Shape::Timestamp => {
                let moment = model::moment::Moment(self.below(4_000_000_000) * 1000);
                moment.shortest().into()
            }
            Shape::Blob => "AAEC/w==".into(),
            Shape::List { item, .. } if self.within.contains(item) => Value::Array(Vec::new()),
            Shape::List { item, min, max, .. } => {
                let count = (self.below(3) as usize).clamp(*min, (*max).max(*min));
                (0..count).map(|_| self.of(service, *item)).collect()
            }
            Shape::Map { value, .. } => Value::Object(Map::from_iter([("key".to_owned(), self.of(service, *value))])),
            Shape::Structure(members) => {
                self.within.push(id);
                let members = members.iter().filter(|member| !self.within.contains(&member.shape)).collect::<Vec<_>>();
                let fields = members.into_iter().map(|member| (member.name.to_owned(), self.of(service, member.shape)));
                let fields = fields.collect();
                self.within.pop();
                Value::Object(fields)
            }
        }
    }
}
