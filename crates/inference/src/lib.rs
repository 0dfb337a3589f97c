//! Private local models: an engine that answers chat requests in a process of its own.
//!
//! [`Engine`] lives in the program that takes requests. It starts a worker, the same or another
//! program that calls [`worker::run`], hands it a model and speaks to it over a pipe. When the
//! worker dies the engine starts it again; when the program dies the worker ends by itself.
//!
//! ```text
//! ChatRequest ─▶ Engine ══ frames over stdin/stdout ══▶ worker: template ─▶ scheduler ─▶ llama.cpp
//!                   ◀════════ Token, Done, Failed ═════════          many requests in each batch
//! ```

pub mod engine;
mod error;
pub mod frame;
pub mod openai;
pub mod protocol;
mod scheduler;
pub mod store;
pub mod template;
mod text;
pub mod worker;

pub use engine::{Engine, EngineConfig, Generation, GenerationEvent};
pub use error::{Error, Result};
pub use protocol::{Activity, FinishReason, ModelInfo, Prepared, Summary};
