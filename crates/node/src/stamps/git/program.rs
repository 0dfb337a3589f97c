//! Running `git`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::GitError;

const GIT: &str = "git";
/// How much of what git says about a failure is passed on.
const WHY_CHARS: usize = 300;

/// Git, to be run in this folder. What it says can be understood, and an object is what its name
/// says, whatever `git replace` was told.
pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new(GIT);
    command
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("GIT_NO_REPLACE_OBJECTS", "1");
    command
}

pub(super) fn no_git(source: std::io::Error) -> GitError {
    GitError::NoProgram {
        program: GIT.to_owned(),
        source,
    }
}

/// Runs a command that reads all of its input before it answers.
pub(super) fn output(folder: &Path, args: &[&str], input: &[u8]) -> Result<Output, GitError> {
    let mut child = command(folder)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(no_git)?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it doesn't read, it has a reason, and says so.
        let _ = stdin.write_all(input);
    }
    Ok(child.wait_with_output()?)
}

/// Runs a command that must succeed and says one line.
pub(super) fn line(folder: &Path, args: &[&str]) -> Result<Vec<u8>, GitError> {
    line_with(folder, args, b"")
}

/// The same, with input.
pub(super) fn line_with(folder: &Path, args: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
    let output = output(folder, args, input)?;
    if !output.status.success() {
        return Err(failed(folder, &output));
    }
    let mut line = output.stdout;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

/// Why git refused.
pub(super) fn failed(folder: &Path, output: &Output) -> GitError {
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("not a git repository") {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        return GitError::NotARepository(folder);
    }
    let said: String = said.trim().chars().take(WHY_CHARS).collect();
    match said.is_empty() {
        true => GitError::Failed(output.status.to_string()),
        false => GitError::Failed(said),
    }
}
