//! An aggregate for Weir in Rust: `longest(word)` is how many characters the longest text of a group has.
//!
//! Build it without a project of its own, for a target that `rustup target add wasm32-unknown-unknown` installs:
//!
//! ```sh
//! rustc --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=s -C strip=symbols longest.rs -o longest.wasm
//! ```

use std::{alloc::Layout, slice};

/// Memory for states and arguments. Weir frees it with `free` when it needs a larger block.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(bytes: usize) -> *mut u8 {
    Layout::from_size_align(bytes, 16).map_or(std::ptr::null_mut(), |layout| unsafe { std::alloc::alloc(layout) })
}

/// Gives back what `alloc` gave.
#[unsafe(no_mangle)]
pub extern "C" fn free(block: *mut u8, bytes: usize) {
    if let Ok(layout) = Layout::from_size_align(bytes, 16) {
        unsafe { std::alloc::dealloc(block, layout) }
    }
}

/// The state of a group: zeros at first. It may lie at any address, so it is an array of bytes.
type State = [u8; 4];

#[unsafe(export_name = "aggregate longest(STRING) -> INT state 4")]
pub extern "C" fn accumulate(state: &mut State, text: *const u8, bytes: usize) {
    let text = unsafe { slice::from_raw_parts(text, bytes) };
    let characters = String::from_utf8_lossy(text).chars().count();
    keep_greater(state, characters as u32);
}

#[unsafe(export_name = "longest.merge")]
pub extern "C" fn merge(state: &mut State, other: &State) {
    keep_greater(state, u32::from_le_bytes(*other));
}

#[unsafe(export_name = "longest.finish")]
pub extern "C" fn finish(state: &State) -> i32 {
    u32::from_le_bytes(*state) as i32
}

fn keep_greater(state: &mut State, length: u32) {
    *state = u32::from_le_bytes(*state).max(length).to_le_bytes();
}
