//! Counting: what the runners print, added up.

/// Passed, failed and skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Totals {
    pub(crate) fn passed(count: usize) -> Totals {
        Totals { passed: count, ..Totals::default() }
    }

    pub(crate) fn failed(count: usize) -> Totals {
        Totals { failed: count, ..Totals::default() }
    }

    pub(crate) fn skipped(count: usize) -> Totals {
        Totals { skipped: count, ..Totals::default() }
    }

    /// The sum of cargo's `test result: ok. 3 passed; 0 failed; 1 ignored; …` lines.
    pub(crate) fn of_cargo(output: &str) -> Totals {
        let mut sum = Totals::default();
        for line in output.lines().filter(|line| line.starts_with("test result: ")) {
            sum += Totals {
                passed: before(line, " passed"),
                failed: before(line, " failed"),
                skipped: before(line, " ignored"),
            };
        }
        sum
    }

    /// The suites' own last lines: `NAME: 3 passed, 0 failed, 1 skipped`.
    pub(crate) fn of_suites(output: &str) -> Vec<(String, Totals)> {
        let last = |line: &str| {
            let (name, rest) = line.split_once(": ")?;
            let shape = rest.contains(" passed, ") && rest.contains(" failed, ") && rest.ends_with(" skipped");
            (shape && !name.contains(' ')).then(|| {
                let totals = Totals {
                    passed: before(rest, " passed"),
                    failed: before(rest, " failed"),
                    skipped: before(rest, " skipped"),
                };
                (name.to_owned(), totals)
            })
        };
        output.lines().filter_map(last).collect()
    }
}

fn before(line: &str, word: &str) -> usize {
    let head = line.split(word).next().unwrap_or_default();
    head.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
