//! The tools alone, under their own names or as `tool __tool NAME …`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    tool::dispatch(&arguments).unwrap_or_else(|| {
        eprintln!("usage: tool __tool {{{}}} [OPTION]... [ARGUMENT]...", tool::NAMES.join("|"));
        ExitCode::from(2)
    })
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("tool: Linux only");
    ExitCode::from(3)
}
