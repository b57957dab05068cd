//! A dump of any bytes: read or refused with words; what is read can be compiled and written as a lab file that can be
//! read again.
//!
//! The input is one file, or several with a line `=====` between them.

#![no_main]

use fabric::Fabric;
use lab::aws::{DumpFile, read};
use lab::{Files, load};
use libfuzzer_sys::fuzz_target;
use model::Timestamp;

struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.to_owned()))
    }
}

fuzz_target!(|text: &str| {
    let file = |(number, text): (usize, &str)| DumpFile { name: format!("eu-west-1/{number}.json"), text: text.to_owned() };
    match read(text.split("\n=====\n").enumerate().map(file).collect(), Timestamp(0)) {
        Ok(import) => {
            let fabric = Fabric::compile(&import.model);
            assert_eq!(fabric.vpcs.len(), import.model.vpcs.len());
            let exported = lab::export(&import.model, "again");
            if let Err(problems) = load("again.yaml", &One(&exported.text)) {
                panic!("{}\n{problems}", exported.text);
            }
        }
        Err(problems) => assert!(!problems.list.is_empty() && !problems.render(true).is_empty()),
    }
});
