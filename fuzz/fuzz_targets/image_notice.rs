//! See `logrbd::fuzzing::image_notice`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::image_notice(data);
});
