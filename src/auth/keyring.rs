//! Where a client's key is: the options `key`, `keyfile` and `keyring`, in librados' order.

use super::{AuthError, CryptoKey};
use crate::conf::{self, Config};

/// The key of the configuration's name. `key` wins over `keyfile`, that over the first file of `keyring` that exists.
pub fn find_key(conf: &Config) -> Result<CryptoKey, AuthError> {
    let key = conf.str("key");
    if !key.is_empty() {
        return CryptoKey::parse(&key).map_err(|_| bad("the option key is no cephx key".into()));
    }
    let keyfile = conf.str("keyfile");
    if !keyfile.is_empty() {
        let text = std::fs::read_to_string(&keyfile).map_err(|e| unreadable(&keyfile, &e))?;
        return CryptoKey::parse(&text).map_err(|_| bad(format!("{keyfile} holds no cephx key")));
    }
    let list = conf.str("keyring");
    let paths = list.split([',', ';', ' ']).filter(|path| !path.is_empty());
    let Some(path) = paths.into_iter().find(|path| std::path::Path::new(path).exists()) else {
        return Err(AuthError::NoKey { detail: format!("unable to find a keyring on {list}") });
    };
    let text = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    let name = conf.entity_name();
    match key_in(&text, &name).map_err(|detail| bad(format!("{path}: {detail}")))? {
        Some(key) => Ok(key),
        None => Err(AuthError::NoKey { detail: format!("{path} has no key of {name}") }),
    }
}

/// The key of `name` in a keyring file.
pub fn key_in(text: &[u8], name: &str) -> Result<Option<CryptoKey>, String> {
    let sections = conf::file::parse(text).map_err(|_| "not a keyring".to_string())?;
    let of_name = sections.iter().filter(|section| section.name == name);
    let mut keys = of_name.flat_map(|section| &section.keys).filter(|(key, _)| &**key == "key");
    match keys.next_back() {
        None => Ok(None),
        Some((_, value)) => match CryptoKey::parse(value) {
            Ok(key) => Ok(Some(key)),
            Err(_) => Err(format!("the key of {name} is no cephx key")),
        },
    }
}

fn bad(detail: String) -> AuthError {
    AuthError::BadKey { detail }
}

fn unreadable(path: &str, error: &std::io::Error) -> AuthError {
    let detail = format!("cannot read {path}: {error}");
    match error.kind() {
        std::io::ErrorKind::NotFound => AuthError::NoKey { detail },
        _ => AuthError::BadKey { detail },
    }
}
