//! include/ is what cbindgen makes of the Rust sources, and says the same as Debian's headers.
//!
//! `make headers` (LOGRBD_BLESS=1) writes include/; without it a stale header fails.

use std::path::PathBuf;

use cbindgen::{Builder, Config};

use crate::libs;

/// The Rust files that a header is made of; mod.rs would bring each of them twice.
fn sources(library: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(libs::repo("src/capi").join(library))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("mod.rs"))
        .collect();
    files.sort();
    files.insert(0, types(library));
    files
}

fn types(library: &str) -> PathBuf {
    libs::repo(&format!("src/capi/types/{library}.rs"))
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn generate(library: &str) -> String {
    let mut config = Config::from_file(libs::repo(&format!("mk/headers-{library}.toml"))).unwrap();
    let text = std::fs::read_to_string(types(library)).unwrap();
    // Types that no function names are part of the header too.
    for keyword in ["pub struct ", "pub enum ", "pub type "] {
        config.export.include.extend(text.split(keyword).skip(1).map(word));
    }
    // Constants are public in the types' file only; elsewhere they serve the code.
    for file in sources(library).iter().skip(1) {
        let text = std::fs::read_to_string(file).unwrap();
        config.export.exclude.extend(text.split("const ").skip(1).map(word));
    }
    // cbindgen knows no string constants.
    let mut includes = config.after_includes.take().unwrap_or_default();
    for constant in text.split("pub const ").skip(1) {
        if let Some((_, value)) =
            constant.split_once(": &CStr = c").filter(|(name, _)| *name == word(constant))
        {
            let value = value.split_once(';').unwrap().0.replace("\\x01", "\\001");
            includes.push_str(&format!("#define {} {value}\n", word(constant)));
        }
    }
    config.after_includes = Some(includes);
    let mut builder = Builder::new().with_config(config);
    for file in sources(library) {
        builder = builder.with_src(file);
    }
    let mut out = Vec::new();
    builder.generate().unwrap().write(&mut out);
    let text = String::from_utf8(out).unwrap();
    // The plain forms of the four versioned functions are for old programs only; new ones get the versioned form.
    let mut kept = String::new();
    for item in text.split_inclusive(";\n") {
        if !item.contains("_base(") {
            // isize is ssize_t here; cbindgen calls it by its C standard name.
            kept.push_str(&item.replace("_v14(", "(").replace("ptrdiff_t ", "ssize_t "));
        }
    }
    kept
}

#[test]
fn the_headers_are_fresh() {
    for (library, path) in [("rados", "include/rados/librados.h"), ("rbd", "include/rbd/librbd.h")] {
        let fresh = generate(library);
        let path = libs::repo(path);
        if std::env::var_os("LOGRBD_BLESS").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == fresh, "{} is stale: run `make headers`", path.display());
    }
}
