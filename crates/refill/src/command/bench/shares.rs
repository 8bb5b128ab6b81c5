//! How a load is spread over accounts: by Zipf's law, as merchants' sizes are.

/// The part of each of so many accounts, the largest first; `skew` is the exponent, 0: all the same. They add up to 1.
pub(super) fn zipf(accounts: u16, skew: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=accounts.max(1))
        .map(|rank| f64::from(rank).powf(-skew))
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Deals orders out so that at any time each account has had its part, as nearly as whole batches allow.
#[derive(Debug)]
pub(super) struct Dealer {
    shares: Vec<f64>,
    /// What each account is still owed, in orders.
    owed: Vec<f64>,
}

impl Dealer {
    pub(super) fn new(shares: Vec<f64>) -> Self {
        let owed = vec![0.0; shares.len()];
        Self { shares, owed }
    }

    /// Who gets the next batch of so many orders.
    pub(super) fn next(&mut self, orders: u32) -> usize {
        for (owed, share) in self.owed.iter_mut().zip(&self.shares) {
            *owed += share * f64::from(orders);
        }
        let mut most = 0;
        for (account, owed) in self.owed.iter().enumerate() {
            if *owed > self.owed[most] {
                most = account;
            }
        }
        if let Some(owed) = self.owed.get_mut(most) {
            *owed -= f64::from(orders);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(shares: Vec<f64>, batches: u32) -> Vec<u32> {
        let mut had = vec![0; shares.len()];
        let mut dealer = Dealer::new(shares);
        for _ in 0..batches {
            had[dealer.next(10)] += 1;
        }
        had
    }

    #[test]
    fn parts_fall_with_the_rank_and_add_up() {
        let even = zipf(4, 0.0);
        assert!(even.iter().all(|share| (share - 0.25).abs() < 1e-9));
        let skewed = zipf(3, 1.0);
        assert!((skewed[0] - 2.0 * skewed[1]).abs() < 1e-9);
        assert!((skewed[0] - 3.0 * skewed[2]).abs() < 1e-9);
        assert!((skewed.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(zipf(0, 1.0).len(), 1);
    }

    #[test]
    fn each_account_gets_its_part_of_the_batches() {
        assert_eq!(dealt(zipf(4, 0.0), 40), [10, 10, 10, 10]);
        assert_eq!(dealt(zipf(2, 1.0), 30), [20, 10]);
        assert_eq!(dealt(vec![0.0, 1.0, 0.0], 5), [0, 5, 0], "some get none");
    }
}
