//! One worker process.

use std::{env, ffi::OsStr, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{self, ChildStdin, ChildStdout},
    time::timeout,
};

use super::EngineConfig;
use crate::{
    Error, ModelInfo, Result,
    frame::{self, Decoder},
    protocol::{Command, Event, LoadOptions},
};

/// What a program needs to run and to log; nothing that could be a secret.
const INHERITED_ENV: [&str; 6] = [
    "GOMP_SPINCOUNT",
    "LD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "SystemRoot",
    "TMPDIR",
];
/// How long a computing thread waits busily for the others. With GNU's default a worker that has to
/// share its cores is up to eight times slower; with this one it isn't slower when it is alone.
const SPIN_COUNT: (&str, &str) = ("GOMP_SPINCOUNT", "1000");
const READ_BYTES: usize = 64 << 10;
/// The worker always reads; if it doesn't, it is stopped or worse.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A running worker with a loaded model. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) info: ModelInfo,
    process: process::Child,
    input: ChildStdin,
    output: ChildStdout,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Child {
    /// Starts a worker and waits until it has loaded a model.
    pub(super) async fn start(config: &EngineConfig, model_path: &Path) -> Result<Self> {
        let path = model_path.to_str().ok_or_else(|| Error::ModelLoadFailed {
            message: "its path isn't valid UTF-8".to_owned(),
        })?;
        let mut child = Self::spawn(config)?;
        let load = Command::Load(LoadOptions {
            path: path.to_owned(),
            context_tokens: config.context_tokens,
            threads: config.threads,
            parallel: config.parallel,
        });
        // If it can't even take this in, the wait says why.
        let _ = child.send(&load).await;
        match timeout(config.load_timeout, child.next_event()).await {
            Ok(Ok(Some(Event::Loaded(info)))) => child.info = info,
            Ok(Ok(Some(Event::LoadFailed { error }))) => return Err(error),
            Ok(Ok(Some(_))) => return Err(Error::protocol("it should have loaded a model")),
            Ok(Ok(None)) => return Err(child.explain_end().await),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                return Err(Error::ModelLoadFailed {
                    message: format!("it took longer than {:?}", config.load_timeout),
                });
            }
        }
        Ok(child)
    }

    fn spawn(config: &EngineConfig) -> Result<Self> {
        let failed = |message: String| Error::WorkerSpawnFailed { message };
        let inherited = INHERITED_ENV.map(|name| (OsStr::new(name), env::var_os(name)));
        let mut process = process::Command::new(&config.worker_program)
            .args(&config.worker_args)
            .env_clear()
            .env(SPIN_COUNT.0, SPIN_COUNT.1)
            .envs(inherited.into_iter().filter_map(|(n, v)| Some((n, v?))))
            .envs(config.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("{}: {error}", config.worker_program.display())))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        Ok(Self {
            info: ModelInfo::default(),
            process,
            input,
            output,
            decoder: Decoder::default(),
            buffer: vec![0; READ_BYTES],
        })
    }

    async fn explain_end(&mut self) -> Error {
        let how = match timeout(WRITE_TIMEOUT, self.process.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "no exit status".to_owned(),
        };
        Error::ModelLoadFailed {
            message: format!("the inference process ended while loading it ({how})"),
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends the process, and waits until it has.
    pub(super) async fn kill(&mut self) {
        // It fails if the process is gone, which is as good.
        let _ = self.process.kill().await;
    }

    /// Sends a command.
    pub(super) async fn send(&mut self, command: &Command) -> Result<()> {
        self.send_bytes(&frame::encode(command)?).await
    }

    /// Sends an encoded command.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        match timeout(WRITE_TIMEOUT, self.input.write_all(bytes)).await {
            Ok(written) => written.map_err(Error::protocol),
            Err(_) => Err(Error::protocol("it doesn't read its commands")),
        }
    }

    /// The next event, or `None` when the process has ended. Can be cancelled without losing any.
    pub(super) async fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.decoder.next_message()? {
                return Ok(Some(event));
            }
            let read = self.output.read(&mut self.buffer).await;
            match read.map_err(Error::protocol)? {
                0 => return Ok(None),
                bytes => self.decoder.push(&self.buffer[..bytes]),
            }
        }
    }
}
