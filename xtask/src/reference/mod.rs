//! `cargo xtask reference`: every key of every configuration file, out of the types and the parser, into
//! docs/configuration.md; the headers that pass and the keywords of haproxy, out of their tables.
//!
//! Names, kinds and descriptions are those of the types ([`types`]); defaults and bounds are what the parser answers when
//! it is asked ([`probe`]). A test compares the page with them. [`documents`] is the same for
//! other writers: the manual page is made of it.

mod markdown;
mod probe;
mod tables;
mod types;

use std::fs;

use nsgate_config::native::{self, DraftAgent, DraftPool, Site};
use nsgate_tests::json;
use nsgate_tests::program::workspace;
use serde::Serialize;
use toml::Table as Values;

use probe::Parser;
use types::{Kind, Types};

/// A kind of configuration file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    /// What it is called here.
    pub(crate) name: &'static str,
    /// Its path, and the process that reads it.
    pub(crate) about: &'static str,
    /// A usual file, as an example.
    pub(crate) example: &'static str,
    /// The keys outside every table, then each table.
    pub(crate) tables: Vec<Table>,
}

/// The keys of one table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table {
    /// As a file writes it: empty, `[log]`, `[[rate_limits]]`.
    pub(crate) header: String,
    /// What it is for.
    pub(crate) about: String,
    /// In the order of the types.
    pub(crate) keys: Vec<Key>,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    /// What kind of value.
    pub(crate) kind: String,
    /// Which values, where they are bounded.
    pub(crate) accepts: Option<String>,
    /// The value without the key, as TOML.
    pub(crate) default: Option<String>,
    /// Whether a file must have it.
    pub(crate) required: bool,
    /// Whether it is one of several of which a file must have exactly one.
    pub(crate) one_of: bool,
    /// What it means.
    pub(crate) about: String,
}

/// A kind of file: its name, its type of keys, and how it is parsed.
struct Source {
    name: &'static str,
    about: &'static str,
    example: &'static str,
    keys: &'static str,
    least: &'static str,
    complete: fn(&str) -> Result<String, String>,
}

const SOURCES: [Source; 4] = [
    Source {
        name: "A gate",
        about: "One network: `nsgate run --config FILE`, `nsgate add --config FILE`, checked by `nsgate check FILE`. The \
                options of `nsgate run` have the names of these keys, with `-` for `_`, and take precedence.",
        example: include_str!("gate.toml"),
        keys: "Draft",
        least: "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"169.254.169.254:80\"]\n\
                backend = \"/var/lib/neutron/metadata_proxy\"\nuser = \"neutron\"\n\
                rate_limits = [{ requests = 5, window = \"10s\" }]\n\
                [guards]\nrequire_header = { name = \"metadata\", value = \"true\" }\n\
                expiring = { names = [\"user_data\"], after = \"10m\" }\n[audit]\nto = \"journald\"\n",
        complete: |text| {
            native::parse("gate.toml", text).map(|one| native::render(&one.config)).map_err(|e| e.to_string())
        },
    },
    Source {
        name: "The site",
        about: "`/etc/nsgate/nsgate.toml`: what the operator of a host decides for every gate that an agent starts under the name \
                `haproxy` or `neutron-ns-metadata-proxy`. Only root may be able to write it \
                ([whose files are obeyed](operations.md#whose-files-and-directories)); if others can, no gate is started. \
                Without the file everything has its default. `nsgate check --dialect site FILE` checks a file before it is \
                installed, `nsgate check /etc/nsgate/nsgate.toml` the installed one.",
        example: include_str!("site.toml"),
        keys: "DraftSite",
        least: "pool = \"/run/nsgate/pool.sock\"\n\
                [guards]\nrequire_header = { name = \"metadata\", value = \"true\" }\n\
                expiring = { names = [\"user_data\"], after = \"10m\" }\n[audit]\nto = \"journald\"\n",
        complete: |text| Site::parse("nsgate.toml", text).map(|site| site.render()).map_err(|e| e.to_string()),
    },
    Source {
        name: "A pool",
        about: "The worker of a host: `nsgate pool --config FILE`, checked by `nsgate check --dialect pool FILE`. The options \
                of `nsgate pool` have the names of these keys, with `-` for `_`, and take precedence.",
        example: include_str!("pool.toml"),
        keys: "DraftPool",
        least: "socket = \"/run/nsgate/pool.sock\"\nbackends = [\"/var/lib/neutron/metadata_proxy\"]\nuser = \"nsgate\"\n\
                [audit]\nto = \"journald\"\n",
        complete: |text| {
            let draft = DraftPool::read("pool.toml", text).map_err(|e| e.to_string())?;
            let (config, _) = draft.finish("pool.toml", text).map_err(|e| e.to_string())?;
            Ok(native::render_pool(&config))
        },
    },
    Source {
        name: "An agent",
        about: "The second hop of a host: `nsgate agent --config FILE`, checked by `nsgate check --dialect agent FILE` \
                ([agent.md](agent.md)).",
        example: include_str!("agent.toml"),
        keys: "DraftAgent",
        least: concat!(include_str!("agent.toml"), "\n[audit]\nto = \"journald\"\n"),
        complete: |text| {
            let draft = DraftAgent::read("agent.toml", text).map_err(|e| e.to_string())?;
            let (config, _) = draft.finish("agent.toml", text).map_err(|e| e.to_string())?;
            Ok(native::render_agent(&config))
        },
    },
];

