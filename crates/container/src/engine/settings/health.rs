//! How health is asked for: by the image, and by whoever makes the container.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::error::{Error, Result};
use crate::engine::options::{HealthRequest, Options};
use crate::oci::Process;

/// How health is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The command.
    pub command: Vec<String>,
    /// Between two questions.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Bad answers in a row before it counts as unhealthy.
    pub retries: u32,
    /// How long bad answers do not count at the start.
    pub start_period: Duration,
    /// Between two questions meanwhile.
    pub start_interval: Duration,
}

/// What the image says, each part of it unless something else is asked for; none where nobody is to ask. Errors: options that
/// contradict each other, spans that are too short.
pub(super) fn health(image: &Process, options: &Options) -> Result<Option<HealthCheck>> {
    let of_image = image.healthcheck.clone().unwrap_or_default();
    let of_image = HealthRequest {
        test: of_image.test.filter(|test| !test.is_empty()),
        interval: span(of_image.interval),
        timeout: span(of_image.timeout),
        retries: of_image.retries.filter(|retries| *retries > 0),
        start_period: span(of_image.start_period),
        start_interval: span(of_image.start_interval),
    };
    let asked = &options.health;
    if options.no_health {
        if *asked != HealthRequest::default() {
            return Err(Error::Conflict("--no-healthcheck conflicts with --health-* options".into()));
        }
        return Ok(None);
    }
    let Some(test) = asked.test.clone().or(of_image.test) else {
        return Ok(None);
    };
    let command = match test.split_first() {
        Some((kind, [])) if kind == "NONE" => return Ok(None),
        Some((kind, [line])) if kind == "CMD-SHELL" => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        Some((kind, words)) if kind == "CMD" && !words.is_empty() => words.to_vec(),
        _ => {
            return Err(Error::Conflict(format!("unknown type of health check: {}", test.join(" "))));
        }
    };
    let or = |asked: Option<Duration>, image: Option<Duration>, default| asked.or(image).unwrap_or(default);
    let check = HealthCheck {
        command,
        interval: or(asked.interval, of_image.interval, Duration::from_secs(30)),
        timeout: or(asked.timeout, of_image.timeout, Duration::from_secs(30)),
        retries: asked.retries.or(of_image.retries).unwrap_or(3),
        start_period: or(asked.start_period, of_image.start_period, Duration::ZERO),
        start_interval: or(asked.start_interval, of_image.start_interval, Duration::from_secs(5)),
    };
    for (option, span) in [
        ("--health-interval", check.interval),
        ("--health-timeout", check.timeout),
        ("--health-start-interval", check.start_interval),
    ] {
        if span < Duration::from_millis(1) {
            return Err(Error::Conflict(format!("{option} cannot be less than 1ms")));
        }
    }
    Ok(Some(check))
}

/// Nanoseconds of a configuration; zero says nothing.
fn span(nanoseconds: Option<i64>) -> Option<Duration> {
    nanoseconds.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0).map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Healthcheck;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn health_is_the_images_where_nothing_else_is_asked_for() {
        let check = Healthcheck {
            test: Some(words("CMD-SHELL ok")),
            interval: Some(2_000_000_000),
            retries: Some(0),
            ..Healthcheck::default()
        };
        let image = Process { healthcheck: Some(check), ..Process::default() };
        let settled = |options: Options| health(&image, &options);
        let found = settled(Options::default()).unwrap().unwrap();
        assert_eq!(found.command, ["/bin/sh", "-c", "ok"]);
        assert_eq!((found.interval, found.timeout, found.retries), (Duration::from_secs(2), Duration::from_secs(30), 3));
        let asked = HealthRequest {
            test: Some(words("CMD /bin/probe -v")),
            timeout: Some(Duration::from_secs(1)),
            ..HealthRequest::default()
        };
        let found = settled(Options { health: asked.clone(), ..Options::default() }).unwrap().unwrap();
        let expected = (words("/bin/probe -v"), Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!((found.command, found.interval, found.timeout), expected);
        assert_eq!(settled(Options { no_health: true, ..Options::default() }).unwrap(), None);
        assert!(settled(Options { no_health: true, health: asked, ..Options::default() }).is_err());
        let none = HealthRequest { test: Some(words("NONE")), ..HealthRequest::default() };
        assert_eq!(settled(Options { health: none, ..Options::default() }).unwrap(), None);
    }
}
