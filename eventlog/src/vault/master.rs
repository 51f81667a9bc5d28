//! The keys from configuration, under which all others are wrapped. There is one, and for the time
//! in which it is changed there are several: the newest wraps, each of them unwraps.

use std::fmt;

use super::VaultError;
use super::cipher::{Key, decrypt, derive, encrypt};

/// Names a master key and tells nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(pub(super) String);

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Master keys, one at least. `Debug` hides them.
#[derive(Clone)]
pub struct MasterKeys {
    newest: MasterKey,
    older: Vec<MasterKey>,
}

#[derive(Clone)]
struct MasterKey {
    name: KeyName,
    /// Wraps the keys of persons.
    wrapping: Key,
    /// Named the claims of addresses, before their key was kept in Postgres.
    claims: Key,
}

/// A wrapped key, and which master key it is wrapped under. Rows of earlier versions do not say.
pub(super) struct Wrapped {
    pub(super) bytes: Vec<u8>,
    pub(super) under: Option<String>,
}

impl MasterKeys {
    #[must_use]
    pub fn new(newest: &[u8; 32], older: &[[u8; 32]]) -> Self {
        Self { newest: MasterKey::new(newest), older: older.iter().map(MasterKey::new).collect() }
    }

    /// The name of the one that wraps.
    #[must_use]
    pub fn newest(&self) -> &KeyName {
        &self.newest.name
    }

    pub(super) fn wrap(&self, bound_to: &[u8], key: &Key) -> Result<Wrapped, VaultError> {
        let bytes = encrypt(&self.newest.wrapping, bound_to, key)?;
        Ok(Wrapped { bytes, under: Some(self.newest.name.0.clone()) })
    }

    pub(super) fn unwrap(&self, bound_to: &[u8], wrapped: &Wrapped) -> Result<Key, VaultError> {
        self.open(bound_to, wrapped).map(|(_, key)| key)
    }

    /// The claims' key of the time when there was one master key only: the one that this was
    /// wrapped under.
    pub(super) fn claims_of(&self, bound_to: &[u8], wrapped: &Wrapped) -> Result<Key, VaultError> {
        self.open(bound_to, wrapped).map(|(master, _)| master.claims)
    }

    /// The same where nothing has been wrapped yet.
    pub(super) fn first_claims(&self) -> Key {
        self.newest.claims
    }

    fn open(&self, bound_to: &[u8], it: &Wrapped) -> Result<(&MasterKey, Key), VaultError> {
        let under = it.under.as_deref();
        let fitting = self.all().filter(|master| under.is_none_or(|under| under == master.name.0));
        let mut opened = fitting.filter_map(|master| {
            let key = decrypt(&master.wrapping, bound_to, &it.bytes).ok()?;
            Some((master, Key::try_from(key).ok()?))
        });
        opened.next().ok_or(VaultError::OtherMaster)
    }

    fn all(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl MasterKey {
    fn new(key: &Key) -> Self {
        let name = derive(key, "name of the key");
        Self {
            name: KeyName(hex::encode(&name[..4])),
            wrapping: derive(key, "keys of persons"),
            claims: derive(key, "e-mail claims"),
        }
    }
}

impl From<&[u8; 32]> for MasterKeys {
    fn from(only: &[u8; 32]) -> Self {
        Self::new(only, &[])
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeys").finish_non_exhaustive()
    }
}
