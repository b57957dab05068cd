//! The fenced `yaml` blocks of a markdown file.

/// A block and the line of the file on which its first line of YAML stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Line in the file, counted from 1.
    pub first_line: u32,
    /// The text between the fences.
    pub text: String,
}

/// All blocks whose info string starts with the word `yaml` (CommonMark §4.5 fences of backticks or tildes). A
/// block that is never closed runs to the end of the file.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    // Fence character, its count, its indentation, and the block if it is YAML.
    let mut open: Option<(char, usize, usize, Option<Block>)> = None;
    for (index, line) in markdown.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let body = line.trim_start();
        let mark = body.chars().next().filter(|c| matches!(c, '`' | '~'));
        let count = mark.map_or(0, |m| body.chars().take_while(|c| *c == m).count());
        match &mut open {
            None if count >= 3 => {
                let info = body[count..].trim();
                // A backtick fence's info string has no backtick; such a line is inline code.
                if mark == Some('`') && info.contains('`') {
                    continue;
                }
                let is_yaml = matches!(info.split_whitespace().next(), Some("yaml" | "yml"));
                let first_line = u32::try_from(index).unwrap_or(u32::MAX - 2) + 2;
                open = Some((
                    mark.unwrap_or('`'),
                    count,
                    indent,
                    is_yaml.then(|| Block { first_line, text: String::new() }),
                ));
            }
            None => {}
            Some((fence, length, _, block)) if mark == Some(*fence) && count >= *length && body[count..].trim().is_empty() => {
                blocks.extend(block.take());
                open = None;
            }
            Some((_, _, outer, Some(block))) => {
                block.text.push_str(&line[indent.min(*outer)..]);
                block.text.push('\n');
            }
            Some(_) => {}
        }
    }
    blocks.extend(open.and_then(|(.., block)| block));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yaml_fences_count_and_lines_are_those_of_the_file() {
        let text = "# t\n```\nid: no\n```\n```yaml\nid: a\n```\ntext `x`\n~~~yaml title\nid: b\n```\nc: 1\n~~~\n";
        let found = blocks(text);
        assert_eq!(found[0], Block { first_line: 6, text: "id: a\n".into() });
        assert_eq!(found[1], Block { first_line: 10, text: "id: b\n```\nc: 1\n".into() });
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn an_unclosed_block_runs_to_the_end() {
        assert_eq!(blocks("```yaml\nid: a\n"), [Block { first_line: 2, text: "id: a\n".into() }]);
    }
}
