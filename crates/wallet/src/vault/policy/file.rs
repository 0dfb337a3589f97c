//! Reading a policy file: every mistake is told with its line.

use std::collections::BTreeMap;

use bitcoin::Network;
use serde::Deserialize;
use toml::Spanned;

use super::{
    AccountKey, Allowance, PATHS_MAX, POLICY_BYTES_MAX, PathRule, Policy, PolicyError, PolicyFault,
    SIGNERS_MAX, Signer, SignerKind,
};
use crate::vault::TOGETHER;

type Result<T> = std::result::Result<T, PolicyError>;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    name: Spanned<String>,
    network: Spanned<String>,
    cooperate: Option<Spanned<Cooperate>>,
    signers: BTreeMap<String, Spanned<SignerEntry>>,
    path: Vec<Spanned<PathEntry>>,
    allowance: Option<Spanned<AllowanceEntry>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cooperate {
    Whether(bool),
    Who(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerEntry {
    kind: SignerKind,
    key: Spanned<String>,
    #[serde(default = "yes")]
    musig2: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathEntry {
    name: Option<String>,
    who: Vec<Spanned<String>>,
    needs: Spanned<usize>,
    after: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowanceEntry {
    agent: Spanned<String>,
    with: Spanned<String>,
    sat_per_day: u64,
}

fn yes() -> bool {
    true
}

pub(super) fn read(text: &str) -> Result<Policy> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(PolicyError::new(
            None,
            PolicyFault::TooLong(POLICY_BYTES_MAX),
        ));
    }
    let file: PolicyFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        PolicyError::new(line, PolicyFault::Syntax(error.message().to_owned()))
    })?;
    Reader { text }.policy(&file)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn fault<T>(&self, at: &Spanned<T>, fault: impl Into<PolicyFault>) -> PolicyError {
        PolicyError::new(Some(line_of(self.text, at.span().start)), fault)
    }

    fn policy(&self, file: &PolicyFile) -> Result<Policy> {
        if !is_name(file.name.get_ref()) {
            let name = short(file.name.get_ref());
            return Err(self.fault(&file.name, PolicyFault::Name(name)));
        }
        let network = self.network(file)?;
        let signers = self.signers(file, network)?;
        let mut policy = Policy {
            name: file.name.get_ref().clone(),
            network,
            signers,
            paths: Vec::new(),
            together: Vec::new(),
            allowance: None,
        };
        self.paths(file, &mut policy)?;
        self.everybody_counts(file, &policy)?;
        policy.together = self.together(file, &policy)?;
        policy.allowance = self.allowance(file, &policy)?;
        Ok(policy)
    }

    fn network(&self, file: &PolicyFile) -> Result<Network> {
        let name = file.network.get_ref();
        match name.as_str() {
            "mainnet" | "bitcoin" => Ok(Network::Bitcoin),
            "signet" => Ok(Network::Signet),
            "regtest" | "sandbox" => Ok(Network::Regtest),
            _ => {
                let what = format!(
                    "{:?} is no network: use mainnet, signet or regtest",
                    short(name)
                );
                Err(self.fault(&file.network, PolicyFault::Syntax(what)))
            }
        }
    }

    fn signers(&self, file: &PolicyFile, network: Network) -> Result<Vec<Signer>> {
        count(file.signers.len(), "signers", SIGNERS_MAX)?;
        let mut signers: Vec<Signer> = Vec::with_capacity(file.signers.len());
        // In the order of the file, so that mistakes are told from the top.
        let mut entries: Vec<_> = file.signers.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.span().start);
        for (name, entry) in entries {
            if !is_name(name) || name == TOGETHER {
                return Err(self.fault(entry, PolicyFault::Name(short(name))));
            }
            let signer = self.signer(name, entry.get_ref(), network)?;
            let same = |other: &&Signer| other.key.xpub.public_key == signer.key.xpub.public_key;
            if let Some(first) = signers.iter().find(same) {
                let (first, second) = (first.name.clone(), name.clone());
                let fault = PolicyFault::KeyTwice { first, second };
                return Err(self.fault(&entry.get_ref().key, fault));
            }
            signers.push(signer);
        }
        Ok(signers)
    }

    fn signer(&self, name: &str, entry: &SignerEntry, network: Network) -> Result<Signer> {
        let wrong = |why: String| {
            let signer = name.to_owned();
            self.fault(&entry.key, PolicyFault::Key { signer, why })
        };
        let key: AccountKey = entry.key.get_ref().parse().map_err(wrong)?;
        if !key.is_for(network) {
            return Err(wrong(format!("it isn't for {network}")));
        }
        Ok(Signer {
            name: name.to_owned(),
            kind: entry.kind,
            key,
            does_musig2: entry.musig2,
        })
    }

    fn paths(&self, file: &PolicyFile, policy: &mut Policy) -> Result<()> {
        count(file.path.len(), "paths", PATHS_MAX)?;
        for (place, entry) in file.path.iter().enumerate() {
            let rule = self.path(place, entry, policy)?;
            if policy.paths.iter().any(|other| other.name == rule.name) {
                return Err(self.fault(entry, PolicyFault::PathTwice(rule.name)));
            }
            policy.paths.push(rule);
        }
        Ok(())
    }

    fn path(&self, place: usize, at: &Spanned<PathEntry>, policy: &Policy) -> Result<PathRule> {
        let entry = at.get_ref();
        let name = entry.name.clone();
        let name = name.unwrap_or_else(|| format!("path-{}", place + 1));
        if !is_name(&name) || name == TOGETHER {
            return Err(self.fault(at, PolicyFault::Name(short(&name))));
        }
        let mut who = Vec::with_capacity(entry.who.len());
        for named in &entry.who {
            let signer = self.known(named, policy)?;
            if who.contains(&signer) {
                let twice = PolicyFault::SignerTwice(named.get_ref().clone());
                return Err(self.fault(named, twice));
            }
            who.push(signer);
        }
        let needs = *entry.needs.get_ref();
        if needs == 0 || needs > who.len() {
            let count = who.len();
            return Err(self.fault(&entry.needs, PolicyFault::Needs { needs, count }));
        }
        if who.iter().filter(|&&one| policy.is_agent(one)).count() >= needs {
            return Err(self.fault(at, PolicyFault::AgentsAlone(name)));
        }
        let after = match &entry.after {
            None => None,
            Some(text) => {
                let delay = text.get_ref().parse();
                Some(delay.map_err(|fault: crate::vault::DelayError| self.fault(text, fault))?)
            }
        };
        Ok(PathRule {
            name,
            who,
            needs,
            after,
        })
    }

    fn known(&self, named: &Spanned<String>, policy: &Policy) -> Result<usize> {
        let name = named.get_ref();
        let unknown = || self.fault(named, PolicyFault::UnknownSigner(short(name)));
        policy.signer(name).ok_or_else(unknown)
    }

    fn everybody_counts(&self, file: &PolicyFile, policy: &Policy) -> Result<()> {
        if policy.paths.iter().all(|rule| rule.after.is_some()) {
            return Err(PolicyError::new(None, PolicyFault::NoOpenPath));
        }
        for (place, signer) in policy.signers.iter().enumerate() {
            if !policy.paths.iter().any(|rule| rule.who.contains(&place)) {
                let idle = PolicyFault::Idle(signer.name.clone());
                let entry = file.signers.get(&signer.name);
                let line = entry.map(|entry| line_of(self.text, entry.span().start));
                return Err(PolicyError::new(line, idle));
            }
        }
        Ok(())
    }

    /// Who cooperates: whoever shares a path without delay, if nothing else is said. Only a group
    /// that may spend at once anyway: the short way must not open what the paths keep closed.
    fn together(&self, file: &PolicyFile, policy: &Policy) -> Result<Vec<usize>> {
        let open = || policy.paths.iter().filter(|rule| rule.after.is_none());
        let is_asked_for = file.cooperate.is_some();
        let mut group: Vec<usize> = match file.cooperate.as_ref().map(Spanned::get_ref) {
            Some(Cooperate::Whether(false)) => return Ok(Vec::new()),
            Some(Cooperate::Who(names)) => self.named_group(file, policy, names)?,
            Some(Cooperate::Whether(true)) | None => {
                let all = 0..policy.signers.len();
                all.filter(|place| open().any(|rule| rule.who.contains(place)))
                    .collect()
            }
        };
        group.retain(|&place| policy.signers.get(place).is_some_and(|one| one.does_musig2));
        let may_spend = open().any(|rule| {
            let members = rule.who.iter().filter(|place| group.contains(place));
            members.count() >= rule.needs
        });
        match (&file.cooperate, may_spend && group.len() >= 2) {
            (_, true) => Ok(group),
            (Some(at), false) if is_asked_for => {
                let names = policy.names(&group);
                Err(self.fault(at, PolicyFault::Together(names)))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn named_group(
        &self,
        file: &PolicyFile,
        policy: &Policy,
        names: &[String],
    ) -> Result<Vec<usize>> {
        let mut group = Vec::with_capacity(names.len());
        for name in names {
            let line = file.cooperate.as_ref();
            let line = line.map(|at| line_of(self.text, at.span().start));
            let unknown = || PolicyError::new(line, PolicyFault::UnknownSigner(short(name)));
            let signer = policy.signer(name).ok_or_else(unknown)?;
            if group.contains(&signer) {
                let twice = PolicyFault::SignerTwice(name.clone());
                return Err(PolicyError::new(line, twice));
            }
            group.push(signer);
        }
        Ok(group)
    }

    fn allowance(&self, file: &PolicyFile, policy: &Policy) -> Result<Option<Allowance>> {
        let Some(at) = &file.allowance else {
            return Ok(None);
        };
        let entry = at.get_ref();
        let allowance = Allowance {
            agent: self.known(&entry.agent, policy)?,
            with: self.known(&entry.with, policy)?,
            sat_per_day: entry.sat_per_day,
        };
        let wrong = |why: &str| Err(self.fault(at, PolicyFault::Allowance(why.into())));
        if !policy.is_agent(allowance.agent) {
            return wrong("`agent` names a human");
        }
        if policy.is_agent(allowance.with) {
            return wrong("`with` names an agent");
        }
        let suffices = policy.paths.iter().any(|rule| {
            let both = [allowance.agent, allowance.with];
            rule.after.is_none() && rule.needs <= 2 && both.iter().all(|one| rule.who.contains(one))
        });
        if !suffices {
            return wrong("no path without delay lets the two of them spend");
        }
        Ok(Some(allowance))
    }
}

fn count(count: usize, what: &'static str, max: usize) -> Result<()> {
    if (1..=max).contains(&count) {
        return Ok(());
    }
    let fault = PolicyFault::Count { what, count, max };
    Err(PolicyError::new(None, fault))
}

/// Names go into paths, URLs and shells.
fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
