//! symbols.tsv against the code, the built libraries, Debian's libraries and docs/symbols.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::libs;

#[derive(Debug, PartialEq)]
struct Row {
    library: String,
    local: bool,
    cluster: bool,
}

fn listed() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(libs::repo("src/capi/symbols.tsv")).unwrap();
    // `store`: the function is there, but that store answers -EOPNOTSUPP.
    let works = |word: &str| match word {
        "works" | "store" => true,
        "stub" => false,
        other => panic!("symbols.tsv: {other:?} is neither works, store nor stub"),
    };
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(1) {
        let [symbol, library, local, cluster] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("symbols.tsv: {line:?} has not four columns");
        };
        let row = Row { library: library.into(), local: works(local), cluster: works(cluster) };
        assert!(rows.insert(symbol.to_string(), row).is_none(), "symbols.tsv: {symbol} is there twice");
    }
    rows
}

fn names_of<'a>(rows: &'a BTreeMap<String, Row>, library: &str) -> BTreeSet<&'a str> {
    rows.iter().filter(|(_, row)| row.library == library).map(|(name, _)| name.as_str()).collect()
}

/// The functions that a library defines, as nm writes them (`name` or `name@@VERSION`).
fn exported(library: &Path, prefix: &str) -> BTreeSet<String> {
    let text = libs::stdout(Command::new("nm").arg("-D").arg(library));
    let functions = text.lines().filter_map(|line| line.split_once(" T ")).map(|(_, name)| name.to_string());
    functions.filter(|name| name.starts_with(prefix)).collect()
}

fn as_set(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// Every export in the source with the word of its body: `entry` or `stub`.
fn in_code() -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    for library in ["rados", "rbd"] {
        for file in std::fs::read_dir(libs::repo("src/capi").join(library)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for item in text.split("pub unsafe extern \"C\" fn ").skip(1) {
                let name = item.split('(').next().unwrap().trim();
                // rados_x_v14 is exported as rados_x@@LIBRADOS_14.2.0, rados_x_base as rados_x.
                let symbol = match name.strip_suffix("_v14") {
                    Some(name) => format!("{name}@@LIBRADOS_14.2.0"),
                    None => name.strip_suffix("_base").unwrap_or(name).to_string(),
                };
                let body = &item[..item.find("#[unsafe(no_mangle)]").unwrap_or(item.len())];
                let (at, word) = match (body.find("entry!("), body.find("stub!(")) {
                    (Some(at), None) => (at, "entry"),
                    (None, Some(at)) => (at, "stub"),
                    _ => panic!("{}: {name} needs one entry! or one stub!", path.display()),
                };
                let given = body[at..].split('"').nth(1).unwrap();
                assert_eq!(given, symbol, "{}: the name in {name}'s {word}!", path.display());
                assert!(found.insert(symbol.clone(), word).is_none(), "{symbol} is defined twice");
            }
        }
    }
    found
}

#[test]
fn the_list_agrees_with_the_code() {
    let rows = listed();
    let code = in_code();
    assert_eq!(rows.keys().collect::<Vec<_>>(), code.keys().collect::<Vec<_>>());
    let wrong: Vec<_> =
        rows.iter().filter(|(name, row)| (row.local || row.cluster) != (code[*name] == "entry")).collect();
    assert!(wrong.is_empty(), "symbols.tsv and entry!/stub! disagree: {wrong:?}");
}

#[test]
fn the_list_agrees_with_the_built_libraries() {
    let rows = listed();
    let (rados, rbd) = (names_of(&rows, "librados"), names_of(&rows, "librbd"));
    assert_eq!((rados.len(), rbd.len()), (246, 280));
    let librados = libs::dir().join("librados.so.2");
    assert_eq!(as_set(&exported(&librados, "rados_")), rados);
    assert_eq!(as_set(&exported(&librados, "rbd_")), rbd);
    assert_eq!(as_set(&exported(&libs::dir().join("librbd.so.1"), "rbd_")), rbd);
    // Nothing else leaks out, so that no symbol of ours can stand in for one of the program's.
    let mut all = exported(&librados, "");
    all.retain(|name| !name.starts_with("rados_") && !name.starts_with("rbd_"));
    assert_eq!(as_set(&all), BTreeSet::from(["logrbd_version"]));
}

#[test]
fn the_list_agrees_with_debians_libraries() {
    let rows = listed();
    for (library, file, prefix) in
        [("librados", "librados.so.2", "rados_"), ("librbd", "librbd.so.1", "rbd_")]
    {
        let theirs = exported(&Path::new(libs::DEBIAN_LIBS).join(file), prefix);
        assert_eq!(as_set(&theirs), names_of(&rows, library));
    }
}

#[test]
fn the_symbol_table_in_docs_is_fresh() {
    let fresh = libs::stdout(Command::new("python3").arg(libs::repo("mk/symbols.py")));
    let committed = std::fs::read_to_string(libs::repo("docs/symbols.md")).unwrap();
    assert!(fresh == committed, "docs/symbols.md is stale: run `make symbols`");
}
