//! The control: the same large account and the same flood at another installation, which shares the machine with the others' and nothing
//! else. What that costs them is the machine's, and no order of work in their own installation could spare it.

use super::loads::{Loads, Side, side_by_side};
use super::{Flags, cast};
use crate::command::bench::Place;
use crate::command::bench::measured::warm_up;
use crate::command::bench::roles::Roles;
use crate::command::bench::stage::Stage;
use crate::command::bench::steps::Step;

/// The modest load, and beside it what is sent elsewhere.
pub(super) struct Apart {
    pub(super) beside_large: Step,
    pub(super) large: Step,
    pub(super) beside_flood: Step,
    pub(super) flood: Step,
}

/// `does`: orders a second, the capacity.
pub(super) async fn measured(
    place: &Place<'_>,
    stage: &Stage<'_>,
    roles: &Roles,
    does: f64,
    flags: &Flags,
) -> anyhow::Result<Apart> {
    let elsewhere = place.stage_apart(cast()?).await?;
    let there = Roles::start(&elsewhere, 1, &[]).await?;
    let measuring = async {
        let (here, loads) = (
            Loads::of(stage, does, flags),
            Loads::of(&elsewhere, does, flags),
        );
        let (others, large, flood) = (here.others(), loads.large(), loads.flood());
        warm_up(&elsewhere, &there, &large).await?;
        let others = Side::new(stage, roles, &others);
        let sends = |offer| Side::new(&elsewhere, &there, offer);
        let (beside_large, large) = side_by_side(&others, &sends(&large)).await?;
        let (beside_flood, flood) = side_by_side(&others, &sends(&flood)).await?;
        Ok(Apart {
            beside_large,
            large,
            beside_flood,
            flood,
        })
    };
    let measured = measuring.await;
    there.stop().await;
    elsewhere.strike().await;
    measured
}
