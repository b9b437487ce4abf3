//! The verb: who, what, and how it went.

use std::path::{Path, PathBuf};

use super::args::{ConnectArgs, ViaArg};
use super::line::Purpose;
use super::tell::Told;
use super::wanted::{Wanted, address, name, name_there, this, wanted};
use super::{act, check, choose, list, token};
use crate::cli::error::CliError;
use crate::cli::session::Global;
use crate::clients::{Change, Client, Homes, Outcome, preview};
use crate::config::Stack;
use crate::diagnostic::{Exit, Failure};

pub(in crate::cli) async fn run(global: &Global, args: &ConnectArgs) -> Result<Exit, Failure> {
    without_effect(args)?;
    // What was misspelt is told before anything else is looked at.
    choose::named(args)?;
    let resolved = global.resolve()?;
    let mode = &args.mode;
    if !(mode.list || mode.remove || mode.undo || mode.check) {
        global.warn(&resolved);
    }
    let stack = resolved.stack;
    let homes = choose::homes(&global.env)?;
    if mode.list {
        let name = name_there(global, args, &stack, &homes).await?;
        return list::list(global, args, &stack, name).await;
    }
    if mode.check {
        let name = name_there(global, args, &stack, &homes).await?;
        return check::check(global, args, &stack, &name).await;
    }
    let chosen = choose::chosen(args, &homes)?;
    let name = if mode.remove || mode.undo {
        name_there(global, args, &stack, &homes).await?
    } else {
        name(global, args, &stack).await?
    };
    let job = Job { global, args, stack: &stack, homes: &homes, chosen: &chosen };
    if mode.remove || mode.undo {
        return job.take_out(&name);
    }
    let purpose = if mode.print || mode.diff { Purpose::Look } else { Purpose::Start };
    let wanted = wanted(global, args, &stack, name, purpose).await?;
    job.say(&wanted);
    job.make_ground(&wanted).await?;
    Ok(job.put(&wanted))
}

/// Whoever asks for what does not happen is told.
fn without_effect(args: &ConnectArgs) -> Result<(), CliError> {
    let tell = |flag: &str, with: &str| Err(CliError::usage(&format!("{flag} does nothing {with}")));
    let by_url = args.via == Some(ViaArg::Url) || args.url.is_some();
    let mode = &args.mode;
    match args.via {
        Some(via) if via != ViaArg::Url && args.url.is_some() => {
            return tell("--url", &format!("with `--via {}`", via.name()));
        }
        _ => {}
    }
    if args.token_variable.is_some() && !by_url {
        return tell("--token-variable", "without `--via url`");
    }
    if args.write_token.is_some() && !by_url {
        return tell("--write-token", "without `--via url`");
    }
    if args.force && (mode.list || mode.print || mode.check) {
        return tell("--force", "with --list, --print or --check");
    }
    Ok(())
}

/// What is done with whose files.
struct Job<'a> {
    global: &'a Global,
    args: &'a ConnectArgs,
    stack: &'a Stack,
    homes: &'a Homes,
    chosen: &'a [&'static Client],
}

