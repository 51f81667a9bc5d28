//! Putting tickets on sale and changing them.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use domain::id::{AccountId, TicketId};
use domain::money::{Currency, InvalidMoney, Money};
use domain::text::{InvalidQuantity, InvalidTitle, Quantity, Title};
use domain::ticket::{TicketCommand, TicketListed, TicketRejection};
use domain::{Aggregate, Cause, Revision, Ticket};
use eventlog::{EventLog, ExecuteError, Executed};
use web::wire::{self, Price};
use web::{ApiError, Command, Fields, IfMatch, NoVersion, PathId, RequestCause, SignedIn};

use crate::bodies::{Edit, Listing};
use crate::refusal::{Refusal, not_executed, not_logged};
use crate::state::Extract;
use crate::step::{begin, derived, first_answer, step};

/// A seller who names no limit lets nobody take more units than this at once, however many there
/// are now or later.
const MAX_PER_ORDER_DEFAULT: u32 = 10;
const WITHDRAWN_BECAUSE: &str = "withdrawn by the seller";

/// Put a ticket on sale
#[utoipa::path(
    post, path = "/api/tickets", tag = "tickets",
    request_body = Listing,
    responses(
        (status = 201, description = "On sale", body = wire::Ticket,
            headers(("Location" = String), ("ETag" = String))),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn list(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    _: NoVersion,
    Command { mut fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let listed = read_listing(&mut fields, session.account);
    let Some(listed) = listed else { return Err(fields.refused()) };
    let repeatable = cause.is_repeatable();
    let cause = cause.by(Some(session.account));
    let id = TicketId(derived(&cause, "ticket"));

    let TicketListed { seller, title, price, quantity, max_per_order } = listed.clone();
    let command = TicketCommand::List { seller, title, price, quantity, max_per_order };
    let listing = step(&cause, "list");
    let executed = begin::<Ticket>(&state.log, &id, command, &listing, repeatable).await;
    let executed = first_answer(&state.log, &id, executed.map_err(not_executed)?).await?;

    // What was listed, even if the request is made again when others have bought some of it.
    let listed = domain::ticket::TicketEvent::TicketListed(listed);
    let answer = shown(id, &Ticket::fold([&listed]), Some(Revision(0)))?;
    let location = [(header::LOCATION, format!("/api/tickets/{id}"))];
    let written = state.web.written(executed.position, Some(Revision(0)));
    Ok((StatusCode::CREATED, location, written, Json(answer)))
}

/// Change a ticket
///
/// The seller, as long as a ticket of a single unit is not reserved.
//
// Title and price are one command, the number of units another. Should somebody buy in between,
// the second may be refused when the first has taken effect; what would be refused as things
// stand is tried first, so that it leaves nothing half done. Only the first is bound to
// `If-Match`. A request that broke off in between is finished by making it again with its key.
//
// The request is read with the ticket in mind as this process last knew it. The first command is
// bound to that state: has somebody changed the ticket since, the request is read again.
#[utoipa::path(
    put, path = "/api/tickets/{id}", tag = "tickets",
    params(("id" = Uuid, Path, description = "The ticket")),
    request_body = Edit,
    responses(
        (status = 200, description = "As it is now", body = wire::Ticket,
            headers(("ETag" = String))),
    ),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn edit(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    PathId(id): PathId<TicketId>,
    IfMatch(expected): IfMatch,
    Command { fields, cause }: Command,
) -> Result<impl IntoResponse, ApiError> {
    let by = session.account;
    let repeatable = cause.is_repeatable();
    let cause = cause.by(Some(by));
    let recent = state.log.load_within::<Ticket>(&id, Duration::MAX).await;
    let known = recent.map_err(|error| not_logged(&error))?;
    let bound = expected.or(known.revision);
    let executed = match commands(&known.state, by, fields.clone(), &cause) {
        Ok(commands) => execute_all(&state.log, id, commands, bound, repeatable).await,
        // It may have been listed, or priced in another currency, by another process.
        Err(_) => Err(ExecuteError::RevisionMismatch { actual: None }),
    };
    let executed = match executed {
        Err(ExecuteError::RevisionMismatch { .. }) => {
            let loaded = state.log.load::<Ticket>(&id).await;
            let known = loaded.map_err(|error| not_logged(&error))?;
            let commands = commands(&known.state, by, fields, &cause)?;
            execute_all(&state.log, id, commands, expected, repeatable).await
        }
        executed => executed,
    };
    let executed = executed.map_err(not_executed)?;
    let answer = shown(id, &executed.state, executed.revision)?;
    Ok((state.web.written(executed.position, executed.revision), Json(answer)))
}

/// Withdraw a ticket
///
/// Nobody can order it any more; what is reserved can still be paid.
#[utoipa::path(
    delete, path = "/api/tickets/{id}", tag = "tickets",
    params(("id" = Uuid, Path, description = "The ticket")),
    responses((status = 204, description = "No longer on sale", headers(("ETag" = String)))),
    security(("session" = []), ("token" = []))
)]
pub(super) async fn withdraw(
    Extract(state): Extract,
    SignedIn(session): SignedIn,
    PathId(id): PathId<TicketId>,
    IfMatch(expected): IfMatch,
    cause: RequestCause,
) -> Result<impl IntoResponse, ApiError> {
    let by = session.account;
    let cause = step(&cause.by(Some(by)), "withdraw");
    let command = TicketCommand::Withdraw { by, reason: WITHDRAWN_BECAUSE.to_owned() };
    let executed = state.log.execute_if::<Ticket>(&id, command, &cause, expected).await;
    let executed = first_answer(&state.log, &id, executed.map_err(not_executed)?).await?;
    Ok((StatusCode::NO_CONTENT, state.web.written(executed.position, executed.revision), ()))
}

