//! See `logrbd::fuzzing::osd_map_increment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    logrbd::fuzzing::osd_map_increment(data);
});
