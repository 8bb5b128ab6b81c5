//! `refill doubt`: orders whose outcome only evidence or persons can tell, and contradictions after the end.

use console::actions::{self, Actor, Saying as Said};
use console::told;
use domain::{Money, OrderCode};
use store::Store;
use store::doubt_desk::{Closed, OpenCase};

use crate::settings::Settings;

/// The most that one listing shows.
const LIST_LIMIT: i64 = 1_000;

/// What one person says about a case.
#[derive(Debug, clap::Args)]
pub(crate) struct Saying {
    /// The order.
    order: OrderCode,
    /// What became of it.
    #[arg(value_enum)]
    outcome: Outcome,
    /// What the decision rests on; kept with the order.
    #[arg(long)]
    evidence: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

/// Who is at the keyboard.
#[derive(Debug, clap::Args)]
pub(crate) struct Operator {
    /// Who decides; the login name if it is not given.
    #[arg(id = "as", long = "as", value_name = "NAME", env = "REFILL_OPERATOR")]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Outcome {
    /// The account was topped up: the merchant pays. In doubt, the order succeeds.
    Charged,
    /// It was not and never will be: the merchant does not pay. In doubt, the order fails.
    NotCharged,
}

impl Operator {
    /// The name under which the decision is kept.
    pub(crate) fn name(&self) -> anyhow::Result<String> {
        let login = || {
            std::env::var("SUDO_USER")
                .or_else(|_| std::env::var("USER"))
                .unwrap_or_else(|_| "operator".into())
        };
        let name = self.name.clone().unwrap_or_else(login).trim().to_owned();
        anyhow::ensure!(
            (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control),
            "--as: 1 to 64 characters that name a person"
        );
        Ok(name)
    }

    /// The same as whoever acts.
    pub(crate) fn actor(&self) -> anyhow::Result<Actor> {
        Ok(Actor::command(&self.name()?))
    }
}

impl Saying {
    fn said(&self) -> Said {
        Said {
            order: self.order,
            charged: self.outcome == Outcome::Charged,
            evidence: self.evidence.clone(),
        }
    }
}

/// Lists what waits, the oldest first.
pub(crate) async fn list(settings: &Settings, as_json: bool) -> anyhow::Result<()> {
    let cases = Store::new(&settings.store()?)?
        .open_cases(LIST_LIMIT)
        .await?;
    if cases.is_empty() && !as_json {
        println!("nothing waits for a person");
    }
    for case in &cases {
        if as_json {
            println!("{}", told::case(case));
        } else {
            tell(case);
        }
    }
    Ok(())
}

fn tell(case: &OpenCase) {
    let (attempt, supplier, reference) = case.attempt.clone().unwrap_or_default();
    let age = std::time::Duration::from_secs(u64::try_from(case.age_ms / 1_000).unwrap_or(0));
    println!(
        "{}  {}  {}  {} yuan, for {}\n    {}\n    attempt {attempt} at {supplier}, reference {reference}",
        case.key.order,
        case.kind,
        case.key.business,
        case.amount,
        humantime::format_duration(age),
        case.reason
    );
    for e in &case.evidence {
        let actor = e
            .actor
            .as_deref()
            .map_or(String::new(), |a| format!(" by {a}"));
        println!(
            "    heard: attempt {} {}{actor}: {}, {}",
            e.attempt.0, e.source, e.verdict, e.detail
        );
    }
    if case.next_check_at.is_some() {
        println!("    the supplier is asked again by itself");
    }
    if let Some(p) = &case.proposal {
        println!(
            "    {} proposes {}: {}",
            p.by,
            told::outcome(p.charged),
            p.reason
        );
    }
}

/// The first person's word.
pub(crate) async fn propose(settings: &Settings, saying: &Saying) -> anyhow::Result<()> {
    let (actor, said) = (saying.operator.actor()?, saying.said());
    let store = Store::new(&settings.store()?)?;
    actions::propose(&store, &actor, &said).await?;
    let word = told::outcome(said.charged);
    if saying.json {
        let told = told::proposed(said.order, said.charged, &actor.name);
        println!("{told}");
        return Ok(());
    }
    println!(
        "{word} is proposed by {}; another person has to confirm it: refill doubt confirm {} {word} --evidence \"…\"",
        actor.name, said.order,
    );
    Ok(())
}

/// The second person's word.
pub(crate) async fn confirm(settings: &Settings, saying: &Saying) -> anyhow::Result<()> {
    let (actor, said) = (saying.operator.actor()?, saying.said());
    let store = Store::new(&settings.store()?)?;
    let catalogue = store.catalogue().await?;
    let closed = actions::confirm(&store, &actor, &said, &catalogue).await?;
    tell_closed(saying, closed);
    Ok(())
}

/// One person's word, where the settings let it stand alone.
pub(crate) async fn settle(settings: &Settings, saying: &Saying) -> anyhow::Result<()> {
    let (actor, said) = (saying.operator.actor()?, saying.said());
    let store = Store::new(&settings.store()?)?;
    let catalogue = store.catalogue().await?;
    let needed = settings.doubt.operators;
    let closed = actions::settle(&store, &actor, &said, needed, &catalogue).await?;
    tell_closed(saying, closed);
    Ok(())
}

fn tell_closed(saying: &Saying, closed: Closed) {
    let order = saying.order;
    match closed {
        closed if saying.json => println!("{}", told::closed(order, &closed)),
        Closed::Settled(state) => println!("{order} is {} now", state.word()),
        Closed::Adjusted(Money::ZERO) => {
            println!("{order} stays as it is, nothing had to be adjusted");
        }
        Closed::Adjusted(moved) => {
            println!("{order} stays as it is, the merchant's balance moved by {moved} yuan");
        }
    }
}
