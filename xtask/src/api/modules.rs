//! The modules of one crate: their items by path, and what a `use` in one of them means.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::{Attribute, Item, ItemUse, Meta, UseTree};

/// A module's place in its crate; the root is empty.
pub(crate) type Place = Vec<String>;

/// Every module of a crate and the items in it, without tests and without what is hidden from documentation.
#[derive(Default)]
pub(crate) struct Tree(BTreeMap<Place, Vec<Item>>);

/// One name that a `use` brings: the path behind it, or all of a module.
pub(crate) struct Brought {
    pub(crate) path: Vec<String>,
    /// The name here; `*` for everything.
    pub(crate) name: String,
}

impl Tree {
    /// Reads the crate whose `lib.rs` is in `source`.
    ///
    /// # Errors
    /// A file is missing or is not Rust.
    pub(crate) fn read(source: &Path) -> Result<Tree, String> {
        let mut tree = Tree::default();
        tree.file(Vec::new(), &source.join("lib.rs"), source)?;
        Ok(tree)
    }

    fn file(&mut self, place: Place, path: &Path, below: &Path) -> Result<(), String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = syn::parse_file(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        self.items(place, file.items, below)
    }

    fn items(&mut self, place: Place, items: Vec<Item>, below: &Path) -> Result<(), String> {
        let items: Vec<Item> = items.into_iter().filter(|item| !left_out(attributes(item))).collect();
        for item in &items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let inner = [place.clone(), vec![name.clone()]].concat();
            match &module.content {
                Some((_, items)) => self.items(inner, items.clone(), &below.join(&name))?,
                None => {
                    let flat = below.join(format!("{name}.rs"));
                    let path = if flat.exists() { flat } else { below.join(&name).join("mod.rs") };
                    self.file(inner, &path, &below.join(&name))?;
                }
            }
        }
        self.0.insert(place, items);
        Ok(())
    }

    /// The items of a module.
    pub(crate) fn of(&self, place: &[String]) -> Option<&[Item]> {
        self.0.get(place).map(Vec::as_slice)
    }

    /// Every module.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Place, &Vec<Item>)> {
        self.0.iter()
    }

    /// Where the item that `name` means in a module is defined; `None` for what is not of this crate.
    pub(crate) fn find(&self, place: &[String], name: &str) -> Option<(Place, &Item)> {
        self.search(place, name, 8)
    }

    fn search(&self, place: &[String], name: &str, depth: usize) -> Option<(Place, &Item)> {
        let items = self.of(place)?;
        if let Some(found) = items.iter().find(|item| named(item).is_some_and(|known| known == name)) {
            return Some((place.to_vec(), found));
        }
        let depth = depth.checked_sub(1)?;
        items.iter().filter_map(|item| if let Item::Use(one) = item { Some(one) } else { None }).find_map(|one| {
            brought(one).into_iter().find_map(|brought| match brought.name.as_str() {
                "*" => self.search(&self.module(place, &brought.path)?, name, depth),
                here if here == name => {
                    let (last, module) = brought.path.split_last()?;
                    self.search(&self.module(place, module)?, last, depth)
                }
                _ => None,
            })
        })
    }

    /// The module that a path means in another one.
    pub(crate) fn module(&self, place: &[String], path: &[String]) -> Option<Place> {
        let mut at = place.to_vec();
        for (index, word) in path.iter().enumerate() {
            match word.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => {
                    at.pop()?;
                }
                name => {
                    at.push(name.to_owned());
                    if index == 0 && !self.0.contains_key(&at) {
                        at = vec![name.to_owned()];
                    }
                }
            }
        }
        self.0.contains_key(&at).then_some(at)
    }
}

/// What a `use` brings, name by name.
pub(crate) fn brought(one: &ItemUse) -> Vec<Brought> {
    let mut out = Vec::new();
    unfold(&one.tree, &mut Vec::new(), &mut out);
    out
}

fn unfold(tree: &UseTree, path: &mut Vec<String>, out: &mut Vec<Brought>) {
    match tree {
        UseTree::Path(one) => {
            path.push(one.ident.to_string());
            unfold(&one.tree, path, out);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| unfold(tree, path, out)),
        UseTree::Glob(_) => out.push(Brought { path: path.clone(), name: "*".to_owned() }),
        UseTree::Name(one) if one.ident == "self" => {
            out.push(Brought { path: path.clone(), name: path.last().cloned().unwrap_or_default() });
        }
        UseTree::Name(one) => {
            out.push(Brought {
                path: [path.clone(), vec![one.ident.to_string()]].concat(),
                name: one.ident.to_string(),
            });
        }
        UseTree::Rename(one) => {
            let path = [path.clone(), vec![one.ident.to_string()]].concat();
            out.push(Brought { path, name: one.rename.to_string() });
        }
    }
}

/// The name of an item that can be named.
pub(crate) fn named(item: &Item) -> Option<String> {
    let name = match item {
        Item::Struct(one) => &one.ident,
        Item::Enum(one) => &one.ident,
        Item::Union(one) => &one.ident,
        Item::Trait(one) => &one.ident,
        Item::Type(one) => &one.ident,
        Item::Fn(one) => &one.sig.ident,
        Item::Const(one) => &one.ident,
        Item::Static(one) => &one.ident,
        Item::Mod(one) => &one.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Struct(one) => &one.attrs,
        Item::Enum(one) => &one.attrs,
        Item::Union(one) => &one.attrs,
        Item::Trait(one) => &one.attrs,
        Item::Type(one) => &one.attrs,
        Item::Fn(one) => &one.attrs,
        Item::Const(one) => &one.attrs,
        Item::Static(one) => &one.attrs,
        Item::Mod(one) => &one.attrs,
        Item::Impl(one) => &one.attrs,
        Item::Use(one) => &one.attrs,
        Item::Macro(one) => &one.attrs,
        _ => &[],
    }
}

/// Tests, and what documentation hides.
fn left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => {
            let words = list.tokens.to_string();
            (list.path.is_ident("cfg") && words == "test") || (list.path.is_ident("doc") && words == "hidden")
        }
        _ => false,
    })
}
