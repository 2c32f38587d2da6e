//! Public types of librbd.h, bit for bit.
//!
//! Names are C's. Values of C enums arrive as `MaybeUninit<E>`, because C may pass any number.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;

use libc::time_t;

pub const RBD_FEATURE_LAYERING: u64 = 1 << 0;
pub const RBD_FEATURE_STRIPINGV2: u64 = 1 << 1;
pub const RBD_FEATURE_EXCLUSIVE_LOCK: u64 = 1 << 2;
pub const RBD_FEATURE_OBJECT_MAP: u64 = 1 << 3;
pub const RBD_FEATURE_FAST_DIFF: u64 = 1 << 4;
pub const RBD_FEATURE_DEEP_FLATTEN: u64 = 1 << 5;
pub const RBD_FEATURE_JOURNALING: u64 = 1 << 6;
pub const RBD_FEATURE_DATA_POOL: u64 = 1 << 7;
pub const RBD_FEATURE_OPERATIONS: u64 = 1 << 8;
pub const RBD_FEATURE_MIGRATING: u64 = 1 << 9;
pub const RBD_FEATURE_NON_PRIMARY: u64 = 1 << 10;
pub const RBD_FEATURE_DIRTY_CACHE: u64 = 1 << 11;
pub const RBD_FEATURES_DEFAULT: u64 = RBD_FEATURE_LAYERING
    | RBD_FEATURE_EXCLUSIVE_LOCK
    | RBD_FEATURE_OBJECT_MAP
    | RBD_FEATURE_FAST_DIFF
    | RBD_FEATURE_DEEP_FLATTEN;
pub const RBD_FEATURES_INCOMPATIBLE: u64 =
    RBD_FEATURE_LAYERING | RBD_FEATURE_STRIPINGV2 | RBD_FEATURE_DATA_POOL | RBD_FEATURE_DIRTY_CACHE;
pub const RBD_FEATURES_RW_INCOMPATIBLE: u64 = RBD_FEATURES_INCOMPATIBLE
    | RBD_FEATURE_EXCLUSIVE_LOCK
    | RBD_FEATURE_OBJECT_MAP
    | RBD_FEATURE_FAST_DIFF
    | RBD_FEATURE_DEEP_FLATTEN
    | RBD_FEATURE_JOURNALING
    | RBD_FEATURE_OPERATIONS
    | RBD_FEATURE_MIGRATING
    | RBD_FEATURE_NON_PRIMARY;
pub const RBD_FEATURES_ALL: u64 = RBD_FEATURE_LAYERING
    | RBD_FEATURE_STRIPINGV2
    | RBD_FEATURE_EXCLUSIVE_LOCK
    | RBD_FEATURE_OBJECT_MAP
    | RBD_FEATURE_FAST_DIFF
    | RBD_FEATURE_DEEP_FLATTEN
    | RBD_FEATURE_JOURNALING
    | RBD_FEATURE_DATA_POOL
    | RBD_FEATURE_OPERATIONS
    | RBD_FEATURE_MIGRATING
    | RBD_FEATURE_NON_PRIMARY
    | RBD_FEATURE_DIRTY_CACHE;
pub const RBD_FEATURES_MUTABLE: u64 = RBD_FEATURE_EXCLUSIVE_LOCK
    | RBD_FEATURE_OBJECT_MAP
    | RBD_FEATURE_FAST_DIFF
    | RBD_FEATURE_JOURNALING
    | RBD_FEATURE_NON_PRIMARY
    | RBD_FEATURE_DIRTY_CACHE;
pub const RBD_FEATURES_MUTABLE_INTERNAL: u64 = RBD_FEATURE_NON_PRIMARY | RBD_FEATURE_DIRTY_CACHE;
pub const RBD_FEATURES_DISABLE_ONLY: u64 = RBD_FEATURE_DEEP_FLATTEN;
pub const RBD_FEATURES_SINGLE_CLIENT: u64 = RBD_FEATURE_EXCLUSIVE_LOCK
    | RBD_FEATURE_OBJECT_MAP
    | RBD_FEATURE_FAST_DIFF
    | RBD_FEATURE_JOURNALING
    | RBD_FEATURE_DIRTY_CACHE;
