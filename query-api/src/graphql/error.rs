//! Errors in answers: each has a `code` in its extensions.

use async_graphql::{Error, ErrorExtensions, ServerError, Value};
use eventlog::LogError;
use serde_json::json;

use crate::database::ReadError;

/// What an error is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// One must be signed in to ask this.
    Unauthenticated,
    /// An argument has a value that it cannot have.
    BadInput,
    /// The query itself is not one: syntax, unknown fields.
    InvalidQuery,
    /// The query is too deep, or would make too large an answer.
    QueryTooLarge,
    /// The text of the query must be sent too.
    PersistedQueryNotFound,
    /// There are as many subscriptions as there may be.
    TooManySubscriptions,
    /// What was subscribed to came faster than it was taken.
    TooSlow,
    /// The server ends; subscribe again after the last position seen.
    GoingAway,
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
            Self::QueryTooLarge => "QUERY_TOO_LARGE",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::TooManySubscriptions => "TOO_MANY_SUBSCRIPTIONS",
            Self::TooSlow => "TOO_SLOW",
            Self::GoingAway => "GOING_AWAY",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// An error of its own, where there is no answer for it to be in.
    pub(crate) fn as_json(self) -> serde_json::Value {
        let message = match self {
            Self::GoingAway | Self::TooSlow => "Subscribe again after the last position seen",
            Self::Unauthenticated => "The session is over",
            Self::BadInput
            | Self::InvalidQuery
            | Self::QueryTooLarge
            | Self::PersistedQueryNotFound
            | Self::TooManySubscriptions
            | Self::Unavailable
            | Self::Internal => "This cannot be answered",
        };
        json!({"message": message, "extensions": {"code": self.as_str()}})
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

/// An error of a whole request.
pub(crate) fn server(code: Code, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code.as_str());
    error
}

/// The log cannot be read, or holds what this program cannot.
pub(crate) fn of_log(error: &LogError) -> Error {
    if error.is_unavailable() {
        tracing::warn!("a read of the log was not answered: {error}");
        return unavailable();
    }
    tracing::error!("the log cannot be read: {error}");
    Code::Internal.error("Something went wrong")
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
    const LIMITS: [&str; 4] =
        ["too complex", "nested too deep", "recursion depth", "number of directives"];
    let code = match LIMITS.iter().any(|limit| error.message.contains(limit)) {
        true => Code::QueryTooLarge,
        false => Code::InvalidQuery,
    };
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", code.as_str());
    }
}
