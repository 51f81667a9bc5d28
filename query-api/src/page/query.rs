//! Pages of the REST lists: `?limit=&after=`.

use std::fmt::Display;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use web::ApiError;

use super::{Cursor, InvalidCursor, InvalidLimit, Page};

/// `?limit=&after=`
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many; 20 unless said.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// Where the page before ended, from its `Link` header.
    #[param(pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    after: Option<String>,
}

/// The page that a request asks for.
pub(crate) struct RestPage(pub(crate) Page);

impl<S: Send + Sync> FromRequestParts<S> for RestPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<PageQuery>::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|_| ApiError::bad_request("The query cannot be read"))?;
        let limit = given(query.limit.as_deref()).map(str::parse).transpose();
        let limit = limit.map_err(|_| ApiError::invalid("limit", InvalidLimit.to_string()))?;
        let after: Result<Option<Cursor>, InvalidCursor> =
            given(query.after.as_deref()).map(str::parse).transpose();
        let after = after.map_err(|error| invalid("after", error))?;
        Page::first(limit, after).map(Self).map_err(|error| invalid("limit", error))
    }
}

/// An empty parameter is one that was left out.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn invalid(field: &str, error: impl Display) -> ApiError {
    ApiError::invalid(field, error.to_string())
}
