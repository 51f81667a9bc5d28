//! Clients of other languages, at the versions and hashes that lie beside their examples.

use std::fs;
use std::path::{Path, PathBuf};

use local_services::testing::{install_node, install_python};

/// A folder with the example and its client.
pub(crate) async fn node() -> Result<PathBuf, String> {
    let (folder, example) = (folder("node"), example("node"));
    install_node(&folder, &example).await?;
    fs::copy(example.join("consumer.mjs"), folder.join("consumer.mjs")).unwrap();
    Ok(folder)
}

/// The Python that has the client, and the example.
pub(crate) async fn python() -> Result<(PathBuf, PathBuf), String> {
    let example = example("python");
    let programs = install_python(&folder("python"), &example.join("requirements.txt"), 9).await?;
    Ok((programs.join("python"), example.join("consumer.py")))
}

fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("consumers").join(language)
}

fn example(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(language)
}
