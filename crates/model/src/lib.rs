//! The resources of a cloud as AWS names them, and the operations that change them. Pure.
#![forbid(unsafe_code)]
