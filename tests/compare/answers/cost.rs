//! What a comparison costs: allocations, beside two trees, and how the work grows with the size.

use allocation_counter::measure;
use tower_mirror::compare::Rules;
use tower_mirror_testing::cases::answers::{
    Form, Pair, answer, by_trees, hostile, issues, pairs, walked,
};

/// Allocations of the walker and of two trees.
fn allocations(texts: &[String; 2]) -> (u64, u64) {
    let rules = Rules::default();
    let [a, b] = texts.each_ref().map(|text| answer(text));
    let of = |mut run: Box<dyn FnMut() + '_>| {
        run();
        measure(run).count_total
    };
    (
        of(Box::new(|| _ = walked(&rules, &a, &b))),
        of(Box::new(|| _ = by_trees(texts))),
    )
}

#[test]
fn both_ways_see_the_same_differences() {
    for Pair { name, texts } in pairs() {
        let [a, b] = texts.each_ref().map(|text| answer(text));
        let walked = walked(&Rules::default(), &a, &b);
        let expected = match name {
            "equal" | "reversed keys" => Some(0),
            "one value" => Some(1),
            // `node_id` in issues, users and labels, and two times.
            "many values" => Some(5),
            _ => None,
        };
        assert_eq!(walked, expected, "{name}");
        let trees = by_trees(&texts);
        assert_eq!(trees == 0, expected.unwrap_or(0) == 0, "{name}: {trees}");
    }
}

#[test]
fn equal_answers_allocate_nothing_for_their_content() {
    // A text of one byte has the constant part: the set of differences, the content type.
    let constant = allocations(&["1".into(), "1 ".into()]).0;
    for count in [1, 24, 240] {
        let text = issues(count, &Form::default());
        let (walker, trees) = allocations(&[text.clone(), format!("{text} ")]);
        assert_eq!(walker, constant, "{count} issues");
        assert!(trees > 100 * count as u64, "{trees}");
    }
}

#[test]
fn differing_answers_allocate_by_what_differs() {
    let mut table = String::new();
    for Pair { name, texts } in pairs() {
        let (walker, trees) = allocations(&texts);
        table += &format!("{name}: walker {walker}, two trees {trees}\n");
        let share = match name {
            "equal" | "one value" => 100,
            "hostile" => 1,
            _ => 4,
        };
        assert!(walker * share <= trees, "{table}");
    }
    println!("{table}");
}

/// Fuel is work and not time, so the bound holds on every machine: the text that is just accepted reads as
/// often as the one of another size.
#[test]
fn the_limit_is_a_multiple_of_the_size() {
    let depth_limit = |length: usize| {
        let accepted = |depth: usize| {
            let Pair { texts, .. } = hostile(length, depth);
            let [a, b] = texts.each_ref().map(|text| answer(text));
            walked(&Rules::default(), &a, &b).is_some()
        };
        (1..100).take_while(|depth| accepted(*depth)).count()
    };
    let limits = [20_000, 80_000, 320_000].map(depth_limit);
    assert!(limits[0] >= 8 && limits[0] < 40, "{limits:?}");
    assert!(
        limits.iter().all(|limit| limit.abs_diff(limits[0]) <= 1),
        "{limits:?}"
    );
    let Pair { texts, .. } = hostile(60_000, 100);
    let [a, b] = texts.each_ref().map(|text| answer(text));
    assert_eq!(walked(&Rules::default(), &a, &b), None);
}
