//! Standard output, where a reader that went away is a reason to stop, not to panic.

use std::io::{self, Write};

/// Prints lines at once, so that a pipe sees them as a terminal does.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}
