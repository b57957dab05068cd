//! Rows by key, shared with whoever has a copy until one of both changes them: a copy of a [`crate::Model`] costs a count a table, and a
//! row that changes afterwards costs itself and pointers to a few dozen others.
//!
//! Rows lie in their keys' order in short pieces. A change makes pieces of its own of those that it touches; all others stay shared, and
//! whoever has seen a row before knows by its address that it is the same ([`Table::row`]).

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;
use std::{slice, vec};

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// A row: its key and its value. As long as somebody has it, no other one has its address.
pub type Row<K, V> = Arc<(K, V)>;

type Piece<K, V> = Vec<Row<K, V>>;

/// Rows of a piece at most.
const MOST: usize = 32;
/// Neighbours that have no more rows together become one.
const FEW: usize = MOST / 2;

/// A sorted map that is copied where it is changed, as far as it was shared.
///
/// What takes all rows as `&mut` copies all of them, also where nothing is changed in the end: look first
/// ([`Table::iter_mut_where`]).
pub struct Table<K, V> {
    /// None of them is empty.
    pieces: Arc<Vec<Arc<Piece<K, V>>>>,
    rows: usize,
}

/// Rows in the order of their keys.
pub struct Iter<'t, K, V> {
    pieces: slice::Iter<'t, Arc<Piece<K, V>>>,
    front: slice::Iter<'t, Row<K, V>>,
    back: slice::Iter<'t, Row<K, V>>,
    left: usize,
}

/// Keys in their order.
pub struct Keys<'t, K, V>(Iter<'t, K, V>);

/// Values in the order of their keys.
pub struct Values<'t, K, V>(Iter<'t, K, V>);

/// Rows in the order of their keys, each a copy of its own from when it comes.
pub struct IterMut<'t, K, V> {
    pieces: slice::IterMut<'t, Arc<Piece<K, V>>>,
    front: slice::IterMut<'t, Row<K, V>>,
}

impl<K, V> Table<K, V> {
    /// No rows.
    pub fn new() -> Self {
        Self { pieces: Arc::default(), rows: 0 }
    }

    /// Whether both are the same rows in memory: equal for certain. Equal ones may be two all the same.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pieces, &other.pieces)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// All rows.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { pieces: self.pieces.iter(), front: [].iter(), back: [].iter(), left: self.rows }
    }

    /// All rows as they are shared.
    pub fn rows(&self) -> impl Iterator<Item = &Row<K, V>> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// All keys.
    pub fn keys(&self) -> Keys<'_, K, V> {
        Keys(self.iter())
    }

    /// All values, by their keys.
    pub fn values(&self) -> Values<'_, K, V> {
        Values(self.iter())
    }

    /// The row with the least key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// Takes all rows away.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