impl Job<'_> {
    fn file(&self, client: &Client) -> Result<PathBuf, Failure> {
        Ok(choose::file(client, self.homes, self.args.scope.into(), &self.stack.folder)?)
    }

    /// The same, for an entry that is to be written there.
    fn file_to_write(&self, client: &Client) -> Result<PathBuf, Failure> {
        choose::check_alone(client, self.homes, self.args.scope.into())?;
        token::check(client, self.args)?;
        self.file(client)
    }

    /// What is worth knowing about an entry before it is written.
    fn say(&self, wanted: &Wanted<'_>) {
        let reporter = &self.global.reporter;
        if let [names @ .., last] = wanted.by_name.as_slice() {
            let names =
                if names.is_empty() { last.clone() } else { format!("{} and {last}", names.join(", ")) };
            let file = self.stack.orchestrator.env_file.as_ref();
            let file = file.map_or_else(|| "an env file".to_owned(), |file| self.global.shown(&file.path));
            reporter.warning(&format!(
                "the entry passes {names} on by name from the client's own environment, and a client that was started from a desktop may not have it; what stands in {file} reaches the server in any case"
            ));
        }
        let common = &self.global.common;
        if wanted.via == ViaArg::Mcpo {
            // What is in the entry, and what `run` does not look at.
            let kept = ["MCPO_PROJECT", "MCPO_TOKEN"];
            let set = self.global.env.with_prefix("MCPO_").map(|(key, _)| key);
            let mut lost: Vec<&str> =
                set.filter(|key| !kept.contains(key) && !key.starts_with("MCPO_BRIDGE_")).collect();
            lost.extend((!common.set.is_empty()).then_some("--set"));
            if !lost.is_empty() {
                reporter.warning(&format!(
                    "the entry knows nothing of {}: what the server needs of that belongs into mcpo.yaml",
                    lost.join(", ")
                ));
            }
        }
        if let Some(file) = &self.args.write_token {
            reporter.warning(&format!(
                "the token in {} will stand in the clients' files, where whoever reads them finds it, and so do their backups; --token-variable names it instead",
                file.display()
            ));
        }
    }

    /// Makes what the entry stands on, if there is anybody who gets it.
    async fn make_ground(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let mode = &self.args.mode;
        let Some(ground) = wanted.ground.as_ref().filter(|_| !(mode.print || mode.diff)) else {
            return Ok(());
        };
        let change =
            Change::Put { entry: wanted.entry.clone(), this: wanted.this.clone(), force: self.args.force };
        let mut files =
            self.chosen.iter().filter_map(|client| Some((client, self.file_to_write(client).ok()?)));
        if files.any(|(client, file)| preview(&file, client, &change).is_ok()) {
            ground.make().await?;
        }
        Ok(())
    }

    fn put(&self, wanted: &Wanted<'_>) -> Exit {
        let (mut told, mut changed) = (Told::default(), Vec::new());
        let mode = &self.args.mode;
        let change =
            Change::Put { entry: wanted.entry.clone(), this: wanted.this.clone(), force: self.args.force };
        for &client in self.chosen {
            let done = if mode.print {
                let place = client.paths(self.homes, self.args.scope.into(), &self.stack.folder);
                let alone = self.chosen.len() == 1;
                let place = place.first().map(PathBuf::as_path);
                act::print(self.global, &mut told, client, place, wanted, alone)
            } else {
                self.file_to_write(client)
                    .and_then(|file| self.act(&mut told, client, &file, &change, wanted, &mut changed))
            };
            if let Err(error) = done {
                told.failed(client, &error);
            }
        }
        self.next(&changed);
        told.end(self.global, &wanted.entry.name)
    }

    fn act(
        &self,
        told: &mut Told,
        client: &'static Client,
        file: &Path,
        change: &Change,
        wanted: &Wanted<'_>,
        changed: &mut Vec<&'static str>,
    ) -> Result<(), Failure> {
        if self.args.mode.diff {
            return act::show(self.global, told, client, file, change);
        }
        token::warn(self.global, file, self.args);
        let outcome = act::write(self.global, told, client, file, change, Some(&wanted.does))?;
        if outcome != Outcome::Unchanged {
            changed.push(client.title());
        }
        Ok(())
    }

    /// Takes the entry out, or its last change back.
    fn take_out(&self, name: &str) -> Result<Exit, Failure> {
        let (mut told, mut changed) = (Told::default(), Vec::new());
        // Of addresses only the very same one is ours.
        let ours = Some(address(self.global, self.args, self.stack)?);
        let change =
            Change::Remove { name: name.to_owned(), ours, this: this(self.stack), force: self.args.force };
        for &client in self.chosen {
            let done = self.file(client).and_then(|file| {
                if self.args.mode.undo {
                    act::take_back(self.global, &mut told, client, &file, name, self.args.force)
                        .map(|()| Outcome::Updated)
                } else {
                    act::write(self.global, &mut told, client, &file, &change, None)
                }
            });
            match done {
                Ok(Outcome::Unchanged) => {}
                Ok(_) => changed.push(client.title()),
                Err(error) => told.failed(client, &error),
            }
        }
        self.next(&changed);
        Ok(told.end(self.global, name))
    }

    fn next(&self, changed: &[&str]) {
        if !changed.is_empty() {
            self.global.reporter.note(&format!(
                "restart {}, for clients read their files when they start; `mcpo-deploy connect --check` asks as they do",
                changed.join(", ")
            ));
        }
    }
}
