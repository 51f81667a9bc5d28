//! What holds for all routes, or for all of a kind.

use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Header, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
    Schema, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{PROBLEMS, Problem};

/// Headers of answers: name, meaning, example.
const HEADERS: [(&str, &str, &str); 9] = [
    ("ETag", "The version; a later `If-Match` may name it", "\"3\""),
    (
        "Link",
        "Where the next page is, if there is one",
        "</api/tickets?limit=20&after=90-90>; rel=\"next\"",
    ),
    ("Location", "Where what was made is", "/api/tickets/01890a5d-ac96-774b-bcce-b302099a8057"),
    ("RateLimit", "What is left of each limit", "\"address\";r=1999, \"account\";r=999"),
    (
        "RateLimit-Policy",
        "The limits: `q` requests at once, all back after `w` quiet seconds",
        "\"address\";q=2000;w=2",
    ),
    ("Retry-After", "After how many seconds to come again", "1"),
    (
        "Ticketing-Position",
        "How far the log was: send it with a read that must show this",
        "1203-1203",
    ),
    ("Ticketing-Stale", "`true`: the newest writes may not be in this answer yet", "true"),
    (
        "X-Request-Id",
        "The name of this request, in our logs too",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ),
];

/// Adds to a route's own description what it has in common with others.
pub(super) fn complete(path: &str, changes: bool, operation: &mut Operation) {
    let asks_who = operation.security.is_some();
    let takes_body = operation.request_body.is_some();
    let mut refusals = vec![429, 431, 500, 503];
    if asks_who && !may_be_anonymous(operation) {
        refusals.push(401);
    }
    if takes_body {
        refusals.extend([408, 413, 415]);
    }
    if changes {
        refusals.extend([400, 403, 409, 412, 422]);
    }
    // What a provider tells is named by its signature and nothing else.
    if changes && !path.starts_with("/webhooks/") {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(RefOr::T(idempotency_key()));
        // What is only about to be made has no version yet.
        if path.contains('{') || path.contains("/me") {
            parameters.push(RefOr::T(if_match()));
        }
    }
    if !changes {
        operation.parameters.get_or_insert_default().push(RefOr::T(position()));
    }
    if path.contains('{') {
        refusals.push(404);
    }
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        match response {
            RefOr::T(response) if status.starts_with('2') => explain(response, changes),
            // A refusal of the route's own: of that, the status says it all.
            RefOr::T(_) => refusals.extend(status.parse::<u16>()),
            RefOr::Ref(_) => {}
        }
    }
    for (status, name, _) in PROBLEMS {
        if refusals.contains(&status) {
            responses.insert(status.to_string(), RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

/// Defines what [`complete`] refers to.
pub(super) fn define(components: &mut Components) {
    let mut named = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut named);
    components.schemas.extend(named);
    for (name, about, example) in HEADERS {
        components.headers.insert(name.to_owned(), RefOr::T(header(about, example)));
    }
    for (status, name, title) in PROBLEMS {
        components.responses.insert(name.to_owned(), RefOr::T(refusal(status, name, title)));
    }
    let cookie = ApiKeyValue::with_description(
        "session",
        "A browser's session. Over https the cookie is called `__Host-session`",
    );
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A program's access token, from `POST /api/users/token`"))
        .build();
    let schemes = [
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("token", SecurityScheme::Http(token)),
    ];
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
}

/// Whether who is not signed in may ask as well.
pub(crate) fn may_be_anonymous(operation: &Operation) -> bool {
    let free = |alternative: &utoipa::openapi::SecurityRequirement| {
        serde_json::to_value(alternative).is_ok_and(|value| value == json!({}))
    };
    operation.security.as_ref().is_some_and(|alternatives| alternatives.iter().any(free))
}

/// The headers that every answer has, and those that every change has; a header that the route
/// names itself gets its explanation.
fn explain(response: &mut Response, of_a_change: bool) {
    let every = ["X-Request-Id", "RateLimit", "RateLimit-Policy"];
    let of_a_change = ["Ticketing-Position"].into_iter().filter(|_| of_a_change);
    for name in every.into_iter().chain(of_a_change) {
        response.headers.insert(name.to_owned(), RefOr::Ref(header_named(name)));
    }
    for (name, header) in &mut response.headers {
        *header = RefOr::Ref(header_named(name));
    }
}

fn header_named(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

fn header(about: &str, example: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(text()))
        .description(Some(about))
        .example(Some(json!(example)))
        .build()
}

fn refusal(status: u16, name: &str, title: &str) -> Response {
    let slug = slug(status);
    let example = json!({
        "type": format!("/problems/{slug}"),
        "title": title,
        "status": status,
        "detail": title,
        "instance": "/api/tickets",
        "errors": [{"message": title}],
    });
    let mut content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    content.example = Some(example);
    let mut response = ResponseBuilder::new()
        .description(title)
        .content("application/problem+json", content)
        .build();
    explain(&mut response, false);
    if matches!(name, "TooManyRequests" | "Unavailable" | "Conflict") {
        let name = "Retry-After";
        response.headers.insert(name.to_owned(), RefOr::Ref(header_named(name)));
    }
    response
}

fn slug(status: u16) -> &'static str {
    let status = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    crate::problem::name(status).0
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).build().into()
}

fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let text = text.min_length(Some(1)).max_length(Some(255)).build();
    sent(
        "Idempotency-Key",
        "New for each thing that is wanted. The same request under the same key has one effect",
        text.into(),
        "order-4711",
    )
}

fn if_match() -> Parameter {
    let about = "Only if it still has the version of this `ETag`, such as `\"3\"`";
    sent("If-Match", about, text(), "*")
}

fn position() -> Parameter {
    let about = "The `Ticketing-Position` of a write that the answer must show";
    sent("Ticketing-Position", about, text(), "1203-1203")
}

fn sent(name: &str, about: &str, schema: RefOr<Schema>, example: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .example(Some(json!(example)))
        .build()
}
