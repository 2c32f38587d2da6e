//! Makes the cdylib librados.so.2: its soname and its one symbol version.
//!
//! rustc hands the linker a version script of its own, without a version name, that exports every `no_mangle` function. A second
//! script defines LIBRADOS_14.2.0; which functions carry it is said by `.symver` in src/capi/rados/versioned.rs.
//! lld, which rustc uses on x86-64 Linux since 1.90, accepts two scripts. GNU ld does not ("failed to set dynamic
//! section sizes"): there is no way to build librados.so.2 as a cdylib with it.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let map = PathBuf::from(std::env::var("OUT_DIR")?).join("versions.map");
    // The name in the script matches nothing: it is only there because a version needs at least one pattern.
    std::fs::write(&map, "LIBRADOS_14.2.0 { global: logrbd_no_such_symbol; };\n")?;
    // nodelete: the runtime's threads outlive a dlclose.
    for arg in ["--undefined-version", "-soname,librados.so.2", "-z,now", "-z,nodelete"] {
        println!("cargo:rustc-cdylib-link-arg=-Wl,{arg}");
    }
    println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={}", map.display());
    Ok(())
}
