//! `render`: the deployment as Compose files and `docker run` lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use similar::TextDiff;

use super::args::{GenerationArg, LineArg, RenderArgs, WhatArg};
use super::error::CliError;
use super::example::example;
use super::files::{NewFile, Written, write_all};
use super::session::{Global, Users};
use crate::config::files::{self, Unreadable};
use crate::config::{App, Source, Stack};
use crate::diagnostic::{Exit, Failure};
use crate::engine::is_checkout;
use crate::model::ImageRef;
use crate::plan::{Desired, ImageFacts, Images, Machine, Profile, Service, desired, run_line};
use crate::render::{Generation, Options, Rendered, Seal, Templates, compose, seal_of, unsealed};

pub(super) async fn run(global: &Global, args: &RenderArgs) -> Result<Exit, Failure> {
    without_effect(args)?;
    if args.eject {
        return eject(global, args);
    }
    let resolved = global.resolve()?;
    // A file that others will use too wants no key of this machine's.
    let warnings = resolved.warnings.iter().filter(|warning| warning.key != "orchestrator.required_keys");
    warnings.for_each(|warning| global.reporter.warning(&warning.to_string()));
    let stack = resolved.stack;
    let known = Known::of(global, &stack, args.pin).await?;
    match args.what {
        WhatArg::Run => line(global, args, &stack, &known),
        what => compose_files(global, args, &stack, &known, &profiles(what)),
    }
}

