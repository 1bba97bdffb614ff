//! Reading a page with what is nested in it.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::render::{self, Block, Form};
use crate::native::answer::Made;
use crate::native::arguments::Arguments;
use crate::native::call::{self, Call, Stop};
use crate::native::pages::Next;

/// Levels of blocks below a page's own that are read.
const DEPTH_MAX: usize = 8;
/// Requests that one call makes; Notion allows about three a second.
const REQUESTS_MAX: usize = 100;
/// Blocks that one call reads.
const BLOCKS_MAX: usize = 5_000;

/// What may still be read.
struct Left {
    requests: usize,
    blocks: usize,
    /// Blocks whose content was left out.
    skipped: Vec<String>,
}

/// One page of a page's blocks with all that is nested in them.
pub(in crate::native::hooks) async fn blocks_to_text(
    call: &Call<'_>,
    arguments: &Arguments,
) -> Result<Made, Stop> {
    let page = call.text(arguments, "page_id").unwrap_or_default();
    let draft = call.draft(arguments)?;
    let is_first = call.arg(arguments, "start_cursor").is_none();
    let title = match is_first {
        true => title(call, arguments, page).await?,
        false => None,
    };
    let (answered, body) = call.ask(&draft).await?;
    let next = call.tool.pages.as_ref();
    let next = next.map(|pages| call::next(pages, &draft, &answered, &body, arguments));
    let mut left = Left {
        requests: REQUESTS_MAX,
        blocks: BLOCKS_MAX,
        skipped: Vec::new(),
    };
    let mut blocks = taken(&body, &mut left);
    if call.flag(arguments, "recursive") {
        nest(call, arguments, &mut blocks, &mut left).await?;
    }
    let mut made = match call.text(arguments, "format") {
        Some("structured") => Made::json(json!({
            "title": title, "blocks": render::structured(&blocks),
        })),
        Some("markdown") => {
            let head = title
                .map(|title| format!("# {title}\n\n"))
                .unwrap_or_default();
            call.shown(head + &render::text(&blocks, Form::Markdown))
        }
        _ => {
            let head = title
                .map(|title| format!("{title}\n\n"))
                .unwrap_or_default();
            call.shown(head + &render::text(&blocks, Form::Plain))
        }
    };
    if !left.skipped.is_empty() {
        made.notes.push(format!(
            "There is more in it than one call reads. Left out is what is nested in the blocks {}.",
            left.skipped.join(", ")
        ));
    }
    if let Some(next) = next.filter(|next| *next != Next::End) {
        call.tell_next(&next, &draft, &mut made);
    }
    Ok(made)
}

/// The title of the page; none where the id is that of a block within one.
async fn title(call: &Call<'_>, arguments: &Arguments, page: &str) -> Result<Option<String>, Stop> {
    let look = call.step(0, arguments, &[("page_id", page)])?;
    let answered = call.exchange(&look).await?;
    if matches!(answered.status.as_u16(), 400 | 404) {
        return Ok(None);
    }
    call.accept(&answered)?;
    let found: Value =
        serde_json::from_slice(&answered.body).map_err(|error| call.garbage(&answered, &error))?;
    let properties = found["properties"].as_object();
    let mut properties = properties.into_iter().flat_map(|all| all.values());
    let title = properties.find(|property| property["type"] == json!("title"));
    let title = title.map(|title| render::rich(&title["title"], Form::Plain));
    Ok(title.filter(|title| !title.is_empty()))
}

/// Reads what is nested, level by level, so that a bound leaves out the deepest.
async fn nest(
    call: &Call<'_>,
    arguments: &Arguments,
    blocks: &mut [Block],
    left: &mut Left,
) -> Result<(), Stop> {
    let mut queue: VecDeque<(Vec<usize>, String)> = VecDeque::new();
    enqueue(blocks, &[], &mut queue);
    while let Some((place, id)) = queue.pop_front() {
        if place.len() > DEPTH_MAX || left.requests == 0 || left.blocks == 0 {
            left.skipped.push(id);
            continue;
        }
        let children = children(call, arguments, &id, left).await?;
        let Some(parent) = at(blocks, &place) else {
            continue;
        };
        parent.children = children;
        enqueue(&parent.children, &place, &mut queue);
    }
    Ok(())
}

fn enqueue(blocks: &[Block], above: &[usize], queue: &mut VecDeque<(Vec<usize>, String)>) {
    for (index, block) in blocks.iter().enumerate() {
        let block = &block.block;
        // What is on another page is another page's text.
        let is_page = matches!(
            block["type"].as_str(),
            Some("child_page" | "child_database")
        );
        if block["has_children"] == json!(true)
            && !is_page
            && let Some(id) = block["id"].as_str()
        {
            let place = above.iter().copied().chain([index]).collect();
            queue.push_back((place, id.to_owned()));
        }
    }
}

fn at<'a>(blocks: &'a mut [Block], place: &[usize]) -> Option<&'a mut Block> {
    let (first, rest) = place.split_first()?;
    let block = blocks.get_mut(*first)?;
    if rest.is_empty() {
        return Some(block);
    }
    at(&mut block.children, rest)
}

/// All children of a block, as far as the bounds allow.
async fn children(
    call: &Call<'_>,
    arguments: &Arguments,
    id: &str,
    left: &mut Left,
) -> Result<Vec<Block>, Stop> {
    let mut look = call.step(1, arguments, &[("block_id", id)])?;
    look.set_query("page_size", "100");
    let mut found = Vec::new();
    while left.requests > 0 {
        left.requests -= 1;
        let (_, body) = call.ask(&look).await?;
        found.extend(taken(&body, left));
        match body["next_cursor"].as_str() {
            Some(next) if body["has_more"] == json!(true) && left.blocks > 0 => {
                look.set_query("start_cursor", next);
            }
            _ => return Ok(found),
        }
    }
    left.skipped.push(id.to_owned());
    Ok(found)
}

fn taken(body: &Value, left: &mut Left) -> Vec<Block> {
    let blocks = body["results"].as_array().into_iter().flatten();
    let blocks = blocks.take(left.blocks).map(|block| Block {
        block: block.clone(),
        children: Vec::new(),
    });
    let found: Vec<Block> = blocks.collect();
    left.blocks -= found.len();
    found
}
