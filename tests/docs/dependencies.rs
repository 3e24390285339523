//! Compares `docs/dependencies.md` with `Cargo.toml`, and checks the licences and Rust versions of
//! all crates in the build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

/// The permitted licences besides MIT and Apache-2.0, which every other crate offers.
const LICENCES: [(&str, &str); 6] = [
    ("foldhash", "Zlib"),
    ("ring", "Apache-2.0 AND ISC"),
    ("rustls-webpki", "ISC"),
    ("subtle", "BSD-3-Clause"),
    ("unicode-ident", "(MIT OR Apache-2.0) AND Unicode-3.0"),
    ("untrusted", "ISC"),
];

fn cargo(arguments: &[&str]) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the metadata of every crate in the build, without access to a registry.
fn metadata() -> Value {
    let version = cargo(&["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let arguments = [
        "metadata",
        "--format-version=1",
        "--offline",
        "--all-features",
    ];
    let of_host = ["--filter-platform", host.unwrap()];
    serde_json::from_str(&cargo(&[&arguments[..], &of_host].concat())).unwrap()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

/// Returns this crate, and all crates that a program with it builds.
fn built(metadata: &Value) -> Vec<&Value> {
    let nodes: BTreeMap<_, _> = list(&metadata["resolve"], "nodes")
        .iter()
        .map(|node| (text(node, "id"), node))
        .collect();
    let is_built = |dependency: &&Value| {
        let kinds = list(dependency, "dep_kinds");
        kinds.iter().any(|kind| kind["kind"] != "dev")
    };
    let (mut found, mut next) = (BTreeSet::new(), vec![text(&metadata["resolve"], "root")]);
    while let Some(id) = next.pop() {
        if found.insert(id) {
            let dependencies = list(nodes[id], "deps").iter().filter(is_built);
            next.extend(dependencies.map(|dependency| text(dependency, "pkg")));
        }
    }
    let packages = list(metadata, "packages").iter();
    packages
        .filter(|package| found.contains(text(package, "id")))
        .collect()
}

/// Returns the major and the minor version, as in `1.85` or `1.85.0`.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn nothing_asks_for_a_later_rust() {
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let metadata = metadata();
    let built = built(&metadata);
    assert!(built.len() > 20, "{} crates", built.len());
    for package in built
        .iter()
        .filter(|package| package["name"] != "tower-mirror")
    {
        let theirs = package["rust_version"].as_str().map_or((0, 0), version);
        assert!(theirs <= ours, "{} needs {theirs:?}", package["id"]);
    }
}

#[test]
fn every_licence_is_one_of_two() {
    let metadata = metadata();
    for package in built(&metadata) {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        let choices = licence.split(" OR ").flat_map(|choice| choice.split('/'));
        let is_one = choices
            .map(str::trim)
            .any(|choice| matches!(choice, "MIT" | "Apache-2.0"));
        assert!(
            is_one && !licence.contains(" AND ") || LICENCES.contains(&(name, licence)),
            "{name}: {licence}"
        );
    }
}

#[test]
fn every_dependency_is_listed_once() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dependencies.md");
    let document = fs::read_to_string(path).unwrap();
    let section = |heading: &str| {
        let (_, rest) = document.split_once(&format!("\n## {heading}\n")).unwrap();
        let rows = rest.split("\n## ").next().unwrap().lines();
        let names = rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut listed = [section("In the public interface"), section("Inside")].concat();
    listed.sort_unstable();

    let metadata = metadata();
    let ours = list(&metadata, "packages").iter();
    let ours = ours.filter(|package| package["name"] == "tower-mirror");
    let mut declared: Vec<_> = ours
        .flat_map(|package| list(package, "dependencies"))
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| text(dependency, "name").to_owned())
        .collect();
    declared.sort_unstable();
    assert_eq!(listed, declared);
}
