//! haproxy's memory when it has read a text, as pieces that malloc gave and pointers between them.
//!
//! Nothing is known of haproxy's structures but two names that it exports, `global` and `proxies_list`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::unistd::Pid;

use crate::symbols::{Symbol, number};

/// The byte that fills memory when it is freed (`MALLOC_PERTURB_`), and when it is allocated (the complement).
/// No text has them.
pub const FILLED: [u8; 3] = [0, 127, !127];

/// A piece of the heap: where it begins, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Piece {
    pub start: u64,
    pub size: usize,
}

/// haproxy's memory after it has read a text.
#[derive(Debug)]
pub struct Snapshot {
    heap: Vec<u8>,
    start: u64,
    pieces: Vec<Piece>,
    /// Memory that is neither a file's nor the heap's. Its address means nothing.
    nameless: Vec<Range<u64>>,
    pub global: Vec<u8>,
    first_proxy: u64,
}

impl Snapshot {
    /// Where the program is loaded.
    pub fn base(pid: Pid, program: &Path) -> io::Result<u64> {
        let name = program.to_string_lossy();
        let found = mappings(pid)?.into_iter().find(|(_, mapped)| *mapped == *name);
        found.map(|(range, _)| range.start).ok_or_else(|| io::Error::other(format!("{name} is not mapped")))
    }

    /// Reads it from a stopped process.
    pub fn read(pid: Pid, program: &Path, symbols: &HashMap<String, Symbol>) -> io::Result<Snapshot> {
        let base = Snapshot::base(pid, program)?;
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        let read = |from: u64, size: usize| {
            let mut bytes = vec![0; size];
            memory.read_exact_at(&mut bytes, from).map(|()| bytes)
        };
        let all = mappings(pid)?;
        let (range, _) = all.iter().find(|(_, name)| name == "[heap]").ok_or_else(|| io::Error::other("no heap"))?;
        let heap = read(range.start, (range.end - range.start) as usize)?;
        let global = read(base + symbols["global"].offset, symbols["global"].size)?;
        let first_proxy = number(&read(base + symbols["proxies_list"].offset, 8)?, 0, 8).unwrap_or(0);
        let pieces = pieces(&heap, range.start);
        let nameless = all.iter().filter(|(_, name)| name.is_empty()).map(|(range, _)| range.clone()).collect();
        Ok(Snapshot { start: range.start, heap, pieces, nameless, global, first_proxy })
    }

    /// The piece that an address points into.
    pub fn piece(&self, address: u64) -> Option<Piece> {
        // Most words are no addresses of the heap.
        if address.wrapping_sub(self.start) >= self.heap.len() as u64 {
            return None;
        }
        let index = self.pieces.partition_point(|piece| piece.start <= address).checked_sub(1)?;
        let piece = *self.pieces.get(index)?;
        (address < piece.start + piece.size as u64).then_some(piece)
    }

    /// What a piece holds.
    pub fn bytes(&self, piece: Piece) -> &[u8] {
        let from = (piece.start - self.start) as usize;
        self.heap.get(from..from + piece.size).unwrap_or_default()
    }

    /// Whether an address is of memory without a fixed place.
    pub fn is_nameless(&self, address: u64) -> bool {
        self.nameless.iter().any(|range| range.contains(&address))
    }

    /// The text that a piece holds, if it holds one and nothing else: printable, ended by a zero, and behind it what malloc
    /// left: bytes that it fills, but for the links of its lists and, in the last eight, the neighbour's size.
    pub fn text(&self, piece: Piece) -> Option<&[u8]> {
        let bytes = self.bytes(piece);
        let length = bytes.iter().position(|byte| *byte == 0)?;
        let (text, rest) = (bytes.get(..length)?, bytes.get(length + 1..)?);
        // A pointer is never so long until its first zero, but can look like letters of another script.
        let other = length > 8 && std::str::from_utf8(text).is_ok_and(|text| !text.contains(char::is_control));
        let printable = other || text.iter().all(|byte| matches!(byte, b' '..=b'~'));
        // malloc gives 16 bytes more where the rest would be too small to give.
        let needed = ((length + 1 + 8).next_multiple_of(16) - 8).max(24);
        let fits = piece.size == needed || piece.size == needed + 16;
        let left = rest.iter().enumerate().map(|(index, byte)| (index + length + 1, byte));
        let mut checked =
            left.filter(|(at, _)| (16..piece.size - 8).contains(at) && !(length > 16 && is_link(bytes, *at)));
        (length > 0 && printable && fits && checked.all(|(_, byte)| FILLED.contains(byte))).then_some(text)
    }

    /// The text of so many bytes (in the lower half of `length`) that a piece begins with: not all of haproxy's texts end with
    /// a zero.
    pub fn counted_text(&self, piece: Piece, length: u64) -> Option<&[u8]> {
        let text = self.bytes(piece).get(..(length & 0xffff_ffff) as usize)?;
        // A pointer to another piece has a byte among its first three that is no letter.
        (text.len() > 2 && text.iter().all(|byte| matches!(byte, b' '..=b'~'))).then_some(text)
    }

    /// The text that the pointer at `offset` of a piece leads to.
    pub fn text_at(&self, piece: Piece, offset: usize) -> Option<String> {
        let address = number(self.bytes(piece), offset, 8)?;
        let text = self.piece(address).filter(|found| found.start == address).and_then(|found| self.text(found))?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The proxies, if the pointer to the next one is at `next`.
    pub fn chain(&self, next: usize) -> Vec<Piece> {
        let mut all: Vec<Piece> = Vec::new();
        let mut address = self.first_proxy;
        while let Some(piece) = self.piece(address).filter(|found| found.start == address) {
            if all.contains(&piece) {
                break;
            }
            all.push(piece);
            address = number(self.bytes(piece), next, 8).unwrap_or(0);
        }
        all
    }
}

/// Whether a byte is of a link that malloc left where a larger free piece began inside of this one: an address of the program's
/// memory (malloc/malloc.c, `malloc_chunk`). What begins with so many letters is a text all the same.
fn is_link(bytes: &[u8], at: usize) -> bool {
    number(bytes, at / 8 * 8, 8).is_some_and(|word| (0x5500_0000_0000..0x8000_0000_0000).contains(&word))
}

/// The pieces of glibc's heap: each begins with its size, whose low three bits are flags (malloc/malloc.c).
fn pieces(heap: &[u8], start: u64) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(size) = number(heap, at + 8, 8).map(|size| (size & !7) as usize).filter(|size| *size >= 32) {
        let end = (at + size).min(heap.len() - 8);
        all.push(Piece { start: start + at as u64 + 16, size: end.saturating_sub(at + 8) });
        at += size;
    }
    all
}

/// The memory of a process: each range, and the file it is of (proc_pid_maps(5)).
fn mappings(pid: Pid) -> io::Result<Vec<(Range<u64>, String)>> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some((number(from)?..number(to)?, words.nth(4).unwrap_or_default().to_owned()))
    };
    Ok(fs::read_to_string(format!("/proc/{pid}/maps"))?.lines().filter_map(line).collect())
}
