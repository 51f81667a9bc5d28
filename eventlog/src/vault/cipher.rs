//! AES-256-GCM with random nonces, and keys derived for one purpose each.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;

use super::VaultError;

pub(super) type Key = [u8; 32];

/// A key for one purpose; it tells nothing of the master key or of the other purposes' keys.
pub(super) fn derive(master_key: &Key, purpose: &str) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, master_key), purpose.as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(tag.as_ref());
    key
}

pub(super) fn random() -> Result<Key, VaultError> {
    let mut key = Key::default();
    aws_lc_rs::rand::fill(&mut key).map_err(|_| VaultError::Damaged)?;
    Ok(key)
}

/// The nonce, then the encrypted bytes with their tag.
pub(super) fn encrypt(key: &Key, bound_to: &[u8], clear: &[u8]) -> Result<Vec<u8>, VaultError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Damaged)?;
    let mut bytes = clear.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(bound_to), &mut bytes)
        .map_err(|_| VaultError::Damaged)?;
    Ok([nonce.as_ref().as_slice(), &bytes].concat())
}

pub(super) fn decrypt(key: &Key, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Damaged)?;
    let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Damaged)?;
    let mut bytes = bytes.to_vec();
    let clear = key
        .open_in_place(Nonce::from(nonce), Aad::from(bound_to), &mut bytes)
        .map_err(|_| VaultError::Damaged)?;
    Ok(clear.to_vec())
}
