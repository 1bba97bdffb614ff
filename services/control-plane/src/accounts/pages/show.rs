//! What the pages say.

use catalog::closed::Effect;

use super::html::Html;
use super::{CHOICE_PATH, STYLE_PATH};
use crate::accounts::connect::{Done, Refused, Sites, Visit};
use crate::accounts::scopes::Reason;

fn document(title: &str, content: Html) -> Html {
    Html::new()
        .raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta name=\"robots\" content=\"noindex\">\n<title>")
        .text(title)
        .raw(" - Turnbuckle</title>\n<link rel=\"stylesheet\" href=\"")
        .text(STYLE_PATH)
        .raw("\">\n</head>\n<body>\n<main>\n<h1>")
        .text(title)
        .raw("</h1>\n")
        .then(content)
        .raw("</main>\n</body>\n</html>\n")
}

/// Who asks for what, and the one button.
pub(super) fn visit(visit: &Visit, nonce: &str, token: &str) -> Html {
    let provider = &visit.provider;
    let title = match visit.again {
        Some(_) => format!("Connect your {provider} account again"),
        None => format!("Connect your {provider} account"),
    };
    let fact = |name: &'static str, value: Html| {
        let row = Html::new().raw("<dt>").text(name).raw("</dt><dd>");
        row.then(value).raw("</dd>\n")
    };
    let text = |text: &str| Html::new().text(text);
    let whose = match &visit.key {
        Some(key) => Html::new()
            .text("calls made with the API key ")
            .raw("<strong>")
            .text(key)
            .raw("</strong> only"),
        None => Html::new().raw("<strong>everybody</strong>").text(format!(
            " in {} who has no account of their own",
            visit.tenant
        )),
    };
    let mut facts = Html::new()
        .raw("<dl>\n")
        .then(fact("Asked by", text(&visit.tenant)))
        .then(fact("Connector", text(&visit.connector)))
        .then(fact(
            "You sign in at",
            text(visit.signs_in_at.host_str().unwrap_or_default()),
        ))
        .then(fact("Calls go to", text(&visit.goes_to)))
        .then(fact("Used for", whose));
    if let Some(again) = &visit.again {
        facts = facts.then(fact("Account", text(again)));
    }
    let code = Html::new()
        .raw("<span class=\"code\">")
        .text(&visit.code)
        .raw("</span>");
    let facts = facts
        .then(fact("Code", code))
        .then(fact("Good for", text(&minutes(visit.minutes))))
        .raw("</dl>\n");
    let content = Html::new()
        .raw("<p>Tools will act at ")
        .text(provider)
        .raw(" in your name, with what you allow there.</p>\n")
        .then(facts)
        .then(scopes(visit))
        .raw("<form method=\"post\" action=\"/connect/")
        .text(nonce)
        .raw("\">\n<input type=\"hidden\" name=\"token\" value=\"")
        .text(token)
        .raw("\">\n<p><button type=\"submit\">Continue to ")
        .text(provider)
        .raw("</button></p>\n</form>\n")
        .raw(
            "<p class=\"note\">A program that showed you this link shows the same code. If you do ",
        )
        .raw("not know who asks, or the code is another, close this page: nothing is connected. ")
        .raw("You can end the connection at any time, here or at ")
        .text(provider)
        .raw(".</p>\n");
    document(&title, content)
}

fn minutes(minutes: i64) -> String {
    match minutes {
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn scopes(visit: &Visit) -> Html {
    if visit.wanted.reasons.is_empty() {
        return Html::new()
            .raw("<p>What the tools may do is chosen at ")
            .text(&visit.provider)
            .raw(".</p>\n");
    }
    Html::new()
        .raw("<h2>What is asked for</h2>\n<ul>\n")
        .each(&visit.wanted.reasons, scope)
        .raw("</ul>\n")
}

fn scope(reason: &Reason) -> Html {
    let name = Html::new()
        .raw("<li><code>")
        .text(&reason.scope)
        .raw("</code>");
    let Some(effect) = reason.effect else {
        return name
            .raw(" to know who you are, to stay connected, or as asked for by a tool</li>\n");
    };
    let does = match effect {
        Effect::Read => " to read",
        Effect::Write => " to read and change",
        Effect::Destructive => " to read, change and delete",
    };
    let more = match reason.more {
        0 => String::new(),
        1 => " and 1 more tool".to_owned(),
        more => format!(" and {more} more tools"),
    };
    name.text(does)
        .text(": ")
        .text(reason.tools.join(", "))
        .text(more)
        .raw("</li>\n")
}

/// Several sites, of which one is for this connection.
pub(super) fn sites(sites: &Sites, state: &str, token: &str) -> Html {
    let site = |(at, label): (usize, &String)| {
        Html::new()
            .raw("<li><label><input type=\"radio\" name=\"site\" required value=\"")
            .text(at)
            .raw("\"> ")
            .text(label)
            .raw("</label></li>\n")
    };
    let content = Html::new()
        .raw("<p>Your ")
        .text(&sites.provider)
        .raw(" account reaches several sites. Tools will work with one of them.</p>\n")
        .raw("<form method=\"post\" action=\"")
        .text(CHOICE_PATH)
        .raw("\">\n<input type=\"hidden\" name=\"state\" value=\"")
        .text(state)
        .raw("\">\n<input type=\"hidden\" name=\"token\" value=\"")
        .text(token)
        .raw("\">\n<fieldset>\n<legend>Site</legend>\n<ul>\n")
        .each(sites.labels.iter().enumerate(), site)
        .raw(
            "</ul>\n</fieldset>\n<p><button type=\"submit\">Use this site</button></p>\n</form>\n",
        );
    document("Choose a site", content)
}

/// There is an account.
pub(super) fn done(done: &Done) -> Html {
    let whose = match done.for_key {
        true => "calls made with your API key",
        false => "everybody there who has no account of their own",
    };
    // Mostly the account is called so.
    let other = done.subject.as_ref();
    let other = other.filter(|subject| **subject != done.account);
    let subject = other.map_or_else(Html::new, |subject| {
        Html::new()
            .raw(", where you are <strong>")
            .text(subject)
            .raw("</strong>,")
    });
    let content = Html::new()
        .raw("<p>The ")
        .text(&done.provider)
        .raw(" account <strong>")
        .text(&done.account)
        .raw("</strong>")
        .then(subject)
        .raw(" is connected to <strong>")
        .text(&done.connector)
        .raw("</strong> of ")
        .text(&done.tenant)
        .raw(", for ")
        .text(whose)
        .raw(".</p>\n<p>Close this page and go on where you were: a tool that asked for it works ")
        .raw("now.</p>\n");
    document("Connected", content)
}

/// It does not go on.
pub(super) fn refused(refused: &Refused) -> Html {
    let content = Html::new().raw("<p>").text(refused.words()).raw("</p>\n");
    document(refused.title(), content)
}
