//! The order of objects within a pool: by the reversed bits of their hashes (`hobject_t`'s "bitwise" order).

use std::cmp::Ordering;

use crate::wire::types::Hobject;

/// Before all objects.
pub fn min() -> Hobject {
    Hobject {
        key: Vec::new(),
        oid: Vec::new(),
        snap: 0,
        hash: 0,
        max: false,
        namespace: Vec::new(),
        pool: i64::MIN,
    }
}

/// After all objects.
pub fn max() -> Hobject {
    Hobject { max: true, ..min() }
}

/// An object as far as its order goes; borrowed, so that comparing costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Position<'a> {
    pub max: bool,
    pub pool: i64,
    pub hash: u32,
    pub namespace: &'a [u8],
    /// Empty if it is the name itself.
    pub key: &'a [u8],
    pub oid: &'a [u8],
    pub snap: u64,
}

impl<'a> From<&'a Hobject> for Position<'a> {
    fn from(object: &'a Hobject) -> Position<'a> {
        Position {
            max: object.max,
            pool: object.pool,
            hash: object.hash,
            namespace: &object.namespace,
            key: &object.key,
            oid: &object.oid,
            snap: object.snap,
        }
    }
}

impl<'a> Position<'a> {
    /// What places it: the key, or the name.
    fn effective_key(&self) -> &'a [u8] {
        if self.key.is_empty() { self.oid } else { self.key }
    }

    pub fn compare(&self, other: &Position) -> Ordering {
        if self.max || other.max {
            return self.max.cmp(&other.max);
        }
        self.pool
            .cmp(&other.pool)
            .then(self.hash.reverse_bits().cmp(&other.hash.reverse_bits()))
            .then_with(|| self.namespace.cmp(other.namespace))
            .then_with(|| match (self.key.is_empty(), other.key.is_empty()) {
                (true, true) => Ordering::Equal,
                _ => self.effective_key().cmp(other.effective_key()),
            })
            .then_with(|| self.oid.cmp(other.oid))
            .then(self.snap.cmp(&other.snap))
    }

    /// Whether it is in `[begin, end)`, or is `begin`.
    pub fn within(&self, begin: &Hobject, end: &Hobject) -> bool {
        match self.compare(&begin.into()) {
            Ordering::Less => false,
            Ordering::Equal => true,
            Ordering::Greater => self.compare(&end.into()) == Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(hash: u32, oid: &str) -> Hobject {
        Hobject { hash, oid: oid.into(), snap: u64::MAX - 1, pool: 1, ..min() }
    }

    #[test]
    fn the_reversed_hash_decides_first() {
        let (a, b) = (object(0x8000_0000, "z"), object(0x0000_0001, "a"));
        assert_eq!(Position::from(&a).compare(&(&b).into()), Ordering::Less);
        assert_eq!(Position::from(&min()).compare(&(&a).into()), Ordering::Less);
        assert_eq!(Position::from(&max()).compare(&(&b).into()), Ordering::Greater);
        let keyed = Hobject { key: "0".into(), ..a.clone() };
        assert_eq!(Position::from(&keyed).compare(&(&a).into()), Ordering::Less);
    }

    #[test]
    fn a_range_without_length_is_one_object() {
        let (a, b) = (object(5, "a"), object(5, "b"));
        assert!(Position::from(&a).within(&a, &a));
        assert!(!Position::from(&b).within(&a, &a));
        assert!(Position::from(&a).within(&a, &b));
        assert!(!Position::from(&b).within(&a, &b));
        assert!(Position::from(&b).within(&min(), &max()));
    }
}
