//! The terminal: taken whole, given back however the program ends.

use std::collections::VecDeque;
use std::io::{self, Stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ratatui_core::terminal::Terminal;
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::cursor::{Hide, Show};
use ratatui_crossterm::crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use ratatui_crossterm::crossterm::style::force_color_output;
use ratatui_crossterm::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui_crossterm::crossterm::execute;
use screen::{Key, Screen};

use crate::exit::Code;

/// Exit codes after a signal are this and its number.
const SIGNALLED: u8 = 128;
/// What Ctrl-C would have sent.
const INTERRUPT: u8 = 2;
/// What a terminal sends that hangs up.
#[cfg(target_os = "linux")]
const HANGUP: u8 = 1;
/// How long the program has to end by itself after a signal. Where its terminal is gone it cannot: crossterm reads on for ever.
#[cfg(target_os = "linux")]
const GRACE: Duration = Duration::from_millis(500);

/// What came.
pub enum Input {
    /// A key.
    Key(Key),
    /// A text that was pasted.
    Pasted(String),
    /// The terminal has another size.
    Resized,
    /// Ctrl-C, or a signal that ends programs.
    Ended(Code),
}

/// A terminal in raw mode, on its other screen. Dropping it gives it back; so does a panic.
pub struct Console {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// The signal that came; 0: none.
    signal: Arc<AtomicU8>,
    /// What came while something was played.
    waiting: VecDeque<Input>,
}

/// What is typed ahead while something is played, at most.
const MOST_WAITING: usize = 1_000;

impl Console {
    /// Takes the terminal.
    pub fn open(colour: bool) -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        let signal = Arc::new(AtomicU8::new(0));
        listen(&signal)?;
        force_color_output(colour);
        enable_raw_mode()?;
        let taken = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide).and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match taken {
            Ok(terminal) => Ok(Self { terminal, signal, waiting: VecDeque::new() }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Columns and lines.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// Draws a screen.
    pub fn draw(&mut self, screen: &mut Screen<'_>) -> io::Result<()> {
        self.terminal.draw(|frame| screen.draw(frame)).map(drop)
    }

    /// Waits for what comes, at most so long.
    pub fn next(&mut self, wait: Duration) -> io::Result<Option<Input>> {
        match self.waiting.pop_front() {
            Some(input) => Ok(Some(input)),
            None => self.read(wait),
        }
    }

    /// Whether what is being played is to be broken off: Ctrl-C or Escape was typed, or a signal came, which then ends the program.
    /// Other keys wait.
    pub fn is_broken_off(&mut self) -> io::Result<bool> {
        let signal = self.signal.load(Ordering::Relaxed);
        if signal > 0 {
            return Ok(true);
        }
        while let Some(input) = self.read(Duration::ZERO)? {
            match input {
                Input::Ended(_) | Input::Key(Key::Escape) => return Ok(true),
                input if self.waiting.len() < MOST_WAITING => self.waiting.push_back(input),
                _ => {}
            }
        }
        Ok(false)
    }

    fn read(&mut self, wait: Duration) -> io::Result<Option<Input>> {
        let signal = self.signal.load(Ordering::Relaxed);
        if signal > 0 {
            return Ok(Some(Input::Ended(Code(SIGNALLED + signal))));
        }
        let is_there = match event::poll(wait) {
            // A signal came; the next call sees it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            is_there => is_there?,
        };
        if !is_there {
            return Ok(None);
        }
        Ok(match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key)?,
            Event::Resize(..) => Some(Input::Resized),
            Event::Paste(text) => Some(Input::Pasted(text)),
            _ => None,
        })
    }

    fn key(&mut self, event: KeyEvent) -> io::Result<Option<Input>> {
        if event.modifiers.contains(KeyModifiers::CONTROL) {
            return match event.code {
                KeyCode::Char('c') => Ok(Some(Input::Ended(Code(SIGNALLED + INTERRUPT)))),
                KeyCode::Char('l') => {
                    self.terminal.clear()?;
                    Ok(Some(Input::Resized))
                }
                KeyCode::Char('u') => Ok(Some(Input::Key(Key::DeleteLine))),
                KeyCode::Char('w') => Ok(Some(Input::Key(Key::DeleteWord))),
                _ => Ok(None),
            };
        }
        let key = match event.code {
            KeyCode::Char(c) => Key::Char(c),
            KeyCode::Up => Key::Up,
            KeyCode::Down => Key::Down,
            KeyCode::Left => Key::Left,
            KeyCode::Right => Key::Right,
            KeyCode::PageUp => Key::PageUp,
            KeyCode::PageDown => Key::PageDown,
            KeyCode::Home => Key::Home,
            KeyCode::End => Key::End,
            KeyCode::Enter => Key::Enter,
            KeyCode::Esc => Key::Escape,
            KeyCode::Tab => Key::Tab,
            KeyCode::BackTab => Key::BackTab,
            KeyCode::Backspace => Key::Backspace,
            KeyCode::Delete => Key::Delete,
            _ => return Ok(None),
        };
        Ok(Some(Input::Key(key)))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. What fails here fails because there is no terminal any more.
fn restore() {
    let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Remembers a signal that asks to end, or that the terminal hung up, so that the terminal is given back first; and ends the
/// program where it does not.
#[cfg(target_os = "linux")]
fn listen(signal: &Arc<AtomicU8>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal as on};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let came = Arc::clone(signal);
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let streams = {
        let _inside = runtime.enter();
        kinds.map(|kind| on(kind).map(|stream| (kind, stream)))
    };
    let [interrupt, terminate, hangup, quit] = streams;
    let (mut interrupt, mut terminate, mut hangup, mut quit) = (interrupt?, terminate?, hangup?, quit?);
    std::thread::spawn(move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.1.recv() => interrupt.0,
                _ = terminate.1.recv() => terminate.0,
                _ = hangup.1.recv() => hangup.0,
                _ = quit.1.recv() => quit.0,
            }
        });
        end(&came, u8::try_from(kind.as_raw_value()).unwrap_or(INTERRUPT));
    });
    let came = Arc::clone(signal);
    std::thread::spawn(move || {
        wait_for_hang_up();
        end(&came, HANGUP);
    });
    Ok(())
}

/// Waits until nobody is at the other end of the terminal; no signal says so where another process leads the session.
#[cfg(target_os = "linux")]
fn wait_for_hang_up() {
    use rustix::event::{PollFd, PollFlags, poll};

    let input = io::stdin();
    loop {
        let mut terminal = [PollFd::new(&input, PollFlags::empty())];
        match poll(&mut terminal, None) {
            Ok(_) if terminal[0].revents().is_empty() => {}
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}

#[cfg(target_os = "linux")]
fn end(signal: &AtomicU8, number: u8) -> ! {
    signal.store(number, Ordering::Relaxed);
    std::thread::sleep(GRACE);
    restore();
    std::process::exit((SIGNALLED + number).into())
}

#[cfg(not(target_os = "linux"))]
fn listen(_signal: &Arc<AtomicU8>) -> io::Result<()> {
    Ok(())
}
