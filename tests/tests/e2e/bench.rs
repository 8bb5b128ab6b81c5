//! The bench's other measurements, small: each runs to its end and counts what went by. How fast that was says nothing here.

use std::process::Command;

use serde_json::Value;

use crate::harness::platform::binary;

/// What `refill bench …` tells, on servers of its own.
fn bench(args: &[&str]) -> Value {
    let output = Command::new(binary())
        .arg("bench")
        .args(args)
        .arg("--json")
        .env_remove("DATABASE_URL")
        .env_remove("AMQP_URL")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(told: &Value, name: &str) -> f64 {
    let number = told[name].as_f64();
    number.unwrap_or_else(|| panic!("{name} is no number: {told}"))
}

#[test]
fn the_cost_beside_those_that_wait_is_told_point_by_point() {
    let told = bench(&["flat", "--at", "100,300", "--orders", "300"]);
    let points = told["points"].as_array().unwrap();
    let waiting: Vec<f64> = points.iter().map(|p| number(p, "waiting")).collect();
    assert_eq!(waiting, [100.0, 300.0]);
    for point in points {
        assert!((number(point, "orders") - 300.0).abs() < 0.1, "{point}");
        assert!((number(point, "supplier_calls_per_order") - 1.0).abs() < 0.1);
        assert!((number(point, "messages_per_order") - 2.0).abs() < 0.1);
        assert!(number(point, "cpu_to_floor") > 0.0);
    }
    assert!(number(&told, "cpu_to_floor_of_last_to_first") > 0.0);
}

#[test]
fn a_supplier_that_comes_back_gets_no_order_twice_and_each_in_the_end() {
    let told = bench(&[
        "recovery",
        "--backlog",
        "300",
        "--rate",
        "100",
        "--fresh",
        "2s",
    ]);
    assert!(number(&told, "orders") > 300.0, "{told}");
    let taken = number(&told, "submits") - number(&told, "submits_refused");
    let ended = taken + number(&told, "failed");
    let orders = number(&told, "orders");
    assert!(
        (ended - orders).abs() < 0.1,
        "each is taken once or fails: {told}"
    );
    assert!(number(&told, "most_submits_per_second") <= 100.0, "{told}");
    assert!(number(&told["old_since_return"], "count") > 0.0);
}

#[test]
fn an_overload_is_compared_with_the_capacity_and_every_refusal_is_timed() {
    let told = bench(&[
        "overload",
        "--orders",
        "500",
        "--lasts",
        "2s",
        "--modest",
        "1s",
        "--connections",
        "10",
        "--crowded",
        "2s",
    ]);
    assert!(number(&told, "capacity_per_second") > 0.0);
    assert!((number(&told, "crowd_connections") - 20.0).abs() < 0.1);
    for load in ["all_as_busy", "flood"] {
        let load = &told[load];
        assert!(number(load, "accepted_per_second") > 0.0, "{load}");
        assert!(number(&load["delivered"], "count") > 0.0, "{load}");
        assert!(number(load, "unanswered_batches").abs() < 0.1, "{load}");
        assert!(load["refusals"]["count"].is_u64(), "{load}");
    }
}
