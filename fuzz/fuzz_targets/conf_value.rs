//! See `logrbd::fuzzing::conf_value`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::conf_value(data);
});
