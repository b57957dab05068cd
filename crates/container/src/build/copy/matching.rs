//! Which files of a tree a word of `COPY` means.

use super::{DEPTH, Source};
use crate::build::error::Result;
use crate::build::ignore::{Ignore, Pattern, clean};
use crate::build::tree::{Found, Node, Tree, names};

/// The sources that a word of `COPY` means in a tree: one path, or all that fit a pattern. A path keeps its folders from `./` on
/// with `--parents`.
pub fn matching<'a>(tree: &'a Tree, word: &str, ignore: &Ignore, keeps_parents: bool) -> Result<Result<Vec<Source<'a>>, String>> {
    let (pivot, tail) = match word.split_once("/./") {
        Some((front, tail)) if keeps_parents => (names(clean(front).as_bytes()).len(), format!("{front}/{tail}")),
        _ => (0, word.to_owned()),
    };
    let path = clean(&tail);
    let pattern = match Pattern::new(&path) {
        Ok(pattern) => pattern,
        Err(why) => return Ok(Err(why)),
    };
    let source = |at: Vec<Vec<u8>>, found: Found| {
        let name = at.last().cloned().unwrap_or_default();
        let above = at.get(pivot..at.len().saturating_sub(1)).unwrap_or_default().to_vec();
        let parents = keeps_parents.then_some(above);
        Source::Tree { tree, found, name, parents }
    };
    // What is taken back in may lie in an ignored folder, and not in an ignored file.
    let is_there = |path: &str, node: &Node| {
        !tree.is_context() || path.is_empty() || !ignore.ignores(path) || (ignore.takes_back() && matches!(node, Node::Folder(_)))
    };
    if pattern.is_plain() {
        let plain = pattern.plain();
        let place = tree.called();
        return Ok(match tree.find(plain.as_bytes(), true)? {
            Some(found) if is_there(&plain, &found.node) => Ok(vec![source(names(plain.as_bytes()), found)]),
            Some(_) => Err(format!("`{word}` is left out by .dockerignore")),
            None if tree.find(plain.as_bytes(), false)?.is_some() => {
                Err(format!("`{word}` is a link that leads nowhere inside {place}"))
            }
            None => Err(format!("`{word}` is not in {place}")),
        });
    }
    let mut all = Vec::new();
    let mut folders = vec![Vec::new()];
    let most = path.split('/').count();
    let is_deep = path.contains("**");
    while let Some(at) = folders.pop() {
        let Some(Found { node: Node::Folder(parts), .. }) = tree.find(&at.join(&b'/'), true)? else {
            continue;
        };
        for name in tree.list(&parts)? {
            let inner: Vec<Vec<u8>> = [&at[..], &[name]].concat();
            let text = inner.join(&b'/');
            let shown = String::from_utf8_lossy(&text).into_owned();
            if pattern.fits(&shown) {
                if let Some(found) = tree.find(&text, true)?.filter(|found| is_there(&shown, &found.node)) {
                    all.push(source(inner, found));
                }
            } else if ((is_deep && inner.len() < DEPTH) || inner.len() < most)
                && tree.find(&text, !is_deep)?.is_some_and(|found| found.is_folder())
            {
                folders.push(inner);
            }
        }
    }
    if all.is_empty() {
        return Ok(Err(format!("nothing fits `{word}` in {}", tree.called())));
    }
    let key = |source: &Source| match source {
        Source::Tree { name, parents, found, .. } => {
            [&parents.clone().unwrap_or_default()[..], &found.path, std::slice::from_ref(name)].concat()
        }
        _ => Vec::new(),
    };
    all.sort_by_key(key);
    Ok(Ok(all))
}
