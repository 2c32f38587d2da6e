//! Space under garbage collection: how much the engine writes and how much space it takes, over many overwrites of an
//! image on the model store; prints a table and draws it over time. Ends with 1 if a goal is missed, or if less than the
//! target is live. Docs: docs/space.md.
//!
//! `cargo bench --bench gc -- --plots docs/performance`

mod chance;
mod load;
mod plot;
mod run;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use load::Load;
use run::{Outcome, Plan};

/// What is measured; times in overwrites of the image.
#[derive(Parser, Debug)]
#[command(name = "gc", about = "Write amplification and space of the log-structured disk under overwrites")]
struct Args {
    /// Loads: uniform, zipf, 90/10, sequential, snapshots (uniform, with snapshots made and removed), trim (uniform
    /// writes and trims).
    #[arg(long, value_delimiter = ',', default_value = "uniform,zipf,90/10,snapshots,trim,sequential")]
    loads: Vec<Load>,
    /// Size of the image.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Size of a segment; the image should have some hundreds.
    #[arg(long, default_value_t = 1)]
    segment_mib: u32,
    /// Overwrites before the measured ones, until the state is steady.
    #[arg(long, default_value_t = 10)]
    warm_up: u32,
    #[arg(long, default_value_t = 20)]
    overwrites: u32,
    /// `logrbd_gc_utilisation_percent`
    #[arg(long, default_value_t = 70)]
    percent: u8,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the plots.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let steps = u64::from(args.warm_up + args.overwrites) * args.loads.len() as u64;
    let bar = ProgressBar::new(steps * run::SAMPLES);
    let style = ProgressStyle::with_template("[{bar:30}] {msg:12} {eta} left").expect("a valid template");
    bar.set_style(style.progress_chars("##-"));
    println!("{}", Outcome::HEAD);
    let mut outcomes = Vec::new();
    for &load in &args.loads {
        bar.set_message(load.name());
        let plan = Plan {
            load,
            blocks: args.mib << 8,
            segment_bytes: args.segment_mib << 20,
            warm_up: args.warm_up,
            overwrites: args.overwrites,
            percent: args.percent,
            seed: args.seed,
        };
        let outcome = run::run(&plan, || bar.inc(1));
        bar.suspend(|| println!("{}", outcome.row()));
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    let note = format!(
        "image {} MiB, segments {} MiB, target {} %, {} overwrites after {}",
        args.mib, args.segment_mib, args.percent, args.overwrites, args.warm_up
    );
    if let Some(folder) = &args.plots
        && let Err(error) = plot::write(folder, &note, &outcomes)
    {
        eprintln!("gc: {}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.holds()).map(|o| o.load.name()).collect();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("gc: above the goal: {}", failed.join(", "));
    ExitCode::FAILURE
}
