//! The measurements of criterion, as ratios to the first row of each group, and compared with the bars.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::Value;

struct Row {
    group: String,
    name: String,
    nanoseconds: f64,
    written: SystemTime,
}

/// A time must be at most this many times that of another row of its group.
const BARS: [(&str, &str, &str, f64); 9] = [
    ("passthrough", "mirror at 0 %", "identity layer", 1.10),
    ("passthrough", "mirror, even draw", "identity layer", 1.10),
    ("floor, no body", "Buffered", "floor", 1.25),
    ("floor, 1 KiB", "Buffered", "floor", 1.25),
    ("floor, 8 KiB", "Buffered", "floor", 1.25),
    ("naive, 64 x 16 KiB", "Buffered", "naive", 1.0 / 20.0),
    ("naive, 64 x 16 KiB", "Streaming", "naive", 1.0 / 20.0),
    (
        "split",
        "2 subsets, even",
        "Arc clone, atomic add, call",
        1.3,
    ),
    (
        "split",
        "2 subsets, even, without ServedBy",
        "Arc clone, atomic add, call",
        1.3,
    ),
];

/// Prints the rows that were measured since then.
pub(crate) fn print(since: SystemTime) {
    let mut rows = Vec::new();
    collect(&folder(), since, &mut rows);
    rows.sort_by_key(|row| row.written);
    if rows.is_empty() {
        return; // benchmarks were only listed or tested
    }
    println!("\n== Ratios to the first row of each group\n");
    let mut baseline: Option<&Row> = None;
    for row in &rows {
        let base = match baseline {
            Some(base) if base.group == row.group => base,
            _ => {
                println!("{}", row.group);
                baseline.insert(row)
            }
        };
        let ratio = row.nanoseconds / base.nanoseconds;
        println!("    {:<30}{ratio:>8.2}", row.name);
    }
    println!("\n== Bars\n");
    let time = |group, name| {
        let found = rows
            .iter()
            .find(|row| row.group == group && row.name == name);
        found.map(|row| row.nanoseconds)
    };
    for (group, name, of, bar) in BARS {
        let (Some(time), Some(base)) = (time(group, name), time(group, of)) else {
            continue;
        };
        let ratio = time / base;
        let met = if ratio <= bar { "met" } else { "MISSED" };
        println!("{group:<20}{name:<20}{ratio:>7.3} of {of:<28} bar {bar:<6}{met}");
    }
}

/// The folder of criterion, found in the same way as criterion does.
fn folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let target = executable
        .ancestors()
        .find(|folder| folder.ends_with("target"));
    target.unwrap_or(Path::new("target")).join("criterion")
}

fn collect(folder: &Path, since: SystemTime, rows: &mut Vec<Row>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.ends_with("new") {
                rows.extend(row(&path).filter(|row| row.written >= since));
            } else {
                collect(&path, since, rows);
            }
        }
    }
}

fn row(folder: &Path) -> Option<Row> {
    let json = |file| serde_json::from_slice::<Value>(&fs::read(folder.join(file)).ok()?).ok();
    let (named, sample) = (json("benchmark.json")?, json("sample.json")?);
    Some(Row {
        group: named["group_id"].as_str()?.to_owned(),
        name: named["function_id"].as_str()?.to_owned(),
        nanoseconds: fastest(&sample)?,
        written: fs::metadata(folder.join("sample.json"))
            .ok()?
            .modified()
            .ok()?,
    })
}

/// The time of the fastest sample, because other work of the machine can only add to it.
fn fastest(sample: &Value) -> Option<f64> {
    let numbers = |name: &str| -> Option<Vec<f64>> {
        sample[name].as_array()?.iter().map(Value::as_f64).collect()
    };
    let (times, iterations) = (numbers("times")?, numbers("iters")?);
    let each = times
        .iter()
        .zip(&iterations)
        .map(|(time, count)| time / count);
    each.reduce(f64::min)
}
