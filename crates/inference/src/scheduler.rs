//! Which request runs in which slot, and what goes into the next batch.
//!
//! Pure decisions: this module knows token numbers and positions, and nothing of llama.cpp. The
//! worker does what it says and tells it what came out.
//!
//! **Invariant:** a slot's `cached` tokens are exactly what the model's memory holds for the slot's
//! sequence, the token at index *i* at position *i*.

use std::collections::VecDeque;

use crate::{Activity, Error, Result, protocol::RequestId};

/// A token's number in the model's vocabulary.
pub(crate) type Token = i32;

/// Bounds of the scheduler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests that run at the same time.
    pub(crate) parallel: usize,
    /// Requests that may wait.
    pub(crate) waiting: usize,
    /// Prompt tokens in a batch while nobody is being answered.
    pub(crate) prompt_batch_tokens: usize,
    /// Prompt tokens in a batch while somebody is: small, so that no answer stalls.
    pub(crate) shared_batch_tokens: usize,
}

/// A request, as far as scheduling it goes. The payload is the worker's own.
#[derive(Debug)]
pub(crate) struct Job<P> {
    pub(crate) id: RequestId,
    pub(crate) scope: String,
    pub(crate) prompt: Vec<Token>,
    pub(crate) max_tokens: u32,
    pub(crate) payload: P,
}

/// A waiting request got a slot. The sequence's memory must be cut to the reused tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) slot: usize,
    pub(crate) reused_tokens: usize,
}

/// One token of the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) slot: usize,
    pub(crate) token: Token,
    pub(crate) position: usize,
    /// Whether the model should say what comes after it.
    pub(crate) wants_output: bool,
}

#[derive(Debug)]
struct Slot<P> {
    cached: Vec<Token>,
    scope: String,
    last_used: u64,
    work: Option<Work<P>>,
}

#[derive(Debug)]
struct Work<P> {
    job: Job<P>,
    produced_tokens: u32,
    /// The answer's latest token, which the model hasn't read yet.
    next: Option<Token>,
}

/// The requests that wait and run.
#[derive(Debug)]
pub(crate) struct Scheduler<P> {
    limits: Limits,
    slots: Vec<Slot<P>>,
    queue: VecDeque<Job<P>>,
    admissions: u64,
}

impl<P> Scheduler<P> {
    pub(crate) fn new(limits: Limits) -> Self {
        let empty = || Slot {
            cached: Vec::new(),
            scope: String::new(),
            last_used: 0,
            work: None,
        };
        Self {
            limits,
            slots: std::iter::repeat_with(empty)
                .take(limits.parallel)
                .collect(),
            queue: VecDeque::new(),
            admissions: 0,
        }
    }

