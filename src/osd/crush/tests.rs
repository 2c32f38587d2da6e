//! Rules and buckets on maps that are made here; tests/osdmap compares with Ceph's own tools.
