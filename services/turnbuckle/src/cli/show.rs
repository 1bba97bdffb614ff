//! A result in the form that was asked for.

use serde_json::Value;

use super::args::Format;
use super::output::{Column, fields, table};
use super::{Cli, Failure};

impl Cli<'_> {
    /// One resource.
    pub(super) fn show(&mut self, resource: &Value, columns: &[Column]) -> Result<(), Failure> {
        match self.global.output {
            Format::Json => self.terminal.json(resource),
            Format::Table => self.terminal.line(&fields(columns, resource)),
        }
    }

    /// The resources that are the member `items` of a list.
    pub(super) fn show_list(
        &mut self,
        list: &Value,
        items: &str,
        columns: &[Column],
    ) -> Result<(), Failure> {
        let found = list
            .get(items)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        match self.global.output {
            Format::Json => self.terminal.json(list),
            Format::Table if found.is_empty() => self.terminal.remark("There are none."),
            Format::Table => self.terminal.line(&table(columns, found)),
        }
    }

    /// What was done, where there is no resource to show.
    pub(super) fn done(&mut self, sentence: &str) -> Result<(), Failure> {
        match self.global.output {
            Format::Json => Ok(()),
            Format::Table => self.terminal.line(sentence),
        }
    }
}
