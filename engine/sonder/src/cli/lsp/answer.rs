//! Requests of the editor, each answered from the state alone.

use super::position::{offset, range};
use super::projects::Projects;
use super::state::State;
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentSymbolRequest, FoldingRangeRequest, Formatting, GotoDefinition,
    HoverRequest, PrepareRenameRequest, References, Rename, Request as _,
};
use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, CompletionItem, CompletionItemKind,
    CompletionParams, DocumentFormattingParams, DocumentSymbol, DocumentSymbolParams, Documentation, FoldingRange,
    FoldingRangeKind, FoldingRangeParams, GotoDefinitionParams, Hover, HoverContents, HoverParams, Location,
    MarkupContent, MarkupKind, PrepareRenameResponse, Range, ReferenceParams, RenameParams, SymbolKind,
    TextDocumentPositionParams, TextEdit, Url, WorkspaceEdit,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sonder_dsl::ide::{self, CompletionKind, Edit, Project};
use sonder_dsl::source::FileId;
use std::collections::HashMap;

/// What to send back.
pub struct Answer<'p> {
    pub result: Json,
    /// A hover about this segment of this project, whose size a running engine may know.
    pub segment: Option<(&'p State, String)>,
}

/// Why there is no answer.
pub struct Refusal {
    pub message: String,
    /// It is nothing that this server does.
    pub unknown: bool,
}

/// Answers a request about a document; one about a document of no project with nothing.
pub fn to<'p>(projects: &'p Projects, method: &str, params: Json) -> Result<Answer<'p>, Refusal> {
    let unknown = || Refusal { message: format!("`{method}` is not served"), unknown: true };
    let uri = params.pointer("/textDocument/uri").and_then(Json::as_str).ok_or_else(unknown)?;
    let state = Url::parse(uri).ok().and_then(|uri| projects.of(&uri));
    let Some(state) = state else { return Ok(Answer { result: Json::Null, segment: None }) };
    let mut segment = None;
    let result = match method {
        Completion::METHOD => json(completion(state, read(params)?)),
        HoverRequest::METHOD => {
            let (hover, about) = hover(state, read(params)?).unzip();
            segment = about.flatten().map(|about| (state, about));
            json(hover)
        }
        GotoDefinition::METHOD => json(definition(state, read(params)?)),
        References::METHOD => json(references(state, read(params)?)),
        PrepareRenameRequest::METHOD => json(prepare_rename(state, read(params)?)),
        Rename::METHOD => json(rename(state, read(params)?)?),
        Formatting::METHOD => json(formatting(state, read(params)?)),
        DocumentSymbolRequest::METHOD => json(symbols(state, read(params)?)),
        FoldingRangeRequest::METHOD => json(folding(state, read(params)?)),
        CodeActionRequest::METHOD => json(fixes(state, read(params)?)),
        _ => return Err(unknown()),
    }?;
    Ok(Answer { result, segment })
}

fn read<T: DeserializeOwned>(params: Json) -> Result<T, Refusal> {
    serde_json::from_value(params).map_err(|error| Refusal { message: error.to_string(), unknown: false })
}

fn json(value: impl Serialize) -> Result<Json, Refusal> {
    serde_json::to_value(value).map_err(|error| Refusal { message: error.to_string(), unknown: false })
}

/// The place of a request, in our terms.
struct At<'s> {
    project: Project<'s>,
    file: FileId,
    text: &'s str,
    offset: usize,
}

fn at<'s>(state: &'s State, place: &TextDocumentPositionParams) -> Option<At<'s>> {
    let (file, text) = state.file(&place.text_document.uri)?;
    Some(At { project: state.project()?, file, text, offset: offset(text, place.position) })
}

fn markdown(value: String) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value }
}

fn completion(state: &State, params: CompletionParams) -> Vec<CompletionItem> {
    let Some(at) = at(state, &params.text_document_position) else { return Vec::new() };
    let item = |found: ide::Completion| CompletionItem {
        kind: Some(match found.kind {
            CompletionKind::Keyword => CompletionItemKind::KEYWORD,
            CompletionKind::Event => CompletionItemKind::EVENT,
            CompletionKind::Property => CompletionItemKind::FIELD,
            CompletionKind::Rule => CompletionItemKind::VARIABLE,
            CompletionKind::Function => CompletionItemKind::FUNCTION,
            CompletionKind::Value => CompletionItemKind::ENUM_MEMBER,
            CompletionKind::Key => CompletionItemKind::PROPERTY,
        }),
        insert_text: Some(found.text().to_owned()),
        detail: Some(found.detail).filter(|detail| !detail.is_empty()),
        documentation: Some(found.documentation)
            .filter(|text| !text.is_empty())
            .map(|text| Documentation::MarkupContent(markdown(text))),
        label: found.label,
        ..CompletionItem::default()
    };
    ide::complete(&at.project, at.file, at.offset).into_iter().map(item).collect()
}

fn hover(state: &State, params: HoverParams) -> Option<(Hover, Option<String>)> {
    let at = at(state, &params.text_document_position_params)?;
    let found = ide::hover(&at.project, at.file, at.offset)?;
    let shown = Hover {
        contents: HoverContents::Markup(markdown(found.text)),
        range: Some(range(at.text, found.span.start as usize, found.span.end as usize)),
    };
    Some((shown, found.segment))
}

