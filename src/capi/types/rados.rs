//! Public types and constants of librados.h, bit for bit.
//!
//! Names are C's. Values of C enums arrive as `MaybeUninit<E>`, because C may pass any number.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

pub const CEPH_OSD_TMAP_HDR: c_int = 0x68;
pub const CEPH_OSD_TMAP_SET: c_int = 0x73;
pub const CEPH_OSD_TMAP_CREATE: c_int = 0x63;
pub const CEPH_OSD_TMAP_RM: c_int = 0x72;
pub const LIBRADOS_VER_MAJOR: c_int = 3;
pub const LIBRADOS_VER_MINOR: c_int = 0;
pub const LIBRADOS_VER_EXTRA: c_int = 0;
pub const LIBRADOS_SUPPORTS_WATCH: c_int = 1;
pub const LIBRADOS_SUPPORTS_SERVICES: c_int = 1;
pub const LIBRADOS_SUPPORTS_GETADDRS: c_int = 1;
pub const LIBRADOS_SUPPORTS_APP_METADATA: c_int = 1;
pub const LIBRADOS_LOCK_FLAG_RENEW: c_uint = 1 << 0;
pub const LIBRADOS_LOCK_FLAG_MAY_RENEW: c_uint = LIBRADOS_LOCK_FLAG_RENEW;
pub const LIBRADOS_LOCK_FLAG_MUST_RENEW: c_uint = 1 << 1;
pub const LIBRADOS_CREATE_EXCLUSIVE: c_int = 1;
pub const LIBRADOS_CREATE_IDEMPOTENT: c_int = 0;
pub const LIBRADOS_SNAP_HEAD: u64 = 0xffff_ffff_ffff_fffe;
pub const LIBRADOS_SNAP_DIR: u64 = 0xffff_ffff_ffff_ffff;

pub const LIBRADOS_ALL_NSPACES: &CStr = c"\x01";

