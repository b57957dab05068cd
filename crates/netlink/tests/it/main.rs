//! All tests of netlink, as one program: linking is what takes time and disk, once for all of them is cheap. None needs a program
//! of its own: each starts itself anew, by its whole name, in namespaces of its own.

#[path = "../common/mod.rs"]
mod common;
mod conntrack;
mod expressions;
mod nftables;
mod rtnetlink;
