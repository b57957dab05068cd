//! Programs on a host: starting, waking and ending them. What they are is [`crate::app`]'s.

use std::net::IpAddr;

use wire::Mac;

use crate::app::{App, AppId, Calls, End, Outcome};
use crate::node::Context;
use crate::table::Table;
use crate::time::Time;
use crate::trace::{Reason, Verb};

use super::Host;

/// A program, or what is left of it.
struct Slot {
    /// Nothing while it is called, and after its end.
    app: Option<Box<dyn App>>,
    kind: &'static str,
    outcome: Outcome,
    is_over: bool,
}

#[derive(Default)]
pub(crate) struct Apps {
    slots: Vec<Slot>,
    /// Started before the simulation was.
    waiting: Vec<AppId>,
    /// Who wants to hear of neighbours: arping.
    watchers: Vec<AppId>,
}

impl Apps {
    pub fn outcome(&self, app: AppId) -> Option<&Outcome> {
        self.slots.get(app.0 as usize).map(|slot| &slot.outcome)
    }

    /// Of a program that there is.
    pub fn outcome_mut(&mut self, app: AppId) -> &mut Outcome {
        &mut self.slots[app.0 as usize].outcome
    }

    /// Number, kind, whether it runs, and how it is with it.
    pub fn iter(&self) -> impl Iterator<Item = (AppId, &'static str, bool, &Outcome)> {
        let numbered = self.slots.iter().enumerate();
        numbered.map(|(at, slot)| (AppId(at as u32), slot.kind, !slot.is_over, &slot.outcome))
    }

    pub fn watch(&mut self, app: AppId) {
        self.watchers.push(app);
    }

    /// What the programs show of themselves.
    pub fn tables(&self, host: &Host, now: Time) -> impl Iterator<Item = Table> {
        self.slots.iter().filter_map(|slot| slot.app.as_deref()).flat_map(move |app| app.inspect(host, now))
    }
}

impl Host {
    /// Installs a program that begins when the simulation does.
    pub fn install(&mut self, app: impl App) -> AppId {
        let id = self.add_app(Box::new(app));
        self.apps.waiting.push(id);
        id
    }

    /// Starts a program now.
    pub fn run(&mut self, context: &mut Context<'_>, app: impl App) -> AppId {
        let id = self.spawn(context, Box::new(app));
        self.settle(context);
        id
    }

    pub(crate) fn spawn(&mut self, context: &mut Context<'_>, app: Box<dyn App>) -> AppId {
        let id = self.add_app(app);
        self.start_app(context, id);
        id
    }

    fn add_app(&mut self, app: Box<dyn App>) -> AppId {
        let kind = app.kind();
        self.apps.slots.push(Slot { app: Some(app), kind, outcome: Outcome::default(), is_over: false });
        AppId((self.apps.slots.len() - 1) as u32)
    }

    fn start_app(&mut self, context: &mut Context<'_>, id: AppId) {
        self.apps.outcome_mut(id).started = context.now();
        self.with_app(context, id, |app, calls| app.on_start(calls));
    }

    pub(crate) fn start_apps(&mut self, context: &mut Context<'_>) {
        for id in std::mem::take(&mut self.apps.waiting) {
            self.start_app(context, id);
        }
    }

    /// Lets a program do something, unless it is over.
    pub(crate) fn with_app(
        &mut self,
        context: &mut Context<'_>,
        id: AppId,
        act: impl FnOnce(&mut dyn App, &mut Calls<'_, '_>),
    ) {
        let Some(mut app) = self.apps.slots.get_mut(id.0 as usize).and_then(|slot| slot.app.take()) else { return };
        act(&mut *app, &mut Calls { host: self, context, app: id });
        if let Some(slot) = self.apps.slots.get_mut(id.0 as usize)
            && !slot.is_over
        {
            slot.app = Some(app);
        }
    }

    /// A program and its calls, by what it is.
    pub fn app<T: App>(
        &mut self,
        context: &mut Context<'_>,
        id: AppId,
        act: impl FnOnce(&mut T, &mut Calls<'_, '_>),
    ) -> bool {
        let mut found = false;
        self.with_app(context, id, |app, calls| {
            let app: &mut dyn std::any::Any = app;
            if let Some(app) = app.downcast_mut() {
                found = true;
                act(app, calls);
            }
        });
        self.settle(context);
        found
    }

    /// A program, to be looked at.
    pub fn app_ref<T: App>(&self, id: AppId) -> Option<&T> {
        let app: &dyn std::any::Any = self.apps.slots.get(id.0 as usize)?.app.as_deref()?;
        app.downcast_ref()
    }

    /// How a program ended; nothing while it goes on.
    pub fn outcome(&self, app: AppId) -> Option<&Outcome> {
        self.apps.outcome(app).filter(|outcome| outcome.end != End::Running)
    }

    /// A program of a kind that is not over, the one that began first.
    pub fn running(&self, kind: &str) -> Option<AppId> {
        self.apps.iter().find(|(_, known, runs, _)| *runs && *known == kind).map(|(id, ..)| id)
    }

    /// How it is with a program so far. Panics for a number that the host did not give.
    pub fn progress(&self, app: AppId) -> &Outcome {
        &self.apps.slots[app.0 as usize].outcome
    }

    /// Ends a program without a word on the wire: its sockets and connections are gone.
    pub fn cancel(&mut self, context: &mut Context<'_>, app: AppId) {
        for id in self.streams.of(app) {
            self.streams.remove(id);
        }
        self.end_app(context, app, End::Cancelled);
        self.settle(context);
    }

    /// A program is over. Its connections are closed as a process's are when it exits.
    pub(crate) fn end_app(&mut self, context: &mut Context<'_>, app: AppId, end: End) {
        let now = context.now();
        let Some(slot) = self.apps.slots.get_mut(app.0 as usize) else { return };
        if slot.is_over {
            return;
        }
        (slot.is_over, slot.app) = (true, None);
        let kind = slot.kind;
        if slot.outcome.end == End::Running {
            (slot.outcome.end, slot.outcome.ended) = (end, Some(now));
            let failed = matches!(end, End::Failed(_) | End::Nothing | End::Refused(_) | End::Unreachable(_));
            let reason = if failed { Reason::Failed } else { Reason::Done };
            context.note(Verb::Note, reason, || format!("{kind}: {end}"));
        }
        self.sockets.close_all(app);
        self.streams.unlisten(app);
        self.apps.watchers.retain(|watcher| *watcher != app);
        for id in self.streams.of(app) {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.app = None;
                stream.connection.detach(now);
                self.dirty.push(id);
            }
        }
    }

    /// Lets programs that wait for it know where a neighbour is.
    pub(crate) fn tell_neighbor(&mut self, context: &mut Context<'_>, interface: u16, address: IpAddr, mac: Mac) {
        for at in 0..self.apps.watchers.len() {
            if let Some(app) = self.apps.watchers.get(at).copied() {
                self.with_app(context, app, |app, calls| app.on_neighbor(calls, interface, address, mac));
            }
        }
    }

    /// Lets programs know that a link failed or works again.
    pub(crate) fn tell_link(&mut self, context: &mut Context<'_>, port: u16, is_up: bool) {
        for at in 0..self.apps.slots.len() {
            self.with_app(context, AppId(at as u32), |app, calls| app.on_link(calls, port, is_up));
        }
    }
}
