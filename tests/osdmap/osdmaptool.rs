//! Whole maps beside `osdmaptool --test-map-pgs-dump-all` and `--test-map-object`.

use std::collections::BTreeMap;

use logrbd::osd::{OsdMap, map::osd_state, map::pool_flag};
use logrbd::wire::types::Pgid;

use super::chance::{Chance, seeds};
use super::crush_text;
use super::sample::{Map, Pool};
use super::tools::{osds, path, run};

/// Random maps with pools of all kinds and every exception: each placement group must be where the tool has it.
#[test]
fn groups_map_as_osdmaptool_does() {
    let (mut maps, mut groups, mut objects) = (0, 0, 0);
    for seed in seeds(30) {
        let folder = tempfile::tempdir().unwrap();
        let (g, o) = one(seed, folder.path());
        maps += 1;
        groups += g;
        objects += o;
    }
    println!(
        "{groups} placement groups and {objects} objects of {maps} OSD maps are where osdmaptool has them"
    );
}

fn one(seed: u64, folder: &std::path::Path) -> (usize, usize) {
    let chance = &mut Chance::new(seed ^ 0x05d3_a900);
    let crush = crush_text::generate(chance);
    let (text, binary, file) = (path(folder, "crush.txt"), path(folder, "crush.bin"), path(folder, "osdmap"));
    std::fs::write(&text, &crush.text).unwrap();
    run("crushtool", &["-c", &text, "--enable-unsafe-tunables", "-o", &binary]);
    let map = generate(chance, &crush, std::fs::read(&binary).unwrap());
    let bytes = map.encode();
    std::fs::write(&file, &bytes).unwrap();
    let ours = OsdMap::decode(&bytes).unwrap();

    let mut compared = 0;
    for line in run("osdmaptool", &[&file, "--test-map-pgs-dump-all"]).lines() {
        let Some(theirs) = Mapping::parse(line) else { continue };
        let pool = ours.pool(theirs.pgid.pool);
        theirs.compare(&ours, &format!("LOGRBD_SEED={seed}: {line}\n{pool:?}\n{}", crush.text));
        compared += 1;
    }
    assert_eq!(
        compared,
        map.pools.values().map(|pool| pool.pg_num as usize).sum::<usize>(),
        "LOGRBD_SEED={seed}"
    );
    (compared, names(chance, seed, &file, &ours))
}

/// Some objects' groups and OSDs. Names, as the tool takes them, are without key and namespace.
fn names(chance: &mut Chance, seed: u64, file: &str, ours: &OsdMap) -> usize {
    for _ in 0..3 {
        let (pools, length) = (ours.pools().keys().copied().collect::<Vec<_>>(), chance.between(1, 40));
        let name: String = (0..length).map(|_| (b'a' + chance.below(26) as u8) as char).collect();
        let pool = *chance.pick(&pools);
        let out = run("osdmaptool", &[file, "--test-map-object", &name, "--pool", &pool.to_string()]);
        let raw = ours.object_to_raw_pg(pool, b"", b"", name.as_bytes()).unwrap();
        let pgid = ours.raw_pg_to_pg(raw).unwrap();
        let line = out.lines().find(|line| line.contains("->")).unwrap();
        let words: Vec<&str> = line.split(" -> ").collect();
        assert_eq!(words[1], pgid.to_string(), "LOGRBD_SEED={seed}: {line}");
        assert_eq!(osds(words[2]), ours.pg_to_up_acting(raw).acting, "LOGRBD_SEED={seed}: {line}");
    }
    3
}

pub struct Mapping {
    pub pgid: Pgid,
    up: Vec<i32>,
    up_primary: i32,
    acting: Vec<i32>,
    acting_primary: i32,
}

