//! The methods of NIP-47 that we speak.

use std::fmt;

/// What a connection can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Who and what the wallet is.
    GetInfo,
    /// How much it has.
    GetBalance,
    /// How much of it this connection may still spend.
    GetBudget,
    /// Pays an invoice.
    PayInvoice,
    /// Pays a node without an invoice.
    PayKeysend,
    /// Makes an invoice.
    MakeInvoice,
    /// What became of an invoice or a payment.
    LookupInvoice,
    /// Invoices and payments, newest first.
    ListTransactions,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::GetInfo,
        Self::GetBalance,
        Self::GetBudget,
        Self::PayInvoice,
        Self::PayKeysend,
        Self::MakeInvoice,
        Self::LookupInvoice,
        Self::ListTransactions,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GetInfo => "get_info",
            Self::GetBalance => "get_balance",
            Self::GetBudget => "get_budget",
            Self::PayInvoice => "pay_invoice",
            Self::PayKeysend => "pay_keysend",
            Self::MakeInvoice => "make_invoice",
            Self::LookupInvoice => "lookup_invoice",
            Self::ListTransactions => "list_transactions",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// True if it moves money.
    #[must_use]
    pub const fn pays(self) -> bool {
        matches!(self, Self::PayInvoice | Self::PayKeysend)
    }

    /// True if doing it twice isn't the same as doing it once.
    #[must_use]
    pub const fn changes_something(self) -> bool {
        self.pays() || matches!(self, Self::MakeInvoice)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn every_method_is_found_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.as_str()), Some(method));
        }
        assert_eq!(Method::from_name("multi_pay_invoice"), None);
    }
}