/// Whoever asks for what does not happen is told: a check that checks nothing must not succeed.
fn without_effect(args: &RenderArgs) -> Result<(), CliError> {
    let prints = args.output.as_deref() == Some(Path::new("-"));
    let given = |flags: &[(&'static str, bool)]| -> Vec<&'static str> {
        flags.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag).collect()
    };
    let (flags, what) = if args.what == WhatArg::Run {
        let of_files = [
            ("--check", args.check),
            ("--output", args.output.is_some() && !prints),
            ("--force", args.force),
            ("--for", args.generation.is_some()),
            ("--templates", args.templates.is_some()),
            ("--eject", args.eject),
            ("--allow-weaker", args.allow_weaker),
        ];
        (given(&of_files), "`render run`, which prints a line")
    } else if args.service.is_some() || args.explain {
        (
            given(&[("a service", args.service.is_some()), ("--explain", args.explain)]),
            "anything but `render run`",
        )
    } else {
        (given(&[("--check", args.check && prints)]), "`--output -`, which prints")
    };
    if flags.is_empty() {
        return Ok(());
    }
    let verb = if flags.len() == 1 { "does" } else { "do" };
    Err(CliError::usage(&format!("{} {verb} nothing with {what}", flags.join(", "))))
}

fn profiles(what: WhatArg) -> Vec<Profile> {
    match what {
        WhatArg::FullStack => vec![Profile::FullStack],
        WhatArg::Bridge => vec![Profile::Bridge],
        WhatArg::BuildOnly => vec![Profile::BuildOnly],
        WhatArg::All => Profile::ALL.map(|(_, profile)| profile).to_vec(),
        WhatArg::Run => Vec::new(),
    }
}

/// What is known of the images. Ours is known without an engine.
struct Known {
    images: BTreeMap<ImageRef, ImageFacts>,
    pins: BTreeMap<Service, String>,
}

impl Known {
    async fn of(global: &Global, stack: &Stack, pin: bool) -> Result<Self, Failure> {
        let mut images = BTreeMap::new();
        let ours = stack.orchestrator.source == Source::Ours;
        if ours {
            images.insert(stack.orchestrator.image.clone(), ImageFacts::of_our_server());
        }
        let foreign_user = stack.hardening.user.is_none() && (!ours || stack.app.is_some());
        if !pin && !foreign_user && (ours || stack.orchestrator.command.is_empty()) {
            return Ok(Self { images, pins: BTreeMap::new() });
        }
        let observed = match global.open().await {
            Ok(session) => session.observe(Users::LookedUp).await?.images,
            Err(error) if pin => return Err(error),
            Err(_) => BTreeMap::new(),
        };
        let pins = if pin { pinned(stack, &observed)? } else { BTreeMap::new() };
        // What our server's image says is known; that an older build of it lies here changes nothing.
        images.extend(observed.into_iter().filter(|(image, _)| {
            !ours || *image != stack.orchestrator.image && *image != stack.bridge.image
        }));
        if foreign_user {
            let of_app = stack.app.as_ref().map(|app| &app.image);
            let named = [(!ours).then_some(&stack.orchestrator.image), of_app];
            for image in named.into_iter().flatten().filter(|image| !images.contains_key(*image)) {
                global.reporter.note(&format!(
                    "the image {image} is not here to be asked for its user, so 65532:65532 is written; set hardening.user, or pull it first"
                ));
            }
        }
        Ok(Self { images, pins })
    }

    fn desired(&self, stack: &Stack, profile: Profile) -> Result<Desired, Failure> {
        let facts = |image: &ImageRef| self.images.get(image);
        let images = Images {
            orchestrator: facts(&stack.orchestrator.image),
            bridge: None,
            app: stack.app.as_ref().and_then(|app| facts(&app.image)),
        };
        let running = if profile == Profile::BuildOnly { Profile::Bridge } else { profile };
        Ok(desired(stack, running, &Machine::any(), images)?)
    }
}

/// References that can only ever mean the images that are here now.
fn pinned(
    stack: &Stack,
    observed: &BTreeMap<ImageRef, ImageFacts>,
) -> Result<BTreeMap<Service, String>, CliError> {
    let app = stack.app.as_ref().map(|app| (Service::App, &app.image));
    let all = [(Service::Orchestrator, &stack.orchestrator.image), (Service::Bridge, &stack.bridge.image)];
    let pin = |(service, image): (Service, &ImageRef)| {
        if image.is_pinned() {
            return Ok((service, image.to_string()));
        }
        let facts = observed.get(image).ok_or_else(|| CliError::CannotPin(image.to_string()))?;
        Ok((service, facts.digests.first().unwrap_or(&facts.id).clone()))
    };
    all.into_iter().chain(app).map(pin).collect()
}

fn line(global: &Global, args: &RenderArgs, stack: &Stack, known: &Known) -> Result<Exit, Failure> {
    let desired = known.desired(stack, Profile::Bridge)?;
    let service = args.service.map_or(Service::Orchestrator, Service::from);
    desired.notes.iter().for_each(|note| global.reporter.note(note));
    let container =
        desired.containers.iter().find(|container| container.service == service).unwrap_or(&desired.stdio);
    if let Some(file) = container.origins.env_file.as_ref().filter(|file| !file.path.exists()) {
        global.reporter.note(&format!(
            "{} is not there, and docker run fails without it: the line for a shell makes an empty one, `mcpo-deploy init` a commented one",
            global.shown(&file.path)
        ));
    }
    let mut line = run_line(container, &desired, &stack.folder);
    if let Some(pin) = known.pins.get(&container.service) {
        line.pin(container, pin);
    }
    global.reporter.text(&if args.explain { line.explained() } else { line.shell() });
    global.reporter.json(&line.argv().into());
    Ok(Exit::Done)
}

fn compose_files(
    global: &Global,
    args: &RenderArgs,
    stack: &Stack,
    known: &Known,
    profiles: &[Profile],
) -> Result<Exit, Failure> {
    let to = Target::of(global, args);
    let templates = templates(args.templates.as_deref())?;
    let mut stack = stack.clone();
    if profiles.contains(&Profile::FullStack) && stack.app.is_none() {
        let app =
            example(&stack).unwrap_or_else(|| App::in_folder(&stack.project, stack.folder.join("app"), &[]));
        if let Source::Context { context, .. } = &app.source {
            let place = global.shown(context);
            global.reporter.note(&format!("no `app:` is described; {place} stands in its place"));
        }
        stack.app = Some(app);
    }
    let own_images: BTreeSet<Service> = [Service::Bridge]
        .into_iter()
        .chain((stack.orchestrator.source == Source::Ours).then_some(Service::Orchestrator))
        .collect();
    let mut rendered = Vec::new();
    let mut said = BTreeSet::new();
    for &profile in profiles {
        let desired = known.desired(&stack, profile)?;
        let new = desired.notes.iter().filter(|note| said.insert((*note).clone()));
        new.for_each(|note| global.reporter.note(note));
        let options = Options {
            templates: &templates,
            folder: to.lands_in(global),
            fixed_paths: &stack.fixed_paths,
            generation: args.generation.map_or(Generation::Current, Generation::from),
            own_images: &own_images,
            checkout: is_checkout(&stack.folder).then_some(&*stack.folder),
            pins: &known.pins,
            allow_weaker: args.allow_weaker,
        };
        let file = compose(&desired, profile, &options)?;
        file.notes.iter().for_each(|note| global.reporter.note(note));
        file.weaker
            .iter()
            .for_each(|weaker| global.reporter.warning(&format!("other than described: {weaker}")));
        rendered.push(file);
    }
    match &to {
        Target::Folder(folder) if args.check => Ok(check(global, folder, &rendered)),
        Target::Folder(folder) => write(global, folder, &rendered, args.force),
        Target::Stdout => {
            print(global, &rendered);
            Ok(Exit::Done)
        }
    }
}

impl From<LineArg> for Service {
    fn from(service: LineArg) -> Self {
        match service {
            LineArg::Orchestrator => Self::Orchestrator,
            LineArg::Bridge => Self::Bridge,
        }
    }
}

impl From<GenerationArg> for Generation {
    fn from(generation: GenerationArg) -> Self {
        match generation {
            GenerationArg::Current => Self::Current,
            GenerationArg::V2_24 => Self::V2_24,
            GenerationArg::V1_29 => Self::V1_29,
        }
    }
}

/// Where files go.
enum Target {
    Stdout,
    Folder(PathBuf),
}

impl Target {
    /// A check is of files, and those are in `compose` unless another folder is named.
    fn of(global: &Global, args: &RenderArgs) -> Self {
        match &args.output {
            Some(output) if output.as_os_str() == "-" => Self::Stdout,
            Some(folder) => Self::Folder(absolute(&global.env.folder, folder)),
            None if args.check => Self::Folder(global.env.folder.join("compose")),
            None => Self::Stdout,
        }
    }

    /// The folder that relative paths start from: what is printed is read from the current one.
    fn lands_in<'a>(&'a self, global: &'a Global) -> &'a Path {
        match self {
            Self::Stdout => &global.env.folder,
            Self::Folder(folder) => folder,
        }
    }
}

/// Without `.` and `..`, and with the links of the part that exists resolved, so that a path from it
/// leads where it says.
fn absolute(current: &Path, folder: &Path) -> PathBuf {
    let mut absolute = current.to_path_buf();
    for part in folder.components() {
        match part {
            std::path::Component::ParentDir => {
                absolute = absolute.canonicalize().unwrap_or(absolute);
                absolute.pop();
            }
            std::path::Component::CurDir => {}
            part => absolute.push(part),
        }
    }
    absolute.canonicalize().unwrap_or(absolute)
}

fn templates(folder: Option<&Path>) -> Result<Templates, CliError> {
    let Some(folder) = folder else { return Ok(Templates::embedded()) };
    let failed = |source| CliError::Templates { folder: folder.to_path_buf(), source };
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let failed = |source| CliError::Templates { folder: path.clone(), source };
            others.push((name, std::fs::read_to_string(&path).map_err(failed)?));
        }
    }
    if others.is_empty() {
        return Err(CliError::NoTemplates(folder.to_path_buf()));
    }
    Ok(Templates::embedded().with(others))
}

