//! capi-tests/conf: the same calls on our library and on Ceph's, both compared with the committed transcripts.

use std::path::Path;
use std::process::Command;

use crate::libs;

/// What confsh prints when it is fed a transcript, in a new folder and with an empty environment.
fn replay(program: &Path, transcript: &Path, libdir: Option<&Path>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    // Option errors that librados prints are not part of a transcript.
    shell.arg("-c").arg(format!(
        "cd '{}' && exec env -i {} '{}' < '{}' 2>/dev/null",
        folder.path().display(),
        libdir.map(|dir| format!("LD_LIBRARY_PATH='{}'", dir.display())).unwrap_or_default(),
        program.display(),
        transcript.display()
    ));
    libs::stdout(&mut shell)
}

fn first_difference(expected: &str, got: &str) -> String {
    let mut lines = expected.lines().zip(got.lines()).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((number, (a, b))) => {
            let before = expected.lines().nth(number.saturating_sub(1)).unwrap_or_default();
            format!("line {}: after {before:?}\n  expected {a}\n  got      {b}", number + 1)
        }
        None => format!("{} lines expected, {} got", expected.lines().count(), got.lines().count()),
    }
}

#[test]
fn both_libraries_answer_as_the_transcripts_say() {
    let out = tempfile::tempdir().unwrap();
    let program = out.path().join("confsh");
    let source = libs::repo("capi-tests/conf/confsh.c");
    libs::run(Command::new("cc").args(["-Wall", "-Werror", "-o"]).arg(&program).arg(source).arg("-lrados"));
    let mut seen = 0;
    for file in std::fs::read_dir(libs::repo("capi-tests/conf")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|e| e != "txt") {
            continue;
        }
        let expected = std::fs::read_to_string(&file).unwrap();
        for (whose, libdir) in [("Ceph's", None), ("ours", Some(libs::dir()))] {
            let got = replay(&program, &file, libdir);
            assert!(got == expected, "{whose}, {}: {}", file.display(), first_difference(&expected, &got));
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}
