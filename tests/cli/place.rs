//! A local store in a temporary folder, filled through the library, and the tool run on it.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use logrbd::client::{Cluster, Context, Session};
use logrbd::conf::{Config, Process};
use logrbd::env::{Env, TokioEnv};
use logrbd::image::{Conf, CreateParams, Image, ImageOptions, OpenOptions, Pool, Which, create, no_conf};
use serde_json::Value;

pub struct Place {
    folder: tempfile::TempDir,
}

/// A client of the store.
pub struct Client {
    cluster: Cluster,
    pub session: Arc<Session>,
    pub pool: Pool,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn mon_host(&self) -> String {
        format!("local:{}", self.store().display())
    }

    pub fn client(&self) -> Client {
        let mut config = Config::new("admin", &Process);
        config.set("mon_host", &self.mon_host()).unwrap();
        let cluster = Cluster::new(Arc::new(Context::new(config)));
        cluster.connect().unwrap();
        let session = cluster.session().unwrap();
        let id = session.wait(session.store().pool_lookup("rbd")).unwrap();
        let pool = Pool::new(session.store().clone(), id, "");
        Client { cluster, session, pool }
    }

    /// Runs the tool with this store; gives its exit code, what it printed, and its errors.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = tool();
        command.args(["-m", &self.mon_host()]).args(args);
        outcome(&mut command)
    }

    /// The same with `--format json`, taken apart.
    pub fn json(&self, args: &[&str]) -> (i32, Value) {
        let (code, out, errors) = self.run(&[args, &["--format", "json"]].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{errors}")))
    }
}

pub fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logrbd"));
    command.env_remove("CEPH_CONF").env_remove("CEPH_ARGS");
    command
}

pub fn outcome(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

impl Client {
    pub fn env(&self) -> Arc<dyn Env> {
        TokioEnv::new(self.session.runtime().clone())
    }

    /// An image with segments of 1 MiB, so that a little data fills several.
    pub fn create(&self, name: &str, size: u64) -> String {
        self.session.wait(async {
            let (conf, given) = (no_conf(), ImageOptions::default());
            let params = CreateParams::from_options(&self.pool, &conf, &given).await.unwrap();
            let params = CreateParams { segment_bytes: 1 << 20, ..params };
            create(&self.pool, name, size, &params, self.env().as_ref()).await.unwrap()
        })
    }

    /// Opens it for writing, without garbage collection, so that what is counted stays.
    pub fn open(&self, name: &str) -> Arc<Image> {
        let conf: Conf = Arc::new(|key| (key == "logrbd_gc").then(|| "false".to_owned()));
        let opening =
            Image::open(self.pool.clone(), Which::Name(name), OpenOptions::default(), conf, self.env());
        self.session.wait(opening).unwrap()
    }

    pub fn write(&self, image: &Arc<Image>, offset: u64, data: &[u8]) {
        self.session.wait(image.write(offset, &[data])).unwrap();
    }

    pub fn close(&self, image: Arc<Image>) {
        self.session.wait(image.flush()).unwrap();
        self.session.wait(image.close()).unwrap();
    }

    /// What can be read of it, block by block.
    pub fn blocks(&self, name: &str, size: u64) -> Vec<Option<Vec<u8>>> {
        let image = self.open(name);
        let blocks = (0..size / 4096).map(|block| {
            let mut data = vec![0; 4096];
            self.session.wait(image.read(block * 4096, 4096, &mut data)).ok().map(|_| data)
        });
        let blocks = blocks.collect();
        self.session.wait(image.close()).unwrap();
        blocks
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.cluster.shutdown();
    }
}

/// The data files of a store, the largest first.
pub fn data_files(store: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(store.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = folders
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse(std::fs::metadata(file).unwrap().len()));
    files
}

/// Flips a bit where these bytes are; `false` if they are not in the file.
pub fn flip_where(file: &Path, bytes: &[u8]) -> bool {
    let content = std::fs::read(file).unwrap();
    let Some(at) = content.windows(bytes.len()).position(|window| window == bytes) else { return false };
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&[content[at] ^ 4], at as u64).unwrap();
    true
}
