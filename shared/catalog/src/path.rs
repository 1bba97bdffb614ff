//! Paths into JSON: *wire paths* say where an argument lands in a request, *result paths* where
//! something stands in an answer.

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Key(String),
    /// A member whose name is the value of an argument (its index in the tool).
    KeyOf(usize),
    /// An element of an array; in result paths a negative number counts from the end.
    Index(i64),
    /// An element whose number is the value of an argument (its index in the tool).
    IndexOf(usize),
    /// One element for each element of the value that is written. Only in wire paths.
    Each,
}

/// Where an argument or a constant lands in a body. Empty: it is the whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WirePath(pub Vec<Step>);

/// Where something stands in an answer. Empty: the whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPath(pub Vec<Step>);

/// Finds the index of an argument by its name.
pub(crate) type FindArg<'a> = &'a dyn Fn(&str) -> Option<usize>;

impl WirePath {
    /// A path that names no argument.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn fixed(text: &str) -> Result<Self, String> {
        Self::parse(text, &|_| None)
    }

    pub(crate) fn parse(text: &str, find: FindArg<'_>) -> Result<Self, String> {
        if text == "$" {
            return Ok(Self(Vec::new()));
        }
        let steps = steps(text, find)?;
        if steps
            .iter()
            .any(|step| matches!(step, Step::Index(n) if *n < 0))
        {
            return Err(format!(
                "{text:?} counts from the end, which a request cannot"
            ));
        }
        if steps.iter().filter(|step| **step == Step::Each).count() > 1 {
            return Err(format!("{text:?} has more than one []"));
        }
        Ok(Self(steps))
    }
}

impl ResultPath {
    /// A path that names no argument.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn fixed(text: &str) -> Result<Self, String> {
        Self::parse(text, &|_| None)
    }

    pub(crate) fn parse(text: &str, find: FindArg<'_>) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('$') else {
            return Err(format!("{text:?} does not begin with $"));
        };
        let steps = steps(rest.strip_prefix('.').unwrap_or(rest), find)?;
        if steps.contains(&Step::Each) {
            return Err(format!("{text:?} has [], which only a request can"));
        }
        Ok(Self(steps))
    }

    /// The value at this path, `None` when there is none. `args` gives the values that the path
    /// names.
    pub fn find<'v>(
        &self,
        value: &'v Value,
        args: &dyn Fn(usize) -> Option<Value>,
    ) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::KeyOf(arg) => value.get(args(*arg)?.as_str()?),
            Step::Index(n) => element(value, *n),
            Step::IndexOf(arg) => element(value, args(*arg)?.as_i64()?),
            Step::Each => None,
        })
    }

    /// The value at this path, which names no argument.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.find(value, &|_| None)
    }

    /// The same, to change it.
    pub fn get_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Index(n) => {
                let items = value.as_array_mut()?;
                let at = position(*n, items.len())?;
                items.get_mut(at)
            }
            Step::KeyOf(_) | Step::IndexOf(_) | Step::Each => None,
        })
    }
}

fn element(value: &Value, n: i64) -> Option<&Value> {
    let items = value.as_array()?;
    items.get(position(n, items.len())?)
}

fn position(n: i64, length: usize) -> Option<usize> {
    let from_start = if n < 0 {
        n.checked_add(i64::try_from(length).ok()?)?
    } else {
        n
    };
    usize::try_from(from_start).ok()
}

/// `name(.name)*`, `[n]`, `[]`, `["name"]`, `{{argument}}`, `[{{argument}}]`.
fn steps(text: &str, find: FindArg<'_>) -> Result<Vec<Step>, String> {
    let (mut steps, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (step, after) = step(rest, find).map_err(|unknown| match unknown {
            Some(name) => format!("{text:?} names {name:?}, which is no argument"),
            None => format!("{text:?} is no path"),
        })?;
        steps.push(step);
        rest = match after.strip_prefix('.') {
            Some(after) if after.is_empty() || after.starts_with(['.', '[']) => {
                return Err(format!("{text:?} is no path"));
            }
            Some(after) => after,
            None => after,
        };
    }
    Ok(steps)
}

/// The first step and what comes after it. The error is the name of an unknown argument, or none
/// where the text has no such form.
fn step<'t>(rest: &'t str, find: FindArg<'_>) -> Result<(Step, &'t str), Option<&'t str>> {
    let until = |after: &'t str, end: &str| after.split_once(end).ok_or(None);
    let argument = |name: &'t str| find(name).ok_or(Some(name));
    if let Some(after) = rest.strip_prefix("[]") {
        return Ok((Step::Each, after));
    }
    if let Some(after) = rest.strip_prefix("[\"") {
        let (key, after) = until(after, "\"]")?;
        return Ok((Step::Key(key.to_owned()), after));
    }
    if let Some(after) = rest.strip_prefix("[{{") {
        let (name, after) = until(after, "}}]")?;
        return Ok((Step::IndexOf(argument(name)?), after));
    }
    if let Some(after) = rest.strip_prefix('[') {
        let (number, after) = until(after, "]")?;
        return Ok((Step::Index(number.parse().map_err(|_| None)?), after));
    }
    if let Some(after) = rest.strip_prefix("{{") {
        let (name, after) = until(after, "}}")?;
        return Ok((Step::KeyOf(argument(name)?), after));
    }
    let (key, after) = rest.split_at(rest.find(['.', '[', '{']).unwrap_or(rest.len()));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_$@:/-".contains(c);
    if key.is_empty() || !key.chars().all(plain) {
        return Err(None);
    }
    Ok((Step::Key(key.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn no_args(_: &str) -> Option<usize> {
        None
    }

    #[test]
    fn wire_paths_of_every_form_are_read() {
        let find = |name: &str| (name == "kind").then_some(3);
        let parse = |text| WirePath::parse(text, &find).map(|path| path.0);
        let key = |name: &str| Step::Key(name.to_owned());

        assert_eq!(parse("$"), Ok(vec![]));
        assert_eq!(parse("a.b"), Ok(vec![key("a"), key("b")]));
        assert_eq!(
            parse("requests[0].x"),
            Ok(vec![key("requests"), Step::Index(0), key("x")])
        );
        assert_eq!(parse("[0].name"), Ok(vec![Step::Index(0), key("name")]));
        assert_eq!(
            parse("to[].email.address"),
            Ok(vec![key("to"), Step::Each, key("email"), key("address")])
        );
        assert_eq!(
            parse("[\"user@odata.bind\"]"),
            Ok(vec![key("user@odata.bind")])
        );
        assert_eq!(
            parse("parent.{{kind}}"),
            Ok(vec![key("parent"), Step::KeyOf(3)])
        );
        for bad in [
            "a..b",
            "a.",
            "a[",
            "a[x]",
            "a[-1]",
            "{{other}}",
            "a[].b[]",
            "a b",
            ".a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn result_paths_find_what_they_say_and_nothing_else() {
        let value = json!({"@odata.nextLink": "u", "items": [{"id": 1}, {"id": 2}]});
        let find = |text| {
            ResultPath::parse(text, &no_args)
                .unwrap()
                .get(&value)
                .cloned()
        };

        assert_eq!(find("$"), Some(value.clone()));
        assert_eq!(find("$[\"@odata.nextLink\"]"), Some(json!("u")));
        assert_eq!(find("$.items[-1].id"), Some(json!(2)));
        assert_eq!(find("$.items[-3].id"), None);
        assert_eq!(find("$.none.id"), None);
        assert!(ResultPath::parse("items", &no_args).is_err());
        assert!(ResultPath::parse("$.items[]", &no_args).is_err());
    }
}
