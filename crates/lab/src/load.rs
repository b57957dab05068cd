//! From a path to one merged tree and a typed file: includes below, `like` filled in.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::code::Code;
use crate::decode::{Decode, Decoder, OneOrMany};
use crate::diagnostic::{Diagnostic, Diagnostics, known_names};
use crate::file::LabFile;
use crate::source::{Located, Sources, Span};
use crate::yaml::{self, Node, Value};

/// Most files of one lab.
const MAX_FILES: usize = 64;

/// Where files come from: the disk, a test's map, an editor's buffers.
pub trait Files {
    /// The content of a file. The error says why not, in words.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;
}

/// Files of the disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        use std::io::Read;
        let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
        // One byte more than allowed tells a file that is too large; a device or pipe cannot fill the memory.
        let mut content = Vec::new();
        file.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
        Ok(content)
    }
}

/// Files by name.
impl Files for BTreeMap<String, String> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let found = self.get(path.to_string_lossy().as_ref());
        found.map(|text| text.clone().into_bytes()).ok_or_else(|| "no such file".to_owned())
    }
}

/// A file read, with everything that it includes.
pub(crate) struct Loaded {
    pub sources: Sources,
    pub file: LabFile,
    /// Instances by name as whole nodes, for `like` chains that were filled in.
    pub name: String,
}

struct Loader<'f> {
    files: &'f dyn Files,
    sources: Sources,
    /// The files that are being read, outermost first.
    chain: Vec<PathBuf>,
    read: usize,
}

/// Reads and merges; the first problem of a file's YAML ends it, problems of the shape are collected.
pub(crate) fn read(path: &Path, files: &dyn Files) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader { files, sources: Sources::default(), chain: Vec::new(), read: 0 };
    let tree = match loader.tree(path, None) {
        Ok(tree) => tree,
        Err(problem) => return Err(Diagnostics::new(loader.sources, vec![problem])),
    };
    let sources = loader.sources;
    let mut decoder = Decoder::new(&sources);
    let tree = fill_in(tree, &mut decoder);
    let file = LabFile::decode(&tree, &mut decoder);
    let problems = decoder.problems;
    match file {
        Some(file) if problems.is_empty() => Ok(Loaded { sources, file, name: default_name(path) }),
        _ => Err(Diagnostics::new(sources, problems)),
    }
}

/// `shop.cloud.yaml` is the lab `shop`.
fn default_name(path: &Path) -> String {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.split('.').find(|part| !part.is_empty()).unwrap_or("lab");
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    stem.chars().map(kept).collect()
}

/// The path with `.` and `..` taken out, so that one file has one name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// A path in a file counts from that file.
pub(crate) fn beside(file: &str, path: &str) -> PathBuf {
    normal(&Path::new(file).parent().unwrap_or(Path::new("")).join(path))
}

impl Loader<'_> {
    fn tree(&mut self, path: &Path, from: Option<Span>) -> Result<Node, Diagnostic> {
        let shown = path.display().to_string();
        let problem = |code, message: String| match from {
            Some(place) => Diagnostic::new(code, place, message),
            None => Diagnostic::general(code, message),
        };
        let normal_path = normal(path);
        if self.chain.contains(&normal_path) {
            let chain: Vec<String> = self.chain.iter().map(|p| p.display().to_string()).collect();
            return Err(problem(Code::IncludeCycle, format!("`{shown}` includes itself"))
                .label("cycle")
                .hint(format!("{} includes {shown}", chain.join(" includes "))));
        }
        self.read += 1;
        if self.read > MAX_FILES {
            return Err(problem(Code::IncludeCycle, format!("a lab has at most {MAX_FILES} files")).label("one too many"));
        }
        let bytes = self.files.read(path).map_err(|why| {
            problem(Code::CannotRead, format!("cannot read `{shown}`: {why}")).label("not read")
        })?;
        if bytes.len() > yaml::MAX_BYTES {
            return Err(problem(Code::TooLarge, format!("`{shown}` is larger than {} MiB", yaml::MAX_BYTES >> 20))
                .hint("`count:` makes many instances of one"));
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            let line = e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
            problem(Code::NotUtf8, format!("`{shown}` is not UTF-8 text: byte {} in line {line}", at + 1))
                .hint(format!("convert it: `iconv -t UTF-8 {shown}`"))
        })?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let index = self.sources.add(shown.clone(), text);
        let mut tree = yaml::parse(&self.sources, index)?;
        self.chain.push(normal_path);
        for include in self.includes(&tree)? {
            let below = self.tree(&beside(&shown, &include), Some(include.span))?;
            tree = merge(below, tree);
        }
        self.chain.pop();
        Ok(tree)
    }

    /// The files to include, the one that counts most first.
    fn includes(&self, tree: &Node) -> Result<Vec<Located<String>>, Diagnostic> {
        let Some(node) = tree.get("include") else { return Ok(Vec::new()) };
        let mut decoder = Decoder::new(&self.sources);
        match OneOrMany::<Located<String>>::decode(node, &mut decoder) {
            Some(mut list) if decoder.problems.is_empty() => {
                list.0.reverse();
                Ok(list.0)
            }
            _ => Err(decoder.problems.swap_remove(0)),
        }
    }
}