impl Mapping {
    /// `1.2f raw ([3,4], p3) up ([3,4], p3) acting ([3,4], p3)`; a hole is a number.
    pub fn parse(line: &str) -> Option<Mapping> {
        let (pool, rest) = line.split_once('.')?;
        let (seed, rest) = rest.split_once(" raw ")?;
        let set = |name: &str| {
            let (_, rest) = rest.split_once(&format!(" {name} ("))?;
            let (list, rest) = rest.split_once("], p")?;
            Some((osds(list), rest.split_once(')')?.0.parse().ok()?))
        };
        let ((up, up_primary), (acting, acting_primary)) = (set("up")?, set("acting")?);
        let pgid = Pgid { pool: pool.parse().ok()?, seed: u32::from_str_radix(seed, 16).ok()? };
        Some(Mapping { pgid, up, up_primary, acting, acting_primary })
    }

    /// Fails if the map has the group elsewhere.
    pub fn compare(&self, map: &OsdMap, what: &str) {
        let got = map.pg_to_up_acting(self.pgid);
        let got = (&got.up, got.up_primary, &got.acting, got.acting_primary);
        let want = (&self.up, self.up_primary, &self.acting, self.acting_primary);
        assert_eq!(got, want, "{what}");
    }
}

fn generate(chance: &mut Chance, crush: &crush_text::CrushText, binary: Vec<u8>) -> Map {
    let count = crush.devices + chance.below(2);
    let mut map = Map { crush: binary, ..Map::default() };
    for _ in 0..count {
        map.states.push(match chance.below(12) {
            0 => 0,
            1 => osd_state::EXISTS,
            _ => osd_state::EXISTS | osd_state::UP,
        });
        map.weights.push(match chance.below(10) {
            0 => 0,
            1 => chance.below(0x1_0000) as u32,
            _ => 0x1_0000,
        });
    }
    if chance.one_in(2) {
        map.affinities = (0..count).map(|_| *chance.pick(&[0x1_0000, 0x1_0000, 0x8000, 0x2000, 0])).collect();
    }
    for id in 1..=chance.between(2, 5) as i64 {
        let &(rule, erasure) = chance.pick(&crush.rules);
        let pg_num = *chance.pick(&[1, 8, 12, 32, 37, 64, 100]);
        map.pools.insert(
            id,
            Pool {
                // Now and then a rule that is for pools of the other kind, or of other sizes.
                erasure: erasure != chance.one_in(15),
                size: (chance.between(1, crush.max_size) + usize::from(chance.one_in(10))) as u8,
                rule: rule as u8,
                pg_num,
                pgp_num: if chance.one_in(4) { chance.between(1, pg_num as usize) as u32 } else { pg_num },
                flags: if chance.one_in(4) { 0 } else { pool_flag::HASHPSPOOL },
                object_hash: if chance.one_in(4) { 1 } else { 2 },
                nonprimary_shards: None,
            },
        );
    }
    exceptions(chance, &mut map);
    map
}

fn exceptions(chance: &mut Chance, map: &mut Map) {
    let groups: BTreeMap<Pgid, u8> = (map.pools.iter())
        .flat_map(|(&pool, p)| (0..p.pg_num).map(move |seed| (Pgid { pool, seed }, p.size)))
        .collect();
    let count = map.states.len();
    let osd = |chance: &mut Chance| match chance.below(15) {
        0 => logrbd::osd::map::NO_OSD,
        _ => chance.below(count) as i32,
    };
    let list = |chance: &mut Chance, size: u8| {
        let mut list: Vec<i32> = Vec::new();
        for _ in 0..4 * size {
            let osd = osd(chance);
            if list.len() < usize::from(size) && (!list.contains(&osd) || osd == logrbd::osd::map::NO_OSD) {
                list.push(osd);
            }
        }
        list
    };
    for (&pgid, &size) in &groups {
        if chance.one_in(10) {
            map.temp.insert(pgid, list(chance, size));
        }
        if chance.one_in(12) {
            map.primary_temp.insert(pgid, chance.below(count) as i32);
        }
        if chance.one_in(10) {
            map.upmap.insert(pgid, list(chance, size));
        }
        if chance.one_in(4) {
            let pairs = (0..chance.between(1, 4)).map(|_| (osd(chance), osd(chance))).collect();
            map.upmap_items.insert(pgid, pairs);
        }
    }
}
