//! The trace context of copies.

use std::collections::BTreeSet;

use http::{Request, request::Parts};
use tower_mirror::{
    MirrorBuilder, MirrorLayer, Outcome,
    rewrite::{new_trace, remove_trace},
};
use tower_mirror_testing::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn head(parents: &[&str]) -> Parts {
    let mut request = Request::get("/")
        .header("tracestate", "a=1")
        .header("baggage", "b=2");
    for parent in parents {
        request = request.header("traceparent", *parent);
    }
    request.body(()).expect("a request").into_parts().0
}

fn rewritten(rewrite: impl Fn(&mut Parts), parents: &[&str]) -> Parts {
    let mut head = head(parents);
    rewrite(&mut head);
    assert_eq!(head.headers["baggage"], "b=2");
    head
}

/// Returns the trace id, the parent id and the flags of the only `traceparent`.
fn parent(head: &Parts) -> Option<[String; 3]> {
    let mut values = head.headers.get_all("traceparent").iter();
    let value = values.next()?.to_str().expect("text");
    assert!(values.next().is_none());
    let fields: Vec<_> = value.split('-').map(str::to_owned).collect();
    let [version, trace, parent, flags] = fields.try_into().expect("four fields");
    assert_eq!(version, "00");
    let is_id = |id: &str, digits| {
        let is_hex = id
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        id.len() == digits && is_hex && id.bytes().any(|digit| digit != b'0')
    };
    assert!(is_id(&trace, 32) && is_id(&parent, 16), "{value}");
    Some([trace, parent, flags])
}

#[test]
fn a_dropped_trace_leaves_nothing() {
    for parents in [&[PARENT][..], &["nonsense"], &[PARENT, PARENT], &[]] {
        let head = rewritten(remove_trace(), parents);
        assert_eq!(head.headers.keys().collect::<Vec<_>>(), ["baggage"]);
    }
}

#[test]
fn a_new_trace_is_valid_new_and_sampled_as_the_old_one() {
    let mut seen = BTreeSet::new();
    for (flags, sampled) in [
        ("00", "00"),
        ("01", "01"),
        // In version 00 only the lowest bit has a meaning.
        ("02", "00"),
        ("03", "01"),
        ("fe", "00"),
        ("ff", "01"),
        ("0a", "00"),
        ("0b", "01"),
    ] {
        let old = format!("{}{flags}", &PARENT[..PARENT.len() - 2]);
        for _ in 0..100 {
            let head = rewritten(new_trace(), &[&old]);
            let [trace, parent, found] = parent(&head).expect("a parent");
            assert_eq!(found, sampled, "{flags}");
            assert!(!PARENT.contains(&trace) && !PARENT.contains(&parent));
            assert!(seen.insert(trace) && seen.insert(parent));
            assert!(!head.headers.contains_key("tracestate"));
        }
    }
    // Later versions may have this form, with any further fields.
    let later = PARENT.replace("00-0af", "01-0af") + "-more";
    let head = rewritten(new_trace(), &[&later]);
    assert_eq!(parent(&head).expect("a parent")[2], "01");
}

#[test]
fn without_a_valid_trace_there_is_no_new_one() {
    let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let orphan = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
    let invalid = PARENT.replace("00-0af", "ff-0af");
    let longer = format!("{PARENT}-more");
    let upper = PARENT.to_uppercase();
    for parents in [
        &[][..],
        &[""],
        &["nonsense"],
        &[zero],
        &[orphan],
        &[&invalid],
        &[&longer],
        &[&upper],
        &[&PARENT[1..]],
        &[PARENT, PARENT],
    ] {
        let head = rewritten(new_trace(), parents);
        assert_eq!(
            head.headers.keys().collect::<Vec<_>>(),
            ["baggage"],
            "{parents:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_kept_unless_a_rewrite_changes_it() {
    for parents in [&[PARENT][..], &["nonsense"], &[PARENT, PARENT], &[]] {
        let was = head(parents);
        let copy = copied(parents, |mirror| mirror).await;
        for name in ["traceparent", "tracestate", "baggage"] {
            let values =
                |head: &Parts| -> Vec<_> { head.headers.get_all(name).iter().cloned().collect() };
            assert_eq!(values(&copy), values(&was), "{name} of {parents:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_copy_changes() {
    let is_same = |copy: Parts| {
        let parent = copy.headers.get("traceparent");
        parent.map(|parent| parent == PARENT)
    };
    let kept = copied(&[PARENT], |mirror| mirror).await;
    assert_eq!(is_same(kept), Some(true));
    let new = copied(&[PARENT], |mirror| mirror.rewrite(new_trace())).await;
    assert_eq!(is_same(new), Some(false));
    let removed = copied(&[PARENT], |mirror| mirror.rewrite(remove_trace())).await;
    assert_eq!(is_same(removed), None);
}

/// Returns the head of the copy. The primary must receive the unchanged request.
async fn copied(parents: &[&str], configure: impl FnOnce(MirrorBuilder) -> MirrorBuilder) -> Parts {
    let (shadow, primary) = (TestShadow::recording(), Primary::reading());
    let mirror = configure(MirrorLayer::builder(shadow.share())).build();
    let request = Request::from_parts(head(parents), Script::default().knowing_end());
    serve(&mirror, &primary, request).await.expect("an answer");
    assert_only(&settled(&mirror.handle(), 1).await, Outcome::Completed);
    assert_eq!(primary.one().0.headers, head(parents).headers);
    shadow.one().head
}
