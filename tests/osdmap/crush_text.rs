//! Random CRUSH maps as text, for `crushtool -c`.

use std::fmt::Write;

use super::chance::Chance;

pub struct CrushText {
    pub text: String,
    pub devices: usize,
    /// (id, is for erasure pools)
    pub rules: Vec<(usize, bool)>,
    /// The rules are for pools of at most this size.
    pub max_size: usize,
}

struct Item {
    name: String,
    weight: f64,
}

const ALGORITHMS: [&str; 5] = ["uniform", "list", "tree", "straw", "straw2"];
const CLASSES: [&str; 3] = ["hdd", "ssd", "nvme"];

pub fn generate(chance: &mut Chance) -> CrushText {
    let devices = *chance.pick(&[3, 5, 8, 13, 24, 40, 64]);
    let mut text = String::new();
    tunables(chance, &mut text);

    // Device numbers may have gaps.
    let gap = chance.one_in(4);
    let ids: Vec<usize> = (0..devices).filter(|_| !gap || !chance.one_in(6)).collect();
    let ids = if ids.len() < 2 { (0..devices).collect() } else { ids };
    let classes = if chance.one_in(2) { chance.between(1, 3) } else { 0 };
    // A rule can take only a class that some device has.
    let mut used = Vec::new();
    for id in &ids {
        write!(text, "device {id} osd.{id}").unwrap();
        if classes > 0 {
            let class = CLASSES[chance.below(classes)];
            used.push(class);
            write!(text, " class {class}").unwrap();
        }
        text.push('\n');
    }
    for (number, name) in ["osd", "host", "rack", "room", "root"].iter().enumerate() {
        writeln!(text, "type {number} {name}").unwrap();
    }

    // One algorithm everywhere (so that each is met pure), or a mixture.
    let only = chance.one_in(2).then(|| *chance.pick(&ALGORITHMS));
    let mut level: Vec<Item> = Vec::new();
    for id in &ids {
        let weight = match chance.below(6) {
            0 => 0.0,
            1 => 0.5 + chance.below(400) as f64 / 100.0,
            _ => 1.0,
        };
        level.push(Item { name: format!("osd.{id}"), weight });
    }
    let mut buckets = Buckets { only, classes: used, text, next_id: 1 };
    let (deepest, levels) = (["host", "rack", "room"], chance.between(0, 3));
    let kinds = &deepest[..levels];
    for kind in kinds {
        let mut above = Vec::new();
        let mut rest = level.into_iter().peekable();
        while rest.peek().is_some() {
            let size = chance.between(1, if *kind == "host" { 6 } else { 4 });
            let items: Vec<Item> = rest.by_ref().take(size).collect();
            let name = format!("{kind}{}", above.len());
            above.push(buckets.add(chance, kind, &name, items));
        }
        level = above;
    }
    let count = level.len();
    let root = buckets.next_id;
    buckets.add(chance, "root", "default", level);
    let Buckets { classes: used, mut text, .. } = buckets;
    let max_size = chance.between(4, 8);
    let rules = rules(chance, &mut text, kinds, &used, max_size);
    // Sets of weights for the root, for all places or for each.
    if chance.one_in(2) {
        write!(text, "choose_args {} {{\n  {{\n    bucket_id -{root}\n", chance.pick(&[0, 0, 3])).unwrap();
        if !chance.one_in(4) {
            text.push_str("    weight_set [\n");
            for _ in 0..chance.between(1, 3) {
                let weights: Vec<String> =
                    (0..count).map(|_| format!("{:.3}", chance.below(300) as f64 / 100.0)).collect();
                writeln!(text, "      [ {} ]", weights.join(" ")).unwrap();
            }
            text.push_str("    ]\n");
        }
        if chance.one_in(2) {
            let ids: Vec<String> = (0..count).map(|n| format!("-{}", 1000 + n)).collect();
            writeln!(text, "    ids [ {} ]", ids.join(" ")).unwrap();
        }
        text.push_str("  }\n}\n");
    }
    CrushText { text, devices, rules, max_size }
}

/// A profile, or numbers that are none.
fn tunables(chance: &mut Chance, text: &mut String) {
    // local tries, local fallback tries, total tries, descend once, vary r, stable
    const PROFILES: [[usize; 6]; 4] =
        [[2, 5, 19, 0, 0, 0], [0, 0, 50, 1, 0, 0], [0, 0, 50, 1, 1, 0], [0, 0, 50, 1, 1, 1]];
    let mut values = *chance.pick(&PROFILES);
    if chance.one_in(4) {
        let high = [3, 6, 60, 1, 4, 1];
        values = high.map(|high| chance.between(0, high));
    }
    let names = [
        "choose_local_tries",
        "choose_local_fallback_tries",
        "choose_total_tries",
        "chooseleaf_descend_once",
        "chooseleaf_vary_r",
        "chooseleaf_stable",
    ];
    for (name, value) in names.iter().zip(values) {
        writeln!(text, "tunable {name} {value}").unwrap();
    }
    writeln!(text, "tunable straw_calc_version {}", chance.below(2)).unwrap();
}

