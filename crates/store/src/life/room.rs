//! The calls that one claim may begin.

use std::collections::HashMap;

use domain::{BusinessId, SupplierId};

/// How many more calls may begin now: the room that a worker has reserved before it claims.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Per supplier; one that is not named has none.
    pub suppliers: HashMap<SupplierId, usize>,
    /// Per business; one that is not named has no limit.
    pub businesses: HashMap<BusinessId, usize>,
    /// Per tripped supplier: new orders that may try it now.
    pub probes: HashMap<SupplierId, usize>,
}

impl Room {
    pub(super) fn has(&self, business: &BusinessId, supplier: &SupplierId) -> bool {
        self.suppliers.get(supplier).is_some_and(|left| *left > 0)
            && self.businesses.get(business).is_none_or(|left| *left > 0)
    }

    pub(super) fn take(&mut self, business: &BusinessId, supplier: &SupplierId, is_new: bool) {
        if let Some(left) = self.probes.get_mut(supplier).filter(|_| is_new) {
            *left = left.saturating_sub(1);
        }
        if let Some(left) = self.suppliers.get_mut(supplier) {
            *left = left.saturating_sub(1);
        }
        if let Some(left) = self.businesses.get_mut(business) {
            *left = left.saturating_sub(1);
        }
    }
}
