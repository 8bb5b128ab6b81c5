//! `refill check`: asks the database whether everything that must hold does hold. Read only.

use std::process::ExitCode;

use store::Store;

use crate::settings::Settings;

pub(crate) async fn run(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let check = Store::new(&settings.store()?)?.check().await?;
    if json {
        let findings: Vec<_> = check
            .findings
            .iter()
            .map(|f| serde_json::json!({"rule": f.rule, "broken_by": f.broken_by, "examples": f.examples}))
            .collect();
        println!(
            "{}",
            serde_json::json!({"holds": check.holds(), "findings": findings})
        );
    } else {
        for finding in &check.findings {
            let mark = if finding.broken_by == 0 {
                "holds "
            } else {
                "BROKEN"
            };
            println!("{mark}  {}", finding.rule);
            if finding.broken_by > 0 {
                println!(
                    "        by {}: {}",
                    finding.broken_by,
                    finding.examples.join(", ")
                );
            }
        }
    }
    Ok(if check.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
