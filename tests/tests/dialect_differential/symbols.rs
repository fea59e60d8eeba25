//! Where a program keeps what it exports: the dynamic symbols of an ELF file (elf(5)), 64 bits, little-endian.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A symbol's place, counted from where the program is loaded, and its size.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    pub offset: u64,
    pub size: usize,
}

/// The dynamic symbols of the file.
pub fn read(file: &Path) -> Result<HashMap<String, Symbol>, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    table(&bytes).ok_or_else(|| format!("{} is not an ELF file with dynamic symbols", file.display()))
}

fn table(bytes: &[u8]) -> Option<HashMap<String, Symbol>> {
    const DYNAMIC_SYMBOLS: u64 = 11;
    let sections = number(bytes, 0x28, 8)?;
    let (size, count) = (number(bytes, 0x3a, 2)?, number(bytes, 0x3c, 2)?);
    let header = |index: u64| usize::try_from(sections + index * size).ok();
    let symbols = (0..count).filter_map(header).find(|at| number(bytes, at + 4, 4) == Some(DYNAMIC_SYMBOLS))?;
    let names = header(number(bytes, symbols + 0x28, 4)?)?;
    let place = |header: usize| {
        let (from, length) = (number(bytes, header + 0x18, 8)? as usize, number(bytes, header + 0x20, 8)? as usize);
        bytes.get(from..from + length)
    };
    let names = place(names)?;
    let mut all = HashMap::new();
    for symbol in place(symbols)?.chunks_exact(24) {
        let name = names.get(number(symbol, 0, 4)? as usize..)?.split(|byte| *byte == 0).next()?;
        let found = Symbol { offset: number(symbol, 8, 8)?, size: number(symbol, 16, 8)? as usize };
        all.insert(String::from_utf8_lossy(name).into_owned(), found);
    }
    Some(all)
}

/// The number of `size` bytes at `at`.
pub fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut whole = [0; 8];
    whole[..size].copy_from_slice(bytes.get(at..at + size)?);
    Some(u64::from_le_bytes(whole))
}
