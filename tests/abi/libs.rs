//! The two libraries of this build, side by side in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub const DEBIAN_LIBS: &str = "/usr/lib/x86_64-linux-gnu";

/// A file of the repository.
pub fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder with librados.so.2, librbd.so.1 and the links for the linker.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        // cargo builds the cdylib of this very build next to the test binaries.
        let built = std::env::current_exe().unwrap().with_file_name("liblogrbd.so");
        std::fs::copy(&built, dir.path().join("librados.so.2")).unwrap();
        let tsv = repo("src/capi/symbols.tsv");
        run(Command::new(repo("mk/librbd.sh")).arg(tsv).arg(dir.path()));
        for (link, file) in [("librados.so", "librados.so.2"), ("librbd.so", "librbd.so.1")] {
            std::os::unix::fs::symlink(file, dir.path().join(link)).unwrap();
        }
        dir
    })
    .path()
}

/// The folder as `make build` leaves it: lib/ and bin/.
pub fn build() -> &'static Path {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIR.get_or_init(|| {
        let build = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir(), build.path().join("lib")).unwrap();
        std::fs::create_dir(build.path().join("bin")).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_logrbd"), build.path().join("bin/logrbd")).unwrap();
        build
    })
    .path()
}

/// Runs a command that must succeed, within a time limit.
pub fn run(command: &mut Command) -> Output {
    let output = try_run(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a command that may fail, within a time limit.
pub fn try_run(command: &mut Command) -> Output {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(key, value),
            None => limited.env_remove(key),
        };
    }
    limited.output().unwrap()
}

/// What a command that must succeed printed.
pub fn stdout(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}