pub const RBD_FEATURES_IMPLICIT_ENABLE: u64 = RBD_FEATURE_STRIPINGV2
    | RBD_FEATURE_DATA_POOL
    | RBD_FEATURE_FAST_DIFF
    | RBD_FEATURE_OPERATIONS
    | RBD_FEATURE_MIGRATING
    | RBD_FEATURE_NON_PRIMARY
    | RBD_FEATURE_DIRTY_CACHE;
pub const RBD_FEATURES_INTERNAL: u64 = RBD_FEATURE_OPERATIONS | RBD_FEATURE_MIGRATING;
pub const RBD_OPERATION_FEATURE_CLONE_PARENT: u64 = 1 << 0;
pub const RBD_OPERATION_FEATURE_CLONE_CHILD: u64 = 1 << 1;
pub const RBD_OPERATION_FEATURE_GROUP: u64 = 1 << 2;
pub const RBD_OPERATION_FEATURE_SNAP_TRASH: u64 = 1 << 3;
pub const RBD_OPERATION_FEATURES_ALL: u64 = RBD_OPERATION_FEATURE_CLONE_PARENT
    | RBD_OPERATION_FEATURE_CLONE_CHILD
    | RBD_OPERATION_FEATURE_GROUP
    | RBD_OPERATION_FEATURE_SNAP_TRASH;
pub const LIBRBD_VER_MAJOR: c_int = 1;
pub const LIBRBD_VER_MINOR: c_int = 16;
pub const LIBRBD_VER_EXTRA: c_int = 0;
pub const LIBRBD_SUPPORTS_AIO_FLUSH: c_int = 1;
pub const LIBRBD_SUPPORTS_AIO_OPEN: c_int = 1;
pub const LIBRBD_SUPPORTS_COMPARE_AND_WRITE: c_int = 1;
pub const LIBRBD_SUPPORTS_LOCKING: c_int = 1;
pub const LIBRBD_SUPPORTS_INVALIDATE: c_int = 1;
pub const LIBRBD_SUPPORTS_IOVEC: c_int = 1;
pub const LIBRBD_SUPPORTS_WATCH: c_int = 0;
pub const LIBRBD_SUPPORTS_WRITESAME: c_int = 1;
pub const LIBRBD_SUPPORTS_WRITE_ZEROES: c_int = 1;
pub const LIBRBD_SUPPORTS_ENCRYPTION: c_int = 1;
pub const RBD_FLAG_OBJECT_MAP_INVALID: u64 = 1 << 0;
pub const RBD_FLAG_FAST_DIFF_INVALID: u64 = 1 << 1;
pub const RBD_MAX_IMAGE_NAME_SIZE: usize = 96;
pub const RBD_MAX_BLOCK_NAME_SIZE: usize = 24;
pub const RBD_SNAP_CREATE_SKIP_QUIESCE: u32 = 1 << 0;
pub const RBD_SNAP_CREATE_IGNORE_QUIESCE_ERROR: u32 = 1 << 1;
pub const RBD_SNAP_REMOVE_UNPROTECT: u32 = 1 << 0;
pub const RBD_SNAP_REMOVE_FLATTEN: u32 = 1 << 1;
pub const RBD_SNAP_REMOVE_FORCE: u32 = RBD_SNAP_REMOVE_UNPROTECT | RBD_SNAP_REMOVE_FLATTEN;

