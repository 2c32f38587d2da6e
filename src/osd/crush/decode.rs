//! The encoding of CRUSH maps (CrushWrapper), as it lies in OSD maps and as crushtool writes it.

use std::collections::BTreeMap;

use super::bucket::{Algorithm, Bucket};
use super::{ChooseArg, ChooseArgs, CrushMap, Rule, Step, Tunables};
use crate::wire::denc::{Decoder, Malformed};

const MAGIC: u32 = 0x0001_0000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CrushError {
    #[error("malformed encoding")]
    Malformed(#[from] Malformed),
    #[error("bucket algorithm {0} is not known")]
    Algorithm(u32),
    #[error("hash {0} is not known")]
    Hash(u8),
    #[error("bucket {0} does not fit its place, its weights or its items")]
    Bucket(i32),
    #[error("bucket {0} contains itself")]
    Cycle(i32),
}

type Result<T> = std::result::Result<T, CrushError>;

/// A number of things that take at least `least` bytes each: no more than the input can hold.
fn count(d: &mut Decoder, least: usize) -> std::result::Result<usize, Malformed> {
    let count = d.u32()? as usize;
    if count > d.remaining() / least { Err(Malformed) } else { Ok(count) }
}

fn i32_of(d: &mut Decoder) -> std::result::Result<i32, Malformed> {
    Ok(d.u32()? as i32)
}

impl CrushMap {
    pub fn decode(bytes: &[u8]) -> Result<CrushMap> {
        let d = &mut Decoder::new(bytes);
        if d.u32()? != MAGIC {
            return Err(Malformed.into());
        }
        let max_buckets = d.u32()? as usize;
        let max_rules = d.u32()? as usize;
        let max_devices = i32_of(d)?;
        if max_buckets > d.remaining() / 4 || max_rules > d.remaining() / 4 || max_devices < 0 {
            return Err(Malformed.into());
        }
        let buckets = (0..max_buckets).map(|index| bucket(d, index)).collect::<Result<Vec<_>>>()?;
        let rules = (0..max_rules).map(|_| rule(d)).collect::<Result<Vec<_>>>()?;
        let mut map = CrushMap {
            buckets,
            rules,
            max_devices,
            type_names: names(d)?,
            item_names: names(d)?,
            rule_names: names(d)?,
            ..CrushMap::default()
        };
        map.tunables = tunables(d)?;
        if d.remaining() > 0 {
            map.device_classes = pairs(d)?;
            map.class_names = names(d)?;
            // Which shadow belongs to which bucket and class: of use to those who change maps.
            for _ in 0..count(d, 8)? {
                i32_of(d)?;
                pairs(d)?;
            }
        }
        if d.remaining() > 0 {
            for _ in 0..count(d, 12)? {
                let index = d.u64()? as i64;
                let args = choose_args(d, &map)?;
                map.choose_args.insert(index, args);
            }
        }
        // Squid and later.
        if d.remaining() > 0 {
            map.tunables.msr_descents = d.u32()?;
            map.tunables.msr_collision_tries = d.u32()?;
        }
        map.refuse_cycles()?;
        Ok(map)
    }

    /// A descent must come to an end. Walks without recursion: a hostile map may be as deep as it is long.
    fn refuse_cycles(&self) -> Result<()> {
        #[derive(Clone, Copy, PartialEq)]
        enum Seen {
            Not,
            Above,
            Done,
        }
        let mut seen = vec![Seen::Not; self.buckets.len()];
        let index = |id: i32| (-1 - i64::from(id)) as usize;
        for root in self.buckets.iter().flatten() {
            // Buckets on the way down, each with the number of its items that were looked at.
            let mut path: Vec<(&Bucket, usize)> = Vec::new();
            if seen[index(root.id)] == Seen::Not {
                seen[index(root.id)] = Seen::Above;
                path.push((root, 0));
            }
            while let Some((bucket, next)) = path.last_mut() {
                let Some(&item) = bucket.items.get(*next) else {
                    seen[index(bucket.id)] = Seen::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                let Some(child) = self.bucket(item) else { continue };
                match seen[index(item)] {
                    Seen::Above => return Err(CrushError::Cycle(item)),
                    Seen::Done => {}
                    Seen::Not => {
                        seen[index(item)] = Seen::Above;
                        path.push((child, 0));
                    }
                }
            }
        }
        Ok(())
    }
}

fn bucket(d: &mut Decoder, index: usize) -> Result<Option<Box<Bucket>>> {
    let alg = d.u32()?;
    if alg == 0 {
        return Ok(None);
    }
    let id = i32_of(d)?;
    let kind = d.u16()?;
    let alg_again = d.u8()?;
    let hash = d.u8()?;
    d.u32()?;
    let size = count(d, 4)?;
    if -1 - i64::from(id) != index as i64 || u32::from(alg_again) != alg {
        return Err(CrushError::Bucket(id));
    }
    if hash != 0 {
        return Err(CrushError::Hash(hash));
    }
    let items = (0..size).map(|_| i32_of(d)).collect::<std::result::Result<Vec<_>, _>>()?;
    // The weights of the items must fit before room is made for them.
    let fits = |each: usize, d: &Decoder| if size > d.remaining() / each { Err(Malformed) } else { Ok(()) };
    let pair = |d: &mut Decoder| Ok::<_, Malformed>((d.u32()?, d.u32()?));
    let alg = match alg {
        1 => {
            d.u32()?;
            Algorithm::Uniform
        }
        2 => {
            fits(8, d)?;
            Algorithm::List((0..size).map(|_| pair(d)).collect::<std::result::Result<_, _>>()?)
        }
        3 => {
            let nodes = usize::from(d.u8()?);
            let nodes = (0..nodes).map(|_| d.u32()).collect::<std::result::Result<Vec<_>, _>>()?;
            let complete = nodes.len().is_power_of_two() && nodes.len() >= 2 && size <= nodes.len() / 2;
            if !complete && size > 0 {
                return Err(CrushError::Bucket(id));
            }
            Algorithm::Tree(nodes)
        }
        4 => {
            fits(8, d)?;
            let straw = |d: &mut Decoder| pair(d).map(|(_, straw)| straw);
            Algorithm::Straw((0..size).map(|_| straw(d)).collect::<std::result::Result<_, _>>()?)
        }
        5 => {
            fits(4, d)?;
            Algorithm::Straw2((0..size).map(|_| d.u32()).collect::<std::result::Result<_, _>>()?)
        }
        other => return Err(CrushError::Algorithm(other)),
    };
    Ok(Some(Box::new(Bucket { id, kind, items, alg })))
}

fn rule(d: &mut Decoder) -> Result<Option<Rule>> {
    if d.u32()? == 0 {
        return Ok(None);
    }
    let length = d.u32()? as usize;
    let (ruleset, kind) = (d.u8()?, d.u8()?);
    let sizes = d.u8()?..=d.u8()?;
    if length > d.remaining() / 12 {
        return Err(Malformed.into());
    }
    let step =
        |d: &mut Decoder| Ok::<_, Malformed>(Step { op: d.u32()?, arg1: i32_of(d)?, arg2: i32_of(d)? });
    let steps = (0..length).map(|_| step(d)).collect::<std::result::Result<_, _>>()?;
    Ok(Some(Rule { ruleset, kind, sizes, steps }))
}

/// Old maps have keys of 64 bits; names are never empty, so that the upper half of such a key is told by its being 0.
fn names(d: &mut Decoder) -> Result<BTreeMap<i32, String>> {
    let mut map = BTreeMap::new();
    for _ in 0..count(d, 8)? {
        let key = i32_of(d)?;
        let mut length = d.u32()?;
        if length == 0 {
            length = d.u32()?;
        }
        map.insert(key, String::from_utf8_lossy(d.raw(length as usize)?).into_owned());
    }
    Ok(map)
}

fn pairs(d: &mut Decoder) -> Result<BTreeMap<i32, i32>> {
    let mut map = BTreeMap::new();
    for _ in 0..count(d, 8)? {
        let key = i32_of(d)?;
        map.insert(key, i32_of(d)?);
    }
    Ok(map)
}

/// Each group came with a release; a map ends where its writer's knowledge ended.
fn tunables(d: &mut Decoder) -> Result<Tunables> {
    let mut t = Tunables::LEGACY;
    if d.remaining() > 0 {
        t.choose_local_tries = d.u32()?;
        t.choose_local_fallback_tries = d.u32()?;
        t.choose_total_tries = d.u32()?;
    }
    if d.remaining() > 0 {
        t.chooseleaf_descend_once = d.u32()?;
    }
    if d.remaining() > 0 {
        t.chooseleaf_vary_r = d.u8()?;
    }
    // How straws are computed and which bucket algorithms are allowed: of use to those who change maps.
    if d.remaining() > 0 {
        d.u8()?;
    }
    if d.remaining() > 0 {
        d.u32()?;
    }
    if d.remaining() > 0 {
        t.chooseleaf_stable = d.u8()?;
    }
    Ok(t)
}

fn choose_args(d: &mut Decoder, map: &CrushMap) -> Result<ChooseArgs> {
    let mut args = ChooseArgs::new();
    for _ in 0..count(d, 12)? {
        let index = d.u32()?;
        let bucket = map.buckets.get(index as usize).ok_or(Malformed)?.as_deref();
        let mut weights = Vec::new();
        for _ in 0..count(d, 4)? {
            let size = count(d, 4)?;
            weights.push((0..size).map(|_| d.u32()).collect::<std::result::Result<Vec<_>, _>>()?);
        }
        let size = count(d, 4)?;
        let ids = (0..size).map(|_| i32_of(d)).collect::<std::result::Result<Vec<_>, _>>()?;
        // Ceph too drops what is not for a straw2 bucket, and gives sets of weights the bucket's size.
        let Some(Bucket { items, alg: Algorithm::Straw2(_), .. }) = bucket else { continue };
        if !ids.is_empty() && ids.len() != items.len() {
            return Err(CrushError::Bucket(-1 - index as i32));
        }
        // A bucket may be named more often than it is worth: the sets must not grow past what they were read from.
        if items.len() * weights.len() > 4 * (weights.iter().map(Vec::len).sum::<usize>() + 1024) {
            return Err(CrushError::Bucket(-1 - index as i32));
        }
        for set in &mut weights {
            set.resize(items.len(), 0);
        }
        args.insert(index, ChooseArg { weights, ids });
    }
    Ok(args)
}
