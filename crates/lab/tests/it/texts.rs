//! Lab files that are texts of a test.

use lab::Files;

/// One file, whatever it is called.
pub struct One(pub String);

impl Files for One {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.clone()))
    }
}

/// A file that lies beside the examples: it can include them, and what they include.
pub struct BesideExamples(pub String);

impl Files for BesideExamples {
    fn read(&self, name: &str, from: Option<&str>) -> Result<(String, String), String> {
        match from {
            None => Ok((name.to_owned(), self.0.clone())),
            Some(_) => std::fs::read_to_string(format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR")))
                .map(|text| (name.to_owned(), text))
                .map_err(|e| e.to_string()),
        }
    }
}
