//! Options as people write them: sizes, mounts, limits, policies, signals, files of variables.

use std::path::{Component, Path};

use super::error::{Error, Result};
use super::options::{MountRequest, MountSource, RestartPolicy};

/// Reads `512`, `64m`, `1.5g`, `1GiB`: bytes, units of 1024.
pub fn bytes(option: &'static str, text: &str) -> Result<u64> {
    let wrong = || Error::option(option, text, "write a size such as 512m or 2g");
    let lower = text.trim().to_ascii_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let number: f64 = lower[..end].parse().map_err(|_| wrong())?;
    let shift = match lower[end..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(wrong()),
    };
    let bytes = number * (1u64 << shift) as f64;
    if bytes >= 9e15 {
        Err(wrong())
    } else {
        Ok(bytes as u64)
    }
}

/// Reads `--cpus`: hundredths of a processor.
pub fn cpus(text: &str) -> Result<u32> {
    let wrong = || {
        Error::option(
            "--cpus",
            text,
            "write a number of processors such as 0.5 or 2",
        )
    };
    let number: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.01..=1_000.0).contains(&number) {
        return Err(wrong());
    }
    Ok((number * 100.0).round() as u32)
}

/// Reads `--restart`.
pub fn restart(text: &str) -> Result<RestartPolicy> {
    Ok(match text.split_once(':') {
        None => match text {
            "no" | "" => RestartPolicy::No,
            "always" => RestartPolicy::Always,
            "unless-stopped" => RestartPolicy::UnlessStopped,
            "on-failure" => RestartPolicy::OnFailure(None),
            _ => {
                return Err(Error::option(
                    "--restart",
                    text,
                    "write no, always, unless-stopped or on-failure[:TIMES]",
                ));
            }
        },
        Some(("on-failure", times)) => match times.parse() {
            Ok(times) => RestartPolicy::OnFailure(Some(times)),
            Err(_) => {
                return Err(Error::option(
                    "--restart",
                    text,
                    format!("`{times}` is no number of times"),
                ));
            }
        },
        Some(("no" | "always" | "unless-stopped", _)) => {
            return Err(Error::option(
                "--restart",
                text,
                "maximum retry count can only be used with on-failure",
            ));
        }
        Some(_) => {
            return Err(Error::option(
                "--restart",
                text,
                "write no, always, unless-stopped or on-failure[:TIMES]",
            ));
        }
    })
}

/// Limits of processes that can be set, as setrlimit(2) calls them.
pub const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads `--ulimit NAME=SOFT[:HARD]`; -1 is without limit.
pub fn ulimit(text: &str) -> Result<(String, (u64, u64))> {
    let wrong = |why: &str| Error::option("--ulimit", text, why);
    let (name, values) = text
        .split_once('=')
        .ok_or_else(|| wrong("write NAME=SOFT[:HARD], such as nofile=1024:4096"))?;
    if !ULIMITS.contains(&name) {
        return Err(wrong(&format!(
            "`{name}` is no limit; there are {}",
            ULIMITS.join(", ")
        )));
    }
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => text
            .parse::<u64>()
            .map_err(|_| wrong("its value is no number")),
    };
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(values)?, number(values)?),
    };
    if soft > hard {
        return Err(wrong("the soft limit is above the hard one"));
    }
    Ok((name.to_owned(), (soft, hard)))
}

