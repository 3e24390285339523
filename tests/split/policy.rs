//! S5, S6: forced subsets, policies that panic, invalid splits, and the headers and extensions that
//! name the subset.

use std::{
    convert::Infallible,
    sync::{LazyLock, Mutex},
};

use http::{HeaderName, Request, Response};
use tower::{Layer, service_fn, util::BoxCloneSyncService};
use tower_mirror::{
    Draw, Force, Key, ServedBy, WeightedSplit, WeightedSplitLayer,
    split::{BoxedSubset, ForceSource, InvalidSplit, Reason},
};
use tower_mirror_testing::{
    lock,
    split::{Named, answer, builder, served, split},
};

fn with(fields: &[(&'static str, &'static str)]) -> Request<String> {
    let request = Request::builder();
    let request = fields.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(String::new()).unwrap()
}

fn by_testers(force: ForceSource) -> Force {
    force.when(|head| head.headers.contains_key("x-tester"))
}

#[test]
fn who_is_trusted_may_name_a_subset() {
    let forced = |force| {
        let split = builder(
            "catalog",
            &[("v1", 1), ("v2", 0)],
            Draw::key(Key::header("x-user")),
        );
        split.force(by_testers(force)).build().unwrap()
    };
    let mut by_header = forced(Force::header("x-version"));
    let mut by_cookie = forced(Force::cookie("version"));
    let tester = ("x-tester", "1");
    let cases: [(&[_], _, Reason); 9] = [
        (
            &[tester, ("x-version", "v2"), ("cookie", "a=b; version=v2")],
            "v2",
            Reason::Forced,
        ),
        (
            &[
                tester,
                ("x-version", "v2"),
                ("cookie", "version=v2"),
                ("x-user", "ada"),
            ],
            "v2",
            Reason::Forced,
        ),
        (
            &[tester, ("x-version", "v1"), ("cookie", "version=v1")],
            "v1",
            Reason::Forced,
        ),
        (
            &[("x-version", "v2"), ("cookie", "version=v2")],
            "v1",
            Reason::Weighted,
        ),
        (
            &[("x-version", "v9"), ("cookie", "version=v9")],
            "v1",
            Reason::Weighted,
        ),
        (&[tester], "v1", Reason::Weighted),
        // These names are unknown, and each is counted.
        (
            &[tester, ("x-version", "v9"), ("cookie", "version=v9")],
            "v1",
            Reason::Weighted,
        ),
        (
            &[
                tester,
                ("x-version", "V2"),
                ("cookie", "version=V2"),
                ("x-user", "ada"),
            ],
            "v1",
            Reason::Keyed,
        ),
        (
            &[tester, ("x-version", ""), ("cookie", "version=")],
            "v1",
            Reason::Weighted,
        ),
    ];
    for split in [&mut by_header, &mut by_cookie] {
        for (fields, expected, reason) in &cases {
            let answer = answer(split, with(fields));
            assert_eq!(served(&answer).reason, *reason, "{fields:?}");
            assert_eq!(answer.into_body(), *expected, "{fields:?}");
        }
        let stats = split.handle().stats();
        assert_eq!(stats.unknown_forced, 3, "{stats}");
        // A force works even if all weights are zero, and does not change the observed shares.
        split.handle().set_weight("v1", 0).unwrap();
        assert_eq!(answer(split, with(cases[0].0)).into_body(), "v2");
        let stats = split.handle().stats();
        let (v1, v2) = (stats.subset("v1").unwrap(), stats.subset("v2").unwrap());
        assert_eq!(
            (v1.forced, v1.keyed, v1.weighted, v1.observed),
            (1, 1, 5, 1.0)
        );
        assert_eq!(
            (v2.forced, v2.keyed, v2.weighted, v2.observed),
            (3, 0, 0, 0.0)
        );
    }
    // Forcing is off by default.
    let mut off = split(&[("v1", 1), ("v2", 0)], Draw::even());
    assert_eq!(answer(&mut off, with(cases[0].0)).into_body(), "v1");
}

#[test]
fn a_policy_that_panics_fails_no_request() {
    let key = Key::from_fn(|head| match head.headers.get("x-user") {
        Some(user) if user == "bad" => panic!("a key that panics"),
        user => user.map(|user| user.as_bytes().to_vec()),
    });
    let force = Force::header("x-version").when(|_| panic!("a predicate that panics"));
    let split = builder("catalog", &[("v1", 1), ("v2", 0)], Draw::key(key));
    let mut split = split.force(force).build().unwrap();
    for field in [("x-user", "bad"), ("x-version", "v2")] {
        let answer = answer(&mut split, with(&[field]));
        assert_eq!(served(&answer).reason, Reason::Weighted);
        assert_eq!(answer.into_body(), "v1");
    }
    assert_eq!(split.handle().stats().policy_panics, 2);
    let good = answer(&mut split, with(&[("x-user", "ada")]));
    assert_eq!(served(&good).reason, Reason::Keyed);
    let table = split.handle().stats().to_string();
    assert!(
        table.contains("panics in a key or trust predicate"),
        "{table}"
    );
}

