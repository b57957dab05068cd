//! (drawn below)
use container::engine::Anatomy;
pub(super) fn draw(_anatomy: &Anatomy) -> String {
    String::new()
}
