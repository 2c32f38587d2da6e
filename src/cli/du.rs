//! `logrbd du` and `logrbd ls`.

use serde_json::json;

use crate::args::{Args, Du, Format, Ls};
use crate::exit;
use crate::place::Place;
use crate::size::size;
use logrbd::image::{self, Usage};

pub fn list(args: &Args, command: &Ls) -> Result<u8, String> {
    let place = Place::connect(args)?;
    let (_, _, names) = place.images(None, args)?;
    match command.format {
        Format::Json => println!("{}", json!(names)),
        Format::Plain => names.iter().for_each(|name| println!("{name}")),
    }
    Ok(exit::CLEAN)
}

pub fn run(args: &Args, command: &Du) -> Result<u8, String> {
    let place = Place::connect(args)?;
    let (pool, _, names) = place.images(command.image.as_deref(), args)?;
    let mut rows = Vec::new();
    for name in &names {
        let said = |error: image::ImageError| format!("{name}: {error}");
        let (conf, env) = (place.conf.clone(), place.env.clone());
        let usage = place.session.wait(image::usage(&pool, name, conf, env)).map_err(said)?;
        let space = place.session.wait(image::space(&pool, name, &place.conf)).map_err(said)?;
        rows.push((name, usage, space));
    }
    match command.format {
        Format::Json => {
            let images: Vec<_> = rows
                .iter()
                .flat_map(|(name, usage, space)| {
                    usage.iter().map(move |state| {
                        let mut row = json!({
                            "name": name,
                            "provisioned_size": state.provisioned_bytes,
                            "used_size": state.used_bytes,
                        });
                        match &state.snapshot {
                            Some(snapshot) => row["snapshot"] = json!(snapshot),
                            None => {
                                row["log_size"] = json!(space.log_bytes);
                                row["live_log_size"] = json!(space.live_log_bytes);
                                row["segments"] = json!(space.segments);
                                row["map_size"] = json!(space.map_bytes);
                            }
                        }
                        row
                    })
                })
                .collect();
            let (provisioned, used) = rows.iter().fold((0, 0), |(provisioned, used), (_, usage, _)| {
                let last = usage.last().map_or(0, |head| head.provisioned_bytes);
                (provisioned + last, used + usage.iter().map(|state| state.used_bytes).sum::<u64>())
            });
            println!(
                "{}",
                json!({
                    "images": images,
                    "total_provisioned_size": provisioned,
                    "total_used_size": used,
                })
            );
        }
        Format::Plain => {
            let mut lines = vec![["NAME".into(), "PROVISIONED".into(), "USED".into(), "IN THE STORE".into()]];
            for (name, usage, space) in &rows {
                let stored =
                    format!("{} in {} segments", size(space.log_bytes + space.map_bytes), space.segments);
                for state in usage {
                    lines.push(line(name, state, &stored));
                }
            }
            let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
            let (name, provisioned, used) = (width(0), width(1), width(2));
            for [a, b, c, d] in &lines {
                println!("{}", format!("{a:<name$}  {b:>provisioned$}  {c:>used$}  {d}").trim_end());
            }
        }
    }
    Ok(exit::CLEAN)
}

fn line(name: &str, state: &Usage, stored: &str) -> [String; 4] {
    let (name, stored) = match &state.snapshot {
        Some(snapshot) => (format!("{name}@{snapshot}"), String::new()),
        None => (name.to_owned(), stored.to_owned()),
    };
    [name, size(state.provisioned_bytes), size(state.used_bytes), stored]
}
