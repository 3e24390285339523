//! How long a verdict takes.

use tower_mirror::compare::{
    Accept, BlockCounter, Confidence, Counts, InvalidCounts, RouteCounts, Tally, judge,
};

/// The requests of each route until PASS, if v2 is right and v1 has no noise.
fn until_pass(tolerated: f64) -> Option<u64> {
    Counts::ZERO.missing(tolerated, Confidence::default())
}

/// The seconds until FAIL, if `differ` of `requests` in each block of 10 s differ only in v2. They belong to the last one of
/// `routes` that are equally busy.
fn until_fail(routes: usize, requests: u64, differ: u64) -> Result<Option<u64>, InvalidCounts> {
    let (right, wrong) = (
        Counts::paired(requests, 0, 0)?,
        Counts::paired(requests, differ, 0)?,
    );
    let fails = |blocks: usize| {
        let of = |block| Tally::from_blocks(vec![block; blocks]);
        let mut rows = vec![RouteCounts::new("right", of(right)); routes - 1];
        rows.push(RouteCounts::new("wrong", of(wrong)).path("/price", "value", of(wrong)));
        judge(&rows, &Accept::default()).is_fail()
    };
    let blocks = (1..1_000).find(|blocks| fails(*blocks));
    Ok(blocks.map(|blocks| blocks as u64 * BlockCounter::BLOCK.as_secs()))
}

mod tests {
    use super::{until_fail, until_pass};

    const CHAPTER: &str = include_str!("../../../docs/guide/is-v2-right.md");

    /// The rows of a table below its heading, with the numbers in them.
    fn rows(heading: &str) -> impl Iterator<Item = Vec<f64>> {
        let table = CHAPTER
            .lines()
            .skip_while(move |line| !line.starts_with(heading));
        let rows = table.skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| {
            let cells = row.trim_matches('|').split('|');
            let number = |cell: &str| {
                let is_part = |c: &char| c.is_ascii_digit() || *c == '.';
                cell.chars()
                    .filter(is_part)
                    .collect::<String>()
                    .parse()
                    .unwrap()
            };
            cells.map(number).collect()
        })
    }

    #[test]
    fn the_table_of_pass_is_computed() {
        let mut seen = 0;
        for row in rows("| tolerated") {
            let requests = until_pass(row[0] / 100.0).unwrap();
            println!("{} {requests}", row[0]);
            assert_eq!(requests as f64, row[1], "tolerated {} %", row[0]);
            seen += 1;
        }
        assert_eq!(seen, 4);
    }

    #[test]
    fn the_table_of_fail_is_computed() {
        let mut seen = 0;
        for row in rows("| routes") {
            let per_block = row[2] * 10.0;
            let differ = per_block * row[1] / 100.0;
            assert_eq!(differ, differ.round(), "a whole number in each block");
            let seconds = until_fail(row[0] as usize, per_block as u64, differ as u64);
            let seconds = seconds.unwrap().unwrap();
            println!("{row:?} {seconds}");
            assert_eq!(seconds as f64, row[3], "{row:?}");
            seen += 1;
        }
        assert_eq!(seen, 6);
    }
}