    pub(crate) fn activity(&self) -> Activity {
        Activity {
            active: self.slots.iter().filter(|slot| slot.work.is_some()).count(),
            waiting: self.queue.len(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.activity() == Activity::default()
    }

    /// Queues a request. Its prompt must not be empty.
    pub(crate) fn submit(&mut self, job: Job<P>) -> Result<()> {
        let free = self.limits.parallel - self.activity().active;
        if self.queue.len() >= self.limits.waiting + free {
            return Err(Error::Busy {
                waiting: self.queue.len(),
            });
        }
        self.queue.push_back(job);
        Ok(())
    }

    /// Forgets a request, wherever it is. What it has read stays cached.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        self.queue.retain(|job| job.id != id);
        for slot in &mut self.slots {
            slot.work.take_if(|work| work.job.id == id);
        }
    }

    /// Gives the next waiting request a free slot.
    pub(crate) fn admit(&mut self) -> Option<Admission> {
        let job = self.queue.front()?;
        let slot = self.best_slot(job)?;
        let reused_tokens = self.slots[slot].reusable_tokens(job);
        let job = self.queue.pop_front()?;
        self.admissions += 1;
        let chosen = &mut self.slots[slot];
        chosen.cached.truncate(reused_tokens);
        chosen.scope.clone_from(&job.scope);
        chosen.last_used = self.admissions;
        chosen.work = Some(Work {
            job,
            produced_tokens: 0,
            next: None,
        });
        Some(Admission {
            slot,
            reused_tokens,
        })
    }

    /// The free slot to use: one that goes on with what it has, or else the least recently used.
    ///
    /// A slot of which the new prompt shares only the beginning, such as a common system message,
    /// isn't worth losing the conversation that is in it.
    fn best_slot(&self, job: &Job<P>) -> Option<usize> {
        let free = || (0..self.slots.len()).filter(|&index| self.slots[index].work.is_none());
        let reusable = |index: usize| self.slots[index].reusable_tokens(job);
        let continues = free()
            .filter(|&index| reusable(index) * 2 > self.slots[index].cached.len())
            .max_by_key(|&index| reusable(index));
        continues.or_else(|| free().min_by_key(|&index| self.slots[index].last_used))
    }

    /// The model's memory of this slot had to be emptied: its prompt is read from the start.
    pub(crate) fn forget_cache(&mut self, slot: usize) {
        self.slots[slot].cached.clear();
    }

    /// The next batch: a token of every answer, and a share of the prompts that are being read.
    pub(crate) fn plan(&self) -> Vec<Input> {
        let mut batch = Vec::new();
        for (slot, work, cached) in self.running() {
            batch.extend(work.next.map(|token| Input {
                slot,
                token,
                position: cached.len(),
                wants_output: true,
            }));
        }
        let mut budget = match batch.len() {
            0 => self.limits.prompt_batch_tokens,
            _ => self.limits.shared_batch_tokens,
        };
        for (slot, share) in self.prompt_shares(&mut budget) {
            let (Some(work), start) = (&self.slots[slot].work, self.slots[slot].cached.len())
            else {
                continue;
            };
            let prompt = &work.job.prompt;
            batch.extend((start..start + share).map(|position| Input {
                slot,
                token: prompt[position],
                position,
                wants_output: position + 1 == prompt.len(),
            }));
        }
        batch
    }

    /// Who reads how much of its prompt in the next batch. Nobody gets more than an equal share
    /// while another could use it.
    fn prompt_shares(&self, budget: &mut usize) -> Vec<(usize, usize)> {
        let mut unread: Vec<(usize, usize)> = self
            .running()
            .filter(|(_, work, _)| work.next.is_none())
            .map(|(slot, work, cached)| (slot, work.job.prompt.len() - cached.len()))
            .collect();
        unread.sort_by_key(|&(_, tokens)| tokens);
        let mut readers = unread.len();
        for (_, tokens) in &mut unread {
            *tokens = (*tokens).min(budget.div_ceil(readers));
            *budget -= *tokens;
            readers -= 1;
        }
        unread
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Work<P>, &[Token])> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| Some((index, slot.work.as_ref()?, &slot.cached[..])))
    }

    /// The model has read this batch.
    pub(crate) fn decoded(&mut self, batch: &[Input]) {
        for input in batch {
            let slot = &mut self.slots[input.slot];
            slot.cached.push(input.token);
            if let Some(work) = &mut slot.work {
                work.next = None;
            }
        }
    }

    /// A slot's answer got a token. Returns whether it may have another.
    pub(crate) fn produced(&mut self, slot: usize, token: Token) -> bool {
        let Some(work) = &mut self.slots[slot].work else {
            return false;
        };
        work.next = Some(token);
        work.produced_tokens += 1;
        work.produced_tokens < work.job.max_tokens
    }

    /// The request that runs in a slot.
    pub(crate) fn job_mut(&mut self, slot: usize) -> Option<&mut Job<P>> {
        Some(&mut self.slots[slot].work.as_mut()?.job)
    }

    /// Ends a slot's request. What it has read stays cached.
    pub(crate) fn release(&mut self, slot: usize) -> Option<(Job<P>, u32)> {
        let work = self.slots[slot].work.take()?;
        Some((work.job, work.produced_tokens))
    }

    /// Ends all running requests and forgets all caches, after the model failed.
    pub(crate) fn abandon_running(&mut self) -> Vec<RequestId> {
        let abandon = |slot: &mut Slot<P>| {
            slot.cached.clear();
            slot.work.take().map(|work| work.job.id)
        };
        self.slots.iter_mut().filter_map(abandon).collect()
    }
}

impl<P> Slot<P> {
    /// How many of the cached tokens begin this prompt. The prompt's last token never counts: the
    /// model must read it again to say what comes next.
    fn reusable_tokens(&self, job: &Job<P>) -> usize {
        if self.scope != job.scope {
            return 0;
        }
        let readable = &job.prompt[..job.prompt.len().saturating_sub(1)];
        let pairs = self.cached.iter().zip(readable);
        pairs
            .take_while(|(cached, wanted)| cached == wanted)
            .count()
    }
}

#[cfg(test)]
mod tests;
