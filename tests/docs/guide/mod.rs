//! The functions that the chapters of the guide show are run here.
//!
//! Each file contains a code block of a chapter, and tests of it. The guide shows no hidden lines, so that it reads the same in the
//! repository and in rustdoc; hence the tests are here.

mod body_mode;
mod dashboard;
mod drain;
mod how_long;
mod is_v2_right;
mod observed;
mod promote;
mod ramp;
mod rollout;
mod serve;

/// The chapter, and the code of one of its blocks with tests.
const SHOWN: [(&str, &str); 10] = [
    (
        include_str!("../../../docs/guide/body-mode.md"),
        include_str!("body_mode.rs"),
    ),
    (
        include_str!("../../../docs/guide/is-v2-right.md"),
        include_str!("how_long.rs"),
    ),
    (
        include_str!("../../../docs/guide/is-v2-right.md"),
        include_str!("is_v2_right.rs"),
    ),
    (
        include_str!("../../../docs/guide/outcomes.md"),
        include_str!("dashboard.rs"),
    ),
    (
        include_str!("../../../docs/guide/outcomes.md"),
        include_str!("observed.rs"),
    ),
    (
        include_str!("../../../docs/guide/rolling-out.md"),
        include_str!("promote.rs"),
    ),
    (
        include_str!("../../../docs/guide/rolling-out.md"),
        include_str!("ramp.rs"),
    ),
    (
        include_str!("../../../docs/guide/rolling-out.md"),
        include_str!("rollout.rs"),
    ),
    (
        include_str!("../../../docs/guide/shutting-down.md"),
        include_str!("drain.rs"),
    ),
    (
        include_str!("../../../docs/guide/shutting-down.md"),
        include_str!("serve.rs"),
    ),
];

fn blocks(chapter: &str) -> impl Iterator<Item = &str> {
    let after_fence = chapter.split("```rust\n").skip(1);
    after_fence.map(|rest| rest.split("```").next().unwrap_or(rest))
}

#[test]
fn what_is_run_here_is_what_the_chapter_shows() {
    for (chapter, code) in SHOWN {
        let shown = blocks(chapter).filter(|block| code.contains(block));
        assert_eq!(shown.count(), 1, "no block of the chapter is in\n{code}");
    }
}

#[test]
fn no_chapter_hides_lines() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide");
    let mut chapters = 0;
    for file in std::fs::read_dir(guide).unwrap() {
        let chapter = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in blocks(&chapter).flat_map(str::lines) {
            let line = line.trim_start();
            assert!(line != "#" && !line.starts_with("# "), "{line}");
        }
        chapters += 1;
    }
    assert_eq!(chapters, 10);
}
