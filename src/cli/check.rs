//! `logrbd check`.

use std::io::IsTerminal;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::args::{Args, Check, Format};
use crate::exit;
use crate::place::Place;
use crate::size::size;
use logrbd::disk::check::{Damage, Finding, Report, View};
use logrbd::image::{self, Pool};

pub fn run(args: &Args, command: &Check) -> Result<u8, String> {
    let place = Place::connect(args)?;
    let (pool, where_, names) = place.images(command.image.as_deref(), args)?;
    let mut code = exit::CLEAN;
    let mut documents = Vec::new();
    for name in &names {
        let title = format!("{where_}/{name}");
        let (found, document) = match check(&place, &pool, name, &title, command) {
            Ok(report) => {
                if command.format == Format::Plain {
                    print(&title, &report, command);
                }
                (code_of(&report), json_of(&title, &report))
            }
            Err(error) => {
                eprintln!("logrbd: {title}: {error}");
                (exit::FAILED, json!({"image": title, "error": error}))
            }
        };
        documents.push(document);
        code |= found;
    }
    let mut wrong_names = Vec::new();
    if command.all {
        wrong_names = place.session.wait(image::check_names(&pool)).map_err(|error| error.to_string())?;
        for (object, detail) in &wrong_names {
            if command.format == Format::Plain {
                println!("{where_}: wrong names {object}: {detail}");
            }
            code |= exit::DAMAGED;
        }
    }
    if command.format == Format::Json {
        let names: Vec<Value> =
            wrong_names.iter().map(|(object, detail)| json!({"object": object, "detail": detail})).collect();
        println!("{}", json!({"images": documents, "names": names, "exit_code": code}));
    }
    Ok(code)
}

fn check(place: &Place, pool: &Pool, name: &str, title: &str, command: &Check) -> Result<Report, String> {
    let bar = bar(title);
    let shown = bar.clone();
    let progress = move |done: u64, total: u64| {
        shown.set_length(total);
        shown.set_position(done);
    };
    let (conf, env) = (place.conf.clone(), place.env.clone());
    let said = |error: image::ImageError| error.to_string();
    let checked =
        place.session.wait(image::check(pool, name, conf.clone(), env.clone(), &progress)).map_err(said);
    let report = match checked {
        Ok(report) if command.repair && !command.dry_run && report.worst() >= Damage::Space => place
            .session
            .wait(image::repair(pool, name, conf, env, report, &progress))
            .map_err(|error| format!("cannot repair: {error}")),
        other => other,
    };
    bar.finish_and_clear();
    report
}

/// On a terminal only, and never among the output.
fn bar(title: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    if let Ok(style) =
        ProgressStyle::with_template("{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(Arc::<str>::from(title).to_string());
    bar
}

fn code_of(report: &Report) -> u8 {
    match report.worst() {
        _ if report.moved => exit::FAILED,
        Damage::Lost | Damage::Wrong => exit::DAMAGED,
        Damage::Space => exit::SPACE,
        Damage::Note if report.findings.iter().any(|finding| finding.repaired) => exit::REPAIRED,
        Damage::Note => exit::CLEAN,
    }
}

fn print(title: &str, report: &Report, command: &Check) {
    for finding in &report.findings {
        if command.quiet && finding.damage == Damage::Note {
            continue;
        }
        println!("{title}: {}", text(finding, command));
    }
    if report.moved {
        println!(
            "{title}: in use: it changed while it was checked, so these may be traces of that; check it at rest"
        );
    }
    if command.quiet {
        return;
    }
    let facts = &report.facts;
    println!(
        "{title}: {} used of {}, {} snapshots, {} segments ({}), {} blocks verified, {} map pages, {} records to replay",
        size(facts.used_bytes),
        size(facts.size_bytes),
        facts.snapshots,
        facts.segments,
        size(facts.log_bytes),
        facts.blocks_checked,
        facts.map_pages,
        facts.replay_records,
    );
    let count = |damage| {
        report.findings.iter().filter(|finding| finding.damage == damage && !finding.repaired).count()
    };
    let repaired = report.findings.iter().filter(|finding| finding.repaired).count();
    let verdict = match report.worst() {
        Damage::Note if repaired > 0 => "clean now".to_owned(),
        Damage::Note => "clean".to_owned(),
        _ => format!(
            "{} lost, {} wrong, {} of space",
            count(Damage::Lost),
            count(Damage::Wrong),
            count(Damage::Space)
        ),
    };
    println!("{title}: {verdict}, {repaired} repaired");
}

fn text(finding: &Finding, command: &Check) -> String {
    let mut text = format!("{} {} {}", finding.damage.word(), finding.kind.word(), finding.object);
    if let Some(offset) = finding.offset {
        text += &format!(" at {offset}");
    }
    text += &format!(": {}", finding.detail);
    if let Some((offset, length, views)) = &finding.lost {
        text += &format!("; bytes {offset}+{length} of {} cannot be read", states(views).join(", "));
    }
    if finding.repaired {
        text += " (repaired)";
    } else if command.dry_run && finding.damage == Damage::Space {
        text += " (would be repaired)";
    }
    text
}

fn states(views: &[View]) -> Vec<String> {
    let name = |view: &View| match view {
        View::Head => "the image".to_owned(),
        View::Snapshot(id) => format!("snapshot {}", id.0),
    };
    views.iter().map(name).collect()
}

fn json_of(title: &str, report: &Report) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "damage": finding.damage.word(),
                "kind": finding.kind.word(),
                "object": finding.object,
                "offset": finding.offset,
                "detail": finding.detail,
                "repaired": finding.repaired,
                "lost": finding.lost.as_ref().map(|(offset, length, views)| {
                    json!({"offset": offset, "length": length, "of": states(views)})
                }),
            })
        })
        .collect();
    let facts = &report.facts;
    json!({
        "image": title,
        "moved": report.moved,
        "findings": findings,
        "size_bytes": facts.size_bytes,
        "used_bytes": facts.used_bytes,
        "snapshots": facts.snapshots,
        "segments": facts.segments,
        "log_bytes": facts.log_bytes,
        "blocks_checked": facts.blocks_checked,
        "map_pages": facts.map_pages,
        "replay_records": facts.replay_records,
        "replay_bytes": facts.replay_bytes,
    })
}
