//! Checks of the import graph of the modules, the length of the files, and code that no file may
//! contain.
//!
//! They read `src/` as text. Comments, and so all examples, are omitted.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each module directly below the crate root ("room"), with the parts of the crate that it may use.
/// `lib` is the root, which may use all.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "compare",
        &[
            "request_head",
            "sample",
            "body",
            "guard",
            "observe",
            "detached",
            "mirror",
        ],
    ),
    ("detached", &[]),
    ("error", &[]),
    ("guard", &[]),
    ("headers", &[]),
    ("marker", &[]),
    ("request_head", &["headers"]),
    ("respond", &[]),
    ("stream_end", &[]),
    ("sync", &[]),
    ("time", &["guard"]),
    ("sample", &["guard", "headers", "request_head"]),
    ("rewrite", &["headers"]),
    (
        "body",
        &["detached", "guard", "marker", "stream_end", "sync"],
    ),
    ("buffer", &["body", "marker"]),
    ("observe", &["request_head"]),
    ("metrics", &["mirror", "split", "observe", "compare"]),
    ("guide", &[]),
    (
        "mirror",
        &[
            "BoxError",
            "body",
            "detached",
            "error",
            "guard",
            "headers",
            "marker",
            "observe",
            "request_head",
            "rewrite",
            "sample",
            "sync",
            "time",
        ],
    ),
    (
        "split",
        &[
            "BoxError",
            "error",
            "guard",
            "headers",
            "observe",
            "request_head",
            "respond",
            "sample",
            "time",
        ],
    ),
    (
        "receive",
        &["headers", "marker", "request_head", "respond", "sample"],
    ),
    (
        "client",
        &[
            "BoxError",
            "error",
            "guard",
            "headers",
            "marker",
            "stream_end",
            "time",
        ],
    ),
];

/// The rooms whose files may use each other only in one direction.
const WITHOUT_CYCLES: &[&str] = &["buffer", "client", "mirror", "observe", "split"];

const MOST_LINES: usize = 400;
const FORBIDDEN: &[&str] = &[
    ".unwrap()",
    ".expect(",
    "todo!",
    "unimplemented!",
    "dbg!",
    "println!",
    "print!",
    "unsafe ",
];

struct Source {
    path: PathBuf,
    room: String,
    /// The code of the file, without comments and test modules.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).expect("below the root");
            let first = inside.iter().next().expect("a name");
            sources.push(Source {
                room: first.to_string_lossy().trim_end_matches(".rs").to_owned(),
                code: code_of(&fs::read_to_string(&path).expect("text")),
                path: inside.to_owned(),
            });
        }
    }
    assert!(sources.len() > 20, "not all files of src/ were found");
    sources
}

/// Returns the code that is compiled without tests. It omits comments and everything after
/// `#[cfg(test)]`.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let without_comment = |line: &str| match line.trim_start() {
        comment if comment.starts_with("//") => String::new(),
        _ => line.split(" // ").next().unwrap_or_default().to_owned(),
    };
    let lines: Vec<String> = code.lines().map(without_comment).collect();
    lines.join("\n")
}

/// Returns the first name of every path that begins with `crate::`, including the paths in braces,
/// and of every path that leaves its room with `super::`.
fn used(source: &Source) -> BTreeSet<String> {
    let code = &source.code;
    let mut used = BTreeSet::new();
    for (at, root) in code.match_indices("crate::") {
        used.extend(first_names(&code[at + root.len()..]));
    }
    // A file in a room's folder is one level below the room, and its `mod.rs` is the room.
    let is_room = source.path.ends_with("mod.rs") || source.path.iter().count() == 1;
    let climb = if is_room { "super::" } else { "super::super::" };
    for (at, root) in code.match_indices(climb) {
        used.extend(first_names(&code[at + root.len()..]));
    }
    used
}

fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let is_part = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '*';
        text.trim_start().chars().take_while(is_part).collect()
    };
    let Some(list) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut names, mut depth, mut is_start) = (Vec::new(), 0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            c if is_start && !c.is_whitespace() => {
                names.push(name(&list[at..]));
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn every_room_uses_only_what_it_may() {
    for source in sources() {
        if source.room == "lib" {
            continue;
        }
        let room = ROOMS.iter().find(|(room, _)| *room == source.room);
        let (room, allowed) = room.unwrap_or_else(|| panic!("{:?} is in no room", source.path));
        // `pub(in crate::mirror)` and the like name the room itself.
        for name in used(&source) {
            assert!(
                name == *room || allowed.contains(&name.as_str()),
                "{:?} uses crate::{name}",
                source.path
            );
        }
    }
}

#[test]
fn the_scan_finds_what_it_looks_for() {
    let source = |path: &str, code: &str| Source {
        path: PathBuf::from(path),
        room: "body".into(),
        code: code_of(code),
    };
    let names = |path, code| used(&source(path, code)).into_iter().collect::<Vec<_>>();
    let cases = [
        ("use crate::mirror::Mirror;", "mirror"),
        (
            "use crate::{\n    BoxError,\n    body::{Lost, shadow::*},\n    observe,\n};",
            "BoxError body observe",
        ),
        ("let x = crate::sample::Draw::even();", "sample"),
        ("use crate::*;", "*"),
        ("use super::super::mirror::Mirror;", "mirror"),
        ("use super::queue::Queue;", ""),
        (
            "/// use crate::mirror::Mirror;\n//! crate::mirror\nx(); // crate::mirror",
            "",
        ),
        ("#[cfg(test)]\nmod tests { use crate::mirror; }", ""),
    ];
    for (code, expected) in cases {
        assert_eq!(names("body/tee.rs", code).join(" "), expected, "{code}");
    }
    assert_eq!(
        names("body/mod.rs", "use super::mirror::Mirror;"),
        ["mirror"]
    );
    // Every room in the graph exists, and every use in the graph occurs.
    let all = sources();
    for (room, _) in ROOMS {
        assert!(all.iter().any(|source| source.room == *room), "{room}");
    }
    let by_mirror: BTreeSet<_> = all
        .iter()
        .filter(|source| source.room == "mirror")
        .flat_map(used)
        .collect();
    assert!(
        [
            "request_head",
            "sample",
            "rewrite",
            "body",
            "observe",
            "BoxError"
        ]
        .iter()
        .all(|room| by_mirror.contains(*room))
    );
}

/// Returns the files of its room that a file uses: the first name after each `super::`.
fn neighbours(source: &Source) -> BTreeSet<String> {
    let paths = source.code.match_indices("super::");
    paths
        .flat_map(|(at, root)| first_names(&source.code[at + root.len()..]))
        .collect()
}

/// Returns the files of a room that use each other in a cycle, and the files that use these.
/// `mod.rs` does not count, because it uses all other files.
fn in_a_cycle(files: &[(&str, BTreeSet<String>)]) -> Vec<String> {
    let mut left = files.to_vec();
    // A file that uses none of the remaining files is not in a cycle.
    loop {
        let names: BTreeSet<String> = left.iter().map(|(name, _)| (*name).to_owned()).collect();
        left.retain(|(_, used)| !used.is_disjoint(&names));
        if left.len() == names.len() {
            return names.into_iter().collect();
        }
    }
}

/// Asserts that the files have an order in which each file comes after the files that it uses.
#[test]
fn the_files_of_a_room_use_each_other_in_one_direction() {
    let sources = sources();
    for room in WITHOUT_CYCLES {
        let of_room = |source: &&Source| {
            source.room == *room
                && !source.path.ends_with("mod.rs")
                && source.path.iter().count() == 2
        };
        let files: Vec<_> = sources
            .iter()
            .filter(of_room)
            .filter_map(|source| Some((source.path.file_stem()?.to_str()?, neighbours(source))))
            .collect();
        assert!(files.len() > 5, "not all files of src/{room} were found");
        assert_eq!(in_a_cycle(&files), [""; 0], "src/{room}");
    }
    let uses = |name, used: &[&str]| (name, used.iter().map(|&used| used.to_owned()).collect());
    let files = [
        uses("leaf", &[]),
        uses("a", &["b", "leaf"]),
        uses("b", &["a"]),
        uses("top", &["a"]),
    ];
    assert_eq!(in_a_cycle(&files), ["a", "b", "top"]);
}

#[test]
fn every_file_is_short_enough_to_be_read() {
    for source in sources() {
        let lines = source
            .code
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count();
        assert!(lines <= MOST_LINES, "{:?}: {lines} lines", source.path);
    }
}

#[test]
fn nothing_gives_up() {
    for source in sources() {
        for forbidden in FORBIDDEN {
            assert!(
                !source.code.contains(forbidden),
                "{:?}: {forbidden}",
                source.path
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).expect("text");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//!") || first.starts_with("#![doc"),
            "{:?}",
            source.path
        );
    }
}

#[test]
fn every_chapter_is_in_the_guide_and_short_enough_to_be_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("src/guide.rs")).expect("text");
    let chapters: Vec<_> = fs::read_dir(root.join("docs/guide"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert!(!chapters.is_empty());
    for chapter in chapters {
        let name = chapter.file_name().expect("a name").to_string_lossy();
        assert!(
            guide.contains(&format!("{name:?}")),
            "{name} is in no module"
        );
        let lines = fs::read_to_string(&chapter).expect("text").lines().count();
        assert!(lines <= MOST_LINES, "{name}: {lines} lines");
    }
}
