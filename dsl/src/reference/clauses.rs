//! What items are made of: each clause, how it is written, what it means.

use crate::syntax::ast::ItemKind;
use std::fmt::{self, Write};

/// Something that stands in an item or a call.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// What to type.
    pub word: &'static str,
    /// How it goes on.
    pub syntax: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// A kind of item.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What it is for.
    pub meaning: &'static str,
    /// What it is made of.
    pub clauses: &'static [Clause],
    /// One, or several, that compile.
    pub example: &'static str,
}

const fn clause(word: &'static str, syntax: &'static str, meaning: &'static str) -> Clause {
    Clause { word, syntax, meaning }
}

/// A table of clauses.
pub(super) fn table(page: &mut String, clauses: &[Clause]) -> fmt::Result {
    page.push_str("| written | means |\n|---|---|\n");
    for clause in clauses {
        writeln!(page, "| `{}` | {} |", clause.syntax, clause.meaning)?;
    }
    Ok(())
}

/// Windows and groups.
pub const MODIFIERS: &[Clause] = &[
    clause("last", "last 24h", "Events of this length of time up to now: `now - 24h < occurred_at <= now`."),
    clause(
        "since",
        "since 2026-01-01",
        "Events from that moment on; a day begins at its first moment in the project's time zone.",
    ),
    clause(
        "this session",
        "this session",
        "Events of the person's current session; `session` in `sonder.yaml` says when it ends.",
    ),
    clause(
        "next",
        "next 7d",
        "Events of this length of time from now on: `now < occurred_at <= now + 7d`. In labels and goals only.",
    ),
    clause(
        "per",
        "per p",
        "The largest value over the groups of a property; for a condition, whether it holds for one group.",
    ),
];

const PURPOSE: Clause = clause(
    "purpose",
    "purpose marketing",
    "What it is for: it may read only data that declares this purpose. Optional.",
);

const WAS: Clause = clause(
    "was",
    "NAME was OLD_NAME, …",
    "Behind the name: what it was called, the latest name first. It goes on under its new name: nobody leaves or enters. Optional.",
);

/// What an item of a kind is made of.
#[must_use]
pub const fn of_item(kind: ItemKind) -> Item {
    match kind {
        ItemKind::Segment => SEGMENT,
        ItemKind::Trait => TRAIT,
        ItemKind::Journey => JOURNEY,
        ItemKind::Funnel => FUNNEL,
        ItemKind::Experiment => EXPERIMENT,
        ItemKind::Experience => EXPERIENCE,
        ItemKind::Prediction => PREDICTION,
    }
}

const SEGMENT: Item = Item {
    meaning: "People for whom a condition holds now.",
    clauses: &[WAS, PURPOSE, clause("when", "when …", "The condition.")],
    example: "\
segment keen \"Looked three times in a day, has not bought\" {
  when count(view where category == \"a\", last 24h) >= 3 and not did(order, last 24h)
}

segment abandoned_cart \"Added to the cart, then no order for half an hour\" {
  when sequence(add then no order for 30m, last 7d)
}
",
};

const TRAIT: Item = Item {
    meaning: "A value that is computed for everybody. Other rules read it by its name.",
    clauses: &[WAS],
    example: "\
trait spent \"All that was ever spent\" = sum(order.total)

trait level = if spent >= 500 then \"gold\" else if spent > 0 then \"silver\" else \"none\"
",
};

