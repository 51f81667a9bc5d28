//! The keys of one installation.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

use crate::data_directory::private_file;

/// Keys of 32 bytes. `Debug` hides them.
pub(crate) struct Secrets {
    /// Signs session cookies.
    pub(crate) session: [u8; 32],
    /// Wraps the keys of personal data.
    pub(crate) vault: [u8; 32],
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
    vault_key: String,
}

impl Secrets {
    pub(crate) fn parse(session: &str, vault: &str) -> anyhow::Result<Self> {
        Ok(Self {
            session: key(session).context("TICKETING_SESSION_KEY")?,
            vault: key(vault).context("TICKETING_VAULT_KEY")?,
        })
    }

    /// The keys that `ticketing up` made.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Self> {
        let path = path(data);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let stored: Stored =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Self::parse(&stored.session_key, &stored.vault_key)
            .with_context(|| path.display().to_string())
    }

    /// The keys in the directory, made there on first use for its owner's eyes only.
    pub(crate) fn read_or_create(data: &Path) -> anyhow::Result<Self> {
        let path = path(data);
        if !path.exists() {
            create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Self::read(data)
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("secrets.json")
}

/// Written beside and renamed: after a crash the file is whole or not there at all.
fn create(path: &Path) -> anyhow::Result<()> {
    let stored = Stored { session_key: random_key()?, vault_key: random_key()? };
    let beside = path.with_extension("new");
    let mut file = private_file(&beside)?;
    file.write_all(serde_json::to_string_pretty(&stored)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(())
}

fn random_key() -> anyhow::Result<String> {
    let mut key = [0; 32];
    rand::fill(&mut key).context("the system gives no random bytes")?;
    Ok(hex::encode(key))
}

fn key(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = hex::decode(text.trim()).context("not hex digits")?;
    <[u8; 32]>::try_from(bytes).map_err(|_| anyhow::anyhow!("not 64 hex digits"))
}
