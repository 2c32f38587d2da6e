//! See `logrbd::fuzzing::osd_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::osd_message(data);
});
