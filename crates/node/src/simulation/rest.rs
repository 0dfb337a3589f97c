//! The end of a world: nothing goes wrong any more, and what was paid for must be answered, or back.

use super::buyer::End;
use super::town::{HOSTILE, Town};
use super::world::{DAY_MS, Machine};

/// After the last fault: clocks that were days ahead have dated something in the future.
const REST_MS: i64 = 8 * DAY_MS;

impl Town {
    /// Nothing goes wrong any more, and nobody wants anything new.
    pub(super) fn come_to_rest(&self) {
        self.world.faults.is_on.set(false);
        for machine in 1..=self.sellers.len() + 1 {
            self.world.set_clock(Machine(machine), 0);
        }
        self.world.run_until(self.world.now_ms() + REST_MS);
        self.check_world();
        for program in self.world.programs() {
            if let Err(what) = program.check_at_rest() {
                self.world.violation(format!("at rest: {what}"));
            }
        }
        let ends = self.buyer.ends();
        for end in &ends {
            // A hostile seller shows one invoice to many: what one of them paid is no other's.
            let is_others = |other: &&End| !other.is_voided && other.payment == end.payment;
            if !(end.is_voided && ends.iter().any(|other| is_others(&other))) {
                self.check_end(end);
            }
        }
        self.check_requests();
        self.check_rests();
    }

    /// What sessions owe their buyers has been sent.
    fn check_rests(&self) {
        let (rail, deeds) = (self.world.rail.borrow(), self.world.deeds.borrow());
        for rest in deeds.rests() {
            let (least_msat, sent_msat) = (
                rest.least_msat(deeds.served_by_session(&rest.session)),
                rail.received_msat(&rest.payment_hash),
            );
            if sent_msat < least_msat {
                let session = &rest.session;
                self.world.violation(format!(
                    "session {session} owes {least_msat} msat and sent {sent_msat}"
                ));
            }
        }
    }

    /// What was paid for is answered or came back; or, if the seller is hostile, is known to be lost.
    fn check_end(&self, end: &End) {
        let world = &self.world;
        let payment = end.payment.as_deref().unwrap_or_default();
        let is_taken = match end.protocol {
            "x-cashu" => {
                let mint = world.mint.borrow();
                mint.spent_by(payment)
                    .is_some_and(|by| by != self.buyer.ground.name)
            }
            _ => world.rail.borrow().is_paid(payment),
        };
        let wrong = match () {
            () if !end.is_over => Some("it never ends"),
            () if end.is_voided && is_taken => Some("it is voided, and was paid"),
            () if !end.is_voided && !is_taken => Some("it is settled, and wasn't paid"),
            () => None,
        };
        if let Some(what) = wrong {
            world.violation(format!("at rest: {} {what}: {end:?}", end.id));
        }
        let is_served = world.deeds.borrow().served(payment) > 0;
        let how = match end.status {
            _ if end.is_voided => "nothing paid, or taken back",
            Some(200..=399) => "answered",
            _ if end.spent_sat < end.amount_sat => "refunded",
            _ if end.host == HOSTILE => "lost to a hostile seller, and said so",
            _ if is_served || self.has_served(payment) => {
                "served, and never answered by an honest seller"
            }
            _ => "lost to an honest seller",
        };
        world.count(&format!("end: {}: {how}", end.protocol));
        if how.ends_with("an honest seller") {
            world.violation(format!("at rest: {} is lost, {}: {end:?}", end.id, end.why));
        }
    }

    /// Whether a seller has it on its disk that it did the work: then it may have died before the answer left.
    fn has_served(&self, payment: &str) -> bool {
        self.sellers.iter().any(|seller| seller.has_served(payment))
    }

    /// A request is paid for once.
    fn check_requests(&self) {
        let (mint, rail, deeds) = (
            self.world.mint.borrow(),
            self.world.rail.borrow(),
            self.world.deeds.borrow(),
        );
        for (id, payments) in deeds.by_request() {
            let is_gone = |payment: &&&str| {
                let by = mint.spent_by(payment);
                rail.is_paid(payment) || by.is_some_and(|by| by != self.buyer.ground.name)
            };
            let paid = payments.iter().filter(is_gone).count();
            if paid > 1 {
                self.world.violation(format!("{id} is paid {paid} times"));
            }
        }
    }
}
