//! `RUN --mount`.

use super::config::directory;
use crate::digest::Digest;
use crate::engine::words::bytes;
use crate::oci::Process;

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Files of the build context, a stage or an image; what is written to them is not kept.
    Bind,
    /// A folder that builds in the same lab share.
    Cache,
    /// Memory.
    Tmpfs,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub kind: Kind,
    target: String,
    /// Path in the context or image.
    pub source: Option<String>,
    /// A stage or an image.
    pub from: Option<String>,
    id: Option<String>,
    /// Of memory, bytes.
    pub size: Option<u64>,
    /// Refuses writes.
    pub read_only: bool,
}

impl Mount {
    /// Reads `type=cache,target=/root/.cache`. Errors are sentences.
    pub fn parse(text: &str) -> Result<Mount, String> {
        let mut mount = Mount {
            kind: Kind::Bind,
            target: String::new(),
            source: None,
            from: None,
            id: None,
            size: None,
            read_only: false,
        };
        let mut is_written = None;
        for part in text.split(',') {
            let (name, value) = part
                .split_once('=')
                .map_or((part, None), |(name, value)| (name, Some(value)));
            let text = || {
                value
                    .filter(|value| !value.is_empty())
                    .map(str::to_owned)
                    .ok_or_else(|| format!("{name} has no value"))
            };
            let yes = || match value {
                None | Some("true" | "1") => Ok(true),
                Some("false" | "0") => Ok(false),
                Some(other) => Err(format!("{name} is true or false, and not {other}")),
            };
            match name {
                "type" => {
                    mount.kind = match text()?.as_str() {
                        "bind" => Kind::Bind,
                        "cache" => Kind::Cache,
                        "tmpfs" => Kind::Tmpfs,
                        other @ ("secret" | "ssh") => {
                            return Err(format!(
                                "type={other} is not there: builds have no secrets and no agents yet"
                            ));
                        }
                        other => {
                            return Err(format!(
                                "type={other} is no mount: there are bind, cache and tmpfs"
                            ));
                        }
                    }
                }
                "target" | "dst" | "destination" => mount.target = text()?,
                "source" | "src" => mount.source = Some(text()?),
                "from" => mount.from = Some(text()?),
                "id" => mount.id = Some(text()?),
                "size" => {
                    mount.size =
                        Some(bytes("--mount", &text()?).map_err(|error| error.to_string())?)
                }
                "ro" | "readonly" => is_written = Some(!yes()?),
                "rw" | "readwrite" => is_written = Some(yes()?),
                "sharing" => match text()?.as_str() {
                    "shared" => {}
                    other => {
                        return Err(format!(
                            "sharing={other} is not there: builds share a cache"
                        ));
                    }
                },
                "uid" | "gid" | "mode" => {
                    return Err(format!(
                        "{name} is not there: a mount of a build belongs to root, with mode 755"
                    ));
                }
                other => {
                    return Err(format!(
                        "`{other}` is no part of a mount: there are type, target, source, from, id, size, ro and rw"
                    ));
                }
            }
        }
        if mount.target.is_empty() {
            return Err("a mount has a target: --mount=type=…,target=/path".into());
        }
        match mount.kind {
            Kind::Cache if mount.from.is_some() || mount.source.is_some() => {
                return Err("a cache begins empty: from and source are not there".into());
            }
            Kind::Tmpfs if mount.from.is_some() || mount.source.is_some() => {
                return Err("memory begins empty: it has no source".into());
            }
            _ => {}
        }
        mount.read_only = !is_written.unwrap_or(mount.kind != Kind::Bind);
        Ok(mount)
    }

    /// Where, absolute.
    pub fn target(&self, process: &Process) -> String {
        directory(process, &self.target).unwrap_or_else(|_| self.target.clone())
    }

    /// The volume of a cache.
    pub fn cache_name(&self) -> String {
        let id = self.id.as_ref().unwrap_or(&self.target);
        format!("build-cache-{}", Digest::of(id.as_bytes()).short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_and_what_is_not_there_is_said() {
        let cache = Mount::parse("type=cache,target=/root/.cache,id=x").unwrap();
        assert_eq!((cache.kind, cache.read_only), (Kind::Cache, false));
        assert_eq!(
            cache.cache_name(),
            Mount::parse("type=cache,dst=/other,id=x")
                .unwrap()
                .cache_name()
        );
        assert!(Mount::parse("target=/src").unwrap().read_only);
        assert!(!Mount::parse("target=/src,rw").unwrap().read_only);
        assert_eq!(
            Mount::parse("type=tmpfs,target=/t,size=1m").unwrap().size,
            Some(1 << 20)
        );
        for (text, why) in [
            ("type=secret,target=/x", "type=secret is not there"),
            ("type=bind", "a mount has a target"),
            ("type=fly,target=/x", "type=fly is no mount"),
            ("target=/x,wings", "`wings` is no part of a mount"),
            ("type=cache,target=/x,from=y", "a cache begins empty"),
        ] {
            let error = Mount::parse(text).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
