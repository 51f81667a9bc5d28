//! The form-encoded parameters of a request, as Stripe nests them: `metadata[order]=…`.

use std::collections::BTreeMap;

use crate::error::ApiError;

/// Stripe's own limits on metadata.
const METADATA_ENTRIES_MAX: usize = 50;
const METADATA_KEY_CHARS_MAX: usize = 40;
const METADATA_VALUE_CHARS_MAX: usize = 500;

/// Sorted, so that the same parameters in another order are the same request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(form: &[u8]) -> Self {
        let mut pairs: Vec<_> = url::form_urlencoded::parse(form).into_owned().collect();
        pairs.sort();
        Self(pairs)
    }

    /// The parameter's text; an empty one counts as not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| {
            ApiError::invalid(name, "parameter_missing", format!("missing parameter: {name}"))
        })
    }

    /// The texts of a parameter that may come more than once: `types[]=…` or `types[0]=…`.
    pub(crate) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of = move |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('['));
        self.0.iter().filter(move |(key, _)| of(key)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let message = format!("{name} is a whole number, not '{text}'");
            ApiError::invalid(name, "parameter_invalid_integer", message)
        })
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                let message = format!("{name} is true or false, not '{other}'");
                Err(ApiError::invalid(name, "parameter_invalid", message))
            }
        }
    }

    pub(crate) fn metadata(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let entries = self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), value.clone()))
        });
        let metadata: BTreeMap<_, _> = entries.filter(|(_, value)| !value.is_empty()).collect();
        let fits = metadata.len() <= METADATA_ENTRIES_MAX
            && metadata.iter().all(|(key, value)| {
                key.chars().count() <= METADATA_KEY_CHARS_MAX
                    && value.chars().count() <= METADATA_VALUE_CHARS_MAX
            });
        if fits {
            return Ok(metadata);
        }
        let message = "at most 50 metadata entries, of 40 characters key and 500 value";
        Err(ApiError::invalid("metadata", "parameter_invalid", message))
    }

    /// Refuses what the endpoint does not have: a misspelt parameter must not pass in silence.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let root = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        match self.0.iter().find(|(name, _)| !known.contains(&root(name).as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!("unknown parameter: {name}");
                Err(ApiError::invalid(name, "parameter_unknown", message))
            }
        }
    }

    /// One spelling for all spellings of the same parameters.
    pub(crate) fn canonical(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_escapes_do_not_make_another_request() {
        let one = Params::parse(b"amount=100&metadata[order]=a%20b&currency=usd");
        let other = Params::parse(b"currency=usd&metadata%5Border%5D=a+b&amount=100");
        assert_eq!(one.canonical(), other.canonical());
        assert_eq!(one.metadata().unwrap()["order"], "a b");
    }

    #[test]
    fn a_misspelt_parameter_is_named() {
        let error = Params::parse(b"amount=1&currncy=usd").only(&["amount"]).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("currncy"));
    }

    #[test]
    fn too_much_metadata_is_refused() {
        let long = format!("metadata[k]={}", "x".repeat(501));
        assert!(Params::parse(long.as_bytes()).metadata().is_err());
    }
}
