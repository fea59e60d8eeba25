//! The documentation does what it says: pages whose every command is run.

use nsgate_tests::book::{RUN, matches, run, steps};
use nsgate_tests::{Lab, suite};

fn main() {
    suite!["book":
        getting_started_does_what_it_says,
        diagnostics_are_what_the_page_shows,
        a_page_that_says_something_else_is_noticed,
    ]
}

fn runs(lab: &Lab, page: &str) {
    lab.needs_root("the pages are written for root");
    lab.needs("/usr/bin/curl", "apt-get install curl");
    assert!(RUN.contains(&page));
    run(lab, page);
}

fn getting_started_does_what_it_says(lab: &Lab) {
    runs(lab, "getting-started.md");
}

fn diagnostics_are_what_the_page_shows(lab: &Lab) {
    runs(lab, "diagnostics.md");
}

fn a_page_that_says_something_else_is_noticed(_: &Lab) {
    let page = "text\n```console\n$ printf 'one\\ntwo 2\\nthree\\n' \\\n    | cat\none\n…\nthree\n# true\n```\n$ not a command\n";
    let found = steps(page);
    assert_eq!(found.iter().map(|step| step.line).collect::<Vec<_>>(), [3, 8]);
    assert_eq!(found[0].command, "printf 'one\\ntwo 2\\nthree\\n' \\\n| cat");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&found[0].output, &lines("one\ntwo 2\nthree")) && matches(&found[0].output, &lines("one\nthree")));
    assert!(!matches(&found[0].output, &lines("one\ntwo")) && !matches(&found[0].output, &lines("two\nthree")));
    assert!(matches(&lines("pid … of …."), &lines("pid 7 of me.")) && !matches(&lines("pid … of …."), &lines("pid 7")));
}
