//! See `logrbd::fuzzing::cephx`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::cephx(data);
});
