//! Our headers against Debian's: sizes, offsets, constants, prototypes, typedefs; in C and in C++.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::libs;

/// Debian's headers, in the order in which they are compared.
const DEBIAN: [&str; 4] = ["rados/rados_types.h", "rados/librados.h", "rbd/features.h", "rbd/librbd.h"];

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        out.push_str(&rest[..at]);
        let (end, len) = if rest[at..].starts_with("//") { ("\n", 0) } else { ("*/", 2) };
        rest = rest[at..].find(end).map_or("", |found| &rest[at + found + len..]);
    }
    out + rest
}

fn debian() -> String {
    let read = |name: &&str| std::fs::read_to_string(Path::new("/usr/include").join(name)).unwrap();
    without_comments(&DEBIAN.iter().map(read).collect::<Vec<_>>().join("\n"))
}

fn last_word(text: &str) -> Option<&str> {
    let text = text.split('[').next()?.trim_end();
    let start = text.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    Some(&text[start..]).filter(|word| !word.is_empty())
}

/// Every `KEYWORD [TAG] { BODY } [NAME]` of a header: the type as C writes it (empty for nameless ones) and the body.
fn blocks<'a>(text: &'a str, keyword: &str) -> Vec<(String, &'a str)> {
    let mut found = Vec::new();
    for piece in text.split(keyword).skip(1) {
        let Some((tag, rest)) = piece.split_once('{') else { continue };
        let Some((body, after)) = rest.split_once('}') else { continue };
        if tag.contains([';', ')', ',']) {
            continue; // a use of the type, not its definition
        }
        let name = after.split([';', ' ', '\n']).find(|word| !word.is_empty() && *word != "__attribute__");
        let of_typedef = after.trim_start_matches(' ').starts_with(|c: char| c.is_alphabetic());
        let named = match (tag.trim(), name) {
            ("", Some(name)) if of_typedef => name.to_string(),
            ("", _) => String::new(),
            (tag, _) => format!("{keyword} {tag}"),
        };
        found.push((named, body));
    }
    found
}

/// A C program that prints every size, offset and value that Debian's headers define.
fn facts_program(debian: &str) -> (String, usize) {
    let mut body = String::new();
    let structs = blocks(debian, "struct");
    for (name, fields) in &structs {
        assert!(!name.is_empty(), "a struct without a name: {fields}");
        body.push_str(&format!("FACT(\"size of {name}\", sizeof({name}));\n"));
        for field in fields.split(';').filter_map(last_word) {
            body.push_str(&format!("FACT(\"{name}.{field}\", offsetof({name}, {field}));\n"));
            body.push_str(&format!("FACT(\"size of {name}.{field}\", sizeof((({name} *)0)->{field}));\n"));
        }
    }
    let enums = blocks(debian, "enum");
    for (name, values) in &enums {
        if !name.is_empty() {
            body.push_str(&format!("FACT(\"size of {name}\", sizeof({name}));\n"));
            body.push_str(&format!("FACT(\"sign of {name}\", ({name})-1 < ({name})0);\n"));
        }
        for value in values.split(',').filter_map(|value| last_word(value.split('=').next()?)) {
            body.push_str(&format!("FACT(\"{value}\", {value});\n"));
        }
    }
    let mut macros = 0;
    for line in debian.replace("\\\n", " ").lines() {
        let Some(definition) = line.trim_start().strip_prefix('#').map(str::trim_start) else { continue };
        let Some(definition) = definition.strip_prefix("define") else { continue };
        let (name, value) = definition.trim().split_once([' ', '\t']).unwrap_or((definition.trim(), ""));
        if value.trim().is_empty() || name.contains('(') || name.starts_with("CEPH_R") {
            continue; // include guards, functions, attributes
        }
        let kind = if value.trim().starts_with('"') { "TEXT" } else { "FACT" };
        body.push_str(&format!("{kind}(\"{name}\", {name});\n"));
        macros += 1;
    }
    body.push_str("FACT(\"LIBRADOS_VERSION\", LIBRADOS_VERSION(1, 2, 3));\n");
    body.push_str("FACT(\"LIBRBD_VERSION\", LIBRBD_VERSION(1, 2, 3));\n");
    let program = format!(
        "#include <rbd/librbd.h>\n#include <stddef.h>\n#include <stdio.h>\n\
         #define FACT(what, value) printf(\"%s = %lld\\n\", what, (long long)(value))\n\
         #define TEXT(what, value) printf(\"%s = \\\"%s\\\" (%zu)\\n\", what, value, sizeof(value))\n\
         int main(void)\n{{\n{body}return 0;\n}}\n"
    );
    (program, structs.len() + enums.len() + macros)
}

/// A C source that includes our headers and declares again whatever Debian's declare: a difference is a compiler's error.
fn redeclarations(debian: &str) -> (String, usize) {
    let (mut out, mut count) = ("#include <rbd/librbd.h>\n#include <rados/librados.h>\n".to_string(), 0);
    out.push_str("#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    for api in ["CEPH_RADOS_API ", "CEPH_RBD_API "] {
        for declaration in debian.split(api).skip(1).filter_map(|piece| piece.split_once(';')) {
            let words = declaration.0.split_whitespace().collect::<Vec<_>>().join(" ");
            if words.contains('(') && !words.starts_with("__attribute__") {
                out.push_str(&format!("{words};\n"));
                count += 1;
            }
        }
    }
    for piece in debian.split("typedef ").skip(1) {
        let definition = piece.split(';').next().unwrap();
        if !definition.contains('{') {
            out.push_str(&format!("typedef {definition};\n"));
            count += 1;
        }
    }
    out.push_str("#ifdef __cplusplus\n}\n#endif\n");
    (out, count)
}

