//! CRUSH rules beside `crushtool --test --show-mappings`.

use logrbd::osd::crush::CrushMap;

use super::chance::{Chance, seeds};
use super::crush_text;
use super::tools::{osds, path, run};

/// Random maps, all rules, sizes and inputs: every mapping must be the tool's.
#[test]
fn rules_map_as_crushtool_does() {
    let (mut maps, mut compared) = (0, 0);
    for seed in seeds(30) {
        let folder = tempfile::tempdir().unwrap();
        compared += one(seed, folder.path());
        maps += 1;
    }
    println!("{compared} mappings of {maps} CRUSH maps are crushtool's");
    assert!(compared > 1000);
}

fn one(seed: u64, folder: &std::path::Path) -> usize {
    let chance = &mut Chance::new(seed);
    let map = crush_text::generate(chance);
    let (text, binary) = (path(folder, "crush.txt"), path(folder, "crush.bin"));
    std::fs::write(&text, &map.text).unwrap();
    run("crushtool", &["-c", &text, "--enable-unsafe-tunables", "-o", &binary]);
    let crush = CrushMap::decode(&std::fs::read(&binary).unwrap()).unwrap();

    // crushtool takes 1 for the devices of the map and 0 for others.
    let mut weights = vec![0u32; map.devices];
    for (device, weight) in weights.iter_mut().enumerate() {
        *weight = if map.text.contains(&format!("device {device} ")) { 0x1_0000 } else { 0 };
    }
    let mut args: Vec<String> = Vec::new();
    for _ in 0..chance.below(5) {
        let device = chance.below(map.devices);
        let weight = *chance.pick(&[0.0, 0.25, 0.5, 0.9]);
        weights[device] = (weight * 65536.0) as u32;
        args.extend(["--weight".to_owned(), device.to_string(), weight.to_string()]);
    }
    let (low, high) = (chance.next() as u32 >> 2, 150);
    let mut compared = 0;
    for (rule, _) in &map.rules {
        let (rule_text, min, max) = (rule.to_string(), low.to_string(), (low + high).to_string());
        let mut all = vec!["-i", &binary, "--test", "--show-mappings", "--rule", &rule_text];
        all.extend(["--min-x", &min, "--max-x", &max]);
        all.extend(args.iter().map(String::as_str));
        // All inputs with size 1, then all with size 2 and so on, up to the largest size that the rule is for.
        let (mut size, mut last) = (0, u32::MAX);
        for line in run("crushtool", &all).lines().filter(|line| line.starts_with("CRUSH rule")) {
            let words: Vec<&str> = line.split(' ').collect();
            let input: u32 = words[4].parse().unwrap();
            if input <= last {
                size += 1;
            }
            last = input;
            let ours = crush.map(*rule as u32, input, size, &weights, 0).unwrap();
            assert_eq!(ours, osds(words[5]), "LOGRBD_SEED={seed}, size {size}: {line}\n{}", map.text);
            compared += 1;
        }
        assert_eq!(size, map.max_size, "LOGRBD_SEED={seed}");
    }
    compared
}
