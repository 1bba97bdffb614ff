//! The variables in a provider's addresses.

use std::collections::BTreeMap;

use url::Url;

use crate::EndpointsError;

/// Bytes of a variable's value.
const VALUE_MAX: usize = 200;

/// The values of all variables that the manifest declares.
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// `chosen` replaces what is `declared`, name by name.
    pub(crate) fn new(
        declared: &BTreeMap<String, String>,
        chosen: &BTreeMap<String, String>,
    ) -> Result<Self, EndpointsError> {
        let mut values = declared.clone();
        for (name, value) in chosen {
            let Some(known) = values.get_mut(name) else {
                return Err(EndpointsError::Variable {
                    name: name.clone(),
                    rule: "the provider has no such variable",
                });
            };
            if !is_plain(value) {
                return Err(EndpointsError::Variable {
                    name: name.clone(),
                    rule: "must be 1 to 200 of the characters A-Z a-z 0-9 . _ ~ : / - \
                           and neither begin with / nor hold ..",
                });
            }
            known.clone_from(value);
        }
        Ok(Self(values))
    }

    /// `text` with each `{name}` replaced.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    }

    pub(crate) fn url(&self, text: &str) -> Result<Url, EndpointsError> {
        let filled = self.fill(text);
        let url = Url::parse(&filled).map_err(|_| EndpointsError::Address(filled.clone()))?;
        if !matches!(url.scheme(), "http" | "https") || filled.contains(['{', '}']) {
            return Err(EndpointsError::Address(filled));
        }
        Ok(url)
    }
}

/// Whether a value stays what it is wherever it stands in an address: a host with its port, a
/// path below it, a name.
fn is_plain(value: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:/-".contains(&byte);
    !value.is_empty()
        && value.len() <= VALUE_MAX
        && value.bytes().all(fits)
        && !value.starts_with('/')
        && !value.contains("..")
}
