//! What a macaroon allows: its caveats, written and read.
//!
//! A caveat is `key=value`. A kind of caveat may be repeated, and then narrows:
//! the holder of a macaroon can add caveats, so one that allows more than an
//! earlier one is refused. Unknown caveats are skipped, as L402 has it.

use super::request_path::{is_plain, is_within};
use super::{CAVEAT_VALUES_MAX, Error, Request};

/// What a macaroon is minted with.
///
/// Beside the caveats that L402 names, there are constraints of ours in the form
/// that it has for those: `<service>_host`, `<service>_path`, `<service>_method`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// What was bought: a name without `,`, `:`, `=` and spaces.
    pub service: String,
    /// Which tier of it. 0 is the usual one.
    pub tier: u8,
    /// What of it may be used; all of it if empty.
    pub capabilities: Vec<String>,
    /// The first second in which it isn't valid any more.
    pub valid_until_unix_s: Option<u64>,
    /// The hosts it may be used at, as the `Host` header has them; all if empty.
    pub hosts: Vec<String>,
    /// The path that it, and what is below it, may be used at.
    pub path: Option<String>,
    /// The methods it may be used with; all if empty.
    pub methods: Vec<String>,
}

impl Terms {
    /// All of a service, for ever.
    pub fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            ..Self::default()
        }
    }

    /// The caveats, `services` first.
    pub(super) fn caveats(&self) -> Result<Vec<String>, Error> {
        let service = &self.service;
        if !is_word(service) || service.contains(':') {
            return Err(Error::TermsInvalid("the service's name is not a word"));
        }
        let mut caveats = vec![format!("services={service}:{}", self.tier)];
        let lists = [
            ("capabilities", &self.capabilities),
            ("host", &self.hosts),
            ("method", &self.methods),
        ];
        for (kind, values) in lists {
            if !values.iter().all(|value| is_word(value)) || values.len() > CAVEAT_VALUES_MAX {
                return Err(Error::TermsInvalid("a list is too long, or not of words"));
            }
            if !values.is_empty() {
                caveats.push(format!("{service}_{kind}={}", values.join(",")));
            }
        }
        if let Some(path) = &self.path {
            if !is_plain(path) {
                return Err(Error::TermsInvalid("the path is not absolute and plain"));
            }
            caveats.push(format!("{service}_path={path}"));
        }
        if let Some(until) = self.valid_until_unix_s {
            caveats.push(format!("{service}_valid_until={until}"));
        }
        Ok(caveats)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b',' && b != b'=')
}

/// What is left of a service after all caveats. `None` is no limit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Limits<'a> {
    services: Option<Vec<(&'a str, u8)>>,
    pub(super) capabilities: Option<Vec<&'a str>>,
    pub(super) valid_until_unix_s: Option<u64>,
    hosts: Option<Vec<&'a str>>,
    path: Option<&'a str>,
    methods: Option<Vec<&'a str>>,
}

impl<'a> Limits<'a> {
    /// Reads all caveats that concern `service`.
    pub(super) fn read(
        service: &str,
        caveats: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, Error> {
        let mut limits = Self::default();
        for caveat in caveats {
            let text = std::str::from_utf8(caveat).unwrap_or_default();
            if let Some((key, value)) = text.split_once('=') {
                limits.narrow(service, key.trim(), value.trim())?;
            }
        }
        Ok(limits)
    }

    fn narrow(&mut self, service: &str, key: &str, value: &'a str) -> Result<(), Error> {
        if key == "services" {
            let named = list(value)?.into_iter().map(service_and_tier);
            let named = named.collect::<Result<Vec<_>, _>>()?;
            return narrow_list(&mut self.services, named, "services");
        }
        let kind = key
            .strip_prefix(service)
            .and_then(|rest| rest.strip_prefix('_'));
        match kind {
            Some("capabilities") => {
                narrow_list(&mut self.capabilities, list(value)?, "capabilities")
            }
            Some("host") => narrow_list(&mut self.hosts, list(value)?, "hosts"),
            Some("method") => narrow_list(&mut self.methods, list(value)?, "methods"),
            Some("valid_until") => self.narrow_time(value),
            Some("path") => self.narrow_path(value),
            _ => Ok(()),
        }
    }

    fn narrow_time(&mut self, value: &str) -> Result<(), Error> {
        let until = number(value).ok_or(Error::CaveatMalformed("valid_until is not a time"))?;
        if self
            .valid_until_unix_s
            .is_some_and(|earlier| until > earlier)
        {
            return Err(Error::CaveatWidens("time"));
        }
        self.valid_until_unix_s = Some(until);
        Ok(())
    }

    fn narrow_path(&mut self, path: &'a str) -> Result<(), Error> {
        if !is_plain(path) {
            return Err(Error::CaveatMalformed("path is not absolute and plain"));
        }
        if self.path.is_some_and(|earlier| !is_within(path, earlier)) {
            return Err(Error::CaveatWidens("paths"));
        }
        self.path = Some(path);
        Ok(())
    }

    /// Whether the request is within the limits; the service's tier.
    pub(super) fn allow(&self, request: &Request<'_>, now_unix_s: u64) -> Result<u8, Error> {
        let mut services = self.services.iter().flatten();
        let (_, tier) = services
            .find(|(name, _)| *name == request.service)
            .ok_or(Error::ServiceNotCovered)?;
        if let Some(valid_until_unix_s) = self.valid_until_unix_s
            && now_unix_s >= valid_until_unix_s
        {
            return Err(Error::Expired {
                valid_until_unix_s,
                now_unix_s,
            });
        }
        let lists = |list: &Option<Vec<&str>>, value: &str| {
            list.as_ref().is_none_or(|list| list.contains(&value))
        };
        let is_host = |host: &&str| host.eq_ignore_ascii_case(request.host);
        if request
            .capability
            .is_some_and(|needed| !lists(&self.capabilities, needed))
        {
            return Err(Error::CapabilityNotCovered);
        }
        if self
            .hosts
            .as_ref()
            .is_some_and(|hosts| !hosts.iter().any(is_host))
        {
            return Err(Error::HostNotCovered);
        }
        if !lists(&self.methods, request.method) {
            return Err(Error::MethodNotCovered);
        }
        if self.path.is_some_and(|path| !is_within(request.path, path)) {
            return Err(Error::PathNotCovered);
        }
        Ok(*tier)
    }
}

fn narrow_list<T: PartialEq>(
    limit: &mut Option<Vec<T>>,
    later: Vec<T>,
    what: &'static str,
) -> Result<(), Error> {
    if let Some(earlier) = limit
        && !later.iter().all(|value| earlier.contains(value))
    {
        return Err(Error::CaveatWidens(what));
    }
    *limit = Some(later);
    Ok(())
}

fn list(value: &str) -> Result<Vec<&str>, Error> {
    let values: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .take(CAVEAT_VALUES_MAX + 1)
        .collect();
    if values.len() > CAVEAT_VALUES_MAX || values.contains(&"") {
        return Err(Error::CaveatMalformed(
            "a list is too long, or has an empty value",
        ));
    }
    Ok(values)
}

/// `name:tier`, or a name alone, which means the usual tier.
fn service_and_tier(value: &str) -> Result<(&str, u8), Error> {
    let (name, tier) = value.split_once(':').unwrap_or((value, "0"));
    let tier = number(tier).and_then(|tier| u8::try_from(tier).ok());
    Ok((
        name,
        tier.ok_or(Error::CaveatMalformed("a tier is not a number up to 255"))?,
    ))
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
