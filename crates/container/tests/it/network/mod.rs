//! Networks of containers in namespaces that the test makes itself, with real packets, as root and as an ordinary user.

mod flows;
mod instance;
mod lifecycle;
mod reach;
mod reach_v6;
mod traces;
mod traps;
