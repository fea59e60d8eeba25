//! Instances by source address.
//!
//! A lookup takes as long among ten thousand as among ten. The table is built once from the operator's configuration. A guest
//! chooses none of its keys, so that a hash without a secret is enough.

use crate::Instance;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    net::IpAddr,
};

/// The instance of each source address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances(HashMap<IpAddr, Instance, BuildHasherDefault<Mixer>>);

impl Instances {
    /// Builds the table.
    ///
    /// # Errors
    /// The address that two instances have.
    pub fn new(all: Vec<(IpAddr, Instance)>) -> Result<Self, IpAddr> {
        let mut table = HashMap::with_capacity_and_hasher(all.len(), BuildHasherDefault::default());
        for (source, instance) in all {
            if table.insert(source, instance).is_some() {
                return Err(source);
            }
        }
        Ok(Self(table))
    }

    /// The instance at `source`. An IPv4-mapped IPv6 address, as a dual-stack listener reports it, counts as IPv4.
    #[must_use]
    pub fn at(&self, source: IpAddr) -> Option<&Instance> {
        self.0.get(&source.to_canonical())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Hashes an address to 64 bits. Each piece is multiplied in, and both halves of the product are used (the finalizer of wyhash).
/// It has no random state, so that building a table makes no system call.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
        let [low, high] = [product, product >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
        self.0 = low ^ high;
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Mixer;
    use std::{
        collections::BTreeSet,
        hash::{BuildHasher, BuildHasherDefault},
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
    };

    /// The pieces of a hash map that a table is made of: the upper 7 bits tell entries of a group apart, the lower ones
    /// choose the group.
    #[test]
    fn neighbouring_addresses_are_spread() {
        let mixer = BuildHasherDefault::<Mixer>::default();
        let v4 = |number: u32| IpAddr::V4(Ipv4Addr::from(0xf000_0000 + number));
        let v6 = |number: u32| IpAddr::V6(Ipv6Addr::from((0xfd00_u128 << 112) + (u128::from(number) << 64)));
        for family in [&v4 as &dyn Fn(u32) -> IpAddr, &v6] {
            let hashes: Vec<u64> = (0..10_000).map(|number| mixer.hash_one(family(number))).collect();
            assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), 10_000);
            // 10,000 balls into 16,384 bins leave 54 % of them empty (1/e^0.61); less spread leaves more.
            let bins = hashes.iter().map(|hash| hash & 0x3fff).collect::<BTreeSet<_>>().len();
            assert!((7_300..7_700).contains(&bins), "{bins}");
            assert_eq!(hashes.iter().map(|hash| hash >> 57).collect::<BTreeSet<_>>().len(), 128);
        }
    }
}
