//! A certificate for servers of tests, of `localhost` and `127.0.0.1`, which only who trusts `ca.pem` believes.

/// The path of `ca.pem`, `cert.pem` or `key.pem`. The key of the authority is nowhere any more.
pub fn file(name: &str) -> String {
    format!("{}/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}
