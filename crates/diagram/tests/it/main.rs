//! All tests of pictures, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a
//! process of its own: pictures are made of values, and nothing is written.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

mod anatomy;
mod clouds;
mod domains;
mod picture;
mod words;
mod xml;
