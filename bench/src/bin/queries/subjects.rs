//! What is asked, each a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use bench::http::{Connection, post};
use bench::process::{KEYS, Process};
use serde_json::json;

use crate::place::Place;

pub(crate) const OURS: &str = "ticketing query-api, the same list";
/// Its answers are shared by those who ask the same; here nobody does.
pub(crate) const OURS_VARIED: &str = "ticketing query-api, no list twice";
pub(crate) const BARE: &str = "bare handler";
pub(crate) const BARE_UNTESTED: &str = "bare handler that tests no connection";
pub(crate) const PEER: &str = "PostGraphile 4";

const QUERY: &str = "{ tickets(first: 20, where: {currency: \"usd\", priceMin: \"10\", \
     priceMax: \"50\"}) { nodes { id title price { amount currency } available version } \
     pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
/// The same with bounds that are given beside it.
const VARIED_QUERY: &str = "query ($min: String, $max: String) { tickets(first: 20, where: \
     {currency: \"usd\", priceMin: $min, priceMax: $max}) { nodes { id title price { amount \
     currency } available version } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
/// The first again, in the words of the peer's plugin for filters.
const PEER_QUERY: &str = "{ allTickets(first: 20, filter: {available: {greaterThan: 0}, \
     currency: {equalTo: \"usd\"}, \
     priceMinor: {greaterThanOrEqualTo: \"1000\", lessThanOrEqualTo: \"5000\"}}, \
     orderBy: [LISTED_COMMIT_DESC, LISTED_PREPARE_DESC]) { nodes { id title priceMinor currency \
     available version } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
}

/// By their numbers.
pub(crate) type Requests = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

pub(crate) async fn start(
    place: &Place,
    ticketing: &Path,
    postgraphile: Option<&Path>,
) -> anyhow::Result<Vec<Subject>> {
    let url = place.postgres.url();
    let words = |name: &str| place.directory.join(name);
    let bare = std::env::current_exe()?;
    let mut subjects = Vec::new();
    let (tested, untested) = (["bare", &url], ["bare", "--untested", &url]);
    for (name, arguments) in [(BARE, tested.as_slice()), (BARE_UNTESTED, untested.as_slice())] {
        let mut process = Process::start(&bare, arguments, &[], &words("bare.log"))?;
        let address = process.says("bare: http://").await?.parse()?;
        subjects.push(Subject { name, process, address, requests: same("/", QUERY) });
    }

    let mut arguments = vec!["query-api", "--listen", "127.0.0.1:0", "--limits", "off"];
    arguments.extend(["--metrics", "127.0.0.1:0"]);
    arguments.extend(["--log-url", &place.log_url, "--database-url", &url]);
    for (name, requests) in [(OURS, same("/graphql", QUERY)), (OURS_VARIED, varied("/graphql"))] {
        let mut process = Process::start(ticketing, &arguments, &KEYS, &words("query-api.log"))?;
        let address = process.says("query-api: http://").await?.parse()?;
        subjects.push(Subject { name, process, address, requests });
    }

    if let Some(program) = postgraphile {
        let arguments = ["--connection", &url, "--schema", "read", "--host", "127.0.0.1"];
        let own = [
            ["--port", "5678", "--disable-query-log", "--max-pool-size", "16"].as_slice(),
            &["--append-plugins", "postgraphile-plugin-connection-filter"],
        ]
        .concat();
        let arguments = [arguments.as_slice(), &own].concat();
        let live = [("NODE_ENV", "production")];
        let mut process = Process::start(program, &arguments, &live, &words("postgraphile.log"))?;
        // It says so once it has read the schema.
        process.says("PostGraphile").await?;
        let address = SocketAddr::from(([127, 0, 0, 1], 5678));
        let requests = same("/graphql", PEER_QUERY);
        subjects.push(Subject { name: PEER, process, address, requests });
    }
    for subject in &subjects {
        answers(subject).await?;
    }
    Ok(subjects)
}

/// That it gives a list of twenty, before anything is measured.
async fn answers(subject: &Subject) -> anyhow::Result<()> {
    let mut connection = Connection::open(subject.address).await?;
    let answer = connection.ask(&(subject.requests)(0)).await?;
    let count = answer.text().matches("\"title\"").count();
    ensure!(answer.status == 200 && count == 20, "{}: {}", subject.name, answer.text());
    Ok(())
}

fn same(path: &str, query: &str) -> Requests {
    let request = post(path, &json!({"query": query}));
    Arc::new(move |_| request.clone())
}

/// From 10.00 to 19.99 on, and up to 50.00 to 59.99: none comes again before a million others.
fn varied(path: &'static str) -> Requests {
    Arc::new(move |number| {
        let (min, max) = (number % 1_000, number / 1_000 % 1_000);
        let bound =
            |tens: usize, cents: usize| format!("{}.{:02}", tens + cents / 100, cents % 100);
        let variables = json!({"min": bound(10, min), "max": bound(50, max)});
        post(path, &json!({"query": VARIED_QUERY, "variables": variables}))
    })
}
