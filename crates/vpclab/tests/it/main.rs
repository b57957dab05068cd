//! The tests of the program as a person or another program uses it, as one test program: each program links all rooms, which
//! takes seconds and tens of megabytes, and there are sixty files.
//!
//! Tests of any two files may run at the same moment, in threads of one process. So a test has a home and folders of its own
//! ([`home`], [`console`], `scratch!`), listens where the kernel says (port 0), and changes nothing that a process has once: its
//! environment, its folder, its limits. What is tried with those is tried in a command that is started for it.
//!
//! One file stands alone beside this folder: `aws_faults.rs` opens a thousand connections itself, of the 1,024 descriptors that
//! a process may usually have, and measures how soon a door answers meanwhile.
#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

#[macro_use]
mod scratch;

// What tests of several files need.
mod aws_client;
mod boxes;
mod cloud;
mod console;
mod home;
mod registry;
mod shop;
mod terminal;

mod anatomy;
mod aws;
mod aws_answers;
mod aws_clients;
mod aws_disks;
mod aws_pace;
mod aws_places;
mod aws_refused;
mod behind_ports;
mod break_file;
mod breakage;
mod commands;
mod connectivity;
mod container_faults;
mod container_limits;
mod containers;
mod containers_again;
mod containers_told;
mod docker;
mod docker_cli;
mod docker_clients;
mod docker_http;
mod doctor;
mod documents;
mod examples;
mod expectations;
mod faults;
mod flow_logs;
mod forward;
mod full_disk;
mod fuzz;
mod graph;
mod iam;
mod images;
mod images_build;
mod import;
mod incomplete;
mod labs;
mod lans;
mod lans_up;
mod learn;
mod lint;
mod matrix;
mod mutate;
mod networks;
mod observing;
mod osi;
mod programs;
mod reference;
mod running;
mod shared_names;
mod shell;
mod sim_dns;
mod simulating;
mod snapshot;
mod start;
mod terraform;
mod tui;
mod uplink;
mod which_lab;
mod why;
