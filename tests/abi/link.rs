//! Programs link with the libraries in every usual way, and a process has one runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::libs;

/// Compiles a C program of capi-tests/link against Debian's headers and the libraries in `libdir`.
fn compile(name: &str, libdir: &Path, out: &Path, flags: &[&str]) -> PathBuf {
    let program = out.join(name);
    let source = libs::repo("capi-tests/link").join(format!("{name}.c"));
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Werror", "-o"]).arg(&program).arg(source).arg("-L").arg(libdir).args(flags);
    libs::run(&mut cc);
    program
}

fn with_libs(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", libs::dir());
    command
}

#[test]
fn programs_link_in_any_order_with_lazy_and_immediate_binding() {
    let out = tempfile::tempdir().unwrap();
    for flags in [
        &["-lrbd", "-lrados"][..],
        &["-lrados", "-lrbd"],
        &["-lrbd", "-lrados", "-Wl,-z,now"],
        &["-lrbd", "-lrados", "-Wl,-z,lazy"],
    ] {
        let program = compile("both", libs::dir(), out.path(), flags);
        let ours = libs::stdout(&mut with_libs(&program));
        assert!(ours.starts_with("rados 3.0.0\nrbd 1.16.0\n"), "{flags:?}: {ours}");
        // With librados first, the linker finds rbd_* there and such a program names no librbd: ours alone can run it.
        if flags[0] == "-lrbd" {
            assert_eq!(ours, libs::stdout(&mut Command::new(&program)), "{flags:?}: not what Ceph's say");
        }
        libs::run(with_libs(&program).env("LD_BIND_NOW", "1"));
    }
}

#[test]
fn a_program_that_was_linked_with_cephs_libraries_runs() {
    let out = tempfile::tempdir().unwrap();
    let program = compile("both", Path::new(libs::DEBIAN_LIBS), out.path(), &["-lrbd", "-lrados"]);
    assert_eq!(libs::stdout(&mut with_libs(&program)), libs::stdout(&mut Command::new(&program)));
}

#[test]
fn one_copy_answers_whichever_library_is_opened() {
    let out = tempfile::tempdir().unwrap();
    let program = compile("opened", libs::dir(), out.path(), &["-ldl"]);
    libs::run(Command::new(&program).arg(libs::dir()));
}

#[test]
fn the_filter_refuses_another_librados() {
    let out = tempfile::tempdir().unwrap();
    let program = compile("both", libs::dir(), out.path(), &["-lrbd", "-lrados"]);
    std::fs::copy(libs::dir().join("librbd.so.1"), out.path().join("librbd.so.1")).unwrap();
    let failed = libs::try_run(Command::new(&program).env("LD_LIBRARY_PATH", out.path()));
    assert!(!failed.status.success());
    let text = String::from_utf8_lossy(&failed.stderr);
    assert!(text.contains("undefined symbol: logrbd_version"), "{text}");
}

#[test]
fn ldconfig_knows_the_names() {
    let out = tempfile::tempdir().unwrap();
    for file in ["librados.so.2", "librbd.so.1"] {
        std::fs::copy(libs::dir().join(file), out.path().join(format!("{file}.0"))).unwrap();
    }
    let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap());
    libs::run(Command::new("ldconfig").env("PATH", path).arg("-n").arg(out.path()));
    for file in ["librados.so.2", "librbd.so.1"] {
        let link = std::fs::read_link(out.path().join(file)).unwrap();
        assert_eq!(link, Path::new(&format!("{file}.0")), "made by ldconfig from the soname");
    }
}

#[test]
fn debians_python_modules_load() {
    let script = "import rados, rbd; print(rbd.RBD().version()); print(open('/proc/self/maps').read())";
    let text = libs::stdout(
        Command::new("/usr/bin/python3").args(["-c", script]).env("LD_LIBRARY_PATH", libs::dir()),
    );
    assert!(text.starts_with("(1, 16, 0)"));
    assert!(text.contains(libs::dir().join("librados.so.2").to_str().unwrap()));
    assert!(!text.contains(libs::DEBIAN_LIBS.to_string().as_str()) || !text.contains("libceph-common"));
}

/// mk/install.sh, as `make install` calls it.
fn install(destdir: &Path, libdir: &str) -> Command {
    let mut command = Command::new(libs::repo("mk/install.sh"));
    command.arg(libs::build()).arg(destdir).args([libdir, "/opt/include/logrbd", "/opt/bin"]);
    command
}

#[test]
fn an_installed_tree_serves_programs() {
    let out = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        libs::run(&mut install(out.path(), "/opt/lib/logrbd"));
    }
    let libdir = out.path().join("opt/lib/logrbd");
    let include = out.path().join("opt/include/logrbd");
    let program =
        compile("both", &libdir, out.path(), &["-I", include.to_str().unwrap(), "-lrbd", "-lrados"]);
    libs::run(Command::new(program).env("LD_LIBRARY_PATH", &libdir));
    let version = libs::stdout(Command::new(out.path().join("opt/bin/logrbd")).arg("--version"));
    assert_eq!(version.trim(), concat!("logrbd ", env!("CARGO_PKG_VERSION")));
    for link in ["librados.so", "librbd.so"] {
        assert!(std::fs::read_link(libdir.join(link)).unwrap().to_str().unwrap().starts_with(link));
    }
    assert!(
        std::fs::read_to_string(libdir.join("pkgconfig/logrbd.pc")).unwrap().contains("-L/opt/lib/logrbd")
    );
}

#[test]
fn cephs_own_files_are_never_overwritten() {
    for theirs in ["opt/lib/librbd.so.1", "opt/include/logrbd/rbd/librbd.h"] {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join(theirs);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = if theirs.ends_with(".h") {
            Path::new("/usr/include/rbd/librbd.h").to_path_buf()
        } else {
            Path::new(libs::DEBIAN_LIBS).join("librbd.so.1")
        };
        std::fs::copy(&source, &path).unwrap();
        let refused = libs::try_run(&mut install(out.path(), "/opt/lib"));
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is not ours"));
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(source).unwrap());
        assert!(!out.path().join("opt/lib/librados.so.2").exists(), "nothing may be changed");
    }
}
