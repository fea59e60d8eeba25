//! What is promised of a hostile guest, and the tests, benchmarks and commands that show it, by their names.

/// A promise and what shows it: a test function, or a command of xtask.
pub(super) const ALL: [(&str, &[&str]); 37] = [
    (
        "the request is rebuilt from what the table allows",
        &[
            "nothing_forged_reaches_the_agent",
            "nothing_forged_reaches_the_agent_of_ovn",
            "forged_identity_in_trailers_is_gone",
            "connection_cannot_nominate_the_identity",
        ],
    ),
    (
        "a WSGI server, WebOb and a strict reader understand the same one request",
        &["three_readers_understand_the_same_request"],
    ),
    (
        "what two parsers could read differently is refused",
        &[
            "what_two_parsers_read_differently_is_refused_and_never_forwarded",
            "an_ambiguous_request_is_refused_with_400",
        ],
    ),
    (
        "what real clients send is answered, and nothing of offers, extensions and trailers goes further",
        &[
            "an_offer_to_upgrade_is_answered_over_http_1_1",
            "a_client_that_takes_the_gate_for_its_proxy_is_answered",
            "an_empty_line_before_a_request_is_passed_over",
            "chunk_extensions_and_trailers_reach_nobody",
        ],
    ),
    (
        "one answer to a request, and a connection that lives on if nothing of it is left unread",
        &[
            "a_refused_head_has_no_body",
            "a_refusal_before_the_body_is_the_only_answer",
            "a_refusal_with_nothing_left_unread_keeps_the_connection",
            "a_client_that_is_told_to_come_again_keeps_its_connection",
            "a_guest_that_goes_on_with_its_body_hears_the_early_refusal",
        ],
    ),
    (
        "the agent's silence is not the guest's fault, and the guest's not the agent's",
        &[
            "each_phase_has_its_own_time",
            "an_agent_that_pauses_within_its_body_has_timeout_servers_time",
            "a_guest_that_takes_nothing_is_named_also_while_the_agent_pauses",
        ],
    ),
    ("bytes that the fuzzer found are tried again", &["cargo xtask fuzz", "no_target_is_left_out"]),
    (
        "head and number of its fields: 431, target: 414, body: 413",
        &[
            "a_head_with_too_many_fields_is_431",
            "a_head_that_cannot_fit_is_refused_with_431",
            "a_target_beyond_its_bound_is_414",
            "a_body_that_cannot_fit_is_refused_with_413",
        ],
    ),
    (
        "time for a head and for a body: 408",
        &[
            "a_slow_head_is_408",
            "a_first_line_without_a_version_is_refused_at_once",
            "a_body_that_trickles_is_408_however_lively",
        ],
    ),
    ("time for the agent: 504", &["a_silent_agent_is_504"]),
    (
        "age of a connection",
        &[
            "a_connection_is_closed_at_its_age_between_two_requests",
            "a_guest_that_does_not_read_is_cut_at_twice_its_age",
        ],
    ),
    ("unfinished heads of one source", &["unfinished_heads_wait_for_their_turn_and_whole_ones_do_not"]),
    (
        "connections of one source, which is an address",
        &[
            "a_source_at_its_bound_is_refused_and_the_table_empties",
            "a_guest_with_one_address_takes_nothing_from_its_neighbours_of_the_same_64",
        ],
    ),
    (
        "a machine with a whole /64 of addresses takes nothing from a neighbour of the same /64",
        &[
            "a_guest_with_thousands_of_addresses_does_not_shut_a_neighbour_of_the_same_64_out",
            "the_holder_of_most_is_found_by_address_and_by_64",
            "a_whole_64_leaves_a_quarter_of_the_turns_to_others",
            "cargo xtask bench",
        ],
    ),
    (
        "who gives way: what waits for its guest, and never a request under way",
        &[
            "a_newcomer_displaces_the_oldest_idle_connection_of_the_holder_of_most",
            "a_request_under_way_is_not_cut_and_its_connection_ends_with_the_answer",
            "unfinished_heads_of_many_addresses_give_way_to_one_that_goes_on",
            "answers_that_are_never_read_by_many_addresses_give_way",
        ],
    ),
    ("two listeners with one place", &["two_listeners_with_one_place_are_served_in_turn"]),
    ("memory: the stated ceiling holds under attack", &["every_connection_at_its_worst_fits_into_the_stated_memory"]),
    (
        "idle connections take nothing from a neighbour",
        &["idle_connections_of_one_source_do_not_starve_a_neighbour", "cargo xtask bench"],
    ),
    (
        "slow requests take nothing from a neighbour",
        &["slow_requests_of_one_source_do_not_starve_a_neighbour", "cargo xtask bench"],
    ),
    (
        "answers that are never read take nothing from a neighbour",
        &["answers_that_are_never_read_do_not_take_every_turn", "cargo xtask bench"],
    ),
    (
        "an agent with a queue of five loses no request",
        &[
            "sixty_requests_at_once_against_a_queue_of_five",
            "two_hundred_requests_at_once_against_a_queue_of_five",
            "one_request_at_a_time_serves_everybody_in_turn",
        ],
    ),
    (
        "a request whose guest has gone leaves the queue",
        &["a_request_whose_guest_has_gone_leaves_the_queue", "a_guest_that_goes_away_in_the_queue_leaves_it"],
    ),
    (
        "a reset leaves the agent to others, and a guest that closes its own side alone is answered",
        &["a_guest_that_resets_leaves_the_agent_to_others", "a_guest_that_has_said_all_it_had_to_say_hears_the_answer"],
    ),
    ("bare line feeds, and no blank line", &["a_head_of_bare_line_feeds", "no_blank_line_after_an_empty_body"]),
    (
        "garbage, nothing, half a head and an endless one: 502",
        &["garbage", "it_closes_without_a_byte", "half_a_head", "an_endless_head_ends"],
    ),
    (
        "a truncated answer never looks whole",
        &["a_body_shorter_than_it_said_is_cut_and_not_completed", "an_answer_that_was_cut_never_looks_whole"],
    ),
    (
        "interim answers, bytes above 127, no length and no close",
        &[
            "interim_answers_are_not_the_answer",
            "header_values_beyond_ascii_pass_and_split_nothing",
            "no_length_and_no_close_is_cut_after_the_server_timeout",
            "a_body_longer_than_it_said_is_what_it_said",
        ],
    ),
    (
        "pipelined requests are answered in order, and connection churn costs a neighbour nothing",
        &["pipelined_requests_are_answered_in_order_on_one_connection", "cargo xtask bench"],
    ),
    (
        "why a request was refused is a word in its event, and no secret is",
        &["each_refusal_has_its_own_word", "no_secret_is_in_any_log"],
    ),
    ("an agent that goes and comes back under load", &["it_disappears_and_comes_back_under_load"]),
    (
        "the rate limit counts in two windows, IPv4 and IPv6 at once, and says when to come again",
        &["the_window_slides", "the_rate_limit_counts_ipv6_too", "the_rate_limit_answers_429_and_when_to_come_again"],
    ),
    ("no table grows with what a guest sends", &["the_table_is_bounded_however_many_sources_ask"]),
    (
        "no descriptors, or no memory, for the next connection",
        &["without_descriptors_it_waits_and_recovers", "a_kernel_without_memory_for_a_connection_is_asked_again"],
    ),
    (
        "a system log that is full, or goes and comes back",
        &["a_full_log_slows_nobody_and_is_told_what_it_missed", "a_log_socket_that_comes_back_is_found_again"],
    ),
    ("a step of the clock", &["a_step_of_the_clock_changes_dates_in_the_log_and_nothing_else"]),
    (
        "SIGSTOP, and a neighbouring gate that is killed",
        &[
            "a_gate_that_was_stopped_for_a_while_goes_on",
            "a_gate_that_was_stopped_longer_than_every_timeout_goes_on",
            "a_neighbouring_gate_that_the_kernel_kills_disturbs_nobody",
        ],
    ),
    ("after half an hour of all of it, descriptors and memory are where they began", &["cargo xtask soak"]),
];

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::house::all_of_the_tree;

    #[test]
    fn every_promise_is_shown_by_something_that_exists() {
        let text = all_of_the_tree();
        for (promise, shown) in ALL {
            assert!(!shown.is_empty(), "{promise}");
            for name in shown {
                let there = match name.strip_prefix("cargo xtask ") {
                    Some(command) => text.contains(&format!("Some(\"{command}\") =>")),
                    None => text.contains(&format!("fn {name}(")),
                };
                assert!(there, "{promise}: nothing is called {name}");
            }
        }
    }
}
