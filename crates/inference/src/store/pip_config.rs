//! Where pip gets its packages on this machine, found the way pip finds it.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The index that pip uses when nothing else is configured.
const DEFAULT_INDEX_URL: &str = "https://pypi.org/simple";

/// The part of pip's configuration that matters for fetching one wheel.
#[derive(Clone, Eq, PartialEq)]
pub struct PipConfig {
    /// The simple index; none if pip is told to use no index.
    pub index_url: Option<String>,
    /// A bundle of further certificates to trust.
    pub certificates: Option<PathBuf>,
    /// A proxy, where pip has one of its own.
    pub proxy: Option<String>,
}

impl Default for PipConfig {
    fn default() -> Self {
        Self {
            index_url: Some(DEFAULT_INDEX_URL.into()),
            certificates: None,
            proxy: None,
        }
    }
}

impl std::fmt::Debug for PipConfig {
    /// An index URL and a proxy can hold credentials, so neither is shown.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PipConfig")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

impl PipConfig {
    /// Reads pip's environment variables and configuration files.
    #[must_use]
    pub fn discover() -> Self {
        Self::from_env(|key| env::var_os(key))
    }

    /// Does so for the given environment. As with pip, later files override earlier ones, and
    /// variables override files.
    fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut settings = HashMap::new();
        for path in files(&variable) {
            if let Ok(text) = std::fs::read_to_string(path) {
                settings.extend(parse(&text));
            }
        }
        for key in ["index-url", "cert", "proxy", "no-index"] {
            let name = format!("PIP_{}", key.replace('-', "_").to_ascii_uppercase());
            if let Some(value) = variable(&name)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
            {
                settings.insert(key.to_owned(), value);
            }
        }
        let no_index = settings.get("no-index").is_some_and(|value| is_yes(value));
        let index_url = settings
            .remove("index-url")
            .unwrap_or_else(|| DEFAULT_INDEX_URL.into());
        Self {
            index_url: Some(index_url).filter(|_| !no_index),
            certificates: settings.remove("cert").map(PathBuf::from),
            proxy: settings.remove("proxy"),
        }
    }
}

/// The files that pip reads, the weakest first.
fn files(variable: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = variable("PIP_CONFIG_FILE").map(PathBuf::from);
    if named.as_deref() == Some(Path::new(if cfg!(windows) { "nul" } else { "/dev/null" })) {
        return Vec::new();
    }
    let folder =
        |key: &str, below: &str| variable(key).map(|folder| Path::new(&folder).join(below));
    let file = if cfg!(windows) { "pip.ini" } else { "pip.conf" };
    let shared = variable("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".into());
    let mut found: Vec<_> = env::split_paths(&shared)
        .map(|folder| folder.join("pip").join(file))
        .collect();
    found.push(Path::new("/etc").join(file));
    found.extend(folder("HOME", ".pip").map(|folder| folder.join(file)));
    found.extend(folder("HOME", "Library/Application Support/pip").map(|folder| folder.join(file)));
    let user = folder("APPDATA", "pip")
        .or_else(|| folder("XDG_CONFIG_HOME", "pip"))
        .or_else(|| folder("HOME", ".config/pip"));
    found.extend(user.map(|folder| folder.join(file)));
    found.extend(folder("VIRTUAL_ENV", file));
    found.extend(named);
    found
}

/// The settings of an INI file that hold for `pip download`: those of `[global]`, and over them
/// those of `[download]`.
fn parse(text: &str) -> HashMap<String, String> {
    let (mut global, mut download) = (HashMap::new(), HashMap::new());
    let mut section = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(header) = trimmed.strip_prefix('[') {
            section = header.trim_end_matches(']').trim().to_ascii_lowercase();
        } else if trimmed.starts_with(['#', ';']) || line.starts_with(char::is_whitespace) {
            // A comment, or the next line of a list: none of the settings we read is a list.
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            let key = key
                .trim()
                .trim_start_matches('-')
                .replace('_', "-")
                .to_ascii_lowercase();
            match section.as_str() {
                "global" => global.insert(key, value.trim().to_owned()),
                "download" => download.insert(key, value.trim().to_owned()),
                _ => None,
            };
        }
    }
    global.extend(download);
    global
}

fn is_yes(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "y" | "yes" | "true" | "on" | "t"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> PipConfig {
        PipConfig::from_env(|wanted| {
            let found = variables.iter().find(|(key, _)| *key == wanted);
            found
                .map(|(_, value)| value.into())
                .or_else(|| (wanted == "XDG_CONFIG_DIRS").then(OsString::new))
        })
    }

    #[test]
    fn variables_override_files_and_later_files_override_earlier_ones() {
        let home = tempfile::tempdir().unwrap();
        let user = home.path().join(".config/pip");
        std::fs::create_dir_all(&user).unwrap();
        std::fs::write(
            user.join("pip.conf"),
            "[global]\nindex-url = https://user.example/simple\ncert: /user.pem\n",
        )
        .unwrap();
        let named = home.path().join("named.conf");
        std::fs::write(
            &named,
            "[install]\nindex-url = https://no.example\n\
             [global]\nindex_url=https://named.example\n",
        )
        .unwrap();
        let home = home.path().to_str().unwrap();

        let config = with(&[("HOME", home)]);
        assert_eq!(
            config.index_url.as_deref(),
            Some("https://user.example/simple")
        );
        assert_eq!(config.certificates.as_deref(), Some(Path::new("/user.pem")));
        let named = named.to_str().unwrap();
        let config = with(&[("HOME", home), ("PIP_CONFIG_FILE", named)]);
        assert_eq!(config.index_url.as_deref(), Some("https://named.example"));
        let config = with(&[
            ("HOME", home),
            ("PIP_CONFIG_FILE", named),
            ("PIP_INDEX_URL", "https://env.example"),
        ]);
        assert_eq!(config.index_url.as_deref(), Some("https://env.example"));
    }

    #[test]
    fn no_index_is_respected_and_the_null_device_turns_files_off() {
        assert_eq!(with(&[("PIP_NO_INDEX", "true")]).index_url, None);
        assert_eq!(
            with(&[("PIP_NO_INDEX", "0"), ("PIP_CONFIG_FILE", "/dev/null")]),
            PipConfig::default()
        );
    }

    #[test]
    fn the_section_of_the_command_wins_and_comments_do_not_count() {
        let text = "# x\n[download]\nproxy = http://b\n\
             [global]\n; index-url = no\nproxy = http://a\nfind-links =\n    cert = no\n";
        let settings = parse(text);
        assert_eq!(settings.get("proxy").map(String::as_str), Some("http://b"));
        assert!(!settings.contains_key("cert") && !settings.contains_key("index-url"));
    }

    #[test]
    fn credentials_are_not_shown() {
        let config = with(&[
            ("PIP_INDEX_URL", "https://me:secret@mirror.example/simple"),
            ("PIP_PROXY", "http://me:secret@p"),
        ]);
        assert!(!format!("{config:?}").contains("secret"));
    }
}
