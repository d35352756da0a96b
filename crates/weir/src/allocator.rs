//! The allocators of this process: mimalloc for what is Rust, the system's for RocksDB.
//!
//! Both keep what is freed for a while, which is fast, and nobody else can use it meanwhile. A worker that is held to its memory does
//! without.

#![allow(
    unsafe_code,
    reason = "allocators are set up by functions of C, which only set numbers"
)]

use std::ffi::{c_int, c_long};

/// `mi_option_purge_delay`: for how long mimalloc keeps what is free, ms.
const PURGE_DELAY: c_int = 15;

/// What the system's allocator keeps at the end of its heap, and from which size on a block goes back at once, in bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: c_int = 128 << 10;
/// Heaps of the system's allocator, each of which keeps something; RocksDB has a few threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: c_int = 1;

unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
}

/// Sets up the system's allocator to keep little. To be called before threads are started.
pub(crate) fn keep_little() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes any numbers, and says so if it cannot follow: then more is kept.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, HEAPS);
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, KEPT_BYTES);
    }
}

/// From now on, what is freed goes back to the system at once.
pub(crate) fn give_back() {
    // SAFETY: the option exists in the version that is linked, and may be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, 0) }
}