fn print(global: &Global, rendered: &[Rendered]) {
    let texts: Vec<&str> = rendered.iter().map(|file| file.text.as_str()).collect();
    global.reporter.text(&texts.join("---\n"));
    let files = rendered.iter().map(|file| json!({"name": file.name, "text": file.text}));
    global.reporter.json(&json!({"files": files.collect::<Vec<_>>()}));
}

fn write(global: &Global, folder: &Path, rendered: &[Rendered], force: bool) -> Result<Exit, Failure> {
    let files: Vec<NewFile> = rendered
        .iter()
        .map(|file| NewFile {
            path: folder.join(file.name),
            text: file.text.clone(),
            is_ours: |text| seal_of(text) == Seal::Ours,
        })
        .collect();
    report(global, &write_all(&files, force)?);
    Ok(Exit::Done)
}

fn report(global: &Global, written: &[(PathBuf, Written)]) {
    let mut documents: Vec<Value> = Vec::new();
    for (path, written) in written {
        let (word, backup) = match written {
            Written::Created => ("created", None),
            Written::Unchanged => ("unchanged", None),
            Written::Replaced => ("replaced", None),
            Written::BackedUp(backup) => ("replaced", Some(backup)),
        };
        let kept = backup.map(|backup| format!(" (what was there is {})", global.shown(backup)));
        global.reporter.text(&format!("{word} {}{}\n", global.shown(path), kept.unwrap_or_default()));
        documents.push(json!({"path": path, "done": word, "backup": backup}));
    }
    global.reporter.json(&json!({"files": documents}));
}