impl<K: Ord, V> Table<K, V> {
    /// The piece that has a key, if one has, and the place in it where the key is, or would be.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let is_before = |piece: &Arc<Piece<K, V>>| piece.last().is_some_and(|last| last.0.borrow() < key);
        let number = self.pieces.partition_point(is_before);
        let within = self.pieces.get(number).map_or(Err(0), |piece| piece.binary_search_by(|row| row.0.borrow().cmp(key)));
        (number, within)
    }

    /// A row as it is shared.
    pub fn row<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&Row<K, V>>
    where
        K: Borrow<Q>,
    {
        let (number, within) = self.place(key);
        self.pieces.get(number)?.get(within.ok()?)
    }

    /// Rows that another table lacks, or has otherwise. Pieces that both share are passed over; equal rows may be two all the same.
    pub fn rows_unlike<'t>(&'t self, other: &'t Self) -> impl Iterator<Item = &'t Row<K, V>> {
        let is_other = |piece: &&Arc<Piece<K, V>>| {
            let there = piece.first().and_then(|first| other.pieces.get(other.place(&first.0).0));
            !there.is_some_and(|there| Arc::ptr_eq(there, piece))
        };
        let rows = self.pieces.iter().filter(is_other).flat_map(|piece| piece.iter());
        rows.filter(|row| !other.row(&row.0).is_some_and(|there| Arc::ptr_eq(there, row)))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.row(key).map(|row| &row.1)
    }

    /// Whether there is a row with this key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.row(key).is_some()
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// The value of a key, to be changed; nothing is copied where there is none.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (number, Ok(within)) = self.place(key) else { return None };
        let piece = Arc::make_mut(Arc::make_mut(&mut self.pieces).get_mut(number)?);
        Some(&mut Arc::make_mut(piece.get_mut(within)?).1)
    }

    /// Adds a row; the value that its key had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (number, within) = self.place(&key);
        let row = Arc::new((key, value));
        let pieces = Arc::make_mut(&mut self.pieces);
        match within {
            Ok(within) => {
                let piece = Arc::make_mut(&mut pieces[number]);
                return Some(Arc::unwrap_or_clone(std::mem::replace(&mut piece[within], row)).1);
            }
            // Behind all: a piece that is full stays so, and those who come in order fill one after the other.
            Err(_) if number == pieces.len() => match pieces.last_mut().filter(|last| last.len() < MOST) {
                Some(last) => Arc::make_mut(last).push(row),
                None => pieces.push(Arc::new(vec![row])),
            },
            Err(within) => {
                let piece = Arc::make_mut(&mut pieces[number]);
                piece.insert(within, row);
                if piece.len() > MOST {
                    let rest = piece.split_off(MOST / 2);
                    pieces.insert(number + 1, Arc::new(rest));
                }
            }
        }
        self.rows += 1;
        None
    }

    /// Takes a row away; its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (number, Ok(within)) = self.place(key) else { return None };
        let pieces = Arc::make_mut(&mut self.pieces);
        let row = Arc::make_mut(&mut pieces[number]).remove(within);
        self.rows -= 1;
        let length = |at: usize| pieces.get(at).map(|piece| piece.len());
        let (own, next, last) = (length(number).unwrap_or(0), length(number + 1), number.checked_sub(1).and_then(length));
        if next.is_some_and(|next| own + next <= FEW) {
            join(pieces, number);
        } else if last.is_some_and(|last| own + last <= FEW) {
            join(pieces, number - 1);
        } else if own == 0 {
            pieces.remove(number);
        }
        Some(Arc::unwrap_or_clone(row).1)
    }

    /// Keeps the rows for which this is true; nothing is copied where all are.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &V) -> bool) {
        let kept: Vec<bool> = self.iter().map(|(key, value)| keeps(key, value)).collect();
        if kept.iter().all(|kept| *kept) {
            return;
        }
        let mut kept = kept.into_iter();
        let pieces = Arc::make_mut(&mut self.pieces);
        for piece in pieces.iter_mut() {
            let own: Vec<bool> = kept.by_ref().take(piece.len()).collect();
            if own.contains(&false) {
                let mut own = own.into_iter();
                Arc::make_mut(piece).retain(|_| own.next().unwrap_or(true));
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        self.rows = pieces.iter().map(|piece| piece.len()).sum();
    }

    /// The value of a key, to be changed; one that is made where there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.contains_key(&key) {
            self.insert(key.clone(), make());
        }
        self.get_mut(&key).unwrap_or_else(|| unreachable!("it was there or came now"))
    }

    /// All rows, to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut { pieces: Arc::make_mut(&mut self.pieces).iter_mut(), front: [].iter_mut() }
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The rows for which this is true, to be changed; no other one is copied.
    pub fn iter_mut_where<'t>(&'t mut self, is_meant: impl Fn(&K, &V) -> bool + 't) -> impl Iterator<Item = (&'t K, &'t mut V)> + 't {
        let is_any = self.iter().any(|(key, value)| is_meant(key, value));
        // Where none is meant the pieces stay shared.
        let pieces = if is_any { Arc::make_mut(&mut self.pieces).as_mut_slice() } else { &mut [] };
        pieces.iter_mut().flat_map(move |piece| {
            let is_any = piece.iter().any(|row| is_meant(&row.0, &row.1));
            let meant: Vec<bool> = if is_any { piece.iter().map(|row| is_meant(&row.0, &row.1)).collect() } else { Vec::new() };
            let rows = if is_any { Arc::make_mut(piece).as_mut_slice() } else { &mut [] };
            rows.iter_mut().zip(meant).filter(|(_, is_meant)| *is_meant).map(|(row, _)| {
                let (key, value) = Arc::make_mut(row);
                (&*key, value)
            })
        })
    }

    /// The values, for good.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// The keys, for good.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.into_iter().map(|(key, _)| key)
    }
}

/// Makes one piece of two.
fn join<K: Clone, V: Clone>(pieces: &mut Vec<Arc<Piece<K, V>>>, first: usize) {
    let second = pieces.remove(first + 1);
    Arc::make_mut(&mut pieces[first]).extend(second.iter().cloned());
    if pieces[first].is_empty() {
        pieces.remove(first);
    }
}

