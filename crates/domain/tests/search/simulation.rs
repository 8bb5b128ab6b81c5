//! Long random lives: three suppliers, failover, suppliers that contradict themselves. One number replays a failure.

use super::model::{Bounds, Model};

/// A small generator of our own: the numbers of a seed must never change under us.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let sides = u64::try_from(sides).unwrap();
        usize::try_from((z ^ (z >> 31)) % sides).unwrap()
    }
}

fn live(seed: u64) -> Result<usize, String> {
    let mut dice = Dice(seed);
    let kinds: Vec<&str> = (0..3)
        .map(|_| ["idempotent", "query", "never"][dice.roll(3)])
        .collect();
    let bounds = Bounds {
        claims: 12,
        attempts: 3,
        ticks: 14,
    };
    let mut model = Model::new(&kinds, bounds);
    model.liars = dice.roll(2) == 0;
    let mut state = Model::start();
    for n in 0..200 {
        let steps = model.steps(&state);
        if steps.is_empty() {
            return Ok(n);
        }
        let step = &steps[dice.roll(steps.len())];
        state = model
            .take(&state, step)
            .map_err(|promise| format!("{promise}, by {step:?} in {state:#?}"))?;
    }
    Ok(200)
}

/// `SEED=n` lives that one life again; `LIVES=n` lives more of them.
#[test]
fn random_lives_keep_every_promise() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let (first, lives) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("LIVES").unwrap_or(200_000)),
    };
    let mut steps = 0;
    for seed in first..first + lives {
        match live(seed) {
            Ok(n) => steps += n,
            Err(broken) => panic!("SEED={seed}: {broken}"),
        }
    }
    println!("{lives} lives, {steps} steps, no promise broken");
}