const AS_RENDERED: &str = "is as rendered";

fn check(global: &Global, folder: &Path, rendered: &[Rendered]) -> Exit {
    let mut documents = Vec::new();
    for file in rendered {
        let path = folder.join(file.name);
        let shown = global.shown(&path);
        let read = files::read(&path).map(|(bytes, _)| String::from_utf8(bytes));
        let (found, unreadable) = match read {
            Ok(Ok(found)) => (found, None),
            Ok(Err(_)) => (String::new(), Some("cannot be read: it is not UTF-8".to_owned())),
            Err(Unreadable::Missing) => (String::new(), Some("is not there".to_owned())),
            Err(Unreadable::Other(why)) => (String::new(), Some(format!("cannot be read: {why}"))),
        };
        // The digest differs wherever anything does.
        let [before, after] = [&found, &file.text].map(|text| unsealed(text));
        let difference = TextDiff::from_lines(&before, &after)
            .unified_diff()
            .header(&shown, "mcpo.yaml, rendered")
            .to_string();
        let state = match (difference.is_empty(), seal_of(&found)) {
            (true, Seal::Ours) => AS_RENDERED,
            (_, Seal::Ours) => "is not what mcpo.yaml says any more",
            (_, Seal::Edited) => "was changed by hand",
            (_, Seal::Foreign) => "was never rendered",
        };
        let state = unreadable.as_deref().unwrap_or(state);
        global.reporter.text(&format!("{shown} {state}\n{difference}"));
        documents.push(json!({"path": path, "state": state, "difference": difference}));
    }
    let drifted = documents.iter().any(|document| document["state"] != AS_RENDERED);
    global.reporter.json(&json!({"drifted": drifted, "files": documents}));
    if drifted { Exit::Failed } else { Exit::Done }
}

fn eject(global: &Global, args: &RenderArgs) -> Result<Exit, Failure> {
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("templates"));
    let folder = absolute(&global.env.folder, &folder);
    let files: Vec<NewFile> = Templates::EMBEDDED
        .iter()
        .map(|(name, text)| NewFile { path: folder.join(name), text: (*text).to_owned(), is_ours: |_| false })
        .collect();
    report(global, &write_all(&files, args.force)?);
    Ok(Exit::Done)
}
