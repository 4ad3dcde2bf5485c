//! What is sent, shown and set: fields against the JSON Schema of a plugin's action, values against a trait's type.

use super::expression::{Checker, place_text};
use super::property;
use super::scope::Scope;
use super::value::{Motion, Typed, convert, join, noun};
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::ir::journey::FieldValue;
use crate::ir::{DestinationId, Expression, ProfileTraitId, Type};
use crate::model::{LIKELY_ONLY, Origin, residency};
use crate::syntax::ast::{Field, ItemKind, Name, Path, Send, SetTrait};
use serde_json::Value as Json;

/// What a `send` sends.
pub(super) struct Sent {
    pub destination: DestinationId,
    pub action: String,
    pub fields: Vec<FieldValue>,
    pub required: Vec<String>,
}

impl Checker<'_> {
    /// `send destination.action { … }`
    pub(super) fn send(&mut self, send: &Send) -> Option<Sent> {
        let target = self.target(&send.action);
        let schema = target.as_ref().and_then(|(_, _, schema)| schema.as_ref());
        let fields = self.sent_fields(&send.fields, schema, &send.action);
        let required = required(schema).map(str::to_owned).collect();
        let (destination, action, _) = target?;
        Some(Sent { destination, action, fields: fields?, required })
    }

    /// The destination and its action, with the schema of what it takes where the plugin has been asked.
    fn target(&mut self, path: &Path) -> Option<(DestinationId, String, Option<Json>)> {
        let [destination, action] = path.value.as_slice() else {
            self.report(
                Diagnostic::error(codes::UNKNOWN_ACTION, "what is sent is a destination's action", path.span, "")
                    .help("write both with a dot between them: `send email.message { … }`"),
            );
            return None;
        };
        let declared = &self.declarations.destinations;
        let Some(index) = declared.iter().position(|known| known.destination.name == destination.value) else {
            let error = Diagnostic::error(
                codes::UNKNOWN_DESTINATION,
                format!("there is no destination `{}`", destination.value),
                destination.span,
                "not declared in destinations/",
            );
            let names = declared.iter().map(|known| known.destination.name.as_str());
            let help = suggest::help(&destination.value, names);
            let error = match help {
                Some(help) => error.help(help),
                None => error.help(format!("declare it in destinations/{}.yaml", destination.value)),
            };
            self.report(error);
            return None;
        };
        if let Some(error) = residency::sent(self.declarations, &declared[index], destination.span) {
            self.report(self.declared_destination(error, index));
        }
        let plugin = declared[index].destination.plugin.as_str();
        let schema = match self.plugins.described.get(plugin) {
            None => {
                let first = self.undescribed.insert(plugin.to_owned());
                if let (true, Some(why)) = (first, self.plugins.silent.get(plugin)) {
                    self.report(
                        Diagnostic::warning(
                            codes::NOT_ASKED,
                            format!("what is sent to `{}` is not checked", destination.value),
                            destination.span,
                            "its plugin could not be asked what it takes",
                        )
                        .note(why.clone()),
                    );
                }
                None
            }
            Some(description) => match description.actions.get(&action.value) {
                Some(schema) => Some(schema.clone()),
                None => {
                    let error = Diagnostic::error(
                        codes::UNKNOWN_ACTION,
                        format!("`{}` has no action `{}`", destination.value, action.value),
                        action.span,
                        format!("not one of `{plugin}`"),
                    );
                    let error = match suggest::help(&action.value, description.actions.keys().map(String::as_str)) {
                        Some(help) => error.help(help),
                        None => error.help("this plugin has no actions that a journey can send"),
                    };
                    self.report(self.declared_destination(error, index));
                    return None;
                }
            },
        };
        Some((DestinationId(u32::try_from(index).ok()?), action.value.clone(), schema))
    }

    fn declared_destination(&self, diagnostic: Diagnostic, index: usize) -> Diagnostic {
        match self.declarations.places.destinations.get(index) {
            Some(span) => diagnostic.note(format!("declared in {}", place_text(self.sources, *span))),
            None => diagnostic,
        }
    }

    fn sent_fields(&mut self, fields: &[Field], schema: Option<&Json>, action: &Path) -> Option<Vec<FieldValue>> {
        let properties = schema.and_then(|schema| schema.get("properties")).and_then(Json::as_object);
        // A schema without properties says nothing of them, unless it says that there are no others.
        let closed = match schema.and_then(|schema| schema.get("additionalProperties")) {
            Some(Json::Bool(false)) => schema.is_some(),
            Some(_) => false,
            None => properties.is_some(),
        };
        let mut sound = true;
        let mut values = Vec::new();
        for field in fields.iter().filter(|field| !field.name.value.is_empty()) {
            let expected = properties.and_then(|properties| properties.get(&field.name.value));
            if expected.is_none() && closed {
                let known = properties.into_iter().flatten().map(|(name, _)| name.as_str());
                self.report(unknown_field(&field.name, known, &written(action)));
                sound = false;
            }
            match self.field(field, expected) {
                Some(value) => values.push(value),
                None => sound = false,
            }
        }
        // One that could not be read may be the one that is missing.
        let unreadable = fields.iter().any(|field| field.name.value.is_empty());
        let missing: Vec<&str> =
            required(schema).filter(|name| !fields.iter().any(|field| field.name.value == *name)).collect();
        if let (Some(first), false) = (missing.first(), unreadable) {
            let named: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            self.report(
                Diagnostic::error(
                    codes::MISSING_FIELD,
                    format!("`{}` needs {}", written(action), named.join(", ")),
                    action.span,
                    "not among its fields",
                )
                .help(format!("add `{first}: …` between the braces")),
            );
            sound = false;
        }
        (sound && !unreadable).then_some(values)
    }

    /// A field of what is sent or shown, of the type that a schema gives it.
    pub(super) fn field(&mut self, field: &Field, schema: Option<&Json>) -> Option<FieldValue> {
        let typed = self.expression(&field.value, Scope::Person)?;
        let name = field.name.value.clone();
        let Some(wanted) = schema.and_then(property::type_of) else {
            return Some(FieldValue { name, kind: typed.kind, value: typed.expression });
        };
        let (value, kind) = self.fitted(typed, &wanted, &format!("`{name}` is"))?;
        Some(FieldValue { name, value, kind })
    }

    /// The value as one of the type that is wanted; `what` begins the sentence: `` `vip` is ``.
    fn fitted(&mut self, typed: Typed, wanted: &Type, what: &str) -> Option<(Expression, Type)> {
        let error = match (wanted, &typed.kind) {
            (Type::String { one_of: Some(choices) }, Type::String { one_of: Some(values) }) => {
                let stray = values.iter().find(|value| !choices.contains(value));
                let Some(stray) = stray else { return Some((typed.expression, wanted.clone())) };
                let error = Diagnostic::error(
                    codes::WRONG_FIELD,
                    format!("{what} never \"{stray}\""),
                    typed.span,
                    format!("not one of its {} values", choices.len()),
                );
                let names = || choices.iter().map(AsRef::as_ref);
                match suggest::nearest(stray, names()) {
                    Some(near) => error.help(format!("did you mean \"{near}\"?")),
                    None if choices.len() <= 12 => {
                        let quoted: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
                        error.help(format!("it is {}", quoted.join(", ")))
                    }
                    None => error,
                }
            }
            // Any text may turn out to be one of the values.
            (Type::String { .. }, Type::String { .. }) => return Some((typed.expression, wanted.clone())),
            (wanted, kind) => {
                let fits = join(kind, wanted).is_some_and(|joined| match (&joined, wanted) {
                    (Type::Decimal { .. }, Type::Decimal { .. }) => true,
                    (joined, wanted) => joined == wanted,
                });
                if fits {
                    return Some((convert(typed.expression, kind, wanted), wanted.clone()));
                }
                let noun = noun(kind);
                let error = Diagnostic::error(
                    codes::WRONG_FIELD,
                    format!("{what} {}, and this is {noun}", super::noun(wanted)),
                    typed.span,
                    noun,
                );
                match (&typed.expression, wanted) {
                    (Expression::Constant(crate::ir::Value::Int(number)), Type::String { .. }) => {
                        error.help(format!("write \"{number}\""))
                    }
                    _ => error,
                }
            }
        };
        self.report(error);
        None
    }

    /// `set trait vip = true`
    pub(super) fn set_trait(&mut self, set: &SetTrait) -> Option<(ProfileTraitId, Expression)> {
        let value = self.expression(&set.value, Scope::Person);
        let declarations = self.declarations;
        let name = set.name.value.as_str();
        let Some((id, declared)) = declarations.profile_named(name) else {
            if declarations.faulty.all_profile || declarations.faulty.profile.contains(name) {
                return None;
            }
            let computed = self.rules.get(name).filter(|rule| rule.kind == Some(ItemKind::Trait));
            let error = match computed {
                Some(rule) => Diagnostic::error(
                    codes::NOT_SETTABLE,
                    format!("`{name}` is computed, so it can't be set"),
                    set.name.span,
                    "a trait of the rules",
                )
                .help("set a trait of profile.yaml")
                .note(format!("declared in {}", place_text(self.sources, rule.place))),
                None => {
                    let error = Diagnostic::error(
                        codes::NOT_SETTABLE,
                        format!("the profile has no trait `{name}`"),
                        set.name.span,
                        "not in profile.yaml",
                    );
                    match suggest::nearest(name, declarations.profile.iter().map(|declared| declared.name.as_str())) {
                        Some(near) => error.help(format!("did you mean `{near}`?")),
                        None => error.help(format!("declare it in profile.yaml: `{name}: {{type: boolean}}`")),
                    }
                }
            };
            self.report(error);
            return None;
        };
        if declared.from == Origin::LikelyOnly {
            self.report(
                Diagnostic::error(
                    codes::NOT_SETTABLE,
                    format!("`{name}` says who is only likely one person, so it can't be set"),
                    set.name.span,
                    format!("read from `{LIKELY_ONLY}`"),
                )
                .help("set a trait of its own"),
            );
            return None;
        }
        let value = value?;
        if value.motion != Motion::STILL {
            self.report(
                Diagnostic::error(
                    codes::WRONG_FIELD,
                    "a value that grows with the clock can't be kept",
                    value.span,
                    "",
                )
                .help("keep the moment: `last(view.…)`, or ask for the length of time where it is needed"),
            );
            return None;
        }
        let (value, _) = self.fitted(value, &declared.kind, &format!("`{name}` is"))?;
        Some((id, value))
    }
}

/// The fields that a schema demands.
fn required(schema: Option<&Json>) -> impl Iterator<Item = &str> {
    let list = schema.and_then(|schema| schema.get("required")).and_then(Json::as_array);
    list.into_iter().flatten().filter_map(Json::as_str)
}

fn unknown_field<'k>(name: &Name, known: impl Iterator<Item = &'k str>, action: &str) -> Diagnostic {
    let error = Diagnostic::error(
        codes::UNKNOWN_FIELD,
        format!("`{action}` has no field `{}`", name.value),
        name.span,
        "not in its schema",
    );
    match suggest::help(&name.value, known) {
        Some(help) => error.help(help),
        None => error,
    }
}

fn written(path: &Path) -> String {
    path.value.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".")
}
