//! Secrets: kept sealed in the metadata store, by a key that is not in it.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use weir_connector::Secrets;

use crate::db::{Store, StoreError};

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What it was sealed with beside the key.
    pub nonce: Vec<u8>,
    /// The value, unreadable.
    pub sealed: Vec<u8>,
}

/// The key that seals and opens: 32 bytes.
#[derive(Clone)]
pub struct SecretKey(Arc<LessSafeKey>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

impl SecretKey {
    /// Of its 32 bytes in base64. None: it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?;
        Some(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// A new key, as [`parse`](Self::parse) takes it. None: the system has no random bytes.
    pub fn generate() -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(STANDARD.encode(bytes))
    }

    /// Seals a value. None: the system has no random bytes.
    pub fn seal(&self, name: &str, value: &str) -> Option<Sealed> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = value.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .ok()?;
        Some(Sealed {
            nonce: nonce.to_vec(),
            sealed,
        })
    }

    /// The value that was sealed under that name. None: by another key, under another name, or it was tampered with.
    pub fn open(&self, name: &str, sealed: &Sealed) -> Option<String> {
        let nonce = Nonce::try_assume_unique_for_key(&sealed.nonce).ok()?;
        let mut bytes = sealed.sealed.clone();
        let value = self
            .0
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut bytes)
            .ok()?;
        String::from_utf8(value.to_vec()).ok()
    }
}

/// The values of all secrets that the key opens; none without a key.
pub async fn load(store: &Store, key: Option<&SecretKey>) -> Result<Secrets, StoreError> {
    let Some(key) = key else {
        return Ok(Secrets::default());
    };
    let sealed = store.sealed_secrets().await?;
    let open = |(name, sealed): (String, Sealed)| {
        let value = key.open(&name, &sealed);
        if value.is_none() {
            tracing::warn!(
                secret = name,
                "a secret was sealed with another key: set it again"
            );
        }
        value.map(|value| (name, value))
    };
    Ok(sealed.into_iter().filter_map(open).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        let key = SecretKey::generate().expect("random bytes");
        SecretKey::parse(&key).expect("a key")
    }

    #[test]
    fn only_the_key_opens_what_it_sealed_and_only_under_its_name() {
        let key_ = key();
        let sealed = key_.seal("db", "hunter22").expect("sealed");
        assert_eq!(key_.open("db", &sealed).as_deref(), Some("hunter22"));
        assert_eq!(key_.open("other", &sealed), None);
        assert_eq!(key().open("db", &sealed), None);
        let mut changed = sealed.clone();
        changed.sealed[0] ^= 1;
        assert_eq!(key_.open("db", &changed), None);
        assert!(!sealed.sealed.windows(4).any(|bytes| bytes == b"hunt"));
        assert_ne!(
            key_.seal("db", "hunter22"),
            Some(sealed),
            "another nonce each time"
        );
    }

    #[test]
    fn a_key_has_32_bytes() {
        assert!(SecretKey::parse("c2hvcnQ=").is_none());
        assert!(SecretKey::parse("not base64!").is_none());
    }
}