/// An absolute path inside a container, without `.` and `..` and repeated slashes. `..` at the top is the top.
pub fn inside(option: &'static str, text: &str) -> Result<String> {
    if !text.starts_with('/') {
        return Err(Error::option(
            option,
            text,
            "a path inside a container begins with /",
        ));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn target(option: &'static str, text: &str) -> Result<String> {
    let target = inside(option, text)?;
    if target == "/" {
        return Err(Error::option(
            option,
            text,
            "the root file system is the image's: nothing is mounted on /",
        ));
    }
    Ok(target)
}

/// Reads `-v [SOURCE:]TARGET[:OPTIONS]`. A source with a slash in front is a path of this machine, as is one that begins
/// with `.` or `~/` (from `folder` and `home`); any other is the name of a volume.
pub fn volume(text: &str, folder: &Path, home: Option<&Path>) -> Result<MountRequest> {
    const OPTION: &str = "-v";
    let wrong = |why: &str| Error::option(OPTION, text, why);
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target_text, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] if target.starts_with('/') => (Some(source), target, ""),
        [target, options] if target.starts_with('/') && !options.starts_with('/') => {
            (None, target, options)
        }
        [source, target, options] => (Some(source), target, options),
        _ => return Err(wrong("write SOURCE:TARGET[:ro]")),
    };
    let target = target(OPTION, target_text)?;
    let (mut read_only, mut copy, mut propagation) = (false, true, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            // Labels of SELinux mean nothing here.
            "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
            "nocopy" => copy = false,
            "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => {
                propagation = Some(option.to_owned())
            }
            other => {
                return Err(wrong(&format!(
                    "`{other}` is no option of a mount: ro, rw, nocopy, rprivate, rslave, rshared"
                )));
            }
        }
    }
    let source = match source {
        None => MountSource::Volume { name: None, copy },
        Some("") => return Err(wrong("there is no source in front of the colon")),
        Some(path) if path.starts_with(['/', '.', '~']) => MountSource::Bind {
            path: host_path(path, folder, home),
            make: true,
            propagation,
        },
        Some(name) => {
            super::id::check_name("volume", name)?;
            MountSource::Volume {
                name: Some(name.to_owned()),
                copy,
            }
        }
    };
    Ok(MountRequest {
        source,
        target,
        read_only,
    })
}

fn host_path(text: &str, folder: &Path, home: Option<&Path>) -> std::path::PathBuf {
    let path = match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(text),
    };
    let mut clean = std::path::PathBuf::new();
    // `.` only: what `..` means depends on links, and the kernel knows.
    path.components()
        .filter(|part| *part != Component::CurDir)
        .for_each(|part| clean.push(part));
    clean
}

/// Reads `--mount type=…,source=…,target=…`.
pub fn mount(text: &str, folder: &Path, home: Option<&Path>) -> Result<MountRequest> {
    const OPTION: &str = "--mount";
    let wrong = |why: String| Error::option(OPTION, text, why);
    let (mut kind, mut source, mut to, mut read_only, mut copy) =
        ("volume", None, None, false, true);
    let (mut propagation, mut size, mut mode, mut make) = (None, None, None, false);
    for field in text.split(',') {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value)),
            None => (field.trim(), None),
        };
        let needed = || {
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| wrong(format!("`{key}` needs a value")))
        };
        let flag = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(wrong(format!("`{key}` is true or false, not `{other}`"))),
        };
        match key {
            "type" => kind = needed()?,
            "source" | "src" => source = Some(needed()?),
            "target" | "dst" | "destination" => to = Some(needed()?),
            "readonly" | "ro" => read_only = flag()?,
            // What it says is for machines whose engine is elsewhere.
            "consistency" => drop(needed()?),
            "bind-create-src" => make = flag()?,
            "volume-driver" => match needed()? {
                "local" => {}
                other => return Err(wrong(format!("there is no volume driver `{other}`, only local"))),
            },
            "volume-label" => drop(needed()?),
            "volume-subpath" | "volume-opt" | "image-subpath" | "bind-nonrecursive" | "bind-recursive" => {
                return Err(wrong(format!("`{key}` is not built: mount the whole of it")));
            }
            "volume-nocopy" => copy = !flag()?,
            "bind-propagation" => match needed()? {
                known @ ("private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared") => {
                    propagation = Some(known.to_owned())
                }
                other => {
                    return Err(wrong(format!(
                        "`{other}` is no propagation: rprivate, rslave or rshared"
                    )));
                }
            },
            "tmpfs-size" => size = Some(bytes(OPTION, needed()?)?),
            "tmpfs-mode" => mode = Some(octal(OPTION, needed()?)?),
            other => return Err(wrong(format!("unexpected key `{other}`"))),
        }
    }
    let target = target(
        OPTION,
        to.ok_or_else(|| wrong("target is required".into()))?,
    )?;
    let source = match (kind, source) {
        ("bind", Some(path)) => MountSource::Bind {
            path: host_path(path, folder, home),
            make,
            propagation,
        },
        ("bind", None) => return Err(wrong("a bind needs a source".into())),
        ("volume", name) => {
            if let Some(name) = name {
                super::id::check_name("volume", name)?;
            }
            MountSource::Volume {
                name: name.map(str::to_owned),
                copy,
            }
        }
        ("tmpfs", None) => MountSource::Tmpfs { bytes: size, mode },
        ("tmpfs", Some(_)) => return Err(wrong("a tmpfs has no source".into())),
        (other, _) => {
            return Err(wrong(format!(
                "`{other}` is no type of a mount: bind, volume or tmpfs"
            )));
        }
    };
    Ok(MountRequest {
        source,
        target,
        read_only,
    })
}

