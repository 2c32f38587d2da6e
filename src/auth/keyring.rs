//! Where a client's key is: the options `key`, `keyfile` and `keyring`, in librados' order and with its errors.
//!
//! A keyring is a file of ceph.conf's syntax:
//! ```text
//! [client.admin]
//!     key = AQBxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx==
//!     caps mon = "allow *"
//! ```
//! The table of what librados 16.2.15 answers is in docs/ceph-behaviour.md.

use std::io::ErrorKind;

use super::{AuthError, CryptoKey, PrincipalName};
use crate::conf::{self, Config};
use crate::errno::Errno;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// No keyring, nor another place for a key: cephx is not possible.
    Nowhere(String),
    /// A keyring without this client's name.
    NotInKeyring(String),
    Key(CryptoKey),
}

/// Looks for the key of the configuration's name: `key`, then `keyfile`, then the first file of the list `keyring` that
/// can be opened. `BadKey`: what is to be taken makes no sense or cannot be read.
pub fn find_key(conf: &Config) -> Result<Found, AuthError> {
    let key = conf.str("key");
    if !key.is_empty() {
        return parse_key(&key, || "the option key".to_string()).map(Found::Key);
    }
    let keyfile = conf.str("keyfile");
    if !keyfile.is_empty() {
        return match std::fs::read(&keyfile) {
            Ok(text) => parse_key(&String::from_utf8_lossy(&text), || keyfile).map(Found::Key),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Found::Nowhere(format!("there is no {keyfile}")))
            }
            Err(error) => Err(unreadable(&keyfile, &error)),
        };
    }
    in_files(&conf.str("keyring"), &conf.entity_name())
}

/// The key of `name` in the first file of a list that can be opened.
fn in_files(list: &str, name: &str) -> Result<Found, AuthError> {
    let mut refused = None;
    for path in list.split([',', ';']).filter(|path| !path.is_empty()) {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    refused = Some(unreadable(path, &error));
                }
                continue;
            }
        };
        let text = std::io::read_to_string(file).map_err(|error| unreadable(path, &error))?;
        let detail = |detail| AuthError::BadKey { errno: Errno::EIO, detail: format!("{path}: {detail}") };
        return Ok(match key_in(&text, name).map_err(detail)? {
            Some(key) => Found::Key(key),
            None => Found::NotInKeyring(format!("{path} has no key of {name}")),
        });
    }
    match refused {
        Some(error) => Err(error),
        None => Ok(Found::Nowhere(format!("unable to find a keyring on {list}"))),
    }
}

/// The key of `name` in a keyring, the last one if there are several. An error anywhere in it makes it useless.
pub fn key_in(text: &str, name: &str) -> Result<Option<CryptoKey>, String> {
    let sections = conf::file::parse(text.as_bytes()).map_err(|_| "not a keyring".to_string())?;
    let mut found = None;
    for section in sections.iter().filter(|section| section.name != "global") {
        PrincipalName::parse(&section.name).map_err(|_| format!("[{}] is no name", section.name))?;
        for (key, value) in &section.keys {
            match key.as_str() {
                "key" => {
                    let parsed = CryptoKey::parse(value)
                        .map_err(|_| format!("the key of {} is no cephx key", section.name))?;
                    if section.name == name {
                        found = Some(parsed);
                    }
                }
                "auid" => {}
                caps if caps.strip_prefix("caps_").is_some_and(|service| !service.is_empty()) => {}
                other => return Err(format!("[{}] has an unknown line {other:?}", section.name)),
            }
        }
    }
    Ok(found)
}

fn parse_key(text: &str, place: impl FnOnce() -> String) -> Result<CryptoKey, AuthError> {
    CryptoKey::parse(text).map_err(|_| AuthError::BadKey {
        errno: Errno::EINVAL,
        detail: format!("{} holds no cephx key", place()),
    })
}

