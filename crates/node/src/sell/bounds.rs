//! What strangers get for nothing, within bounds: invoices, and calls of the free tier.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use wallet::purse::DAY_MS;

/// Invoices that one address may ask for at once, and then every second.
const ADDRESS_BURST: f64 = 30.0;
const ADDRESS_PER_S: f64 = 2.0;
/// The same for all together: each is written to the disk.
const ALL_BURST: f64 = 300.0;
const ALL_PER_S: f64 = 30.0;
/// How many addresses are remembered.
const REMEMBERED_MAX: usize = 100_000;

/// Who gets an invoice, and who has free calls left. In memory: a restart forgives.
#[derive(Debug, Default)]
pub(crate) struct Bounds(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    all: Bucket,
    addresses: HashMap<Network, Bucket>,
    free: HashMap<(String, Network), Free>,
}

/// An IPv4 address, or the IPv6 network of a subscriber, who has 2^64 addresses at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut network = [0; 8];
                network.copy_from_slice(&address.octets()[..8]);
                Self::V6(network)
            }
        }
    }
}

/// How much was taken, and flows off.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    taken: f64,
    at_ms: i64,
}

impl Bucket {
    fn level(&self, per_s: f64, now_ms: i64) -> f64 {
        // Sums of milliseconds are far below 2^53.
        let passed_s = now_ms.saturating_sub(self.at_ms).max(0) as f64 / 1_000.0;
        (self.taken - passed_s * per_s).max(0.0)
    }

    fn take(&mut self, burst: f64, per_s: f64, now_ms: i64) -> bool {
        let level = self.level(per_s, now_ms);
        let fits = level + 1.0 <= burst;
        (self.taken, self.at_ms) = (if fits { level + 1.0 } else { level }, now_ms);
        fits
    }
}

#[derive(Clone, Copy, Debug)]
struct Free {
    used: u32,
    since_ms: i64,
}

impl Bounds {
    /// Whether this address gets one more invoice now.
    pub fn invoice(&self, address: IpAddr, now_ms: i64) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        sweep(&mut inner.addresses, |bucket| {
            bucket.level(ADDRESS_PER_S, now_ms) > 0.0
        });
        let key = Network::from(address);
        if inner.addresses.len() >= REMEMBERED_MAX && !inner.addresses.contains_key(&key) {
            return false;
        }
        let own = inner.addresses.entry(key).or_default();
        own.take(ADDRESS_BURST, ADDRESS_PER_S, now_ms)
            && inner.all.take(ALL_BURST, ALL_PER_S, now_ms)
    }

    /// Takes one of the free calls that an address has in any 24 hours; false if none is left.
    pub fn free_call(&self, offer: &str, per_day: u32, address: IpAddr, now_ms: i64) -> bool {
        if per_day == 0 {
            return false;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sweep(&mut inner.free, |free| now_ms - free.since_ms < DAY_MS);
        let key = (offer.to_owned(), Network::from(address));
        if inner.free.len() >= REMEMBERED_MAX && !inner.free.contains_key(&key) {
            return false;
        }
        let fresh = Free {
            used: 0,
            since_ms: now_ms,
        };
        let free = inner.free.entry(key).or_insert(fresh);
        if now_ms - free.since_ms >= DAY_MS {
            *free = fresh;
        }
        let has_left = free.used < per_day;
        free.used += u32::from(has_left);
        has_left
    }
}

/// Forgets who needn't be remembered, when there are many.
fn sweep<K: Eq + Hash, V>(map: &mut HashMap<K, V>, is_needed: impl Fn(&V) -> bool) {
    if map.len() >= REMEMBERED_MAX {
        map.retain(|_, value| is_needed(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn invoices_run_out_and_come_back() {
        let bounds = Bounds::default();
        let mut got = 0;
        while bounds.invoice(address("192.0.2.1"), 0) {
            got += 1;
        }
        assert_eq!(got, 30);
        assert!(
            !bounds.invoice(address("::ffff:192.0.2.1"), 0),
            "it is the same address"
        );
        assert!(bounds.invoice(address("192.0.2.2"), 0));
        assert!(bounds.invoice(address("192.0.2.1"), 1_000));
        assert!(bounds.invoice(address("192.0.2.1"), 1_000));
        assert!(!bounds.invoice(address("192.0.2.1"), 1_000));
        // A clock that is set back gives nothing away.
        assert!(!bounds.invoice(address("192.0.2.1"), -100_000));
    }

    #[test]
    fn a_crowd_is_bounded_too() {
        let bounds = Bounds::default();
        let many = (0..1_000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        assert_eq!(
            many.filter(|address| bounds.invoice(*address, 0)).count(),
            300
        );
        let subscriber =
            (0..100_u128).map(|n| IpAddr::from(((0x2001_0db8_u128 << 96) + n).to_be_bytes()));
        let bounds = Bounds::default();
        assert_eq!(
            subscriber
                .filter(|address| bounds.invoice(*address, 0))
                .count(),
            30
        );
    }

    #[test]
    fn free_calls_are_counted_for_a_day() {
        let bounds = Bounds::default();
        let call = |now_ms| bounds.free_call("a", 2, address("192.0.2.1"), now_ms);
        assert!(call(0) && call(1) && !call(2) && !call(DAY_MS - 1));
        assert!(bounds.free_call("b", 1, address("192.0.2.1"), 3));
        assert!(call(DAY_MS) && call(DAY_MS) && !call(DAY_MS));
        assert!(!bounds.free_call("c", 0, address("192.0.2.1"), 0));
    }
}
