//! The child's side: a process that holds one model and answers over its standard streams.
//!
//! **Invariant:** nothing but frames goes to standard output, and the process never outlives the
//! pipe on its standard input. So when the parent dies, however it dies, no orphan is left.

mod limits;
mod model;
mod sampling;
mod session;
mod special;

use std::{
    io::{self, Read, Write},
    process,
    sync::mpsc,
    thread,
};

use llama_cpp_2::{LogOptions, llama_backend::LlamaBackend};

use crate::{
    Error, Result,
    frame::{self, Decoder},
    protocol::{Command, Event, LoadOptions},
};
use model::Model;
use session::Session;

const READ_BYTES: usize = 64 << 10;

/// Serves the parent until it hangs up. The program that calls this must not print to standard
/// output; its log belongs on standard error.
///
/// # Errors
/// If the model can't be loaded (the parent was told), or the parent can't be written to.
pub fn run() -> Result<()> {
    // llama.cpp would write to standard error by itself; this way the caller's filter applies.
    llama_cpp_2::send_logs_to_tracing(LogOptions::default());
    let (sender, commands) = mpsc::channel();
    thread::Builder::new()
        .name("commands".to_owned())
        .spawn(move || forward_commands(&sender))
        .map_err(Error::protocol)?;
    let mut output = Output(io::stdout());
    match commands.recv() {
        Ok(Command::Load(options)) => match serve(&options, &commands, &mut output) {
            Err(error @ Error::ModelLoadFailed { .. }) => {
                output.send(&Event::LoadFailed {
                    error: error.clone(),
                })?;
                Err(error)
            }
            other => other,
        },
        _ => Err(Error::protocol("the first command must load a model")),
    }
}

fn serve(
    options: &LoadOptions,
    commands: &mpsc::Receiver<Command>,
    output: &mut Output,
) -> Result<()> {
    let backend = LlamaBackend::init().map_err(|error| Error::ModelLoadFailed {
        message: error.to_string(),
    })?;
    let model = Model::load(&backend, options)?;
    let session = Session::new(&backend, &model, options, output)?;
    session.run(commands)
}

/// Reads commands on a thread of its own, so that the end of the pipe is noticed in the middle of
/// a long computation too. It ends the process at once: there is nobody to answer to.
fn forward_commands(commands: &mpsc::Sender<Command>) {
    let mut input = io::stdin().lock();
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => end_now(),
            Ok(bytes) => decoder.push(&buffer[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => give_up(&error),
        }
        loop {
            let sent = match decoder.next_message() {
                Ok(Some(command)) => commands.send(command),
                Ok(None) => break,
                Err(error) => give_up(&error),
            };
            if sent.is_err() {
                // The session has ended, and the process is about to.
                return;
            }
        }
    }
}

/// Ends the process without running any destructors: llama.cpp's would free what its threads are
/// computing with.
fn end_now() -> ! {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        // It can't fail, and there is a second way below.
        let _ = kill_process(getpid(), Signal::KILL);
    }
    process::exit(0)
}

fn give_up(error: &dyn std::fmt::Display) -> ! {
    tracing::error!(%error, "can't read the parent's commands");
    end_now()
}

/// The way to the parent.
struct Output(io::Stdout);

impl Output {
    fn send(&mut self, event: &Event) -> Result<()> {
        let bytes = frame::encode(event)?;
        let mut stdout = self.0.lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        written.map_err(Error::protocol)
    }
}
