//! `docs/conformance.md` lists every case, and every test that it names exists.

use std::{collections::BTreeSet, fs, path::Path};

use tower_mirror_testing::wire::cases;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document() -> String {
    read("docs/conformance.md")
}

/// The text from this heading to the next.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// The cells of each row of its tables, without the header rows.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix('|'));
    let rows = lines.map(|line| {
        let cells = line.trim_end_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`')).collect()
    });
    rows.skip(2).collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_number_is_listed_once_with_what_comes_of_it() {
    let document = document();
    let numbers = |heading| {
        let rows = rows(section(&document, heading));
        for row in &rows {
            assert_eq!(row.len(), 5, "{row:?}");
            assert!(!row[3].is_empty(), "{row:?}");
            assert!(!row[4].is_empty() || row[3].starts_with("n/a: "), "{row:?}");
        }
        rows.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>()
    };
    let mirroring: Vec<_> = (1..=50).map(|number| number.to_string()).collect();
    assert_eq!(numbers("Mirroring"), mirroring);

    let series = |name: &'static str, last: u32| (1..=last).map(move |at| format!("{name}{at}"));
    let split: Vec<_> = series("GA", 7)
        .chain(["GA7b".to_owned(), "GA8".to_owned()])
        .chain(series("EV", 13))
        .chain(series("IS", 2))
        .chain(series("TR", 2))
        .chain(series("LI", 3))
        .chain(series("TW", 10))
        .collect();
    assert_eq!(numbers("The weighted split"), split);
}

#[test]
fn every_test_that_is_named_is_there() {
    let document = document();
    let tests: BTreeSet<_> = quoted(&document)
        .filter_map(|name| name.split_once("::"))
        .collect();
    assert!(tests.len() > 50, "{tests:?}");
    for (file, name) in tests {
        let is_ours = file.starts_with("proxy/");
        let folder = if is_ours { "proxy/tests" } else { "tests" };
        let source = read(&format!("{folder}/{file}"));
        assert!(source.contains(&format!("fn {name}()")), "{file}::{name}");
    }
}

#[test]
fn every_case_on_the_wire_has_its_results_and_its_place() {
    let document = document();
    let results = rows(section(&document, "On the wire"));
    let names: Vec<_> = results.iter().map(|row| row[0]).collect();
    let expected: Vec<_> = cases().map(|case| case.name).collect();
    assert_eq!(names, expected);
    for row in &results {
        // The tests of this suite say the same; here is only what else the document may not claim.
        assert!(
            row[1..3]
                .iter()
                .all(|cell| matches!(*cell, "passes" | "n/a")),
            "{row:?}"
        );
    }
    let placed: BTreeSet<_> = quoted(section(&document, "Mirroring")).collect();
    for name in expected {
        assert!(placed.contains(name), "{name} is in no row");
    }
}
