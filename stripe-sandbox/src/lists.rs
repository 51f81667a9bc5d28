//! The endpoints that list what there is, the newest first, and give one of it.

use serde_json::{Value, json};

use crate::book::Book;
use crate::error::ApiError;
use crate::intent::Intent;
use crate::params::Params;
use crate::render;

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

pub(crate) fn payments(book: &Book, params: &Params) -> Result<Value, ApiError> {
    params.only(&["created", "customer", "ending_before", "expand", "limit", "starting_after"])?;
    // There are no customers here, so none has payments.
    let all = book.intents().rev().filter(|_| params.get("customer").is_none());
    let all = all.map(|it| Item { id: &it.id, created: it.created, it });
    page("/v1/payment_intents", all, params, render::intent)
}

pub(crate) fn retrieve(book: &Book, id: &str) -> Result<Value, ApiError> {
    let found = book.intent(id).map(|intent| render::intent(intent));
    found.ok_or_else(|| ApiError::no_such_intent(id))
}

pub(crate) fn refunds(book: &Book, params: &Params) -> Result<Value, ApiError> {
    params.only(OF_PAYMENT)?;
    let mut all: Vec<_> = of_payment(book, params)
        .flat_map(|intent| intent.refunds.iter().map(move |refund| (intent, refund)))
        .collect();
    all.sort_by_key(|(_, refund)| refund.created);
    let all = all.into_iter().rev();
    let all = all.map(|it| Item { id: &it.1.id, created: it.1.created, it });
    page("/v1/refunds", all, params, |(intent, refund)| render::refund(intent, refund))
}

pub(crate) fn retrieve_refund(book: &Book, id: &str) -> Result<Value, ApiError> {
    let found = book.intents().find_map(|intent| {
        let refund = intent.refunds.iter().find(|refund| refund.id == id)?;
        Some(render::refund(intent, refund))
    });
    found.ok_or_else(|| ApiError::no_such("refund", id))
}

pub(crate) fn charges(book: &Book, params: &Params) -> Result<Value, ApiError> {
    params.only(OF_PAYMENT)?;
    let mut all: Vec<_> = of_payment(book, params)
        .flat_map(|intent| intent.attempts.iter().map(move |attempt| (intent, attempt)))
        .collect();
    all.sort_by_key(|(_, attempt)| attempt.created);
    let all = all.into_iter().rev();
    let all = all.map(|it| Item { id: &it.1.id, created: it.1.created, it });
    page("/v1/charges", all, params, |(intent, attempt)| render::charge(intent, attempt))
}

pub(crate) fn retrieve_charge(book: &Book, id: &str) -> Result<Value, ApiError> {
    let found = book.intents().find_map(|intent| render::charge_by_id(intent, id));
    found.ok_or_else(|| ApiError::no_such("charge", id))
}

pub(crate) fn disputes(book: &Book, params: &Params) -> Result<Value, ApiError> {
    params.only(OF_PAYMENT)?;
    let mut all: Vec<_> = of_payment(book, params)
        .flat_map(|intent| intent.disputes.iter().map(move |dispute| (intent, dispute)))
        .collect();
    all.sort_by_key(|(_, dispute)| dispute.created);
    let all = all.into_iter().rev();
    let all = all.map(|it| Item { id: &it.1.id, created: it.1.created, it });
    page("/v1/disputes", all, params, |(intent, dispute)| render::dispute(intent, dispute))
}

pub(crate) fn retrieve_dispute(book: &Book, id: &str) -> Result<Value, ApiError> {
    let found = book.intents().find_map(|intent| {
        let dispute = intent.disputes.iter().find(|dispute| dispute.id == id)?;
        Some(render::dispute(intent, dispute))
    });
    found.ok_or_else(|| ApiError::no_such("dispute", id))
}

pub(crate) fn movements(book: &Book, params: &Params) -> Result<Value, ApiError> {
    let known = "created ending_before expand limit source starting_after type";
    params.only(&known.split(' ').collect::<Vec<_>>())?;
    let (source, kind) = (params.get("source"), params.get("type"));
    let all = book
        .intents()
        .flat_map(|intent| intent.movements().into_iter().map(move |movement| (intent, movement)));
    let mut all: Vec<_> = all
        .filter(|(_, it)| source.is_none_or(|source| it.source == source))
        .filter(|(_, it)| kind.is_none_or(|kind| it.kind.as_str() == kind))
        .collect();
    all.sort_by_key(|(_, movement)| movement.created);
    let all = all.iter().rev();
    let all = all.map(|it| Item { id: &it.1.id, created: it.1.created, it });
    page("/v1/balance_transactions", all, params, |(intent, movement)| {
        render::movement(intent, movement)
    })
}

