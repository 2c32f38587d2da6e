//! Numbers of ops and flags (`include/rados.h`), without their prefixes CEPH_OSD_OP_ and CEPH_OSD_FLAG_.

/// CEPH_OSD_OP_*: what one op does.
pub mod op {
    pub const MODE_READ: u16 = 0x1000;
    pub const MODE_WRITE: u16 = 0x2000;
    pub const TYPE_MASK: u16 = 0x0f00;
    pub const TYPE_DATA: u16 = 0x0200;
    pub const TYPE_ATTR: u16 = 0x0300;

    pub const READ: u16 = 0x1201;
    pub const STAT: u16 = 0x1202;
    pub const MAPEXT: u16 = 0x1203;
    pub const SPARSE_READ: u16 = 0x1205;
    pub const NOTIFY: u16 = 0x1206;
    pub const NOTIFY_ACK: u16 = 0x1207;
    pub const ASSERT_VER: u16 = 0x1208;
    pub const LIST_WATCHERS: u16 = 0x1209;
    pub const LIST_SNAPS: u16 = 0x120a;
    pub const SYNC_READ: u16 = 0x120b;
    pub const TMAPGET: u16 = 0x120c;
    pub const OMAPGETKEYS: u16 = 0x1211;
    pub const OMAPGETVALS: u16 = 0x1212;
    pub const OMAPGETHEADER: u16 = 0x1213;
    pub const OMAPGETVALSBYKEYS: u16 = 0x1214;
    pub const OMAP_CMP: u16 = 0x1219;
    pub const CHECKSUM: u16 = 0x121f;
    pub const CMPEXT: u16 = 0x1220;

    pub const WRITE: u16 = 0x2201;
    pub const WRITEFULL: u16 = 0x2202;
    pub const TRUNCATE: u16 = 0x2203;
    pub const ZERO: u16 = 0x2204;
    pub const DELETE: u16 = 0x2205;
    pub const APPEND: u16 = 0x2206;
    pub const TMAPUP: u16 = 0x320a;
    pub const TMAPPUT: u16 = 0x220b;
    pub const CREATE: u16 = 0x220d;
    pub const ROLLBACK: u16 = 0x220e;
    pub const WATCH: u16 = 0x220f;
    pub const OMAPSETVALS: u16 = 0x2215;
    pub const OMAPSETHEADER: u16 = 0x2216;
    pub const OMAPCLEAR: u16 = 0x2217;
    pub const OMAPRMKEYS: u16 = 0x2218;
    pub const COPY_FROM: u16 = 0x221a;
    pub const SETALLOCHINT: u16 = 0x2223;
    pub const WRITESAME: u16 = 0x2226;
    pub const OMAPRMKEYRANGE: u16 = 0x222c;
    pub const COPY_FROM2: u16 = 0x222d;

    pub const GETXATTR: u16 = 0x1301;
    pub const GETXATTRS: u16 = 0x1302;
    pub const CMPXATTR: u16 = 0x1303;
    pub const SETXATTR: u16 = 0x2301;
    pub const RMXATTR: u16 = 0x2304;

    /// A class's method. Its mode says "read"; whether it writes is the method's affair.
    pub const CALL: u16 = 0x1401;

    pub const PGNLS: u16 = 0x1505;
    pub const PGNLS_FILTER: u16 = 0x1506;
}

/// CEPH_OSD_FLAG_*: of a whole request.
pub mod flag {
    pub const ACK: u32 = 0x0001;
    pub const ONDISK: u32 = 0x0004;
    pub const RETRY: u32 = 0x0008;
    pub const READ: u32 = 0x0010;
    pub const WRITE: u32 = 0x0020;
    pub const ORDERSNAP: u32 = 0x0040;
    pub const BALANCE_READS: u32 = 0x0100;
    pub const PARALLELEXEC: u32 = 0x0200;
    pub const PGOP: u32 = 0x0400;
    pub const EXEC: u32 = 0x0800;
    pub const LOCALIZE_READS: u32 = 0x2000;
    pub const RWORDERED: u32 = 0x4000;
    pub const IGNORE_CACHE: u32 = 0x8000;
    pub const SKIPRWLOCKS: u32 = 0x1_0000;
    pub const IGNORE_OVERLAY: u32 = 0x2_0000;
    pub const FLUSH: u32 = 0x4_0000;
    pub const MAP_SNAP_CLONE: u32 = 0x8_0000;
    pub const ENFORCE_SNAPC: u32 = 0x10_0000;
    pub const REDIRECTED: u32 = 0x20_0000;
    pub const KNOWN_REDIR: u32 = 0x40_0000;
    pub const FULL_TRY: u32 = 0x80_0000;
    pub const FULL_FORCE: u32 = 0x100_0000;
    pub const IGNORE_REDIRECT: u32 = 0x200_0000;
    /// The per-op results and output of a failed or writing list are wanted (Octopus and later).
    pub const RETURNVEC: u32 = 0x400_0000;
}

/// CEPH_OSD_OP_FLAG_*: of one op.
pub mod op_flag {
    pub const EXCL: u32 = 0x1;
    pub const FAILOK: u32 = 0x2;
    pub const FADVISE_RANDOM: u32 = 0x4;
    pub const FADVISE_SEQUENTIAL: u32 = 0x8;
    pub const FADVISE_WILLNEED: u32 = 0x10;
    pub const FADVISE_DONTNEED: u32 = 0x20;
    pub const FADVISE_NOCACHE: u32 = 0x40;
}

/// CEPH_OSD_CMPXATTR_OP_* and _MODE_*.
pub mod cmp {
    pub const EQ: u8 = 1;
    pub const NE: u8 = 2;
    pub const GT: u8 = 3;
    pub const GTE: u8 = 4;
    pub const LT: u8 = 5;
    pub const LTE: u8 = 6;
    pub const MODE_STRING: u8 = 1;
    pub const MODE_U64: u8 = 2;
}

/// CEPH_OSD_WATCH_OP_*.
pub mod watch {
    pub const UNWATCH: u8 = 0;
    pub const WATCH: u8 = 3;
    pub const RECONNECT: u8 = 5;
    pub const PING: u8 = 7;
}

/// CEPH_WATCH_EVENT_*: what MWatchNotify says.
pub mod watch_event {
    pub const NOTIFY: u8 = 1;
    pub const NOTIFY_COMPLETE: u8 = 2;
    pub const DISCONNECT: u8 = 3;
}

/// CEPH_OSD_BACKOFF_OP_*.
pub mod backoff {
    pub const BLOCK: u8 = 1;
    pub const ACK_BLOCK: u8 = 2;
    pub const UNBLOCK: u8 = 3;
}

/// CEPH_NOSNAP.
pub const NO_SNAP: u64 = u64::MAX - 1;
