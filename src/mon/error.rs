//! Why the monitor client could not do something.

use crate::auth::AuthError;
use crate::errno::Errno;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MonError {
    /// The configuration names no monitor. ENOENT.
    #[error("no monitors specified to connect to")]
    NoMonitors,
    /// A monitor address or monmap file makes no sense, or a name has no address. EINVAL, or what the file answers.
    #[error("{detail}")]
    BadAddress { errno: Errno, detail: String },
    /// The monitors refused this client, or it cannot prove who it is.
    #[error("authentication failed: {0}")]
    Auth(#[from] AuthError),
    /// Nothing but msgr1, or older than Pacific. EOPNOTSUPP.
    #[error("{detail}")]
    Unsupported { detail: String },
    /// ETIMEDOUT
    #[error("no answer from the monitors within {ms} ms")]
    TimedOut { ms: u64 },
    /// `shutdown` was called, or `connect` never. ECANCELED.
    #[error("the monitor client is shut down")]
    ShutDown,
    /// A monitor cannot be reached, or the connection is gone. EAGAIN.
    #[error("session reset: {detail}")]
    SessionReset { detail: String },
    /// ENOENT
    #[error("there is no mon.{0}")]
    NoSuchName(String),
    /// ENOENT
    #[error("there is no monitor of rank {0}")]
    NoSuchRank(i32),
    /// One monitor that was asked for by name or rank did not answer as often as `mon_client_directed_command_retry` says. ENXIO.
    #[error("mon.{0} is not available")]
    Unavailable(String),
    /// The answer makes no sense. EIO.
    #[error("malformed {0}")]
    Malformed(&'static str),
}

impl MonError {
    pub fn errno(&self) -> Errno {
        match self {
            MonError::NoMonitors | MonError::NoSuchName(_) | MonError::NoSuchRank(_) => Errno::ENOENT,
            MonError::BadAddress { errno, .. } => *errno,
            MonError::Auth(source) => Errno::from(source),
            MonError::Unsupported { .. } => Errno::EOPNOTSUPP,
            MonError::TimedOut { .. } => Errno::ETIMEDOUT,
            MonError::ShutDown => Errno::ECANCELED,
            MonError::SessionReset { .. } => Errno::EAGAIN,
            MonError::Unavailable(_) => Errno::ENXIO,
            MonError::Malformed(_) => Errno::EIO,
        }
    }

    /// What librados gives as the status of a command that failed so.
    pub fn status(&self) -> &'static str {
        match self {
            MonError::TimedOut { .. } => "timed out",
            MonError::NoSuchName(_) => "mon dne",
            MonError::NoSuchRank(_) => "mon rank dne",
            MonError::Unavailable(_) => "mon unavailable",
            MonError::Auth(_) => "auth failed",
            MonError::NoMonitors
            | MonError::BadAddress { .. }
            | MonError::Unsupported { .. }
            | MonError::ShutDown
            | MonError::SessionReset { .. }
            | MonError::Malformed(_) => "",
        }
    }
}
