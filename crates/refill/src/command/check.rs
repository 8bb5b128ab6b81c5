//! `refill check`: asks the database whether everything that must hold does hold, and compares suppliers' bills. Read only.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use domain::{Money, SupplierId, UnixMs};
use serde::Deserialize;
use store::{BillCheck, BillLine, Check, Store};

use crate::command::moment::moment;
use crate::settings::Settings;

/// The most lines that a bill may have.
const BILL_LINES: usize = 5_000_000;

/// The flags of `refill check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Only orders that were stored since then: a moment (`2026-01-31T00:00:00Z`) or a span before now (`24h`). Rules that need all
    /// rows are left out.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<UnixMs>,
    /// With a bill: it goes no further than this.
    #[arg(long, value_name = "WHEN", value_parser = moment, requires = "supplier_bill")]
    until: Option<UnixMs>,
    /// A supplier's bill to compare with: CSV with the columns reference, account, amount and state (`succeeded` or `failed`).
    #[arg(long, value_name = "FILE", requires = "supplier")]
    supplier_bill: Option<PathBuf>,
    /// Whose bill it is.
    #[arg(long, value_name = "ID", requires = "supplier_bill")]
    supplier: Option<String>,
}

/// Checks; exit code 1 if anything does not hold.
pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<ExitCode> {
    // What is wrong with the file is told before the database is asked for minutes.
    let bill = flags.supplier_bill.as_deref().map(read_bill).transpose()?;
    let store = Store::new(&settings.store()?)?;
    let check = store.check(flags.since).await?;
    let bill = match (bill, &flags.supplier) {
        (Some(lines), Some(supplier)) => {
            let supplier = SupplierId::new(supplier);
            let known = store.catalogue().await?.suppliers.contains_key(&supplier);
            anyhow::ensure!(known, "--supplier: there is no supplier {supplier}");
            Some(
                store
                    .check_bill(&supplier, &lines, flags.since, flags.until)
                    .await?,
            )
        }
        _ => None,
    };
    if flags.json {
        println!("{}", json(&check, bill.as_ref()));
    } else {
        tell(&check);
        if let Some(bill) = &bill {
            tell_bill(bill);
        }
    }
    let holds = check.holds() && bill.is_none_or(|bill| bill.holds());
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[derive(Deserialize)]
struct CsvLine {
    reference: String,
    account: String,
    amount: String,
    state: String,
}

fn read_bill(file: &Path) -> anyhow::Result<Vec<BillLine>> {
    let name = file.display();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("{name} cannot be read"))?;
    let mut lines = vec![];
    for (index, read) in reader.deserialize::<CsvLine>().enumerate() {
        let line = index + 2;
        let read = read.with_context(|| format!("{name}, line {line}"))?;
        anyhow::ensure!(
            lines.len() < BILL_LINES,
            "{name}: more than {BILL_LINES} lines"
        );
        anyhow::ensure!(
            (1..=64).contains(&read.reference.len()),
            "{name}, line {line}: reference: 1 to 64 characters"
        );
        let amount = read.amount.parse::<Money>();
        let amount = amount.map_err(|e| anyhow::anyhow!("{name}, line {line}: amount: {e}"))?;
        let charged = match read.state.as_str() {
            "succeeded" => true,
            "failed" => false,
            _ => anyhow::bail!("{name}, line {line}: state: must be succeeded or failed"),
        };
        lines.push(BillLine {
            line,
            reference: read.reference,
            account: read.account,
            amount,
            charged,
        });
    }
    Ok(lines)
}

fn json(check: &Check, bill: Option<&BillCheck>) -> serde_json::Value {
    let findings: Vec<_> = check
        .findings
        .iter()
        .map(|f| {
            serde_json::json!({
                "rule": f.rule, "broken_by": f.broken_by, "examples": f.examples, "advice": f.advice, "skipped": f.is_skipped,
            })
        })
        .collect();
    let holds = check.holds() && bill.is_none_or(BillCheck::holds);
    let mut said = serde_json::json!({"holds": holds, "findings": findings});
    if let Some(bill) = bill {
        let named: Vec<_> = bill
            .named
            .iter()
            .map(|d| serde_json::json!({"kind": d.kind, "reference": d.reference, "detail": d.detail, "advice": d.advice}))
            .collect();
        said["bill"] = serde_json::json!({
            "lines": bill.lines, "matched": bill.matched, "differences": bill.differences, "named": named,
        });
    }
    said
}

fn tell(check: &Check) {
    for finding in &check.findings {
        let mark = match (finding.is_skipped, finding.broken_by) {
            (true, _) => "skipped",
            (_, 0) => "holds  ",
            _ => "BROKEN ",
        };
        println!("{mark}  {}", finding.rule);
        if finding.broken_by > 0 {
            println!(
                "         by {}: {}",
                finding.broken_by,
                finding.examples.join(", ")
            );
            println!("         {}", finding.advice);
        }
    }
}

fn tell_bill(bill: &BillCheck) {
    println!(
        "bill     {} lines, {} as in our books, {} differences",
        bill.lines, bill.matched, bill.differences
    );
    for d in &bill.named {
        println!(
            "         {} {}: {}. {}",
            d.kind, d.reference, d.detail, d.advice
        );
    }
}
