//! Hashing passwords: argon2id, which takes memory and time on purpose. So it is done off the
//! async threads, and no more at once than there are cores.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::password::Password;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;
use web::ApiError;

/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The longest that a request waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// When to try again if the turn did not come.
const RETRY_AFTER_SECONDS: u32 = 5;

/// The bounded hasher. Cheap to clone; clones share the bound.
#[derive(Clone)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("too many passwords wait to be hashed")]
    Busy,
    #[error("hashing failed")]
    Hash(#[from] password_hash::Error),
    #[error("a stored hash cannot be read")]
    Stored(#[from] password_hash::phc::Error),
    #[error("hashing was interrupted")]
    Interrupted(#[from] JoinError),
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::unavailable(RETRY_AFTER_SECONDS),
            PasswordError::Hash(_) | PasswordError::Stored(_) | PasswordError::Interrupted(_) => {
                Self::internal(&error)
            }
        }
    }
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(cores)) }
    }

    /// The hash of a password with a fresh salt, as text that names its parameters.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        self.in_turn(move || hash(&password)).await
    }

    /// Whether the password is the one that was hashed. With no hash to compare to it is not, and
    /// that takes as long to find out.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.in_turn(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => hash(&password).map(|_| false),
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(PasswordError::Busy) };
        // The turn goes along: work goes on when the request is gone, and still counts.
        let done = spawn_blocking(move || {
            let outcome = work();
            drop(turn);
            outcome
        });
        done.await?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(password_hash::Error::from)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Password) -> Result<String, PasswordError> {
    Ok(argon2()?.hash_password(password.as_bytes())?.to_string())
}

fn verify(password: &Password, stored: &str) -> Result<bool, PasswordError> {
    let stored = PasswordHash::new(stored)?;
    match argon2()?.verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_that_was_hashed_is_right() {
        let passwords = Passwords::new();
        let stored = passwords.hash(password("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let right = passwords.verify(password("correct horse"), Some(stored.clone())).await;
        assert!(right.unwrap());
        assert!(!passwords.verify(password("wrong horse"), Some(stored)).await.unwrap());
        assert!(!passwords.verify(password("correct horse"), None).await.unwrap());
    }
}
