//! Who may do what at a NATS server that keeps real data: the relay everything, by a password;
//! everybody else may consume what it publishes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::{Durability, ServiceError};

const RELAY: &str = "relay";

/// Of whoever says nothing of who they are. Reading needs requests, and requests are published, so
/// these are the only subjects open to them. Consumers are made on the one stream, where the
/// server refuses those that would deliver into it again.
const CONSUMER_PUBLISHES: [&str; 12] = [
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.>",
    "$JS.API.STREAM.MSG.GET.TICKETING",
    "$JS.API.DIRECT.GET.TICKETING.>",
    "$JS.API.CONSUMER.*.TICKETING",
    "$JS.API.CONSUMER.*.TICKETING.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.TICKETING.>",
    "$JS.API.CONSUMER.MSG.NEXT.TICKETING.>",
    "$JS.ACK.>",
    "ticketing-dead-letters.>",
];

/// The relay's password, drawn once; none where nothing is kept.
pub(super) fn password(
    directory: &Path,
    durability: Durability,
) -> Result<Option<String>, ServiceError> {
    if durability == Durability::Throwaway {
        return Ok(None);
    }
    let path = directory.join("relay.password");
    match fs::read_to_string(&path) {
        Ok(password) if !password.trim().is_empty() => return Ok(Some(password.trim().to_owned())),
        // Empty after a crash between making and writing it.
        Ok(_empty) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(ServiceError::io("read", &path)(error)),
    }
    let password = format!("{:032x}", rand::random::<u128>());
    write_private(&path, &password).map_err(ServiceError::io("write", &path))?;
    Ok(Some(password))
}

/// For the owner's eyes only.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

pub(super) fn relay_url(password: &str, port: u16) -> String {
    format!("nats://{RELAY}:{password}@127.0.0.1:{port}")
}

/// As NATS's configuration language has it.
pub(super) fn users(password: &str) -> String {
    let subjects: Vec<String> =
        CONSUMER_PUBLISHES.iter().map(|subject| format!("        \"{subject}\"\n")).collect();
    format!(
        "authorization {{\n  users = [\n    {{ user: \"{RELAY}\", password: \"{password}\" }}\n    \
         {{ user: \"consumer\", password: \"consumer\", permissions: {{ publish: {{ allow: [\n{}\
         \x20     ] }} }} }}\n  ]\n}}\nno_auth_user: \"consumer\"\n",
        subjects.concat()
    )
}
