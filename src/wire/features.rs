//! Feature bits (CEPH_FEATURE_*) that decide how structures are encoded, as far as a client needs them.

/// CEPH_FEATURE_MSG_ADDR2: entity addresses carry a type, and several may stand together.
pub const MSG_ADDR2: u64 = 1 << 59;
/// CEPH_FEATURE_SERVER_NAUTILUS, the newest of the "release" bits that Pacific checks.
pub const SERVER_NAUTILUS: u64 = 1 << 61;
/// CEPH_FEATURE_SERVER_OCTOPUS shares no bit: octopus reuses bit 16 with incarnation 3.
pub const SERVER_OCTOPUS: u64 = (1 << 16) | INCARNATION_3;
/// CEPH_FEATURE_INCARNATION_2 / _3: a reused bit counts only together with its incarnation's bits.
pub const INCARNATION_2: u64 = 1 << 57;
pub const INCARNATION_3: u64 = (1 << 57) | (1 << 28);

/// What clients of 16.2.15 announce (seen on the wire). Servers choose the encodings of what they send by it, so it
/// must not hold bits of newer releases as long as their encodings are not known here.
pub const SUPPORTED: u64 = 0x3f01_cfbd_fffd_ffff;
