//! What is asked, each a process of its own.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::ensure;
use bench::http::Connection;
use bench::process::Process;
use serde_json::json;

use crate::place::Place;

pub(crate) const OURS: &str = "ticketing query-api";
pub(crate) const BARE: &str = "bare handler";
pub(crate) const BARE_UNTESTED: &str = "bare handler that tests no connection";
pub(crate) const PEER: &str = "PostGraphile 4";

const QUERY: &str = "{ tickets(first: 20, where: {currency: \"usd\", priceMin: \"10\", \
     priceMax: \"50\"}) { nodes { id title price { amount currency } available version } \
     pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
/// The same, in the words of its plugin for filters.
const PEER_QUERY: &str = "{ allTickets(first: 20, filter: {available: {greaterThan: 0}, \
     currency: {equalTo: \"usd\"}, \
     priceMinor: {greaterThanOrEqualTo: \"1000\", lessThanOrEqualTo: \"5000\"}}, \
     orderBy: [LISTED_COMMIT_DESC, LISTED_PREPARE_DESC]) { nodes { id title priceMinor currency \
     available version } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// Not secret: they guard nothing.
const KEYS: [(&str, &str); 3] = [
    ("TICKETING_SESSION_KEY", "1111111111111111111111111111111111111111111111111111111111111111"),
    ("TICKETING_VAULT_KEY", "2222222222222222222222222222222222222222222222222222222222222222"),
    ("TICKETING_TOKEN_KEYS", "3333333333333333333333333333333333333333333333333333333333333333"),
];

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
}

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
        subjects.push(Subject { name, process, address, request: request("/", QUERY) });
    }

    let mut arguments = vec!["query-api", "--listen", "127.0.0.1:0", "--limits", "off"];
    arguments.extend(["--metrics", "127.0.0.1:0"]);
    arguments.extend(["--log-url", &place.log_url, "--database-url", &url]);
    let mut process = Process::start(ticketing, &arguments, &KEYS, &words("query-api.log"))?;
    let address = process.says("query-api: http://").await?.parse()?;
    subjects.push(Subject { name: OURS, process, address, request: request("/graphql", QUERY) });

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
        let request = request("/graphql", PEER_QUERY);
        subjects.push(Subject { name: PEER, process, address, request });
    }
    for subject in &subjects {
        answers(subject).await?;
    }
    Ok(subjects)
}

/// That it gives a list of twenty, before anything is measured.
async fn answers(subject: &Subject) -> anyhow::Result<()> {
    let mut connection = Connection::open(subject.address).await?;
    let answer = connection.ask(&subject.request).await?;
    let count = answer.text().matches("\"title\"").count();
    ensure!(answer.status == 200 && count == 20, "{}: {}", subject.name, answer.text());
    Ok(())
}

fn request(path: &str, query: &str) -> Vec<u8> {
    let body = json!({"query": query}).to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
