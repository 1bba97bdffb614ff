//! Notion: texts are blocks, and the rows of a database belong to one of its data sources.

mod from_markdown;
mod read;
mod render;

pub(super) use read::blocks_to_text;

use http::Method;
use serde_json::{Map, Value, json};

use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{Call, Stop};
use crate::native::request::Draft;
use from_markdown::{blocks, rich_text};

/// Blocks that one request may add to a list.
const CHILDREN_MAX: usize = 100;
/// Blocks of one request, nested ones counted.
const REQUEST_MAX: usize = 1_000;
/// Blocks that one call adds: what the requests of a call can carry in its time.
const BLOCKS_MAX: usize = 2_000;

/// Rows of a database: of its first data source, unless one is named.
pub(super) async fn resolve_data_source(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let (arguments, note) = match call.text(arguments, "data_source_id") {
        Some(_) => (arguments.clone(), None),
        None => {
            let database = call.text(arguments, "database_id").unwrap_or_default();
            let (id, note) = data_source(call, arguments, database).await?;
            (call.set(arguments, "data_source_id", id), note)
        }
    };
    let draft = call.draft(&arguments)?;
    let mut made = match &call.tool.pages {
        Some(pages) => call.one_page(pages, draft, &arguments).await?,
        None => call.simple(draft, &arguments).await?,
    };
    made.notes.extend(note);
    Ok(made)
}

