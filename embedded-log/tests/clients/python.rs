//! `kurrentdbclient` of `PyPI`.

use local_services::testing::install_python;

use crate::{installed_in, run, source};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_client_does_all_a_program_needs() {
    let pinned = source("python").join("requirements.txt");
    match install_python(&installed_in("python"), &pinned, 10).await {
        Ok(programs) => {
            run(&programs.join("python"), &source("python").join("scenario.py"), &[]).await;
        }
        Err(why) => println!("skipped: {why}"),
    }
}
