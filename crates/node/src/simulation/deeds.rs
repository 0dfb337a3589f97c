//! What each payment bought, and what was served for it: kept beside the programs, which know nothing of it.

use std::collections::BTreeMap;

#[derive(Default)]
struct Deed {
    /// Calls that it pays for.
    bought: u32,
    served: u32,
    /// The requests that paid with it, by their ids.
    ids: Vec<String>,
}

/// By payment hash, or by the token's id.
#[derive(Default)]
pub(crate) struct Deeds {
    all: BTreeMap<String, Deed>,
    sessions: BTreeMap<String, u64>,
    rests: Vec<Rest>,
}

/// What an invoice should bring back of a session.
pub(crate) struct Rest {
    pub session: String,
    pub payment_hash: String,
    paid_sat: u64,
    unit_sat: u64,
}

impl Rest {
    /// What must have come back at least, after so many calls: the way there costs a hundredth, or two sat.
    pub fn least_msat(&self, served: u64) -> u64 {
        let rest_msat = (self.paid_sat.saturating_sub(served * self.unit_sat)) * 1_000;
        rest_msat.saturating_sub((rest_msat / 100).max(2_000) + 1_000)
    }
}

impl Deeds {
    /// Somebody may pay so, for so many calls.
    pub fn offer(&mut self, payment: &str, calls: u32) {
        self.all.entry(payment.to_owned()).or_default().bought = calls;
    }

    /// An answer leaves for whoever paid.
    pub fn serve(&mut self, payment: &str) -> Result<(), String> {
        let deed = self.all.entry(payment.to_owned()).or_default();
        deed.served += 1;
        match deed.served <= deed.bought {
            true => Ok(()),
            false => Err(format!(
                "payment {payment} bought {} calls, and {} were served",
                deed.bought, deed.served
            )),
        }
    }

    pub fn served(&self, payment: &str) -> u32 {
        self.all.get(payment).map_or(0, |deed| deed.served)
    }

    /// An answer leaves that a session pays for: how many those are, the session's seller must not exceed.
    pub fn serve_session(&mut self, id: &str) {
        *self.sessions.entry(id.to_owned()).or_default() += 1;
    }

    pub fn served_by_session(&self, id: &str) -> u64 {
        self.sessions.get(id).copied().unwrap_or_default()
    }

    /// A session is over for its buyer, who waits for the rest.
    pub fn rest_is_due(
        &mut self,
        session: String,
        payment_hash: String,
        paid_sat: u64,
        unit_sat: u64,
    ) {
        self.rests.push(Rest {
            session,
            payment_hash,
            paid_sat,
            unit_sat,
        });
    }

    pub fn rests(&self) -> &[Rest] {
        &self.rests
    }

    /// A request of a buyer is to be paid so.
    pub fn pays_for(&mut self, payment: &str, id: &str) {
        let ids = &mut self.all.entry(payment.to_owned()).or_default().ids;
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }

    /// Each request, and what may have paid for it.
    pub fn by_request(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut by_request: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (payment, deed) in &self.all {
            for id in &deed.ids {
                by_request.entry(id).or_default().push(payment);
            }
        }
        by_request
    }
}
