//! Compiles again when what is embedded in the binary changes.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
    // A debug build reads the console from the disk.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../web-ui/dist");
    }
}
