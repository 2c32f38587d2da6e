//! See `logrbd::fuzzing::mon_host`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::mon_host(data);
});
