//! Generates the protobuf types with a pure-Rust compiler, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["graph.proto", "control.proto", "exchange.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure()
        .bytes(".weir.exchange.Batch")
        .compile_fds(descriptors)?;
    Ok(())
}
