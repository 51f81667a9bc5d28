//! The keys of one installation.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use aws_lc_rs::rand;
use eventlog::MasterKeys;
use serde::{Deserialize, Serialize};

use crate::data_directory::private_file;

/// Keys of 32 bytes. `Debug` hides them.
pub(crate) struct Secrets {
    /// Signs session cookies.
    pub(crate) session: [u8; 32],
    /// Wrap the keys of personal data.
    pub(crate) vault: MasterKeys,
    /// Sign the tokens of programs, newest first.
    pub(crate) tokens: Vec<[u8; 32]>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// How they lie in the file, in hex.
#[derive(Deserialize, Serialize)]
struct Stored {
    session_key: String,
    /// One, or several separated by commas, newest first, while one takes the place of another.
    vault_key: String,
    /// Newest first. Files of before there were tokens have none.
    #[serde(default)]
    token_keys: Vec<String>,
}

impl Secrets {
    /// From hex; of the vault and of tokens there are one or more, separated by commas, newest first.
    pub(crate) fn parse(session: &str, vault: &str, tokens: &str) -> anyhow::Result<Self> {
        let vault = keys(vault).context("TICKETING_VAULT_KEY")?;
        let (newest, older) = vault.split_first().context("TICKETING_VAULT_KEY is empty")?;
        Ok(Self {
            session: key(session).context("TICKETING_SESSION_KEY")?,
            vault: MasterKeys::new(newest, older),
            tokens: keys(tokens).context("TICKETING_TOKEN_KEYS")?,
        })
    }

    /// The keys that `ticketing up` made.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Self> {
        let path = path(data);
        let read = || {
            let stored = stored(&path)?;
            ensure!(
                !stored.token_keys.is_empty(),
                "no token_keys; `ticketing up` adds one to a file of an earlier version"
            );
            Self::parse(&stored.session_key, &stored.vault_key, &stored.token_keys.join(","))
        };
        read().with_context(|| path.display().to_string())
    }

    /// The keys in the directory; what is missing is made there, for its owner's eyes only.
    pub(crate) fn read_or_create(data: &Path) -> anyhow::Result<Self> {
        let path = path(data);
        let complete = || {
            let stored = if path.exists() { stored(&path)? } else { Stored::random()? };
            if stored.token_keys.is_empty() || !path.exists() {
                let token_keys = vec![random_key()?];
                write(&path, &Stored { token_keys, ..stored })?;
            }
            anyhow::Ok(())
        };
        complete().with_context(|| path.display().to_string())?;
        Self::read(data)
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("secrets.json")
}

impl Stored {
    /// No token key yet.
    fn random() -> anyhow::Result<Self> {
        let (session_key, vault_key) = (random_key()?, random_key()?);
        Ok(Self { session_key, vault_key, token_keys: Vec::new() })
    }
}

fn stored(path: &Path) -> anyhow::Result<Stored> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

/// Written beside and renamed: after a crash the file is whole or not there at all.
fn write(path: &Path, stored: &Stored) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let mut file = private_file(&beside)?;
    file.write_all(serde_json::to_string_pretty(stored)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(())
}

fn random_key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    rand::fill(&mut key).context("the system gives no random bytes")?;
    Ok(hex::encode(key))
}

fn keys(text: &str) -> anyhow::Result<Vec<[u8; 32]>> {
    text.split(',').map(key).collect()
}

fn key(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = hex::decode(text.trim()).context("not hex digits")?;
    <[u8; 32]>::try_from(bytes).map_err(|_| anyhow::anyhow!("not 64 hex digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_before_there_were_tokens_gets_a_key_and_keeps_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let old = format!(
            "{{\"session_key\": \"{}\", \"vault_key\": \"{}\"}}",
            "5e".repeat(32),
            "7a".repeat(32)
        );
        fs::write(path(directory.path()), old).unwrap();
        assert!(Secrets::read(directory.path()).is_err());
        let first = Secrets::read_or_create(directory.path()).unwrap();
        let vault = MasterKeys::from(&[0x7a; 32]);
        assert_eq!((first.session, first.vault.newest()), ([0x5e; 32], vault.newest()));
        let again = Secrets::read_or_create(directory.path()).unwrap();
        assert_eq!((first.tokens.len(), first.tokens), (1, again.tokens));
    }
}