fn definition(state: &State, params: GotoDefinitionParams) -> Option<Location> {
    let at = at(state, &params.text_document_position_params)?;
    state.location(ide::definition(&at.project, at.file, at.offset)?)
}

fn references(state: &State, params: ReferenceParams) -> Vec<Location> {
    let Some(at) = at(state, &params.text_document_position) else { return Vec::new() };
    let found = ide::references(&at.project, at.file, at.offset, params.context.include_declaration);
    found.into_iter().filter_map(|span| state.location(span)).collect()
}

fn prepare_rename(state: &State, params: TextDocumentPositionParams) -> Option<PrepareRenameResponse> {
    let at = at(state, &params)?;
    let (span, placeholder) = ide::renamable(&at.project, at.file, at.offset)?;
    let range = range(at.text, span.start as usize, span.end as usize);
    Some(PrepareRenameResponse::RangeWithPlaceholder { range, placeholder })
}

fn rename(state: &State, params: RenameParams) -> Result<Option<WorkspaceEdit>, Refusal> {
    let Some(at) = at(state, &params.text_document_position) else { return Ok(None) };
    ide::rename(&at.project, at.file, at.offset, &params.new_name)
        .map(|edits| Some(changes(state, edits)))
        .map_err(|message| Refusal { message, unknown: false })
}

fn changes(state: &State, edits: Vec<Edit>) -> WorkspaceEdit {
    let mut by_file: HashMap<Url, Vec<TextEdit>> = HashMap::new();
    for edit in edits {
        if let Some(location) = state.location(edit.span) {
            by_file.entry(location.uri).or_default().push(TextEdit { range: location.range, new_text: edit.text });
        }
    }
    WorkspaceEdit { changes: Some(by_file), ..WorkspaceEdit::default() }
}

/// The whole text anew; nothing for a file with errors, and for YAML.
fn formatting(state: &State, params: DocumentFormattingParams) -> Option<Vec<TextEdit>> {
    let uri = params.text_document.uri;
    let (file, text) = state.file(&uri).filter(|_| uri.path().ends_with(".sonder"))?;
    let formatted = sonder_dsl::syntax::format::format(file, text).ok()?;
    if formatted == text {
        return Some(Vec::new());
    }
    Some(vec![TextEdit { range: range(text, 0, text.len()), new_text: formatted }])
}

fn symbols(state: &State, params: DocumentSymbolParams) -> Option<Vec<DocumentSymbol>> {
    let (file, text) = state.file(&params.text_document.uri)?;
    let found = ide::symbols(&state.project()?, file);
    Some(found.into_iter().map(|symbol| outline(text, symbol)).collect())
}

fn outline(text: &str, symbol: ide::DocumentSymbol) -> DocumentSymbol {
    let kind = match symbol.what {
        "segment" => SymbolKind::CLASS,
        "trait" => SymbolKind::VARIABLE,
        "event" => SymbolKind::EVENT,
        "property" | "identifier" => SymbolKind::PROPERTY,
        _ => SymbolKind::FUNCTION,
    };
    #[expect(deprecated, reason = "the field has no default")]
    DocumentSymbol {
        name: symbol.name,
        detail: Some(symbol.what.to_owned()),
        kind,
        tags: None,
        deprecated: None,
        range: range(text, symbol.all.0, symbol.all.1),
        selection_range: range(text, symbol.named.0, symbol.named.1),
        children: Some(symbol.inside.into_iter().map(|inside| outline(text, inside)).collect()),
    }
}

fn folding(state: &State, params: FoldingRangeParams) -> Option<Vec<FoldingRange>> {
    let uri = params.text_document.uri;
    let (_, text) = state.file(&uri).filter(|_| uri.path().ends_with(".sonder"))?;
    let fold = |fold: ide::Fold| {
        let Range { start, end } = range(text, fold.start, fold.end);
        FoldingRange {
            start_line: start.line,
            start_character: Some(start.character),
            end_line: end.line,
            end_character: Some(end.character),
            kind: fold.comment.then_some(FoldingRangeKind::Comment),
            collapsed_text: None,
        }
    };
    Some(ide::folds(text).into_iter().map(fold).collect())
}

fn fixes(state: &State, params: CodeActionParams) -> Option<Vec<CodeActionOrCommand>> {
    let (file, text) = state.file(&params.text_document.uri)?;
    let (start, end) = (offset(text, params.range.start) as u32, offset(text, params.range.end) as u32);
    let fix = |found: &sonder_dsl::diagnostic::Diagnostic| {
        let span = found.labels.first()?.span;
        if span.file != file || span.start > end || span.end < start {
            return None;
        }
        let fix = ide::fix(found, text.get(span.start as usize..span.end as usize)?)?;
        Some(CodeActionOrCommand::CodeAction(CodeAction {
            title: fix.title,
            kind: Some(CodeActionKind::QUICKFIX),
            edit: Some(changes(state, vec![fix.edit])),
            is_preferred: Some(true),
            ..CodeAction::default()
        }))
    };
    Some(state.analysis()?.compilation.diagnostics.iter().filter_map(fix).collect())
}
