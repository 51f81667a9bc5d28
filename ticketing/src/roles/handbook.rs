//! What the command line says of itself: completions for shells, and manual pages.

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::Cli;

#[derive(Args, Debug)]
#[command(after_help = "For bash, with bash-completion:\n  \
ticketing completions bash > ~/.local/share/bash-completion/completions/ticketing\n\
For zsh, with that folder in $fpath:\n  \
ticketing completions zsh > ~/.zfunc/_ticketing\n\
For fish:\n  \
ticketing completions fish > ~/.config/fish/completions/ticketing.fish")]
pub(crate) struct Completions {
    /// Whose.
    shell: Shell,
}

#[derive(Args, Debug)]
#[command(
    after_help = "To read them:\n  ticketing man ~/.local/share/man/man1\n  man ticketing-up"
)]
pub(crate) struct Man {
    /// Where they are written to; it is made if it is not there.
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

pub(crate) fn completions(settings: &Completions) {
    clap_complete::generate(settings.shell, &mut Cli::command(), "ticketing", &mut io::stdout());
}

pub(crate) fn man(settings: &Man) -> anyhow::Result<()> {
    let directory = settings.directory.display();
    std::fs::create_dir_all(&settings.directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &settings.directory))
        .with_context(|| format!("cannot write the manual pages to {directory}"))?;
    println!(
        "the manual pages are in {directory}; `man -l {directory}/ticketing.1` shows the first"
    );
    Ok(())
}
