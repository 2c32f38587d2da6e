//! `logrbd`: the command-line tool. Docs: docs/check.md.

mod args;
mod check;
mod du;
mod persistent_cache;
mod place;
mod size;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

/// Exit codes, for scripts (docs/check.md). As with fsck, those of several images are or-ed together.
pub mod exit {
    pub const CLEAN: u8 = 0;
    /// Something was found, and all of it was repaired.
    pub const REPAIRED: u8 = 1;
    /// Only space that is not given back: all data is right.
    pub const SPACE: u8 = 2;
    /// Something is wrong and was left as it is.
    pub const DAMAGED: u8 = 4;
    /// It could not be done, or not be finished.
    pub const FAILED: u8 = 8;
    /// Bad arguments.
    pub const USAGE: u8 = 16;
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors.
            let code = if error.use_stderr() { exit::USAGE } else { exit::CLEAN };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let outcome = match &args.command {
        Command::Check(command) => check::run(&args, command),
        Command::Du(command) => du::run(&args, command),
        Command::Ls(command) => du::list(&args, command),
        Command::PersistentCache(command) => persistent_cache::run(&args, command),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("logrbd: {error}");
            ExitCode::from(exit::FAILED)
        }
    }
}