struct Change {
    edit: TicketCommand,
    quantity: Option<TicketCommand>,
}

/// One or two, each with its cause.
struct Commands {
    first: (TicketCommand, Cause),
    second: Option<(TicketCommand, Cause)>,
}

/// What an edit asks of a ticket in that state.
fn commands(
    ticket: &Ticket,
    by: AccountId,
    mut fields: Fields,
    cause: &Cause,
) -> Result<Commands, ApiError> {
    let known = ticket.listing().map_or(Currency::USD, |listing| listing.price.currency);
    let change = read_change(&mut fields, by, known);
    let Some(Change { edit, quantity }) = change else { return Err(fields.refused()) };
    if ticket.listing().is_none() {
        return Err(TicketRejection::NotFound.answer());
    }
    let edit = (edit, step(cause, "edit"));
    let Some(quantity) = quantity.map(|quantity| (quantity, step(cause, "quantity"))) else {
        return Ok(Commands { first: edit, second: None });
    };
    let (first, second) = if refused_second(ticket, &edit.0, &quantity.0) {
        (quantity, edit)
    } else {
        (edit, quantity)
    };
    Ok(Commands { first, second: Some(second) })
}

/// Only the first is bound to the expected revision.
async fn execute_all(
    log: &EventLog,
    id: TicketId,
    Commands { first, second }: Commands,
    expected: Option<Revision>,
    repeatable: bool,
) -> Result<Executed<Ticket>, ExecuteError<TicketRejection>> {
    if let Some(second) = &second
        && repeatable
        && let Some(done) = done_before(log, id, [&first, second]).await?
    {
        return Ok(done);
    }
    let (command, cause) = first;
    let mut executed = log.execute_if::<Ticket>(&id, command, &cause, expected).await?;
    if let Some((command, cause)) = second {
        executed = log.execute::<Ticket>(&id, command, &cause).await?;
    }
    Ok(log.as_answered_first(&id, executed).await?)
}

/// What two commands had made of the ticket when they were given before. Of the two, one may have
/// had nothing to do then; it must not get something to do by what others have changed since.
async fn done_before(
    log: &EventLog,
    id: TicketId,
    commands: [&(TicketCommand, Cause); 2],
) -> Result<Option<Executed<Ticket>>, ExecuteError<TicketRejection>> {
    let mut last: Option<Executed<Ticket>> = None;
    for (_, cause) in commands {
        let given = log.recall::<Ticket>(&id, cause).await?;
        last = [last, given].into_iter().flatten().max_by_key(|given| given.repeated);
    }
    let Some(last) = last else { return Ok(None) };
    let then = log.as_answered_first(&id, last).await?;
    let is_so = |command: &TicketCommand| then.state.decide(command.clone()) == Ok(Vec::new());
    let all_done = commands.iter().all(|(command, _)| is_so(command));
    Ok(all_done.then_some(then))
}

