//! A cloud from a lab file, and who reaches whom in it by name.

use std::path::Path;

use fabric::Fabric;
use lab::Files;
use model::{Context, Model, Timestamp};
use proof::{Between, Options, PlaceIndex, Reach};

/// A lab file of `examples/`, or any other path below the workspace.
pub fn example(path: &str) -> (Model, Fabric) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(path)).unwrap();
    cloud(path, &text)
}

/// A lab file by its text.
pub fn cloud(name: &str, text: &str) -> (Model, Fabric) {
    let lab = lab::load(name, &Text(text)).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let mut model = Model::new(
        "000000000000",
        lab.region(),
        Context::seeded(1, Timestamp(1_700_000_000)),
    );
    lab.apply(&mut model)
        .unwrap_or_else(|e| panic!("{}", e.render(false)));
    let fabric = Fabric::compile(&model);
    (model, fabric)
}

struct Text<'t>(&'t str);

impl Files for Text<'_> {
    fn read(&self, name: &str, from: Option<&str>) -> Result<(String, String), String> {
        match from {
            None => Ok((name.to_owned(), self.0.to_owned())),
            // Examples include others.
            Some(_) => std::fs::read_to_string(format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR")))
                .map(|text| (name.to_owned(), text))
                .map_err(|e| e.to_string()),
        }
    }
}

/// A cloud, proved.
pub struct Proved {
    /// The cloud.
    pub fabric: Fabric,
    /// Who reaches whom.
    pub reach: Reach,
}

impl Proved {
    /// Proves a cloud with the usual options.
    pub fn of(fabric: Fabric) -> Self {
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        Self { fabric, reach }
    }

    /// A place by name.
    pub fn place(&self, name: &str) -> PlaceIndex {
        let found = self
            .reach
            .indices()
            .find(|(_, place)| place.name(&self.fabric) == name);
        found
            .unwrap_or_else(|| panic!("no place is named {name}"))
            .0
    }

    /// What one place can say to another.
    pub fn between(&self, from: &str, to: &str) -> Between {
        self.reach.between(self.place(from), self.place(to))
    }

    /// The same, both ways through, as text.
    pub fn both(&self, from: &str, to: &str) -> String {
        self.between(from, to).both.to_string()
    }
}
