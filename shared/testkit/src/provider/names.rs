//! Descriptions that say no more than names: the files of providers' SDKs and inventories, and
//! what is only documented.

use std::collections::BTreeSet;

use serde_json::Value;

use super::api::{Api, Detail, Operation, Parameter, RequestBody};
use super::schema::Schema;

impl Api {
    /// `endpoints`: by method and path the names of `path`, `query` and `body`.
    ///
    /// # Panics
    /// When the text has another form: a test cannot go on without.
    pub fn endpoints(text: &[u8]) -> Self {
        let root: Value = serde_json::from_slice(text).expect("the description is JSON");
        let all = root["endpoints"].as_object().expect("it has endpoints");
        let operations = all.iter().map(|(request, known)| {
            let (method, path) = request.split_once(' ').expect("a method and a path");
            let id = known["name"].as_str().unwrap_or(request);
            let mut read = Operation::new(id, method, path, Detail::Names);
            read.query = names(&known["query"]).into_iter().map(any).collect();
            let body = names(&known["body"]);
            read.body = (!body.is_empty()).then(|| RequestBody::names(&body));
            read
        });
        Self::of(operations.collect())
    }

    /// `methods`: by the name of a method, which is its path, the names of its arguments, which
    /// go with GET or POST.
    ///
    /// # Panics
    /// When the text has another form: a test cannot go on without.
    pub fn methods(text: &[u8]) -> Self {
        let root: Value = serde_json::from_slice(text).expect("the description is JSON");
        let all = root["methods"].as_object().expect("it has methods");
        let operations = all.iter().flat_map(|(name, known)| {
            let (path, known) = (format!("/{name}"), names(known));
            let mut get = Operation::new(name, "GET", &path, Detail::Names);
            get.query = known.clone().into_iter().map(any).collect();
            let mut post = Operation::new(name, "POST", &path, Detail::Names);
            post.body = Some(RequestBody::names(&known));
            [get, post]
        });
        Self::of(operations.collect())
    }

    /// `inventory`: operation ids by method and path.
    ///
    /// # Panics
    /// When the text has another form: a test cannot go on without.
    pub fn inventory(text: &[u8]) -> Self {
        let root: Value = serde_json::from_slice(text).expect("the description is JSON");
        let all = root["inventory"].as_object().expect("it has an inventory");
        let operations = all.iter().map(|(request, id)| {
            let (method, path) = request.split_once(' ').expect("a method and a path");
            path_only(id.as_str().unwrap_or(request), method, path)
        });
        Self::of(operations.collect())
    }

    /// What is only documented: method and path.
    pub fn documented<'t>(requests: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let operations = requests
            .into_iter()
            .map(|(method, path)| path_only(&format!("{method} {path}"), method, path));
        Self::of(operations.collect())
    }
}

fn path_only(id: &str, method: &str, path: &str) -> Operation {
    let mut read = Operation::new(id, method, path, Detail::Path);
    let any = || Schema::any();
    read.body = Some(RequestBody {
        required: false,
        content: [("application/json".to_owned(), any())].into(),
        media: Vec::new(),
    });
    read
}

fn names(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}

fn any(name: String) -> (String, Parameter) {
    (name, Parameter::any())
}
