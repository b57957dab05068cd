//! What each instruction is called, which flags it has, and how one is written: a table.

use super::flags::nearest;

/// The outside of an instruction.
#[derive(Debug)]
pub struct Form {
    /// In capitals.
    pub name: &'static str,
    /// Without `--`.
    pub flags: &'static [&'static str],
    /// How one is written, for hints.
    pub example: &'static str,
    /// Whether it changes an image's configuration and nothing else (`commit --change`).
    pub is_change: bool,
    /// Whether it can wait in an image for builds on top of it (`ONBUILD`).
    pub is_trigger: bool,
}

/// All instructions, by name.
pub const FORMS: [Form; 18] = [
    files("ADD", &["chown", "chmod", "link", "exclude", "checksum", "unpack", "keep-git-dir"], "ADD SOURCE TARGET"),
    files("ARG", &[], "ARG NAME[=DEFAULT]"),
    change("CMD", &[], "CMD [\"program\", \"argument\"]"),
    files("COPY", &["from", "chown", "chmod", "link", "parents", "exclude"], "COPY SOURCE TARGET"),
    change("ENTRYPOINT", &[], "ENTRYPOINT [\"program\", \"argument\"]"),
    change("ENV", &[], "ENV NAME=VALUE"),
    change("EXPOSE", &[], "EXPOSE 80/tcp"),
    Form { is_trigger: false, ..files("FROM", &["platform"], "FROM IMAGE [AS NAME]") },
    change(
        "HEALTHCHECK",
        &["interval", "timeout", "start-period", "start-interval", "retries"],
        "HEALTHCHECK CMD COMMAND, or HEALTHCHECK NONE",
    ),
    change("LABEL", &[], "LABEL NAME=VALUE"),
    Form { is_trigger: false, ..files("MAINTAINER", &[], "") },
    Form { is_trigger: false, ..change("ONBUILD", &[], "ONBUILD RUN COMMAND") },
    files("RUN", &["mount", "network", "security"], "RUN COMMAND"),
    change("SHELL", &[], "SHELL [\"/bin/sh\", \"-c\"]"),
    change("STOPSIGNAL", &[], "STOPSIGNAL SIGTERM"),
    change("USER", &[], "USER name[:group]"),
    change("VOLUME", &[], "VOLUME /path"),
    change("WORKDIR", &[], "WORKDIR /path"),
];

const fn change(name: &'static str, flags: &'static [&'static str], example: &'static str) -> Form {
    Form { name, flags, example, is_change: true, is_trigger: true }
}

const fn files(name: &'static str, flags: &'static [&'static str], example: &'static str) -> Form {
    Form { is_change: false, ..change(name, flags, example) }
}

/// The form of this name, in capitals or not; else the name that somebody may have meant.
pub fn form(word: &str) -> Result<&'static Form, Option<&'static str>> {
    let found = FORMS.iter().find(|form| form.name.eq_ignore_ascii_case(word));
    found.ok_or_else(|| nearest(word, &FORMS.each_ref().map(|form| form.name)))
}
