//! Which worker of a pool serves a network.

use crate::protocol::identity_text;
use nsgate_config::Identity;

/// The index, from 0, of a network's worker among `workers`: FNV-1a (64 bits) over its kind and UUID as the protocol writes
/// them, modulo the number of workers. In every release a network keeps its worker while that number stays the same.
#[must_use]
pub fn shard(identity: &Identity, workers: usize) -> usize {
    let hash = identity_text(identity)
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let workers = u64::try_from(workers.max(1)).unwrap_or(u64::MAX);
    usize::try_from(hash % workers).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::shard;
    use nsgate_config::Identity;

    /// These numbers never change: another number would move networks to other workers at an upgrade.
    #[test]
    fn a_network_has_the_same_worker_in_every_release() {
        let id = |text: &str| text.parse().unwrap();
        let one = id("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10");
        let found =
            [Identity::Network(one), Identity::Router(one), Identity::OvnNetwork(one)].map(|one| shard(&one, 64));
        assert_eq!(found, [33, 2, 57]);
        assert_eq!(shard(&Identity::Network(one), 1), 0);
        assert_eq!(shard(&Identity::Network(one), 0), 0, "no worker is one");
    }

    #[test]
    fn networks_are_spread() {
        let mut counts = [0; 3];
        for number in 0..3000 {
            let id = format!("00000000-0000-4000-8000-{number:012}").parse().unwrap();
            counts[shard(&Identity::Network(id), 3)] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }
}
