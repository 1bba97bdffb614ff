//! The manifests that are part of the program.

/// A manifest that is part of the program.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) tools: usize,
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
}

/// `name: display name, number of tools;` for each manifest.
macro_rules! builtin {
    ($($name:ident: $display_name:literal, $tools:literal;)+) => {
        &[$(Builtin {
            name: stringify!($name),
            display_name: $display_name,
            tools: $tools,
            file: concat!(stringify!($name), ".toml"),
            text: include_str!(concat!("../manifests/", stringify!($name), ".toml")),
        },)+]
    };
}

/// All of them, in order of the alphabet.
pub(crate) const BUILTIN: &[Builtin] = builtin! {
    bitbucket: "Bitbucket Cloud", 40;
    claude_code: "Claude Code / Anthropic Admin", 28;
    codex: "OpenAI Codex / organization admin", 26;
    confluence: "Confluence Cloud", 32;
    copilot: "GitHub Copilot", 28;
    cursor: "Cursor", 32;
    discord: "Discord", 41;
    excel: "Microsoft Excel", 31;
    github: "GitHub", 84;
    gitlab: "GitLab", 55;
    gmail: "Gmail", 36;
    google_calendar: "Google Calendar", 29;
    google_docs: "Google Docs", 25;
    google_sheets: "Google Sheets", 28;
    google_slides: "Google Slides", 27;
    jira: "Jira Cloud", 47;
    linear: "Linear", 36;
    notion: "Notion", 30;
    outlook: "Outlook", 35;
    powerpoint: "Microsoft PowerPoint", 19;
    slack: "Slack", 48;
    teams: "Microsoft Teams", 31;
    windsurf: "Windsurf (Devin Desktop)", 16;
    zoom: "Zoom", 33;
};