impl<'t, K, V> Iterator for Iter<'t, K, V> {
    type Item = (&'t K, &'t V);

    fn next(&mut self) -> Option<Self::Item> {
        let row = loop {
            match self.front.next() {
                Some(row) => break row,
                None => match self.pieces.next() {
                    Some(piece) => self.front = piece.iter(),
                    None => break self.back.next()?,
                },
            }
        };
        self.left -= 1;
        Some((&row.0, &row.1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let row = loop {
            match self.back.next_back() {
                Some(row) => break row,
                None => match self.pieces.next_back() {
                    Some(piece) => self.back = piece.iter(),
                    None => break self.front.next_back()?,
                },
            }
        };
        self.left -= 1;
        Some((&row.0, &row.1))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { pieces: self.pieces.clone(), front: self.front.clone(), back: self.back.clone(), left: self.left }
    }
}

/// A side of the rows that [`Iter`] goes through.
macro_rules! side {
    ($name:ident, $item:ident, $side:tt) => {
        impl<'t, K, V> Iterator for $name<'t, K, V> {
            type Item = &'t $item;

            fn next(&mut self) -> Option<Self::Item> {
                self.0.next().map(|row| row.$side)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl<K, V> DoubleEndedIterator for $name<'_, K, V> {
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back().map(|row| row.$side)
            }
        }

        impl<K, V> ExactSizeIterator for $name<'_, K, V> {}

        impl<K, V> Clone for $name<'_, K, V> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }
    };
}

side!(Keys, K, 0);
side!(Values, V, 1);

impl<'t, K: Clone, V: Clone> Iterator for IterMut<'t, K, V> {
    type Item = (&'t K, &'t mut V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.front.next() {
                Some(row) => {
                    let (key, value) = Arc::make_mut(row);
                    return Some((&*key, value));
                }
                None => self.front = Arc::make_mut(self.pieces.next()?).iter_mut(),
            }
        }
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self { pieces: self.pieces.clone(), rows: self.rows }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(one, two): (&Row<K, V>, &Row<K, V>)| Arc::ptr_eq(one, two) || one == two;
        self.is_shared_with(other) || (self.rows == other.rows && self.rows().zip(other.rows()).all(is_same))
    }
}

impl<K: Eq, V: Eq> Eq for Table<K, V> {}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for Table<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).unwrap_or_else(|| panic!("no row has this key"))
    }
}

