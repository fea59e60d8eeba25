//! Part of `cargo xtask house`: no files of a crate use each other in a circle.
//!
//! A file may use what the modules above it declare, as `super::` does; that is no circle.
// Kept: the crates that draw modules (cargo-modules) build the whole crate first, and their check takes no list.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use nsgate_tests::program::workspace;
use syn::visit::{self, Visit};

use crate::house::walk;

type Words = Vec<String>;

/// The paths that a file names.
#[derive(Default)]
struct Names {
    used: BTreeSet<Words>,
    /// What it imports, by the name that it has here, and whether others can name it through this module.
    imported: BTreeMap<String, (Words, bool)>,
}

/// One sentence for each circle.
pub(crate) fn broken() -> Vec<String> {
    let crates = fs::read_dir(workspace().join("crates")).into_iter().flatten().flatten();
    let mut out = Vec::new();
    for one in crates {
        let name = one.file_name().to_string_lossy().into_owned();
        for circle in circles(&modules(&one.path().join("src"))) {
            let circle: BTreeSet<String> = circle.iter().map(|words| format!("{name}::{}", words.join("::"))).collect();
            let all = circle.into_iter().collect::<Vec<_>>().join(", ");
            out.push(format!("{all} use each other: move what several need into a file below them"));
        }
    }
    out
}

/// The modules of a crate, by their paths. Tests are left out.
fn modules(source: &Path) -> BTreeMap<Words, Names> {
    let mut files = Vec::new();
    walk(source, "rs", &mut files);
    let parsed = files.iter().filter_map(|file| {
        let path = file.strip_prefix(source).ok()?.with_extension("");
        let words = path.iter().map(|word| word.to_string_lossy().into_owned());
        let words: Words = words.filter(|word| word != "mod" && word != "lib").collect();
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(&fs::read_to_string(file).ok()?).ok()?);
        (!words.contains(&"tests".to_owned())).then_some((words, names))
    });
    parsed.collect()
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, one: &'ast syn::ItemMod) {
        if one.ident != "tests" {
            visit::visit_item_mod(self, one);
        }
    }

    fn visit_item_use(&mut self, one: &'ast syn::ItemUse) {
        let public = !matches!(one.vis, syn::Visibility::Inherited);
        self.import(&one.tree, Vec::new(), public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.used.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

impl Names {
    fn import(&mut self, tree: &syn::UseTree, mut path: Words, public: bool) {
        let name = match tree {
            syn::UseTree::Path(one) => {
                path.push(one.ident.to_string());
                return self.import(&one.tree, path, public);
            }
            syn::UseTree::Group(all) => return all.items.iter().for_each(|one| self.import(one, path.clone(), public)),
            syn::UseTree::Name(one) => (one.ident.to_string(), one.ident.to_string()),
            syn::UseTree::Rename(one) => (one.ident.to_string(), one.rename.to_string()),
            syn::UseTree::Glob(_) => ("*".to_owned(), "*".to_owned()),
        };
        path.extend((name.0 != "self").then_some(name.0));
        if !public {
            self.used.insert(path.clone());
        }
        self.imported.insert(name.1, (path, public));
    }
}

/// The file in which a path, named in `module`, leads to something.
fn resolve(all: &BTreeMap<Words, Names>, module: &[String], path: &[String], depth: u8) -> Option<Words> {
    let first = path.first()?;
    let supers = path.iter().take_while(|word| *word == "super").count();
    let mut whole = match first.as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [module, &path[1..]].concat(),
        "super" => [module.get(..module.len().checked_sub(supers)?)?, &path[supers..]].concat(),
        _ => [module, path].concat(),
    };
    let mut rest = Vec::new();
    while !all.contains_key(&whole) {
        rest.insert(0, whole.pop()?);
    }
    // A path to a module uses nothing in it. A longer path elsewhere does.
    let name = rest.first()?;
    match all.get(&whole)?.imported.get(name) {
        Some((from, public)) if depth < 9 && (*public || depth == 0) => {
            resolve(all, &whole, &[from, &rest[1..]].concat(), depth + 1)
        }
        _ if whole == module => None,
        _ => Some(whole),
    }
}

/// Sets of two and more modules of which each reaches all others.
fn circles(all: &BTreeMap<Words, Names>) -> BTreeSet<BTreeSet<Words>> {
    let uses = |(module, names): (&Words, &Names)| {
        let found = names.used.iter().filter_map(|path| resolve(all, module, path, 0));
        (module.clone(), found.filter(|other| !module.starts_with(other)).collect::<BTreeSet<_>>())
    };
    let uses: BTreeMap<Words, BTreeSet<Words>> = all.iter().map(uses).collect();
    let reached = |from: &Words| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(one) = next.pop() {
            next.extend(uses.get(one).into_iter().flatten().filter(|other| seen.insert((*other).clone())));
        }
        seen
    };
    let reached: BTreeMap<&Words, BTreeSet<Words>> = uses.keys().map(|one| (one, reached(one))).collect();
    let back = |one: &Words, other: &Words| reached.get(other).is_some_and(|found| found.contains(one));
    let circle =
        |(one, found): (&&Words, &BTreeSet<Words>)| found.iter().filter(|other| back(one, other)).cloned().collect();
    reached.iter().map(circle).filter(|circle: &BTreeSet<Words>| circle.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::{Names, Words, circles};
    use std::collections::BTreeMap;
    use syn::visit::Visit;

    fn read(files: &[(&str, &str)]) -> BTreeMap<Words, Names> {
        let named = |(path, text): &(&str, &str)| {
            let mut names = Names::default();
            names.visit_file(&syn::parse_file(text).unwrap());
            (path.split('/').filter(|word| !word.is_empty()).map(str::to_owned).collect(), names)
        };
        files.iter().map(named).collect()
    }

    #[test]
    fn files_that_use_each_other_are_found_also_by_way_of_a_name_that_a_third_one_gives_them() {
        let all = read(&[
            ("", "mod a; mod b; mod c; mod d; pub use b::B;"),
            ("a", "use crate::B; pub struct A(B);"),
            ("b", "use super::c; pub struct B(c::C);"),
            ("c", "pub struct C(Box<crate::a::A>, super::d::D);"),
            ("d", "pub struct D; #[cfg(test)] mod tests { use crate::a::A; }"),
        ]);
        let found: Vec<String> = circles(&all).into_iter().flatten().map(|words| words.join("/")).collect();
        assert_eq!(found, ["a", "b", "c"]);
    }

    #[test]
    fn what_a_module_declares_for_those_below_it_is_no_circle() {
        let all = read(&[("", "mod a; pub use a::A; struct Own;"), ("a", "use super::Own; pub struct A(Own);")]);
        assert!(circles(&all).is_empty());
    }
}