struct Buckets {
    /// The algorithm of all buckets, if they have one.
    only: Option<&'static str>,
    classes: Vec<&'static str>,
    text: String,
    next_id: usize,
}

impl Buckets {
    fn add(&mut self, chance: &mut Chance, kind: &str, name: &str, mut items: Vec<Item>) -> Item {
        let alg = self.only.unwrap_or_else(|| ALGORITHMS[chance.below(ALGORITHMS.len())]);
        // The tool cannot make the shadow of a uniform bucket that has no device of the class; and a draw from a tree
        // that weighs nothing is undefined in Ceph (it reads past the tree's end), so that neither has shadows here.
        let alg = if matches!(alg, "uniform" | "tree") && !self.classes.is_empty() { "straw2" } else { alg };
        if alg == "uniform" {
            // The tool refuses uniform buckets of weight 0.
            let weight = items[0].weight.max(0.5);
            items.iter_mut().for_each(|item| item.weight = weight);
        }
        if alg == "tree" {
            items.iter_mut().for_each(|item| item.weight = item.weight.max(0.5));
        }
        let (text, id) = (&mut self.text, self.next_id);
        writeln!(text, "{kind} {name} {{\n  id -{id}").unwrap();
        // Its shadows, one for each class.
        for (n, class) in CLASSES.iter().enumerate().filter(|(_, class)| self.classes.contains(class)) {
            writeln!(text, "  id -{} class {class}", id + 100 * (n + 1)).unwrap();
        }
        writeln!(text, "  alg {alg}\n  hash 0").unwrap();
        for item in &items {
            writeln!(text, "  item {} weight {:.5}", item.name, item.weight).unwrap();
        }
        text.push_str("}\n");
        self.next_id += 1;
        Item { name: name.to_owned(), weight: items.iter().map(|item| item.weight).sum() }
    }
}

fn rules(
    chance: &mut Chance,
    text: &mut String,
    kinds: &[&str],
    classes: &[&str],
    max_size: usize,
) -> Vec<(usize, bool)> {
    let count = chance.between(2, 4);
    for id in 0..count {
        let erasure = id % 2 == 1;
        let kind = if erasure { "erasure" } else { "replicated" };
        writeln!(text, "rule rule{id} {{\n  id {id}\n  type {kind}\n  min_size 1\n  max_size {max_size}")
            .unwrap();
        for setting in
            ["choose_tries", "chooseleaf_tries", "choose_local_tries", "choose_local_fallback_tries"]
        {
            if chance.one_in(6) {
                writeln!(text, "  step set_{setting} {}", chance.between(1, 60)).unwrap();
            }
        }
        for setting in ["chooseleaf_vary_r", "chooseleaf_stable"] {
            if chance.one_in(8) {
                writeln!(text, "  step set_{setting} {}", chance.below(2)).unwrap();
            }
        }
        let mode = if erasure != chance.one_in(5) { "indep" } else { "firstn" };
        let class = if !classes.is_empty() && chance.one_in(2) {
            format!(" class {}", chance.pick(classes))
        } else {
            String::new()
        };
        let leaf_of = |chance: &mut Chance| if kinds.is_empty() { "osd" } else { *chance.pick(kinds) };
        writeln!(text, "  step take default{class}").unwrap();
        match chance.below(4) {
            0 => writeln!(text, "  step choose {mode} 0 type osd").unwrap(),
            1 if kinds.len() > 1 => {
                let (high, low) = (kinds[kinds.len() - 1], kinds[0]);
                let (a, b) = (chance.between(1, 4), chance.between(1, 3));
                writeln!(text, "  step choose {mode} {a} type {high}").unwrap();
                writeln!(text, "  step chooseleaf {mode} {b} type {low}").unwrap();
            }
            2 if !kinds.is_empty() => {
                let a = chance.between(1, 3);
                writeln!(text, "  step choose {mode} {a} type {}", leaf_of(chance)).unwrap();
                writeln!(text, "  step choose {mode} {} type osd", chance.between(1, 3)).unwrap();
            }
            3 if !classes.is_empty() => {
                // One device of a class first, the others anywhere.
                writeln!(text, "  step chooseleaf {mode} 1 type {}", leaf_of(chance)).unwrap();
                writeln!(text, "  step emit\n  step take default").unwrap();
                writeln!(text, "  step chooseleaf {mode} -1 type {}", leaf_of(chance)).unwrap();
            }
            _ => writeln!(text, "  step chooseleaf {mode} 0 type {}", leaf_of(chance)).unwrap(),
        }
        text.push_str("  step emit\n}\n");
    }
    (0..count).map(|id| (id, id % 2 == 1)).collect()
}
