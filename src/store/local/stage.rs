//! Writing large data ahead of the transaction: several lists' data goes to disk at the same time, and the writer
//! only names it.

use std::collections::HashMap;

use super::apply::Staged;
use super::files::{BLOCK, Dirty, Files, block_sums};
use crate::store::{Op, Request};

/// Data of this size or more is staged in a file of its own.
const STAGE: usize = 1 << 20;

fn data(op: &Op) -> Option<&bytes::Bytes> {
    match op {
        Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => Some(data),
        _ => None,
    }
}

pub(super) fn data_bytes(request: &Request) -> usize {
    request.ops.iter().filter_map(|(op, _)| data(op)).map(|data| data.len()).sum()
}

pub(super) fn wants_staging(request: &Request) -> bool {
    request.ops.iter().any(|(op, _)| data(op).is_some_and(|data| data.len() >= STAGE))
}

/// Stages what is large. What fails is left out, and removed: the writer then meets the error in its turn.
pub(super) fn stage(files: &Files, request: &Request) -> HashMap<usize, Staged> {
    let mut staged = HashMap::new();
    for (index, (op, _)) in request.ops.iter().enumerate() {
        let Some(data) = data(op).filter(|data| data.len() >= STAGE) else { continue };
        let mut dirty = Dirty::default();
        let Ok(file) = files.create_or_reuse(data.len() as u64, &mut dirty) else { continue };
        let written = files.write(file, 0, data, &mut dirty);
        files.trim(file, (data.len() as u64).next_multiple_of(BLOCK));
        let written = written.and_then(|()| files.sync(&mut dirty));
        files.full(file);
        match written {
            Ok(()) => {
                staged.insert(index, Staged { file, sums: block_sums(data).into() });
            }
            Err(_) => files.free(file, 0, 0),
        }
    }
    staged
}
