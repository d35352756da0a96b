-- What tables name by ${secret:name}, sealed: without the key, which is not in here, nobody can read a value.

CREATE TABLE secrets (
    name          text   PRIMARY KEY,
    -- Of ChaCha20-Poly1305, another one each time that the secret is set. The name is authenticated with the value.
    nonce         bytea  NOT NULL,
    sealed        bytea  NOT NULL,
    created_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL
);
