//! Edits that people make, one by one: what the plan says, what stays, what is another.
