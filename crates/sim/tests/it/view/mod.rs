//! What is shown of a trace.

mod capture;
mod filter;
mod layers;
mod list;
mod tables;
mod units;
mod world;
