//! The decode loop: one batch after the other, with a token of everybody who is being answered.

use std::{sync::mpsc, time::Instant};

use llama_cpp_2::{
    context::LlamaContext, llama_backend::LlamaBackend, llama_batch::LlamaBatch,
    sampling::LlamaSampler, token::LlamaToken,
};

use super::{
    Output, limits,
    model::{Model, load_failed},
    sampling,
};
use crate::{
    Error, FinishReason, Prepared, Result, Summary,
    openai::ChatRequest,
    protocol::{Command, Event, LoadOptions, RequestId},
    scheduler::{Input, Job, Scheduler},
    text::TextStream,
};

pub(super) struct Session<'a> {
    model: &'a Model,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    scheduler: Scheduler<Answer>,
    output: &'a mut Output,
}

/// What a request needs while it is being answered.
struct Answer {
    sampler: LlamaSampler,
    text: TextStream,
    cached_tokens: u32,
    queued_at: Instant,
    started_at: Instant,
    first_token_at: Option<Instant>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        backend: &LlamaBackend,
        model: &'a Model,
        options: &LoadOptions,
        output: &'a mut Output,
    ) -> Result<Self> {
        let context = model
            .llama
            .new_context(backend, limits::context_params(&model.info, options))
            .map_err(|_| load_failed("there isn't enough memory for its context"))?;
        Ok(Self {
            model,
            context,
            batch: LlamaBatch::new(limits::BATCH_TOKENS, 1),
            scheduler: Scheduler::new(limits::scheduler(options)),
            output,
        })
    }

    /// Serves until the parent hangs up.
    pub(super) fn run(mut self, commands: &mpsc::Receiver<Command>) -> Result<()> {
        self.output.send(&Event::Loaded(self.model.info.clone()))?;
        loop {
            if self.scheduler.is_idle() {
                match commands.recv() {
                    Ok(command) => self.handle(command)?,
                    Err(mpsc::RecvError) => return Ok(()),
                }
            }
            while let Ok(command) = commands.try_recv() {
                self.handle(command)?;
            }
            self.admit();
            self.step()?;
        }
    }

    fn handle(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Load(_) => Err(Error::protocol("a model is loaded already")),
            Command::Ping => self.output.send(&Event::Pong(self.scheduler.activity())),
            Command::Cancel { id } => {
                self.scheduler.cancel(id);
                Ok(())
            }
            Command::Prepare { id, request } => {
                let event = match self.model.prompt(&request) {
                    Ok(prompt) => Event::Prepared {
                        id,
                        prepared: self.model.measure(&request, &prompt),
                    },
                    Err(error) => Event::Failed { id, error },
                };
                self.output.send(&event)
            }
            Command::Generate {
                id,
                request,
                max_tokens,
                scope,
            } => {
                let event = match self.submit(id, *request, max_tokens, scope) {
                    Ok(prepared) => Event::Accepted { id, prepared },
                    Err(error) => Event::Failed { id, error },
                };
                self.output.send(&event)
            }
        }
    }

    fn submit(
        &mut self,
        id: RequestId,
        request: ChatRequest,
        max_tokens: u32,
        scope: String,
    ) -> Result<Prepared> {
        let prompt = self.model.prompt(&request)?;
        let mut prepared = self.model.measure(&request, &prompt);
        prepared.max_tokens = prepared.max_tokens.min(max_tokens.max(1));
        let n_vocab = self.model.llama.n_vocab();
        let now = Instant::now();
        self.scheduler.submit(Job {
            id,
            scope,
            prompt,
            max_tokens: prepared.max_tokens,
            payload: Answer {
                sampler: sampling::sampler(&request, n_vocab, prepared.context_tokens),
                text: TextStream::new(request.stop),
                cached_tokens: 0,
                queued_at: now,
                started_at: now,
                first_token_at: None,
            },
        })?;
        Ok(prepared)
    }

    fn admit(&mut self) {
        while let Some(admission) = self.scheduler.admit() {
            let (slot, mut reused_tokens) = (admission.slot, admission.reused_tokens);
            if !self.cut_memory(slot, reused_tokens) {
                // Recurrent models can't go back to an earlier state, only to the beginning.
                self.cut_memory(slot, 0);
                self.scheduler.forget_cache(slot);
                reused_tokens = 0;
            }
            if let Some(job) = self.scheduler.job_mut(slot) {
                job.payload.cached_tokens = count(reused_tokens);
                job.payload.started_at = Instant::now();
            }
        }
    }

    fn cut_memory(&mut self, slot: usize, keep_tokens: usize) -> bool {
        let cut =
            self.context
                .clear_kv_cache_seq(Some(count(slot)), Some(count(keep_tokens)), None);
        cut.unwrap_or(false)
    }

    /// Lets the model read the next batch, and sends what comes out.
    fn step(&mut self) -> Result<()> {
        let inputs = self.scheduler.plan();
        if inputs.is_empty() {
            return Ok(());
        }
        if let Err(message) = self.decode(&inputs) {
            return self.abandon(message);
        }
        self.scheduler.decoded(&inputs);
        for (row, input) in (0..).zip(&inputs) {
            if input.wants_output {
                self.take_token(row, input.slot)?;
            }
        }
        Ok(())
    }

    fn decode(&mut self, inputs: &[Input]) -> Result<(), String> {
        self.batch.clear();
        for input in inputs {
            let token = LlamaToken(input.token);
            let (position, slot) = (signed(input.position), signed(input.slot));
            self.batch
                .add(token, position, &[slot], input.wants_output)
                .map_err(|error| error.to_string())?;
        }
        self.context
            .decode(&mut self.batch)
            .map_err(|error| error.to_string())
    }

    /// Chooses the token that comes after a row of the batch, and sends its text.
    fn take_token(&mut self, row: i32, slot: usize) -> Result<()> {
        let Some(job) = self.scheduler.job_mut(slot) else {
            return Ok(());
        };
        let token = job.payload.sampler.sample(&self.context, row);
        job.payload.first_token_at.get_or_insert_with(Instant::now);
        let Some(bytes) = self.model.piece(token) else {
            return self.finish(slot, FinishReason::Stop);
        };
        let id = job.id;
        let text = job.payload.text.push(&bytes);
        let is_stopped = job.payload.text.is_stopped();
        if !text.is_empty() {
            self.output.send(&Event::Token { id, text })?;
        }
        let may_go_on = self.scheduler.produced(slot, token.0);
        if is_stopped {
            self.finish(slot, FinishReason::Stop)
        } else if !may_go_on {
            self.finish(slot, FinishReason::Length)
        } else {
            Ok(())
        }
    }

    fn finish(&mut self, slot: usize, finish_reason: FinishReason) -> Result<()> {
        let Some((mut job, completion_tokens)) = self.scheduler.release(slot) else {
            return Ok(());
        };
        let (id, text) = (job.id, job.payload.text.finish());
        if !text.is_empty() {
            self.output.send(&Event::Token { id, text })?;
        }
        let answer = job.payload;
        let now = Instant::now();
        let first_token_at = answer.first_token_at.unwrap_or(now);
        let summary = Summary {
            finish_reason,
            prompt_tokens: count(job.prompt.len()),
            cached_tokens: answer.cached_tokens,
            completion_tokens,
            queue_ms: milliseconds(answer.queued_at, answer.started_at),
            prompt_ms: milliseconds(answer.started_at, first_token_at),
            generation_ms: milliseconds(first_token_at, now),
        };
        self.output.send(&Event::Done { id, summary })
    }

    /// After a failure the model's memory is in an unknown state: everybody starts over.
    fn abandon(&mut self, message: String) -> Result<()> {
        self.context.clear_kv_cache();
        let error = Error::DecodeFailed { message };
        for id in self.scheduler.abandon_running() {
            let error = error.clone();
            self.output.send(&Event::Failed { id, error })?;
        }
        Ok(())
    }
}

/// Counts here are bounded by the context, far below the limits of these types.
fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn signed(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn milliseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX)
}
