//! What a text means to haproxy: the settings of the process, each proxy, and all that they point to; and whether two texts
//! mean the same.
//!
//! Both memories are walked at once, word beside word, through every pointer into the heap. A piece belongs to the proxy (or
//! to the process) that is nearest to it; a pointer into another one's is compared by whose it is, and not followed further than
//! there.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::snapshot::{Piece, Snapshot};
use crate::symbols::number;

/// Where proxies hold the pointer to the next one, and the one to their name.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    next: usize,
    name: usize,
}

/// By which a word is known in every run: the piece it stands in (its size, and the size and offset of what points to it), and
/// its offset there.
pub type Place = [u32; 4];

/// A text's meaning.
#[derive(Debug)]
pub struct Meaning {
    snapshot: Snapshot,
    /// The text's own proxies.
    proxies: BTreeMap<String, Piece>,
    /// The process, then each proxy.
    names: Vec<String>,
    /// By the start of a piece, its owner in `names`.
    owners: HashMap<u64, usize>,
}

impl Layout {
    /// Finds the two places: those by which all proxies of a text are found under their names.
    pub fn find(snapshot: &Snapshot, names: &[String]) -> Result<Layout, String> {
        let size = snapshot.chain(usize::MAX - 8).first().map_or(0, |first| first.size);
        for next in (0..size).step_by(8) {
            let chain = snapshot.chain(next);
            for name in (0..size).step_by(8).filter(|_| chain.len() >= names.len()) {
                let found: Vec<_> = chain.iter().filter_map(|piece| snapshot.text_at(*piece, name)).collect();
                if names.iter().all(|name| found.contains(name)) {
                    return Ok(Layout { next, name });
                }
            }
        }
        Err(format!("haproxy's proxies {names:?} are not found in its memory"))
    }
}

/// The owner of pieces that only the process points to.
const PROCESS: &str = "the process";

impl Meaning {
    pub fn new(snapshot: Snapshot, layout: Layout) -> Meaning {
        let chain = snapshot.chain(layout.next);
        let called = chain.iter().map(|piece| snapshot.text_at(*piece, layout.name).unwrap_or_default());
        let names: Vec<String> = [PROCESS.to_owned()].into_iter().chain(called).collect();
        let owners = owners(&snapshot, &chain, &names);
        let named = names.iter().skip(1).cloned().zip(chain).filter(|(name, _)| !is_haproxys_own(name));
        Meaning { proxies: named.collect(), snapshot, names, owners }
    }

    fn owner(&self, piece: Piece) -> Option<&str> {
        self.owners.get(&piece.start).and_then(|owner| self.names.get(*owner)).map(String::as_str)
    }

    pub fn proxies(&self) -> impl Iterator<Item = &str> {
        self.proxies.keys().map(String::as_str)
    }

    /// Calls `differs` with every place that differs, and both values, until it answers true. Of `name`d proxies, or of the
    /// process.
    pub fn compare(&self, other: &Meaning, name: Option<&str>, mut differs: impl FnMut(Place, u64, u64) -> bool) {
        let roots = match name {
            None => None,
            Some(name) => match (self.proxies.get(name), other.proxies.get(name)) {
                (Some(one), Some(two)) => Some((*one, *two)),
                _ => {
                    differs([0; 4], 0, 0);
                    return;
                }
            },
        };
        let mut pair = Pair { one: self, other, seen: HashSet::new(), waiting: VecDeque::new(), shown: Vec::new() };
        match roots {
            None => {
                if pair.walk(&self.snapshot.global, &other.snapshot.global, [0; 3], PROCESS, &mut differs) {
                    return;
                }
            }
            Some((one, two)) => pair.enter(one, two, [0; 3]),
        }
        let owner = name.unwrap_or(PROCESS);
        while let Some((one, two, above)) = pair.waiting.pop_front() {
            let (bytes, others) = (self.snapshot.bytes(one), other.snapshot.bytes(two));
            if pair.walk(bytes, others, above, owner, &mut differs) {
                return;
            }
        }
        for (one, two, above) in std::mem::take(&mut pair.shown) {
            let (bytes, others) = (self.snapshot.bytes(one), other.snapshot.bytes(two));
            // Owned by what does not exist: nothing of it is followed.
            if pair.walk(bytes, others, above, "", &mut differs) {
                return;
            }
        }
    }
}

/// haproxy has proxies of its own, whose names no text can give.
fn is_haproxys_own(name: &str) -> bool {
    name.is_empty() || name.starts_with('<')
}

/// The owner of each piece: the nearest proxy, or the process. What haproxy's own proxies have is told by its first pieces;
/// behind them is all that TLS needs.
fn owners(snapshot: &Snapshot, proxies: &[Piece], names: &[String]) -> HashMap<u64, usize> {
    let mut owners: HashMap<u64, usize> =
        proxies.iter().enumerate().map(|(index, piece)| (piece.start, index + 1)).collect();
    let mut waiting: VecDeque<(Option<Piece>, usize, usize)> = VecDeque::from([(None, 0, 0)]);
    waiting.extend(proxies.iter().enumerate().map(|(index, piece)| (Some(*piece), index + 1, 0)));
    while let Some((piece, owner, depth)) = waiting.pop_front() {
        if depth > 2 && is_haproxys_own(&names[owner]) {
            continue;
        }
        let bytes = piece.map_or(&snapshot.global[..], |piece| snapshot.bytes(piece));
        for word in bytes.chunks_exact(8) {
            let Some(found) = number(word, 0, 8).and_then(|address| snapshot.piece(address)) else { continue };
            owners.entry(found.start).or_insert_with(|| {
                if snapshot.text(found).is_none() {
                    waiting.push_back((Some(found), owner, depth + 1));
                }
                owner
            });
        }
    }
    owners
}

