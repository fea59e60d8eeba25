//! Words behind `cargo xtask test STAGE … --`: each chooses a test that there is.
// Kept: no checker of links or commands knows which tests there are.

use std::fs::read_to_string;

use nsgate_tests::choice::chooses;
use nsgate_tests::program::workspace;

use super::Page;
use crate::house::walk;

/// Stand for a word.
const PLACEHOLDERS: [&str; 2] = ["WORD", "NAME"];

/// One sentence for each word of a page that chooses nothing.
pub(super) fn wrong(pages: &[Page]) -> Vec<String> {
    let tests = tests();
    let chosen = |word: &str| tests.iter().any(|(suite, test)| chooses(word, suite, test));
    let idle = |page: &Page| {
        let idle = words(&page.text).filter(|(_, word)| !chosen(word));
        idle.map(|(line, word)| format!("{}:{line}: `{word}` chooses no test", page.path.display())).collect::<Vec<_>>()
    };
    pages.iter().flat_map(idle).collect()
}

/// The words that choose tests, with the number of their line.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(at, line)| {
        line.split("cargo xtask test ").skip(1).flat_map(move |rest| {
            let command = rest.split(['`', '#']).next().unwrap_or_default();
            let words = command.split_once("-- ").map_or("", |(_, words)| words).split_whitespace();
            words.filter(|word| !word.starts_with('-') && !PLACEHOLDERS.contains(word)).map(move |word| (at + 1, word))
        })
    })
}

/// Every function of the suites, with the name of its suite. (Those that only help are some more.)
fn tests() -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(&workspace().join("tests/tests"), "rs", &mut files);
    ["neutron", "cloud_init"].iter().for_each(|suite| walk(&workspace().join("tests").join(suite), "py", &mut files));
    let mut found = Vec::new();
    for file in files {
        let of = if file.ends_with("main.rs") { file.parent() } else { Some(&*file) };
        let suite = of.and_then(|of| of.file_stem()).unwrap_or_default().to_string_lossy().into_owned();
        let text = read_to_string(&file).unwrap_or_default();
        let functions = text.lines().filter_map(|line| line.split_once("fn ").or(line.split_once("def ")));
        let name = |(_, rest): (&str, &str)| (suite.clone(), rest.split('(').next().unwrap_or_default().to_owned());
        found.extend(functions.map(name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_what_stands_behind_two_dashes() {
        let page =
            "a\n`cargo xtask test e2e -- may_make`, `cargo xtask test dist -- a b`.\ncargo xtask test e2e -- WORD # c";
        assert_eq!(words(page).collect::<Vec<_>>(), [(2, "may_make"), (2, "a"), (2, "b")]);
    }
}
