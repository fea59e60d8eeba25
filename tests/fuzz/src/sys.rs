//! The counters that LLVM puts in: where they are, read and set to zero. The only `unsafe` of this crate.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

static START: AtomicUsize = AtomicUsize::new(0);
static STOP: AtomicUsize = AtomicUsize::new(0);

/// LLVM's runtime interface: called before `main`, by each compiled module, with the same section.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    START.store(start as usize, Ordering::Relaxed);
    STOP.store(stop as usize, Ordering::Relaxed);
}

/// How many counters there are; none, if the compiler was not asked for them.
pub fn counters() -> usize {
    STOP.load(Ordering::Relaxed).saturating_sub(START.load(Ordering::Relaxed))
}

/// Copies the counters to `into` and sets them to zero.
pub fn take(into: &mut [u8]) {
    let start = START.load(Ordering::Relaxed) as *mut u8;
    let length = into.len().min(counters());
    // SAFETY: `start` and the `length` bytes behind it are the section of counters that LLVM announced, which is writable
    // and lives as long as the program; no reference to it exists. The other thread's increments may be lost, no more.
    unsafe {
        std::ptr::copy_nonoverlapping(start, into.as_mut_ptr(), length);
        std::ptr::write_bytes(start, 0, length);
    }
}
