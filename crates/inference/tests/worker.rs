//! The worker alone, spoken to over its pipe.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    env,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command as Process, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use inference::{
    frame::{self, Decoder},
    openai::{ChatRequest, Message, Role},
    protocol::{Command, Event, LoadOptions},
};

#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;

mod house;

struct Worker {
    process: Child,
    decoder: Decoder,
}

impl Worker {
    fn start() -> Self {
        let process = Process::new(house::worker_program())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let decoder = Decoder::default();
        Self { process, decoder }
    }

    /// A worker with the small model, or `None` where there isn't one.
    fn loaded() -> Option<Self> {
        let model = house::model_path()?;
        let mut worker = Self::start();
        worker.load(&model);
        match worker.next_event() {
            Some(Event::Loaded(_)) => Some(worker),
            other => panic!("the model should have been loaded, not {other:?}"),
        }
    }

    fn load(&mut self, path: &Path) {
        self.send(&Command::Load(LoadOptions {
            path: path.to_str().unwrap().to_owned(),
            context_tokens: None,
            threads: 2,
            parallel: 2,
        }));
    }

    fn send(&mut self, command: &Command) {
        self.send_bytes(&frame::encode(command).unwrap());
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        self.process
            .stdin
            .as_mut()
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.decoder.next_message().unwrap() {
                return Some(event);
            }
            let mut buffer = [0; 4096];
            match self
                .process
                .stdout
                .as_mut()
                .unwrap()
                .read(&mut buffer)
                .unwrap()
            {
                0 => return None,
                bytes => self.decoder.push(&buffer[..bytes]),
            }
        }
    }

    /// Waits for the process to end, but not for long.
    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the worker outlived its parent");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn request(content: &str) -> Box<ChatRequest> {
    Box::new(ChatRequest {
        messages: vec![Message::new(Role::User, content)],
        ..ChatRequest::default()
    })
}

/// What the worker sees of a parent that was killed: the end of the pipe.
#[test]
fn it_ends_with_its_parent_in_the_middle_of_an_answer() {
    for _ in 0..10 {
        let Some(mut worker) = Worker::loaded() else {
            return;
        };
        worker.send(&Command::Generate {
            id: 1,
            request: request("Write a very long story about a lighthouse."),
            max_tokens: 2000,
            scope: String::new(),
        });
        while !matches!(worker.next_event(), Some(Event::Token { .. })) {}
        worker.process.stdin.take();
        let status = worker.end();
        // On its own terms: not in a crash, which would leave somebody's chat in a core file.
        #[cfg(unix)]
        assert_eq!(status.signal(), Some(9), "{status}");
    }
}

#[test]
fn it_ends_when_it_is_spoken_to_in_another_language() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[2, 0, 0, 0, b'{', b'}']] {
        let mut worker = Worker::start();
        worker.send_bytes(bytes);
        assert!(!worker.end().success());
    }
    let mut worker = Worker::start();
    worker.send(&Command::Ping);
    assert!(!worker.end().success());
}

#[test]
fn it_says_why_a_model_cannot_be_loaded() {
    for path in [env::current_exe().unwrap(), PathBuf::from("does-not-exist")] {
        let mut worker = Worker::start();
        worker.load(&path);
        match worker.next_event() {
            Some(Event::LoadFailed { error }) => assert_eq!(error.code(), "model_load_failed"),
            other => panic!("{other:?}"),
        }
        assert!(!worker.end().success());
    }
}

/// Monotonous text is the hardest for some tokenizers.
#[test]
fn strange_text_neither_stops_nor_kills_it() {
    let Some(mut worker) = Worker::loaded() else {
        return;
    };
    let pieces = [
        "a",
        "1",
        " ",
        "\n",
        "é",
        "日",
        "🦀",
        "\u{301}",
        "<|im_start|>",
        "\0",
        "a1 ",
    ];
    for (id, piece) in (1..).zip(pieces) {
        for text_bytes in [1_000, 200_000, 600_000] {
            let text = piece.repeat(text_bytes / piece.len());
            let started_at = Instant::now();
            worker.send(&Command::Prepare {
                id,
                request: request(&text),
            });
            match worker.next_event() {
                Some(Event::Prepared { .. }) => {}
                Some(Event::Failed { error, .. }) => {
                    assert_eq!(error.code(), "context_length_exceeded", "{piece:?}");
                }
                other => panic!("{piece:?} × {text_bytes}: {other:?}"),
            }
            let elapsed = started_at.elapsed();
            assert!(elapsed < Duration::from_secs(3), "{piece:?}: {elapsed:?}");
        }
    }
}

#[test]
fn the_queue_is_bounded() {
    let Some(mut worker) = Worker::loaded() else {
        return;
    };
    let (mut accepted, mut busy) = (0, 0);
    for id in 0..80 {
        worker.send(&Command::Generate {
            id,
            request: request("Write a very long story about a lighthouse."),
            max_tokens: 2000,
            scope: String::new(),
        });
    }
    while accepted + busy < 80 {
        match worker.next_event() {
            Some(Event::Accepted { .. }) => accepted += 1,
            Some(Event::Failed { error, .. }) => {
                assert_eq!(error.code(), "busy");
                busy += 1;
            }
            _ => {}
        }
    }
    assert_eq!((accepted, busy), (66, 14));
}