pub const RBD_FEATURE_NAME_LAYERING: &CStr = c"layering";
pub const RBD_FEATURE_NAME_STRIPINGV2: &CStr = c"striping";
pub const RBD_FEATURE_NAME_EXCLUSIVE_LOCK: &CStr = c"exclusive-lock";
pub const RBD_FEATURE_NAME_OBJECT_MAP: &CStr = c"object-map";
pub const RBD_FEATURE_NAME_FAST_DIFF: &CStr = c"fast-diff";
pub const RBD_FEATURE_NAME_DEEP_FLATTEN: &CStr = c"deep-flatten";
pub const RBD_FEATURE_NAME_JOURNALING: &CStr = c"journaling";
pub const RBD_FEATURE_NAME_DATA_POOL: &CStr = c"data-pool";
pub const RBD_FEATURE_NAME_OPERATIONS: &CStr = c"operations";
pub const RBD_FEATURE_NAME_MIGRATING: &CStr = c"migrating";
pub const RBD_FEATURE_NAME_NON_PRIMARY: &CStr = c"non-primary";
pub const RBD_FEATURE_NAME_DIRTY_CACHE: &CStr = c"dirty-cache";
pub const RBD_OPERATION_FEATURE_NAME_CLONE_PARENT: &CStr = c"clone-parent";
pub const RBD_OPERATION_FEATURE_NAME_CLONE_CHILD: &CStr = c"clone-child";
pub const RBD_OPERATION_FEATURE_NAME_GROUP: &CStr = c"group";
pub const RBD_OPERATION_FEATURE_NAME_SNAP_TRASH: &CStr = c"snap-trash";
pub const RBD_MIRROR_IMAGE_STATUS_LOCAL_MIRROR_UUID: &CStr = c"";
pub const RBD_MIRROR_PEER_ATTRIBUTE_NAME_MON_HOST: &CStr = c"mon_host";
pub const RBD_MIRROR_PEER_ATTRIBUTE_NAME_KEY: &CStr = c"key";

pub type rbd_image_t = *mut c_void;

pub type rbd_image_options_t = *mut c_void;

pub type rbd_pool_stats_t = *mut c_void;

pub type rbd_completion_t = *mut c_void;

pub type rbd_callback_t = Option<unsafe extern "C" fn(cb: rbd_completion_t, arg: *mut c_void)>;

pub type librbd_progress_fn_t =
    Option<unsafe extern "C" fn(offset: u64, total: u64, ptr: *mut c_void) -> c_int>;

