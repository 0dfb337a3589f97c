//! What a miner really does, behind whatever protocol it speaks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SimulatedClock;
use crate::site::Curve;

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It takes connections and never answers, and goes on as it was.
    Dead,
    /// It refuses every command.
    Refuses,
    /// It accepts commands and ignores them.
    Deaf,
    /// It ignores commands too, and claims to draw what it was told.
    Lies,
    /// It takes ten times as long for everything.
    Slow,
}

/// A simulated miner.
pub struct Machine {
    clock: Arc<SimulatedClock>,
    curve: Curve,
    /// What a paused machine still draws, in W.
    standby_w: f64,
    down_seconds: f64,
    up_seconds: f64,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// What it drew when it was told something last, and when that was.
    from_w: f64,
    since_ms: i64,
    limit_w: f64,
    is_paused: bool,
    fault: Fault,
}

impl Machine {
    /// A machine that is paused. It takes `down_seconds` from its most to nothing, and `up_seconds` back.
    pub fn new(
        clock: Arc<SimulatedClock>,
        curve: Curve,
        down_seconds: f64,
        up_seconds: f64,
    ) -> Arc<Self> {
        let standby_w = 0.01 * curve.power_w_max();
        let state = State {
            from_w: standby_w,
            since_ms: clock.now_ms(),
            limit_w: curve.power_w_max(),
            is_paused: true,
            fault: Fault::None,
        };
        Arc::new(Self {
            clock,
            curve,
            standby_w,
            down_seconds,
            up_seconds,
            state: Mutex::new(state),
        })
    }

    /// What it really draws, in W.
    pub fn power_w(&self) -> f64 {
        self.power_of(&self.lock())
    }

    /// What it says that it draws, in W.
    pub fn shown_w(&self) -> f64 {
        let state = self.lock();
        if state.fault == Fault::Lies {
            self.target_w(&state)
        } else {
            self.power_of(&state)
        }
    }

    /// What it hashes, in TH/s.
    pub fn hashrate_ths(&self) -> f64 {
        self.curve.hashrate_ths(self.power_w())
    }

    /// Whether it says that it is paused.
    pub fn is_paused(&self) -> bool {
        self.lock().is_paused
    }

    /// Its power limit, in W.
    pub fn limit_w(&self) -> f64 {
        self.lock().limit_w
    }

    /// What is wrong with it.
    pub fn fault(&self) -> Fault {
        self.lock().fault
    }

    /// Breaks or mends it. A mended machine begins to do what it was told last.
    pub fn set_fault(&self, fault: Fault) {
        self.change(|state| state.fault = fault);
    }

    /// Stops hashing. Gives whether it accepts that.
    pub fn pause(&self) -> bool {
        self.order(|state| state.is_paused = true)
    }

    /// Hashes again. Gives whether it accepts that.
    pub fn resume(&self) -> bool {
        self.order(|state| state.is_paused = false)
    }

    /// Sets the power limit, in W. Gives whether it accepts that: not beyond what it can do.
    pub fn set_limit(&self, power_w: f64) -> bool {
        let range = 0.99 * self.curve.power_w_min()..=1.01 * self.curve.power_w_max();
        range.contains(&power_w) && self.order(|state| state.limit_w = power_w)
    }

    fn order(&self, change: impl FnOnce(&mut State)) -> bool {
        if self.fault() == Fault::Refuses {
            return false;
        }
        self.change(change);
        true
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        state.from_w = self.power_of(&state);
        state.since_ms = self.clock.now_ms();
        change(&mut state);
    }

    fn target_w(&self, state: &State) -> f64 {
        if state.is_paused {
            self.standby_w
        } else {
            state.limit_w.min(self.curve.power_w_max())
        }
    }

    fn power_of(&self, state: &State) -> f64 {
        if matches!(state.fault, Fault::Dead | Fault::Deaf | Fault::Lies) {
            return state.from_w;
        }
        let slower = if state.fault == Fault::Slow {
            10.0
        } else {
            1.0
        };
        let elapsed_s = (self.clock.now_ms() - state.since_ms).max(0) as f64 / 1000.0;
        let moved_w = self.curve.power_w_max() * elapsed_s / slower;
        let (down_w, up_w) = (moved_w / self.down_seconds, moved_w / self.up_seconds);
        let differs_w = self.target_w(state) - state.from_w;
        state.from_w + differs_w.clamp(-down_w, up_w)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