const JOURNEY: Item = Item {
    meaning: "What happens to people one after the other: compiled into a state machine.",
    clauses: &[
        WAS,
        PURPOSE,
        clause(
            "enter on",
            "enter on E where … as v per v.p",
            "People come in with this event, which is called `v` from here on; with `per`, once at a time for each value.",
        ),
        clause("enter when", "enter when …", "People come in at the moment at which this becomes true."),
        clause(
            "again after",
            "again after 7d",
            "Who has left may come in again after this time; without it nobody comes twice.",
        ),
        clause("goal", "goal E where …", "Whenever this event comes, the person leaves, converted."),
        clause("exit when", "exit when …", "Whenever this becomes true, the person leaves."),
        clause("hours", "hours 08:00 to 20:00", "What is sent waits for these hours of the person's local time."),
        clause("wait", "wait 30m", "Goes on after this time."),
        clause(
            "wait until",
            "wait until … up to 1d { … } else { … }",
            "Goes on in the first block as soon as the condition holds, in the second when time is up.",
        ),
        clause(
            "wait for",
            "wait for E where … up to 1d { … } else { … }",
            "The same, for an event that comes from now on.",
        ),
        clause("if", "if … { … } else if … { … } else { … }", "Goes on in the first block whose condition holds."),
        clause(
            "split",
            "split { 10% control { … } 90% treated { … } }",
            "Parts of the people, always the same for a person and a journey.",
        ),
        clause(
            "send",
            "send destination.action { field: value }",
            "Sends something, typed against what the destination's plugin takes.",
        ),
        clause("set trait", "set trait name = …", "Sets a trait of `profile.yaml`."),
        clause("exit", "exit", "The person leaves."),
    ],
    example: "\
journey cart_recovery \"Win back an abandoned cart\" {
  enter on add as added per added.cart
  again after 7d
  goal order
  exit when profile.country == \"AQ\"
  hours 08:00 to 20:00

  wait 30m
  split {
    10% control {}
    90% treated {
      if profile.email is known {
        send mail.message { to: profile.email, template: \"cart-reminder\", product: added.product }
      }
      wait for view where product == added.product up to 24h {
        set trait interested = true
      } else {
        exit
      }
    }
  }
}
",
};

const FUNNEL: Item = Item {
    meaning: "How far people come on a way of several steps. `sonder eval … --funnel NAME` evaluates it.",
    clauses: &[
        PURPOSE,
        clause(
            "then",
            "A where … within 1h then B as b then C",
            "The steps; `within` bounds the time since the step before.",
        ),
        clause("within", "within 7d", "The time for all steps, from the first on."),
        clause("by", "by context.device.type, profile.plan", "What the figures are broken down by. Optional."),
    ],
    example: "\
funnel checkout \"From product to order\" {
  view then add then order
  within 7d
  by context.device.type, profile.plan
}
",
};

const EXPERIMENT: Item = Item {
    meaning: "Variants of something, compared by goals.",
    clauses: &[
        PURPOSE,
        clause("variants", "variants control 50%, green 50%", "The variants, with their parts of the people."),
        clause("on", "on E where …", "People take part from this event on."),
        clause("goal", "goal did(E, next 7d), …", "What is compared: yes or no, or numbers, from that moment on."),
    ],
    example: "\
experiment checkout_button \"Green or blue\" {
  variants control 50%, green 50%
  on add
  goal did(order, next 7d), sum(order.total, next 7d)
}
",
};

const EXPERIENCE: Item = Item {
    meaning: "What somebody is shown; the first condition that holds decides.",
    clauses: &[
        PURPOSE,
        clause("when", "when … show { field: value }", "For whom, and what they see."),
        clause("otherwise", "otherwise show { field: value }", "What everybody else sees."),
    ],
    example: "\
experience hero \"What the first page shows\" {
  when profile.plan == \"pro\" show { variant: \"thanks\" }
  when did(view, last 7d) show { variant: \"more\", products: recommend(also_viewed, last(view.product), 4) }
  otherwise show { variant: \"default\" }
}
",
};

const PREDICTION: Item = Item {
    meaning: "A chance that is learnt from what people did.",
    clauses: &[
        PURPOSE,
        clause("label", "label …", "What is predicted; it looks ahead with `next`."),
        clause("for", "for …", "About whom."),
        clause("from", "from …, …", "What it is predicted from."),
    ],
    example: "\
predict churn \"Chance of no visit in the next 30 days\" {
  label not did(view, next 30d)
  for did(view, last 60d)
  from count(view, last 7d), count(view, last 30d), since(order)
}
",
};
