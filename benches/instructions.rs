//! `cargo bench --bench instructions`: the instructions of one request, counted by callgrind, compared with the bars.
//!
//! It needs valgrind, and the runner in the version of `Cargo.lock`: `cargo install gungraun-runner --version VERSION`.
//! Without them it says so and counts nothing.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use tower_mirror_testing::cases::list;

/// In a module, because the macros define a `main`.
mod counted {
    #![allow(missing_docs, reason = "made by macros")]

    use gungraun::prelude::*;
    use http::Request;

    use tower_mirror_testing::cases::{Case, body::Frames, list};

    /// A case that has run before, so that thread locals exist and the allocator has memory.
    fn warm(index: usize) -> (Case, Request<Frames>) {
        let mut case = list::all()[index].1();
        for _ in 0..3 {
            let request = case.request();
            case.run(request);
        }
        let request = case.request();
        (case, request)
    }

    #[library_benchmark]
    #[benches::case(iter = 0..list::all().len(), setup = warm)]
    fn request((mut case, request): (Case, Request<Frames>)) -> Case {
        case.run(request);
        case // is dropped without being measured
    }

    library_benchmark_group!(name = all, benchmarks = request);
    main!(library_benchmark_groups = all);

    pub(crate) fn run() {
        main();
    }
}

fn main() {
    let is = |wanted| env::args().any(|argument| argument == wanted);
    if is("--gungraun-run") {
        return counted::run(); // under valgrind
    }
    // `cargo test` runs this too, but without asking for a benchmark.
    if !is("--bench") {
        return;
    }
    let runner = env::var("GUNGRAUN_RUNNER").unwrap_or("gungraun-runner".into());
    if !is_there("valgrind") || !is_there(&runner) {
        println!("No instructions are counted: valgrind or gungraun-runner is not installed.");
        return;
    }
    counted::run();
    print_bars();
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

/// A case, its baseline, how many times the cost of the baseline is allowed, and how many instructions in addition.
const BARS: [(&str, &str, f64, f64); 13] = [
    ("unsampled, 0 %", "call, identity", 1.10, 60.0),
    ("unsampled, even", "call, identity", 1.10, 60.0),
    ("unsampled, random", "call, identity", 1.10, 60.0),
    ("unsampled, keyed", "call, identity", 1.10, 60.0),
    ("unsampled, filtered", "call, identity", 1.10, 60.0),
    ("buffered, no body", "floor, no body", 1.25, 0.0),
    ("buffered, 1 KiB", "floor, 1 KiB", 1.25, 0.0),
    ("buffered, 8 KiB", "floor, 8 KiB", 1.25, 0.0),
    ("buffered, no body", "marking floor, no body", 1.25, 0.0),
    ("buffered, 1 KiB", "marking floor, 1 KiB", 1.25, 0.0),
    ("buffered, 8 KiB", "marking floor, 8 KiB", 1.25, 0.0),
    ("split, even", "split, by hand", 1.3, 0.0),
    ("split, without ServedBy", "split, by hand", 1.3, 0.0),
];

fn print_bars() {
    let all = list::all();
    let counts: Vec<Option<f64>> = (0..all.len()).map(count).collect();
    let of = |name: &str| counts[all.iter().position(|(known, _)| known == name)?];
    println!("\n== Instructions\n");
    for ((name, _), count) in all.iter().zip(&counts) {
        println!("{name:<24}{:>10}", count.unwrap_or(f64::NAN));
    }
    println!("\n== Bars\n");
    for (name, base, times, more) in BARS {
        let (Some(count), Some(base_count)) = (of(name), of(base)) else {
            continue;
        };
        let most = base_count * times + more;
        let met = if count <= most { "met" } else { "MISSED" };
        let ratio = count / base_count;
        println!("{name:<21}{count:>7}, {ratio:>5.2} of {base:<15}  at most {most:>6.0}  {met}");
    }
}

/// The last count of callgrind for this case.
fn count(index: usize) -> Option<f64> {
    let executable = env::current_exe().ok()?;
    let target = executable
        .ancestors()
        .find(|folder| folder.ends_with("target"))
        .unwrap_or(Path::new("target"));
    let folder = concat!(
        "gungraun/",
        env!("CARGO_PKG_NAME"),
        "/instructions/counted/all"
    );
    let case = format!("request.case_{index}");
    let file = format!("callgrind.{case}.out");
    let profile = fs::read_to_string(target.join(folder).join(case).join(file)).ok()?;
    let totals = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    totals.split(' ').next()?.parse().ok()
}