fn unreadable(path: &str, error: &std::io::Error) -> AuthError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno);
    AuthError::BadKey { errno, detail: format!("cannot read {path}: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::World;

    const KEY: &str = "AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==";
    const OTHER: &str = "AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvA==";

    /// No environment, so that the caller's own does not matter.
    struct Nowhere;

    impl World for Nowhere {
        fn var(&self, _: &str) -> Option<String> {
            None
        }

        fn read(&self, _: &str) -> std::io::Result<Vec<u8>> {
            Err(ErrorKind::NotFound.into())
        }

        fn host_name(&self) -> String {
            "host".into()
        }
    }

    fn key(text: &str) -> CryptoKey {
        CryptoKey::parse(text).unwrap()
    }

    /// Each was given to rados_connect of librados 16.2.15, which took it or gave -EIO.
    #[test]
    fn keyrings_as_librados_takes_them() {
        let of = |text: String| key_in(&text, "client.admin");
        for good in [
            format!("[client.admin]\n key = {KEY}\n"),
            format!("[client.admin]\n\tkey = {KEY}\n\tcaps mds = \"allow *\"\n\tcaps mon = allow *\n"),
            format!("[client.admin]\n auid = 5\n key = \"{KEY}\"\n"),
            format!("# a comment\n[client.admin]\n; another\n key = {KEY} # and one more\n"),
            format!("[global]\n key = nonsense\n[client.admin]\n key = {KEY}\n"),
            format!(
                "[client.admin]\n key = {OTHER}\n[client.other]\nkey = {OTHER}\n[client.admin]\n key = {KEY}\n"
            ),
            format!("[client.admin]\n key = {OTHER}\n key = {KEY}\n"),
        ] {
            assert_eq!(of(good.clone()), Ok(Some(key(KEY))), "{good}");
        }
        for without in
            [String::new(), format!("[client.other]\n key = {KEY}\n"), "[client.admin]\n".to_string()]
        {
            assert_eq!(of(without.clone()), Ok(None), "{without}");
        }
        for bad in [
            "[client.admin]\n key =\n".to_string(),
            "[client.admin]\n key = nonsense\n".to_string(),
            "[client.admin]\n key = !!!!\n".to_string(),
            format!("[client.other]\n key = nonsense\n[client.admin]\n key = {KEY}\n"),
            format!("[client.admin]\n key = {KEY}\n[client.other]\n key = nonsense\n"),
            format!("[foo]\n key = {KEY}\n[client.admin]\n key = {KEY}\n"),
            format!("[client.admin]\n key = {KEY}\n foo = bar\n"),
            format!("[client.admin]\n key = {KEY}\n caps = bar\n"),
            format!("[client.admin]\n key = {KEY}"),
            format!("[client.admin]\n KEY = {KEY}\n"),
            format!(" [client.admin]\n key = {KEY}\n"),
            format!("key = {KEY}\n[client.admin]\n key = {KEY}\n"),
            "\u{1}\u{2}\u{3}".to_string(),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_string()
        };
        let keyring = file("ceph.client.admin.keyring", &format!("[client.admin]\n key = {KEY}\n"));
        let other = file("other", &format!("[client.other]\n key = {KEY}\n"));
        let keyfile = file("keyfile", &format!("{OTHER}\n"));
        let nonsense = file("nonsense", "nonsense");
        let dir = folder.path().to_str().unwrap();
        let find = |options: &[(&str, &str)]| {
            let mut conf = Config::named("ceph", "client.admin", &Nowhere).unwrap();
            for (option, value) in options {
                conf.set(option, value).unwrap();
            }
            find_key(&conf)
        };
        let is = |options: &[(&str, &str)], text: &str| assert_eq!(find(options), Ok(Found::Key(key(text))));
        let errno = |options: &[(&str, &str)]| Errno::from(&find(options).unwrap_err());

        is(&[("keyring", &keyring)], KEY);
        is(&[("keyring", &format!("/nonexistent,{keyring};{other}"))], KEY);
        is(&[("keyring", &format!("{dir}/$cluster.$name.keyring"))], KEY);
        is(&[("keyring", &keyring), ("keyfile", &keyfile)], OTHER);
        is(&[("keyring", &keyring), ("keyfile", "/nonexistent"), ("key", OTHER)], OTHER);

        let nowhere = |options: &[(&str, &str)]| assert!(matches!(find(options), Ok(Found::Nowhere(_))));
        nowhere(&[("keyring", "/nonexistent")]);
        nowhere(&[("keyring", "")]);
        nowhere(&[("keyring", &format!("/nonexistent {keyring}"))]);
        nowhere(&[("keyring", &keyring), ("keyfile", "/nonexistent")]);
        let not_in = find(&[("keyring", &format!("{other},{keyring}"))]);
        assert!(matches!(not_in, Ok(Found::NotInKeyring(_))));

        assert_eq!(errno(&[("keyring", &nonsense)]), Errno::EIO);
        assert_eq!(errno(&[("keyring", dir)]), Errno::EISDIR);
        assert_eq!(errno(&[("keyfile", dir)]), Errno::EISDIR);
        assert_eq!(errno(&[("keyfile", &nonsense), ("keyring", &keyring)]), Errno::EINVAL);
        assert_eq!(errno(&[("key", "nonsense"), ("keyring", &keyring)]), Errno::EINVAL);
        assert_eq!(errno(&[("key", &format!(" {KEY}"))]), Errno::EINVAL);
    }
}