pub type rbd_update_callback_t = Option<unsafe extern "C" fn(arg: *mut c_void)>;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_snap_namespace_type_t {
    RBD_SNAP_NAMESPACE_TYPE_USER = 0,
    RBD_SNAP_NAMESPACE_TYPE_GROUP = 1,
    RBD_SNAP_NAMESPACE_TYPE_TRASH = 2,
    RBD_SNAP_NAMESPACE_TYPE_MIRROR = 3,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_image_spec_t {
    pub id: *mut c_char,
    pub name: *mut c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_linked_image_spec_t {
    pub pool_id: i64,
    pub pool_name: *mut c_char,
    pub pool_namespace: *mut c_char,
    pub image_id: *mut c_char,
    pub image_name: *mut c_char,
    pub trash: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_snap_spec_t {
    pub id: u64,
    pub namespace_type: rbd_snap_namespace_type_t,
    pub name: *mut c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_snap_info_t {
    pub id: u64,
    pub size: u64,
    pub name: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_child_info_t {
    pub pool_name: *const c_char,
    pub image_name: *const c_char,
    pub image_id: *const c_char,
    pub trash: bool,
}

pub const EVENT_TYPE_PIPE: c_int = 1;
pub const EVENT_TYPE_EVENTFD: c_int = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_image_info_t {
    pub size: u64,
    pub obj_size: u64,
    pub num_objs: u64,
    pub order: c_int,
    pub block_name_prefix: [c_char; RBD_MAX_BLOCK_NAME_SIZE],
    pub parent_pool: i64,
    pub parent_name: [c_char; RBD_MAX_IMAGE_NAME_SIZE],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_mirror_mode_t {
    RBD_MIRROR_MODE_DISABLED = 0,
    RBD_MIRROR_MODE_IMAGE = 1,
    RBD_MIRROR_MODE_POOL = 2,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_mirror_peer_direction_t {
    RBD_MIRROR_PEER_DIRECTION_RX = 0,
    RBD_MIRROR_PEER_DIRECTION_TX = 1,
    RBD_MIRROR_PEER_DIRECTION_RX_TX = 2,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_mirror_peer_t {
    pub uuid: *mut c_char,
    pub cluster_name: *mut c_char,
    pub client_name: *mut c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_mirror_peer_site_t {
    pub uuid: *mut c_char,
    pub direction: rbd_mirror_peer_direction_t,
    pub site_name: *mut c_char,
    pub mirror_uuid: *mut c_char,
    pub client_name: *mut c_char,
    pub last_seen: time_t,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_mirror_image_mode_t {
    RBD_MIRROR_IMAGE_MODE_JOURNAL = 0,
    RBD_MIRROR_IMAGE_MODE_SNAPSHOT = 1,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_mirror_image_state_t {
    RBD_MIRROR_IMAGE_DISABLING = 0,
    RBD_MIRROR_IMAGE_ENABLED = 1,
    RBD_MIRROR_IMAGE_DISABLED = 2,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_mirror_image_info_t {
    pub global_id: *mut c_char,
    pub state: rbd_mirror_image_state_t,
    pub primary: bool,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_mirror_image_status_state_t {
    MIRROR_IMAGE_STATUS_STATE_UNKNOWN = 0,
    MIRROR_IMAGE_STATUS_STATE_ERROR = 1,
    MIRROR_IMAGE_STATUS_STATE_SYNCING = 2,
    MIRROR_IMAGE_STATUS_STATE_STARTING_REPLAY = 3,
    MIRROR_IMAGE_STATUS_STATE_REPLAYING = 4,
    MIRROR_IMAGE_STATUS_STATE_STOPPING_REPLAY = 5,
    MIRROR_IMAGE_STATUS_STATE_STOPPED = 6,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_mirror_image_status_t {
    pub name: *mut c_char,
    pub info: rbd_mirror_image_info_t,
    pub state: rbd_mirror_image_status_state_t,
    pub description: *mut c_char,
    pub last_update: time_t,
    pub up: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_mirror_image_site_status_t {
    pub mirror_uuid: *mut c_char,
    pub state: rbd_mirror_image_status_state_t,
    pub description: *mut c_char,
    pub last_update: time_t,
    pub up: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_mirror_image_global_status_t {
    pub name: *mut c_char,
    pub info: rbd_mirror_image_info_t,
    pub site_statuses_count: u32,
    pub site_statuses: *mut rbd_mirror_image_site_status_t,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_group_image_state_t {
    RBD_GROUP_IMAGE_STATE_ATTACHED = 0,
    RBD_GROUP_IMAGE_STATE_INCOMPLETE = 1,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_group_image_info_t {
    pub name: *mut c_char,
    pub pool: i64,
    pub state: rbd_group_image_state_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_group_info_t {
    pub name: *mut c_char,
    pub pool: i64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_group_snap_state_t {
    RBD_GROUP_SNAP_STATE_INCOMPLETE = 0,
    RBD_GROUP_SNAP_STATE_COMPLETE = 1,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_group_snap_info_t {
    pub name: *mut c_char,
    pub state: rbd_group_snap_state_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_snap_group_namespace_t {
    pub group_pool: i64,
    pub group_name: *mut c_char,
    pub group_snap_name: *mut c_char,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_snap_mirror_state_t {
    RBD_SNAP_MIRROR_STATE_PRIMARY = 0,
    RBD_SNAP_MIRROR_STATE_PRIMARY_DEMOTED = 1,
    RBD_SNAP_MIRROR_STATE_NON_PRIMARY = 2,
    RBD_SNAP_MIRROR_STATE_NON_PRIMARY_DEMOTED = 3,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_snap_mirror_namespace_t {
    pub state: rbd_snap_mirror_state_t,
    pub mirror_peer_uuids_count: usize,
    pub mirror_peer_uuids: *mut c_char,
    pub complete: bool,
    pub primary_mirror_uuid: *mut c_char,
    pub primary_snap_id: u64,
    pub last_copied_object_number: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_lock_mode_t {
    RBD_LOCK_MODE_EXCLUSIVE = 0,
    RBD_LOCK_MODE_SHARED = 1,
}

pub const RBD_IMAGE_OPTION_FORMAT: c_int = 0;
pub const RBD_IMAGE_OPTION_FEATURES: c_int = 1;
pub const RBD_IMAGE_OPTION_ORDER: c_int = 2;
pub const RBD_IMAGE_OPTION_STRIPE_UNIT: c_int = 3;
pub const RBD_IMAGE_OPTION_STRIPE_COUNT: c_int = 4;
pub const RBD_IMAGE_OPTION_JOURNAL_ORDER: c_int = 5;
pub const RBD_IMAGE_OPTION_JOURNAL_SPLAY_WIDTH: c_int = 6;
pub const RBD_IMAGE_OPTION_JOURNAL_POOL: c_int = 7;
pub const RBD_IMAGE_OPTION_FEATURES_SET: c_int = 8;
pub const RBD_IMAGE_OPTION_FEATURES_CLEAR: c_int = 9;
pub const RBD_IMAGE_OPTION_DATA_POOL: c_int = 10;
pub const RBD_IMAGE_OPTION_FLATTEN: c_int = 11;
pub const RBD_IMAGE_OPTION_CLONE_FORMAT: c_int = 12;
pub const RBD_IMAGE_OPTION_MIRROR_IMAGE_MODE: c_int = 13;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_trash_image_source_t {
    RBD_TRASH_IMAGE_SOURCE_USER = 0,
    RBD_TRASH_IMAGE_SOURCE_MIRRORING = 1,
    RBD_TRASH_IMAGE_SOURCE_MIGRATION = 2,
    RBD_TRASH_IMAGE_SOURCE_REMOVING = 3,
    RBD_TRASH_IMAGE_SOURCE_USER_PARENT = 4,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_trash_image_info_t {
    pub id: *mut c_char,
    pub name: *mut c_char,
    pub source: rbd_trash_image_source_t,
    pub deletion_time: time_t,
    pub deferment_end_time: time_t,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_image_watcher_t {
    pub addr: *mut c_char,
    pub id: i64,
    pub cookie: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_image_migration_state_t {
    RBD_IMAGE_MIGRATION_STATE_UNKNOWN = -1,
    RBD_IMAGE_MIGRATION_STATE_ERROR = 0,
    RBD_IMAGE_MIGRATION_STATE_PREPARING = 1,
    RBD_IMAGE_MIGRATION_STATE_PREPARED = 2,
    RBD_IMAGE_MIGRATION_STATE_EXECUTING = 3,
    RBD_IMAGE_MIGRATION_STATE_EXECUTED = 4,
    RBD_IMAGE_MIGRATION_STATE_ABORTING = 5,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_image_migration_status_t {
    pub source_pool_id: i64,
    pub source_pool_namespace: *mut c_char,
    pub source_image_name: *mut c_char,
    pub source_image_id: *mut c_char,
    pub dest_pool_id: i64,
    pub dest_pool_namespace: *mut c_char,
    pub dest_image_name: *mut c_char,
    pub dest_image_id: *mut c_char,
    pub state: rbd_image_migration_state_t,
    pub state_description: *mut c_char,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_config_source_t {
    RBD_CONFIG_SOURCE_CONFIG = 0,
    RBD_CONFIG_SOURCE_POOL = 1,
    RBD_CONFIG_SOURCE_IMAGE = 2,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_config_option_t {
    pub name: *mut c_char,
    pub value: *mut c_char,
    pub source: rbd_config_source_t,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_pool_stat_option_t {
    RBD_POOL_STAT_OPTION_IMAGES = 0,
    RBD_POOL_STAT_OPTION_IMAGE_PROVISIONED_BYTES = 1,
    RBD_POOL_STAT_OPTION_IMAGE_MAX_PROVISIONED_BYTES = 2,
    RBD_POOL_STAT_OPTION_IMAGE_SNAPSHOTS = 3,
    RBD_POOL_STAT_OPTION_TRASH_IMAGES = 4,
    RBD_POOL_STAT_OPTION_TRASH_PROVISIONED_BYTES = 5,
    RBD_POOL_STAT_OPTION_TRASH_MAX_PROVISIONED_BYTES = 6,
    RBD_POOL_STAT_OPTION_TRASH_SNAPSHOTS = 7,
}

pub const RBD_WRITE_ZEROES_FLAG_THICK_PROVISION: c_int = 1;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_encryption_format_t {
    RBD_ENCRYPTION_FORMAT_LUKS1 = 0,
    RBD_ENCRYPTION_FORMAT_LUKS2 = 1,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rbd_encryption_algorithm_t {
    RBD_ENCRYPTION_ALGORITHM_AES128 = 0,
    RBD_ENCRYPTION_ALGORITHM_AES256 = 1,
}

pub type rbd_encryption_options_t = *mut c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_encryption_luks1_format_options_t {
    pub alg: MaybeUninit<rbd_encryption_algorithm_t>,
    pub passphrase: *const c_char,
    pub passphrase_size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rbd_encryption_luks2_format_options_t {
    pub alg: MaybeUninit<rbd_encryption_algorithm_t>,
    pub passphrase: *const c_char,
    pub passphrase_size: usize,
}
