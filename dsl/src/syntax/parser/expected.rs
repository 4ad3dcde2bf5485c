//! What rules of the grammar are called in errors.

use super::Rule;
use crate::syntax::expectation::Expected;

/// What a rule of the grammar is called in an error; `None` for what nobody should be told to type.
pub(super) fn expected(rule: Rule) -> Option<Expected> {
    Some(match rule {
        Rule::name | Rule::path | Rule::field => Expected::Name,
        Rule::expression
        | Rule::operand
        | Rule::reference
        | Rule::group
        | Rule::if_else
        | Rule::steps
        | Rule::argument => Expected::Value,
        Rule::boolean | Rule::string | Rule::number | Rule::date | Rule::not => Expected::Value,
        Rule::duration | Rule::duration_part => Expected::Duration,
        Rule::description => Expected::Text,
        Rule::and | Rule::or | Rule::equal | Rule::not_equal | Rule::less_or_equal | Rule::greater_or_equal => {
            Expected::Operator
        }
        Rule::less
        | Rule::greater
        | Rule::plus
        | Rule::minus
        | Rule::times
        | Rule::divide
        | Rule::is
        | Rule::is_known => Expected::Operator,
        Rule::known => Expected::Word("known"),
        Rule::unknown => Expected::Word("unknown"),
        Rule::then => Expected::Word("then"),
        Rule::else_word | Rule::else_if => Expected::Word("else"),
        Rule::comma => Expected::Word(","),
        Rule::close_paren => Expected::Word(")"),
        Rule::open_brace => Expected::Word("{"),
        Rule::close_brace => Expected::Word("}"),
        Rule::assign => Expected::Word("="),
        Rule::when | Rule::when_word => Expected::Word("when"),
        Rule::purpose | Rule::purpose_word => Expected::Word("purpose"),
        Rule::percent => Expected::Word("50%"),
        Rule::clock => Expected::Word("08:00"),
        Rule::colon => Expected::Word(":"),
        Rule::block | Rule::entries => Expected::Word("{"),
        Rule::step => Expected::Name,
        Rule::enter | Rule::enter_word => Expected::Word("enter"),
        Rule::again | Rule::again_word => Expected::Word("again"),
        Rule::after_word => Expected::Word("after"),
        Rule::goal | Rule::goal_word | Rule::goals => Expected::Word("goal"),
        Rule::hours | Rule::hours_word => Expected::Word("hours"),
        Rule::exit | Rule::exit_word => Expected::Word("exit"),
        Rule::wait | Rule::wait_word => Expected::Word("wait"),
        Rule::wait_until | Rule::until_word => Expected::Word("until"),
        Rule::wait_for => Expected::Word("for"),
        Rule::up_to | Rule::up_word => Expected::Word("up to"),
        Rule::to_word => Expected::Word("to"),
        Rule::if_statement | Rule::if_word => Expected::Word("if"),
        Rule::split | Rule::split_word => Expected::Word("split"),
        Rule::send | Rule::send_word => Expected::Word("send"),
        Rule::set_trait | Rule::set_word => Expected::Word("set"),
        Rule::enter_on | Rule::on | Rule::on_word => Expected::Word("on"),
        Rule::by | Rule::by_word => Expected::Word("by"),
        Rule::variants | Rule::variants_word => Expected::Word("variants"),
        Rule::otherwise | Rule::otherwise_word => Expected::Word("otherwise"),
        Rule::show_word => Expected::Word("show"),
        Rule::label | Rule::label_word => Expected::Word("label"),
        Rule::population => Expected::Word("for"),
        Rule::features | Rule::from_word => Expected::Word("from"),
        Rule::journey | Rule::journey_word => Expected::Word("journey"),
        Rule::funnel | Rule::funnel_word => Expected::Word("funnel"),
        Rule::experiment | Rule::experiment_word => Expected::Word("experiment"),
        Rule::experience | Rule::experience_word => Expected::Word("experience"),
        Rule::prediction | Rule::predict_word => Expected::Word("predict"),
        Rule::segment | Rule::segment_word => Expected::Word("segment"),
        Rule::computed_trait | Rule::trait_word => Expected::Word("trait"),
        Rule::filter | Rule::where_word => Expected::Word("where"),
        Rule::alias | Rule::as_word => Expected::Word("as"),
        Rule::within | Rule::within_word => Expected::Word("within"),
        Rule::lasting | Rule::for_word => Expected::Word("for"),
        Rule::last | Rule::last_word | Rule::since | Rule::since_word | Rule::per | Rule::per_word => Expected::Window,
        _ => return None,
    })
}
