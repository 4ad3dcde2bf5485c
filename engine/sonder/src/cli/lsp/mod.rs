//! `sonder lsp`: the language server, on standard input and output.
//!
//! One loop owns everything: it reads messages, keeps the texts of open files over those on disk, and compiles after edits
//! as soon as no more messages wait. Only asking a running engine for the size of a segment happens beside it.

mod answer;
mod live;
mod position;
mod projects;
mod state;

use super::output::{Failure, Output};
use live::Engine;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{
    DidChangeConfiguration, DidChangeTextDocument, DidChangeWatchedFiles, DidCloseTextDocument, DidOpenTextDocument,
    DidSaveTextDocument, Notification as _, PublishDiagnostics,
};
use lsp_types::request::{Formatting, RegisterCapability, Request as _};
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions, DidSaveTextDocumentParams,
    FoldingRangeProviderCapability, HoverProviderCapability, InitializeParams, OneOf, Registration, RegistrationParams,
    RenameOptions, ServerCapabilities, TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions,
    TextDocumentSyncSaveOptions, WorkDoneProgressOptions,
};
use projects::Projects;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Speak the Language Server Protocol with an editor, on standard input and output
///
/// Editors start this by themselves. A document belongs to the project of the nearest folder with a `sonder.yaml`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sonder lsp\n  sonder lsp shop --url https://cdp.example.com")]
pub struct Args {
    /// Serve this project only
    #[arg(value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    engine: Engine,
    /// As other language servers take it; standard input and output are the only way
    #[arg(long, hide = true)]
    stdio: bool,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let (connection, threads) = Connection::stdio();
    let failed = |error: &dyn std::fmt::Display| Failure::engine(format!("the editor broke off: {error}"));
    let (id, asked) = connection.initialize_start().map_err(|error| failed(&error))?;
    let params: InitializeParams = serde_json::from_value(asked).map_err(|error| failed(&error))?;
    let editor = Editor::of(&params);
    let info = json!({ "name": "sonder", "version": env!("CARGO_PKG_VERSION") });
    let answer = json!({ "capabilities": capabilities(editor), "serverInfo": info });
    connection.initialize_finish(id, answer).map_err(|error| failed(&error))?;
    let registrations = editor.registrations();
    if !registrations.is_empty() {
        let params = RegistrationParams { registrations };
        let id = RequestId::from("register".to_owned());
        send(&connection, Request::new(id, RegisterCapability::METHOD.to_owned(), params))?;
    }
    let mut projects = Projects::new(args.project.as_deref(), args.engine.clone(), &params);
    serve(&connection, &mut projects)?;
    drop(connection);
    threads.join()?;
    output.out.flush()?;
    Ok(())
}

/// What the editor can be asked for beyond what everyone can.
#[derive(Clone, Copy)]
struct Editor {
    /// To say which files change on disk.
    watches: bool,
    /// To format documents of some kinds only: YAML has formatters of its own.
    formats: bool,
}

impl Editor {
    fn of(params: &InitializeParams) -> Self {
        let workspace = params.capabilities.workspace.as_ref();
        let document = params.capabilities.text_document.as_ref();
        let watching = workspace.and_then(|workspace| workspace.did_change_watched_files);
        let formatting = document.and_then(|document| document.formatting);
        Self {
            watches: watching.and_then(|it| it.dynamic_registration).unwrap_or(false),
            formats: formatting.and_then(|it| it.dynamic_registration).unwrap_or(false),
        }
    }

    fn registrations(self) -> Vec<Registration> {
        let one = |method: &str, options: Json| Registration {
            id: method.to_owned(),
            method: method.to_owned(),
            register_options: Some(options),
        };
        let watched = json!({ "watchers": [{ "globPattern": "**/*.{sonder,yaml,yml,wasm}" }] });
        let formatted = json!({ "documentSelector": [{ "pattern": "**/*.sonder" }] });
        let watching = self.watches.then(|| one(DidChangeWatchedFiles::METHOD, watched));
        watching.into_iter().chain(self.formats.then(|| one(Formatting::METHOD, formatted))).collect()
    }
}

fn capabilities(editor: Editor) -> ServerCapabilities {
    let triggers = [".", "\"", "(", "{", " "].map(str::to_owned).to_vec();
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::Supported(true)),
            ..TextDocumentSyncOptions::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(triggers),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: WorkDoneProgressOptions::default(),
        })),
        document_formatting_provider: Some(OneOf::Left(!editor.formats)),
        document_symbol_provider: Some(OneOf::Left(true)),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX]),
            ..CodeActionOptions::default()
        })),
        ..ServerCapabilities::default()
    }
}

fn serve(connection: &Connection, projects: &mut Projects) -> Result<(), Failure> {
    publish(connection, projects)?;
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request).map_err(|error| Failure::engine(error.to_string()))? {
                    return Ok(());
                }
                // An answer is about the text as it is now.
                publish(connection, projects)?;
                request_of(connection, projects, request)?;
            }
            Message::Notification(notification) => told(projects, notification),
            Message::Response(_) => {}
        }
        if connection.receiver.is_empty() {
            publish(connection, projects)?;
        }
    }
    Ok(())
}

fn send(connection: &Connection, message: impl Into<Message>) -> Result<(), Failure> {
    connection.sender.send(message.into()).map_err(|_| Failure::Closed)
}

/// Compiles what has changed, and tells the editor what is wrong where.
fn publish(connection: &Connection, projects: &mut Projects) -> Result<(), Failure> {
    for params in projects.check() {
        send(connection, Notification::new(PublishDiagnostics::METHOD.to_owned(), params))?;
    }
    Ok(())
}

/// What the editor says; what is not understood of it changes nothing.
fn told(projects: &mut Projects, notification: Notification) {
    fn read<T: DeserializeOwned>(params: Json, take: impl FnOnce(T)) {
        if let Ok(params) = serde_json::from_value(params) {
            take(params);
        }
    }
    let Notification { method, params } = notification;
    match method.as_str() {
        DidOpenTextDocument::METHOD => read(params, |params| projects.open(params)),
        DidChangeTextDocument::METHOD => read(params, |params| projects.change(params)),
        DidCloseTextDocument::METHOD => read(params, |params| projects.close(&params)),
        DidSaveTextDocument::METHOD => {
            read(params, |params: DidSaveTextDocumentParams| projects.saved(&params.text_document.uri));
        }
        DidChangeWatchedFiles::METHOD => read(params, |params| projects.files_changed(&params)),
        DidChangeConfiguration::METHOD => projects.configure(params.get("settings")),
        _ => {}
    }
}

fn request_of(connection: &Connection, projects: &Projects, request: Request) -> Result<(), Failure> {
    let id = request.id.clone();
    let answer = match answer::to(projects, &request.method, request.params) {
        Ok(answer) => answer,
        Err(refusal) => {
            let code = if refusal.unknown { ErrorCode::MethodNotFound } else { ErrorCode::RequestFailed };
            return send(connection, Response::new_err(id, code as i32, refusal.message));
        }
    };
    let engine = projects.engine();
    let known = answer.segment.and_then(|(state, segment)| Some((engine.address(state)?, segment)));
    let Some((address, segment)) = known else { return send(connection, Response::new_ok(id, answer.result)) };
    // The engine may be slow or gone: nothing else waits for it.
    let (sender, key) = (connection.sender.clone(), engine.key.clone());
    std::thread::spawn(move || {
        let result = live::with_size(answer.result, &address, key.as_deref(), &segment);
        drop(sender.send(Response::new_ok(id, result).into()));
    });
    Ok(())
}
