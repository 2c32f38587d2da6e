//! Error numbers: the one place where a room's error becomes an errno.
//!
//! Inside the crate errnos are positive (`Errno::ENOENT.0 == 2`); only `capi` negates them.

use crate::auth::AuthError;
use crate::disk::DiskError;
use crate::image::ImageError;
use crate::store::StoreError;

/// A positive Linux errno.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident),* $(,)?) => {
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*

            /// The symbolic name, such as `ENOENT`; `None` for numbers that are not listed here.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos!(
    EPERM,
    ENOENT,
    EINTR,
    EIO,
    ENXIO,
    E2BIG,
    EBADF,
    EAGAIN,
    ENOMEM,
    EACCES,
    EFAULT,
    EBUSY,
    EEXIST,
    EXDEV,
    ENODEV,
    ENOTDIR,
    EISDIR,
    EINVAL,
    ENFILE,
    EMFILE,
    EFBIG,
    ENOSPC,
    ESPIPE,
    EROFS,
    EPIPE,
    EDOM,
    ERANGE,
    EDEADLK,
    ENAMETOOLONG,
    ENOLCK,
    ENOSYS,
    ENOTEMPTY,
    EUCLEAN,
    ENODATA,
    EBADMSG,
    EOVERFLOW,
    EILSEQ,
    EOPNOTSUPP,
    EADDRINUSE,
    ENETUNREACH,
    ECONNRESET,
    ENOBUFS,
    EISCONN,
    ENOTCONN,
    ESHUTDOWN,
    ETIMEDOUT,
    ECONNREFUSED,
    EALREADY,
    EINPROGRESS,
    ESTALE,
    EDQUOT,
    ECANCELED,
    ENOKEY,
    EKEYREJECTED
);

impl Errno {
    /// The value that the C boundary returns.
    pub fn negated(self) -> i32 {
        -self.0
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}

impl std::fmt::Debug for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl From<&StoreError> for Errno {
    fn from(error: &StoreError) -> Errno {
        match error {
            StoreError::Op(errno) => *errno,
            StoreError::Corrupt { .. } | StoreError::Io { .. } => Errno::EIO,
            StoreError::NoSpace => Errno::ENOSPC,
            StoreError::NoPool => Errno::ENOENT,
            StoreError::Blocklisted | StoreError::ShutDown => Errno::ESHUTDOWN,
            StoreError::TimedOut => Errno::ETIMEDOUT,
            StoreError::Refused { .. } => Errno::EINVAL,
            StoreError::Unsupported { .. } => Errno::EOPNOTSUPP,
        }
    }
}

impl From<&DiskError> for Errno {
    fn from(error: &DiskError) -> Errno {
        match error {
            DiskError::Store { source, .. } => Errno::from(source),
            DiskError::Corrupt { .. } | DiskError::Failed { .. } => Errno::EIO,
            DiskError::Fenced { .. } => Errno::ESHUTDOWN,
            DiskError::ReadOnly => Errno::EROFS,
            DiskError::OutOfRange { .. } | DiskError::Invalid { .. } => Errno::EINVAL,
            DiskError::LocalLog { .. } => Errno::EUCLEAN,
            DiskError::NoSnapshot => Errno::ENOENT,
            DiskError::NewerFormat { .. } => Errno::EINVAL,
            DiskError::Closed => Errno::ESHUTDOWN,
        }
    }
}

/// As rados_connect of librados gives them (docs/ceph-behaviour.md, "authentication").
impl From<&AuthError> for Errno {
    fn from(error: &AuthError) -> Errno {
        match error {
            AuthError::NoKey { .. } => Errno::ENOENT,
            AuthError::BadKey { errno, .. } | AuthError::Refused { errno, .. } => *errno,
            AuthError::NoCommonMethod { .. } | AuthError::Malformed { .. } | AuthError::NoTicket { .. } => {
                Errno::EACCES
            }
        }
    }
}

impl From<&ImageError> for Errno {
    fn from(error: &ImageError) -> Errno {
        match error {
            ImageError::Errno { errno, .. } => *errno,
            ImageError::Disk(source) => Errno::from(source),
            ImageError::Store(source) => Errno::from(source),
        }
    }
}
