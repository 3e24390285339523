//! Golden vectors: the Rust, a Python program and arithmetic with 40 digits agreed on these to 9 decimals.

use std::collections::HashMap;

use tower_mirror::compare::{Confidence, Counts, ln_e_any_route};

/// With a baseline. `missing` is for PASS at a confidence of 95 %.
const PAIRED: &str = "\
n=0 s=0 f=0 d=0.001 above=-0.000000000 below=-0.000000000 interval=(-1.000000, 1.000000) missing=3644
n=10 s=4 f=0 d=0 above=2.174938386 below=-0.951306845 interval=(-0.145919, 0.880653) missing=never
n=6 s=6 f=0 d=0 above=3.502089246 below=-1.015595094 interval=(-0.031288, 1.000000) missing=never
n=5 s=5 f=0 d=0 above=2.830871175 below=-0.985899322 interval=(-0.161745, 1.000000) missing=never
n=3687 s=0 f=0 d=0.001 above=-0.889587401 below=3.037814733 interval=(-0.001181, 0.001181) missing=0
n=3686 s=0 f=0 d=0.001 above=-0.889516539 below=3.036846488 interval=(-0.001181, 0.001181) missing=0
n=1000 s=0 f=0 d=0.001 above=-0.438139349 below=0.649249503 interval=(-0.004347, 0.004347) missing=2644
n=961 s=0 f=0 d=0.001 above=-0.424880334 below=0.620344905 interval=(-0.004523, 0.004523) missing=2683
n=2000 s=14 f=3 d=0 above=0.990691858 below=-1.127901656 interval=(-0.003097, 0.015085) missing=never
n=2000 s=14 f=3 d=0.001 above=0.350879573 below=-1.093478213 interval=(-0.003097, 0.015085) missing=never
n=12010 s=252 f=3 d=0.001 above=90.965739867 below=-2.030649102 interval=(0.016284, 0.025945) missing=never
n=26900 s=2 f=1 d=0.001 above=-1.302081324 below=9.389778368 interval=(-0.000491, 0.000572) missing=0
n=100000 s=5000 f=5000 d=0 above=-1.493429104 below=-1.493429104 interval=(-0.003674, 0.003674) missing=never
n=100000 s=5300 f=5000 d=0.001 above=-0.139590864 below=-2.000690022 interval=(-0.000723, 0.006722) missing=never
n=500 s=120 f=5 d=0.01 above=39.443283731 below=-1.725491915 interval=(0.161511, 0.305481) missing=never
n=1000000 s=250000 f=250000 d=0.001 above=-3.162562425 below=-1.084419765 interval=(-0.002621, 0.002621) missing=4861105
n=20000 s=40 f=38 d=0.01 above=-1.945226578 below=85.208711612 interval=(-0.001611, 0.001825) missing=0
n=200 s=200 f=0 d=0.01 above=135.946222761 below=-1.954526947 interval=(0.956907, 1.000000) missing=never
";

/// Without a baseline.
const ALONE: &str = "\
n=1000 s=0 f=0 d=0.001 above=-2.949590208 below=0.649249503 interval=(0.000000, 0.004347)
n=3687 s=0 f=0 d=0.001 above=-4.735182756 below=3.037814733 interval=(0.000000, 0.001181)
n=5000 s=20 f=0 d=0.001 above=9.744883287 below=-1.188225759 interval=(0.001586, 0.008184)
n=5000 s=20 f=0 d=0.01 above=-4.376073101 below=8.146901893 interval=(0.001586, 0.008184)
n=300 s=2 f=0 d=0.001 above=0.214978743 below=-0.841703339 interval=(0.000140, 0.052279)
";

/// What one line says: its input, and its output as it is written there.
struct Vector<'a> {
    line: &'a str,
    counts: Counts,
    tolerated: f64,
}

fn vectors(text: &str, has_baseline: bool) -> Vec<Vector<'_>> {
    let read = |line| {
        let fields: HashMap<&str, &str> = str::split_whitespace(line)
            .filter_map(|field| field.split_once('='))
            .collect();
        let number = |name| fields[name].parse::<u64>().expect("an integer");
        let (n, s, f) = (number("n"), number("s"), number("f"));
        let counts = if has_baseline {
            Counts::paired(n, s, f)
        } else {
            Counts::alone(n, s)
        };
        Vector {
            line,
            counts: counts.expect("valid counts"),
            tolerated: fields["d"].parse().expect("a number"),
        }
    };
    text.lines().map(read).collect()
}

/// The line as this crate computes it.
fn computed(vector: &Vector<'_>) -> String {
    let Vector {
        counts, tolerated, ..
    } = vector;
    let interval = counts.interval(Confidence::default());
    format!(
        "n={} s={} f={} d={tolerated} above={:.9} below={:.9} interval=({:.6}, {:.6})",
        counts.compared(),
        counts.shadow_only(),
        counts.baseline_only(),
        counts.ln_e_above(*tolerated),
        counts.ln_e_below(*tolerated),
        interval.low(),
        interval.high(),
    )
}

#[test]
fn with_a_baseline_all_digits_agree() {
    let vectors = vectors(PAIRED, true);
    assert_eq!(vectors.len(), 18);
    for vector in vectors {
        let missing = vector
            .counts
            .missing(vector.tolerated, Confidence::default())
            .map_or_else(|| "never".to_owned(), |missing| missing.to_string());
        let computed = format!("{} missing={missing}", computed(&vector));
        assert_eq!(computed, vector.line);
    }
}

#[test]
fn without_a_baseline_all_digits_agree() {
    let vectors = vectors(ALONE, false);
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        assert_eq!(computed(&vector), vector.line);
    }
}

#[test]
fn the_evidence_of_several_routes_agrees() {
    let all = ln_e_any_route(&[5.0, 0.0, -1.0]);
    assert_eq!(format!("{all:.9}"), "3.662886502");
}

#[test]
fn the_thresholds_of_the_text_agree() {
    let level = Confidence::default().ln_level();
    assert_eq!(format!("{level:.6}"), "2.995732");
    // Five blocks are not sufficient for FAIL, and six are.
    let blocks = |n| Counts::paired(n, n, 0).expect("valid").ln_e_above(0.0);
    assert!(blocks(5) < level && level < blocks(6));
    // Without differences PASS needs 3 644 requests at 0.1 %.
    let clean = |n| Counts::paired(n, 0, 0).expect("valid").ln_e_below(0.001);
    assert!(clean(3_643) < level && level <= clean(3_644));
}
