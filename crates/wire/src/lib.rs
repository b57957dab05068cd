//! Packets as bytes: headers, checksums, DNS messages, pcapng. No I/O.
#![forbid(unsafe_code)]
