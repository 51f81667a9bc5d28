//! Queries that were read before. Reading the text of one takes longer than answering it, and clients
//! ask the same few again and again. They are found by the SHA-256 of their text, so a client may
//! also send that alone: automatic persisted queries, as Apollo's clients do them.

use std::sync::Arc;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, ServerError, Value};
use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;

use super::error::{self, Code};
use super::guards::{self, TooLarge};

/// The texts that are kept are this long together; what is kept of them is some times as much.
const TEXT_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// A query that has hardly any text takes room all the same.
const TEXT_BYTES_MIN: u32 = 256;

type Hash = [u8; 32];

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Documents {
    known: Cache<Hash, (u32, Arc<ExecutableDocument>)>,
}

impl Documents {
    pub(crate) fn new() -> Self {
        let known = Cache::builder()
            .max_capacity(TEXT_BYTES_MAX)
            .weigher(|_, (bytes, _): &(u32, _)| (*bytes).max(TEXT_BYTES_MIN))
            .build();
        Self { known }
    }

    /// Reads the text of a request, or finds what was read before.
    pub(crate) fn prepare(&self, request: &mut Request) -> Result<(), ServerError> {
        let claimed = request.extensions.remove("persistedQuery").map(|it| claimed_hash(&it));
        let claimed = claimed.transpose()?;
        if request.query.is_empty() {
            let Some(hash) = claimed else {
                return Err(error::server(Code::InvalidQuery, "There is no query"));
            };
            let (_, known) = self.known.get(&hash).ok_or_else(|| {
                error::server(Code::PersistedQueryNotFound, "PersistedQueryNotFound")
            })?;
            request.set_parsed_query(ExecutableDocument::clone(&known));
            return Ok(());
        }
        let hash = hash_of(&request.query);
        if claimed.is_some_and(|claimed| claimed != hash) {
            return Err(error::server(Code::BadInput, "sha256Hash is not that of the query"));
        }
        if let Some((_, known)) = self.known.get(&hash) {
            request.set_parsed_query(ExecutableDocument::clone(&known));
            return Ok(());
        }
        let too_large = |why: TooLarge| error::server(Code::QueryTooLarge, why.to_string());
        guards::check_text(&request.query).map_err(too_large)?;
        let document = parse_query(&request.query)?;
        guards::check(&document).map_err(too_large)?;
        let bytes = u32::try_from(request.query.len()).unwrap_or(u32::MAX);
        self.known.insert(hash, (bytes, Arc::new(document.clone())));
        request.set_parsed_query(document);
        Ok(())
    }
}

fn hash_of(text: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// `{"version": 1, "sha256Hash": "…"}`
fn claimed_hash(extension: &Value) -> Result<Hash, ServerError> {
    let refused =
        |problem: &str| error::server(Code::BadInput, format!("persistedQuery: {problem}"));
    let Value::Object(members) = extension else { return Err(refused("must be an object")) };
    if members.get("version") != Some(&Value::from(1)) {
        return Err(refused("only version 1 is known"));
    }
    let Some(Value::String(text)) = members.get("sha256Hash") else {
        return Err(refused("sha256Hash is missing"));
    };
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)
        .map_err(|_| refused("sha256Hash must be 64 hex digits"))?;
    Ok(hash)
}
