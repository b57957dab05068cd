//! What a model means for packets: one immutable fabric, one file per stage, one verdict. Pure.
#![forbid(unsafe_code)]