/// Writes the pages, or prints them, and everything as JSON where that is asked for.
pub(crate) fn run(write: bool) -> Result<(), String> {
    let documents = documents()?;
    json::say(&serde_json::json!(documents));
    for (name, text) in pages(&documents) {
        let file = workspace().join(name);
        if write {
            fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))?;
            println!("wrote {}", file.display());
        } else {
            println!("{text}");
        }
    }
    Ok(())
}

/// Each page that is written from types and tables: its file and its text.
fn pages(documents: &[Document]) -> [(&'static str, String); 3] {
    [
        ("docs/configuration.md", markdown::page(documents)),
        ("docs/dialect.md", tables::keywords()),
        ("docs/headers.md", tables::headers()),
    ]
}

/// Every kind of file, with every key.
///
/// # Errors
/// A type that the reference cannot read, a key without a description, a text that the parser does not take.
pub(crate) fn documents() -> Result<Vec<Document>, String> {
    let types = Types::read("crates/nsgate-config/src")?;
    SOURCES.iter().map(|source| document(source, &types)).collect()
}

fn document(source: &Source, types: &Types) -> Result<Document, String> {
    let Source { name, about, example, .. } = *source;
    (source.complete)(example).map_err(|error| format!("the example for `{name}` is refused:\n{error}"))?;
    let least: Values = source.least.parse().map_err(|error| format!("{name}: {error}"))?;
    let mut walk = Walk { types, parser: Parser { least, complete: source.complete }, tables: Vec::new() };
    walk.table(source.keys, &[], String::new(), String::new())?;
    Ok(Document { name, about, example, tables: walk.tables })
}

/// Tables in the order in which they are found.
struct Walk<'a> {
    types: &'a Types,
    parser: Parser,
    tables: Vec<Table>,
}

impl Walk<'_> {
    fn table(&mut self, ty: &str, path: &[String], header: String, about: String) -> Result<(), String> {
        self.parser.mention(path);
        let (defaults, place) = (self.parser.defaults()?, self.tables.len());
        self.tables.push(Table { header, about, keys: Vec::new() });
        let alternatives = self.parser.alternatives();
        let (mut keys, mut inner) = (Vec::new(), Vec::new());
        for field in self.types.fields(ty)? {
            let path = [path, std::slice::from_ref(&field.name)].concat();
            let kind = field.kind.map_err(|error| format!("{ty}.{}: {error}", field.name))?;
            if field.doc.is_empty() {
                return Err(format!("{ty}.{} says nowhere what it means; give it a doc comment", field.name));
            }
            if let Kind::Table(name) | Kind::Tables(name) = &kind {
                let dotted = path.join(".");
                let header =
                    if matches!(kind, Kind::Table(_)) { format!("[{dotted}]") } else { format!("[[{dotted}]]") };
                inner.push((name.clone(), path, header, field.doc));
                continue;
            }
            let one_of = path.len() == 1 && alternatives.contains(&field.name);
            let required = !one_of && (!field.optional || self.parser.required(&path));
            let default = probe::at(&defaults, &path).filter(|_| !required && !one_of && !self.parser.says(&path));
            let accepts = self.parser.accepts(&path, &kind);
            let kind = kind.word();
            keys.push(Key { name: field.name, kind, accepts, default, required, one_of, about: field.doc });
        }
        if let Some(table) = self.tables.get_mut(place) {
            table.keys = keys;
        }
        inner.into_iter().try_for_each(|(ty, path, header, about)| self.table(&ty, &path, header, about))
    }
}

#[cfg(test)]
mod tests {
    use nsgate_tests::program::workspace;

    use super::{documents, pages};

    #[test]
    fn the_pages_say_what_the_types_the_tables_and_the_parser_say() {
        for (name, page) in pages(&documents().unwrap()) {
            let written = std::fs::read_to_string(workspace().join(name)).unwrap_or_default();
            assert!(page == written, "{name} is not what it should be: cargo xtask reference --write");
        }
    }

    #[test]
    fn every_key_has_a_bound_or_a_default_where_it_should() {
        for document in documents().unwrap() {
            for key in document.tables.iter().flat_map(|table| &table.keys) {
                let bounded = !["number", "time"].contains(&key.kind.as_str()) || key.accepts.is_some();
                assert!(bounded, "{}: {} accepts what?", document.name, key.name);
            }
        }
    }
}
