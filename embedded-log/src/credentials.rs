//! Who may use the log: names and passwords, sent with every call as HTTP's Basic scheme has it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::rpc::Refusal;

const SCHEME: &str = "basic";

/// Pairs of a user and a password. Whoever knows one may do everything.
#[derive(Clone)]
pub struct Credentials {
    /// Of `user:password`, so that no password stays in memory.
    accepted: Vec<Digest>,
}

/// Why a text holds no credentials. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CredentialsError {
    /// A line is not of the form `user:password`.
    #[error("line {0} is not of the form user:password, with something on both sides")]
    Form(usize),
    /// Nobody could use the log.
    #[error("it names no user; write user:password")]
    Empty,
}

impl Credentials {
    /// One `user:password` a line. Empty lines and lines that begin with `#` are left out. Several
    /// passwords of one user are all right, so that one can be replaced by another.
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let mut accepted = Vec::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                    accepted.push(digest(&SHA256, line.as_bytes()));
                }
                Some(_) | None => return Err(CredentialsError::Form(number)),
            }
        }
        if accepted.is_empty() { Err(CredentialsError::Empty) } else { Ok(Self { accepted }) }
    }

    fn check(&self, header: Option<&[u8]>) -> Result<(), Refusal> {
        let header = header.ok_or(Refusal::NoCredentials)?;
        let given = decode(header).ok_or(Refusal::WrongCredentials)?;
        let given = digest(&SHA256, &given);
        let known =
            |known: &Digest| verify_slices_are_equal(known.as_ref(), given.as_ref()).is_ok();
        if self.accepted.iter().any(known) { Ok(()) } else { Err(Refusal::WrongCredentials) }
    }
}

/// What stands behind the name of the scheme.
fn decode(header: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    BASE64_STANDARD.decode(encoded.trim()).ok()
}

impl Interceptor for Credentials {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match self
            .check(request.metadata().get("authorization").map(MetadataValue::as_encoded_bytes))
        {
            Ok(()) => Ok(request),
            Err(refusal) => {
                metrics::counter!("log_calls_unauthenticated_total").increment(1);
                Err(refusal.into())
            }
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_let_in_with_each_of_its_passwords_and_with_no_other() {
        let credentials = Credentials::parse("# people\nann:one\n\nann:two:2\nbob:ü\n").unwrap();
        let checked = |text: &str| {
            let header = format!("Basic {}", BASE64_STANDARD.encode(text));
            credentials.check(Some(header.as_bytes())).is_ok()
        };
        for good in ["ann:one", "ann:two:2", "bob:ü"] {
            assert!(checked(good), "{good}");
        }
        for bad in ["", ":", "ann", "ann:", "ann:two", "ann:One", "bob:one", "# people", "x:one"] {
            assert!(!checked(bad), "{bad}");
        }
    }

    #[test]
    fn the_header_is_read_as_http_has_it_and_nonsense_is_refused() {
        let credentials = Credentials::parse("ann:one").unwrap();
        let encoded = BASE64_STANDARD.encode("ann:one");
        for good in ["Basic", "basic", "BASIC"] {
            assert!(credentials.check(Some(format!("{good} {encoded}").as_bytes())).is_ok());
        }
        for bad in [&*encoded, "Basic", "Basic ???", "Bearer abc", "", "Basic YW5u"] {
            let refused = credentials.check(Some(bad.as_bytes()));
            assert!(matches!(refused, Err(Refusal::WrongCredentials)), "{bad}");
        }
        let refused = credentials.check(None);
        assert!(matches!(refused, Err(Refusal::NoCredentials)));
    }

    #[test]
    fn what_names_no_user_and_password_is_refused_without_being_repeated() {
        for (text, error) in [
            ("", CredentialsError::Empty),
            ("\n# only a remark\n", CredentialsError::Empty),
            ("ann:one\nsecret", CredentialsError::Form(2)),
            ("ann:", CredentialsError::Form(1)),
            (":one", CredentialsError::Form(1)),
        ] {
            assert_eq!(Credentials::parse(text).unwrap_err(), error, "{text}");
        }
        let shown = format!("{:?}", Credentials::parse("ann:secret").unwrap());
        assert!(!shown.contains("secret"));
    }
}
