//! The screen held to what it promises: what is drawn, what keys do, what tables of the past are.
#![allow(clippy::unwrap_used, reason = "a lab that cannot be played is a failed test")]

mod keys;
mod room;
mod shown;
mod tables;