struct Work {
    dir: tempfile::TempDir,
}

impl Work {
    fn new() -> Work {
        Work { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Compiles and runs the facts program with the headers of `include`; an error text if it does not compile.
    fn facts(&self, program: &Path, include: Option<&Path>) -> Result<String, String> {
        let binary = self.dir.path().join("facts");
        let mut cc = Command::new("cc");
        cc.args(include.map(|dir| format!("-I{}", dir.display()))).arg("-o").arg(&binary).arg(program);
        let output = libs::try_run(&mut cc);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(libs::stdout(&mut Command::new(binary)))
    }
}

fn check(compiler: &str, flags: &[&str], include: &Path, source: &Path) -> Option<String> {
    let mut cc = Command::new(compiler);
    cc.args(["-fsyntax-only", "-Wall", "-Werror", "-Wno-deprecated-declarations", "-I"]).arg(include);
    let output = libs::try_run(cc.args(flags).arg(source));
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Everything in which the headers of `include` differ from Debian's.
fn differences(include: &Path) -> Vec<String> {
    let (debian, work) = (debian(), Work::new());
    let (program, things) = facts_program(&debian);
    let (again, declarations) = redeclarations(&debian);
    assert!(
        things > 130 && declarations > 500,
        "Debian's headers were not understood: {things}, {declarations}"
    );
    let program = work.file("facts.c", &program);
    let theirs = work.facts(&program, None).unwrap();
    assert!(theirs.lines().count() > 500, "{theirs}");
    let mut found = Vec::new();
    match work.facts(&program, Some(include)) {
        Ok(ours) => {
            let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) =
                (ours.lines().collect(), theirs.lines().collect());
            found.extend(theirs.symmetric_difference(&ours).map(|line| line.to_string()));
        }
        Err(text) => found.push(text),
    }
    let again = work.file("again.c", &again);
    found.extend(check("cc", &["-std=gnu11"], include, &again));
    found.extend(check("c++", &["-xc++", "-std=gnu++17"], include, &again));
    found
}

#[test]
fn our_headers_say_what_debians_say() {
    let found = differences(&libs::repo("include"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_kind_of_difference_is_noticed() {
    let breaks = [
        ("a field's type", "rados/librados.h", "  uint64_t num_kb;", "  uint32_t num_kb;"),
        (
            "a field's place",
            "rbd/librbd.h",
            "  uint64_t size;\n  uint64_t obj_size;",
            "  uint64_t obj_size;\n  uint64_t size;",
        ),
        (
            "a constant",
            "rados/librados.h",
            "LIBRADOS_OP_FLAG_FADVISE_FUA 128",
            "LIBRADOS_OP_FLAG_FADVISE_FUA 129",
        ),
        ("a text", "rados/librados.h", "\"\\001\"", "\"\\002\""),
        (
            "an enum's value",
            "rbd/librbd.h",
            "RBD_SNAP_NAMESPACE_TYPE_TRASH = 2",
            "RBD_SNAP_NAMESPACE_TYPE_TRASH = 4",
        ),
        (
            "an argument's type",
            "rados/librados.h",
            "int rados_conf_set(rados_t cluster, const char *",
            "int rados_conf_set(rados_t cluster, char *",
        ),
        ("a result's type", "rbd/librbd.h", "ssize_t rbd_read(", "int rbd_read("),
        (
            "a callback's type",
            "rbd/librbd.h",
            "typedef int (*librbd_progress_fn_t)",
            "typedef long (*librbd_progress_fn_t)",
        ),
        ("a missing macro", "rbd/librbd.h", "#define LIBRBD_SUPPORTS_IOVEC 1", ""),
    ];
    for (what, file, from, to) in breaks {
        let work = Work::new();
        for name in DEBIAN {
            let mut text = std::fs::read_to_string(libs::repo("include").join(name)).unwrap();
            if name == file {
                assert!(text.contains(from), "{what}: {from} is not in {file}");
                text = text.replace(from, to);
            }
            work.file(name, &text);
        }
        assert!(!differences(work.dir.path()).is_empty(), "{what} was not noticed");
    }
}

/// Every C program of the repository was written against Debian's headers.
#[test]
fn programs_for_debians_headers_compile_with_ours() {
    let mut seen = 0;
    for folder in ["capi-tests", "capi-tests/link", "capi-tests/conf"] {
        for file in std::fs::read_dir(libs::repo(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|e| e == "c") {
                let wrong = check("cc", &["-D_GNU_SOURCE="], &libs::repo("include"), &file);
                assert!(wrong.is_none(), "{}: {}", file.display(), wrong.unwrap());
                seen += 1;
            }
        }
    }
    assert!(seen > 2);
}

#[test]
fn each_header_stands_alone() {
    let work = Work::new();
    for (number, name) in DEBIAN.iter().enumerate() {
        let source = work.file(&format!("{number}.c"), &format!("#include <{name}>\n#include <{name}>\n"));
        for (compiler, flags) in [("cc", &["-std=c11"][..]), ("c++", &["-xc++"])] {
            let wrong = check(compiler, flags, &libs::repo("include"), &source);
            assert!(wrong.is_none(), "{name}: {}", wrong.unwrap());
        }
    }
}
