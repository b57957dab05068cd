//! Rows by key, shared with whoever has a copy until one of both changes them: a copy of a [`crate::Model`] costs a count a table.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A [`BTreeMap`] that is copied when it is first changed after it was shared.
///
/// Whatever takes it as `&mut` makes that copy, also where nothing is changed in the end: look first, where many tables are passed.
#[derive(Debug)]
pub struct Table<K, V>(Arc<BTreeMap<K, V>>);

impl<K, V> Table<K, V> {
    /// No rows.
    pub fn new() -> Self {
        Self(Arc::new(BTreeMap::new()))
    }

    /// Whether both are the same rows in memory: equal for certain. Equal ones may be two all the same.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// The rows' values, for good.
    pub fn into_values(self) -> btree_map::IntoValues<K, V> {
        Arc::unwrap_or_clone(self.0).into_values()
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || self.0 == other.0
    }
}

impl<K: Eq, V: Eq> Eq for Table<K, V> {}

impl<K, V> Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Ord + Clone, V: Clone> DerefMut for Table<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl<K, V> From<BTreeMap<K, V>> for Table<K, V> {
    fn from(rows: BTreeMap<K, V>) -> Self {
        Self(Arc::new(rows))
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(rows: I) -> Self {
        BTreeMap::from_iter(rows).into()
    }
}

impl<'t, K, V> IntoIterator for &'t Table<K, V> {
    type Item = (&'t K, &'t V);
    type IntoIter = btree_map::Iter<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'t, K: Ord + Clone, V: Clone> IntoIterator for &'t mut Table<K, V> {
    type Item = (&'t K, &'t mut V);
    type IntoIter = btree_map::IterMut<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::make_mut(&mut self.0).iter_mut()
    }
}

impl<K: Ord + Clone, V: Clone> IntoIterator for Table<K, V> {
    type Item = (K, V);
    type IntoIter = btree_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
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
}
