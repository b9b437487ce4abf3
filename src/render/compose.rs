//! A deployment as a Compose file, by the Compose specification.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::read_back::{Weaker, read_back};
use super::seal::seal;
use super::templates::{RenderError, Templates};
use super::view::{File, ServiceView};
use crate::plan::{Desired, Profile, Service, from_folder};

/// Which Compose is to read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Version 2.30 and later.
    Current,
    /// Version 2.24 and later, which read env files in their own way.
    V2_24,
    /// Version 1.29, whose files have no name and whose env files have one form.
    V1_29,
}

/// What a file depends on besides the deployment.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The templates.
    pub templates: &'a Templates,
    /// The folder that the file will lie in. Absolute.
    pub folder: &'a Path,
    /// The paths that are written as they are; all others as seen from the file's folder. Absolute.
    pub fixed_paths: &'a BTreeSet<PathBuf>,
    /// Which Compose is to read it.
    pub generation: Generation,
    /// The services whose images `mcpo-deploy build` makes from programs of ours.
    pub own_images: &'a BTreeSet<Service>,
    /// A checkout of our sources, from whose Dockerfiles Compose can build these too. Absolute.
    pub checkout: Option<&'a Path>,
    /// Image references that can only ever mean one image, to be written instead of the names.
    pub pins: &'a BTreeMap<Service, String>,
    /// Whether a template may say less than the description.
    pub allow_weaker: bool,
}

/// A rendered file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its name.
    pub name: &'static str,
    /// Its text, with the digest that tells whether somebody edits it.
    pub text: String,
    /// Where a template of the user's made it weaker than the description; empty unless allowed.
    pub weaker: Vec<Weaker>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// The name of a profile's file.
#[must_use]
pub const fn file_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Bridge => "docker-compose.mcp-bridge.yml",
        Profile::FullStack => "docker-compose.full-stack.yml",
        Profile::BuildOnly => "docker-compose.build-only.yml",
    }
}

const fn template_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Bridge => "bridge.yml",
        Profile::FullStack => "full-stack.yml",
        Profile::BuildOnly => "build-only.yml",
    }
}

impl Options<'_> {
    /// A path as it stands in the file.
    pub(super) fn written(&self, path: &Path) -> String {
        from_folder(path, self.folder, self.fixed_paths.contains(path))
    }
}

/// Renders a profile. `desired` is what the profile would run; for the images alone, what the bridge
/// would.
pub fn compose(desired: &Desired, profile: Profile, options: &Options<'_>) -> Result<Rendered, RenderError> {
    fill(&File::new(desired, profile, options), profile, options)
}

/// As [`compose`], with every service `times` over, under names of their own: to measure with.
#[doc(hidden)]
pub fn compose_times(
    desired: &Desired,
    profile: Profile,
    options: &Options<'_>,
    times: usize,
) -> Result<Rendered, RenderError> {
    let mut file = File::new(desired, profile, options);
    let services = std::mem::take(&mut file.services);
    let numbered = services.iter().flat_map(|service| {
        (0..times)
            .map(move |number| ServiceView { name: format!("{}-{number}", service.name), ..service.clone() })
    });
    file.services = numbered.collect();
    fill(&file, profile, options)
}

fn fill(file: &File, profile: Profile, options: &Options<'_>) -> Result<Rendered, RenderError> {
    let template = template_name(profile);
    let text = options.templates.render(template, file)?;
    let text = format!("{}\n", text.trim_end());
    let ours = Templates::embedded();
    let weaker = if *options.templates == ours {
        Vec::new()
    } else {
        let asked = ours.render(template, file)?;
        read_back(&text, &asked).map_err(|reason| RenderError::Unreadable { template, reason })?
    };
    if !weaker.is_empty() && !options.allow_weaker {
        return Err(RenderError::Weaker(weaker.iter().map(ToString::to_string).collect()));
    }
    Ok(Rendered { name: file_name(profile), text: seal(&text), weaker, notes: notes(file, options) })
}

fn notes(file: &File, options: &Options<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let with_env_file = file.services.iter().find(|service| service.env_file.is_some());
    if options.generation == Generation::V2_24
        && let Some(ServiceView { name, .. }) = with_env_file
    {
        notes.push(format!(
            "before Compose 2.30 env files have no `format: raw`: what quotes, `$` and `#` in {name}'s mean is its own"
        ));
    }
    if options.generation == Generation::V1_29 {
        notes.push("for Compose 1.29 there is no `name:`: give the project with -p".to_owned());
        if let Some(ServiceView { name, .. }) = with_env_file {
            notes.push(format!(
                "for Compose 1.29 env files have no `required` and no `format: raw`: {name}'s must be there, and what quotes, `$` and `#` in it mean is its own"
            ));
        }
        if file
            .services
            .iter()
            .flat_map(|service| &service.security_opt)
            .any(|option| option.starts_with("seccomp:."))
        {
            notes.push("Compose 1.29 takes the seccomp profile's path from where it is run: run it in the file's folder".to_owned());
        }
        if file.services.iter().any(|service| options.own_images.iter().any(|own| own.name() == service.name))
        {
            notes
                .push("for Compose 1.29 there is no `pull_policy`: run `mcpo-deploy build` first".to_owned());
        }
    }
    let args =
        || file.services.iter().filter_map(|service| service.build.as_ref()).flat_map(|build| &build.args);
    if args().any(|arg| arg == "MCP_COMMAND=[]") {
        notes.push("the server's image is not here to be asked what it runs, and MCP_COMMAND is empty: pull or build it, then render again".to_owned());
    }
    let is_server =
        |service: &&ServiceView| service.name == Service::Orchestrator.name() && service.build.is_some();
    if args().any(|arg| arg.starts_with("ORCHESTRATOR_IMAGE="))
        && file.services.iter().any(|service| is_server(&service))
    {
        notes.push(format!("Compose builds images side by side, and the bridge's stands on the server's: `docker compose build {}` first", Service::Orchestrator.name()));
    }
    let beside = |service: &ServiceView| service.env_file.as_ref().is_some_and(|file| file.path == "./.env");
    if file.services.iter().any(beside) {
        notes.push("Compose also reads a .env beside its file for itself, and stops at some values with quotes or `$` in them: a folder of its own for the file, such as `-o compose`, keeps the two apart".to_owned());
    }
    let by_id = file.services.iter().filter(|service| service.pinned == Some("id"));
    notes.extend(
        by_id.map(|service| {
            format!("{} is pinned to an image id, which this machine alone knows", service.name)
        }),
    );
    let asked: BTreeSet<&str> = file
        .services
        .iter()
        .flat_map(|service| &service.environment)
        .filter(|variable| variable.scalar.is_some())
        .filter_map(|variable| variable.text.split('=').next())
        .collect();
    notes.extend(asked.into_iter().map(|key| {
        format!("{key} is asked for where the file is used: set it in the environment or in the .env beside the file")
    }));
    notes
}
