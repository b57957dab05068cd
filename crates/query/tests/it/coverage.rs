//! docs/aws-coverage.md says what is so.

#[path = "../../examples/coverage.rs"]
mod example;

#[test]
fn the_page_of_operations_is_the_one_that_is_made() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/aws-coverage.md");
    let (written, made) = (std::fs::read_to_string(path).unwrap(), example::page());
    let difference = written.lines().zip(made.lines()).find(|(written, made)| written != made);
    assert_eq!(difference, None, "`make docs` makes it anew");
    assert_eq!(written.lines().count(), made.lines().count(), "`make docs` makes it anew");
}
