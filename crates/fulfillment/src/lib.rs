//! fulfillment
