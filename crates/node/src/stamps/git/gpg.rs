//! Running gpg, for which this program stands in.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::GitError;

/// The longest signature that is taken.
const MAX_SIGNATURE_BYTES: usize = 1024 * 1024;

/// Has gpg sign the payload. What it tells git about it goes to standard error, as git wants it.
///
/// # Errors
/// `Gpg` if there is no signature.
pub fn sign(program: &Path, args: &[OsString], payload: &[u8]) -> Result<Vec<u8>, GitError> {
    let mut signature = Vec::new();
    let status = feed(program, args, payload, Some(&mut signature))?;
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(GitError::TooLong {
            what: "the signature".to_owned(),
            max: MAX_SIGNATURE_BYTES,
        });
    }
    match status.success() && !signature.is_empty() {
        true => Ok(signature),
        false => Err(failed(program, status)),
    }
}

/// Runs gpg with the input, or with ours. What it says goes where ours goes.
///
/// # Errors
/// `Gpg` if it isn't content.
pub fn run_gpg(program: &Path, args: &[OsString], input: Option<&[u8]>) -> Result<(), GitError> {
    let status = match input {
        Some(input) => feed(program, args, input, None)?,
        None => Command::new(program)
            .args(args)
            .status()
            .map_err(no_gpg(program))?,
    };
    match status.success() {
        true => Ok(()),
        false => Err(failed(program, status)),
    }
}

/// Runs the program with this input, and reads its output a little further than it may go.
fn feed(
    program: &Path,
    args: &[OsString],
    input: &[u8],
    output: Option<&mut Vec<u8>>,
) -> Result<ExitStatus, GitError> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    if output.is_some() {
        command.stdout(Stdio::piped());
    }
    let mut child = command.spawn().map_err(no_gpg(program))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    std::thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            // If it doesn't read, it has a reason, and says so.
            scope.spawn(move || stdin.write_all(input));
        }
        match (stdout, output) {
            (Some(stdout), Some(output)) => stdout
                .take(MAX_SIGNATURE_BYTES as u64 + 1)
                .read_to_end(output)
                .map(drop),
            _ => Ok(()),
        }
    })?;
    Ok(child.wait()?)
}

fn no_gpg(program: &Path) -> impl FnOnce(std::io::Error) -> GitError {
    let program = program.display().to_string();
    move |source| GitError::NoProgram { program, source }
}

fn failed(program: &Path, status: ExitStatus) -> GitError {
    let program = program.display().to_string();
    GitError::Gpg { program, status }
}
