//! Tasks of a world: one runs at a time, in an order that follows from the seed; time passes when no task can go on.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::{Either, LocalBoxFuture, select};

use super::world::{Machine, W, World};

thread_local! {
    static CLOCK_MS: Cell<Option<i64>> = const { Cell::new(None) };
}

/// What the clock says of the computer whose task runs, Unix milliseconds; none outside of worlds.
pub(crate) fn now_ms() -> Option<i64> {
    CLOCK_MS.get()
}

pub(super) struct Task {
    pub machine: Machine,
    work: LocalBoxFuture<'static, ()>,
}

pub(super) type Ready = Arc<Mutex<VecDeque<u64>>>;

struct Alarm {
    task: u64,
    ready: Ready,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.task) {
            ready.push_back(self.task);
        }
    }
}

impl World {
    pub fn spawn(&self, machine: Machine, work: impl Future<Output = ()> + 'static) {
        let id = self.next.replace(self.next.get() + 1);
        let work: LocalBoxFuture<'static, ()> = Box::pin(work);
        self.tasks.borrow_mut().insert(id, Task { machine, work });
        self.ready().push_back(id);
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sleep(self: &Rc<Self>, ms: i64) -> Sleep {
        Sleep {
            world: Rc::clone(self),
            until_ms: self.now_ms() + ms.max(0),
            timer: None,
        }
    }

    /// What comes in time.
    pub async fn timeout<T>(self: &Rc<Self>, ms: i64, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), pin!(self.sleep(ms))).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    }

    /// Runs tasks until a time, or until something is wrong.
    pub fn run_until(self: &Rc<Self>, end_ms: i64) {
        loop {
            loop {
                let Some(task) = self.ready().pop_front() else {
                    break;
                };
                self.poll(task);
                if self.is_violated() {
                    return;
                }
            }
            let next = self
                .timers
                .borrow()
                .peek()
                .map(|Reverse((at_ms, _))| *at_ms);
            if next.is_none_or(|at_ms| at_ms > end_ms) {
                break;
            }
            let Some(Reverse((at_ms, timer))) = self.timers.borrow_mut().pop() else {
                break;
            };
            self.now_ms.set(at_ms.max(self.now_ms()));
            let sleeper = self.sleepers.borrow_mut().remove(&timer);
            if let Some(waker) = sleeper {
                waker.wake();
            }
        }
        self.now_ms.set(end_ms);
    }

    fn poll(self: &Rc<Self>, id: u64) {
        let Some(mut task) = self.tasks.borrow_mut().remove(&id) else {
            return;
        };
        let machine = task.machine;
        let ready = Arc::clone(&self.ready);
        let waker = Waker::from(Arc::new(Alarm { task: id, ready }));
        CLOCK_MS.set(Some(self.clock_ms(machine)));
        let polled = Pin::new(&mut task.work).poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            self.tasks.borrow_mut().insert(id, task);
        } else {
            drop(task);
        }
        self.bury();
        self.check_touched();
        CLOCK_MS.set(None);
    }
}

/// See [`World::sleep`].
pub(crate) struct Sleep {
    world: W,
    until_ms: i64,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let world = Rc::clone(&self.world);
        if world.now_ms() >= self.until_ms {
            return Poll::Ready(());
        }
        let timer = match self.timer {
            Some(timer) => timer,
            None => {
                let timer = world.next.replace(world.next.get() + 1);
                world
                    .timers
                    .borrow_mut()
                    .push(Reverse((self.until_ms, timer)));
                timer
            }
        };
        self.timer = Some(timer);
        world
            .sleepers
            .borrow_mut()
            .insert(timer, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.world.sleepers.borrow_mut().remove(&timer);
        }
    }
}
