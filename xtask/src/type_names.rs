//! Part of `cargo xtask house`: a type name of the crates is defined once, so that a search for it finds one type.
//!
//! Associated types (`type Err = …`) and the types of tests do not count.
// Kept: no lint compares names across modules and crates.

use std::collections::BTreeMap;
use std::fs;

use nsgate_tests::program::workspace;
use syn::visit::{self, Visit};

use crate::house::walk;

/// Names that several types may have, and why. None needs to now.
const SHARED: [(&str, &str); 0] = [];

/// The types that a file defines outside its tests.
#[derive(Default)]
struct TypeNames(Vec<String>);

/// One sentence for each name that is defined more than once.
pub(crate) fn broken() -> Vec<String> {
    let mut files = Vec::new();
    for one in fs::read_dir(workspace().join("crates")).into_iter().flatten().flatten() {
        walk(&one.path().join("src"), "rs", &mut files);
    }
    let texts = files.iter().filter_map(|file| {
        let name = file.strip_prefix(workspace()).unwrap_or(file).display().to_string();
        Some((name, fs::read_to_string(file).ok()?))
    });
    repeated(texts)
}

/// The same for files that are given by name and text.
fn repeated(files: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in files.filter(|(name, _)| !is_of_tests(name)) {
        let mut found = TypeNames::default();
        if let Ok(file) = syn::parse_file(&text) {
            found.visit_file(&file);
        }
        for one in found.0 {
            places.entry(one).or_default().push(name.clone());
        }
    }
    let excepted = |name: &String| SHARED.iter().any(|(shared, _)| shared == name);
    let repeated = places.into_iter().filter(|(name, files)| files.len() > 1 && !excepted(name));
    repeated
        .map(|(name, files)| {
            format!("{name} is defined in {}: give each type a name of its own", files.join(" and in "))
        })
        .collect()
}

fn is_of_tests(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/")
}

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let name = match item {
            syn::Item::Struct(one) => Some(&one.ident),
            syn::Item::Enum(one) => Some(&one.ident),
            syn::Item::Union(one) => Some(&one.ident),
            syn::Item::Trait(one) => Some(&one.ident),
            syn::Item::Type(one) => Some(&one.ident),
            syn::Item::Mod(one) if one.ident == "tests" => return,
            _ => None,
        };
        self.0.extend(name.map(ToString::to_string));
        visit::visit_item(self, item);
    }
}

#[cfg(test)]
mod tests {
    fn repeated(files: &[(&str, &str)]) -> Vec<String> {
        super::repeated(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    #[test]
    fn a_type_name_that_two_files_define_breaks_the_house() {
        let broken =
            repeated(&[("crates/a/src/one.rs", "struct Page;"), ("crates/b/src/two.rs", "fn f() { enum Page {} }")]);
        let both =
            "Page is defined in crates/a/src/one.rs and in crates/b/src/two.rs: give each type a name of its own";
        assert_eq!(broken, [both]);
        let other = ["pub union Page { a: u8 }", "trait Page {}", "type Page = u8;"];
        assert!(other.iter().all(|text| repeated(&[("a", "struct Page;"), ("b", text)]).len() == 1));
    }

    #[test]
    fn associated_types_and_the_types_of_tests_may_have_the_same_name() {
        let first = ("crates/a/src/one.rs", "struct Page; impl A for Page { type B = u8; }");
        let second = "impl A for u8 { type B = u8; } type C = u8; #[cfg(test)] mod tests { struct Page; }";
        assert!(repeated(&[first, ("crates/a/src/two.rs", second)]).is_empty());
        let tests = ["crates/a/src/tests.rs", "crates/a/src/two/tests.rs", "crates/a/src/tests/two.rs"];
        assert!(tests.iter().all(|name| repeated(&[first, (name, "struct Page;")]).is_empty()));
    }

    #[test]
    fn each_type_of_the_crates_has_a_name_of_its_own() {
        assert_eq!(super::broken(), Vec::<String>::new());
    }
}
