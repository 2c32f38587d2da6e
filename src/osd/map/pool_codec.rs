//! The encoding of pools (pg_pool_t), versions 5 (2012) to 32 (Tentacle).

use std::collections::BTreeSet;

use super::MapError;
use super::codec::{i32_of, i64_of, intervals, list, map, text, texts};
use super::pool::{Pool, PoolKind, PoolOption, PoolSnap, flag};
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::Utime;

impl Pool {
    pub(super) fn decode(d: &mut Decoder) -> Result<Pool, MapError> {
        let (version, mut body) = d.section(32)?;
        if version < 5 {
            return Err(MapError::Unsupported("a pool's encoding from before 2012"));
        }
        let d = &mut body;
        let kind = match d.u8()? {
            1 => PoolKind::Replicated,
            3 => PoolKind::Erasure,
            other => PoolKind::Other(other),
        };
        let (size, crush_rule, object_hash) = (d.u8()?, d.u8()?, d.u8()?);
        let (pg_num, pgp_num) = (d.u32()?, d.u32()?);
        if pg_num == 0 || pgp_num == 0 {
            return Err(MapError::Invalid("a pool without placement groups"));
        }
        // Numbers of localized PGs, which are no more.
        d.u64()?;
        let mut pool = Pool {
            kind,
            size,
            min_size: size - size / 2,
            crush_rule,
            object_hash,
            pg_num,
            pgp_num,
            pg_num_target: pg_num,
            pgp_num_target: pgp_num,
            pg_num_pending: pg_num,
            flags: 0,
            last_change: d.u32()?,
            last_force_op_resend: 0,
            quota_max_bytes: 0,
            quota_max_objects: 0,
            snap_seq: d.u64()?,
            snap_epoch: d.u32()?,
            snaps: map(d, 8, snap)?,
            removed_snaps: intervals(d)?,
            tiers: BTreeSet::new(),
            tier_of: -1,
            read_tier: -1,
            write_tier: -1,
            cache_mode: 0,
            stripe_width: 0,
            erasure_code_profile: String::new(),
            fast_read: false,
            options: Default::default(),
            application_metadata: Default::default(),
            created: Utime::default(),
            nonprimary_shards: 0,
        };
        // Owner.
        d.u64()?;
        pool.flags = d.u64()?;
        // Crash replay interval.
        d.u32()?;
        // Before Mimic no flag said which kind of snapshots a pool has.
        if pool.snap_seq > 0 && !pool.has_flag(flag::SELFMANAGED_SNAPS | flag::POOL_SNAPS) {
            pool.flags |=
                if pool.removed_snaps.is_empty() { flag::POOL_SNAPS } else { flag::SELFMANAGED_SNAPS };
        }
        if version >= 7 {
            pool.min_size = d.u8()?;
        }
        if version >= 8 {
            pool.quota_max_bytes = d.u64()?;
            pool.quota_max_objects = d.u64()?;
        }
        if version >= 9 {
            pool.tiers = list(d, 8, i64_of)?.into_iter().collect();
            pool.tier_of = i64_of(d)?;
            pool.cache_mode = d.u8()?;
            pool.read_tier = i64_of(d)?;
            pool.write_tier = i64_of(d)?;
        }
        if version >= 10 {
            texts(d)?;
        }
        if version >= 11 {
            // Hit sets: parameters, period, count.
            d.section(u8::MAX)?;
            d.u64()?;
        }
        if version >= 12 {
            pool.stripe_width = d.u32()?;
        }
        if version >= 13 {
            // Of a cache tier: target bytes and objects, ratios, ages.
            d.raw(16 + 16)?;
        }
        if version >= 14 {
            pool.erasure_code_profile = text(d)?;
        }
        if version >= 15 {
            pool.last_force_op_resend = d.u32()?;
        }
        if version >= 16 {
            // Read recency for promotion.
            d.u32()?;
        }
        if version >= 17 {
            // Expected objects.
            d.u64()?;
        }
        if version >= 19 {
            // High ratio of dirty data.
            d.u32()?;
        }
        if version >= 20 {
            // Write recency for promotion.
            d.u32()?;
        }
        if version >= 21 {
            // Hit sets by GMT.
            d.u8()?;
        }
        if version >= 22 {
            pool.fast_read = d.u8()? != 0;
        }
        if version >= 23 {
            // Decay of hit sets, and how many are searched.
            d.u64()?;
        }
        if version >= 24 {
            let (version, mut section) = d.section(u8::MAX)?;
            pool.options = map(&mut section, 12, |d| option(d, version))?;
        }
        if version >= 25 {
            pool.last_force_op_resend = d.u32()?;
        }
        if version >= 26 {
            pool.application_metadata = map(d, 8, |d| Ok::<_, Malformed>((text(d)?, texts(d)?)))?;
        }
        if version >= 27 {
            pool.created = Utime::decode(d)?;
        }
        if version >= 28 {
            pool.pg_num_target = d.u32()?;
            pool.pgp_num_target = d.u32()?;
            pool.pg_num_pending = d.u32()?;
            // Two epochs of merges, as 14.1 had them.
            d.u64()?;
            pool.last_force_op_resend = d.u32()?;
            // Autoscale mode.
            d.u8()?;
        }
        // Later: the last merge (29), stretch mode (30 and 31), which shards never are primary (32).
        if version >= 32 && pool.has_flag(flag::EC_OPTIMIZATIONS) {
            d.section(u8::MAX)?;
            if d.u8()? != 0 {
                d.raw(16)?;
            }
            pool.nonprimary_shards = u128::from(varint(d)?) | u128::from(varint(d)?) << 64;
        }
        Ok(pool)
    }
}

fn snap(d: &mut Decoder) -> Result<(u64, PoolSnap), Malformed> {
    let key = d.u64()?;
    let (_, mut body) = d.section(2)?;
    Ok((key, PoolSnap { id: body.u64()?, stamp: Utime::decode(&mut body)?, name: text(&mut body)? }))
}

fn option(d: &mut Decoder, version: u8) -> Result<(i32, PoolOption), Malformed> {
    let key = i32_of(d)?;
    let value = match i32_of(d)? {
        0 => PoolOption::Text(d.blob()?.to_vec()),
        1 if version >= 2 => PoolOption::Int(i64_of(d)?),
        1 => PoolOption::Int(i64::from(i32_of(d)?)),
        2 => PoolOption::Double(f64::from_bits(d.u64()?)),
        _ => return Err(Malformed),
    };
    Ok((key, value))
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(d: &mut Decoder) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = d.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}
