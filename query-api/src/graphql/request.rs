//! One request, from its text to its answer.

use async_graphql::{Request, Response as Answer, ServerError, Value};
use domain::Position;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use web::Session;

use super::error::{self, Code};
use super::reader;
use super::types::Consistency;
use crate::State;
use crate::freshness::Seen;

/// The answer, and how far it has come.
pub(crate) async fn answer(
    state: &State,
    session: Option<Session>,
    wanted: Option<Position>,
    mut request: Request,
) -> (Answer, Seen) {
    let at_least = match prepare(state, &mut request) {
        Ok(at_least) => at_least,
        Err(error) => {
            return complete(Answer::from_errors(vec![error]), state.freshness.now());
        }
    };
    let reader = reader::for_request(state, session, wanted.max(at_least));
    let answer = state.schema.execute(request.data(reader.clone())).await;
    complete(answer, reader.loader().seen())
}

/// Answers as long as there are any: one to a query, many to a subscription.
pub(crate) fn answers(
    state: &State,
    session: Option<Session>,
    seen: Option<Position>,
    mut request: Request,
) -> BoxStream<'static, Answer> {
    let at_least = match prepare(state, &mut request) {
        Ok(at_least) => at_least,
        Err(error) => return stream::iter([Answer::from_errors(vec![error])]).boxed(),
    };
    let reader = reader::for_subscription(state, session, seen.max(at_least));
    let answers = state.schema.execute_stream(request.data(reader));
    let complete = |mut answer: Answer| {
        answer.errors.iter_mut().for_each(error::give_code);
        answer
    };
    answers.map(complete).boxed()
}

/// Whether the request itself was refused, so that there is nothing to show.
pub(crate) fn is_refused(answer: &Answer) -> bool {
    !answer.errors.is_empty() && answer.data == Value::Null
}

/// Reads the query, and from where on it is to be answered.
fn prepare(state: &State, request: &mut Request) -> Result<Option<Position>, ServerError> {
    let at_least = match request.extensions.remove("atLeast") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(
            text.parse()
                .map_err(|problem| error::server(Code::BadInput, format!("atLeast: {problem}")))?,
        ),
        Some(_) => return Err(error::server(Code::BadInput, "atLeast: must be a position")),
    };
    state.documents.prepare(request)?;
    Ok(at_least)
}

fn complete(mut answer: Answer, seen: Seen) -> (Answer, Seen) {
    answer.errors.iter_mut().for_each(error::give_code);
    let consistency = Value::from(Consistency::from(seen));
    answer.extensions.insert("consistency".to_owned(), consistency);
    (answer, seen)
}
