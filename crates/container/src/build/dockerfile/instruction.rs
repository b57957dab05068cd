//! Instructions of a Dockerfile as data: what is written, variables not yet replaced.

use super::heredoc::Heredoc;
use super::line::Line;

/// Something written, and from which byte of its instruction's text on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it is written.
    pub text: String,
    /// Byte.
    pub at: usize,
}

/// One instruction and the lines that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub instruction: Instruction,
    /// Where it is written.
    pub line: Line,
}

/// A command: words, or a line for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `["word", "word"]`.
    Exec(Vec<String>),
    /// Anything else.
    Shell(String),
}

/// A whole instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Begins a stage.
    From(From),
    /// Declares variables of the build.
    Arg(Vec<(Word, Option<Word>)>),
    /// Sets variables of the image.
    Env(Vec<(Word, Word)>),
    /// Sets remarks.
    Label(Vec<(Word, Word)>),
    /// Runs a command.
    Run(Box<Run>),
    /// What a container runs, or the entrypoint's arguments.
    Cmd(Command),
    /// In front of the command.
    Entrypoint(Command),
    /// Takes files over.
    Copy(Box<Copy>),
    /// Takes files over, unpacks archives, fetches URLs.
    Add(Box<Copy>),
    /// Where commands begin.
    Workdir(Word),
    /// Who runs commands.
    User(Word),
    /// Paths that get a volume.
    Volume(Vec<Word>),
    /// Ports that are listened on.
    Expose(Vec<Word>),
    /// What ends a container.
    StopSignal(Word),
    /// How health is asked for.
    Healthcheck(Health),
    /// What runs lines.
    Shell(Vec<String>),
    /// An instruction for builds on top of the image.
    OnBuild(Word),
    /// Who made it.
    Maintainer(Word),
}

/// `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// `--platform`.
    pub platform: Option<Word>,
    /// An image, a stage, or `scratch`.
    pub image: Word,
    /// `AS`, in lower case.
    pub name: Option<Word>,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command; with a here-document that is all of it, its content.
    pub command: Command,
    /// Where the command is written.
    pub at: usize,
    /// `--mount`.
    pub mounts: Vec<Word>,
    /// `--network`.
    pub network: Option<Word>,
}

/// `COPY` and `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Files, patterns, URLs.
    pub sources: Vec<Origin>,
    /// Where to.
    pub target: Word,
    /// `--from`: a stage or an image instead of the build context.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`: the target's links are not followed.
    pub link: bool,
    /// `--parents`: folders above a source are kept.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<Word>,
    /// `--checksum` of `ADD`.
    pub checksum: Option<Word>,
    /// `--unpack` of `ADD`.
    pub unpack: Option<bool>,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A path, a pattern, or a URL.
    Path(Word),
    /// It is written in the Dockerfile.
    Document(Heredoc),
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not at all.
    None,
    /// By a command.
    Check {
        /// The command.
        command: Command,
        /// Between two questions, nanoseconds.
        interval: Option<i64>,
        /// How long one may take, nanoseconds.
        timeout: Option<i64>,
        /// How long bad answers do not count at the start, nanoseconds.
        start_period: Option<i64>,
        /// Between two questions meanwhile, nanoseconds.
        start_interval: Option<i64>,
        /// Bad answers in a row.
        retries: Option<u32>,
    },
}