/// Whether, as things stand, the first command would be accepted and the second then refused.
fn refused_second(ticket: &Ticket, first: &TicketCommand, second: &TicketCommand) -> bool {
    let Ok(events) = ticket.decide(first.clone()) else { return false };
    let after = events.iter().fold(ticket.clone(), Ticket::evolve);
    after.decide(second.clone()).is_err()
}

fn read_listing(fields: &mut Fields, seller: AccountId) -> Option<TicketListed> {
    let title = fields.text("title", parse_title);
    let currency = fields.optional_text("currency", str::parse).unwrap_or(Currency::USD);
    let price = fields.decimal("price", |text| parse_price(text, currency));
    let quantity = fields.optional_decimal("quantity", parse_quantity).unwrap_or(Quantity::ONE);
    let max_per_order = fields.optional_decimal("maxPerOrder", parse_quantity);
    let max_per_order = max_per_order.or_else(default_max_per_order)?;
    let (Some(title), Some(price), true) = (title, price, fields.all_good()) else { return None };
    Some(TicketListed { seller, title, price, quantity, max_per_order })
}

fn read_change(fields: &mut Fields, by: AccountId, known: Currency) -> Option<Change> {
    let title = fields.text("title", parse_title);
    let currency = fields.optional_text("currency", str::parse).unwrap_or(known);
    let price = fields.decimal("price", |text| parse_price(text, currency));
    let quantity = fields.optional_decimal("quantity", parse_quantity);
    let (Some(title), Some(price), true) = (title, price, fields.all_good()) else { return None };
    let quantity = quantity.map(|quantity| TicketCommand::ChangeQuantity { by, quantity });
    Some(Change { edit: TicketCommand::Edit { by, title, price }, quantity })
}

fn parse_title(text: &str) -> Result<Title, String> {
    Title::parse(text).map_err(|error| match error {
        InvalidTitle::Empty => "Title is required".to_owned(),
        InvalidTitle::TooLong | InvalidTitle::ControlCharacter => error.to_string(),
    })
}

fn parse_price(text: &str, currency: Currency) -> Result<Money, String> {
    match Money::parse(text, currency) {
        Ok(price) if price.minor > 0 => Ok(price),
        Ok(_) | Err(InvalidMoney::NotDecimal | InvalidMoney::Negative) => {
            Err(TicketRejection::PriceNotPositive.to_string())
        }
        Err(error @ (InvalidMoney::TooManyDecimals(_) | InvalidMoney::TooLarge)) => {
            Err(error.to_string())
        }
    }
}

/// Shared with orders.
pub(super) fn parse_quantity(text: &str) -> Result<Quantity, InvalidQuantity> {
    whole(text).parse().map_err(|_| InvalidQuantity).and_then(Quantity::new)
}

/// In JSON `2` and `2.0` are the same number. Shared with orders.
pub(super) fn whole(text: &str) -> &str {
    let parts = text.split_once('.');
    let zeros = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit == b'0');
    parts.filter(|(_, decimals)| zeros(decimals)).map_or(text, |(whole, _)| whole)
}

fn default_max_per_order() -> Option<Quantity> {
    Quantity::new(MAX_PER_ORDER_DEFAULT).ok()
}

fn shown(
    id: TicketId,
    ticket: &Ticket,
    revision: Option<Revision>,
) -> Result<wire::Ticket, ApiError> {
    let (Some(listing), Some(revision)) = (ticket.listing(), revision) else {
        return Err(TicketRejection::NotFound.answer());
    };
    Ok(wire::Ticket {
        id,
        title: listing.title.as_str().to_owned(),
        price: Price(listing.price),
        currency: listing.price.currency.code(),
        quantity: listing.quantity.get(),
        available: ticket.available(),
        user_id: listing.seller,
        version: revision.0,
        order_id: listing.sole_order(),
    })
}
