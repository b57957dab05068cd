//! Instances as they were written last: a thousand take long to write, and mostly one of them has changed since somebody looked.
//!
//! What is kept of an instance is its text and all that it was written from ([`ec2::Showing::ingredients`]), as rows that are shared with
//! the network. A text is used again only where the network has these very rows; whoever holds a row knows that no other one comes to be
//! at its address. Nothing has to be told that something changed, and nothing can be forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ec2::{Ingredient, Showing};
use model::{Instance, InstanceId, Model, Table};
use query::{Call, Refusal, answer};
use serde_json::Value;

/// Networks of more instances are written anew each time, as all texts together would take too much memory.
const MOST: usize = 20_000;

/// An instance as it was written.
#[derive(Clone)]
struct Piece {
    from: Vec<Ingredient>,
    text: Arc<str>,
}

/// The instances of a network as they were written.
#[derive(Clone)]
struct Written {
    /// The network that all of them were written of.
    network: Model,
    pieces: Table<InstanceId, Piece>,
}

/// An answer in which numbers stand for the texts that come with it.
pub type InPieces = (Value, Vec<Arc<str>>);

/// Instances as they were written last, by account and region.
#[derive(Default)]
pub struct Pieces(Mutex<BTreeMap<(String, String), Arc<Written>>>);

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pieces")
    }
}

fn is_same(one: &Ingredient, other: &Ingredient) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// Whether a call shows all instances.
fn is_of_all(call: &Call<'_>) -> bool {
    call.service.name == "ec2" && call.operation.name == "DescribeInstances" && call.parameters.as_object().is_some_and(serde_json::Map::is_empty)
}

impl Pieces {
    /// The answer to a call that shows all instances of a network, in pieces; `None` for any other call. Errors: a defect, as [`answer::write()`] finds it.
    pub fn answer(&self, call: &Call<'_>, network: &Model) -> Option<Result<InPieces, Refusal>> {
        if !is_of_all(call) || network.instances.len() > MOST {
            return None;
        }
        let place = (call.account.to_owned(), call.region.to_owned());
        let known = self.all().get(&place).cloned();
        let showing = Showing::of(network);
        let is_alike = known.as_ref().is_some_and(|known| showing.is_alike_beside(&known.network));
        let (mut texts, mut fresh, mut failure) = (Vec::with_capacity(network.instances.len()), Vec::new(), None);
        let value = showing.answer(&mut |instance| {
            let old = known.as_ref().and_then(|known| Some((known, known.pieces.get(&instance.id)?)));
            let text = match old {
                Some((known, piece)) if is_alike && is_same_row(instance, &known.network, network) => piece.text.clone(),
                _ => {
                    let from = showing.ingredients(instance);
                    let same = old.filter(|(_, piece)| piece.from.len() == from.len() && piece.from.iter().zip(&from).all(|(one, other)| is_same(one, other)));
                    match same {
                        Some((_, piece)) => piece.text.clone(),
                        None => match answer::write_piece(call.service, call.operation, &["Reservations", "Instances"], &showing.shape(instance)) {
                            Ok(text) => {
                                let text: Arc<str> = text.into();
                                fresh.push((instance.id.clone(), Piece { from, text: text.clone() }));
                                text
                            }
                            Err(refusal) => {
                                failure.get_or_insert(refusal);
                                "".into()
                            }
                        },
                    }
                }
            };
            texts.push(text);
            Value::from(texts.len() - 1)
        });
        if let Some(refusal) = failure {
            return Some(Err(refusal));
        }
        let mut pieces = known.map(|known| known.pieces.clone()).unwrap_or_default();
        pieces.extend(fresh);
        if pieces.len() > network.instances.len() {
            pieces.retain(|id, _| network.instances.contains_key(id));
        }
        self.all().insert(place, Arc::new(Written { network: network.clone(), pieces }));
        Some(Ok((value, texts)))
    }

    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Arc<Written>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether two networks have the same row of an instance.
fn is_same_row(instance: &Instance, one: &Model, other: &Model) -> bool {
    match (one.instances.row(&instance.id), other.instances.row(&instance.id)) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
