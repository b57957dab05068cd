//! A layer's tar becomes a folder, and nothing but that folder, whatever the tar says.

mod attributes;
mod ground;
mod stack;
mod tricks;
