//! The plans that the server made for every statement that a run executed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Ground;

/// Turns the plans of every statement on, in the server's log.
pub(crate) async fn explain_all(ground: &Ground) {
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "json"),
        ("auto_explain.log_nested_statements", "on"),
    ];
    ground.ask("LOAD 'auto_explain'").await;
    for (name, value) in settings {
        let sql = format!(
            "LOAD 'auto_explain'; ALTER DATABASE \"{}\" SET {name} = '{value}'",
            ground.name
        );
        ground.ask(&sql).await;
    }
}

/// The plans in the server's log, by the text of their statement.
pub(crate) async fn plans(ground: &Ground) -> BTreeMap<String, Value> {
    let log = {
        let mut servers = ground.servers.lock().await;
        servers.postgres().unwrap().log().to_owned()
    };
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let mut plans = BTreeMap::new();
    for part in text.split("plan:\n").skip(1) {
        let mut values = serde_json::Deserializer::from_str(part).into_iter::<Value>();
        if let Some(Ok(plan)) = values.next() {
            let query = plan["Query Text"].as_str().unwrap_or_default().to_owned();
            plans.insert(query, plan["Plan"].clone());
        }
    }
    plans
}

/// All nodes of a plan.
pub(crate) fn nodes<'p>(plan: &'p Value, found: &mut Vec<&'p Value>) {
    found.push(plan);
    for inner in plan["Plans"].as_array().into_iter().flatten() {
        nodes(inner, found);
    }
}
