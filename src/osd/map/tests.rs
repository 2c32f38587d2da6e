//! Maps made by hand: exceptions, affinities, increments. tests/osdmap compares with Ceph's own tools.
