//! The keys of the configuration files as the types have them: name, kind and documentation of every field that a text
//! may say, read from the source of nsgate-config, so that a key that exists is a key that is described.
// Kept: schemars (1.2.3 weighed) would replace this file, with six crates more in vendor/ and a derive on fifteen types of a product's
// crate; defaults and bounds would still be asked of the parser (probe.rs).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::program::workspace;
use syn::{Attribute, Expr, Field, GenericArgument, Item, Lit, Meta, PathArguments, Type};

/// The kind of a key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `"text"`.
    Text,
    /// A whole number.
    Number,
    /// `"30s"`, `"500ms"`, or seconds.
    Time,
    /// `true` or `false`.
    Switch,
    /// The name of a user or group, or its number.
    Account,
    /// Several of them, in brackets.
    List(Box<Kind>),
    /// A table of its own, by the name of its type.
    Table(String),
    /// Any number of tables.
    Tables(String),
}

impl Kind {
    /// As the reference writes it.
    pub(crate) fn word(&self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Time => "time".to_owned(),
            Kind::Switch => "`true` or `false`".to_owned(),
            Kind::Account => "name or number".to_owned(),
            Kind::List(inner) => format!("list of {}", inner.word()),
            Kind::Table(_) | Kind::Tables(_) => "table".to_owned(),
        }
    }
}

/// One field of a type.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) name: String,
    pub(crate) kind: Result<Kind, String>,
    /// Whether the type lets a text leave it out.
    pub(crate) optional: bool,
    pub(crate) doc: String,
}

/// Every type with named fields of one crate, by name.
#[derive(Debug)]
pub(crate) struct Types(BTreeMap<String, Vec<Said>>);

impl Types {
    /// Reads every source file below `directory` of the workspace.
    ///
    /// # Errors
    /// A file that cannot be read or is not Rust.
    pub(crate) fn read(directory: &str) -> Result<Types, String> {
        let mut files = Vec::new();
        walk(&workspace().join(directory), &mut files);
        let mut types = BTreeMap::new();
        for path in files {
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let file = syn::parse_file(&text).map_err(|e| format!("{}: {e}", path.display()))?;
            for item in file.items {
                if let Item::Struct(one) = item {
                    let name = one.ident.to_string();
                    // Private types are no values, but the site's keys are one.
                    if matches!(one.vis, syn::Visibility::Public(_)) || name.starts_with("Draft") {
                        let fields = one.fields.iter().filter(|field| !never_read(field)).filter_map(said);
                        types.insert(name, fields.collect());
                    }
                }
            }
        }
        Ok(Types(types))
    }

    /// The fields of a type. A type without a documentation takes that of the value it becomes: `Limits` for
    /// `DraftLimits`.
    ///
    /// # Errors
    /// There is no such type, or a field is of a kind that the reference does not know.
    pub(crate) fn fields(&self, name: &str) -> Result<Vec<Said>, String> {
        let fields = self.0.get(name).ok_or_else(|| format!("nsgate-config has no type `{name}`"))?;
        let value = name.strip_prefix("Draft").and_then(|value| self.0.get(value));
        let mut fields = fields.clone();
        for field in &mut fields {
            if field.doc.is_empty() {
                let twin = value.and_then(|fields| fields.iter().find(|twin| twin.name == field.name));
                field.doc = twin.map(|twin| twin.doc.clone()).unwrap_or_default();
            }
        }
        Ok(fields)
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// `#[serde(skip)]`: not a key.
fn never_read(field: &Field) -> bool {
    let skips = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("serde") && list.tokens.to_string() == "skip",
        _ => false,
    };
    field.attrs.iter().any(skips)
}

fn said(field: &Field) -> Option<Said> {
    let name = field.ident.as_ref()?.to_string();
    let kind = kind(&field.ty);
    // A list and a switch have a value in a text without them. So has a table without mandatory keys.
    let listed = matches!(kind, Ok(Kind::List(_) | Kind::Switch | Kind::Table(_) | Kind::Tables(_)));
    let optional = listed || is(&field.ty, "Option") || is(&field.ty, "SandboxLevel");
    Some(Said { name, kind, optional, doc: documentation(&field.attrs) })
}

/// The doc comment as one paragraph; links to other items become their names.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((link, behind)) = after.split_once("`]") else { break };
        out.push_str(before);
        out.push_str(&format!("`{}`", link.rsplit("::").next().unwrap_or(link)));
        rest = behind;
    }
    out + rest
}

fn is(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// The kind of value that a field's type takes.
fn kind(ty: &Type) -> Result<Kind, String> {
    let Type::Path(path) = ty else { return Err("a type without a name".to_owned()) };
    let Some(last) = path.path.segments.last() else { return Err("a type without a name".to_owned()) };
    let name = last.ident.to_string();
    let inner = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(inner) => Some(inner),
            _ => None,
        }),
        _ => None,
    };
    match (name.as_str(), inner) {
        ("Option" | "Spanned", Some(inner)) => kind(inner),
        ("Vec", Some(inner)) => Ok(match kind(inner)? {
            Kind::Table(name) => Kind::Tables(name),
            one => Kind::List(Box::new(one)),
        }),
        ("String" | "SandboxLevel", None) => Ok(Kind::Text),
        ("i64" | "f64" | "u32" | "u64", None) => Ok(Kind::Number),
        ("bool", None) => Ok(Kind::Switch),
        ("DraftTime", None) => Ok(Kind::Time),
        ("DraftAccount", None) => Ok(Kind::Account),
        (table, None) if table.starts_with("Draft") => Ok(Kind::Table(table.to_owned())),
        (other, _) => Err(format!("the reference does not know what a text says for a `{other}`: see {}", file!())),
    }
}
