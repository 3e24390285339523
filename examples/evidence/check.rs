//! Rows of expected and measured values, and what "within the tolerance" means.

/// What a row expects of the runs.
pub(crate) enum Expected {
    /// The true share of runs is at most this: a bound that is proven.
    AtMost(f64),
    /// The true share of runs is at least this.
    AtLeast(f64),
    /// Another program, in Python, measured this share of so many runs.
    Share(f64, usize),
    /// Another program, in Python, measured this median of so many runs.
    Median(f64, usize),
    /// Arithmetic gives this median of a distribution.
    ExactMedian(f64),
}

/// Two-sided, 1 in 1000 of a normal distribution is outside of so many standard deviations.
const DEVIATIONS: f64 = 3.29;
const RARE: f64 = 0.001;

#[derive(Default)]
pub(crate) struct Table {
    rows: usize,
    held: usize,
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn heading(&mut self, title: &str) {
        println!(
            "\n{title}\n{:58} {:>34}  {:>18}",
            "", "expected", "measured"
        );
    }

    /// A row about the share of runs in which something happened.
    pub(crate) fn share(&mut self, name: &str, expected: &Expected, happened: &[bool]) {
        let runs = happened.len();
        let count = happened.iter().filter(|yes| **yes).count();
        let measured = count as f64 / runs as f64;
        let (text, holds) = match expected {
            Expected::AtMost(p) => {
                let most = most(runs, *p);
                let text = format!("at most {} (<= {most} runs)", percent(*p));
                (text, count <= most)
            }
            Expected::AtLeast(p) => {
                let least = runs - most(runs, 1.0 - p);
                let text = format!("at least {} (>= {least} runs)", percent(*p));
                (text, count >= least)
            }
            Expected::Share(p, of) => {
                let (a, b) = (runs as f64, *of as f64);
                // Half a run more, so that a share of 0 has a deviation too.
                let pooled = ((count as f64 + p * b + 0.5) / (a + b + 1.0)).min(1.0);
                let deviation = (pooled * (1.0 - pooled) * (1.0 / a + 1.0 / b)).sqrt();
                let tolerance = DEVIATIONS * deviation;
                let text = format!("{} +- {}", percent(*p), percent(tolerance));
                (text, (measured - p).abs() <= tolerance)
            }
            // A program error: the rows are written in this example.
            _ => unreachable!("the median of a share"),
        };
        self.print(
            name,
            &text,
            &format!("{} of {runs}", percent(measured)),
            holds,
        );
    }

    /// A row about the number of requests until something happened; `None`: it never did.
    pub(crate) fn median(&mut self, name: &str, expected: &Expected, requests: &[Option<u64>]) {
        let mut sorted: Vec<f64> = requests
            .iter()
            .map(|requests| requests.map_or(f64::INFINITY, |requests| requests as f64))
            .collect();
        sorted.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let last = sorted.len() - 1;
            let index = (quantile * sorted.len() as f64)
                .floor()
                .clamp(0.0, last as f64);
            sorted[index as usize]
        };
        let (value, of) = match expected {
            Expected::Median(value, of) => (*value, 1.0 / *of as f64),
            Expected::ExactMedian(value) => (*value, 0.0),
            // A program error: the rows are written in this example.
            _ => unreachable!("a share of a number"),
        };
        // The expected median lies between two quantiles of these runs, whatever the distribution is.
        let spread = DEVIATIONS * 0.5 * (1.0 / sorted.len() as f64 + of).sqrt();
        let (low, high) = (at(0.5 - spread), at(0.5 + spread));
        let measured = format!("{} ({})", number(at(0.5)), number(at(0.9)));
        let text = format!("{} ({} .. {})", number(value), number(low), number(high));
        self.print(name, &text, &measured, low <= value && value <= high);
    }

    pub(crate) fn exact(&mut self, name: &str, expected: u64, measured: Option<u64>) {
        let text = measured.map_or_else(|| "never".to_owned(), |n| number(n as f64));
        let value_text = format!("exactly {}", number(expected as f64));
        self.print(name, &value_text, &text, measured == Some(expected));
    }

    fn print(&mut self, name: &str, expected: &str, measured: &str, holds: bool) {
        let mark = if holds { "ok" } else { "DOES NOT HOLD" };
        println!("{name:58} {expected:>34}  {measured:>18}  {mark}");
        self.rows += 1;
        self.held += usize::from(holds);
    }
}

/// The count of a binomial distribution that is exceeded with a probability of at most [`RARE`].
fn most(runs: usize, p: f64) -> usize {
    if p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return runs;
    }
    let n = runs as f64;
    let mut ln_mass = n * (1.0 - p).ln();
    let mut below = ln_mass.exp();
    let mut count = 0;
    while below < 1.0 - RARE && count < runs {
        let k = count as f64;
        ln_mass += ((n - k) / (k + 1.0) * p / (1.0 - p)).ln();
        below += ln_mass.exp();
        count += 1;
    }
    count
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// With a space between thousands.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return "never".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
