//! What a client says in a login by SCRAM (RFC 5802), without channel binding.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use openssl::{
    error::ErrorStack,
    hash::{MessageDigest, hash},
    memcmp,
    pkcs5::pbkdf2_hmac,
    pkey::PKey,
    sign::Signer,
};

/// No channel is bound: `n,,` in base64.
const NO_CHANNEL: &str = "biws";
/// A server that asks for more rounds than this keeps us busy for no good.
const MAX_ROUNDS: usize = 1 << 20;

/// A login under way.
pub(super) struct Scram {
    digest: MessageDigest,
    password: String,
    nonce: String,
    /// The first message without its head.
    first: String,
    /// What the server must say in the end, once that is known.
    expected: Option<Vec<u8>>,
}

impl Scram {
    /// Of a user, with a nonce that was never used before.
    pub(super) fn new(digest: MessageDigest, user: &str, password: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            digest,
            password: password.to_owned(),
            first: format!("n={user},r={nonce}"),
            nonce,
            expected: None,
        }
    }

    /// The first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.first).into_bytes()
    }

    /// What to say to what the server says; nothing more if it knows the password too. The error says what is wrong with the server's words.
    pub(super) fn next(&mut self, said: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let said = std::str::from_utf8(said).map_err(|_| "the broker's login is no text")?;
        match self.expected.take() {
            None => self.prove(said).map(Some),
            Some(expected) => {
                let signature = field(said, 'v')?;
                let signature = STANDARD.decode(signature).unwrap_or_default();
                if signature.len() == expected.len() && memcmp::eq(&signature, &expected) {
                    Ok(None)
                } else {
                    Err("the broker does not know the password itself".into())
                }
            }
        }
    }

    fn prove(&mut self, said: &str) -> Result<Vec<u8>, String> {
        let nonce = field(said, 'r')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the broker answers another login".into());
        }
        let salt = STANDARD.decode(field(said, 's')?);
        let salt = salt.map_err(|error| format!("the broker's salt is no base64: {error}"))?;
        let rounds = field(said, 'i')?
            .parse()
            .ok()
            .filter(|rounds| (1..=MAX_ROUNDS).contains(rounds));
        let rounds = rounds.ok_or("the broker asks for no sensible number of rounds")?;
        let last = format!("c={NO_CHANNEL},r={nonce}");
        let all = format!("{},{said},{last}", self.first);
        let (proof, expected) = self
            .keys(&salt, rounds, all.as_bytes())
            .map_err(|error| error.to_string())?;
        self.expected = Some(expected);
        Ok(format!("{last},p={}", STANDARD.encode(proof)).into_bytes())
    }

    /// The client's proof, and the server's signature.
    fn keys(&self, salt: &[u8], rounds: usize, all: &[u8]) -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let mut salted = vec![0; self.digest.size()];
        pbkdf2_hmac(self.password.as_bytes(), salt, rounds, self.digest, &mut salted)?;
        let client = self.hmac(&salted, b"Client Key")?;
        let signature = self.hmac(&hash(self.digest, &client)?, all)?;
        let proof = client
            .iter()
            .zip(&signature)
            .map(|(key, mask)| key ^ mask)
            .collect();
        let server = self.hmac(&salted, b"Server Key")?;
        Ok((proof, self.hmac(&server, all)?))
    }

    fn hmac(&self, key: &[u8], text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(key)?;
        let mut signer = Signer::new(self.digest, &key)?;
        signer.sign_oneshot_to_vec(text)
    }
}

/// The value behind `name=`.
fn field(said: &str, name: char) -> Result<&str, String> {
    let mut fields = said.split(',');
    let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.ok_or_else(|| format!("the broker's login has no '{name}': {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677.
    fn example() -> Scram {
        Scram::new(
            MessageDigest::sha256(),
            "user",
            "pencil",
            "rOprNGfwEbeRWgbNEkqO".into(),
        )
    }

    const SERVER_FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn a_login_says_what_the_specification_says() {
        let mut login = example();
        assert_eq!(login.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = login.next(SERVER_FIRST).expect("a proof").expect("more to say");
        assert_eq!(
            String::from_utf8_lossy(&proof),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let end = login.next(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(end, Ok(None));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let mut login = example();
        login.next(SERVER_FIRST).expect("a proof");
        assert!(
            login
                .next(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")
                .is_err()
        );
        for said in [
            &b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"[..],
            b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
            b"r=rOprNGfwEbeRWgbNEkqOx,i=4096",
            b"\xff",
        ] {
            assert!(example().next(said).is_err(), "{}", String::from_utf8_lossy(said));
        }
    }

    #[test]
    fn signs_of_the_protocol_in_a_name_are_written_otherwise() {
        let login = Scram::new(MessageDigest::sha512(), "a=b,c", "p", "n".into());
        assert_eq!(login.first(), b"n,,n=a=3Db=2Cc,r=n");
    }
}
