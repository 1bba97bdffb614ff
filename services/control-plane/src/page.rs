//! Pages of lists: how many, and after what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

use crate::error::Error;

/// Longest page token that is looked at, in bytes.
const TOKEN_MAX_LENGTH: usize = 1024;

/// Which page the caller wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Items at most, above 0; more than 500 is cut to that, absent means 50.
    pub size: Option<u32>,
    /// As the page before gave it; absent for the first.
    pub token: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Gives the next page; absent on the last.
    pub next: Option<String>,
}

impl PageRequest {
    /// Items to show.
    pub(crate) fn size(&self) -> Result<usize, Error> {
        match self.size {
            Some(0) => Err(Error::invalid(
                "page_size",
                "must be a whole number above 0",
            )),
            Some(size) => Ok(size.min(PAGE_SIZE_MAX) as usize),
            None => Ok(PAGE_SIZE_DEFAULT as usize),
        }
    }

    /// Items to read: one more than is shown tells whether there is a next page.
    pub(crate) fn limit(&self) -> Result<u32, Error> {
        self.size()
            .map(|size| u32::try_from(size).unwrap_or(PAGE_SIZE_MAX) + 1)
    }

    /// After which item the page starts. `list` names the list, so that a token of one opens no
    /// page of another.
    pub(crate) fn after(&self, list: &str) -> Result<Option<String>, Error> {
        let Some(token) = self.token.as_deref().filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        let open = |token: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let cursor = text.strip_prefix(list)?.strip_prefix('\n')?;
            Some(cursor.to_owned())
        };
        let cursor = if token.len() <= TOKEN_MAX_LENGTH {
            open(token)
        } else {
            None
        };
        cursor.map(Some).ok_or(Error::InvalidPageToken)
    }

    /// The same, for lists ordered by an id.
    pub(crate) fn after_id<I: std::str::FromStr>(&self, list: &str) -> Result<Option<I>, Error> {
        self.after(list)?
            .map(|cursor| cursor.parse().map_err(|_| Error::InvalidPageToken))
            .transpose()
    }

    /// Makes the page from what `limit` items were read; `cursor` names an item's place.
    pub(crate) fn page<T>(
        &self,
        list: &str,
        mut items: Vec<T>,
        cursor: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Error> {
        let size = self.size()?;
        let more = items.len() > size;
        items.truncate(size);
        let last = items.last().filter(|_| more);
        let next = last.map(|item| URL_SAFE_NO_PAD.encode(format!("{list}\n{}", cursor(item))));
        Ok(Page { items, next })
    }
}

impl<T> Page<T> {
    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_the_next_page_of_its_own_list_only() {
        let first = PageRequest {
            size: Some(2),
            token: None,
        };
        let page = first
            .page("keys", vec![1, 2, 3], ToString::to_string)
            .unwrap();
        assert_eq!(page.items, [1, 2]);

        let second = PageRequest {
            size: Some(2),
            token: page.next,
        };
        assert_eq!(second.after("keys").unwrap(), Some("2".to_owned()));
        assert!(matches!(
            second.after("tenants"),
            Err(Error::InvalidPageToken)
        ));

        let last = second.page("keys", vec![3], ToString::to_string).unwrap();
        assert_eq!(last.next, None);
    }

    #[test]
    fn sizes_are_cut_at_the_top_and_refused_at_zero() {
        let size = |size| PageRequest { size, token: None }.size();
        assert!(matches!(size(None), Ok(50)));
        assert!(matches!(size(Some(501)), Ok(500)));
        assert!(matches!(size(Some(0)), Err(Error::Invalid(_))));
    }
}
