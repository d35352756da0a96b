//! A function for Weir in Rust: `masked('4711 0815 1234')` is `'********* 1234'`.
//!
//! Build it without a project of its own, for a target that `rustup target add wasm32-unknown-unknown` installs:
//!
//! ```sh
//! rustc --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=s -C strip=symbols masked.rs -o masked.wasm
//! ```

use std::{alloc::Layout, slice};

/// Memory for the columns of a batch. Weir frees it with `free` when it needs a larger block.
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

/// A column: see docs/wasm.md.
#[repr(C)]
pub struct Column {
    validity: *mut u8,
    values: *mut u8,
    offsets: *mut u32,
    bytes: u32,
}

/// The result's text: it stays until the next call.
static mut TEXT: Vec<u8> = Vec::new();

#[unsafe(export_name = "batch masked(STRING) -> STRING")]
pub extern "C" fn masked(rows: usize, columns: *mut Column) {
    let [input, output] = (unsafe { slice::from_raw_parts_mut(columns, 2) }) else {
        return;
    };
    let text = unsafe { &mut *std::ptr::addr_of_mut!(TEXT) };
    text.clear();
    let values = unsafe { slice::from_raw_parts(input.values, input.bytes as usize) };
    let offsets = unsafe { slice::from_raw_parts(input.offsets, rows + 1) };
    let ends = unsafe { slice::from_raw_parts_mut(output.offsets, rows + 1) };
    for row in 0..rows {
        let value = &values[offsets[row] as usize..offsets[row + 1] as usize];
        let shown = value.len().saturating_sub(5);
        text.extend(value.iter().enumerate().map(|(i, byte)| if i < shown { b'*' } else { *byte }));
        ends[row + 1] = text.len() as u32;
    }
    output.values = text.as_mut_ptr();
    // What is null stays null: the result may have the argument's bitmap.
    output.validity = input.validity;
}
