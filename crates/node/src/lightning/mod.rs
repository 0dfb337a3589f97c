//! Lightning: opened with the node, asked by the owner, and what the purses' ecash is paid out by.

mod channels;
mod invoice;
mod pay;
mod purse;
mod purse_invoice;
mod reconnect;
mod setup;
mod view;

pub use channels::OpenRequest;
pub use invoice::InvoiceInput;
pub use pay::PayInput;
pub(crate) use pay::fee_max_msat;
#[cfg(test)]
pub(crate) use purse::simulated;
pub(crate) use purse::{PurseOrder, invoice_intent};
pub use purse::{PursePayment, PursePaymentState};
pub use purse_invoice::PurseInvoice;
pub(crate) use setup::open;
pub use view::{ChannelView, InvoiceView, LightningView, PeerView, SandboxView};
pub use wallet::cashier::books::{BookedInvoice, BookedPayment, Holder, PaymentState};

use wallet::cashier::Cashier;

use crate::error::{NodeError, Result};
use crate::node::Node;

/// The tables of this module.
pub(crate) const SCHEMAS: [&str; 2] = [purse::SCHEMA, purse_invoice::SCHEMA];

impl Node {
    /// Whether the mint of this node's ecash deals with Lightning: on all networks but `play`, and elsewhere always.
    pub(crate) fn has_lightning(&self) -> bool {
        self.inner.cashier.is_some() || self.inner.mint.is_none()
    }

    /// What pays over Lightning here.
    ///
    /// # Errors
    /// `no_lightning` on `play`.
    pub(crate) fn cashier(&self) -> Result<&Cashier> {
        self.inner.cashier.as_ref().ok_or(NodeError::NoLightning)
    }

    /// Brings the books to what the chain did. Not while channels are on their way back after a restore: until they
    /// are, the chain shows less than there is.
    pub(crate) async fn follow_chain(&self) -> Result<i64> {
        if self.inner.returning.are_channels_away() {
            return Ok(0);
        }
        Ok(self.cashier()?.follow_chain().await?)
    }
}
