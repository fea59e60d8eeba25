//! What the C library does and nothing safe wraps: random numbers, and memory given back to the host when a gate falls
//! idle.
//!
//! glibc keeps the pages of freed connections for ever (a burst of 300 leaves 6.4 MB); trimming when the last
//! connection is gone brings a gate back to where it began. No `mallopt` setting does the same.
#![allow(unsafe_code)]

use std::{cmp::Reverse, hint::black_box, io};

/// Smallest and largest chunk that a thread of glibc keeps for itself (its tcache), the step between two of its bins,
/// and the chunks in one (`TCACHE_MAX_BINS`, `TCACHE_FILL_COUNT` in glibc's malloc.c: the same from 2.34 to 2.42).
///
/// Of a glibc that keeps more of a size (16 since 2.43, or GLIBC_TUNABLES) some chunks stay in its cache, and the pages that
/// they lie on with the gate; of one that keeps fewer, or none, nothing stays. It is memory and nothing else: every chunk
/// here is asked for and freed like any other.
const SMALLEST: usize = 24;
const LARGEST: usize = 1032;
const STEP: usize = 16;
const KEPT: usize = 7;

/// A chunk so large has, cut down to any size that is cached, so much behind it that it can grow beyond all of them, and
/// that what is left over then is beyond them as well.
const UNCUT: usize = 2 * (LARGEST + STEP);

/// Returns unused heap pages to the kernel (malloc_trim(3)).
pub(crate) fn give_back() {
    for size in (SMALLEST..=LARGEST).step_by(STEP) {
        empty(size);
    }
    trim();
}

/// Empties the thread's cache of one size, which trimming does not look at: left over from a burst, the chunks are strewn
/// over pages that are empty otherwise.
fn empty(size: usize) {
    // A full cache gives as many as it holds and asks the heap for none, which would put others of this size into it.
    drop(fresh(size));
    let strewn = bin(size);
    // Full of others, it lets these go.
    drop(fresh(size));
    drop(strewn);
    // The last chunk first, each grows into the free memory behind it, and freed it is too large for the cache.
    let mut chunks = bin(size);
    chunks.sort_unstable_by_key(|chunk| Reverse(chunk.as_ptr()));
    for mut chunk in chunks {
        chunk.reserve_exact(LARGEST + STEP);
        black_box(&chunk);
    }
}

/// Chunks of this size that have free memory behind them, or one another: none of them fills a gap between others.
fn fresh(size: usize) -> [Vec<u8>; KEPT] {
    std::array::from_fn(|_| {
        let mut chunk = black_box(Vec::with_capacity(UNCUT));
        chunk.shrink_to(size);
        black_box(chunk)
    })
}

/// As many chunks of this size as the cache holds.
fn bin(size: usize) -> [Vec<u8>; KEPT] {
    std::array::from_fn(|_| black_box(Vec::with_capacity(size)))
}

/// Fills `bytes` with random numbers of the kernel's (getrandom(2)); waits until it has any, shortly after boot.
#[allow(unsafe_code)]
pub(crate) fn random(bytes: &mut [u8; 64]) -> io::Result<()> {
    // SAFETY: the pointer is to as many writable bytes as the length says, which live for the call.
    let done = unsafe { nix::libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // So few bytes come whole (getrandom(2): up to 256 are not cut by a signal).
    match usize::try_from(done) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// As far below as the start of a process reaches, in bytes, and half a page for the call that gives back.
const DEEPEST: usize = 256 * 1024;
const MARGIN: usize = 2048;

/// Returns the pages of the stack below the caller (madvise(2)): what deeper calls have left there. For a process that is
/// about to sleep for long, with one thread and on the stack that it was started with.
#[inline(never)]
#[allow(unsafe_code)]
pub(crate) fn give_back_stack() {
    // SAFETY: the call takes an integer.
    let page = usize::try_from(unsafe { nix::libc::sysconf(nix::libc::_SC_PAGESIZE) }).unwrap_or(0);
    let mark = 0u8;
    let here = std::ptr::from_ref(black_box(&mark)).addr();
    let Some(rest) = here.saturating_sub(MARGIN).checked_rem(page) else { return };
    let end = here.saturating_sub(MARGIN + rest);
    let start = std::ptr::without_provenance_mut(end.saturating_sub(DEEPEST));
    // SAFETY: the stack grows down, so nothing that lies below this frame is live; the margin holds whatever the call
    // itself puts there, red zone included. The range ends on a page and is a multiple of every page size long. It may
    // reach below the stack, where the kernel maps nothing for a megabyte (stack_guard_gap): such a part is passed over.
    unsafe {
        nix::libc::madvise(start, DEEPEST, nix::libc::MADV_DONTNEED);
    }
}

#[allow(unsafe_code)]
fn trim() {
    // SAFETY: malloc_trim takes no pointer, keeps every live allocation and may be called at any time.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// What GCC's unwinder asks for the tables of a program's code, in the place of glibc's function of that name: nothing is
/// found, so nothing is unwound (`find_fde_tail` in GCC's `unwind-dw2-fde-dip.c`). A program that ends at a panic has no use
/// for them, and glibc has the function since 2.35 only, which would be the oldest that the program starts with.
#[cfg(all(panic = "abort", target_env = "gnu"))]
#[allow(unsafe_code)]
// SAFETY: it has the type of dlfcn.h, and touches neither argument. glibc's own library keeps its own function: this one is
// not among the symbols that the program exports.
#[unsafe(no_mangle)]
extern "C" fn _dl_find_object(_address: *const std::ffi::c_void, _found: *mut std::ffi::c_void) -> std::ffi::c_int {
    -1
}
