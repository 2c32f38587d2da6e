//! Lines over time as SVG, with nothing but text.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::run::Outcome;

const COLOURS: [&str; 6] = ["#2166ac", "#b2182b", "#4d9221", "#d8b365", "#762a83", "#777777"];
const LEFT: f64 = 56.0;
const TOP: f64 = 84.0;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;

pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// A thin line across at this height.
    pub goal: Option<f64>,
}

/// Writes the plots of a table into a folder.
pub fn write(folder: &Path, note: &str, outcomes: &[Outcome]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let lines = |value: fn(&crate::run::Sample) -> f64, goals: bool| -> Vec<Line> {
        let line = |outcome: &Outcome| Line {
            name: outcome.load.name().to_owned(),
            points: smooth(outcome.samples.iter().map(|sample| (sample.at, value(sample))).collect()),
            goal: outcome.load.goal().filter(|_| goals),
        };
        outcomes.iter().map(line).collect()
    };
    let title = "Blocks written for each block of the user";
    let plot = svg(title, note, "overwrites of the image", &lines(|sample| sample.amplification, true));
    std::fs::write(folder.join("gc-amplification.svg"), plot)?;
    let title = "Blocks in all segments / live blocks";
    let plot = svg(title, note, "overwrites of the image", &lines(|sample| sample.space, false));
    std::fs::write(folder.join("gc-space.svg"), plot)
}

/// The mean of each point and its neighbours: the collector works in rounds.
fn smooth(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    const NEAR: usize = 12;
    let mean = |at: usize| {
        let near = &points[at.saturating_sub(NEAR)..(at + NEAR + 1).min(points.len())];
        near.iter().map(|point| point.1).sum::<f64>() / near.len() as f64
    };
    (0..points.len()).step_by(4).map(|at| (points[at].0, mean(at))).collect()
}

/// Lines in one frame; the vertical scale begins at 0.9 or at 0.
pub fn svg(title: &str, note: &str, across: &str, lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let right = all().map(|point| point.0).fold(1e-9, f64::max);
    let goals = lines.iter().filter_map(|line| line.goal);
    let high = all().map(|point| point.1).chain(goals).fold(1e-9, f64::max) * 1.05;
    let low = if all().all(|point| point.1 >= 0.99) { 0.9 } else { 0.0 };
    let x = |value: f64| LEFT + value / right * WIDTH;
    let y = |value: f64| TOP + (high - value) / (high - low) * HEIGHT;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/><text x=\"8\" y=\"20\" font-size=\"15\">{title}</text>\n\
         <text x=\"8\" y=\"38\" fill=\"#555\">{note}</text>\n\
         <rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>\n",
        LEFT + WIDTH + 24.0,
        TOP + HEIGHT + 44.0,
    );
    let step = tick(high - low);
    let mut value = (low / step).ceil() * step;
    while value < high {
        let at = y(value);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#eee\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            LEFT - 6.0,
            at + 4.0,
            (value * 1000.0).round() / 1000.0,
        );
        value += step;
    }
    let step = tick(right);
    for n in 0..=(right / step) as usize {
        let value = n as f64 * step;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(value),
            TOP + HEIGHT + 16.0,
            (value * 1000.0).round() / 1000.0,
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{across}</text>",
        LEFT + WIDTH / 2.0,
        TOP + HEIGHT + 34.0,
    );
    let (mut at, mut top) = (LEFT, 48.0);
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<_> = line.points.iter().map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
            points.join(" ")
        );
        if let Some(goal) = line.goal {
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{goal:.1}\" y2=\"{goal:.1}\" stroke=\"{colour}\" stroke-dasharray=\"6 4\"/>",
                LEFT + WIDTH,
                goal = y(goal),
            );
        }
        let width = 30.0 + 6.2 * (line.name.len() + if line.goal.is_some() { 15 } else { 0 }) as f64;
        if at + width > LEFT + WIDTH {
            (at, top) = (LEFT, top + 18.0);
        }
        let _ = writeln!(
            out,
            "<rect x=\"{at}\" y=\"{top}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\">{}{}</text>",
            at + 14.0,
            top + 9.0,
            line.name,
            if line.goal.is_some() { " (dashed: goal)" } else { "" },
        );
        at += width;
    }
    out + "</svg>\n"
}

/// A round step that gives four to ten lines.
fn tick(range: f64) -> f64 {
    let power = 10f64.powf((range / 10.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| range / step <= 10.0)
        .unwrap_or(power * 10.0)
}
