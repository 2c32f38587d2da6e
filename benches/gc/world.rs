//! An image on a store, and what must be read from it.

use std::sync::Arc;

use logrbd::disk::{
    BLOCK_BYTES, CacheOptions, Disk, DiskNames, DiskOptions, DiskStats, FormatParams, SnapshotId,
};
use logrbd::env::TokioEnv;
use logrbd::store::model::ModelCluster;
use logrbd::store::{ListCursor, Op, OpOut, Request, Store, Target};

pub struct World {
    store: Arc<dyn Store>,
    names: DiskNames,
    pub disk: Arc<Disk>,
    /// Version of each block; 0: trimmed.
    versions: Vec<u32>,
    version: u32,
    live: u64,
}

impl World {
    /// An image that is written once from begin to end.
    pub async fn new(blocks: u64, segment_bytes: u32, percent: u8) -> World {
        let store = ModelCluster::new().client();
        let pool = store.pool_lookup("rbd").await.expect("the model has a pool");
        let names = DiskNames::new(pool, "", "bench", None);
        let params = FormatParams { segment_bytes, ..FormatParams::new(blocks * BLOCK_BYTES, [7; 16]) };
        Disk::format(&store, &names, &params).await.expect("format");
        // A small one: what overwrites what is still in it is not written at all, and says nothing about GC.
        let cache = CacheOptions {
            writethrough_until_flush: false,
            size_bytes: 4 << 20,
            max_dirty_bytes: 2 << 20,
            target_dirty_bytes: 1 << 20,
            ..CacheOptions::default()
        };
        let options = DiskOptions { cache, gc_utilisation_percent: percent, ..DiskOptions::default() };
        let disk =
            Disk::open(store.clone(), names.clone(), options, TokioEnv::current()).await.expect("open");
        disk.acquire().await.expect("acquire");
        let versions = vec![0; blocks as usize];
        let mut world = World { store, names, disk, versions, version: 0, live: 0 };
        for block in 0..blocks {
            world.write(block).await;
        }
        world
    }

    fn content(block: u64, version: u32) -> [u8; BLOCK_BYTES as usize] {
        let mut data = [0; BLOCK_BYTES as usize];
        if version > 0 {
            data[..4].copy_from_slice(&version.to_le_bytes());
            data[4..12].copy_from_slice(&block.to_le_bytes());
        }
        data
    }

    pub async fn write(&mut self, block: u64) {
        self.version += 1;
        let old = std::mem::replace(&mut self.versions[block as usize], self.version);
        self.live += u64::from(old == 0);
        let data = World::content(block, self.version);
        let written = match self.disk.try_write(block * BLOCK_BYTES, &[&data]) {
            Some(done) => done,
            None => self.disk.write(block * BLOCK_BYTES, &[&data]).await,
        };
        written.expect("write");
    }

    pub async fn trim(&mut self, first: u64, blocks: u64) {
        for version in &mut self.versions[first as usize..(first + blocks) as usize] {
            self.live -= u64::from(*version > 0);
            *version = 0;
        }
        self.disk.discard(first * BLOCK_BYTES, blocks * BLOCK_BYTES).await.expect("discard");
    }

    pub async fn snapshot(&self, name: &str) -> SnapshotId {
        self.disk.snap_create(name).await.expect("snap_create").id
    }

    /// Blocks that have data.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Blocks in all segments that exist in the store: in the table (dead ones too, until they are deleted), and just
    /// written.
    pub async fn blocks_in_segments(&self) -> f64 {
        let bytes = self.segment_bytes().await as f64;
        let stats = self.stats();
        bytes / stats.segment_bytes as f64 * stats.segment_blocks as f64
    }

    pub fn stats(&self) -> DiskStats {
        self.disk.stats()
    }

    /// Bytes of all segments that exist, whatever is in them.
    async fn segment_bytes(&self) -> u64 {
        let mut bytes = 0;
        let mut cursor = ListCursor::begin();
        while cursor != ListCursor::End {
            let (entries, next) = self.store.list(self.names.pool, None, cursor, 1000).await.expect("list");
            cursor = next;
            for entry in entries.iter().filter(|entry| entry.oid.starts_with("lsvd_data.")) {
                let target = Target::new(self.names.pool, "", entry.oid.clone());
                let Ok(reply) = self.store.operate(Request::new(target, vec![Op::Stat])).await else {
                    continue;
                };
                if let Some(OpOut::Stat { size, .. }) = reply.ops.first().map(|op| &op.out) {
                    bytes += size;
                }
            }
        }
        bytes
    }

    /// Reads all of the image and compares it.
    pub async fn check(&self) {
        const CHUNK: usize = 256;
        let mut data = vec![0; CHUNK * BLOCK_BYTES as usize];
        for (chunk, versions) in self.versions.chunks(CHUNK).enumerate() {
            let first = (chunk * CHUNK) as u64;
            let length = versions.len() as u64 * BLOCK_BYTES;
            self.disk.read(first * BLOCK_BYTES, length, &mut data).await.expect("read");
            for ((block, &version), got) in (first..).zip(versions).zip(data.chunks(BLOCK_BYTES as usize)) {
                assert!(got == World::content(block, version), "block {block} is not version {version}");
            }
        }
    }
}
