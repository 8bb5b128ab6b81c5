//! What may never happen.

use domain::OrderState;

use super::model::Model;
use super::state::State;

impl Model {
    /// The error says which promise a step broke.
    pub(crate) fn check(&self, before: &State, s: &State) -> Result<(), String> {
        let broken = |promise: &str| Err(promise.to_owned());
        let charges: u8 = s.truths.iter().map(|t| t.charges).sum();
        let order = &s.order;
        if before.order.state.is_final() && order.state != before.order.state {
            return broken("a final state was flipped");
        }
        if s.settled + s.released > 1 {
            return broken("an order was posted twice");
        }
        if order.attempts.iter().filter(|a| a.state.is_live()).count() > 1 {
            return broken("two attempts are live");
        }
        let posted = match order.state {
            OrderState::Succeeded => (1, 0),
            OrderState::Failed | OrderState::Cancelled => (0, 1),
            OrderState::Stored | OrderState::Processing => (0, 0),
        };
        if (s.settled, s.released) != posted {
            return broken("the money does not follow the state");
        }
        if !order.state.is_final() && !order.in_doubt && order.wait.0 == 3 {
            return broken("an order stands still, and nobody is told");
        }
        if order.state.is_final() && order.in_doubt {
            let cleared = order.attempts.iter().all(|a| !a.state.is_live());
            if !cleared {
                return broken("a final order keeps a live attempt");
            }
        }
        if self.liars {
            let told = |said: i16| order.attempts.iter().any(|a| a.last_verdict == Some(said));
            if order.state == OrderState::Failed && told(0) && s.discrepancies == 0 {
                return broken("a charge after a failure was swept under the carpet");
            }
            return Ok(());
        }
        if charges > 1 {
            return broken("an account was charged twice");
        }
        match order.state {
            OrderState::Succeeded if charges == 0 => broken("success without a charge"),
            OrderState::Failed | OrderState::Cancelled if charges > 0 => {
                broken("charged, and reported as not charged")
            }
            OrderState::Failed | OrderState::Cancelled
                if s.truths
                    .iter()
                    .any(|t| t.formed_at.is_some() && t.end.is_none()) =>
            {
                broken("reported as not charged while a supplier is still at it")
            }
            _ => Ok(()),
        }
    }
}
