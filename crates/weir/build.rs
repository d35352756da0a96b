//! Compiles again when the examples change: they are embedded in the binary.

fn main() {
    println!("cargo:rerun-if-changed=../../examples");
}
