//! A bounded map that forgets what was not used for long.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Two maps: when the young one is full it becomes the old one, and the old one is dropped. What is
/// asked for in the old one moves to the young one, so what is in use stays.
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    generation_max: usize,
}

impl<K: Hash + Eq, V: Clone> Generations<K, V> {
    pub(crate) fn new(generation_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation_max }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation_max && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_forgets_the_rest() {
        let mut map = Generations::new(2);
        map.insert("used", 1);
        map.insert("idle", 2);
        for key in ["a", "b", "c", "d"] {
            map.insert(key, 0);
            assert_eq!(map.get(&"used"), Some(1));
        }
        assert_eq!(map.get(&"idle"), None);
    }
}
