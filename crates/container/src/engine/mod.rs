//! The life of containers: what is asked for ([`Options`], read by [`words`]), what it comes to with an image
//! ([`Settings`]), what is kept ([`Record`] in [`Folder`]), their volumes and logs.

pub mod anatomy;
pub mod archive;
pub mod changes;
pub mod commit;
pub mod endpoints;
pub mod error;
pub mod exec;
pub mod files;
pub mod folder;
pub mod health;
pub mod id;
pub mod inspect;
pub mod keeper;
pub mod lab;
pub mod life;
mod links;
pub mod logs;
mod network_view;
pub mod networks;
pub mod options;
pub mod owners;
pub mod pack;
pub mod processes;
pub mod record;
pub mod settings;
mod spec;
pub mod time;
pub mod tree;
pub mod volumes;
pub mod words;

pub use anatomy::Anatomy;
pub use changes::{Change, ChangeKind};
pub use commit::CommitOptions;
pub use error::{Error, Result};
pub use exec::Exec;
pub use folder::Folder;
pub use id::Id;
pub use keeper::Keeper;
pub use lab::Engine;
pub use life::{Removal, Started};
pub use networks::{Driver, ShownNetwork};
pub use options::{Attachment, Options, RestartPolicy};
pub use record::{Record, Status};
pub use settings::Settings;
pub use time::Moment;
