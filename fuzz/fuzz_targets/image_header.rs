//! See `logrbd::fuzzing::image_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::image_header(data);
});
