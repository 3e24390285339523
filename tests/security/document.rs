//! Checks that all tests in `SECURITY.md` exist, and that it lists the headers that are removed.

use std::{collections::BTreeSet, fs, path::Path};

use http::{HeaderName, HeaderValue, Request};
use tower_mirror::rewrite::strip_credentials;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_is_named_is_there() {
    let document = read("SECURITY.md");
    let tests: BTreeSet<_> = quoted(&document)
        .filter_map(|name| name.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
        .collect();
    assert!(tests.len() > 25, "{tests:?}");
    for (file, name) in tests {
        let source = read(file);
        assert!(source.contains(&format!("fn {name}(")), "{file}::{name}");
    }
}

#[test]
fn the_headers_that_are_stripped_are_those_listed() {
    let document = read("SECURITY.md");
    let (_, list) = document
        .split_once("`strip_credentials()` removes ")
        .unwrap();
    let (list, _) = list.split_once(".\n").unwrap();
    let listed: BTreeSet<_> = quoted(list).map(str::to_owned).collect();

    // The candidates are all listed headers, and headers that must stay.
    let source = read("src/rewrite/credentials.rs");
    let names = quoted(&source).chain(source.split('"').skip(1).step_by(2));
    let names = names
        .chain(quoted(&document))
        .chain(["accept", "host", "authorisation"]);
    let (mut copy, ()) = Request::new(()).into_parts();
    for name in names.filter_map(|name| name.parse::<HeaderName>().ok()) {
        copy.headers.insert(name, HeaderValue::from_static("a"));
    }
    let all = copy.headers.clone();
    strip_credentials()(&mut copy);
    let stripped: BTreeSet<_> = all
        .keys()
        .filter(|name| !copy.headers.contains_key(*name))
        .map(|name| name.as_str().to_owned())
        .collect();
    assert_eq!(stripped, listed);
    assert_eq!(stripped.len(), 19);
}
