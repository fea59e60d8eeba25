//! Words that choose tests: one that has chosen none is a mistake, and a run of nothing is no success.

use nsgate_tests::choice::chooses;

/// A sentence for the words that have chosen no test of those whose lines are in the output of the runners.
pub(crate) fn idle(words: &[String], output: &str) -> Option<String> {
    let idle: Vec<&str> = words.iter().filter(|word| !used(word, output)).map(String::as_str).collect();
    (!idle.is_empty()).then(|| {
        format!(
            "no test has `{}` in its name, and no suite is called so: nothing was tested for it; the suites are the files of \
             tests/tests, and `cargo test -q -p nsgate-tests -- --list` prints the names of their tests",
            idle.join("` or `")
        )
    })
}

/// Whether the word has chosen a test; an option of the runners is no word.
fn used(word: &str, output: &str) -> bool {
    let mut suite = "";
    word.starts_with('-')
        || output.lines().any(|line| {
            if let Some((name, _)) = line.strip_prefix("suite ").and_then(|rest| rest.split_once([' ', ':'])) {
                suite = name;
            }
            let test = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "));
            // A suite that cannot run here says so in the place of its tests.
            suite == word || test.is_some_and(|(test, _)| chooses(word, suite, test))
        })
}

#[cfg(test)]
mod tests {
    use super::idle;

    #[test]
    fn words_that_choose_no_test_are_named() {
        let output = "suite escape: 1 tests of x\ntest the_agent_is_reached ... ok (0.1 s)\n\
            suite cloud-init 23.4: 0 cases of x\nsuite limits: 0 tests of x\ntest policy::tests::a_row ... ok\n";
        let of = |words: &[&str]| idle(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), output);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["escape", "agent", "a_row", "cloud-init", "--cut=agent"]), None);
        let said = of(&["agent", "escap", "dialect"]).unwrap();
        assert!(said.starts_with("no test has `escap` or `dialect` in its name"), "{said}");
    }
}
