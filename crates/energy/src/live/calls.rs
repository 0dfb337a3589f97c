//! The grid's calls: which one begins now, which is under way, which is over.

use jiff::Timestamp;

use crate::controller::Call;
use crate::drivers::{GridEvent, Signal};

/// What the grid asks for, as far as it was heard.
#[derive(Debug, Default)]
pub struct Calls {
    heard: Vec<GridEvent>,
    under_way: Option<GridEvent>,
}

impl Calls {
    /// Takes what a VTN says now in place of what it said before. When it can't be asked, what it said before holds.
    pub fn hear(&mut self, events: Vec<GridEvent>) {
        self.heard = events;
    }

    /// The call that is being met.
    pub const fn under_way(&self) -> Option<&GridEvent> {
        self.under_way.as_ref()
    }

    /// The call that begins now, if none is under way: what to shed of what is imported. Limits only: what else a grid may
    /// say is left to people.
    pub fn begin(&mut self, now: Timestamp, import_kw: f64, within_seconds: f64) -> Option<Call> {
        if self.under_way.is_some() {
            return None;
        }
        let is_now =
            |event: &&GridEvent| event.start <= now && event.end.is_some_and(|end| now < end);
        let most_urgent = |event: &&GridEvent| event.priority.unwrap_or(u32::MAX);
        let due = self
            .heard
            .iter()
            .filter(is_now)
            .filter(|event| limit_kw(event).is_some());
        let event = due.min_by_key(most_urgent)?.clone();
        let (limit_kw, until) = (limit_kw(&event)?, event.end?);
        self.under_way = Some(event);
        Some(Call {
            power_kw: import_kw - limit_kw,
            within_seconds,
            until,
        })
    }

    /// The call that is over, because its time has passed or the grid has taken it back.
    pub fn end(&mut self, now: Timestamp) -> Option<GridEvent> {
        let is_over = |event: &mut GridEvent| {
            let is_wanted = self.heard.iter().any(|heard| heard.id == event.id);
            !is_wanted || event.end.is_some_and(|end| now >= end)
        };
        self.under_way.take_if(is_over)
    }
}

/// The most that may be imported, in kW.
const fn limit_kw(event: &GridEvent) -> Option<f64> {
    match event.signal {
        Signal::ImportLimit { power_kw } | Signal::Setpoint { power_kw } => Some(power_kw),
        Signal::Simple { .. } | Signal::Price { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn event(id: &str, signal: Signal, priority: Option<u32>) -> GridEvent {
        GridEvent {
            id: id.into(),
            program_id: "p".into(),
            start: at(100),
            end: Some(at(200)),
            signal,
            priority,
        }
    }

    #[test]
    fn the_most_urgent_limit_is_met_once_until_it_ends() {
        let mut calls = Calls::default();
        let limit = |power_kw| Signal::ImportLimit { power_kw };
        calls.hear(vec![
            event("price", Signal::Price { per_kwh: 9.0 }, Some(0)),
            event("later", limit(50.0), None),
            event("urgent", limit(30.0), Some(1)),
        ]);
        assert_eq!(calls.begin(at(99), 80.0, 15.0), None);
        let call = calls.begin(at(100), 80.0, 15.0).unwrap();
        assert_eq!((call.power_kw, call.until), (50.0, at(200)));
        assert_eq!(calls.begin(at(101), 80.0, 15.0), None, "it is under way");
        assert_eq!(calls.end(at(199)), None);
        assert_eq!(calls.end(at(200)).unwrap().id, "urgent");
        assert_eq!(calls.begin(at(200), 80.0, 15.0), None);
    }

    #[test]
    fn a_call_that_is_taken_back_is_over() {
        let mut calls = Calls::default();
        calls.hear(vec![event(
            "one",
            Signal::Setpoint { power_kw: 10.0 },
            None,
        )]);
        assert!(
            calls.begin(at(150), 5.0, 15.0).is_some(),
            "a limit above what is drawn is kept too"
        );
        calls.hear(Vec::new());
        assert_eq!(calls.end(at(151)).unwrap().id, "one");
    }
}
