//! How to log in to a Bitcoin node, without ever showing the password.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::super::{Error, Result};

pub(super) const WHAT: &str = "the Bitcoin node";
const MAX_SECRET_BYTES: u64 = 1024;

/// How to log in to a node.
#[derive(Clone)]
pub enum RpcAuth {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A file that holds `user:password`, such as the `.cookie` that a node makes anew at every
    /// start. It is read for every question.
    File(PathBuf),
}

impl RpcAuth {
    /// User and password.
    pub(super) fn login(&self) -> Result<(String, String)> {
        match self {
            Self::Password { user, password } => Ok((user.clone(), password.clone())),
            Self::File(path) => read_login(path),
        }
    }
}

impl fmt::Debug for RpcAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user}:…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

fn read_login(path: &Path) -> Result<(String, String)> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut text))
        .map_err(Error::io("reading", path))?;
    let (user, password) = text.trim_end().split_once(':').ok_or(Error::Address {
        what: WHAT,
        why: format!("{} does not hold user:password", path.display()),
    })?;
    Ok((user.to_owned(), password.to_owned()))
}

/// Takes user and password out of an address, so that it can be shown.
pub(super) fn take_password(url: &mut Url) -> Result<Option<RpcAuth>> {
    let refuse = || Error::Address {
        what: WHAT,
        why: "its user or password is not proper text".to_owned(),
    };
    let user = percent_decoded(url.username()).ok_or_else(refuse)?;
    let password = percent_decoded(url.password().unwrap_or_default()).ok_or_else(refuse)?;
    url.set_username("").map_err(|()| refuse())?;
    url.set_password(None).map_err(|()| refuse())?;
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    Ok(Some(RpcAuth::Password { user, password }))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        bytes.extend(hex::decode(digits).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
