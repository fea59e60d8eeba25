//! The keys of a process that a gate and a pool share: checks them, and writes them.

use super::{draft::DraftAccount, toml_text::quoted, validator::Validator};
use crate::{Account, SandboxLevel};
use toml::Spanned;

impl Validator<'_> {
    pub(super) fn sandbox(&mut self, said: &Option<Spanned<String>>) -> Option<SandboxLevel> {
        self.optional("sandbox", said, |level| match level.as_str() {
            "default" => Ok(SandboxLevel::Default),
            "strict" => Ok(SandboxLevel::Strict),
            other => Err(format!("`{other}` is not a level; write \"default\" or \"strict\"")),
        })
    }
}

pub(super) fn account(who: &DraftAccount) -> Result<Account, String> {
    match who {
        DraftAccount::Name(name) => Ok(Account::named(name)?),
        // setresuid(2) reads 4294967295 as "no change": no account has it.
        DraftAccount::Number(number) => match u32::try_from(*number) {
            Ok(id) if id != u32::MAX => Ok(Account::Id(id)),
            _ => Err(format!("{number} is not an account's number; 0 to 4294967294")),
        },
    }
}

/// An account as a TOML value.
pub(super) fn render_account(account: &Account) -> String {
    match account {
        Account::Name(name) => quoted(name),
        Account::Id(id) => id.to_string(),
    }
}
