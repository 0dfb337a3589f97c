//! Other people's programs, which `scripts/compat-setup` installs.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use super::loudly;

/// The folder that `scripts/compat-setup` fills, or `None` (loudly) if it lacks any of these.
pub fn programs(needed: &[&str]) -> Option<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    let dir = set("FREEHOLD_COMPAT_DIR").or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(cache.join("freehold/compat"))
    })?;
    if let Some(missing) = needed.iter().find(|path| !dir.join(path).exists()) {
        loudly(&format!(
            "skipped: {missing} isn't in the compatibility folder; `scripts/compat-setup` installs it"
        ));
        return None;
    }
    Some(dir)
}

/// Keeps a program from sending what is for this machine to somebody's proxy.
pub fn without_proxy(command: &mut Command) {
    for proxy in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        command.env_remove(proxy);
    }
}
