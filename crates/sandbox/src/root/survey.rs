//! What an instance must not see of the host's `/etc`, `/opt` and `/usr/local/etc`: whatever its owner
//! did not make readable to everybody, plus names that hold credentials by custom. The holder finds
//! out once for many instances. Also, which directories instances get as their own.

use std::fs::FileType;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::protocol::HostView;

/// Entries looked at below one directory; what lies beyond is hidden with its directory.
const MOST_ENTRIES: usize = 50_000;
const MOST_LEVELS: usize = 12;

/// Hidden whatever their permissions, relative to `/etc`; `*` ends a prefix or begins a suffix.
const CREDENTIALS: &[&str] = &[
    "shadow*",
    "gshadow*",
    "sudoers*",
    "sudoers.d",
    "krb5.keytab",
    "security/opasswd",
    "ssl/private",
    "pki/tls/private",
    "ssh/ssh_host_*",
    "NetworkManager/system-connections",
    "wireguard",
    "openvpn",
    "ipsec.secrets",
    "ipsec.d/private",
    "swanctl/private",
    "ppp/chap-secrets",
    "ppp/pap-secrets",
    "wpa_supplicant",
    "letsencrypt",
    "docker",
    "kubernetes",
    "rancher",
    "netrc",
    "machine-id",
    "mysql/debian.cnf",
    "msmtprc",
    "exim4/passwd.client",
    "postfix/sasl*",
];

/// Looks at the host's directories as this process sees them.
pub(crate) fn survey() -> HostView {
    let mut view = HostView::default();
    for top in ["etc", "opt", "usr/local/etc"] {
        let mut entries = 0;
        walk(Path::new("/"), Path::new(top), 0, &mut entries, &mut view);
    }
    for parent in ["usr", "usr/local"] {
        let Ok(listing) = std::fs::read_dir(Path::new("/").join(parent)) else {
            continue;
        };
        let directories = listing
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut names: Vec<String> = directories
            .filter_map(|entry| Some(format!("{parent}/{}", entry.file_name().to_str()?)))
            .collect();
        names.sort();
        view.directories
            .extend(names.into_iter().map(|name| (name, 0o755)));
    }
    view
}

fn walk(root: &Path, relative: &Path, level: usize, entries: &mut usize, view: &mut HostView) {
    let Some(name) = relative.to_str() else {
        return;
    };
    let path = root.join(relative);
    let Ok(metadata) = std::fs::symlink_metadata(&path) else {
        return;
    };
    *entries += 1;
    if must_hide(name, metadata.file_type(), metadata.permissions().mode())
        || *entries > MOST_ENTRIES
    {
        view.hidden.push(name.to_owned());
        return;
    }
    if !metadata.is_dir() {
        return;
    }
    let Ok(listing) = std::fs::read_dir(&path) else {
        view.hidden.push(name.to_owned());
        return;
    };
    if level == MOST_LEVELS {
        view.hidden.push(name.to_owned());
        return;
    }
    if name.starts_with("etc/") {
        view.directories
            .push((name.to_owned(), metadata.permissions().mode() & 0o777));
    }
    let mut below: Vec<PathBuf> = listing
        .flatten()
        .map(|entry| relative.join(entry.file_name()))
        .collect();
    below.sort();
    for entry in below {
        walk(root, &entry, level + 1, entries, view);
    }
}

fn must_hide(name: &str, kind: FileType, mode: u32) -> bool {
    if kind.is_symlink() {
        return false;
    }
    if kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device() {
        return true;
    }
    let everybody = if kind.is_dir() { 0o005 } else { 0o004 };
    if mode & everybody != everybody || name.ends_with(".key") {
        return true;
    }
    name.strip_prefix("etc/").is_some_and(|name| {
        CREDENTIALS
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == *pattern,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_files_sockets_and_credentials_are_hidden_and_the_rest_is_not() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir_all(etc.join("ssh")).unwrap();
        std::fs::create_dir_all(etc.join("secret.d")).unwrap();
        std::fs::create_dir_all(etc.join("deep/er")).unwrap();
        for (name, mode) in [
            ("hosts", 0o644),
            ("shadow", 0o644),
            ("token", 0o600),
            ("ssh/ssh_host_rsa_key", 0o644),
            ("ssh/ssh_config", 0o644),
            ("deep/er/group-only", 0o640),
            ("deep/er/open", 0o644),
            ("server.key", 0o644),
        ] {
            std::fs::write(etc.join(name), "x").unwrap();
            std::fs::set_permissions(etc.join(name), std::fs::Permissions::from_mode(mode))
                .unwrap();
        }
        std::fs::set_permissions(etc.join("secret.d"), std::fs::Permissions::from_mode(0o700))
            .unwrap();
        for open in ["", "ssh", "deep", "deep/er"] {
            std::fs::set_permissions(etc.join(open), std::fs::Permissions::from_mode(0o755))
                .unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(etc.join("agent")).unwrap();
        std::os::unix::fs::symlink("/root/secret", etc.join("link")).unwrap();
        let mut view = HostView::default();
        walk(root.path(), Path::new("etc"), 0, &mut 0, &mut view);
        assert_eq!(
            view.hidden,
            [
                "etc/agent",
                "etc/deep/er/group-only",
                "etc/secret.d",
                "etc/server.key",
                "etc/shadow",
                "etc/ssh/ssh_host_rsa_key",
                "etc/token"
            ]
        );
        let directories: Vec<_> = view
            .directories
            .iter()
            .map(|(name, mode)| (name.as_str(), *mode))
            .collect();
        assert_eq!(
            directories,
            [
                ("etc/deep", 0o755),
                ("etc/deep/er", 0o755),
                ("etc/ssh", 0o755)
            ]
        );
    }
}
