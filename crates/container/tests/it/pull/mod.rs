//! Pulls from a registry on loopback: what is chosen, proved, checked, and asked for only once.

mod desk;
mod images;
mod logins;
