//! Builds without commands: which files come into an image and which never do, what is found again, and what is refused.

mod again;
mod bench;
mod context;
mod copying;
mod recipe;
