//! What a lesson says in one language, read from its Markdown: a title, a summary, and five parts in a fixed order.

/// A lesson's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'t> {
    /// Its name for people.
    pub title: &'t str,
    /// What it is about, a line.
    pub summary: &'t str,
    /// What there is to know, with commands to type.
    pub body: &'t str,
    /// What to find out.
    pub question: &'t str,
    /// What to change.
    pub task: &'t str,
    /// Where to look, for who is stuck.
    pub hint: &'t str,
    /// What there was to find out, for who is done.
    pub answer: &'t str,
}

impl<'t> Text<'t> {
    /// Reads `# TITLE`, a line of summary, and after the body four parts under `## ` headings. `None`: it is not so.
    pub fn parse(source: &'t str) -> Option<Self> {
        let (title, rest) = source.strip_prefix("# ")?.split_once('\n')?;
        let (summary, rest) = rest.trim_start().split_once('\n')?;
        let mut parts = rest.split("\n## ");
        let body = parts.next()?.trim();
        let mut part = || parts.next()?.split_once('\n').map(|(_, text)| text.trim());
        let (question, task, hint, answer) = (part()?, part()?, part()?, part()?);
        let is_whole = parts.next().is_none()
            && [title, summary, body, question, task, hint, answer].iter().all(|part| !part.is_empty());
        is_whole.then_some(Self { title: title.trim(), summary: summary.trim(), body, question, task, hint, answer })
    }

    /// The commands that it shows, as typed: the indented lines that begin with `$ `.
    pub fn commands(&self) -> impl Iterator<Item = &'t str> {
        self.body.lines().filter_map(|line| line.strip_prefix("    $ "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# Hub\n\nWhat it does.\n\nIt repeats.\n\n    $ vpclab sim ping a b\n\n\
        ## Q\n\nq\n\n## T\n\nt\n\n## H\n\nh\n\n## A\n\na\n";

    #[test]
    fn a_text_is_read_in_its_parts() {
        let text = Text::parse(WHOLE).unwrap();
        assert_eq!(
            (text.title, text.summary, text.question, text.task, text.hint, text.answer),
            ("Hub", "What it does.", "q", "t", "h", "a")
        );
        assert!(text.body.starts_with("It repeats."));
        assert_eq!(text.commands().collect::<Vec<_>>(), ["vpclab sim ping a b"]);
    }

    #[test]
    fn a_text_with_a_part_too_few_too_many_or_empty_is_none() {
        for wrong in [
            WHOLE.replace("## A\n\na\n", ""),
            format!("{WHOLE}\n## More\n\nm\n"),
            WHOLE.replace("\nt\n", "\n\n"),
            WHOLE.replace("# Hub\n", "Hub\n"),
        ] {
            assert_eq!(Text::parse(&wrong), None, "{wrong}");
        }
    }
}
