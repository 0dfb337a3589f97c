use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    parallel: 2,
    waiting: 2,
    prompt_batch_tokens: 8,
    shared_batch_tokens: 4,
};

fn scheduler() -> Scheduler<()> {
    Scheduler::new(LIMITS)
}

fn job(id: RequestId, prompt: impl IntoIterator<Item = Token>) -> Job<()> {
    Job {
        id,
        scope: String::new(),
        prompt: prompt.into_iter().collect(),
        max_tokens: 3,
        payload: (),
    }
}

/// Runs a step with a model that always answers the same token, and returns the batch.
fn step(scheduler: &mut Scheduler<()>, answer: Token) -> Vec<Input> {
    while scheduler.admit().is_some() {}
    let batch = scheduler.plan();
    scheduler.decoded(&batch);
    for input in batch.iter().filter(|input| input.wants_output) {
        if !scheduler.produced(input.slot, answer) {
            scheduler.release(input.slot);
        }
    }
    batch
}

/// How many tokens of each slot are in a batch.
fn per_slot(batch: &[Input]) -> [usize; 2] {
    [0, 1].map(|slot| batch.iter().filter(|input| input.slot == slot).count())
}

#[test]
fn a_prompt_is_read_in_chunks_and_then_answered() {
    let mut scheduler = scheduler();
    scheduler.submit(job(1, 0..10)).unwrap();
    let batch = step(&mut scheduler, 77);
    assert_eq!(batch.len(), 8);
    assert!(batch.iter().all(|input| !input.wants_output));
    let batch = step(&mut scheduler, 77);
    let outputs: Vec<bool> = batch.iter().map(|input| input.wants_output).collect();
    assert_eq!(outputs, [false, true]);
    for position in [10, 11] {
        let expected = Input {
            slot: 0,
            token: 77,
            position,
            wants_output: true,
        };
        assert_eq!(step(&mut scheduler, 77), [expected]);
    }
    assert!(scheduler.is_idle());
    assert_eq!(step(&mut scheduler, 77), []);
}

#[test]
fn nobody_stalls_while_a_long_prompt_is_read() {
    let mut scheduler = scheduler();
    scheduler.submit(job(1, 0..2)).unwrap();
    step(&mut scheduler, 9);
    scheduler.submit(job(2, 0..100)).unwrap();
    let batch = step(&mut scheduler, 9);
    assert_eq!(per_slot(&batch), [1, LIMITS.shared_batch_tokens]);
}

#[test]
fn two_prompts_share_a_batch_and_leave_nothing_unused() {
    let mut scheduler = scheduler();
    scheduler.submit(job(1, 0..100)).unwrap();
    scheduler.submit(job(2, 0..3)).unwrap();
    assert_eq!(per_slot(&step(&mut scheduler, 9)), [5, 3]);
}

#[test]
fn a_conversation_goes_on_in_its_slot() {
    let mut scheduler = scheduler();
    scheduler.submit(job(1, 0..6)).unwrap();
    while !scheduler.is_idle() {
        step(&mut scheduler, 50);
    }
    // The last token of the answer was sent, but the model hasn't read it.
    let follow_up = (0..6).chain([50, 50, 50, 7, 8]);
    scheduler.submit(job(2, follow_up)).unwrap();
    let expected = Admission {
        slot: 0,
        reused_tokens: 8,
    };
    assert_eq!(scheduler.admit(), Some(expected));
    let batch = scheduler.plan();
    assert_eq!(
        batch.iter().map(|i| i.position).collect::<Vec<_>>(),
        [8, 9, 10]
    );
}

#[test]
fn the_same_prompt_again_reads_its_last_token() {
    let mut scheduler = scheduler();
    for id in [1, 2] {
        scheduler.submit(job(id, 0..5)).unwrap();
        let admission = scheduler.admit().unwrap();
        assert_eq!(admission.reused_tokens, if id == 1 { 0 } else { 4 });
        while !scheduler.is_idle() {
            step(&mut scheduler, 50);
        }
    }
}