/// Lays `above` over `below`: mappings by key; lists and scalars replace.
fn merge(below: Node, above: Node) -> Node {
    match (below.value, above.value) {
        (Value::Mapping(base), Value::Mapping(own)) => {
            let mut own: Vec<Option<(Node, Node)>> = own.into_iter().map(Some).collect();
            let index: BTreeMap<String, usize> =
                own.iter().enumerate().filter_map(|(i, e)| Some((e.as_ref()?.0.text()?.to_owned(), i))).collect();
            let mut entries = Vec::with_capacity(base.len() + own.len());
            for (key, value) in base {
                match key.text().and_then(|text| index.get(text)).and_then(|i| own[*i].take()) {
                    Some((own_key, own_value)) => entries.push((own_key, merge(value, own_value))),
                    None => entries.push((key, value)),
                }
            }
            entries.extend(own.into_iter().flatten());
            Node { span: above.span, value: Value::Mapping(entries) }
        }
        (_, value) => Node { span: above.span, value },
    }
}

/// Fills in `like: NAME` of every instance.
fn fill_in(mut tree: Node, decoder: &mut Decoder) -> Node {
    let Value::Mapping(top) = &mut tree.value else { return tree };
    let Some((_, instances)) = top.iter_mut().find(|(key, _)| key.text() == Some("instances")) else { return tree };
    let Value::Mapping(entries) = &mut instances.value else { return tree };
    let index: BTreeMap<String, usize> =
        entries.iter().enumerate().filter_map(|(i, (key, _))| Some((key.text()?.to_owned(), i))).collect();
    // Each chain is walked to its end once; what is done stays done.
    let mut done = vec![false; entries.len()];
    for start in 0..entries.len() {
        let mut chain = vec![start];
        loop {
            let at = chain[chain.len() - 1];
            let Some(next) = (!done[at]).then(|| entries[at].1.get("like")).flatten() else { break };
            let (Some(name), span) = (next.text().map(str::to_owned), next.span) else { break };
            match index.get(&name) {
                None => {
                    let hint = known_names(&name, "instance", index.keys().map(String::as_str));
                    decoder.problem(
                        Diagnostic::new(Code::UnknownInstance, span, format!("`like: {name}` names no instance")).label("not found").hint(hint),
                    );
                    break;
                }
                Some(base) if chain.contains(base) => {
                    let names: Vec<&str> = chain.iter().filter_map(|i| entries[*i].0.text()).collect();
                    decoder.problem(
                        Diagnostic::new(Code::LikeCycle, span, format!("`like: {name}` leads back to where it started"))
                            .label("cycle")
                            .hint(format!("{} is like {name}", names.join(" is like "))),
                    );
                    break;
                }
                Some(base) => chain.push(*base),
            }
        }
        // From the far end: a base is complete before it is copied.
        while let Some(base) = chain.pop() {
            done[base] = true;
            if let Some(&copy) = chain.last() {
                let below = entries[base].1.clone();
                let own = std::mem::replace(&mut entries[copy].1, Node { span: Span::default(), value: Value::Sequence(Vec::new()) });
                entries[copy].1 = merge(below, own);
            }
        }
    }
    tree
}
