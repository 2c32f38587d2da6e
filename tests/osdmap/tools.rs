//! Ceph's own tools.

use std::path::Path;
use std::process::Command;

/// What a tool prints; fails the test if the tool is not there or does not succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env_remove("CEPH_CONF").env_remove("CEPH_ARGS").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: run mk/setup.sh check first"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

pub fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("temporary folders have plain names").to_owned()
}

/// `[1,2,NONE]`, with the hole as osdmaptool and crushtool print it.
pub fn osds(text: &str) -> Vec<i32> {
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    inner.split(',').filter(|osd| !osd.is_empty()).map(|osd| osd.parse().expect("a number")).collect()
}