/// Reads `--tmpfs PATH[:size=64m,mode=1777,ro]`.
pub fn tmpfs(text: &str) -> Result<MountRequest> {
    const OPTION: &str = "--tmpfs";
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let target = target(OPTION, path)?;
    let (mut size, mut mode, mut read_only) = (None, None, false);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => size = Some(bytes(OPTION, value)?),
            Some(("mode", value)) => mode = Some(octal(OPTION, value)?),
            None if option == "ro" => read_only = true,
            // What a tmpfs of a container has in any case.
            None if ["rw", "noexec", "nosuid", "nodev", "exec", "suid", "dev"]
                .contains(&option) => {}
            _ => {
                return Err(Error::option(
                    OPTION,
                    text,
                    format!("`{option}` is no option of a tmpfs: size, mode, ro"),
                ));
            }
        }
    }
    Ok(MountRequest {
        source: MountSource::Tmpfs { bytes: size, mode },
        target,
        read_only,
    })
}

fn octal(option: &'static str, text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| Error::option(option, text, "a mode has octal digits, such as 1777"))
}

/// Reads `-e`: `NAME=VALUE`, or `NAME` with the caller's value, nothing when the caller has none.
pub fn variable(text: &str, caller: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
    match text.split_once('=') {
        Some(("", _)) => Err(Error::option("--env", text, "the name is missing")),
        Some(_) => Ok(Some(text.to_owned())),
        None if text.is_empty() || text.contains(char::is_whitespace) => {
            Err(Error::option("--env", text, "write NAME=VALUE"))
        }
        None => Ok(caller(text).map(|value| format!("{text}={value}"))),
    }
}

/// Reads a file of variables, one a line, `#` in front of remarks.
pub fn variables(
    file: &str,
    content: &str,
    caller: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    for (number, line) in content.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        if name.is_empty() || name.contains(char::is_whitespace) {
            let why = format!("line {}: `{name}` is no name of a variable", number + 1);
            return Err(Error::option("--env-file", file, why));
        }
        all.extend(variable(line, &caller)?);
    }
    Ok(all)
}

/// Reads labels, `NAME=VALUE` or `NAME`.
pub fn label(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(Error::option("--label", text, "the name is missing"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Signals by number, from 1.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const FIRST_REAL_TIME: i32 = 34;

/// A signal as Docker writes it: `SIGTERM`; real-time ones by their number.
pub fn signal_name(number: i32) -> String {
    let known = usize::try_from(number - 1).ok().and_then(|at| SIGNALS.get(at));
    known.map_or_else(|| number.to_string(), |name| format!("SIG{name}"))
}

const LAST_REAL_TIME: i32 = 64;

/// Reads a signal: `SIGTERM`, `term`, `15`, `RTMIN+3`.
pub fn signal(text: &str) -> Result<i32> {
    let wrong = || {
        Error::option(
            "--signal",
            text,
            "it is no signal: write a name such as TERM, or a number from 1 to 64",
        )
    };
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=LAST_REAL_TIME).contains(&number) {
            Ok(number)
        } else {
            Err(wrong())
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(at) = SIGNALS.iter().position(|known| *known == name) {
        return Ok(at as i32 + 1);
    }
    let real_time = match name {
        "RTMIN" => FIRST_REAL_TIME,
        "RTMAX" => LAST_REAL_TIME,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(above), _) => {
                FIRST_REAL_TIME + i32::from(above.parse::<u8>().map_err(|_| wrong())?)
            }
            (_, Some(below)) => {
                LAST_REAL_TIME - i32::from(below.parse::<u8>().map_err(|_| wrong())?)
            }
            _ => return Err(wrong()),
        },
    };
    if (FIRST_REAL_TIME..=LAST_REAL_TIME).contains(&real_time) {
        Ok(real_time)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests;
