//! One crate's interface as Rust without bodies: what is public, where it can be reached, and which traits it has.

use std::collections::BTreeSet;

use syn::{
    Attribute, Block, Expr, Fields, ImplItem, Item, ItemImpl, ItemMod, ItemTrait, TraitItem, Type, Visibility,
    parse_quote,
};

use super::modules::{Brought, Place, Tree, attributes, brought};

/// The text of docs/api/NAME.rs.
///
/// # Errors
/// Something public comes from a module that is not there.
pub(crate) fn of(name: &str, tree: &Tree) -> Result<String, String> {
    let mut writer = Writer { tree, shown: BTreeSet::new() };
    let items = writer.module(&Vec::new())?;
    let head = format!(
        "// What {name} offers, written by `cargo xtask api --write` from its source; a test compares. A struct with a field\n\
         // `__private` has more than is shown. A line that goes away or changes asks for the next major version.\n\n"
    );
    Ok(head + &prettyplease::unparse(&parse_quote!(#(#items)*)))
}

struct Writer<'a> {
    tree: &'a Tree,
    /// Types whose implementations stand somewhere already.
    shown: BTreeSet<(Place, String)>,
}

impl Writer<'_> {
    /// Everything public of a module.
    fn module(&mut self, place: &Place) -> Result<Vec<Item>, String> {
        let items = self.tree.of(place).ok_or_else(|| format!("there is no module {}", place.join("::")))?;
        let mut out = Vec::new();
        for item in items {
            match item {
                Item::Use(one) if public(&one.vis) => {
                    for one in brought(one) {
                        out.extend(self.brought(place, &one)?);
                    }
                }
                item => out.extend(self.item(place, item, None)?),
            }
        }
        Ok(out)
    }

    /// What one name of a `pub use` stands for; what comes from another crate stands for itself.
    fn brought(&mut self, place: &Place, one: &Brought) -> Result<Vec<Item>, String> {
        let path = one.path.join("::");
        if one.name == "*" {
            let module = self.tree.module(place, &one.path).ok_or_else(|| format!("what is {path}?"))?;
            return self.module(&module);
        }
        let (last, module) = one.path.split_last().ok_or("a use of nothing")?;
        let found = self.tree.module(place, module).and_then(|module| self.tree.find(&module, last));
        if let Some((home, found)) = found {
            return self.item(&home, &found.clone(), Some(&one.name));
        }
        let path: syn::Path = syn::parse_str(&path).map_err(|error| format!("{path}: {error}"))?;
        let name: syn::Ident = syn::parse_str(&one.name).map_err(|error| format!("{}: {error}", one.name))?;
        Ok(vec![if *last == one.name { parse_quote!(pub use #path;) } else { parse_quote!(pub use #path as #name;) }])
    }

    /// An item with its implementations, if it is public or is made so by a `use`.
    fn item(&mut self, home: &Place, item: &Item, renamed: Option<&str>) -> Result<Vec<Item>, String> {
        let mut item = item.clone();
        let kept = kept(attributes(&item));
        let mut out = Vec::new();
        match &mut item {
            Item::Mod(one) if public(&one.vis) || renamed.is_some() => {
                let items = self.module(&[home.clone(), vec![one.ident.to_string()]].concat())?;
                let content = Some((Default::default(), items));
                out.push(Item::Mod(ItemMod { attrs: kept, content, semi: None, ..one.clone() }));
            }
            Item::Struct(one) if public(&one.vis) => {
                one.attrs = kept;
                fields(&mut one.fields);
                let name = one.ident.to_string();
                rename(&mut one.ident, renamed);
                out.push(item);
                out.extend(self.implementations(home, &name));
            }
            Item::Enum(one) if public(&one.vis) => {
                one.attrs = kept;
                for variant in &mut one.variants {
                    variant.attrs = self::kept(&variant.attrs);
                    variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                }
                let name = one.ident.to_string();
                rename(&mut one.ident, renamed);
                out.push(item);
                out.extend(self.implementations(home, &name));
            }
            Item::Trait(one) if public(&one.vis) => {
                one.attrs = kept;
                bodiless(one);
                out.push(item);
            }
            Item::Fn(one) if public(&one.vis) => {
                one.attrs = kept;
                *one.block = empty();
                rename(&mut one.sig.ident, renamed);
                out.push(item);
            }
            Item::Type(one) if public(&one.vis) => {
                one.attrs = kept;
                out.push(item);
            }
            Item::Const(one) if public(&one.vis) => {
                one.attrs = kept;
                *one.expr = Expr::Infer(parse_quote!(_));
                out.push(item);
            }
            _ => {}
        }
        Ok(out)
    }

    /// What a type can do: its public functions, and the traits that are implemented for it.
    fn implementations(&mut self, home: &Place, name: &str) -> Vec<Item> {
        if !self.shown.insert((home.clone(), name.to_owned())) {
            return Vec::new();
        }
        let mut out = Vec::new();
        for (place, items) in self.tree.all() {
            for item in items {
                let Item::Impl(one) = item else { continue };
                let Type::Path(path) = &*one.self_ty else { continue };
                let Some(last) = path.path.segments.last() else { continue };
                if last.ident != name {
                    continue;
                }
                let found = self.tree.find(place, name);
                if found.is_none_or(|(found, _)| found == *home) {
                    out.extend(implementation(one));
                }
            }
        }
        out
    }
}

fn implementation(one: &ItemImpl) -> Option<Item> {
    let mut one = one.clone();
    one.attrs = kept(&one.attrs);
    if one.trait_.is_some() {
        // The trait says what there is; associated types are its business as well.
        one.items.retain(|item| matches!(item, ImplItem::Type(_)));
    } else {
        one.items.retain(|item| match item {
            ImplItem::Fn(one) => public(&one.vis),
            ImplItem::Const(one) => public(&one.vis),
            _ => false,
        });
        for item in &mut one.items {
            match item {
                ImplItem::Fn(one) => {
                    one.attrs = kept(&one.attrs);
                    one.block = empty();
                }
                ImplItem::Const(one) => {
                    one.attrs = kept(&one.attrs);
                    one.expr = Expr::Infer(parse_quote!(_));
                }
                _ => {}
            }
        }
        if one.items.is_empty() {
            return None;
        }
    }
    Some(Item::Impl(one))
}

/// Public fields alone, and a mark that there are others.
fn fields(fields: &mut Fields) {
    match fields {
        Fields::Named(all) => {
            let before = all.named.len();
            let shown = all.named.iter().filter(|field| public(&field.vis)).cloned().map(|mut field| {
                field.attrs.clear();
                field
            });
            all.named = shown.collect();
            if all.named.len() < before {
                all.named.push(parse_quote!(__private: ()));
            }
        }
        Fields::Unnamed(all) => {
            for field in &mut all.unnamed {
                field.attrs.clear();
                if !public(&field.vis) {
                    *field = parse_quote!(__private);
                }
            }
        }
        Fields::Unit => {}
    }
}

fn bodiless(one: &mut ItemTrait) {
    for item in &mut one.items {
        match item {
            TraitItem::Fn(one) => {
                one.attrs = kept(&one.attrs);
                if one.default.is_some() {
                    one.default = Some(empty());
                }
            }
            TraitItem::Type(one) => one.attrs = kept(&one.attrs),
            TraitItem::Const(one) => one.attrs = kept(&one.attrs),
            _ => {}
        }
    }
}

fn rename(ident: &mut syn::Ident, name: Option<&str>) {
    if let Some(name) = name {
        *ident = syn::Ident::new(name, ident.span());
    }
}

fn empty() -> Block {
    parse_quote!({})
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Attributes that a user of the crate notices.
fn kept(attributes: &[Attribute]) -> Vec<Attribute> {
    let noticed = ["derive", "non_exhaustive", "must_use", "cfg", "deprecated", "repr"];
    let seen = |attribute: &&Attribute| noticed.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(seen).cloned().collect()
}
