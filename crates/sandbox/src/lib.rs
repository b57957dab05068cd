//! Processes with their own namespaces and root file system; the holder that keeps a lab alive.
