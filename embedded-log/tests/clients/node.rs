//! `@kurrent/kurrentdb-client` of npm.

use std::path::Path;

use local_services::testing::install_node;

use crate::{installed_in, run, source};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_javascript_client_does_all_a_program_needs() {
    let folder = installed_in("node");
    match install_node(&folder, &source("node")).await {
        Ok(()) => {
            run(Path::new("node"), &source("node").join("scenario.mjs"), &[&folder]).await;
        }
        Err(why) => println!("skipped: {why}"),
    }
}
