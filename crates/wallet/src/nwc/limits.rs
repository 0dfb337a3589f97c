//! How much may come from outside.

use std::time::Duration;

/// The longest connection URI.
pub(super) const URI_BYTES_MAX: usize = 4_096;
/// The most relays of one connection.
pub const RELAYS_MAX: usize = 8;
/// The most connections that one service serves: all of them stand in each subscription.
pub const CONNECTIONS_MAX: usize = 256;
/// The longest encrypted content of a request; the longest real one, a keysend, has a few thousand bytes.
pub(super) const CONTENT_BYTES_MAX: usize = 48 * 1024;
/// The most tags of an event.
pub(super) const TAGS_MAX: u16 = 32;
/// The longest event, as JSON.
pub(super) const EVENT_BYTES_MAX: u32 = 64 * 1024;
/// The longest message from a relay.
pub(super) const MESSAGE_BYTES_MAX: u32 = 128 * 1024;
/// The longest answer before it is encrypted. Many relays take events of 64 KiB at most, and encryption adds half.
pub(super) const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// The longest invoice.
pub(super) const INVOICE_BYTES_MAX: usize = 8 * 1024;
/// The longest description of an invoice; BOLT 11 has room for 639 bytes.
pub(super) const DESCRIPTION_BYTES_MAX: usize = 639;
/// The longest life of an invoice: a year.
pub(super) const INVOICE_EXPIRY_MAX_S: u64 = 365 * 24 * 60 * 60;
/// The most transactions in one answer.
pub(super) const TRANSACTIONS_MAX: u32 = 50;

/// How old a request may be. Relays keep requests for a wallet that is away; whoever asked has looked
/// for another way to pay by then.
pub const REQUEST_AGE_MAX_S: u64 = 5 * 60;
/// How far ahead of ours the clock of a client may be.
pub(super) const REQUEST_AHEAD_MAX_S: u64 = 60;

/// Requests that a connection may send at once, and then each second.
pub(super) const REQUESTS_BURST: u32 = 30;
/// See [`REQUESTS_BURST`].
pub(super) const REQUESTS_PER_S: u32 = 2;
/// Requests worked on at the same time, of all connections.
pub(super) const REQUESTS_AT_ONCE_MAX: usize = 64;
/// And of one connection: a payment that takes long must not keep all others waiting.
pub(super) const REQUESTS_PER_CLIENT_MAX: usize = 8;
/// Questions whose repetition is noticed.
pub(super) const RECENT_MAX: usize = 1_024;

/// Between two looks at payments whose end isn't known, and at what can be forgotten.
pub(super) const SETTLE_PAUSE: Duration = Duration::from_secs(5);
/// Before the second, third and fourth try to hand an answer to a relay.
pub(super) const PUBLISH_PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
];
/// Between two tries to reach a relay that is away.
pub(super) const RECONNECT_PAUSE: Duration = Duration::from_secs(5);
/// Messages of relays that wait for us.
pub(super) const QUEUE_MAX: usize = 512;
