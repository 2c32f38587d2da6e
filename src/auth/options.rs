//! What the configuration says about authentication.

use super::{AuthError, ConnectionMode, CryptoKey, keyring};
use crate::conf::Config;
use crate::errno::Errno;
use crate::wire::types::EntityType;

/// A way to authenticate (CEPH_AUTH_*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    None,
    Cephx,
}

impl Method {
    pub fn number(self) -> u32 {
        match self {
            Method::None => 1,
            Method::Cephx => 2,
        }
    }

    pub fn of(number: u32) -> Option<Method> {
        [Method::None, Method::Cephx].into_iter().find(|method| method.number() == number)
    }
}

/// Who this client is and how it may prove it.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    pub name: PrincipalName,
    /// `Err`: why there is none, which is told once a monitor asks for a proof.
    pub key: Result<CryptoKey, AuthError>,
    /// In order of preference: `auth_supported`, or `auth_client_required` if that is empty.
    pub methods: Vec<Method>,
    /// `ms_mon_client_mode`: with monitors, and with managers too.
    pub mon_modes: Vec<ConnectionMode>,
    /// `ms_client_mode`
    pub service_modes: Vec<ConnectionMode>,
}

impl AuthOptions {
    /// Reads the keyring, if cephx is allowed. Without one, cephx is left out; `NoKey` if no method is left then.
    pub fn from_conf(conf: &Config) -> Result<AuthOptions, AuthError> {
        let supported = conf.str("auth_supported");
        let required = if supported.is_empty() { conf.str("auth_client_required") } else { supported };
        let mut methods = methods(&required);
        let name = PrincipalName::parse(&conf.entity_name())?;
        let no_key = |detail| AuthError::BadKey { errno: Errno::EACCES, detail };
        let mut key = Err(no_key("cephx is not allowed".to_string()));
        if methods.contains(&Method::Cephx) {
            match keyring::find_key(conf)? {
                keyring::Found::Key(found) => key = Ok(found),
                keyring::Found::NotInKeyring(detail) => key = Err(no_key(detail)),
                keyring::Found::Nowhere(detail) => {
                    tracing::error!(detail, "no keyring found, disabling cephx");
                    methods.retain(|method| *method != Method::Cephx);
                    key = Err(no_key(detail));
                }
            }
        }
        if methods.is_empty() {
            let detail = format!("no method is left of {required:?}");
            return Err(AuthError::NoKey { detail });
        }
        Ok(AuthOptions {
            name,
            key,
            methods,
            mon_modes: modes(&conf.str("ms_mon_client_mode")),
            service_modes: modes(&conf.str("ms_client_mode")),
        })
    }
}

/// A name as keyrings have it, `client.admin`: a kind and a text, unlike the numbers of [`crate::wire::types::EntityName`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrincipalName {
    pub kind: EntityType,
    pub id: String,
}

impl PrincipalName {
    pub fn parse(text: &str) -> Result<PrincipalName, AuthError> {
        let kinds = [
            EntityType::MON,
            EntityType::MDS,
            EntityType::OSD,
            EntityType::CLIENT,
            EntityType::MGR,
            EntityType::AUTH,
        ];
        let parts = text.split_once('.');
        let found = parts.and_then(|(kind, id)| Some((kinds.into_iter().find(|k| k.name() == kind)?, id)));
        match found {
            Some((kind, id)) => Ok(PrincipalName { kind, id: id.to_string() }),
            None => {
                let detail = format!("{text:?} is no name of a client or daemon");
                Err(AuthError::BadKey { errno: Errno::EINVAL, detail })
            }
        }
    }
}

impl std::fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.kind.name(), self.id)
    }
}

/// Words that are divided by what Ceph divides lists with.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([';', ',', '=', ' ', '\t']).filter(|word| !word.is_empty())
}

fn methods(list: &str) -> Vec<Method> {
    let each = words(list).filter_map(|word| match word {
        "cephx" => Some(Method::Cephx),
        "none" => Some(Method::None),
        other => {
            tracing::warn!(method = other, "unknown authentication method");
            None
        }
    });
    each.collect()
}

fn modes(list: &str) -> Vec<ConnectionMode> {
    let each = words(list).filter_map(|word| match word {
        "crc" => Some(ConnectionMode::Crc),
        "secure" => Some(ConnectionMode::Secure),
        other => {
            tracing::warn!(mode = other, "unknown connection mode");
            None
        }
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(methods("cephx, none"), [Method::Cephx, Method::None]);
        assert_eq!(methods("gss;none"), [Method::None]);
        assert_eq!(modes("secure crc"), [ConnectionMode::Secure, ConnectionMode::Crc]);
    }

    #[test]
    fn names() {
        let name = PrincipalName::parse("client.a.b").unwrap();
        assert_eq!(
            (name.kind, name.id.as_str(), name.to_string().as_str()),
            (EntityType::CLIENT, "a.b", "client.a.b")
        );
        assert!(PrincipalName::parse("admin").is_err());
        assert!(PrincipalName::parse("user.admin").is_err());
    }
}