#[test]
fn a_short_common_beginning_does_not_cost_a_conversation() {
    let mut scheduler = scheduler();
    scheduler.submit(job(1, 0..40)).unwrap();
    while !scheduler.is_idle() {
        step(&mut scheduler, 50);
    }
    scheduler.submit(job(2, (0..4).chain([99, 98]))).unwrap();
    assert_eq!(scheduler.admit().unwrap().slot, 1);
}

#[test]
fn scopes_share_nothing() {
    let mut scheduler = scheduler();
    for (id, scope) in [(1, "owner"), (2, "guest"), (3, "owner")] {
        let scope = scope.to_owned();
        scheduler
            .submit(Job {
                scope,
                ..job(id, 0..5)
            })
            .unwrap();
        let reused_tokens = scheduler.admit().unwrap().reused_tokens;
        assert_eq!(reused_tokens, if id == 3 { 4 } else { 0 });
        while !scheduler.is_idle() {
            step(&mut scheduler, 50);
        }
    }
}

#[test]
fn the_queue_is_bounded_and_served_in_order() {
    let mut scheduler = scheduler();
    for id in 1..=4 {
        scheduler.submit(job(id, 0..3)).unwrap();
    }
    let error = scheduler.submit(job(5, 0..3)).unwrap_err();
    assert_eq!(error.code(), "busy");
    step(&mut scheduler, 9);
    let activity = Activity {
        active: 2,
        waiting: 2,
    };
    assert_eq!(scheduler.activity(), activity);
    assert!(scheduler.submit(job(6, 0..3)).is_err());
    scheduler.cancel(3);
    scheduler.cancel(1);
    let slot = scheduler.admit().unwrap().slot;
    assert_eq!(scheduler.job_mut(slot).unwrap().id, 4);
}

#[test]
fn after_a_failure_nothing_is_cached() {
    let mut scheduler = scheduler();
    scheduler.submit(job(1, 0..6)).unwrap();
    step(&mut scheduler, 9);
    assert_eq!(scheduler.abandon_running(), [1]);
    scheduler.submit(job(2, 0..6)).unwrap();
    assert_eq!(scheduler.admit().unwrap().reused_tokens, 0);
}

proptest! {
    /// Whatever comes, every batch is within its bounds, extends each sequence without a gap, and
    /// everything that isn't cancelled is answered in the end.
    #[test]
    fn every_request_is_answered(
        arrivals in prop::collection::vec((0usize..6, 1usize..30, any::<bool>()), 1..20),
    ) {
        let mut scheduler = scheduler();
        let mut memory: [Vec<Token>; 2] = Default::default();
        let mut arrivals = arrivals.into_iter().enumerate();
        let mut steps = 0;
        loop {
            steps += 1;
            prop_assert!(steps < 2_000, "starved");
            if steps % 2 == 0 && let Some((id, (start, tokens, cancel))) = arrivals.next() {
                let id = id as u64;
                let start = start as Token;
                let _ = scheduler.submit(job(id, start..start + tokens as Token));
                if cancel {
                    scheduler.cancel(id.saturating_sub(2));
                }
            }
            while let Some(admission) = scheduler.admit() {
                memory[admission.slot].truncate(admission.reused_tokens);
            }
            let batch = scheduler.plan();
            prop_assert!(batch.len() <= LIMITS.prompt_batch_tokens.max(LIMITS.shared_batch_tokens + 2));
            prop_assert_eq!(batch.is_empty(), scheduler.is_idle());
            for input in &batch {
                prop_assert_eq!(input.position, memory[input.slot].len());
                memory[input.slot].push(input.token);
            }
            scheduler.decoded(&batch);
            for input in batch.iter().filter(|input| input.wants_output) {
                if !scheduler.produced(input.slot, steps as Token % 5) {
                    scheduler.release(input.slot);
                }
            }
            if scheduler.is_idle() && arrivals.len() == 0 {
                break;
            }
        }
    }
}