pub(crate) fn retrieve_movement(book: &Book, id: &str) -> Result<Value, ApiError> {
    let found = book.intents().find_map(|intent| {
        let movement = intent.movements().into_iter().find(|movement| movement.id == id)?;
        Some(render::movement(intent, &movement))
    });
    found.ok_or_else(|| ApiError::no_such("balance transaction", id))
}

pub(crate) fn events(book: &Book, params: &Params) -> Result<Value, ApiError> {
    let known = "created delivery_success ending_before expand limit starting_after type types";
    params.only(&known.split(' ').collect::<Vec<_>>())?;
    let delivered = match params.get("delivery_success") {
        None => None,
        Some(_) => Some(params.flag("delivery_success")?),
    };
    let mut kinds: Vec<&str> = params.list("types").collect();
    kinds.extend(params.get("type"));
    let wanted = |kind: &str| {
        kinds.is_empty()
            || kinds.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(begin) => kind.starts_with(begin),
                None => *wanted == kind,
            })
    };
    let all = book
        .events()
        .rev()
        .filter(|event| wanted(&event.news.kind))
        .filter(|event| delivered.is_none_or(|delivered| delivered == event.is_delivered()))
        .map(|it| Item { id: &it.news.id, created: it.at, it });
    page("/v1/events", all, params, |event| render::event(event))
}

pub(crate) fn retrieve_event(book: &Book, id: &str) -> Result<Value, ApiError> {
    let found = book.events().find(|event| event.news.id == id);
    found.map(|event| render::event(event)).ok_or_else(|| ApiError::no_such("event", id))
}

const OF_PAYMENT: &[&str] =
    &["charge", "created", "ending_before", "expand", "limit", "payment_intent", "starting_after"];

/// The payments to whose parts a list is narrowed.
fn of_payment<'a>(book: &'a Book, params: &'a Params) -> impl Iterator<Item = &'a Intent> {
    let (id, charge) = (params.get("payment_intent"), params.get("charge"));
    book.intents().filter(move |intent| {
        id.is_none_or(|id| id == intent.id)
            && charge.is_none_or(|id| intent.attempts.iter().any(|attempt| attempt.id == id))
    })
}

struct Item<'a, T> {
    id: &'a str,
    created: i64,
    it: T,
}

/// One page of what comes newest first.
fn page<'a, T>(
    url: &str,
    all: impl Iterator<Item = Item<'a, T>>,
    params: &Params,
    show: impl Fn(T) -> Value,
) -> Result<Value, ApiError> {
    let limit = limit(params)?;
    let within = created(params)?;
    let mut all: Vec<_> = all.filter(|item| within(item.created)).collect();
    let place = |param: &str| match params.get(param) {
        None => Ok(None),
        Some(id) => match all.iter().position(|item| item.id == id) {
            Some(place) => Ok(Some(place)),
            None => {
                Err(ApiError::invalid(param, "resource_missing", format!("no such id: '{id}'")))
            }
        },
    };
    let (after, before) = (place("starting_after")?, place("ending_before")?);
    let has_more = match (after, before) {
        (Some(_), Some(_)) => {
            let message = "a page begins after one id or ends before one, not both";
            return Err(ApiError::invalid("ending_before", "parameter_invalid", message));
        }
        (_, Some(before)) => {
            all.truncate(before);
            let more = all.len() > limit;
            all.drain(..all.len().saturating_sub(limit));
            more
        }
        (after, None) => {
            all.drain(..after.map_or(0, |after| after + 1));
            let more = all.len() > limit;
            all.truncate(limit);
            more
        }
    };
    let data: Vec<Value> = all.into_iter().map(|item| show(item.it)).collect();
    Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
}

fn limit(params: &Params) -> Result<usize, ApiError> {
    let Some(limit) = params.integer("limit")? else { return Ok(LIMIT_DEFAULT) };
    match usize::try_from(limit) {
        Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Ok(_) | Err(_) => {
            let message = format!("a limit is between 1 and {LIMIT_MAX}");
            Err(ApiError::invalid("limit", "parameter_invalid_integer", message))
        }
    }
}

/// Whether a time is among those asked for.
fn created(params: &Params) -> Result<impl Fn(i64) -> bool + use<>, ApiError> {
    let exact = params.integer("created")?;
    let (gt, gte) = (params.integer("created[gt]")?, params.integer("created[gte]")?);
    let (lt, lte) = (params.integer("created[lt]")?, params.integer("created[lte]")?);
    Ok(move |at: i64| {
        exact.is_none_or(|it| at == it)
            && gt.is_none_or(|it| at > it)
            && gte.is_none_or(|it| at >= it)
            && lt.is_none_or(|it| at < it)
            && lte.is_none_or(|it| at <= it)
    })
}