#[repr(C)]
#[derive(Clone, Copy)]
pub struct obj_watch_t {
    pub addr: [c_char; 256],
    pub watcher_id: i64,
    pub cookie: u64,
    pub timeout_seconds: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct notify_ack_t {
    pub notifier_id: u64,
    pub cookie: u64,
    pub payload: *mut c_char,
    pub payload_len: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct notify_timeout_t {
    pub notifier_id: u64,
    pub cookie: u64,
}

pub const LIBRADOS_OP_FLAG_EXCL: c_int = 0x1;
pub const LIBRADOS_OP_FLAG_FAILOK: c_int = 0x2;
pub const LIBRADOS_OP_FLAG_FADVISE_RANDOM: c_int = 0x4;
pub const LIBRADOS_OP_FLAG_FADVISE_SEQUENTIAL: c_int = 0x8;
pub const LIBRADOS_OP_FLAG_FADVISE_WILLNEED: c_int = 0x10;
pub const LIBRADOS_OP_FLAG_FADVISE_DONTNEED: c_int = 0x20;
pub const LIBRADOS_OP_FLAG_FADVISE_NOCACHE: c_int = 0x40;
pub const LIBRADOS_OP_FLAG_FADVISE_FUA: c_int = 0x80;

pub const LIBRADOS_CMPXATTR_OP_EQ: c_int = 1;
pub const LIBRADOS_CMPXATTR_OP_NE: c_int = 2;
pub const LIBRADOS_CMPXATTR_OP_GT: c_int = 3;
pub const LIBRADOS_CMPXATTR_OP_GTE: c_int = 4;
pub const LIBRADOS_CMPXATTR_OP_LT: c_int = 5;
pub const LIBRADOS_CMPXATTR_OP_LTE: c_int = 6;

pub const LIBRADOS_OPERATION_NOFLAG: c_int = 0;
pub const LIBRADOS_OPERATION_BALANCE_READS: c_int = 1;
pub const LIBRADOS_OPERATION_LOCALIZE_READS: c_int = 2;
pub const LIBRADOS_OPERATION_ORDER_READS_WRITES: c_int = 4;
pub const LIBRADOS_OPERATION_IGNORE_CACHE: c_int = 8;
pub const LIBRADOS_OPERATION_SKIPRWLOCKS: c_int = 16;
pub const LIBRADOS_OPERATION_IGNORE_OVERLAY: c_int = 32;
pub const LIBRADOS_OPERATION_FULL_TRY: c_int = 64;
pub const LIBRADOS_OPERATION_FULL_FORCE: c_int = 128;
pub const LIBRADOS_OPERATION_IGNORE_REDIRECT: c_int = 256;
pub const LIBRADOS_OPERATION_ORDERSNAP: c_int = 512;
pub const LIBRADOS_OPERATION_RETURNVEC: c_int = 1024;

pub const LIBRADOS_ALLOC_HINT_FLAG_SEQUENTIAL_WRITE: c_int = 1;
pub const LIBRADOS_ALLOC_HINT_FLAG_RANDOM_WRITE: c_int = 2;
pub const LIBRADOS_ALLOC_HINT_FLAG_SEQUENTIAL_READ: c_int = 4;
pub const LIBRADOS_ALLOC_HINT_FLAG_RANDOM_READ: c_int = 8;
pub const LIBRADOS_ALLOC_HINT_FLAG_APPEND_ONLY: c_int = 16;
pub const LIBRADOS_ALLOC_HINT_FLAG_IMMUTABLE: c_int = 32;
pub const LIBRADOS_ALLOC_HINT_FLAG_SHORTLIVED: c_int = 64;
pub const LIBRADOS_ALLOC_HINT_FLAG_LONGLIVED: c_int = 128;
pub const LIBRADOS_ALLOC_HINT_FLAG_COMPRESSIBLE: c_int = 256;
pub const LIBRADOS_ALLOC_HINT_FLAG_INCOMPRESSIBLE: c_int = 512;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rados_checksum_type_t {
    LIBRADOS_CHECKSUM_TYPE_XXHASH32 = 0,
    LIBRADOS_CHECKSUM_TYPE_XXHASH64 = 1,
    LIBRADOS_CHECKSUM_TYPE_CRC32C = 2,
}

pub type rados_t = *mut c_void;

pub type rados_config_t = *mut c_void;

pub type rados_ioctx_t = *mut c_void;

pub type rados_list_ctx_t = *mut c_void;

pub type rados_object_list_cursor = *mut c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rados_object_list_item {
    pub oid_length: usize,
    pub oid: *mut c_char,
    pub nspace_length: usize,
    pub nspace: *mut c_char,
    pub locator_length: usize,
    pub locator: *mut c_char,
}

pub type rados_snap_t = u64;

pub type rados_xattrs_iter_t = *mut c_void;

pub type rados_omap_iter_t = *mut c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rados_pool_stat_t {
    pub num_bytes: u64,
    pub num_kb: u64,
    pub num_objects: u64,
    pub num_object_clones: u64,
    pub num_object_copies: u64,
    pub num_objects_missing_on_primary: u64,
    pub num_objects_unfound: u64,
    pub num_objects_degraded: u64,
    pub num_rd: u64,
    pub num_rd_kb: u64,
    pub num_wr: u64,
    pub num_wr_kb: u64,
    pub num_user_bytes: u64,
    pub compressed_bytes_orig: u64,
    pub compressed_bytes: u64,
    pub compressed_bytes_alloc: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rados_cluster_stat_t {
    pub kb: u64,
    pub kb_used: u64,
    pub kb_avail: u64,
    pub num_objects: u64,
}

pub type rados_write_op_t = *mut c_void;

pub type rados_read_op_t = *mut c_void;

pub type rados_completion_t = *mut c_void;

/// Never looked into: a Zipkin trace context of the caller.
pub struct blkin_trace_info {
    _private: [u8; 0],
}

pub type rados_callback_t = Option<unsafe extern "C" fn(cb: rados_completion_t, arg: *mut c_void)>;

pub type rados_watchcb_t = Option<unsafe extern "C" fn(opcode: u8, ver: u64, arg: *mut c_void)>;

pub type rados_watchcb2_t = Option<
    unsafe extern "C" fn(
        arg: *mut c_void,
        notify_id: u64,
        handle: u64,
        notifier_id: u64,
        data: *mut c_void,
        data_len: usize,
    ),
>;

pub type rados_watcherrcb_t = Option<unsafe extern "C" fn(pre: *mut c_void, cookie: u64, err: c_int)>;

pub type rados_log_callback_t = Option<
    unsafe extern "C" fn(
        arg: *mut c_void,
        line: *const c_char,
        who: *const c_char,
        sec: u64,
        nsec: u64,
        seq: u64,
        level: *const c_char,
        msg: *const c_char,
    ),
>;

pub type rados_log_callback2_t = Option<
    unsafe extern "C" fn(
        arg: *mut c_void,
        line: *const c_char,
        channel: *const c_char,
        who: *const c_char,
        name: *const c_char,
        sec: u64,
        nsec: u64,
        seq: u64,
        level: *const c_char,
        msg: *const c_char,
    ),
>;
