//! `refill callback parked|resend|jobs|pause|resume|cancel`: reports that were given up, and jobs that send reports again.

use console::{actions, told};
use domain::{BusinessId, OrderCode, UnixMs};
use store::Store;
use store::reads::OrderName;
use store::resend::{JobOrder, Resend, ResendRequest};
use uuid::Uuid;

use crate::command::doubt::Operator;
use crate::command::moment::moment;
use crate::settings::Settings;

/// How many jobs are listed.
const LISTED: i64 = 100;

/// The flags of `refill callback resend`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Whose reports.
    #[arg(long)]
    business: String,
    #[command(flatten)]
    which: Which,
    /// … to before this moment; now, if it is not given.
    #[arg(long, requires = "from", value_name = "WHEN", value_parser = moment)]
    to: Option<UnixMs>,
    /// Only those that were given up, not those that were delivered.
    #[arg(long)]
    only_parked: bool,
    /// Reports per second.
    #[arg(long, default_value_t = actions::PER_SECOND, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    per_second: u32,
    /// Only count them.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// That of one order.
    #[arg(long)]
    order: Option<OrderCode>,
    /// That of one order, by the merchant's number.
    #[arg(long)]
    biz_code: Option<String>,
    /// Those of a batch, by the merchant's number.
    #[arg(long)]
    batch: Option<String>,
    /// Those that were given up.
    #[arg(long)]
    parked: bool,
    /// Those of orders that were placed from this moment on, like 2026-11-24T08:00:00+08:00, or 24h ago.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    from: Option<UnixMs>,
}

/// The flags of `refill callback jobs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Jobs {
    /// Of one business only.
    #[arg(long)]
    business: Option<String>,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<()> {
    let request = ResendRequest {
        business: BusinessId::new(&flags.business),
        which: which(flags)?,
        only_parked: flags.only_parked,
        per_second: flags.per_second,
        asked_by: flags.operator.name()?,
    };
    let store = Store::new(&settings.store()?)?;
    if flags.dry_run {
        let count = store.count_resend(&request).await?;
        if flags.json {
            println!("{}", told::would_be_sent(count));
        } else {
            println!("{count} reports would be sent again");
        }
        return Ok(());
    }
    let job = actions::resend(&store, &flags.operator.actor()?, &request).await?;
    if flags.json {
        println!("{}", told::job(&job));
    } else {
        println!("{} reports will be sent again: job {}", job.total, job.id);
    }
    Ok(())
}

fn which(flags: &Flags) -> anyhow::Result<Resend> {
    Ok(match &flags.which {
        Which {
            order: Some(code), ..
        } => Resend::Order(OrderName::Code(*code)),
        Which {
            biz_code: Some(text),
            ..
        } => Resend::Order(OrderName::BizCode(text.clone())),
        Which {
            batch: Some(text), ..
        } => Resend::Batch(text.clone()),
        Which {
            from: Some(from), ..
        } => {
            let now = || moment("0s").map_err(anyhow::Error::msg);
            actions::placed(*from, flags.to.map_or_else(now, Ok)?)?
        }
        Which { .. } => Resend::Parked,
    })
}

/// The flags of `refill callback parked`.
#[derive(Debug, clap::Args)]
pub(crate) struct Parked {
    /// Of one business only.
    #[arg(long)]
    business: Option<String>,
    /// The most that are listed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn parked(settings: &Settings, flags: &Parked) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let business = flags.business.as_deref().map(BusinessId::new);
    for report in store.parked_reports(business.as_ref(), flags.limit).await? {
        if flags.json {
            println!("{}", told::parked_report(&report));
        } else {
            let outcome = report.outcome.as_deref().unwrap_or("never tried, or lost");
            let detail = report.detail.as_deref().unwrap_or_default();
            println!(
                "{} {} round {}: {outcome} {detail}",
                report.key.business, report.key.order, report.rounds
            );
        }
    }
    Ok(())
}

pub(crate) async fn jobs(settings: &Settings, flags: &Jobs) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    let business = flags.business.as_deref().map(BusinessId::new);
    for job in store.resend_jobs(business.as_ref(), LISTED).await? {
        if flags.json {
            println!("{}", told::job(&job));
        } else {
            println!(
                "{} {:<10} {}: {} of {}, {} a second, asked for by {}",
                job.id,
                told::job_state(job.state),
                job.business,
                job.done,
                job.total,
                job.per_second,
                job.asked_by
            );
        }
    }
    Ok(())
}

/// The flags of `refill callback pause|resume|cancel`.
#[derive(Debug, clap::Args)]
pub(crate) struct Job {
    /// Its number.
    #[arg(value_name = "JOB")]
    id: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

/// Pauses, resumes or cancels a job.
pub(crate) async fn order(settings: &Settings, flags: &Job, order: JobOrder) -> anyhow::Result<()> {
    let (store, id) = (Store::new(&settings.store()?)?, flags.id);
    let job = actions::order_job(&store, &flags.operator.actor()?, id, order).await?;
    if flags.json {
        println!("{}", told::job(&job));
        return Ok(());
    }
    println!(
        "job {id} is {}: {} of {}",
        told::job_state(job.state),
        job.done,
        job.total
    );
    Ok(())
}
