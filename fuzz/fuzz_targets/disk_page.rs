//! See `logrbd::fuzzing::disk_page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::disk_page(data);
});