#[test]
fn what_is_no_split_is_an_error_that_says_why() {
    let build = |names: &[&'static str], fallbacks: &[(&str, &str)]| {
        let weights: Vec<_> = names.iter().map(|name| (*name, 1)).collect();
        let split = builder("catalog", &weights, Draw::even());
        let fall = fallbacks.iter();
        let split = fall.fold(split, |split, (from, to)| split.fallback(*from, *to));
        split.build().map(|_| ())
    };
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: [Case; 12] = [
        (&[], &[], "at least one subset"),
        (&[""], &[], "invalid subset name \"\""),
        (&["v 1"], &[], "invalid subset name \"v 1\""),
        (&["v1", "vé"], &[], "invalid subset name \"vé\""),
        (&["v1\n"], &[], r#"invalid subset name "v1\n""#),
        (&["v1", "v2", "v1"], &[], "two subsets are named \"v1\""),
        (
            &["v1"],
            &[("v1", "v2")],
            "names \"v2\", but no subset has this name",
        ),
        (
            &["v1"],
            &[("v2", "v1")],
            "names \"v2\", but no subset has this name",
        ),
        (
            &["v1", "v2", "v3"],
            &[("v1", "v2"), ("v1", "v3")],
            "\"v1\" has two fallbacks",
        ),
        (&["v1"], &[("v1", "v1")], "\"v1\" falls back to itself"),
        (
            &["v1", "v2"],
            &[("v1", "v2"), ("v2", "v1")],
            "falls back to itself",
        ),
        (
            &["v1", "v2", "v3"],
            &[("v1", "v2"), ("v2", "v3"), ("v3", "v2")],
            "falls back to itself",
        ),
    ];
    for (names, fallbacks, expected) in cases {
        let error = build(names, fallbacks).unwrap_err();
        assert!(error.to_string().contains(expected), "{names:?}: {error}");
    }
    let chain = [("v1", "v2"), ("v2", "v3"), ("v4", "v2")];
    assert_eq!(build(&["v1", "v2", "v3", "v4"], &chain), Ok(()));

    type Layers = BoxedSubset<String, &'static str, Infallible>;
    for inner in [0, 2] {
        let layer = WeightedSplitLayer::<Layers>::builder("catalog");
        let layer = (0..inner).fold(layer, |layer, at| layer.inner(format!("v{at}"), 1));
        let error = layer.subset("beside", 1, Named("beside")).build().err();
        assert!(matches!(error, Some(InvalidSplit::Inner { count, .. }) if count == inner));
        assert!(
            error
                .unwrap()
                .to_string()
                .contains(&format!("it was called {inner} times"))
        );
    }
}

#[test]
fn the_request_and_the_answer_name_the_subset() {
    static SEEN: LazyLock<Mutex<Vec<ServedBy>>> = LazyLock::new(Mutex::default);
    let subset = service_fn(async |request: Request<String>| {
        lock(&SEEN).push(request.extensions().get::<ServedBy>().unwrap().clone());
        Ok::<_, Infallible>(Response::new("a subset"))
    });
    let header = HeaderName::from_static("x-served-by");
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 1, BoxCloneSyncService::new(subset))
        .subset("v2", 1, BoxCloneSyncService::new(subset))
        .draw(Draw::sequence([0, u64::MAX]))
        .response_header(header.clone())
        .build()
        .unwrap();
    split.handle().set_weight("v1", 2).unwrap();
    for (turn, name) in ["v1", "v2"].into_iter().enumerate() {
        // A value that the client has sent has no influence.
        let answer = answer(&mut split, with(&[("x-served-by", "me")]));
        let named = served(&answer);
        assert_eq!(
            (&*named.split, &*named.subset, named.generation),
            ("catalog", name, 1)
        );
        assert_eq!(named.reason, Reason::Weighted);
        assert_eq!(lock(&SEEN)[turn], *named);
        assert_eq!(answer.headers()[&header], name);
    }
    let reasons = [Reason::Forced, Reason::Keyed, Reason::Weighted];
    assert_eq!(
        reasons.map(|reason| reason.to_string()),
        ["forced", "keyed", "weighted"]
    );

    // A layer returns the same errors.
    let layer = WeightedSplitLayer::builder("catalog").inner("v1", 1);
    let layer = layer.response_header(header.clone()).build().unwrap();
    let answer = answer(&mut layer.layer(Named("v1")), with(&[]));
    assert_eq!(answer.headers()[&header], "v1");
    assert_eq!(&*served(&answer).subset, "v1");
}

#[test]
fn without_served_by_only_the_header_names_the_subset() {
    let subset = service_fn(async |request: Request<String>| {
        assert_eq!(request.extensions().get::<ServedBy>(), None);
        Ok::<_, Infallible>(Response::new("a subset"))
    });
    let header = HeaderName::from_static("x-served-by");
    let mut split = WeightedSplit::builder("catalog")
        .subset("v1", 1, BoxCloneSyncService::new(subset))
        .response_header(header.clone())
        .without_served_by()
        .build()
        .unwrap();
    let answer = answer(&mut split, with(&[]));
    assert_eq!(answer.extensions().get::<ServedBy>(), None);
    assert_eq!(answer.headers()[&header], "v1");
    assert_eq!(split.handle().stats().subset("v1").unwrap().served(), 1);
}
