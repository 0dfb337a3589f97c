//! Lightning: opened with the node, asked by the owner, and what the purses' ecash is paid out by.

mod channels;
mod invoice;
mod pay;
mod purse;
mod setup;
mod view;

pub use channels::OpenRequest;
pub use invoice::InvoiceInput;
pub use pay::PayInput;
pub use purse::{PursePayment, PursePaymentState};
pub(crate) use purse::SCHEMA;
pub(crate) use setup::open;
pub use view::{ChannelView, InvoiceView, LightningView, PeerView};
pub use wallet::cashier::books::{BookedInvoice, BookedPayment, Holder, PaymentState};

use wallet::cashier::Cashier;

use crate::error::{NodeError, Result};
use crate::node::Node;

impl Node {
    /// What pays over Lightning here.
    ///
    /// # Errors
    /// `no_lightning` on `play`.
    pub(crate) fn cashier(&self) -> Result<&Cashier> {
        self.inner.cashier.as_ref().ok_or(NodeError::NoLightning)
    }
}
