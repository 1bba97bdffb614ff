//! What a client does in each scenario.

use anyhow::{Context, bail};
use fabric::Method;
use serde_json::{Value, json};

use crate::host::Host;

/// Plays a scenario to its end.
///
/// # Errors
/// The scenario is unknown, or something that must work did not.
pub(crate) async fn play(host: &Host, scenario: &str, context: &Value) -> anyhow::Result<()> {
    match scenario {
        "initialize" | "request-metadata" | "json-schema-ref-no-deref" => {
            host.tools().await?;
            Ok(())
        }
        "tools_call" => call_listed(host, &json!({ "a": 5, "b": 3 })).await,
        "elicitation-sep1034-client-defaults" | "sse-retry" | "sep-2322-client-request-state" => {
            call_listed(host, &json!({})).await
        }
        "http-invalid-tool-headers" => call_listed(host, &json!({ "region": "us-west1" })).await,
        "http-standard-headers" => everything_once(host).await,
        "http-custom-headers" => calls_of(host, context).await,
        "json-schema-2020-12-preservation" => echo_a_schema(host).await,
        // Where the server must not be signed in at, this fails, and the suite wants that.
        sign_in if sign_in.starts_with("auth/") => call_listed(host, &json!({})).await,
        other => bail!("there is no scenario {other:?}"),
    }
}

/// Calls every tool that is offered, with the same arguments.
async fn call_listed(host: &Host, arguments: &Value) -> anyhow::Result<()> {
    for tool in host.tools().await? {
        host.call_tool(&tool.name, arguments).await?;
    }
    Ok(())
}

/// Every kind of request that goes to a server, once.
async fn everything_once(host: &Host) -> anyhow::Result<()> {
    call_listed(host, &json!({})).await?;
    let resources = host.ask(Method::ListResources, None, None).await?;
    for resource in list(&resources, "resources")? {
        let uri = resource["uri"].as_str().context("a URI")?;
        host.ask(Method::ReadResource, Some(uri), None).await?;
    }
    let prompts = host.ask(Method::ListPrompts, None, None).await?;
    for prompt in list(&prompts, "prompts")? {
        let name = prompt["name"].as_str().context("a name")?;
        host.ask(Method::GetPrompt, Some(name), None).await?;
    }
    Ok(())
}

/// The calls that the suite wants, after the tools were read.
async fn calls_of(host: &Host, context: &Value) -> anyhow::Result<()> {
    host.tools().await?;
    for call in list(context, "toolCalls")? {
        let name = call["name"].as_str().context("a name")?;
        host.call_tool(name, &call["arguments"]).await?;
    }
    Ok(())
}

/// Sends a tool's schema back as it was understood.
async fn echo_a_schema(host: &Host) -> anyhow::Result<()> {
    let tools = host.tools().await?;
    let focal = tools
        .iter()
        .find(|tool| tool.name == "json_schema_2020_12_tool")
        .context("the tool with the schema")?;
    let definition: Value = serde_json::from_str(focal.json.get())?;
    let arguments = json!({ "schema": definition["inputSchema"] });
    host.call_tool("json_schema_echo", &arguments).await?;
    Ok(())
}

fn list<'a>(object: &'a Value, member: &str) -> anyhow::Result<&'a Vec<Value>> {
    object[member]
        .as_array()
        .with_context(|| format!("{member} is a list: {object}"))
}
