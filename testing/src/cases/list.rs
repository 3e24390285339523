//! The list of the cases that are counted, with their names.

use super::{Case, Named, Shaped, body::Shape, compares, copies, splits, unsampled};

pub type Make = Box<dyn Fn() -> Case>;

pub const SHAPES: [Shape; 4] = [Shape::EMPTY, Shape::SMALL, Shape::SHARED, Shape::MEBIBYTE];

/// All cases, with their names in `tests/allocations.txt`.
pub fn all() -> Vec<(String, Make)> {
    let mut all: Vec<(String, Make)> = Vec::new();
    let calls: [Named; 15] = [
        ("call, bare", unsampled::bare),
        ("call, identity", unsampled::identity),
        ("unsampled, 0 %", unsampled::at_zero),
        ("unsampled, even", unsampled::even),
        ("unsampled, random", unsampled::random),
        ("unsampled, keyed", unsampled::keyed),
        ("unsampled, filtered", unsampled::filtered),
        ("unsampled, compared", compares::unsampled),
        ("compare, range", compares::not_compared),
        ("compare, alone", compares::alone),
        ("compare, paired", compares::paired),
        ("split, by hand", splits::by_hand),
        ("split, even", splits::even),
        ("split, keyed", splits::keyed),
        ("split, without ServedBy", splits::without_served_by),
    ];
    for (name, make) in calls {
        all.push((name.to_owned(), Box::new(make)));
    }
    let copies: [Shaped; 7] = [
        ("bare", copies::bare),
        ("floor", copies::by_hand),
        ("marking floor", copies::marked_by_hand),
        ("buffered", copies::buffered),
        ("streaming", copies::streaming),
        ("behind a buffer", copies::behind_a_buffer),
        ("naive", copies::naive),
    ];
    for shape in SHAPES {
        for (name, make) in copies {
            all.push((format!("{name}, {shape}"), Box::new(move || make(shape))));
        }
    }
    all
}

/// Finds a case by its name.
pub fn case(name: &str) -> Case {
    let all = all();
    let found = all.iter().find(|(known, _)| known == name);
    let (_, make) = found.unwrap_or_else(|| panic!("no case has the name {name}"));
    make()
}
