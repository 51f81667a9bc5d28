//! Errors in answers: each has a `code` in its extensions.

use async_graphql::{Error, ErrorExtensions, ServerError, Value};

use crate::database::ReadError;

/// What an error is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// One must be signed in to ask this.
    Unauthenticated,
    /// An argument has a value that it cannot have.
    BadInput,
    /// The query itself is not one: syntax, unknown fields, too deep, too large.
    InvalidQuery,
    /// Something needed for it is away. Never seen by clients: the whole answer is a 503.
    Unavailable,
    Internal,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::BadInput => "BAD_INPUT",
            Self::InvalidQuery => "INVALID_QUERY",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    pub(crate) fn error(self, message: impl Into<String>) -> Error {
        Error::new(message).extend_with(|_, extensions| extensions.set("code", self.as_str()))
    }
}

pub(crate) fn unauthenticated() -> Error {
    Code::Unauthenticated.error("Not authorized")
}

pub(crate) fn bad_argument(name: &str, problem: impl std::fmt::Display) -> Error {
    let error = Code::BadInput.error(format!("{name}: {problem}"));
    error.extend_with(|_, extensions| extensions.set("argument", name))
}

pub(crate) fn unavailable() -> Error {
    Code::Unavailable.error("This cannot be done just now, please try again")
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Unavailable(why) => {
                tracing::warn!("a read was not answered: {why}");
                unavailable()
            }
            ReadError::Broken(why) => {
                tracing::error!("{error}: {why}");
                Code::Internal.error("Something went wrong")
            }
        }
    }
}

pub(crate) fn has_code(error: &ServerError, code: Code) -> bool {
    let known = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    known == Some(&Value::from(code.as_str()))
}

/// Errors of ours have a code; those without come from reading the query.
pub(crate) fn give_code(error: &mut ServerError) {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", Code::InvalidQuery.as_str());
    }
}
