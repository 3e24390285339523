//! Answers and texts of other projects. They are not a part of this repository: `TOWER_MIRROR_CORPUS` or `../shared/corpus` has them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use tower_mirror::compare::{Answer, Comparer, Rules};

use super::{found, json};

/// The folder with real answers. Without it, the tests say that they are skipped.
fn answers() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let corpus = env::var_os("TOWER_MIRROR_CORPUS").map_or_else(beside, PathBuf::from);
    let folder = corpus.join("answers");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: TOWER_MIRROR_CORPUS does not name a folder with `answers`");
    None
}

#[test]
fn json_test_suite() {
    let Some(folder) = answers() else { return };
    let mut counts = [0; 3];
    for entry in fs::read_dir(folder.join("json-test-suite")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read(&path).expect("a file");
        // Another text than each of the suite.
        let found = found(&Rules::default(), &json(&text), &json("[\"other text\"]"));
        let is_json = found.expect("cheap") != [":body syntax"];
        match name.as_bytes().first() {
            Some(b'y') => {
                counts[0] += 1;
                assert!(is_json, "{name} is refused");
            }
            Some(b'n') => {
                counts[1] += 1;
                assert!(!is_json, "{name} is accepted");
            }
            _ => counts[2] += 1,
        }
    }
    assert_eq!(counts, [95, 188, 35], "the suite was not found whole");
}

/// A recording of `GET /repos/octokit-fixture-org/hello-world`.
fn recorded(folder: &Path, commit: &str) -> Answer {
    let file = folder.join(format!("octokit/get-repository.{commit}.json"));
    let text = fs::read_to_string(file).expect("a file");
    let recording: Value = serde_json::from_str(&text).expect("JSON");
    let recording = &recording[0];
    let headers = recording["rawHeaders"].as_array().expect("a list");
    let status = recording["status"].as_u64().expect("a number");
    let mut answer = Response::builder().status(u16::try_from(status).expect("a status"));
    for pair in headers.chunks(2) {
        let text = |at: usize| pair[at].as_str().expect("a text");
        answer = answer.header(text(0), text(1));
    }
    // `content-encoding` is the recorded one; the body is recorded without it.
    let headers = answer.headers_mut().expect("a head");
    headers.remove("content-encoding");
    let body = Bytes::from(recording["response"].to_string());
    Answer::from(answer.body(body).expect("a head"))
}

const ADDED: [&str; 6] = [
    "/allow_update_branch added",
    "/is_template added",
    "/topics added",
    "/use_squash_pr_title_as_default added",
    "/visibility added",
    "/web_commit_signoff_required added",
];

#[test]
fn two_versions_of_a_public_api() {
    let Some(folder) = answers() else { return };
    let [old, same, new] =
        ["a864e67", "74a18db", "b33a6c6"].map(|commit| recorded(&folder, commit));
    let rules = Rules::default();
    // Only headers differ, and all of them are noise.
    assert_eq!(found(&rules, &old, &same), Ok(vec![]));
    assert_eq!(
        found(&rules, &same, &new),
        Ok(ADDED.map(str::to_owned).to_vec())
    );
    // With a second v1 as the baseline, all six count against v2, and are named from the fifth request on.
    let mut comparer = Comparer::new(rules);
    for request in 1..=5 {
        let compared = comparer
            .compare(&same, &new, Some(&old))
            .expect("comparable");
        assert!(compared.baseline_only.is_empty() && compared.both.is_empty());
        let paths = compared.shadow_only.iter();
        let mut paths: Vec<_> = paths
            .map(|(path, kind)| format!("{} {kind}", comparer.path(*path)))
            .collect();
        paths.sort();
        if request < 5 {
            assert_eq!(paths, ["/{key} added"; 6]);
        } else {
            assert_eq!(paths, ADDED);
        }
    }
    // A correct v2 beside a baseline that adds the fields.
    let compared = comparer
        .compare(&same, &old, Some(&new))
        .expect("comparable");
    assert_eq!(
        (compared.shadow_only.len(), compared.baseline_only.len()),
        (0, 6)
    );
}

#[test]
fn a_real_answer_against_changed_copies_of_itself() {
    let Some(folder) = answers() else { return };
    for name in ["issue.json", "issues-24.json"] {
        let text = fs::read_to_string(folder.join("octokit").join(name)).expect("a file");
        let mut tree: Value = serde_json::from_str(&text).expect("JSON");
        let pretty = serde_json::to_string_pretty(&tree).expect("JSON");
        assert_eq!(super::between(&text, &pretty), "", "{name}");
        // `serde_json` sorts keys.
        assert_eq!(super::between(&text, tree.to_string()), "", "{name}");
        let (issue, path) = match &mut tree {
            Value::Array(issues) => (&mut issues[0], "/*"),
            issue => (issue, ""),
        };
        issue["title"] = "another title".into();
        issue["user"]["login"] = Value::Null;
        let expected = format!("{path}/title value, {path}/user/login type");
        assert_eq!(super::between(&text, tree.to_string()), expected, "{name}");
    }
}
