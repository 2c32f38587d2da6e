//! Seeds that have found something, with what they found. They are run with every check.

pub(super) const SEEDS: &[(u64, &str)] = &[
    (259, "a reader that a fast writer had overtaken eight times took it for damage"),
    (531, "parts of one read were of two moments"),
    (906, "GC moved what a snapshot shows, after it, while the snapshot was on its way to the header"),
    (2631, "a diff of a fenced writer said ENOENT"),
    (3472, "a writer was fenced by epoch 0"),
    (12827, "a late writer's segment was deleted by its successor: ENOENT in place of being fenced"),
    (13148, "a fenced writer read what a late op list had put at the number of a deleted segment: damage"),
    (31784, "check took a segment that a late writer had created again for damage"),
    (37295, "the same, with less in it"),
    (38737, "a take-over failed when a late writer had replaced the same orphan"),
];
