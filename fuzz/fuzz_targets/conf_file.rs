//! See `logrbd::fuzzing::conf_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::conf_file(data);
});