impl<K, V> From<BTreeMap<K, V>> for Table<K, V> {
    fn from(rows: BTreeMap<K, V>) -> Self {
        let (count, mut rows) = (rows.len(), rows.into_iter().map(Arc::new));
        let next = || Some(rows.by_ref().take(MOST).collect::<Piece<K, V>>()).filter(|piece| !piece.is_empty());
        Self { pieces: Arc::new(std::iter::from_fn(next).map(Arc::new).collect()), rows: count }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(rows: I) -> Self {
        BTreeMap::from_iter(rows).into()
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for Table<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, rows: I) {
        rows.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<'t, K, V> IntoIterator for &'t Table<K, V> {
    type Item = (&'t K, &'t V);
    type IntoIter = Iter<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'t, K: Ord + Clone, V: Clone> IntoIterator for &'t mut Table<K, V> {
    type Item = (&'t K, &'t mut V);
    type IntoIter = IterMut<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<K: Ord + Clone, V: Clone> IntoIterator for Table<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        let pieces = Arc::unwrap_or_clone(self.pieces).into_iter().map(Arc::unwrap_or_clone);
        pieces.flatten().map(Arc::unwrap_or_clone).collect::<Vec<_>>().into_iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_copy_is_shared_until_one_of_both_is_changed() {
        let mut one: Table<u8, String> = [(1, "a".to_owned())].into_iter().collect();
        let two = one.clone();
        assert!(one.is_shared_with(&two) && one == two);
        one.insert(2, "b".to_owned());
        assert!(!one.is_shared_with(&two) && one != two);
        assert_eq!((one.len(), two.len()), (2, 1));
        one.remove(&2);
        assert!(!one.is_shared_with(&two) && one == two, "equal rows are equal wherever they are");
    }

    #[test]
    fn it_is_written_as_the_map_that_it_is() {
        let table: Table<String, u8> = [("a".to_owned(), 1)].into_iter().collect();
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(text, r#"{"a":1}"#);
        assert_eq!(serde_json::from_str::<Table<String, u8>>(&text).unwrap(), table);
    }

    #[test]
    fn a_change_copies_its_own_row_and_no_other() {
        let before: Table<u32, String> = (0..1_000).map(|number| (number, number.to_string())).collect();
        let mut after = before.clone();
        *after.get_mut(&500).unwrap() = "new".to_owned();
        after.insert(1_000, "one more".to_owned());
        after.remove(&3);
        for (_, value) in after.iter_mut_where(|key, _| *key == 700) {
            value.push('!');
        }
        let is_same = |key: &u32| Arc::ptr_eq(before.row(key).unwrap(), after.row(key).unwrap());
        let others: Vec<u32> = (0..1_000).filter(|key| *key != 3 && !is_same(key)).collect();
        assert_eq!(others, [500, 700]);
        assert_eq!(after.rows_unlike(&before).map(|row| row.0).collect::<Vec<_>>(), [500, 700, 1_000]);
        assert_eq!(before.rows_unlike(&after).map(|row| row.0).collect::<Vec<_>>(), [3, 500, 700]);
        assert_eq!((before[&500].as_str(), after[&500].as_str(), after[&700].as_str()), ("500", "new", "700!"));
    }

    #[test]
    fn what_changes_nothing_copies_nothing() {
        let before: Table<u32, u32> = (0..100).map(|number| (number, number)).collect();
        let mut after = before.clone();
        after.retain(|_, _| true);
        assert_eq!(after.get_mut(&500), None);
        assert_eq!(after.remove(&500), None);
        assert_eq!(after.iter_mut_where(|key, _| *key > 500).count(), 0);
        assert!(after.is_shared_with(&before));
    }

    #[derive(Debug, Clone)]
    enum Change {
        Insert(u16, u8),
        Remove(u16),
        Replace(u16, u8),
        Keep(u16),
        All,
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => (0..400u16, any::<u8>()).prop_map(|(key, value)| Change::Insert(key, value)),
            4 => (0..400u16).prop_map(Change::Remove),
            2 => (0..400u16, any::<u8>()).prop_map(|(key, value)| Change::Replace(key, value)),
            1 => (2..20u16).prop_map(Change::Keep),
            1 => Just(Change::All),
        ]
    }

    proptest! {
        /// The law: it is a sorted map, whatever happens to it, and a copy stays what it was.
        #[test]
        fn it_does_what_a_map_does(begun in 0..200u16, changes in prop::collection::vec(change(), 0..300)) {
            let mut map: BTreeMap<u16, u8> = (0..begun).map(|key| (key * 2, 0)).collect();
            let mut table: Table<u16, u8> = map.clone().into();
            let mut copies = Vec::new();
            for change in changes {
                if copies.len() < 20 {
                    copies.push((table.clone(), map.clone()));
                }
                match change {
                    Change::Insert(key, value) => prop_assert_eq!(table.insert(key, value), map.insert(key, value)),
                    Change::Remove(key) => prop_assert_eq!(table.remove(&key), map.remove(&key)),
                    Change::Replace(key, value) => {
                        prop_assert_eq!(table.get_mut(&key).map(|old| std::mem::replace(old, value)), map.get_mut(&key).map(|old| std::mem::replace(old, value)));
                    }
                    Change::Keep(divisor) => {
                        table.retain(|key, _| key % divisor != 0);
                        map.retain(|key, _| key % divisor != 0);
                    }
                    Change::All => {
                        table.values_mut().for_each(|value| *value = value.wrapping_add(1));
                        map.values_mut().for_each(|value| *value = value.wrapping_add(1));
                    }
                }
            }
            copies.push((table.clone(), map.clone()));
            for (old, before) in &copies {
                let unlike: Vec<_> = table.rows_unlike(old).map(|row| row.0).collect();
                prop_assert!(map.iter().filter(|(key, value)| before.get(*key) != Some(*value)).all(|(key, _)| unlike.contains(key)));
            }
            for (table, map) in copies {
                prop_assert!(table.iter().eq(map.iter()) && table.iter().rev().eq(map.iter().rev()));
                prop_assert!((0..400).all(|key| table.get(&key) == map.get(&key)));
                prop_assert_eq!(table.len(), map.len());
                prop_assert!(table.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= MOST));
                prop_assert_eq!(&table, &Table::from(map.clone()));
                prop_assert!(table.into_iter().eq(map));
            }
        }
    }
}
