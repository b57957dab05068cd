//! What is shown of a trace.

mod capture;
mod filter;
mod list;
mod units;
mod world;