/// The first data source of a database; a note where there are more.
async fn data_source(
    call: &Call<'_>,
    arguments: &Arguments,
    database: &str,
) -> Result<(Value, Option<String>), Stop> {
    let look = call.step(0, arguments, &[("database_id", database)])?;
    let (_, found) = call.ask(&look).await?;
    let sources = found["data_sources"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let Some(first) = sources.first() else {
        return Err(call.cannot("The database has no data source that the integration may see."));
    };
    let note = (sources.len() > 1).then(|| {
        let others = sources[1..].iter().map(|source| {
            let name = source["name"].as_str().unwrap_or("unnamed");
            format!("{name} ({})", source["id"].as_str().unwrap_or_default())
        });
        let name = first["name"].as_str().unwrap_or("unnamed");
        let others: Vec<String> = others.collect();
        format!(
            "The database has several data sources; {name} was taken. The others: {}.",
            others.join(", ")
        )
    });
    Ok((first["id"].clone(), note))
}

/// Creates a page; what one request does not carry of its text is appended.
pub(super) async fn create_page(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let mut all = content(call, arguments)?;
    let rest = all.split_off(first_batch(&all));
    let mut arguments = arguments.clone();
    if !all.is_empty() {
        arguments = call.set(&arguments, "children", Value::Array(all));
    }
    let mut note = None;
    if call.text(&arguments, "parent_type") == Some("database_id") {
        let database = call.text(&arguments, "parent_id").unwrap_or_default();
        let (id, more) = data_source(call, &arguments, database).await?;
        arguments = call.set(&arguments, "parent_type", json!("data_source_id"));
        arguments = call.set(&arguments, "parent_id", id);
        note = more;
    }
    let mut draft = call.draft(&arguments)?;
    set_title(call, &arguments, &mut draft);
    let (answered, page) = call.ask(&draft).await?;
    let id = page["id"].as_str().unwrap_or_default();
    if !rest.is_empty() {
        let mut append = call.step(1, &arguments, &[("block_id", id)])?;
        let there = draft.body.as_ref().map_or(0, |body| children(body).len());
        let total = there + rest.len();
        let appended = append_all(call, &arguments, &mut append, rest, None).await;
        appended.map_err(|(stop, done)| {
            let count = there + done;
            stop.after(&format!(
                "The page was created with the id {id} and the first {count} of {total} blocks."
            ))
        })?;
    }
    let mut made = call.make(&answered, page, &arguments);
    made.notes.extend(note);
    Ok(made)
}

/// The properties with the title among them, under whatever name the caller gave it.
fn set_title(call: &Call<'_>, arguments: &Arguments, draft: &mut Draft) {
    let given = call.arg(arguments, "properties").and_then(Value::as_object);
    let mut properties = given.cloned().unwrap_or_default();
    let has_title = |property: &Value| property.get("title").is_some_and(Value::is_array);
    if !properties.values().any(has_title) {
        let title = call.text(arguments, "title").unwrap_or_default();
        properties.insert("title".to_owned(), json!({ "title": rich_text(title) }));
    }
    if let Some(body) = draft.body.as_mut() {
        body["properties"] = Value::Object(properties);
    }
}

/// Appends Markdown, and blocks in Notion's own form after it.
pub(super) async fn append_blocks(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let all = content(call, arguments)?;
    if all.is_empty() {
        return Err(call.refuse("there is nothing to append"));
    }
    let total = all.len();
    let after = call.text(arguments, "after").map(str::to_owned);
    let mut draft = call.draft(arguments)?;
    let added = append_all(call, arguments, &mut draft, all, after).await;
    let added = added.map_err(|(stop, done)| match done {
        0 => stop,
        _ => stop.after(&format!(
            "The first {done} of {total} blocks were appended."
        )),
    })?;
    Ok(Made::json(json!({ "appended": total, "results": added })))
}

/// Appends in as few requests as Notion allows, in order. The error says how many were appended.
async fn append_all(
    call: &Call<'_>,
    arguments: &Arguments,
    draft: &mut Draft,
    mut left: Vec<Value>,
    mut after: Option<String>,
) -> Result<Vec<Value>, (Stop, usize)> {
    draft.method = Method::PATCH;
    let (mut added, mut done) = (Vec::new(), 0);
    while !left.is_empty() {
        let rest = left.split_off(first_batch(&left));
        let count = left.len();
        let mut body = json!({ "children": left });
        if let Some(after) = &after {
            body["after"] = json!(after);
        }
        draft.body = Some(body);
        let (_, answer) = call.ask(draft).await.map_err(|stop| (stop, done))?;
        let new = answer["results"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        // Behind the given place Notion also tells of the blocks that were there.
        let new = &new[..new.len().min(count)];
        if after.is_some() {
            after = new
                .last()
                .and_then(|block| block["id"].as_str())
                .map(str::to_owned)
                .or(after);
        }
        added.extend(
            new.iter()
                .map(|block| call.digest(arguments, block, &["id", "type", "has_children"])),
        );
        done += count;
        left = rest;
    }
    Ok(added)
}

/// How many blocks go into the next request.
fn first_batch(blocks: &[Value]) -> usize {
    let mut total = 0;
    let fits = blocks.iter().take(CHILDREN_MAX).take_while(|block| {
        total += size(block);
        total <= REQUEST_MAX
    });
    fits.count().max(usize::from(!blocks.is_empty()))
}

/// A block and those in it.
fn size(block: &Value) -> usize {
    1 + inner(block).iter().map(size).sum::<usize>()
}

fn inner(block: &Value) -> &[Value] {
    let contents = block.as_object().into_iter().flat_map(Map::values);
    let mut found = contents.map(children).filter(|list| !list.is_empty());
    found.next().unwrap_or_default()
}

fn children(value: &Value) -> &[Value] {
    let list = value.get("children").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The blocks of `content`, then those of `children`.
fn content(call: &Call<'_>, arguments: &Arguments) -> Result<Vec<Value>, Stop> {
    let text = call.text(arguments, "content").unwrap_or_default();
    let mut all = blocks(text);
    all.extend_from_slice(call.list(arguments, "children"));
    let count: usize = all.iter().map(size).sum();
    if count > BLOCKS_MAX {
        return Err(call.refuse(&format!(
            "the text makes {count} blocks, and one call adds {BLOCKS_MAX} at most: send it in parts"
        )));
    }
    Ok(all)
}

/// Changes a block: its new content stands under the name of its type.
pub(super) async fn update_block(call: &Call<'_>, arguments: &Arguments) -> Result<Made, Stop> {
    let mut draft = call.draft(arguments)?;
    let Some(body) = draft.body.as_mut().and_then(Value::as_object_mut) else {
        return Err(call.refuse("at least one of the arguments \"type\", \"archived\" is required"));
    };
    if let Some(Value::Object(content)) = body.remove("type") {
        body.extend(content);
    }
    if body.is_empty() {
        return Err(call.refuse("at least one of the arguments \"type\", \"archived\" is required"));
    }
    call.simple(draft, arguments).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_in_its_list_and_with_what_is_nested() {
        let plain = json!({ "paragraph": { "rich_text": [] } });
        let nest = json!({ "toggle": { "children": vec![plain.clone(); 99] } });

        assert_eq!(first_batch(&vec![plain.clone(); 250]), 100);
        assert_eq!(first_batch(&vec![nest; 50]), 10);
        assert_eq!(first_batch(&[plain]), 1);
        assert_eq!(first_batch(&[]), 0);
    }
}
