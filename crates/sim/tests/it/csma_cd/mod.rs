//! CSMA/CD against a second model of it, against what can be computed exactly, and against figures that others measured.

mod agreement;
mod anchors;
mod oracle;
mod published;
mod rules;
mod saturated;
mod utilisation;