/// Two memories walked at once.
struct Pair<'m> {
    one: &'m Meaning,
    other: &'m Meaning,
    /// A pair is walked once. A piece can be in several: words that were never written may be pointers.
    seen: HashSet<(Piece, Piece)>,
    waiting: VecDeque<(Piece, Piece, [u32; 3])>,
    /// Pieces of other proxies that this one points to (a table that it fills): their own contents are compared.
    shown: Vec<(Piece, Piece, [u32; 3])>,
}

impl Pair<'_> {
    fn enter(&mut self, one: Piece, other: Piece, above: [u32; 3]) {
        self.seen.insert((one, other));
        self.waiting.push_back((one, other, above));
    }

    /// One piece beside the other. True if `differs` has had enough.
    fn walk(
        &mut self,
        one: &[u8],
        other: &[u8],
        above: [u32; 3],
        owner: &str,
        differs: &mut impl FnMut(Place, u64, u64) -> bool,
    ) -> bool {
        for (index, (word, others)) in one.chunks_exact(8).zip(other.chunks_exact(8)).enumerate() {
            let offset = 8 * index as u32;
            let place = [above[0], above[1], above[2], offset];
            let (a, b) = (number(word, 0, 8).unwrap_or(0), number(others, 0, 8).unwrap_or(0));
            let enough = match (self.one.snapshot.piece(a), self.other.snapshot.piece(b)) {
                (None, None) if a == b || (self.one.snapshot.is_nameless(a) && self.other.snapshot.is_nameless(b)) => {
                    false
                }
                (None, None) => {
                    let (low, high) = ((a & 0xffff_ffff, b & 0xffff_ffff), (a >> 32, b >> 32));
                    let upper = [place[0], place[1], place[2], offset + 4];
                    (low.0 != low.1 && !same_time(low) && differs(place, low.0, low.1))
                        || (high.0 != high.1 && !same_time(high) && differs(upper, high.0, high.1))
                }
                (Some(to), Some(too)) => {
                    let behind = |piece: &[u8]| number(piece, 8 * index + 8, 8).unwrap_or(0);
                    let (to, too) = (
                        To { address: a, piece: to, behind: behind(one) },
                        To { address: b, piece: too, behind: behind(other) },
                    );
                    !self.same(to, too, [one.len() as u32, offset], owner)
                        && (differs(place, a, b) || differs([place[0], place[1], place[2], offset + 4], a, b))
                }
                // A pointer and none: both halves.
                _ => differs(place, a, b) || differs([place[0], place[1], place[2], offset + 4], a, b),
            };
            if enough {
                return true;
            }
        }
        false
    }

    /// Whether two pointers lead to the same, as far as can be said without going there.
    fn same(&mut self, one: To, other: To, from: [u32; 2], owner: &str) -> bool {
        let (to, too) = (one.piece, other.piece);
        if one.is_mallocs() && other.is_mallocs() {
            return true;
        }
        if one.address - to.start != other.address - too.start {
            return false;
        }
        let (mine, theirs) = (self.one.owner(to), self.other.owner(too));
        if mine != theirs {
            return false;
        }
        if mine != Some(owner) {
            let proxy = self.one.proxies.values().any(|piece| *piece == to);
            if !owner.is_empty() && !proxy && mine.is_some_and(|mine| mine != PROCESS && !is_haproxys_own(mine)) {
                self.shown.push((to, too, [from[0], from[1], to.size as u32]));
            }
            return true;
        }
        let (mine, theirs) = (&self.one.snapshot, &self.other.snapshot);
        if let (Some(one), Some(other)) = (mine.text(to), theirs.text(too)) {
            return one == other;
        }
        if let (Some(one), Some(other)) = (mine.counted_text(to, one.behind), theirs.counted_text(too, other.behind)) {
            return one == other;
        }
        // A piece larger than a page is room for later use, and no part of a meaning.
        if self.seen.contains(&(to, too)) || (to.size > PAGE && too.size > PAGE) {
            return true;
        }
        // malloc gives 16 bytes more where the rest would be too small to give.
        let alike = to.size.abs_diff(too.size) <= 16;
        if alike {
            self.enter(to, too, [from[0], from[1], to.size.min(too.size) as u32]);
        }
        alike
    }
}

/// A pointer, the piece that it leads into, and the word after it.
#[derive(Clone, Copy)]
struct To {
    address: u64,
    piece: Piece,
    behind: u64,
}

impl To {
    /// A link of malloc's lists leads to a piece's size, which stands in the last eight bytes of the piece before it. It is left
    /// where realloc(3) made a piece larger, since only malloc(3) fills what it gives. No program points there.
    fn is_mallocs(self) -> bool {
        self.address - self.piece.start == self.piece.size as u64 - 8
    }
}

const PAGE: usize = 4096;

/// Both are moments of today.
fn same_time((one, other): (u64, u64)) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    one.abs_diff(now) < 86_400 && other.abs_diff(now) < 86_400
}

/// Places where words differ without a difference in meaning.
pub type Places = HashSet<Place>;
